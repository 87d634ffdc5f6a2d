//! A delivery whose events end one by one, in any order; its claim is settled in the order of records.
//!
//! Cost: for whole requests that end in order a range is moved on; events are looked at one by one only
//! where some of them end otherwise than the rest.

use crate::data::delivery::{Delivery, Encoded, EncodedEvent, Payload};
use bytes::Bytes;
use event::{Batch, BranchId, Claim, Layout, Settled};
use std::collections::HashSet;
use std::ops::Range;
use std::sync::Arc;

/// What a delivery holds, shared with requests that are in flight.
#[derive(Debug)]
pub struct Content {
    payload: Payload,
    branch: BranchId,
}

/// What tells an event from all others of this process, also when it is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventId {
    /// The stream it came from.
    pub stream: u64,
    /// Its record's number within the stream.
    pub sequence: u64,
    /// The way it took.
    pub branch: u32,
    /// Which of the events that were made from that record.
    pub part: u32,
}

/// A delivery and what of it has ended.
#[derive(Debug)]
pub struct Parcel {
    content: Arc<Content>,
    claim: Claim,
    /// The first event that is in no request yet.
    next: u32,
    /// Events that have ended, sorted, with gaps between the ranges.
    ended: Vec<Range<u32>>,
    /// Records with an event that was refused; a record is counted once.
    refused: HashSet<u32>,
}

// === impl Content ===

impl Content {
    /// How many events there are.
    pub fn events(&self) -> u32 {
        match &self.payload {
            Payload::Raw(batch) => batch.len(),
            Payload::Encoded(Encoded { events, .. }) => events.len() as u32,
        }
    }

    /// The bytes of an event.
    ///
    /// # Panics
    /// When there is no such event.
    pub fn event(&self, event: u32) -> &[u8] {
        match &self.payload {
            Payload::Raw(batch) => batch.bytes(event),
            Payload::Encoded(Encoded { bytes, events, .. }) => {
                let EncodedEvent { start, end, .. } = events[event as usize];
                &bytes[start as usize..end as usize]
            }
        }
    }

    /// The batch it came in.
    pub fn batch(&self) -> &Batch {
        self.payload.batch()
    }

    /// The bytes of an event without copying them, if they are not what was received.
    pub fn encoded(&self, event: u32) -> Option<Bytes> {
        match &self.payload {
            Payload::Raw(_) => None,
            Payload::Encoded(Encoded { bytes, events, .. }) => {
                let EncodedEvent { start, end, .. } = events[event as usize];
                Some(bytes.slice(start as usize..end as usize))
            }
        }
    }

    /// The way it took.
    pub fn branch(&self) -> BranchId {
        self.branch
    }

    /// The record that an event was made from.
    ///
    /// # Panics
    /// When there is no such event.
    pub fn record(&self, event: u32) -> u32 {
        match &self.payload {
            Payload::Raw(_) => event,
            Payload::Encoded(encoded) => encoded.events[event as usize].record,
        }
    }

    /// What tells the event from all others.
    ///
    /// # Panics
    /// When there is no such event.
    pub fn id(&self, event: u32) -> EventId {
        let (batch, record) = (self.batch(), self.record(event));
        let siblings = match &self.payload {
            Payload::Raw(_) => 0,
            Payload::Encoded(Encoded { events, .. }) => {
                events[..event as usize].iter().rev().take_while(|e| e.record == record).count()
            }
        };
        EventId {
            stream: batch.stream().0,
            sequence: batch.first_seq() + u64::from(record),
            branch: self.branch.0,
            part: siblings as u32,
        }
    }

    /// The events of `range` with a delimiter after each as they lie in memory, if they do.
    pub fn delimited(&self, range: Range<u32>, delimiter: u8) -> Option<Bytes> {
        match &self.payload {
            Payload::Raw(batch) => {
                batch.delimited(range, delimiter).map(|slice| batch.slab().slice_ref(slice))
            }
            Payload::Encoded(encoded) => {
                let events = &encoded.events[range.start as usize..range.end as usize];
                let gapless = events.windows(2).all(|pair| pair[0].end + 1 == pair[1].start);
                let (first, last) = (events.first()?, events.last()?);
                let as_asked = gapless && encoded.delimiter == delimiter;
                as_asked.then(|| encoded.bytes.slice(first.start as usize..last.end as usize + 1))
            }
        }
    }

