//! Who has what: deliveries on their way from memory, in the queue to the disk, and read back from it.
//!
//! No I/O here, and no waiting. What must not happen under the lock (dropping deliveries, which tells this state that
//! their claims are lost) is put [`Aside`].

mod disk;
mod flights;

use super::memory::OWN_BYTES;
use crate::data::delivery::{Delivery, Door, Payload};
use event::{BranchId, Claim, Settled, StreamId};
use journal::Position;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So much that was read back may be in senders' hands before one of them was settled; grows with what is settled.
pub(super) const WINDOW_FIRST: u64 = 256 << 10;
/// And so much at most.
const WINDOW_AT_MOST: u64 = 8 << 20;
/// Too many bytes under way mean nothing while the oldest of them is younger than this.
const NOT_NEW: Duration = Duration::from_millis(300);
/// New deliveries wait so long at most for the last ones from disk to be settled.
const RETURN_WITHIN: Duration = Duration::from_secs(1);
/// After an attempt to feed from memory that failed, the first pause before the next; doubles.
const RETURN_AGAIN: Duration = Duration::from_secs(1);
const RETURN_AGAIN_AT_MOST: Duration = Duration::from_secs(30);
/// A sender that settles what it has within this time is well.
const BRISK: Duration = Duration::from_millis(250);

/// Of so many streams at most it is remembered which sender they have.
const STREAMS_KNOWN: usize = 1 << 16;

/// Where new deliveries go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// They are held: it is not known yet whether something waits on disk.
    Opening,
    /// To the senders.
    Direct,
    /// To disk.
    Spooling,
    /// They are held until what came from disk is settled.
    Returning {
        /// Since when.
        since: Instant,
    },
}

/// What was put aside to be done after the lock.
#[derive(Default)]
pub(super) struct Aside {
    /// To be dropped.
    pub(super) refused: Vec<Delivery>,
    /// To be dropped; their claims go back to the book.
    pub(super) flights: Vec<Flight>,
    /// To be asked to drop what they have not begun.
    pub(super) recall: Vec<Arc<dyn Door>>,
}

/// A delivery in a sender's hands, or on its way there.
pub(super) struct Flight {
    port: usize,
    payload: Payload,
    branch: BranchId,
    /// The first record that the spool was to deliver.
    base: u32,
    /// The records before this one are settled.
    next: u32,
    len: u32,
    stash: Stash,
    /// Whether a sender has it.
    handed: bool,
    since: Instant,
    bytes: u64,
    /// Deliveries that were settled before they were on disk.
    early: u64,
}

/// Who answers for a delivery.
enum Stash {
    /// The book.
    Book(Claim),
    /// The book, until it is on disk: its claim is in the queue.
    Appending,
    /// The journal's record there.
    Disk(Position),
}

/// A delivery that is to be appended.
pub(super) struct Parcel {
    pub(super) payload: Payload,
    pub(super) claim: Claim,
    /// The records before it are none of its business.
    pub(super) first: u32,
    bytes: u64,
    /// Of the flight, if a sender has it.
    ticket: Option<u64>,
}

/// A sender.
#[derive(Default)]
pub(super) struct Port {
    pub(super) door: Option<Arc<dyn Door>>,
    /// The life of the sender that was given what is under way.
    life: Option<u64>,
}

/// The state of a spool.
pub(super) struct State {
    pub(super) mode: Mode,
    pub(super) ports: Vec<Port>,
    /// The senders of streams that have something on disk: what comes from there takes the connection that what comes
    /// later will take, so that the peer sees it in order.
    ports_of: HashMap<StreamId, usize>,
    flights: BTreeMap<u64, Flight>,
    next_ticket: u64,
    /// Whether some flights could not be handed to their sender.
    unhanded: bool,
    /// Bytes of flights that the book answers for.
    book_bytes: u64,
    held: VecDeque<(usize, Delivery)>,
    held_bytes: u64,
    queue: VecDeque<Parcel>,
    /// Flights of which the record is on disk.
    in_hands: BTreeMap<Position, u64>,
    hand_bytes: u64,
    window: u64,
    disk_settled_at: Instant,
    /// Of records that come again: how many of their batch's records were delivered.
    pub(super) partial: HashMap<Position, u32>,
    /// Records before it are appended, and their flights known.
    pub(super) end: Position,
    /// Records before it were read.
    pub(super) read_to: Position,
    /// Where to read again.
    pub(super) rewind: Option<Position>,
    /// Deliveries and bytes of all records.
    pub(super) sums: (u64, u64),
    /// What is to follow the furthest record that was read, if that is known.
    pub(super) expected: (Position, Option<(u64, u64)>),
    return_after: Option<Instant>,
    return_pause: Duration,
    /// Whether deliveries wait for a schedule, and whether its time has come.
    pub(super) scheduled: bool,
    pub(super) running: bool,
    pub(super) closing: bool,
    pub(super) patience: Duration,
    pub(super) most_bytes: u64,
    /// Records settled since the cursor was made durable.
    pub(super) settled: BTreeSet<Position>,
}

