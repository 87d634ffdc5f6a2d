//! The actor that writes what is set aside, one group after the other on a blocking thread.
//!
//! It stops after lanes and targets, since they may have something to set aside until their end.

use super::announcer::{Announcer, Kind, What};
use super::desk::{Quarantine, Request};
use super::entry::Entry;
use super::store::Written;
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use journal::Recovery;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// Written in one go at most.
const GROUP_REQUESTS: usize = 64;
/// A store that can't be opened is tried again after this.
const OPEN_AGAIN: Duration = Duration::from_secs(5);

/// The keeper.
pub struct Keeper {
    quarantine: Quarantine,
    announcer: Announcer,
    trouble: Option<String>,
    noted: Option<u64>,
}

impl Keeper {
    /// A keeper of this quarantine.
    pub fn new(quarantine: Quarantine) -> Self {
        Self { quarantine, announcer: Announcer::default(), trouble: None, noted: Some(0) }
    }

    async fn serve(&mut self, me: &Me<()>) -> anyhow::Result<Next> {
        self.open(me).await?;
        loop {
            self.turn(me).await?;
        }
    }

    /// Opens what is there from earlier lives.
    async fn open(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        loop {
            let quarantine = self.quarantine.clone();
            let opened = me.waiting(tokio::task::spawn_blocking(move || quarantine.open_present())).await?;
            match opened {
                Ok(recovery) => {
                    self.tell_recovery(me, recovery.as_ref());
                    self.prepare(me).await?;
                    self.well(me);
                    return Ok(());
                }
                Err(e) => self.in_trouble(me, format!("{e:#}")),
            }
            // What comes meanwhile is not kept waiting.
            if let Ok(turned) = tokio::time::timeout(OPEN_AGAIN, self.turn(me)).await {
                turned?;
            }
        }
    }

    /// Waits for events, writes them, says so.
    async fn turn(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        let due = self.announcer.due(Instant::now()).map(tokio::time::Instant::from_std);
        let quarantine = self.quarantine.clone();
        let mut inbox = quarantine.inbox().lock().await;
        let come = async {
            tokio::select! {
                request = inbox.recv() => request,
                () = quarantine.decided() => None,
            }
        };
        let first = async {
            match due {
                Some(due) => tokio::time::timeout_at(due, come).await.ok().flatten(),
                None => come.await,
            }
        };
        let first = me.waiting(first).await;
        if let Some(first) = first {
            let mut group = vec![first];
            while group.len() < GROUP_REQUESTS
                && let Ok(more) = inbox.try_recv()
            {
                group.push(more);
            }
            drop(inbox);
            self.write(me, group).await?;
        }
        self.tell_waiting(me);
        self.announce(me);
        Ok(())
    }

    async fn write(&mut self, me: &Me<()>, group: Vec<Request>) -> anyhow::Result<()> {
        let quarantine = self.quarantine.clone();
        let written = me.waiting(tokio::task::spawn_blocking(move || quarantine.write(group))).await?;
        let mut trouble = None;
        for (entries, written) in &written {
            self.note(entries, written);
            trouble = trouble.or_else(|| written.trouble.clone());
            self.announcer.overwrote(written.overwritten);
        }
        match trouble {
            Some(trouble) => self.in_trouble(me, trouble),
            None => self.well(me),
        }
        self.prepare(me).await
    }

    async fn prepare(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        let quarantine = self.quarantine.clone();
        let prepared = me.waiting(tokio::task::spawn_blocking(move || quarantine.prepare())).await?;
        if let Err(e) = prepared {
            // What was written is written; where the next one can't be, that is told then.
            tracing::debug!(error = format!("{e:#}"), "no spare segment for the quarantine");
        }
        Ok(())
    }

    fn note(&mut self, entries: &Arc<[Entry]>, written: &Written) {
        for (n, entry) in entries.iter().enumerate() {
            let way = self.quarantine.way(entry);
            let place = way.map_or_else(String::new, |way| match entry.target.is_some() {
                true => format!("target {:?}", way.target),
                false if way.pipelines.is_empty() => format!("route {:?}", way.route),
                false => format!("pipeline {}", way.pipelines.join("+")),
            });
            let kept = n < written.kept;
            let why = match &written.trouble {
                Some(trouble) if !kept => trouble.as_str(),
                _ => &entry.why,
            };
            let what = if kept { What::Kept } else { What::Dropped };
            self.announcer.note(Kind { cause: entry.cause.name(), place, what }, why);
        }
    }

    fn announce(&mut self, me: &Me<()>) {
        for (kind, text) in self.announcer.sentences(Instant::now()) {
            match kind.what {
                What::Kept => tracing::warn!("{text}; -quarantine list shows them"),
                What::Overwritten => tracing::warn!("{text}"),
                What::Dropped => tracing::error!("{text}"),
            }
            me.context.common.tree.log(&me.context.path, text);
        }
    }

    fn in_trouble(&mut self, me: &Me<()>, trouble: String) {
        if self.trouble.as_ref() == Some(&trouble) {
            return;
        }
        let text = format!(
            "cannot keep events in quarantine: {trouble}; those that should go there are dropped and counted until it can"
        );
        tracing::error!("{text}");
        me.report(Condition::Trouble(text));
        self.trouble = Some(trouble);
    }

    fn well(&mut self, me: &Me<()>) {
        if self.trouble.take().is_some() {
            tracing::info!("events are kept in quarantine again");
            self.noted = None;
        }
        self.tell_waiting(me);
    }

    /// Says how many events wait for a decision, if that is not known.
    fn tell_waiting(&mut self, me: &Me<()>) {
        let waiting = self.quarantine.meters().waiting.load(Relaxed);
        if self.trouble.is_none() && self.noted != Some(waiting) {
            self.noted = Some(waiting);
            me.report(Condition::Note(format!("{waiting} events wait for a decision")));
        }
    }

    fn tell_recovery(&self, me: &Me<()>, recovery: Option<&Recovery>) {
        let Some(recovery) = recovery else { return };
        if recovery.torn_bytes > 0 || recovery.damaged_records > 0 {
            let text = format!(
                "the quarantine was repaired: {} bytes of an unfinished event were cut off, {} events are damaged",
                recovery.torn_bytes, recovery.damaged_records
            );
            tracing::warn!("{text}");
            me.context.common.tree.log(&me.context.path, text);
        }
    }
}

impl Child for Keeper {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        tokio::select! {
            () = me.stopping() => Ok(Next::Continue),
            failed = self.serve(me) => failed,
        }
    }

    async fn finish(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        let quarantine = self.quarantine.clone();
        let mut rest = Vec::new();
        {
            let mut inbox = quarantine.inbox().lock().await;
            while let Ok(request) = inbox.try_recv() {
                rest.push(request);
            }
        }
        if !rest.is_empty() {
            self.write(me, rest).await?;
        }
        self.announce(me);
        Ok(())
    }
}
