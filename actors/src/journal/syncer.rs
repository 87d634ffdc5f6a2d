//! The actor that syncs, again and again, whatever was written while the sync before ran, and then acknowledges it.

use super::custody::{Custody, Unsynced};
use super::thread::{self, Leash};
use super::work::Letter;
use super::writer::Teller;
use crate::child::actor::Next;
use crate::child::spec::StartContext;
use crate::child::{Child, Me};
use journal::{Position, SyncError};
use parking_lot::MutexGuard;
use std::time::{Duration, Instant};

/// How long it waits for something to sync before it looks whether it shall end.
const WAIT: Duration = Duration::from_secs(1);
/// How soon a sync that failed is tried again.
const RETRY: Duration = Duration::from_millis(250);
/// Where nobody waits for an acknowledgement (TCP, UDP) there is this pause between two syncs: a sync takes a tenth of a
/// millisecond of CPU, which would delay deliveries where there is one core.
const PACE: Duration = Duration::from_millis(5);

/// The syncer.
pub struct Syncer {
    custody: Custody,
}

impl Syncer {
    /// A syncer of these; one at a time.
    pub fn new(custody: Custody) -> Self {
        Self { custody }
    }
}

impl Child for Syncer {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let (custody, context) = (self.custody.clone(), me.context.clone());
        thread::run(me, &self.custody, move |leash| sync(&custody, leash, &context)).await?;
        Ok(Next::Continue)
    }
}

fn sync(custody: &Custody, leash: &Leash, context: &StartContext) {
    let mut teller = Teller::new(context.clone(), "nothing is acknowledged until it can be synced");
    let mut last = Instant::now();
    while !leash.is_cut() {
        if !something_to_sync(custody, leash, last) {
            if leash.runs() {
                continue;
            }
            return;
        }
        let synced = custody.sync_and_acknowledge();
        last = Instant::now();
        let failed = synced.is_err();
        teller.tell(synced.err().map(|e| e.to_string()));
        if failed && !leash.runs() {
            return;
        }
        if failed {
            std::thread::sleep(RETRY);
        }
    }
}

fn something_to_sync(custody: &Custody, leash: &Leash, last: Instant) -> bool {
    let due = |unsynced: &MutexGuard<'_, Unsynced>| !unsynced.held && !unsynced.acknowledgements.is_empty();
    let mut unsynced = custody.0.unsynced.lock();
    if !due(&unsynced) && leash.runs() {
        custody.0.appended.wait_for(&mut unsynced, WAIT);
    }
    while due(&unsynced) && !unsynced.waited_for && leash.runs() {
        let Some(left) = PACE.checked_sub(last.elapsed()) else { break };
        custody.0.appended.wait_for(&mut unsynced, left);
    }
    unsynced.waited_for = false;
    due(&unsynced)
}

impl Custody {
    /// Syncs what was written and acknowledges it. Blocks.
    pub fn sync_and_acknowledge(&self) -> Result<(), SyncError> {
        let synced = self.0.journal.sync();
        match &synced {
            Ok(durable) => self.acknowledge_before(*durable),
            Err(SyncError::Lost(gap)) => {
                // Those after it are durable with the next sync, but come later in their streams.
                self.0.unsynced.lock().held = true;
                self.post(Letter::Lost(*gap));
            }
            Err(SyncError::Disk(_)) => {}
        }
        self.refresh();
        synced.map(drop)
    }

    fn acknowledge_before(&self, durable: Position) {
        let mut unsynced = self.0.unsynced.lock();
        if unsynced.held {
            return;
        }
        while let Some(durable) = unsynced.acknowledgements.pop_front_if(|next| next.before <= durable) {
            durable.what.send();
        }
    }
}
