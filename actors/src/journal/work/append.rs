//! One append: what it takes, its bytes, and what is so when it was carried out.

use super::super::custody::{Acknowledgement, Custody, Level};
use super::super::record;
use super::super::settlement::Settlements;
use super::{EntryKey, Place, Waiting, Work};
use event::BranchId;
use journal::{AppendError, Parts, Position};
use std::collections::HashSet;
use std::mem;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

/// An append goes at this many bytes at the latest.
const GROUP_BYTES: usize = 4 << 20;
/// So many settlements are noted in one record at most.
const GROUP_SETTLEMENTS: usize = 4096;

/// What one append is to do.
struct Plan {
    /// How many of those waiting are done with.
    waiting: usize,
    /// The batches among them, and where each was before.
    batches: Vec<(EntryKey, Place)>,
    settlements: Settlements,
    /// What of the changed is noted.
    noted: HashSet<EntryKey>,
    /// How many of the forgotten are noted.
    forgotten: usize,
    first: u64,
}

impl Work {
    /// Carries out a plan with at most so many batches. Says whether there was anything to do.
    pub(super) fn append(&mut self, custody: &Custody, batches: usize) -> Result<bool, AppendError> {
        let journal = &custody.0.journal;
        let plan = self.plan(custody, batches);
        let mut heads = mem::take(&mut self.heads);
        let appended = {
            let (ranges, bodies) = self.encode(custody, &plan, &mut heads);
            let mut slices: Vec<[&[u8]; 2]> =
                ranges.into_iter().zip(bodies).map(|(range, body)| [&heads[range], body]).collect();
            let mut settled = Vec::new();
            if !plan.settlements.is_empty() {
                plan.settlements.encode(&mut settled);
                slices.push([&settled, &[]]);
            }
            let records: Vec<Parts<'_>> = slices.iter().map(|slices| &slices[..]).collect();
            match (records.is_empty(), batches) {
                (true, _) => None,
                (false, 0) => Some(journal.append_reserved(&records)),
                (false, _) => Some(journal.append(&records)),
            }
        };
        heads.clear();
        self.heads = heads;
        match appended {
            None if plan.waiting == 0 => Ok(false),
            None => {
                self.done(custody, &plan);
                Ok(true)
            }
            Some(Ok(appended)) => {
                debug_assert_eq!(appended.first.0, plan.first, "one writer knows the next position");
                self.done(custody, &plan);
                Ok(true)
            }
            Some(Err(error)) => {
                for (entry, before) in &plan.batches {
                    if let Some(open) = self.open.get_mut(entry) {
                        open.place = *before;
                    }
                }
                Err(error)
            }
        }
    }

    /// Decides what the next append takes, and gives batches the positions that they will have.
    fn plan(&mut self, custody: &Custody, most: usize) -> Plan {
        let (first, written) =
            (custody.0.journal.records().end.0, custody.0.meters.stats.lock().counters.written_bytes);
        let mut plan = Plan {
            waiting: 0,
            batches: Vec::new(),
            settlements: Settlements::default(),
            noted: HashSet::new(),
            forgotten: 0,
            first,
        };
        // At the sizes that segments usually have this is far from the limit.
        let limit = custody.0.journal.max_batch_bytes();
        let (mut bytes, group_bytes) = (0, GROUP_BYTES.min(limit as usize / 2));
        let settlements = GROUP_SETTLEMENTS.min(limit as usize / 256);
        for waiting in self.waiting.iter().take_while(|_| most > 0) {
            let (Waiting::Batch { entry, .. } | Waiting::Again { entry }) = waiting else {
                plan.waiting += 1;
                continue;
            };
            if let Some(open) = self.open.get_mut(entry) {
                bytes += open.batch.slab().len();
                if plan.batches.len() == most || (bytes > group_bytes && !plan.batches.is_empty()) {
                    break;
                }
                if let (Waiting::Again { .. }, Place::At { position, .. }) = (waiting, open.place) {
                    plan.settlements.close(position);
                }
                plan.batches.push((*entry, open.place));
                let position = first + plan.batches.len() as u64 - 1;
                open.place = Place::At { position, written };
            }
            plan.waiting += 1;
        }
        plan.forgotten = self.forgotten.len().min(settlements);
        let mut noted: Vec<(u64, EntryKey)> = Vec::new();
        for entry in self.changed.iter().take(settlements) {
            let Some(open) = self.open.get(entry) else {
                plan.noted.insert(*entry);
                continue;
            };
            if let Place::At { position, .. } = open.place {
                noted.push((position, *entry));
                plan.noted.insert(*entry);
            }
        }
        // Positions in order make few ranges.
        noted.sort_unstable();
        for position in &self.forgotten[..plan.forgotten] {
            plan.settlements.close(*position);
        }
        for (position, entry) in noted {
            let open = &self.open[&entry];
            if open.closed {
                plan.settlements.close(position);
                continue;
            }
            let key = |(branch, from): &(BranchId, u32)| Some((custody.0.keys.of(entry.0, *branch)?, *from));
            let owed: Vec<_> = open.owed.iter().filter_map(key).collect();
            // What was not routed yet goes to the router again.
            if !owed.is_empty() {
                plan.settlements.owed.push((position, owed));
            }
        }
        plan
    }

