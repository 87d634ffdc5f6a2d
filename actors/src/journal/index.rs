//! What an opened journal still owes: found by reading it once from its cursor on.
//!
//! Cost: batches are not decoded; about 100 bytes of memory for each that is owed, and the time to read what lies after
//! the cursor, which is a few segments ([`super::upkeep`] sees to that).

use super::record;
use super::settlement::{self, Key, Settlements};
use anyhow::Context;
use journal::{CursorId, Gap, GapCause, Journal, Position, Read};
use std::collections::{BTreeMap, VecDeque};

/// A batch that is owed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owed {
    /// Where it is.
    pub position: u64,
    /// By whom and from which record on; none if it was not routed.
    pub by: Option<Vec<(Key, u32)>>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    /// What is owed, in the order in which it was received.
    pub owed: VecDeque<Owed>,
    /// Records between the cursor and the end.
    pub records: u64,
    /// Records that can't be read.
    pub damaged: u64,
    /// The first places where that is so.
    pub gaps: Vec<Gap>,
}

/// Gaps that are listed; more are only counted.
const MAX_GAPS: usize = 100;

/// Reads everything after a cursor.
///
/// # Errors
/// When the disk fails, or a record is of a later version.
pub fn read_index(journal: &Journal, cursor: CursorId) -> anyhow::Result<Found> {
    let mut owed: BTreeMap<u64, Option<Vec<(Key, u32)>>> = BTreeMap::new();
    let mut found = Found::default();
    let mut reader = journal.read_from(journal.watermark(cursor));
    let mut set_aside = false;
    loop {
        let record = match reader.next() {
            Ok(Read::Record(record)) => record,
            Ok(Read::CaughtUp) => break,
            Ok(Read::Gap(gap)) => {
                note_gap(&mut found, gap);
                continue;
            }
            // What the disk does not return once it may return the next time, but not now.
            Err(journal::ReadError::Disk(_)) if !set_aside => {
                set_aside = true;
                reader.set_aside_unreadable();
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        found.records += 1;
        let position = record.position.0;
        match record.payload.first() {
            Some(&settlement::KIND) => {
                let settlements = Settlements::decode(&record.payload);
                let settlements =
                    settlements.with_context(|| format!("the journal has, at position {position},"))?;
                apply(&mut owed, settlements);
            }
            Some(&record::KIND) => {
                if !journal.is_settled(cursor, record.position) {
                    owed.insert(position, None);
                }
            }
            kind => anyhow::bail!(
                "the journal has, at position {position}, a record of kind {kind:?}, which this version does not know; \
                 let the version that wrote it deliver it, or move the folder away"
            ),
        }
    }
    settle_others(journal, cursor, &owed);
    found.owed = owed.into_iter().map(|(position, by)| Owed { position, by }).collect();
    Ok(found)
}

fn note_gap(found: &mut Found, gap: Gap) {
    if gap.cause == GapCause::Damaged {
        found.damaged += gap.records();
        if found.gaps.len() < MAX_GAPS {
            found.gaps.push(gap);
        }
    }
}

fn apply(owed: &mut BTreeMap<u64, Option<Vec<(Key, u32)>>>, settlements: Settlements) {
    for (first, count) in settlements.closed {
        // Most are settled by the cursor already.
        let closed: Vec<u64> = owed.range(first..first.saturating_add(count)).map(|(at, _)| *at).collect();
        for position in closed {
            owed.remove(&position);
        }
    }
    for (position, by) in settlements.owed {
        if let Some(known) = owed.get_mut(&position) {
            *known = Some(by);
        }
    }
}

/// Everything else is settled: by settlements that the cursor had not been told of, or because it can't be read.
fn settle_others(journal: &Journal, cursor: CursorId, owed: &BTreeMap<u64, Option<Vec<(Key, u32)>>>) {
    let mut from = journal.watermark(cursor).0;
    let end = journal.records().end.0;
    for &position in owed.keys().chain([&end]) {
        if position > from {
            journal.settle(cursor, Position(from)..Position(position));
        }
        from = from.max(position + 1);
    }
}
