//! Who still owes what: the memory of every batch under way, so that the death of an actor loses nothing.
//!
//! A batch that is opened gets an entry. Each branch (a way through the configuration that ends at a
//! target) has a part in it, and whoever works for the branch holds a [`Claim`]. A claim ends as
//! delivered, spooled, dropped or quarantined; one that vanishes (its actor died, a mailbox was thrown
//! away, a send failed) is *lost*, and the batch is dispatched again to **that branch only**, from the
//! first record that was not settled, in order.
//!
//! ```text
//! source ── submit ─▶ entry ── router ── route ─▶ part, part, part    one for each branch
//!                                                  │ claim
//!                                         head ────┴──▶ stage ──▶ sender ── settle
//!                                         place 1        place 2    place 3
//! ```
//!
//! Order survives failures: when an actor leaves its *place*, everything outstanding on every branch
//! through that place is fenced at once, wherever it is (claims in other actors' mailboxes are stale from
//! then on and count for nothing), and new batches are kept back. When the place is taken again, all of it goes
//! out in the order of its stream before anything newer.
//!
//! One book for each lane, under one lock: about five uncontended lock operations for each batch.
//! The state machine is pure (no clock, no runtime); actors are reached through [`Head`].

use crate::batch::Batch;
use crate::flow::{Cause, DeviceFlow, Settled, TargetFlow};
use crate::ids::{BranchId, PlaceId, StreamId};
use parking_lot::Mutex;
use smallvec::SmallVec;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::Arc;
use tokio::sync::watch;

mod claim;
mod scribe;
mod state;

pub use claim::{Claim, Keeper};
pub use scribe::{Note, Scribe};
use state::{Branch, Entry, Freed, Part, Place, State, Status, Stream, Ticket};

/// The place of the router in every book.
pub const ROUTER: PlaceId = PlaceId(0);
const TO_ROUTER: BranchId = BranchId(0);

/// Where batches are handed to the first actor of a branch. Called under the book's lock: it only
/// puts the work into a mailbox.
pub trait Head: Send + Sync {
    /// Hands over work, or gives it back when nobody is there to take it.
    fn send(&self, work: Work) -> Result<(), Box<Work>>;
}

/// A batch with claims of all branches that begin at the same place.
#[derive(Debug)]
pub struct Work {
    /// The batch; records before [`Claim::first`] of a claim are not to be done for it.
    pub batch: Batch,
    /// At least one.
    pub claims: SmallVec<[Claim; 2]>,
}

/// The ledger of a lane.
pub struct Book(Mutex<State>);

/// The ledger of one stream: the source's end. Dropping it says that nothing more will come.
pub struct Ledger {
    book: Arc<Book>,
    stream: usize,
    id: StreamId,
}

impl Book {
    /// A book with an empty place for the router.
    pub fn new() -> Arc<Self> {
        let book = Arc::new(Self(Mutex::default()));
        let router = book.add_place();
        debug_assert_eq!(router, ROUTER);
        let branch = book.add_branch([router], None);
        debug_assert_eq!(branch, TO_ROUTER);
        book
    }

    /// A place for an actor; nobody is there yet.
    pub fn add_place(&self) -> PlaceId {
        let mut state = self.0.lock();
        state.places.push(Place::default());
        PlaceId(state.places.len() as u32 - 1)
    }

    /// A branch through these places; work for it goes to the first, which needs a head. A branch is never taken away:
    /// somebody may still be about to route to it. One costs some hundred bytes.
    ///
    /// # Panics
    /// When the path is empty.
    pub fn add_branch(
        &self,
        path: impl IntoIterator<Item = PlaceId>,
        flow: Option<Arc<TargetFlow>>,
    ) -> BranchId {
        let branch = Branch { path: path.into_iter().collect(), flow, outstanding: 0 };
        assert!(!branch.path.is_empty(), "a branch leads somewhere");
        let mut state = self.0.lock();
        state.branches.push(branch);
        BranchId(state.branches.len() as u32 - 1)
    }

