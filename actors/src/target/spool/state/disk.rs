//! What goes to disk, and what is read back from it.

use super::super::record::Incoming;
use super::{Aside, Flight, Group, Mode, Parcel, Stash, State};
use crate::data::delivery::Door;
use crate::data::target::Target;
use event::Claim;
use journal::Position;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

impl State {
    /// Everything goes to disk from now on, what senders have first.
    pub(in crate::target::spool) fn divert(&mut self, aside: &mut Aside) {
        self.mode = Mode::Spooling;
        let tickets: Vec<u64> = self.flights.keys().copied().collect();
        let mut first = VecDeque::new();
        for ticket in tickets {
            let Some(flight) = self.flights.get_mut(&ticket) else { continue };
            if !matches!(flight.stash, Stash::Book(_)) {
                continue;
            }
            let Stash::Book(claim) = std::mem::replace(&mut flight.stash, Stash::Appending) else { continue };
            let (payload, port, bytes, next) =
                (flight.payload.clone(), flight.port, flight.bytes, flight.next);
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
            self.remember(payload.batch().stream(), port);
            first.push_back(Parcel { payload, claim, first: next, bytes, ticket });
        }
        first.append(&mut self.queue);
        self.queue = first;
        let held = std::mem::take(&mut self.held);
        self.held_bytes = 0;
        for (port, delivery) in held {
            self.remember(delivery.payload.batch().stream(), port);
            self.enqueue(delivery);
        }
        self.recall(aside);
    }

    /// Asks senders to drop what they have not begun.
    pub(in crate::target::spool) fn recall(&self, aside: &mut Aside) {
        aside.recall.extend(self.ports.iter().filter_map(|port| port.door.clone()));
    }

    /// What waits to be appended, up to so many bytes; it stays in the queue until [`appended`](Self::appended).
    pub(in crate::target::spool) fn group(&mut self, most_bytes: u64, aside: &mut Aside) -> Group {
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
    pub(in crate::target::spool) fn appended(
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
    pub(in crate::target::spool) fn take_first(&mut self) -> Option<Claim> {
        let parcel = self.queue.pop_front()?;
        if let Some(ticket) = parcel.ticket {
            self.flights.remove(&ticket);
        }
        Some(parcel.claim)
    }

    /// What is on disk is nobody's business any more, also what senders have of it.
    pub(in crate::target::spool) fn purge(&mut self, aside: &mut Aside) {
        for ticket in std::mem::take(&mut self.in_hands).into_values() {
            aside.flights.extend(self.flights.remove(&ticket));
        }
        self.hand_bytes = 0;
        self.partial.clear();
        self.settled.clear();
        (self.read_to, self.rewind) = (self.end, None);
        self.expected = (self.end, Some(self.sums));
        self.recall(aside);
    }

    /// How many bytes may be read back now; none while nothing is to be.
    pub(in crate::target::spool) fn room(&self) -> Option<u64> {
        let wanted = matches!(self.mode, Mode::Spooling | Mode::Returning { .. });
        let open = wanted && self.running && !self.closing;
        let there =
            self.ports.iter().all(|port| port.door.as_ref().is_some_and(|door| door.life().is_some()));
        let room = self.window.saturating_sub(self.hand_bytes);
        (open && there && room > 0 && (self.read_to < self.end || self.rewind.is_some())).then_some(room)
    }

    /// Whether a record is in somebody's hands.
    pub(in crate::target::spool) fn has(&self, position: Position) -> bool {
        self.in_hands.contains_key(&position)
    }

    /// A record was read; returns the ticket of its flight.
    pub(in crate::target::spool) fn read(
        &mut self,
        position: Position,
        incoming: Incoming,
        now: Instant,
    ) -> (u64, Option<Arc<dyn Door>>) {
        let Incoming { payload, stamp, bytes, .. } = incoming;
        let (stream, device) = (payload.batch().stream(), payload.batch().origin(0).device.0);
        let known = self.ports_of.get(&stream).copied().filter(|port| *port < self.ports.len());
        let port = known.unwrap_or((device % self.ports.len().max(1) as u64) as usize);
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
}
