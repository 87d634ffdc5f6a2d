//! The collector of a file device: watches folders, recognises files, tells the readers which of them have changed.

use super::following::{Desk, Following};
use super::recognise::{Looked, Now, Scanner};
use super::watch::{Happened, Watch};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::OwnedMutexGuard;
use tokio::time::sleep_until;

/// News of the kernel are gathered for so long: a line at a time would wake the readers for each.
const GATHER: Duration = Duration::from_millis(2);
/// Looking at folders takes at most one part in so many of the time.
const SHARE_OF_TIME: u32 = 20;
/// How soon to look again when it is not decided what a file is.
const UNDECIDED: Duration = Duration::from_millis(100);

/// The collector.
pub struct Collector {
    following: Arc<Following>,
    desks: Arc<[Arc<Desk>]>,
    told: Option<String>,
}

/// When the folders are looked at next.
struct Schedule {
    earliest: Instant,
    next: Instant,
}

impl Collector {
    /// The collector for these readers' desks; one at a time.
    pub fn new(following: Arc<Following>, desks: Arc<[Arc<Desk>]>) -> Self {
        Self { following, desks, told: None }
    }

    /// Takes over checkpoints, the first time.
    async fn load(&self, me: &Me<()>) -> anyhow::Result<()> {
        let following = Arc::clone(&self.following);
        let now = me.context.common.clock.unix_nanos() / 1_000_000_000;
        let load = move || {
            let (device, forget) = (following.device.id, following.settings.ignore_cache);
            let load = || if forget { Vec::new() } else { following.checkpoints.load(device, now) };
            following.registry.load_once(load);
        };
        me.waiting(tokio::task::spawn_blocking(load)).await?;
        Ok(())
    }

    async fn look(
        &mut self,
        me: &Me<()>,
        mut scanner: OwnedMutexGuard<Scanner>,
    ) -> anyhow::Result<(OwnedMutexGuard<Scanner>, Looked)> {
        let (following, desks) = (Arc::clone(&self.following), Arc::clone(&self.desks));
        let clock = &me.context.common.clock;
        let now = Now { instant: clock.now(), unix: clock.unix_nanos() };
        let look = move || {
            let looked = scanner.look(&following, &desks, now);
            (scanner, looked)
        };
        Ok(me.waiting(tokio::task::spawn_blocking(look)).await?)
    }

    fn tell(&mut self, me: &Me<()>, looked: &Looked, unwatched: Option<std::io::Error>) {
        let trouble = looked.trouble.clone();
        let device = &*self.following.device.name;
        let text = match (&trouble, unwatched) {
            (Some(trouble), _) => trouble.clone(),
            (None, Some(e)) => format!(
                "following {} files; folders can't be watched: {e}; raise fs.inotify.max_user_watches; \
                 looking every {:?} instead",
                looked.followed, self.following.settings.poll_interval
            ),
            (None, None) if looked.followed == 0 => "no file matches yet".to_owned(),
            (None, None) => format!("following {} files", looked.followed),
        };
        if self.told.as_ref() == Some(&text) {
            return;
        }
        match trouble {
            Some(_) => {
                tracing::error!(device, "{text}");
                me.report(Condition::Trouble(text.clone()));
            }
            None => me.report(Condition::Note(text.clone())),
        }
        self.told = Some(text);
    }

    /// Tells readers about changed files until it is time to look at the folders.
    async fn listen(&self, me: &Me<()>, watch: &mut Watch, scanner: &Scanner, mut schedule: Schedule) {
        loop {
            let happened = async {
                tokio::select! {
                    biased;
                    () = me.stopping() => None,
                    () = sleep_until(schedule.next.into()) => None,
                    () = self.following.rescan.notified() => Some(false),
                    happened = watch.happened() => Some(happened.is_ok()),
                }
            };
            let Some(by_kernel) = me.waiting(happened).await else { return };
            if !by_kernel {
                schedule.next = schedule.next.min(schedule.earliest);
                continue;
            }
            if self.take(watch, scanner) {
                schedule.next = schedule.next.min(schedule.earliest);
            }
            me.waiting(tokio::time::sleep(GATHER)).await;
        }
    }

    /// Tells readers what the kernel told. Returns whether the folders are to be looked at.
    fn take(&self, watch: &mut Watch, scanner: &Scanner) -> bool {
        let patterns = &self.following.settings.patterns;
        let mut look = false;
        watch.take(|path, happened| match (happened, scanner.at(path)) {
            (Happened::Changed, Some((key, desk))) => {
                self.desks[desk].tell(|inbox| _ = inbox.changed.insert(key));
            }
            (Happened::Lost, _) => look = true,
            _ => look |= patterns.matches(path),
        });
        look
    }

    async fn collect(&mut self, me: &Me<()>, mut scanner: OwnedMutexGuard<Scanner>) -> anyhow::Result<()> {
        let mut watch = Watch::new()?;
        let mut folders = BTreeSet::<PathBuf>::new();
        while !me.is_stopping() {
            let began = Instant::now();
            let looked;
            (scanner, looked) = self.look(me, scanner).await?;
            let ended = Instant::now();
            let earliest = ended + (ended - began) * SHARE_OF_TIME;
            folders.clone_from(&looked.folders);
            let (more, unwatched) = watch.follow(&folders);
            self.tell(me, &looked, unwatched);
            let mut next = earliest.max(ended + self.following.settings.poll_interval);
            if looked.undecided {
                next = next.min(earliest.max(ended + UNDECIDED));
            }
            if more {
                // What happened between the look and the watch, nobody told.
                next = earliest;
            }
            self.listen(me, &mut watch, &scanner, Schedule { earliest, next }).await;
        }
        Ok(())
    }
}

impl Child for Collector {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        self.load(me).await?;
        // The last life may still be looking at a folder on its thread.
        let scanner = me.waiting(Arc::clone(&self.following.scanner).lock_owned()).await;
        self.collect(me, scanner).await?;
        Ok(Next::Done)
    }
}