    /// How many batches are under way on a branch.
    pub fn outstanding(&self, branch: BranchId) -> u64 {
        self.0.lock().branches[branch.0 as usize].outstanding
    }

    /// How many batches are under way on all branches through a place.
    pub fn outstanding_through(&self, place: PlaceId) -> u64 {
        let state = self.0.lock();
        state.branches.iter().filter(|b| b.path.contains(&place)).map(|b| b.outstanding).sum()
    }

    /// How many batches are not settled yet.
    pub fn open_batches(&self) -> usize {
        let state = self.0.lock();
        state.entries.len() - state.unused_entries.len()
    }

    /// An actor took its place; whoever was there before is fenced. What waits for the place is
    /// dispatched, in order. Returns the tenure, for [`vacate`](Self::vacate).
    pub fn occupy(self: &Arc<Self>, place: PlaceId, head: Option<Arc<dyn Head>>) -> u64 {
        let mut state = self.0.lock();
        state.fence(place);
        let seat = &mut state.places[place.0 as usize];
        let tenure = seat.tenure + 1;
        let left = mem::replace(seat, Place { up: true, tenure, head });
        state.dispatch_waiting(self, place);
        drop(state);
        drop(left);
        tenure
    }

    /// The actor of a place is gone. What it and others hold for branches through it is fenced.
    pub fn vacate(&self, place: PlaceId, tenure: u64) {
        let mut state = self.0.lock();
        let seat = &mut state.places[place.0 as usize];
        if seat.tenure != tenure {
            return;
        }
        seat.up = false;
        // The head is dropped after the lock: it may be the last holder of a mailbox.
        let left = seat.head.take();
        state.fence(place);
        drop(state);
        drop(left);
    }

    /// Ends everything that is under way on a branch as dropped. Returns how many events it was.
    pub fn purge(&self, branch: BranchId, cause: Cause) -> u64 {
        let mut freed = Freed::new();
        let mut events = 0;
        let mut state = self.0.lock();
        for index in 0..state.entries.len() {
            let Some(entry) = &state.entries[index] else {
                continue;
            };
            let len = entry.batch.len();
            let open = |p: &Part| p.branch == branch && p.status != Status::Done;
            let Some(part) = entry.parts.iter().position(open) else {
                continue;
            };
            events += u64::from(len - entry.parts[part].settled_to);
            state.settle_part(index, part, len, &[], Settled::Dropped(cause), &mut freed);
        }
        drop(state);
        events
    }

    /// From now on a scribe is told of all that happens to batches, and acknowledges them. To be called before the first
    /// stream is opened.
    pub fn keep_with(&self, scribe: Arc<dyn Scribe>) {
        self.0.lock().scribe = Some(scribe);
    }

    /// Tells the scribe no more. For the end of a Director.
    pub fn keep_no_more(&self) {
        let scribe = self.0.lock().scribe.take();
        drop(scribe);
    }

    /// Begins a stream of a device.
    pub fn open_stream(self: &Arc<Self>, id: StreamId, device: Arc<DeviceFlow>) -> Ledger {
        let stream = Stream {
            device,
            entries: VecDeque::new(),
            acknowledged: None,
            settled: 0,
            closed: false,
            kept: true,
        };
        let mut state = self.0.lock();
        let index = match state.unused_streams.pop() {
            Some(index) => {
                state.streams[index] = Some(stream);
                index
            }
            None => {
                state.streams.push(Some(stream));
                state.streams.len() - 1
            }
        };
        Ledger { book: Arc::clone(self), stream: index, id }
    }
}

impl Ledger {
    /// Takes a batch over: it is counted as accepted, and goes to the router now or when there is one.
    pub fn submit(&self, batch: Batch) {
        let bytes: u64 = batch.records().iter().map(|r| u64::from(r.len)).sum();
        let mut state = self.book.0.lock();
        let index = self.enter(&mut state, batch, bytes);
        if let Some(scribe) = state.scribe_of(index) {
            let Entry { batch, serial, .. } = state.entry(index);
            let (batch, entry) = (batch.clone(), *serial);
            let stream = state.streams[self.stream].as_mut().expect("a stream lives as long as its ledger");
            let acknowledged = stream.acknowledged().clone();
            scribe.note(Note::Submitted { entry, batch, acknowledged });
        }
        state.add_part(index, TO_ROUTER, 0);
        state.dispatch(&self.book, index);
    }

