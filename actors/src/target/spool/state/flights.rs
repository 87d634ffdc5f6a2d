//! Deliveries in senders' hands: handing over, settling, and what a sender lost.

use super::super::record::deliveries;
use super::{Aside, Stash, State, WINDOW_AT_MOST, onward};
use crate::data::delivery::{Door, Payload};
use crate::data::target::Target;
use event::{BranchId, Settled};
use journal::Position;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Instant;

impl State {
    /// What is to be handed to senders: in order, nothing past one that has to wait.
    pub(in crate::target::spool) fn unhanded(&mut self, aside: &mut Aside) -> Vec<(u64, Arc<dyn Door>)> {
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
    pub(in crate::target::spool) fn door(&self, port: usize) -> Option<&Arc<dyn Door>> {
        self.ports.get(port)?.door.as_ref()
    }

    pub(super) fn has_known_life(&self, port: usize) -> bool {
        let Some(port) = self.ports.get(port) else { return false };
        port.life.is_some() && port.life == port.door.as_ref().and_then(|door| door.life())
    }

    /// A sender that was started again has nothing of what its predecessor had: it gets all of it.
    pub(in crate::target::spool) fn look_for_new_lives(&mut self, aside: &mut Aside) {
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
    pub(in crate::target::spool) fn handing(&mut self, ticket: u64) -> Option<(Payload, BranchId, u32, u32)> {
        let flight = self.flights.get_mut(&ticket)?;
        flight.handed = true;
        Some((flight.payload.clone(), flight.branch, flight.len, flight.next))
    }

    /// A sender did not take it, or lost it.
    pub(in crate::target::spool) fn lost(&mut self, ticket: u64, aside: &mut Aside) {
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

    pub(super) fn forget(&mut self, position: Position, bytes: u64) {
        self.in_hands.remove(&position);
        self.hand_bytes -= bytes;
    }

    /// Whether a claim that was handed out still counts.
    pub(in crate::target::spool) fn is_current(&self, ticket: u64) -> bool {
        self.flights.get(&ticket).is_some_and(|flight| match &flight.stash {
            Stash::Book(claim) => claim.is_current(),
            Stash::Appending | Stash::Disk(_) => true,
        })
    }

    /// A sender settled something.
    pub(in crate::target::spool) fn settle(
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

    pub(super) fn record_done(&mut self, target: &Target, position: Position, bytes: u64) {
        self.partial.remove(&position);
        self.settled.insert(position);
        let before = target.spool.bytes.load(Relaxed);
        target.spool.bytes.store(before.saturating_sub(bytes), Relaxed);
        target.spool.done_bytes.add(bytes);
    }
}
