//! Who is told what happens to batches, to keep them beyond the life of the process.
//!
//! A book with a [`Scribe`] leaves acknowledgements to it. Notes come in the order in which things happen, so the note
//! that a batch is closed never comes before the one that it was submitted. Cost: one call for each change, under the
//! book's lock; nothing where there is no scribe.

use crate::batch::Batch;
use crate::ids::BranchId;
use smallvec::SmallVec;
use tokio::sync::watch;

/// Takes notes. Called under the book's lock: it only puts them aside.
pub trait Scribe: Send + Sync {
    /// Something happened.
    fn note(&self, note: Note);
}

/// What happened to a batch. `entry` tells the batches of a book apart.
#[derive(Debug)]
pub enum Note {
    /// A source handed it over. When it is kept, [`next_seq`](crate::batch::Sealed::next_seq) is to be sent, in the order
    /// of the notes.
    Submitted {
        /// Which one.
        entry: u64,
        /// The batch.
        batch: Batch,
        /// Where its source hears that it is kept.
        acknowledged: watch::Sender<u64>,
    },
    /// It is kept since an earlier life, and under way again.
    Resumed {
        /// Which one.
        entry: u64,
        /// The batch.
        batch: Batch,
        /// Where it is kept.
        at: u64,
        /// Who owes it, each from a record on, and who does not any more: from its end on; nobody where it is yet to be
        /// routed.
        owed: SmallVec<[(BranchId, u32); 2]>,
    },
    /// These branches owe all of it, and no others do unless another note says so.
    Routed {
        /// Which one.
        entry: u64,
        /// The branches.
        branches: SmallVec<[BranchId; 4]>,
    },
    /// A branch owes it from this record on; nothing any more if that is its end.
    Owed {
        /// Which one.
        entry: u64,
        /// The branch.
        branch: BranchId,
        /// The first record that is owed.
        from: u32,
    },
    /// Nobody owes any of it.
    Closed {
        /// Which one.
        entry: u64,
    },
}
