//! What the book knows: places and who is there, branches, streams, and each batch's parts. All of it under one lock.

use super::claim::Owner;
use super::{Book, Claim, Head, Note, Scribe, TO_ROUTER, Work};
use crate::batch::Batch;
use crate::flow::{DeviceFlow, Settled, TargetFlow};
use crate::ids::{BranchId, PlaceId};
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::watch;

/// Which attempt at which part of which entry a claim is; an older one counts for nothing.
#[derive(Clone, Copy)]
pub(super) struct Ticket {
    pub(super) entry: usize,
    pub(super) serial: u64,
    pub(super) part: u32,
    pub(super) attempt: u32,
}

/// All of a book.
#[derive(Default)]
pub(super) struct State {
    pub(super) places: Vec<Place>,
    pub(super) branches: Vec<Branch>,
    pub(super) streams: Vec<Option<Stream>>,
    pub(super) unused_streams: Vec<usize>,
    pub(super) entries: Vec<Option<Entry>>,
    pub(super) unused_entries: Vec<usize>,
    pub(super) serial: u64,
    /// Who keeps batches beyond the life of the process, and acknowledges them; nobody: what is settled is acknowledged.
    pub(super) scribe: Option<Arc<dyn Scribe>>,
}

/// Where an actor stands on the way of branches.
#[derive(Default)]
pub(super) struct Place {
    pub(super) up: bool,
    /// Counts who took the place; a predecessor that leaves late vacates nothing.
    pub(super) tenure: u64,
    pub(super) head: Option<Arc<dyn Head>>,
}

/// A way to a target: the places on it, and what is under way there.
pub(super) struct Branch {
    pub(super) path: SmallVec<[PlaceId; 3]>,
    pub(super) flow: Option<Arc<TargetFlow>>,
    pub(super) outstanding: u64,
}

/// A stream with its open batches, in order.
pub(super) struct Stream {
    pub(super) device: Arc<DeviceFlow>,
    pub(super) entries: VecDeque<usize>,
    /// Made when somebody asks: most streams have nobody who waits.
    pub(super) acknowledged: Option<watch::Sender<u64>>,
    pub(super) settled: u64,
    pub(super) closed: bool,
    /// Whether the scribe is told of its batches.
    pub(super) kept: bool,
}

impl Stream {
    /// Where it is told what is acknowledged. Until somebody asked, that is what is settled: a scribe asks with the first
    /// batch.
    pub(super) fn acknowledged(&mut self) -> &watch::Sender<u64> {
        self.acknowledged.get_or_insert_with(|| watch::Sender::new(self.settled))
    }

    fn acknowledge(&self, next: u64) {
        if let Some(acknowledged) = &self.acknowledged {
            acknowledged.send_replace(next);
        }
    }
}

/// An open batch.
pub(super) struct Entry {
    pub(super) batch: Batch,
    pub(super) stream: usize,
    pub(super) serial: u64,
    pub(super) parts: SmallVec<[Part; 3]>,
    pub(super) open: u32,
    pub(super) submitted: Instant,
    pub(super) kept: bool,
}

/// What a branch owes of a batch.
pub(super) struct Part {
    pub(super) branch: BranchId,
    /// Which place of the branch's path has it: who left a place behind it does not matter any more.
    pub(super) at: u8,
    pub(super) attempt: u32,
    pub(super) settled_to: u32,
    pub(super) status: Status,
}

impl Part {
    /// Whoever has it does not count any more; it is to be dispatched again.
    pub(super) fn wait(&mut self) {
        self.status = Status::Waiting;
        self.at = 0;
        self.attempt += 1;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    /// Somebody holds the claim.
    Out,
    /// To be dispatched when all places of the branch are taken.
    Waiting,
    Done,
}

/// What the lock must not be held for: dropping batches returns budget, dropping claims locks the book.
pub(super) type Freed = SmallVec<[Batch; 4]>;

impl State {
    pub(super) fn is_up(&self, branch: BranchId) -> bool {
        self.branches[branch.0 as usize].path.iter().all(|p| self.places[p.0 as usize].up)
    }

    pub(super) fn add_entry(&mut self, batch: Batch, stream: usize) -> usize {
        self.serial += 1;
        let (serial, submitted) = (self.serial, Instant::now());
        let entry = Entry { batch, stream, serial, parts: SmallVec::new(), open: 0, submitted, kept: true };
        match self.unused_entries.pop() {
            Some(index) => {
                self.entries[index] = Some(entry);
                index
            }
            None => {
                self.entries.push(Some(entry));
                self.entries.len() - 1
            }
        }
    }

