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
use std::time::Instant;
use tokio::sync::watch;

mod scribe;

pub use scribe::{Note, Scribe};

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

/// The right and duty to settle a batch for a branch. Dropped unsettled it is lost, which the book notices.
#[must_use = "a claim that is dropped is dispatched again"]
pub struct Claim {
    owner: Owner,
    branch: BranchId,
    len: u32,
    next: u32,
    exceptions: Vec<(u32, Settled)>,
    armed: bool,
}

/// Who is told how a claim ends.
enum Owner {
    Book(Arc<Book>, Ticket),
    Keeper(Arc<dyn Keeper>, u64),
}

/// Somebody who stands between the book and a sender (a spool), holds the book's claims, and hands out claims of its
/// own. Claims are told apart by numbers that it chose.
pub trait Keeper: Send + Sync {
    /// Whether a claim still counts.
    fn is_current(&self, number: u64) -> bool;
    /// The records before `upto` have ended so, the exceptions otherwise. What was settled before stays as it was.
    fn settle(&self, number: u64, upto: u32, exceptions: &[(u32, Settled)], settled: Settled);
    /// The claim vanished before all of its records were settled.
    fn lost(&self, number: u64);
}

#[derive(Clone, Copy)]
struct Ticket {
    entry: usize,
    serial: u64,
    part: u32,
    attempt: u32,
}

#[derive(Default)]
struct State {
    places: Vec<Place>,
    branches: Vec<Branch>,
    streams: Vec<Option<Stream>>,
    unused_streams: Vec<usize>,
    entries: Vec<Option<Entry>>,
    unused_entries: Vec<usize>,
    serial: u64,
    /// Who keeps batches beyond the life of the process, and acknowledges them; nobody: what is settled is acknowledged.
    scribe: Option<Arc<dyn Scribe>>,
}

#[derive(Default)]
struct Place {
    up: bool,
    /// Counts who took the place; a predecessor that leaves late vacates nothing.
    tenure: u64,
    head: Option<Arc<dyn Head>>,
}

struct Branch {
    path: SmallVec<[PlaceId; 3]>,
    flow: Option<Arc<TargetFlow>>,
    outstanding: u64,
}

struct Stream {
    device: Arc<DeviceFlow>,
    entries: VecDeque<usize>,
    /// Made when somebody asks: most streams have nobody who waits.
    acknowledged: Option<watch::Sender<u64>>,
    settled: u64,
    closed: bool,
    /// Whether the scribe is told of its batches.
    kept: bool,
}

impl Stream {
    /// Where it is told what is acknowledged. Until somebody asked, that is what is settled: a scribe asks with the first
    /// batch.
    fn acknowledged(&mut self) -> &watch::Sender<u64> {
        self.acknowledged.get_or_insert_with(|| watch::Sender::new(self.settled))
    }

    fn acknowledge(&self, next: u64) {
        if let Some(acknowledged) = &self.acknowledged {
            acknowledged.send_replace(next);
        }
    }
}

struct Entry {
    batch: Batch,
    stream: usize,
    serial: u64,
    parts: SmallVec<[Part; 3]>,
    open: u32,
    submitted: Instant,
    kept: bool,
}

struct Part {
    branch: BranchId,
    /// Which place of the branch's path has it: who left a place behind it does not matter any more.
    at: u8,
    attempt: u32,
    settled_to: u32,
    status: Status,
}

