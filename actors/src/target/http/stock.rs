//! What waits to be sent, and how it is cut into requests. No I/O, no clock.

use super::parcel::{Content, Parcel};
use crate::data::delivery::Delivery;
use event::Settled;
use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;
use std::time::Instant;

/// Events that go together.
#[derive(Debug, Default)]
pub struct Request {
    /// Where they come from, in order.
    pub pieces: Vec<Piece>,
    /// How often it was tried.
    pub attempts: u32,
    /// Not to be tried before.
    pub not_before: Option<Instant>,
}

/// Events of one delivery that go together.
#[derive(Clone, Debug)]
pub struct Piece {
    parcel: ParcelId,
    /// The delivery's content.
    pub content: Arc<Content>,
    /// Which of its events.
    pub events: Range<u32>,
}

/// Number of a delivery within a stock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParcelId(u64);

/// How large a request may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Most events.
    pub events: u32,
    /// Most bytes; a single event may be larger.
    pub bytes: u64,
    /// What an event takes besides its own bytes.
    pub overhead: u64,
}

/// Deliveries that have not ended.
#[derive(Debug, Default)]
pub struct Stock {
    parcels: HashMap<ParcelId, Parcel>,
    /// Deliveries with events that are in no request yet, and when they came.
    waiting: VecDeque<(ParcelId, Instant)>,
    waiting_events: u64,
    waiting_bytes: u64,
    next_id: u64,
}

// === impl Stock ===

impl Stock {
    /// Takes a delivery in.
    pub fn take_in(&mut self, delivery: Delivery, now: Instant) {
        let Some(parcel) = Parcel::open(delivery) else { return };
        let id = ParcelId(self.next_id);
        self.next_id += 1;
        self.waiting_events += u64::from(parcel.rest().end - parcel.rest().start);
        self.waiting_bytes += parcel.content().bytes(parcel.rest());
        self.waiting.push_back((id, now));
        self.parcels.insert(id, parcel);
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// Whether what waits is enough for a request that can't take more.
    pub fn fills(&self, size: Size) -> bool {
        let bytes = self.waiting_bytes + self.waiting_events * size.overhead;
        self.waiting_events >= u64::from(size.events) || bytes >= size.bytes
    }

    /// When the oldest that waits came.
    pub fn oldest(&self) -> Option<Instant> {
        self.waiting.front().map(|(_, since)| *since)
    }

    /// The next request, or none if nothing waits. What was handed to somebody else is thrown away.
    pub fn cut(&mut self, size: Size) -> Option<Request> {
        let mut request = Request::default();
        let (mut events, mut bytes) = (0, 0);
        while let Some(&(id, _)) = self.waiting.front() {
            let Some(parcel) = self.parcels.get_mut(&id) else {
                self.waiting.pop_front();
                continue;
            };
            let rest = parcel.rest();
            let whole = rest.end - rest.start;
            if !parcel.is_current() {
                self.waiting_events -= u64::from(whole);
                self.waiting_bytes -= parcel.content().bytes(rest);
                self.waiting.pop_front();
                self.parcels.remove(&id);
                continue;
            }
            let room = rest.start..rest.end.min(rest.start.saturating_add(size.events - events));
            let mut count =
                parcel.content().fitting(room.clone(), size.bytes.saturating_sub(bytes), size.overhead);
            if count == 0 && events == 0 && !room.is_empty() {
                count = 1;
            }
            if count == 0 {
                break;
            }
            let taken = parcel.take(count);
            let taken_bytes = parcel.content().bytes(taken.clone());
            request.pieces.push(Piece { parcel: id, content: Arc::clone(parcel.content()), events: taken });
            events += count;
            bytes += taken_bytes + u64::from(count) * size.overhead;
            self.waiting_events -= u64::from(count);
            self.waiting_bytes -= taken_bytes;
            if count < whole {
                break;
            }
            self.waiting.pop_front();
        }
        (events > 0).then_some(request)
    }

    /// All events of a request were delivered.
    pub fn delivered(&mut self, request: &Request) {
        for piece in &request.pieces {
            self.end(piece.parcel, |parcel| parcel.delivered(piece.events.clone()));
        }
    }

    /// All events of a request are refused, and end so.
    pub fn refused(&mut self, request: &Request, settled: Settled) {
        for piece in &request.pieces {
            self.end(piece.parcel, |parcel| parcel.refused(piece.events.clone(), settled));
        }
    }

    /// Takes what was handed to somebody else out of a request; whether anything is left.
    pub fn refresh(&mut self, request: &mut Request) -> bool {
        request.pieces.retain(|piece| {
            let current = self.parcels.get(&piece.parcel).is_some_and(Parcel::is_current);
            // With events still waiting it is thrown away when they come to be cut.
            if !current && !self.waiting.iter().any(|(id, _)| *id == piece.parcel) {
                self.parcels.remove(&piece.parcel);
            }
            current
        });
        !request.pieces.is_empty()
    }

    /// Drops deliveries for which the condition does not hold.
    pub fn drop_unless(&mut self, keep: impl Fn(ParcelId) -> bool) {
        self.parcels.retain(|id, _| keep(*id));
        self.waiting.retain(|(id, _)| self.parcels.contains_key(id));
        let rests = self.waiting.iter().filter_map(|(id, _)| self.parcels.get(id));
        (self.waiting_events, self.waiting_bytes) = rests.fold((0, 0), |(events, bytes), parcel| {
            let rest = parcel.rest();
            (events + u64::from(rest.end - rest.start), bytes + parcel.content().bytes(rest))
        });
    }

    fn end(&mut self, id: ParcelId, change: impl FnOnce(&mut Parcel)) {
        let Some(parcel) = self.parcels.get_mut(&id) else { return };
        change(parcel);
        if parcel.is_done() {
            self.parcels.remove(&id);
        }
    }
}

// === impl Request ===

impl Request {
    /// Whether it has events of a delivery.
    pub fn has(&self, parcel: ParcelId) -> bool {
        self.pieces.iter().any(|piece| piece.parcel == parcel)
    }