    pub(super) fn entry(&mut self, index: usize) -> &mut Entry {
        self.entries[index].as_mut().expect("an open entry stays until all its parts are done")
    }

    /// Who is told what happens to a batch.
    pub(super) fn scribe_of(&mut self, entry: usize) -> Option<Arc<dyn Scribe>> {
        let kept = self.entry(entry).kept;
        self.scribe.clone().filter(|_| kept)
    }

    /// Adds a part that waits to be dispatched.
    pub(super) fn add_part(&mut self, entry: usize, branch: BranchId, from: u32) -> usize {
        let state = &mut self.branches[branch.0 as usize];
        state.outstanding += 1;
        let flow = state.flow.clone();
        let entry = self.entry(entry);
        if let Some(flow) = flow {
            flow.open(u64::from(entry.batch.len() - from));
        }
        entry.open += 1;
        entry.parts.push(Part { branch, at: 0, attempt: 0, settled_to: from, status: Status::Waiting });
        entry.parts.len() - 1
    }

    /// Sends the waiting parts of an entry whose branches are up, one work for each head.
    pub(super) fn dispatch(&mut self, book: &Arc<Book>, index: usize) {
        let mut works: SmallVec<[(PlaceId, Work); 2]> = SmallVec::new();
        let count = self.entry(index).parts.len();
        for part in 0..count {
            let (branch, status) = {
                let part = &self.entry(index).parts[part];
                (part.branch, part.status)
            };
            if status != Status::Waiting || !self.is_up(branch) {
                continue;
            }
            let head = self.branches[branch.0 as usize].path[0];
            let entry = self.entry(index);
            let state = &mut entry.parts[part];
            state.status = Status::Out;
            let (attempt, next) = (state.attempt, state.settled_to);
            let ticket = Ticket { entry: index, serial: entry.serial, part: part as u32, attempt };
            let claim = Claim {
                owner: Owner::Book(Arc::clone(book), ticket),
                branch,
                len: entry.batch.len(),
                next,
                exceptions: Vec::new(),
                armed: true,
            };
            match works.iter_mut().find(|(place, _)| *place == head) {
                Some((_, work)) => work.claims.push(claim),
                None => {
                    let mut claims = SmallVec::new();
                    claims.push(claim);
                    works.push((head, Work { batch: entry.batch.clone(), claims }));
                }
            }
        }
        for (place, work) in works {
            let refused = match &self.places[place.0 as usize].head {
                Some(head) => head.send(work).err(),
                None => Some(Box::new(work)),
            };
            let Some(refused) = refused else { continue };
            // Its actor is ending and will vacate the place; until then it takes no more.
            self.places[place.0 as usize].up = false;
            for mut claim in refused.claims {
                claim.armed = false;
                if let Owner::Book(_, ticket) = &claim.owner {
                    self.entry(index).parts[ticket.part as usize].wait();
                }
            }
        }
    }

    pub(super) fn dispatch_waiting(&mut self, book: &Arc<Book>, place: PlaceId) {
        for stream in 0..self.streams.len() {
            let Some(state) = &self.streams[stream] else {
                continue;
            };
            let open: Vec<usize> = state.entries.iter().copied().collect();
            for entry in open {
                if !self.places[place.0 as usize].up {
                    return;
                }
                self.dispatch(book, entry);
            }
        }
    }

    pub(super) fn fence(&mut self, place: PlaceId) {
        let branches = &self.branches;
        for entry in self.entries.iter_mut().flatten() {
            for part in &mut entry.parts {
                let branch = &branches[part.branch.0 as usize];
                if part.status != Status::Out || !branch.path[usize::from(part.at)..].contains(&place) {
                    continue;
                }
                part.wait();
                if let Some(flow) = &branch.flow {
                    flow.repeated.add(u64::from(entry.batch.len() - part.settled_to));
                }
            }
        }
    }

    /// The part that a ticket speaks for, if it was not fenced or ended since.
    pub(super) fn part(&mut self, ticket: Ticket) -> Option<&mut Part> {
        let entry = self.entries.get_mut(ticket.entry)?.as_mut()?;
        let part = entry.parts.get_mut(ticket.part as usize)?;
        let current =
            entry.serial == ticket.serial && part.attempt == ticket.attempt && part.status == Status::Out;
        current.then_some(part)
    }

