//! The actor that gives back segments, lays out new ones, and writes the cursor down.
//!
//! What a stuck branch owes is written once more from time to time, so that the journal stays a few segments long: it is
//! quick to read at the next start, and one dead target does not fill the disk.

use super::custody::{Custody, Level, Status};
use super::writer::Teller;
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use journal::{Dropped, Prepared};
use std::time::Duration;

/// Pause between two rounds.
const EVERY: Duration = Duration::from_secs(1);
/// At least so long between two rounds, however much is written.
const PAUSE: Duration = Duration::from_millis(20);
/// What is owed is written once more when so many segments lie behind it.
const SEGMENTS_BEHIND: u64 = 4;

/// The upkeep.
pub struct Upkeep {
    custody: Custody,
    segment_bytes: u64,
    teller: Option<Teller>,
    says: Says,
}

/// What it says of the journal.
#[derive(Default)]
struct Says(String);

impl Says {
    fn tell(&mut self, me: &Me<()>, custody: &Custody) {
        let Status { level, stats, unsettled, .. } = custody.status();
        let promise = match level {
            Level::Written => "written",
            Level::Synced => "synced",
        };
        let (segments, mebibytes) = (stats.segments, stats.disk_bytes >> 20);
        let text = format!(
            "sources are acknowledged when {promise}; {segments} segments, {mebibytes} MiB of disk, {unsettled} batches \
             under way"
        );
        if self.0 != text {
            me.report(Condition::Note(text.clone()));
            self.0 = text;
        }
    }
}

impl Upkeep {
    /// Upkeep of these, whose segments are so large.
    pub fn new(custody: Custody, segment_bytes: u64) -> Self {
        Self { custody, segment_bytes, teller: None, says: Says::default() }
    }
}

impl Child for Upkeep {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let consequence = "what is written when there is no room left waits";
        let teller = self.teller.get_or_insert_with(|| Teller::new(me.context.clone(), consequence));
        while !me.is_stopping() {
            let (custody, segment_bytes) = (self.custody.clone(), self.segment_bytes);
            let round = tokio::task::spawn_blocking(move || custody.look_after(segment_bytes));
            let trouble = me.waiting(round).await?;
            let well = trouble.is_none();
            teller.tell(trouble);
            if well {
                self.says.tell(me, &self.custody);
            }
            let pause = async {
                tokio::time::sleep(PAUSE).await;
                let _ = tokio::time::timeout(EVERY, self.custody.0.moved_on.notified()).await;
            };
            tokio::select! {
                biased;
                () = me.stopping() => break,
                () = me.waiting(pause) => {}
            }
        }
        Ok(Next::Continue)
    }
}

impl Custody {
    /// One round. Returns what is wrong. Blocks.
    pub fn look_after(&self, segment_bytes: u64) -> Option<String> {
        let journal = &self.0.journal;
        self.refresh();
        let persisted = journal.persist_cursors().err().map(|e| e.to_string());
        journal.release();
        let expired = match journal.expire() {
            Ok(dropped) => {
                dropped.iter().for_each(tell_dropped);
                None
            }
            Err(error) => Some(error.to_string()),
        };
        let behind = SEGMENTS_BEHIND * segment_bytes;
        if journal.cursors().iter().any(|cursor| cursor.lag_bytes > 2 * behind) {
            self.move_up(behind);
        }
        let prepared = match journal.prepare() {
            Ok(Prepared::Ready) => None,
            Ok(Prepared::Full(cause)) => Some(format!("no spare segment can be laid out: {cause}")),
            Err(error) => Some(error.to_string()),
        };
        persisted.or(expired).or(prepared)
    }
}

fn tell_dropped(dropped: &Dropped) {
    tracing::error!(
        records = dropped.records,
        from = dropped.from.0,
        to = dropped.to.0,
        "journal records are older than queue.limit and were dropped before they were settled"
    );
}
