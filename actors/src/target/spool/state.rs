//! Who has what: deliveries on their way from memory, in the queue to the disk, and read back from it.
//!
//! No I/O here, and no waiting. What must not happen under the lock (dropping deliveries, which tells this state that
//! their claims are lost) is put [`Aside`].

use super::record::{Incoming, deliveries};
use crate::data::delivery::{Delivery, Door, Payload};
use crate::data::target::Target;
use event::{BranchId, Claim, Settled};
use journal::Position;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
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
            Mode::Spooling => self.enqueue(delivery),
            Mode::Opening | Mode::Returning { .. } => {
                self.held_bytes += size(&delivery.payload);
                self.held.push_back((port, delivery));
            }
        }
        None
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

    // === flights ===

    /// What is to be handed to senders: in order, nothing past one that has to wait.
    pub(super) fn unhanded(&mut self, aside: &mut Aside) -> Vec<(u64, Arc<dyn Door>)> {
        self.look_for_new_lives(aside);
        if !self.unhanded {
            return Vec::new();
        }
        let (mut due, mut left) = (Vec::new(), false);
        for (ticket, flight) in &self.flights {
            if flight.handed || !matches!(flight.stash, Stash::Book(_)) {
                continue;
            }
            match self.door(flight.port).filter(|_| self.has_known_life(flight.port)) {
                Some(door) => due.push((*ticket, Arc::clone(door))),
                None => left = true,
            }
        }
        self.unhanded = left;
        due
    }

    /// The sender of a port.
    pub(super) fn door(&self, port: usize) -> Option<&Arc<dyn Door>> {
        self.ports.get(port)?.door.as_ref()
    }

    fn has_known_life(&self, port: usize) -> bool {
        let Some(port) = self.ports.get(port) else { return false };
        port.life.is_some() && port.life == port.door.as_ref().and_then(|door| door.life())
    }

    /// A sender that was started again has nothing of what its predecessor had: it gets all of it.
    pub(super) fn look_for_new_lives(&mut self, aside: &mut Aside) {
        for port in 0..self.ports.len() {
            let Some(life) = self.ports[port].door.as_ref().and_then(|door| door.life()) else { continue };
            if self.ports[port].life.replace(life) != Some(life) {
                self.reissue(port, aside);
            }
        }
    }

    fn reissue(&mut self, port: usize, aside: &mut Aside) {
        let tickets: Vec<u64> =
            self.flights.iter().filter(|(_, f)| f.port == port).map(|(t, _)| *t).collect();
        for ticket in tickets {
            match self.flights.get(&ticket).map(|flight| &flight.stash) {
                Some(Stash::Book(_)) => {
                    // Under another number: the old claim counts for nothing from now on.
                    if let Some(mut flight) = self.flights.remove(&ticket) {
                        flight.handed = false;
                        self.unhanded = true;
                        self.add(flight);
                    }
                }
                Some(Stash::Appending) => self.lost(ticket, aside),
                Some(Stash::Disk(_)) => self.lost(ticket, aside),
                None => {}
            }
        }
    }

    /// A delivery for a sender, with a claim that this spool keeps.
    pub(super) fn handing(&mut self, ticket: u64) -> Option<(Payload, BranchId, u32, u32)> {
        let flight = self.flights.get_mut(&ticket)?;
        flight.handed = true;
        Some((flight.payload.clone(), flight.branch, flight.len, flight.next))
    }

    /// A sender did not take it, or lost it.
    pub(super) fn lost(&mut self, ticket: u64, aside: &mut Aside) {
        let Some(flight) = self.flights.get_mut(&ticket) else { return };
        flight.handed = false;
        match flight.stash {
            Stash::Book(_) => self.unhanded = true,
            Stash::Appending => {}
            Stash::Disk(position) => {
                if let Some(flight) = self.flights.remove(&ticket) {
                    self.forget(position, flight.bytes);
                    if flight.next > flight.base {
                        self.partial.insert(position, flight.next - flight.base);
                    }
                    aside.flights.push(flight);
                }
                self.rewind = Some(self.rewind.map_or(position, |before| before.min(position)));
            }
        }
    }

    fn forget(&mut self, position: Position, bytes: u64) {
        self.in_hands.remove(&position);
        self.hand_bytes -= bytes;
    }

    /// Whether a claim that was handed out still counts.
    pub(super) fn is_current(&self, ticket: u64) -> bool {
        self.flights.get(&ticket).is_some_and(|flight| match &flight.stash {
            Stash::Book(claim) => claim.is_current(),
            Stash::Appending | Stash::Disk(_) => true,
        })
    }

    /// A sender settled something.
    pub(super) fn settle(
        &mut self,
        target: &Target,
        ticket: u64,
        upto: u32,
        exceptions: &[(u32, Settled)],
        settled: Settled,
        now: Instant,
    ) {
        let Some(flight) = self.flights.get_mut(&ticket) else { return };
        let (from, upto) = (flight.next, upto.min(flight.len));
        if upto <= from && upto < flight.len {
            return;
        }
        flight.next = upto;
        let otherwise = exceptions.iter().filter(|(record, _)| (from..upto).contains(record));
        if let Stash::Book(claim) = &mut flight.stash {
            otherwise.for_each(|(record, how)| claim.except(*record, *how));
            claim.settle_to(upto, settled);
        } else {
            let mut rest = u64::from(deliveries(&flight.payload, from, upto));
            if matches!(flight.stash, Stash::Appending) {
                flight.early += rest;
                target.spool.flow.open(rest);
            }
            for (_, how) in otherwise {
                if rest == 0 {
                    break;
                }
                rest -= 1;
                target.spool.flow.settle(1, onward(*how));
            }
            target.spool.flow.settle(rest, onward(settled));
            self.disk_settled_at = now;
        }
        if upto < flight.len {
            return;
        }
        match flight.stash {
            // Its record is settled as soon as it is written.
            Stash::Appending => {}
            Stash::Book(_) => {
                self.book_bytes -= flight.bytes;
                self.flights.remove(&ticket);
            }
            Stash::Disk(position) => {
                let bytes = flight.bytes;
                self.flights.remove(&ticket);
                self.forget(position, bytes);
                self.window = (self.window + bytes).min(WINDOW_AT_MOST);
                self.record_done(target, position, bytes);
            }
        }
    }

    fn record_done(&mut self, target: &Target, position: Position, bytes: u64) {
        self.partial.remove(&position);
        self.settled.insert(position);
        let before = target.spool.bytes.load(Relaxed);
        target.spool.bytes.store(before.saturating_sub(bytes), Relaxed);
        target.spool.done_bytes.add(bytes);
    }

    // === to disk ===

    /// Everything goes to disk from now on, what senders have first.
    pub(super) fn divert(&mut self, aside: &mut Aside) {
        self.mode = Mode::Spooling;
        let tickets: Vec<u64> = self.flights.keys().copied().collect();
        let mut first = VecDeque::new();
        for ticket in tickets {
            let Some(flight) = self.flights.get_mut(&ticket) else { continue };
            if !matches!(flight.stash, Stash::Book(_)) {
                continue;
            }
            let Stash::Book(claim) = std::mem::replace(&mut flight.stash, Stash::Appending) else { continue };
            let (payload, bytes, next) = (flight.payload.clone(), flight.bytes, flight.next);
            self.book_bytes -= bytes;
            // The record begins with what is not settled.
            flight.base = next;
            let ticket = match flight.handed {
                true => Some(ticket),
                false => {
                    aside.flights.extend(self.flights.remove(&ticket));
                    None
                }
            };
            first.push_back(Parcel { payload, claim, first: next, bytes, ticket });
        }
        first.append(&mut self.queue);
        self.queue = first;
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        held.into_iter().for_each(|(_, delivery)| self.enqueue(delivery));
        self.recall(aside);
    }

    /// Asks senders to drop what they have not begun.
    pub(super) fn recall(&self, aside: &mut Aside) {
        aside.recall.extend(self.ports.iter().filter_map(|port| port.door.clone()));
    }

    /// What waits to be appended, up to so many bytes; it stays in the queue until [`appended`](Self::appended).
    pub(super) fn group(&mut self, most_bytes: u64, aside: &mut Aside) -> Group {
        let (mut parcels, mut bytes) = (Vec::new(), 0);
        while let Some(parcel) = self.queue.get(parcels.len()) {
            if bytes > 0 && bytes + parcel.bytes > most_bytes {
                break;
            }
            if !parcel.claim.is_current() {
                // Dispatched again since: it comes, or came, once more.
                if let Some(stale) = self.queue.remove(parcels.len())
                    && let Some(flight) = stale.ticket.and_then(|ticket| self.flights.remove(&ticket))
                {
                    aside.flights.push(flight);
                }
                continue;
            }
            bytes += parcel.bytes;
            parcels.push((parcel.payload.clone(), parcel.first, parcel.claim.branch()));
        }
        Group { parcels }
    }

    /// The first of the queue is on disk.
    pub(super) fn appended(
        &mut self,
        target: &Target,
        position: Position,
        deliveries: u32,
        bytes: u64,
    ) -> Option<Claim> {
        let parcel = self.queue.pop_front()?;
        self.end = position.next();
        self.sums = (self.sums.0 + u64::from(deliveries), self.sums.1 + bytes);
        target.spool.bytes.fetch_add(bytes, Relaxed);
        let mut early = 0;
        if let Some(ticket) = parcel.ticket
            && let Some(flight) = self.flights.get_mut(&ticket)
        {
            early = flight.early;
            if flight.next == flight.len {
                self.flights.remove(&ticket);
                self.record_done(target, position, bytes);
            } else if flight.handed {
                (flight.stash, flight.bytes) = (Stash::Disk(position), bytes);
                self.in_hands.insert(position, ticket);
                self.hand_bytes += bytes;
            } else {
                if flight.next > flight.base {
                    self.partial.insert(position, flight.next - flight.base);
                }
                self.flights.remove(&ticket);
            }
        }
        target.spool.flow.open(u64::from(deliveries).saturating_sub(early));
        Some(parcel.claim)
    }

    /// The first of the queue can't be on disk.
    pub(super) fn take_first(&mut self) -> Option<Claim> {
        let parcel = self.queue.pop_front()?;
        if let Some(ticket) = parcel.ticket {
            self.flights.remove(&ticket);
        }
        Some(parcel.claim)
    }

    // === from disk ===

    /// How many bytes may be read back now; none while nothing is to be.
    pub(super) fn room(&self) -> Option<u64> {
        let wanted = matches!(self.mode, Mode::Spooling | Mode::Returning { .. });
        let open = wanted && self.running && !self.closing;
        let there =
            self.ports.iter().all(|port| port.door.as_ref().is_some_and(|door| door.life().is_some()));
        let room = self.window.saturating_sub(self.hand_bytes);
        (open && there && room > 0 && (self.read_to < self.end || self.rewind.is_some())).then_some(room)
    }

    /// Whether a record is in somebody's hands.
    pub(super) fn has(&self, position: Position) -> bool {
        self.in_hands.contains_key(&position)
    }

    /// A record was read; returns the ticket of its flight.
    pub(super) fn read(
        &mut self,
        position: Position,
        incoming: Incoming,
        now: Instant,
    ) -> (u64, Option<Arc<dyn Door>>) {
        let Incoming { payload, stamp, bytes, .. } = incoming;
        let device = payload.batch().origin(0).device.0;
        let port = (device % self.ports.len().max(1) as u64) as usize;
        let next = self.partial.get(&position).copied().unwrap_or(0);
        let len = payload.batch().len();
        let stash = Stash::Disk(position);
        if self.in_hands.is_empty() {
            self.disk_settled_at = now;
        }
        self.in_hands.insert(position, self.next_ticket);
        self.hand_bytes += bytes;
        let flight = Flight {
            port,
            payload,
            branch: stamp.branch,
            base: 0,
            next: next.min(len),
            len,
            stash,
            handed: true,
            since: now,
            bytes,
            early: 0,
        };
        (self.add(flight), self.ports[port].door.clone())
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
        if self.mode == Mode::Spooling && self.is_read() && self.return_after.is_none_or(|at| at <= now) {
            let oldest = self.in_hands.first_key_value().and_then(|(_, ticket)| self.flights.get(ticket));
            if oldest.is_none_or(|flight| now.saturating_duration_since(flight.since) < BRISK) {
                self.mode = Mode::Returning { since: now };
            }
        }
        let Mode::Returning { since } = self.mode else { return false };
        if self.is_drained() {
            self.mode = Mode::Direct;
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

    /// Takes note that time passes.
    pub(super) fn tick(&mut self, now: Instant, aside: &mut Aside) {
        let stalled = now.saturating_duration_since(self.disk_settled_at) > RETURN_WITHIN;
        if stalled && !self.in_hands.is_empty() {
            // One that takes nothing needs nothing in reserve.
            self.window = WINDOW_FIRST;
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