    pub(super) fn settle_part(
        &mut self,
        index: usize,
        part: usize,
        upto: u32,
        exceptions: &[(u32, Settled)],
        settled: Settled,
        freed: &mut Freed,
    ) {
        let entry = self.entry(index);
        let len = entry.batch.len();
        let state = &mut entry.parts[part];
        let upto = upto.min(len);
        let from = state.settled_to;
        if upto <= from && upto < len {
            return;
        }
        state.settled_to = upto;
        let branch = state.branch;
        let done = upto == len;
        if done {
            state.status = Status::Done;
            entry.open -= 1;
        }
        let (closed, submitted, serial) = (entry.open == 0, entry.submitted, entry.serial);
        let kept = entry.kept;
        if let Some(scribe) = self.scribe.as_ref().filter(|_| kept) {
            if closed {
                scribe.note(Note::Closed { entry: serial });
            } else if branch != TO_ROUTER {
                scribe.note(Note::Owed { entry: serial, branch, from: upto });
            }
        }
        let branch = &mut self.branches[branch.0 as usize];
        if let Some(flow) = &branch.flow {
            let mut rest = u64::from(upto - from);
            for (record, otherwise) in exceptions {
                if (from..upto).contains(record) {
                    flow.settle(1, *otherwise);
                    rest -= 1;
                }
            }
            flow.settle(rest, settled);
            if done && settled == Settled::Delivered {
                flow.latency.add(submitted.elapsed());
            }
        }
        if done {
            branch.outstanding -= 1;
        }
        if closed {
            self.release(index, freed);
        }
    }

    /// An entry is settled: what is settled from the beginning of its stream on is acknowledged and freed.
    pub(super) fn release(&mut self, index: usize, freed: &mut Freed) {
        let stream_index = self.entry(index).stream;
        let Some(stream) = self.streams[stream_index].as_mut() else {
            return;
        };
        stream
            .device
            .settled
            .add(u64::from(self.entries[index].as_ref().map_or(0, |entry| entry.batch.len())));
        let mut acknowledged = None;
        while let Some(&first) = stream.entries.front() {
            let slot = &mut self.entries[first];
            if slot.as_ref().is_some_and(|entry| entry.open > 0) {
                break;
            }
            stream.entries.pop_front();
            if let Some(entry) = slot.take() {
                acknowledged = Some(entry.batch.next_seq());
                freed.push(entry.batch);
            }
            self.unused_entries.push(first);
        }
        if let Some(next) = acknowledged {
            stream.settled = next;
        }
        // Where there is a scribe, it acknowledges what it keeps.
        if let Some(next) = acknowledged.filter(|_| self.scribe.is_none() || !stream.kept) {
            stream.acknowledge(next);
        }
        if stream.closed && stream.entries.is_empty() {
            self.streams[stream_index] = None;
            self.unused_streams.push(stream_index);
        }
    }
}

impl State {
    /// Whether something older of the same stream waits for a branch, or is at its beginning.
    pub(super) fn is_preceded(&mut self, index: usize, branch: BranchId) -> bool {
        if self.branches[branch.0 as usize].outstanding == 0 {
            return false;
        }
        let stream = self.entry(index).stream;
        let Some(stream) = &self.streams[stream] else { return false };
        let older = stream.entries.iter().take_while(|entry| **entry != index);
        let behind = |part: &Part| part.branch == branch && part.status != Status::Done && part.at == 0;
        older.filter_map(|entry| self.entries[*entry].as_ref()).any(|entry| entry.parts.iter().any(behind))
    }

    /// A claim got lost: later batches of its stream on the same branch are fenced too, so that they don't overtake it,
    /// also where they have left a place behind them that nobody is in now.
    pub(super) fn fence_after(&mut self, index: usize, branch: BranchId) {
        let stream = self.entry(index).stream;
        let Some(stream) = &self.streams[stream] else {
            return;
        };
        let later: Vec<usize> = stream.entries.iter().copied().skip_while(|e| *e != index).skip(1).collect();
        for entry in later {
            for part in &mut self.entry(entry).parts {
                if part.branch == branch && part.status == Status::Out {
                    part.wait();
                }
            }
        }
    }
}