impl Part {
    /// Whoever has it does not count any more; it is to be dispatched again.
    fn wait(&mut self) {
        self.status = Status::Waiting;
        self.at = 0;
        self.attempt += 1;
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Status {
    /// Somebody holds the claim.
    Out,
    /// To be dispatched when all places of the branch are taken.
    Waiting,
    Done,
}

/// What the lock must not be held for: dropping batches returns budget, dropping claims locks the book.
type Freed = SmallVec<[Batch; 4]>;

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

impl State {
    fn is_up(&self, branch: BranchId) -> bool {
        self.branches[branch.0 as usize].path.iter().all(|p| self.places[p.0 as usize].up)
    }

    fn add_entry(&mut self, batch: Batch, stream: usize) -> usize {
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

    fn entry(&mut self, index: usize) -> &mut Entry {
        self.entries[index].as_mut().expect("an open entry stays until all its parts are done")
    }

    /// Who is told what happens to a batch.
    fn scribe_of(&mut self, entry: usize) -> Option<Arc<dyn Scribe>> {
        let kept = self.entry(entry).kept;
        self.scribe.clone().filter(|_| kept)
    }

    /// Adds a part that waits to be dispatched.
    fn add_part(&mut self, entry: usize, branch: BranchId, from: u32) -> usize {
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
    fn dispatch(&mut self, book: &Arc<Book>, index: usize) {
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

    fn dispatch_waiting(&mut self, book: &Arc<Book>, place: PlaceId) {
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

    fn fence(&mut self, place: PlaceId) {
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
    fn part(&mut self, ticket: Ticket) -> Option<&mut Part> {
        let entry = self.entries.get_mut(ticket.entry)?.as_mut()?;
        let part = entry.parts.get_mut(ticket.part as usize)?;
        let current =
            entry.serial == ticket.serial && part.attempt == ticket.attempt && part.status == Status::Out;
        current.then_some(part)
    }

    fn settle_part(
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
    fn release(&mut self, index: usize, freed: &mut Freed) {
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

impl Claim {
    /// The branch it is for.
    pub fn branch(&self) -> BranchId {
        self.branch
    }

    /// The first record that is still to be done.
    pub fn first(&self) -> u32 {
        self.next
    }

    /// A claim that a keeper hands out for a batch of `len` records, of which those before `first` are done.
    pub fn kept(keeper: Arc<dyn Keeper>, number: u64, branch: BranchId, len: u32, first: u32) -> Self {
        let owner = Owner::Keeper(keeper, number);
        Self { owner, branch, len, next: first, exceptions: Vec::new(), armed: true }
    }

    /// The number of records of its batch.
    pub fn records(&self) -> u32 {
        self.len
    }

    /// Whether it still counts; a stale claim was dispatched again elsewhere, its work is to be thrown away.
    pub fn is_current(&self) -> bool {
        match &self.owner {
            Owner::Book(book, ticket) => book.0.lock().part(*ticket).is_some(),
            Owner::Keeper(keeper, number) => keeper.is_current(*number),
        }
    }

    /// It goes on to the next place of its branch. Returns whether it still counts; see [`is_current`](Self::is_current).
    pub fn advance(&self) -> bool {
        let Owner::Book(book, ticket) = &self.owner else { return self.is_current() };
        let mut state = book.0.lock();
        let last = state.branches[self.branch.0 as usize].path.len() - 1;
        let Some(part) = state.part(*ticket) else { return false };
        part.at = (part.at + 1).min(last as u8);
        true
    }

    /// A record that ended otherwise than the rest of the claim will; at most once for each record.
    pub fn except(&mut self, record: u32, settled: Settled) {
        self.exceptions.push((record, settled));
    }

    /// Ends the claim for all records that are left.
    pub fn settle(mut self, settled: Settled) {
        self.settle_to(self.len, settled);
    }

    /// Ends the claim for the records before `upto`.
    pub fn settle_to(&mut self, upto: u32, settled: Settled) {
        match &self.owner {
            Owner::Book(book, ticket) => {
                let mut freed = Freed::new();
                let mut state = book.0.lock();
                if state.part(*ticket).is_some() {
                    let Ticket { entry, part, .. } = *ticket;
                    state.settle_part(entry, part as usize, upto, &self.exceptions, settled, &mut freed);
                }
                drop(state);
            }
            Owner::Keeper(keeper, number) => keeper.settle(*number, upto, &self.exceptions, settled),
        }
        self.next = self.next.max(upto);
        if upto >= self.len {
            self.armed = false;
        }
    }

    /// The router's verdict: these branches get the batch. Without any it is counted as having no route.
    pub fn route(mut self, branches: &[BranchId]) {
        // What a keeper hands out is beyond the router.
        let Owner::Book(book, ticket) = &self.owner else { return };
        let mut freed = Freed::new();
        let mut state = book.0.lock();
        if state.part(*ticket).is_some() {
            let Ticket { entry: index, part, .. } = *ticket;
            if branches.is_empty() {
                let (stream, len) = {
                    let entry = state.entry(index);
                    (entry.stream, entry.batch.len())
                };
                if let Some(stream) = &state.streams[stream] {
                    stream.device.dropped.add(Cause::NoRoute, u64::from(len));
                }
            }
            for &branch in branches {
                state.add_part(index, branch, 0);
            }
            if let Some(scribe) = state.scribe_of(index).filter(|_| !branches.is_empty()) {
                let entry = state.entry(index).serial;
                scribe.note(Note::Routed { entry, branches: branches.into() });
            }
            state.dispatch(book, index);
            state.settle_part(index, part as usize, self.len, &[], Settled::Delivered, &mut freed);
        }
        drop(state);
        self.armed = false;
    }

    /// Another branch for the same batch, chosen on the way (a pipeline's own routing). Only the
    /// first who asks gets it: after a loss the branch is dispatched like any other. So it is where something older of
    /// the stream is dispatched on that branch once more, and not over the way yet: that goes first.
    pub fn fork(&self, branch: BranchId, from: u32) -> Option<Claim> {
        let Owner::Book(book, ticket) = &self.owner else { return None };
        let mut state = book.0.lock();
        state.part(*ticket)?;
        let index = ticket.entry;
        if state.entry(index).parts.iter().any(|p| p.branch == branch) {
            return None;
        }
        let is_preceded = state.is_preceded(index, branch);
        let part = state.add_part(index, branch, from);
        if let Some(scribe) = state.scribe_of(index) {
            let entry = state.entry(index).serial;
            scribe.note(Note::Owed { entry, branch, from });
        }
        if is_preceded {
            state.dispatch(book, index);
            return None;
        }
        let entry = state.entry(index);
        entry.parts[part].status = Status::Out;
        let ticket = Ticket { entry: index, serial: entry.serial, part: part as u32, attempt: 0 };
        drop(state);
        Some(Claim {
            owner: Owner::Book(Arc::clone(book), ticket),
            branch,
            len: self.len,
            next: from,
            exceptions: Vec::new(),
            armed: true,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.armed {
            return;
        }
        let (book, ticket) = match &self.owner {
            Owner::Book(book, ticket) => (book, *ticket),
            Owner::Keeper(keeper, number) => return keeper.lost(*number),
        };
        let mut state = book.0.lock();
        let Ticket { entry: index, part, .. } = ticket;
        let Some(lost) = state.part(ticket) else {
            return;
        };
        lost.wait();
        let (branch, settled_to) = (lost.branch, lost.settled_to);
        debug_assert_eq!(state.entry(index).parts[part as usize].branch, branch);
        if let Some(flow) = &state.branches[branch.0 as usize].flow {
            flow.repeated.add(u64::from(self.len - settled_to));
        }
        state.fence_after(index, branch);
        // Where its actor lives on, nobody will vacate the place: dispatch it again now.
        if state.is_up(branch) {
            let first = state.branches[branch.0 as usize].path[0];
            state.dispatch_waiting(book, first);
        }
    }
}

impl State {
    /// Whether something older of the same stream waits for a branch, or is at its beginning.
    fn is_preceded(&mut self, index: usize, branch: BranchId) -> bool {
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
    fn fence_after(&mut self, index: usize, branch: BranchId) {
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

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim(branch {}, records {}..{})", self.branch, self.next, self.len)
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