    /// Takes over a batch that the scribe keeps since an earlier life, `at` this place. It goes to the branches that owe
    /// it, each from a record on; those of which that is the end are known not to owe it any more. Where nothing is known
    /// of branches it goes to the router.
    pub fn resume(&self, batch: Batch, at: u64, owed: Option<&[(BranchId, u32)]>) {
        let bytes: u64 = batch.records().iter().map(|r| u64::from(r.len)).sum();
        let len = batch.len();
        let mut freed = Freed::new();
        let mut state = self.book.0.lock();
        let index = self.enter(&mut state, batch, bytes);
        let Entry { batch, serial, .. } = state.entry(index);
        let known = owed.unwrap_or_default().iter().map(|(branch, from)| (*branch, len.min(*from)));
        let note = Note::Resumed { entry: *serial, batch: batch.clone(), at, owed: known.collect() };
        if let Some(scribe) = &state.scribe {
            scribe.note(note);
        }
        match owed {
            None => _ = state.add_part(index, TO_ROUTER, 0),
            Some(owed) => {
                // As long as it waits for the router it is not closed, whatever is settled of the others.
                let router = state.add_part(index, TO_ROUTER, 0);
                for &(branch, from) in owed {
                    let part = state.add_part(index, branch, from.min(len));
                    if from >= len {
                        state.settle_part(index, part, len, &[], Settled::NotMine, &mut freed);
                    }
                }
                state.settle_part(index, router, len, &[], Settled::NotMine, &mut freed);
            }
        }
        if state.entries[index].is_some() {
            state.dispatch(&self.book, index);
        }
        drop(state);
    }

    fn enter(&self, state: &mut State, batch: Batch, bytes: u64) -> usize {
        let len = u64::from(batch.len());
        let index = state.add_entry(batch, self.stream);
        let stream = state.streams[self.stream].as_mut().expect("a stream lives as long as its ledger");
        stream.entries.push_back(index);
        stream.device.accepted.add(len);
        stream.device.accepted_bytes.add(bytes);
        let kept = stream.kept;
        state.entry(index).kept = kept;
        index
    }

    /// The number after the last record up to which everything is settled or, where a scribe keeps batches, kept. It goes
    /// up in the order of the stream, so a source's checkpoint may follow it.
    pub fn acknowledged(&self) -> watch::Receiver<u64> {
        let mut state = self.book.0.lock();
        let stream = state.streams[self.stream].as_mut();
        stream.expect("a stream lives as long as its ledger").acknowledged().subscribe()
    }

    /// No scribe is told of what is submitted from now on, since it is kept elsewhere; it is acknowledged when it is settled.
    pub fn keep_no_more(&self) {
        let mut state = self.book.0.lock();
        state.streams[self.stream].as_mut().expect("a stream lives as long as its ledger").kept = false;
    }

    /// The number after the last record up to which everything is settled, whoever acknowledges what.
    pub fn settled(&self) -> u64 {
        let state = self.book.0.lock();
        state.streams[self.stream].as_ref().expect("a stream lives as long as its ledger").settled
    }

    /// The stream.
    pub fn stream(&self) -> StreamId {
        self.id
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        let mut state = self.book.0.lock();
        let Some(stream) = state.streams[self.stream].as_mut() else {
            return;
        };
        stream.closed = true;
        if stream.entries.is_empty() {
            state.streams[self.stream] = None;
            state.unused_streams.push(self.stream);
        }
    }
}

impl fmt::Debug for Book {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Book({} open batches)", self.open_batches())
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ledger(stream {})", self.id)
    }
}

#[cfg(test)]
mod tests;
