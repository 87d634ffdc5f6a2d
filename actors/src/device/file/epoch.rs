//! How far a file's content was read, and how far that is acknowledged.
//!
//! An epoch is the life of one content: it begins with a file and ends when the file is truncated. Each batch leaves a
//! [`Mark`]: when the ledger has acknowledged the batch, the checkpoint may move there.

use super::content::{Head, Position};
use event::UnixNanos;
use std::collections::VecDeque;
use tokio::sync::watch;

/// So many places that were passed are remembered, to recognise a copy that ends before the last one.
const TRAIL: usize = 32;

/// The content of a file from its beginning to its end or truncation.
#[derive(Clone, Debug)]
pub struct Epoch {
    head: Head,
    acknowledged: Position,
    read: Position,
    /// When the first batch was read of it; 0 if another process did.
    begun: Option<UnixNanos>,
    flights: VecDeque<Flight>,
    trail: VecDeque<Position>,
}

/// The batches of one ledger stream that are under way.
#[derive(Clone, Debug)]
struct Flight {
    acknowledged: watch::Receiver<u64>,
    marks: VecDeque<Mark>,
}

/// Where a file was read to when the batch before `seq` was sealed.
#[derive(Clone, Copy, Debug)]
struct Mark {
    seq: u64,
    position: Position,
}

impl Epoch {
    /// Content that was read up to a place, all of it acknowledged.
    pub fn at(head: Head, position: Position) -> Self {
        let (flights, trail) = (VecDeque::new(), VecDeque::new());
        let begun = (position.offset > 0).then_some(0);
        Self { head, acknowledged: position, read: position, begun, flights, trail }
    }

    /// From now on a ledger stream reads it. What earlier ones have under way stays in mind.
    pub fn board(&mut self, acknowledged: watch::Receiver<u64>) {
        self.flights.push_back(Flight { acknowledged, marks: VecDeque::new() });
    }

    /// A batch of the present stream ends here.
    pub fn mark(&mut self, seq: u64, position: Position, now: UnixNanos) {
        self.begun.get_or_insert(now);
        if let Some(flight) = self.flights.back_mut() {
            flight.marks.push_back(Mark { seq, position });
        }
        self.read = position;
        if self.trail.len() == TRAIL {
            self.trail.pop_front();
        }
        self.trail.push_back(position);
    }

    /// Moves the acknowledged place as far as the ledger has come. Says whether it moved.
    pub fn settle(&mut self) -> bool {
        let before = self.acknowledged;
        while let Some(flight) = self.flights.front_mut() {
            let acknowledged = *flight.acknowledged.borrow();
            while let Some(mark) = flight.marks.pop_front_if(|mark| mark.seq <= acknowledged) {
                self.acknowledged = mark.position;
            }
            // The last one may get further marks.
            if !flight.marks.is_empty() || self.flights.len() == 1 {
                break;
            }
            self.flights.pop_front();
        }
        self.acknowledged != before
    }

    /// Whether nothing is under way.
    pub fn is_settled(&self) -> bool {
        self.flights.iter().all(|flight| flight.marks.is_empty())
    }

    /// The same content, `len` bytes of it, in another file: what was read here is read there, what is under way here is
    /// under way there.
    pub fn copied(&self, len: u64, end: Position) -> Self {
        let mut copy = self.clone();
        let within = |position: &mut Position| {
            if position.offset > len {
                *position = end;
            }
        };
        within(&mut copy.acknowledged);
        within(&mut copy.read);
        copy.flights
            .iter_mut()
            .flat_map(|flight| &mut flight.marks)
            .for_each(|mark| within(&mut mark.position));
        copy.trail.clear();
        copy
    }

    /// The fingerprint of its beginning.
    pub fn head(&self) -> Head {
        self.head
    }

    /// The beginning is longer now.
    pub fn set_head(&mut self, head: Head) {
        self.head = head;
    }

    /// How far it is acknowledged, as of the last [`settle`](Self::settle).
    pub fn acknowledged(&self) -> Position {
        self.acknowledged
    }

    /// When the first of it was read; 0 if another process did.
    pub fn begun(&self) -> Option<UnixNanos> {
        self.begun
    }

    /// How far it was read into batches.
    pub fn read(&self) -> Position {
        self.read
    }

    /// The last place passed that lies within the first `len` bytes, if it is remembered.
    pub fn passed_within(&self, len: u64) -> Option<Position> {
        if self.read.offset <= len {
            return Some(self.read);
        }
        self.trail.iter().rev().find(|position| position.offset <= len).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Position {
        Position { offset, ..Position::START }
    }

    #[test]
    fn the_checkpoint_follows_the_acknowledgements_in_order_over_streams() {
        let mut epoch = Epoch::at(Head::default(), Position::START);
        let (first, seen) = watch::channel(0);
        epoch.board(seen);
        epoch.mark(3, place(30), 1);
        epoch.mark(5, place(50), 1);
        let (second, seen) = watch::channel(0);
        epoch.board(seen);
        epoch.mark(2, place(70), 1);
        second.send_replace(2);
        assert!(!epoch.settle(), "the first stream comes first");
        first.send_replace(3);
        assert!(epoch.settle());
        assert_eq!((epoch.acknowledged(), epoch.read()), (place(30), place(70)));
        first.send_replace(5);
        drop(first);
        assert!(epoch.settle() && epoch.is_settled());
        assert_eq!(epoch.acknowledged(), place(70));
    }

    #[test]
    fn a_copy_waits_for_what_is_under_way_from_the_original() {
        let mut epoch = Epoch::at(Head::default(), Position::START);
        let (ledger, seen) = watch::channel(0);
        epoch.board(seen);
        epoch.mark(1, place(10), 1);
        epoch.mark(2, place(20), 1);
        let mut copy = epoch.copied(15, place(15));
        assert_eq!((copy.acknowledged(), copy.read()), (Position::START, place(15)));
        ledger.send_replace(2);
        assert!(copy.settle());
        assert_eq!(copy.acknowledged(), place(15));
        assert_eq!(epoch.passed_within(15), Some(place(10)));
    }
}