/// What the writer has to do.
pub(super) struct Wants {
    pub(super) append: bool,
    pub(super) settle: bool,
}

/// What there is to append.
pub(super) struct Group {
    pub(super) parcels: Vec<(Payload, u32, BranchId)>,
}

impl State {
    pub(super) fn new(ports: usize, now: Instant) -> Self {
        Self {
            mode: Mode::Opening,
            ports: (0..ports).map(|_| Port::default()).collect(),
            ports_of: HashMap::new(),
            flights: BTreeMap::new(),
            next_ticket: 0,
            unhanded: false,
            book_bytes: 0,
            held: VecDeque::new(),
            held_bytes: 0,
            queue: VecDeque::new(),
            in_hands: BTreeMap::new(),
            hand_bytes: 0,
            window: WINDOW_FIRST,
            disk_settled_at: now,
            partial: HashMap::new(),
            end: Position(0),
            read_to: Position(0),
            rewind: None,
            sums: (0, 0),
            expected: (Position(0), None),
            return_after: None,
            return_pause: RETURN_AGAIN,
            scheduled: false,
            running: true,
            closing: false,
            patience: Duration::from_secs(1),
            most_bytes: u64::MAX,
            settled: BTreeSet::new(),
        }
    }

    // === deliveries that come ===

    /// A delivery for a port. Returns its ticket if it can be handed to the sender right away.
    pub(super) fn offer(&mut self, port: usize, delivery: Delivery, now: Instant) -> Option<u64> {
        match self.mode {
            Mode::Direct => {
                // Behind what waits for its sender already, or to a sender that is new: all of it in order, then.
                let alone = !self.unhanded && self.has_known_life(port);
                let ticket = self.fly(port, delivery, now);
                self.unhanded |= !alone;
                return alone.then_some(ticket);
            }
            Mode::Spooling => {
                self.remember(delivery.payload.batch().stream(), port);
                self.enqueue(delivery);
            }
            Mode::Opening | Mode::Returning { .. } => {
                self.held_bytes += size(&delivery.payload);
                self.held.push_back((port, delivery));
            }
        }
        None
    }

    /// What waits on disk of a stream will go to this sender.
    fn remember(&mut self, stream: StreamId, port: usize) {
        if self.ports_of.len() < STREAMS_KNOWN || self.ports_of.contains_key(&stream) {
            self.ports_of.insert(stream, port);
        }
    }

    fn enqueue(&mut self, Delivery { payload, claim }: Delivery) {
        let (first, bytes) = (claim.first(), size(&payload));
        self.queue.push_back(Parcel { payload, claim, first, bytes, ticket: None });
    }

    fn fly(&mut self, port: usize, Delivery { payload, claim }: Delivery, now: Instant) -> u64 {
        let (base, len, bytes) = (claim.first(), claim.records(), size(&payload));
        self.book_bytes += bytes;
        let (branch, stash) = (claim.branch(), Stash::Book(claim));
        let flight = Flight {
            port,
            payload,
            branch,
            base,
            next: base,
            len,
            stash,
            handed: false,
            since: now,
            bytes,
            early: 0,
        };
        self.add(flight)
    }

    fn add(&mut self, flight: Flight) -> u64 {
        let ticket = self.next_ticket;
        self.next_ticket += 1;
        self.flights.insert(ticket, flight);
        ticket
    }

    /// Whether senders are too slow, or down.
    pub(super) fn is_slow(&self, now: Instant) -> bool {
        let Some((_, oldest)) = self.flights.first_key_value() else { return false };
        let age = now.saturating_duration_since(oldest.since);
        let patience = if self.closing { RETURN_WITHIN } else { self.patience };
        age > patience || age > NOT_NEW && self.book_bytes > self.most_bytes
    }

    // === back to memory ===

    /// Whether all that is on disk was read.
    pub(super) fn is_read(&self) -> bool {
        self.read_to >= self.end && self.rewind.is_none()
    }

    /// Whether nothing waits on disk, or to go there.
    pub(super) fn is_drained(&self) -> bool {
        self.is_read() && self.in_hands.is_empty() && self.queue.is_empty() && self.flights.is_empty()
    }