    /// Bytes of the events of `range`, without delimiters.
    pub fn bytes(&self, range: Range<u32>) -> u64 {
        if range.is_empty() {
            return 0;
        }
        match &self.payload {
            Payload::Raw(batch) if batch.layout() != Layout::Scattered => {
                let (first, last) = (batch.records()[range.start as usize], range.end - 1);
                let last = batch.records()[last as usize];
                let delimiters = u64::from(range.end - range.start - 1);
                u64::from(last.offset + last.len - first.offset) - delimiters
            }
            Payload::Raw(batch) => {
                let records = &batch.records()[range.start as usize..range.end as usize];
                records.iter().map(|record| u64::from(record.len)).sum()
            }
            Payload::Encoded(Encoded { events, .. }) => {
                let events = &events[range.start as usize..range.end as usize];
                events.iter().map(|event| u64::from(event.end - event.start)).sum()
            }
        }
    }

    /// How many of the events of `range` go into so many bytes, each with an overhead.
    pub fn fitting(&self, range: Range<u32>, bytes: u64, overhead: u64) -> u32 {
        let size = |events: u32| self.bytes(range.start..range.start + events) + u64::from(events) * overhead;
        let (mut fits, mut too_many) = (0, range.end - range.start + 1);
        if size(too_many - 1) <= bytes {
            return too_many - 1;
        }
        while fits + 1 < too_many {
            let middle = fits.midpoint(too_many);
            if size(middle) <= bytes { fits = middle } else { too_many = middle }
        }
        fits
    }
}

// === impl Parcel ===

impl Parcel {
    /// A parcel of which nothing has ended, or none when there is nothing to send, which is settled.
    pub fn open(delivery: Delivery) -> Option<Self> {
        let Delivery { payload, claim } = delivery;
        let content = Content { payload, branch: claim.branch() };
        let first = match &content.payload {
            Payload::Raw(_) => claim.first(),
            // What an earlier life settled is not sent again.
            Payload::Encoded(e) => e.events.partition_point(|event| event.record < claim.first()) as u32,
        };
        if first >= content.events() {
            claim.settle(Settled::Delivered);
            return None;
        }
        // What was before the first event has ended.
        let mut ended = Vec::new();
        if first > 0 {
            ended.push(0..first);
        }
        Some(Self { content: Arc::new(content), claim, next: first, ended, refused: HashSet::new() })
    }

    /// What it holds.
    pub fn content(&self) -> &Arc<Content> {
        &self.content
    }

    /// Whether its claim still counts; if not, its events were handed to somebody else.
    pub fn is_current(&self) -> bool {
        self.claim.is_current()
    }

    /// Events that are in no request yet.
    pub fn rest(&self) -> Range<u32> {
        self.next..self.content.events()
    }

    /// Takes the first `events` of the rest for a request.
    pub fn take(&mut self, events: u32) -> Range<u32> {
        let taken = self.next..self.next + events;
        self.next = taken.end;
        taken
    }

    /// Events that were delivered.
    pub fn delivered(&mut self, events: Range<u32>) {
        self.end(events);
    }

    /// Events that were refused, and how they end.
    pub fn refused(&mut self, events: Range<u32>, settled: Settled) {
        for event in events.clone() {
            let record = self.content.record(event);
            if self.refused.insert(record) {
                self.claim.except(record, settled);
            }
        }
        self.end(events);
    }

    /// Whether all events have ended: the claim is settled then.
    pub fn is_done(&self) -> bool {
        self.prefix() == self.content.events()
    }

    fn prefix(&self) -> u32 {
        self.ended.first().filter(|range| range.start == 0).map_or(0, |range| range.end)
    }

    fn end(&mut self, events: Range<u32>) {
        let before = self.prefix();
        let at = self.ended.partition_point(|range| range.end < events.start);
        let until = self.ended.partition_point(|range| range.start <= events.end);
        let touching = self.ended[at..until].iter();
        let joined = touching.fold(events, |all, r| all.start.min(r.start)..all.end.max(r.end));
        self.ended.splice(at..until, [joined]);
        let prefix = self.prefix();
        if prefix == before {
            return;
        }
        // A record with events that have not ended is not settled.
        let upto = match prefix < self.content.events() {
            true => self.content.record(prefix),
            false => self.content.batch().len(),
        };
        if upto > self.claim.first() || prefix == self.content.events() {
            self.claim.settle_to(upto, Settled::Delivered);
        }
    }
}
