//! A claim: the right and duty to settle a batch for a branch.
//!
//! It ends with [`Claim::settle`], in parts with [`Claim::settle_to`]; dropped before that it is lost, and whoever it is of
//! (the book, or a [`Keeper`] between the book and a sender) notices.

use super::{Book, Freed, Note, Status, Ticket};
use crate::flow::{Cause, Settled};
use crate::ids::BranchId;
use std::fmt;
use std::sync::Arc;

/// The right and duty to settle a batch for a branch. Dropped unsettled it is lost, which the book notices.
#[must_use = "a claim that is dropped is dispatched again"]
pub struct Claim {
    pub(super) owner: Owner,
    pub(super) branch: BranchId,
    pub(super) len: u32,
    pub(super) next: u32,
    pub(super) exceptions: Vec<(u32, Settled)>,
    pub(super) armed: bool,
}

/// Who is told how a claim ends.
pub(super) enum Owner {
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

impl fmt::Debug for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Claim(branch {}, records {}..{})", self.branch, self.next, self.len)
    }
}