    /// Writes the heads of the planned batches; returns where each is, and the bytes that come after it.
    fn encode<'w>(
        &'w self,
        custody: &Custody,
        plan: &Plan,
        heads: &mut Vec<u8>,
    ) -> (Vec<Range<usize>>, Vec<&'w [u8]>) {
        let names = custody.0.names.read();
        let (mut ranges, mut bodies) = (Vec::new(), Vec::new());
        for (entry, _) in &plan.batches {
            let open = &self.open[entry];
            let name = names.get(&open.batch.origin(0).device).map_or("", |name| &**name);
            let start = heads.len();
            bodies.push(record::encode(&open.batch, open.identity, name, heads));
            ranges.push(start..heads.len());
        }
        (ranges, bodies)
    }

    /// The plan was carried out.
    fn done(&mut self, custody: &Custody, plan: &Plan) {
        let inner = &custody.0;
        let mut next = plan.first;
        let mut acknowledgements: Vec<Acknowledgement> = Vec::new();
        let mut freed = Vec::new();
        for waiting in self.waiting.drain(..plan.waiting) {
            let acknowledge = match waiting {
                Waiting::Batch { batch, acknowledge, .. } => {
                    inner.meters.written.fetch_add(1, Relaxed);
                    self.waiting_bytes -= batch.slab().len() as u64;
                    next += 1;
                    freed.push(batch);
                    acknowledge
                }
                Waiting::Again { entry } => {
                    next += u64::from(self.open.contains_key(&entry));
                    None
                }
                Waiting::Acknowledge(acknowledge) => Some(acknowledge),
            };
            let before = Position(next);
            acknowledgements.extend(acknowledge.map(|what| Acknowledgement { before, what }));
        }
        self.forgotten.drain(..plan.forgotten);
        let open = &mut self.open;
        self.changed.retain(|entry| !plan.noted.contains(entry));
        for entry in &plan.noted {
            let Some(noted) = open.get_mut(entry) else { continue };
            noted.changed = false;
            if noted.closed {
                freed.extend(open.remove(entry).map(|open| open.batch));
            }
        }
        let settle = |from: u64, count: u64| {
            inner.journal.settle(inner.cursor, Position(from)..Position(from + count));
        };
        for (first, count) in &plan.settlements.closed {
            settle(*first, *count);
        }
        if !plan.settlements.is_empty() {
            // The record of the settlements itself is owed by nobody.
            settle(plan.first + plan.batches.len() as u64, 1);
        }
        self.acknowledge(custody, acknowledgements);
    }

    fn acknowledge(&mut self, custody: &Custody, acknowledgements: Vec<Acknowledgement>) {
        if custody.0.level == Level::Written {
            acknowledgements.into_iter().for_each(|acknowledgement| acknowledgement.what.send());
            return;
        }
        let waited_for = acknowledgements.iter().any(|acknowledgement| acknowledgement.what.is_waited_for());
        let mut unsynced = custody.0.unsynced.lock();
        let first = unsynced.acknowledgements.is_empty();
        unsynced.acknowledgements.extend(acknowledgements);
        unsynced.waited_for |= waited_for;
        drop(unsynced);
        if first || waited_for {
            custody.0.appended.notify_one();
        }
    }
}