    /// Moves towards feeding senders from memory; true when that is so from now on.
    pub(super) fn come_back(&mut self, now: Instant, aside: &mut Aside) -> bool {
        if self.scheduled || self.closing {
            return false;
        }
        let all_read = self.is_read() && self.queue.is_empty();
        if self.mode == Mode::Spooling && all_read && self.return_after.is_none_or(|at| at <= now) {
            let oldest = self.in_hands.first_key_value().and_then(|(_, ticket)| self.flights.get(ticket));
            if oldest.is_none_or(|flight| now.saturating_duration_since(flight.since) < BRISK) {
                self.mode = Mode::Returning { since: now };
            }
        }
        let Mode::Returning { since } = self.mode else { return false };
        if self.is_drained() {
            self.mode = Mode::Direct;
            self.ports_of.clear();
            self.return_pause = RETURN_AGAIN;
            self.release_held(now);
            return true;
        }
        if now.saturating_duration_since(since) > RETURN_WITHIN || self.held_bytes > self.most_bytes {
            self.return_after = Some(now + self.return_pause);
            self.return_pause = (self.return_pause * 2).min(RETURN_AGAIN_AT_MOST);
            self.divert(aside);
        }
        false
    }

    /// Nothing is on disk: senders are fed from memory.
    pub(super) fn release_held(&mut self, now: Instant) {
        self.held_bytes = 0;
        for (port, delivery) in std::mem::take(&mut self.held) {
            let port = port.min(self.ports.len().saturating_sub(1));
            self.fly(port, delivery, now);
            self.unhanded = true;
        }
    }

    // === time, beginning and end ===

    /// Takes note that time passes. `scarce`: others wait for memory to read back into.
    pub(super) fn tick(&mut self, now: Instant, scarce: bool, aside: &mut Aside) {
        let stalled = now.saturating_duration_since(self.disk_settled_at) > RETURN_WITHIN;
        if stalled && !self.in_hands.is_empty() {
            // One that takes nothing needs nothing in reserve, and little while others need it; it grows again with what
            // is settled.
            let before = self.window;
            self.window = before.min(if scarce { OWN_BYTES } else { WINDOW_FIRST });
            if scarce && before > OWN_BYTES {
                self.recall(aside);
            }
        }
        if self.mode == Mode::Direct && self.is_slow(now) {
            self.return_after = Some(now + self.return_pause);
            self.divert(aside);
        }
    }

    /// A gate was started: it gets anew what its predecessor's claims were for.
    pub(super) fn bind(&mut self, port: usize, ports: usize, door: Arc<dyn Door>, aside: &mut Aside) {
        self.closing = false;
        if self.ports.len() != ports {
            self.ports.resize_with(ports, Port::default);
        }
        self.ports[port] = Port { door: Some(door), life: None };
        let gone: Vec<u64> =
            self.flights.iter().filter(|(_, f)| f.port >= ports || f.is_stale()).map(|(t, _)| *t).collect();
        for ticket in gone {
            let Some(flight) = self.flights.get(&ticket) else { continue };
            if !flight.is_stale() {
                self.lost(ticket, aside);
            } else if let Some(flight) = self.flights.remove(&ticket) {
                self.book_bytes -= flight.bytes;
                aside.flights.push(flight);
            }
        }
        self.held.retain(|(_, delivery)| delivery.claim.is_current());
    }

    /// Whether the writer has something to do.
    pub(super) fn wants_disk(&self) -> Wants {
        Wants { append: !self.queue.is_empty(), settle: !self.settled.is_empty() }
    }

    /// Whether a gate may go: nothing is in memory only, and senders have had a chance to finish what they began.
    pub(super) fn is_closed(&self, now: Instant) -> bool {
        match self.mode {
            Mode::Opening => self.held.is_empty(),
            Mode::Returning { .. } => false,
            Mode::Direct => self.flights.is_empty(),
            Mode::Spooling => {
                let begun = !self.flights.is_empty();
                let idle = now.saturating_duration_since(self.disk_settled_at) > RETURN_WITHIN;
                self.queue.is_empty() && (!begun || idle)
            }
        }
    }

    /// What of records in senders' hands was delivered.
    pub(super) fn in_part(&self) -> HashMap<Position, u32> {
        let mut all = self.partial.clone();
        for (position, ticket) in &self.in_hands {
            if let Some(flight) = self.flights.get(ticket).filter(|flight| flight.next > flight.base) {
                all.insert(*position, flight.next - flight.base);
            }
        }
        all
    }
}

impl Flight {
    /// Whether the book has dispatched it again.
    fn is_stale(&self) -> bool {
        matches!(&self.stash, Stash::Book(claim) if !claim.is_current())
    }
}

/// Where a spool feeds another one, its work is done.
fn onward(settled: Settled) -> Settled {
    if settled == Settled::Spooled { Settled::Delivered } else { settled }
}

/// Bytes that a delivery keeps in memory.
fn size(payload: &Payload) -> u64 {
    match payload {
        Payload::Raw(batch) => batch.slab().len() as u64,
        Payload::Encoded(encoded) => encoded.bytes.len() as u64,
    }
}
