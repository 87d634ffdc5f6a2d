//! What is in the world [`ledger`](super): places and who is there, and what the world knows of streams and batches.

use super::End;
use crate::deterministic::records::Mailbox;
use event::{Batch, Book, Claim, DeviceFlow, Ledger, PlaceId, StreamId, TargetFlow};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use tokio::sync::watch;

/// A place of the book, and who is there.
pub(super) struct Seat {
    pub(super) place: PlaceId,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) tenure: Option<u64>,
}

pub(super) struct Target {
    pub(super) seat: Seat,
    /// What it has taken out of its mailbox, or was handed by the stage.
    pub(super) hands: VecDeque<(Batch, Claim)>,
}

pub(super) struct Stream {
    pub(super) ledger: Ledger,
    pub(super) id: StreamId,
    pub(super) next_seq: u64,
    pub(super) flow: Arc<DeviceFlow>,
    pub(super) acknowledged: watch::Receiver<u64>,
    pub(super) batches: Vec<Known>,
}

/// A batch as the world knows it.
pub(super) struct Known {
    pub(super) first: u64,
    pub(super) len: u32,
    /// Which branches owe it, once it is routed.
    pub(super) routed: bool,
    /// For each branch that owes it, up to which record it is settled.
    pub(super) settled: BTreeMap<usize, u32>,
}

/// Deliveries of a branch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub(super) due: u64,
    pub(super) delivered: u64,
    pub(super) dropped: u64,
    pub(super) quarantined: u64,
}

impl Seat {
    pub(super) fn new(place: PlaceId) -> Self {
        Self { place, mailbox: Arc::default(), tenure: None }
    }

    pub(super) fn occupy(&mut self, book: &Arc<Book>) {
        self.mailbox.refuse(false);
        self.tenure = Some(book.occupy(self.place, Some(self.mailbox.clone())));
    }

    pub(super) fn vacate(&mut self, book: &Book) {
        if let Some(tenure) = self.tenure.take() {
            book.vacate(self.place, tenure);
        }
    }
}

impl Known {
    pub(super) fn next(&self) -> u64 {
        self.first + u64::from(self.len)
    }

    pub(super) fn is_settled(&self) -> bool {
        self.routed && self.settled.values().all(|upto| *upto == self.len)
    }
}

impl Count {
    pub(super) fn of(flow: &TargetFlow) -> Self {
        Self {
            due: flow.due(),
            delivered: flow.delivered.get(),
            dropped: flow.dropped.sum(),
            quarantined: flow.quarantined.sum(),
        }
    }

    pub(super) fn add(&mut self, end: End, n: u64) {
        match end {
            End::Delivered => self.delivered += n,
            End::Refused => self.dropped += n,
            End::Quarantined => self.quarantined += n,
        }
    }
}
