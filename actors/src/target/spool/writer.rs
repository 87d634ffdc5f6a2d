//! The spool's writer: appends what is to go to disk, in groups, and keeps house.
//!
//! Blocking happens on a thread of its own; what comes meanwhile is the next group. A disk without space or with
//! errors is a condition: nothing is settled then, so the sources wait, until it is tried again.

use super::append::Trouble;
use super::spool::Spool;
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::target::trouble::Patience;
use anyhow::Context;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How often the spool looks at the time, and makes its cursor durable when something was settled.
pub(super) const TICK: Duration = Duration::from_millis(100);
/// What comes within this time is appended together.
const GATHER: Duration = Duration::from_millis(1);
/// How often progress is shown, and how often it is logged.
const SHOW_EVERY: Duration = Duration::from_secs(1);
const LOG_EVERY: Duration = Duration::from_secs(10);
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_AT_MOST: Duration = Duration::from_secs(5);

/// The writer's note to itself: begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin;

/// The writer.
pub struct SpoolWriter {
    spool: Arc<Spool>,
    patience: Patience,
    retry_at: Option<Instant>,
    progress: Progress,
    in_trouble: bool,
}

/// What is said of catching up.
#[derive(Default)]
struct Progress {
    shown_at: Option<Instant>,
    logged_at: Option<Instant>,
    bytes: u64,
    text: String,
    in_use: bool,
}

impl SpoolWriter {
    /// The writer of this spool.
    pub fn new(spool: Arc<Spool>) -> Self {
        let patience = Patience::new(RETRY_FIRST, RETRY_AT_MOST);
        Self { spool, patience, retry_at: None, progress: Progress::default(), in_trouble: false }
    }

    async fn step(&mut self, me: &Me<Begin>, last: bool) -> anyhow::Result<()> {
        self.spool.tick();
        let now = self.spool.environment.clock.now();
        if self.retry_at.is_none_or(|at| at <= now) || last {
            let spool = Arc::clone(&self.spool);
            let work = spool.has_work() || last;
            if work {
                let step = tokio::task::spawn_blocking(move || spool.work(last));
                let result = me.waiting(step).await.context("the writing thread failed")?;
                self.judge(me, result);
                self.spool.prepare();
            }
        }
        self.show(me, now);
        Ok(())
    }

    fn judge(&mut self, me: &Me<Begin>, result: Result<(), Trouble>) {
        let name = &*self.spool.target.name;
        let Err(trouble) = result else {
            self.retry_at = None;
            if self.patience.succeeded() {
                tracing::info!(target = name, "the spool is written to again");
                self.in_trouble = false;
                me.report(Condition::Note("written to again".to_owned()));
            }
            return;
        };
        let first = !self.patience.is_tried();
        let wait = self.patience.failed();
        self.retry_at = Some(self.spool.environment.clock.now() + wait);
        let text = format!("{trouble}; its sources wait, trying again in {wait:?}");
        if first {
            tracing::error!(target = name, "cannot spool: {text}");
        }
        self.in_trouble = true;
        me.report(Condition::Trouble(text));
    }

    /// Shows how far catching up is.
    fn show(&mut self, me: &Me<Begin>, now: Instant) {
        let (tree, path) = (&me.context.common.tree, &me.context.path);
        for text in std::mem::take(&mut *self.spool.news.lock()) {
            tree.log(path, text);
        }
        let (progress, meters) = (&mut self.progress, &self.spool.target.spool);
        let name = &*self.spool.target.name;
        let in_use = meters.in_use.load(Relaxed);
        let changed = in_use != progress.in_use;
        let since = progress.shown_at.map_or(SHOW_EVERY, |at| now.saturating_duration_since(at));
        if since < SHOW_EVERY && !changed {
            return;
        }
        let bytes = meters.bytes.load(Relaxed);
        let shrunk = progress.bytes.saturating_sub(bytes) as f64 / since.as_secs_f64().max(0.001);
        let smooth = (meters.shrinks_by.load(Relaxed) as f64 * 0.7 + shrunk * 0.3) as u64;
        meters.shrinks_by.store(if in_use && bytes > 0 { smooth } else { 0 }, Relaxed);
        (progress.bytes, progress.shown_at) = (bytes, Some(now));
        let waiting = meters.flow.held();
        let text = match (in_use, meters.seconds_left()) {
            (false, _) => "empty; deliveries go to the target from memory".to_owned(),
            (true, None) => format!("{waiting} deliveries ({}) wait on disk", readable(bytes)),
            (true, Some(left)) => format!(
                "{waiting} deliveries ({}) wait on disk, {}/s less, done in {left} s",
                readable(bytes),
                readable(smooth)
            ),
        };
        let due = progress.logged_at.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY);
        match (changed, in_use) {
            (true, true) => {
                tracing::info!(target = name, waiting, bytes, "deliveries go through the spool");
                tree.log(path, "deliveries go through the spool".to_owned());
                progress.logged_at = Some(now);
            }
            (true, false) => {
                tracing::info!(target = name, "the spool is empty; delivering from memory again");
                tree.log(path, "the spool is empty; delivering from memory again".to_owned());
            }
            (false, true) if due && bytes > 0 => {
                tracing::info!(target = name, "{text}");
                progress.logged_at = Some(now);
            }
            _ => {}
        }
        progress.in_use = in_use;
        if progress.text != text && !self.in_trouble {
            me.report(Condition::Note(text.clone()));
            progress.text = text;
        }
    }
}

/// Bytes in the unit that people read.
fn readable(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "kB", "MB", "GB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

impl Child for SpoolWriter {
    type Message = Begin;

    fn start(&mut self, me: &Me<Begin>) -> anyhow::Result<()> {
        me.note(Begin);
        Ok(())
    }

    async fn handle(&mut self, me: &Me<Begin>, Begin: Begin) -> anyhow::Result<Next> {
        let spool = Arc::clone(&self.spool);
        loop {
            self.step(me, false).await?;
            let wake = async {
                tokio::select! {
                    // What comes shortly after goes into the same write.
                    () = spool.write.notified() => tokio::time::sleep(GATHER).await,
                    () = tokio::time::sleep(TICK) => {}
                    () = me.stopping() => return false,
                }
                true
            };
            if !me.waiting(wake).await {
                return Ok(Next::Continue);
            }
        }
    }

    async fn finish(&mut self, me: &Me<Begin>) -> anyhow::Result<()> {
        self.step(me, true).await
    }
}
