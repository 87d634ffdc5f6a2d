//! Deliveries on their way over one connection after the other.
//!
//! ```text
//!  mailbox ─▶ waiting ─▶ writing ──▶ sent, not acknowledged ──▶ settled
//!                           ▲                │
//!                           └ connection broke: from the first event that is not acknowledged
//! ```
//!
//! Everything that waits goes out in as few `writev` as possible, about two megabytes each; bytes that have to be made
//! (framing, templates) are made no sooner than that.

use super::wire::{Wire, WireFormat};
use crate::data::delivery::Delivery;
use std::collections::VecDeque;
use std::io::IoSlice;

/// Slices in one `writev`: two megabytes of full batches.
const MAX_SLICES: usize = 16;

/// Deliveries on their way, in order.
pub(super) struct TcpQueue {
    format: WireFormat,
    waiting: VecDeque<Delivery>,
    writing: VecDeque<Outgoing>,
    sent: VecDeque<Outgoing>,
}

/// A delivery as bytes.
struct Outgoing {
    wire: Wire,
    /// Bytes of it that arrived on an earlier connection.
    done: usize,
    /// Bytes of it that were written to the present connection or arrived earlier.
    written: usize,
    /// Where its bytes end in the present connection's payload, once it is written.
    end: u64,
}

impl TcpQueue {
    pub(super) fn new(format: WireFormat) -> Self {
        Self { format, waiting: VecDeque::new(), writing: VecDeque::new(), sent: VecDeque::new() }
    }

    /// Adds deliveries at the end.
    pub(super) fn push(&mut self, deliveries: impl IntoIterator<Item = Delivery>) {
        self.waiting.extend(deliveries);
    }

    /// Drops what is not written, the newest first: its claims go back.
    pub(super) fn drop_unbegun(&mut self) {
        while self.waiting.pop_back().is_some() {}
        while self.writing.pop_back_if(|outgoing| outgoing.written == outgoing.done).is_some() {}
    }

    /// Whether something is not written, or only in part.
    pub(super) fn has_unwritten(&self) -> bool {
        !self.waiting.is_empty() || !self.writing.is_empty()
    }

    /// Whether a delivery is written and not acknowledged.
    pub(super) fn has_unacknowledged(&self) -> bool {
        !self.sent.is_empty()
    }

    /// What is to be written next.
    pub(super) fn unwritten(&mut self) -> Vec<IoSlice<'_>> {
        self.make();
        self.writing.iter().take(MAX_SLICES).map(Outgoing::unwritten).collect()
    }

    /// The rest of the event that is written in part.
    pub(super) fn rest_of_event(&self) -> &[u8] {
        match self.writing.front() {
            Some(first) if first.written > first.done => {
                let end = first.wire.end_of_event(first.written);
                &first.wire.bytes()[first.written..end]
            }
            _ => &[],
        }
    }

    /// Makes the bytes of what is next. What was dispatched again since it came is thrown away.
    fn make(&mut self) {
        while self.writing.len() < MAX_SLICES
            && let Some(delivery) = self.waiting.pop_front()
        {
            if !delivery.claim.is_current() {
                continue;
            }
            let wire = Wire::new(delivery, &self.format);
            match wire.bytes().is_empty() {
                true => wire.delivered(),
                false => self.writing.push_back(Outgoing { wire, done: 0, written: 0, end: 0 }),
            }
        }
    }

    /// So many more bytes were taken, in all `taken` by the present connection.
    pub(super) fn advance(&mut self, mut bytes: usize, taken: u64) {
        let mut end = taken - bytes as u64;
        while bytes > 0 {
            let Some(first) = self.writing.front_mut() else { return };
            let part = bytes.min(first.wire.bytes().len() - first.written);
            first.written += part;
            bytes -= part;
            end += part as u64;
            if first.written == first.wire.bytes().len()
                && let Some(mut whole) = self.writing.pop_front()
            {
                whole.end = end;
                self.sent.push_back(whole);
            }
        }
    }

    /// Settles deliveries whose last byte is among the acknowledged ones.
    pub(super) fn settle(&mut self, acknowledged: u64) {
        while let Some(whole) = self.sent.pop_front_if(|sent| sent.end <= acknowledged) {
            whole.wire.delivered();
        }
    }

    /// The connection is over. Of the bytes that it took only these are acknowledged: what is complete in them is
    /// settled, the rest is to be written again.
    pub(super) fn rewind(&mut self, taken: u64, acknowledged: u64) {
        self.settle(acknowledged);
        if let Some(partly) = self.writing.front_mut().filter(|first| first.written > first.done) {
            partly.end = taken + (partly.wire.bytes().len() - partly.written) as u64;
            partly.rewind(acknowledged);
        }
        while let Some(mut outgoing) = self.sent.pop_back() {
            outgoing.rewind(acknowledged);
            self.writing.push_front(outgoing);
        }
        // What was dispatched again since, its new claim is on.
        self.writing.retain(|outgoing| outgoing.wire.is_current());
    }
}

impl Outgoing {
    fn unwritten(&self) -> IoSlice<'_> {
        IoSlice::new(&self.wire.bytes()[self.written..])
    }

    /// The connection is over after so many acknowledged bytes: begin again at the first whole event beyond them.
    fn rewind(&mut self, acknowledged: u64) {
        let began = self.end - (self.wire.bytes().len() - self.done) as u64;
        let arrived = acknowledged.saturating_sub(began) as usize;
        if arrived > 0 {
            self.done = self.wire.delivered_up_to(self.done + arrived);
        }
        (self.written, self.end) = (self.done, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::rig::Rig;

    fn written(queue: &mut TcpQueue) -> Vec<u8> {
        queue.unwritten().iter().flat_map(|slice| slice.to_vec()).collect()
    }

    #[test]
    fn wherever_a_connection_breaks_the_next_begins_with_the_first_event_that_is_missing() {
        for taken in 0..=12_u64 {
            for acknowledged in 0..=taken {
                let (mut rig, mut queue) = (Rig::new(), TcpQueue::new(WireFormat::lines()));
                queue.push([rig.deliver(&[b"11", b"22"]), rig.deliver(&[b"33", b"44"])]);
                assert_eq!(written(&mut queue), b"11\n22\n33\n44\n");
                queue.advance(taken as usize, taken);
                queue.rewind(taken, acknowledged);
                let whole = acknowledged / 3;
                assert_eq!(rig.delivered(), whole, "{taken} {acknowledged}");
                assert_eq!(written(&mut queue), &b"11\n22\n33\n44\n"[3 * whole as usize..]);
                let rest = 12 - 3 * whole;
                queue.advance(rest as usize, rest);
                queue.settle(rest);
                assert_eq!((rig.delivered(), rig.target.flow.held()), (4, 0));
            }
        }
    }

    #[test]
    fn what_was_dispatched_again_is_not_written_twice() {
        let (mut rig, mut queue) = (Rig::new(), TcpQueue::new(WireFormat::lines()));
        queue.push([rig.deliver(&[b"once"])]);
        rig.replace_sender();
        queue.push(rig.dispatched());
        assert_eq!(written(&mut queue), b"once\n");
    }
}