    /// How many events it has.
    pub fn events(&self) -> u32 {
        self.pieces.iter().map(|piece| piece.events.end - piece.events.start).sum()
    }

    /// Bytes of its events.
    pub fn bytes(&self) -> u64 {
        self.pieces.iter().map(|piece| piece.content.bytes(piece.events.clone())).sum()
    }

    /// Takes out the events from the one with that number on.
    pub fn split_off(&mut self, at: u32) -> Self {
        let (mut front, mut back, mut left) = (Vec::new(), Vec::new(), at);
        for piece in self.pieces.drain(..) {
            let len = piece.events.end - piece.events.start;
            let here = left.min(len);
            left -= here;
            let middle = piece.events.start + here;
            if here > 0 {
                front.push(Piece { events: piece.events.start..middle, ..piece.clone() });
            }
            if here < len {
                back.push(Piece { events: middle..piece.events.end, ..piece });
            }
        }
        self.pieces = front;
        Self { pieces: back, ..Self::default() }
    }

    /// Only the events with these numbers, which ascend.
    pub fn only(&self, numbers: impl IntoIterator<Item = u32>) -> Self {
        let mut pieces: Vec<Piece> = Vec::new();
        let (mut at, mut first) = (0, 0);
        for number in numbers {
            while let Some(piece) = self.pieces.get(at)
                && number - first >= piece.events.end - piece.events.start
            {
                first += piece.events.end - piece.events.start;
                at += 1;
            }
            let Some(piece) = self.pieces.get(at) else { break };
            let event = piece.events.start + (number - first);
            match pieces.last_mut() {
                Some(last) if last.parcel == piece.parcel && last.events.end == event => last.events.end += 1,
                _ => pieces.push(Piece { events: event..event + 1, ..piece.clone() }),
            }
        }
        Self { pieces, ..Self::default() }
    }
}

#[cfg(test)]
mod tests;
