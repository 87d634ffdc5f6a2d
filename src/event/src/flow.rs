//! Exact counters of what passes a device and a target, for one life of the process.
//!
//! `accepted = settled + held` for each device, `due = delivered + dropped by cause + quarantined +
//! spooled + held` for each target. Counts change under the ledger's lock together with what they count.

use crate::latency::Latency;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Why an event was not delivered. Every drop has one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Cause {
    /// No route of the configuration takes it.
    NoRoute,
    /// A pipeline dropped it on purpose, or the target discards.
    Pipeline,
    /// A processor failed and nothing handled the failure.
    Failed,
    /// The target is of type `discard`.
    Discard,
    /// The target refused it for good.
    Refused,
    /// Larger than the target takes.
    TooLarge,
    /// The disk quota of the target made room for newer ones.
    Quota,
    /// Older than the queue's limit.
    Age,
    /// The target was purged by command.
    Purged,
    /// A pipeline panicked on it.
    Poison,
    /// A datagram that could not be sent.
    Unsendable,
    /// What the target's spool had of it can't be read any more.
    Damaged,
}

impl Cause {
    /// All causes, in the order of their numbers.
    pub const ALL: [Cause; 12] = [
        Cause::NoRoute,
        Cause::Pipeline,
        Cause::Failed,
        Cause::Discard,
        Cause::Refused,
        Cause::TooLarge,
        Cause::Quota,
        Cause::Age,
        Cause::Purged,
        Cause::Poison,
        Cause::Unsendable,
        Cause::Damaged,
    ];

    /// The name in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Cause::NoRoute => "no_route",
            Cause::Pipeline => "pipeline",
            Cause::Failed => "failed",
            Cause::Discard => "discard",
            Cause::Refused => "refused",
            Cause::TooLarge => "too_large",
            Cause::Quota => "quota",
            Cause::Age => "age",
            Cause::Purged => "purged",
            Cause::Poison => "poison",
            Cause::Unsendable => "unsendable",
            Cause::Damaged => "damaged",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How a claim ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The target has it.
    Delivered,
    /// It is in the target's spool.
    Spooled,
    /// It is gone, for a reason.
    Dropped(Cause),
    /// It is kept aside, for a reason.
    Quarantined(Cause),
    /// The branch does not take this event: its route's condition does not hold, or a pipeline sent it elsewhere.
    NotMine,
}

/// A counter that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds `n`.
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// The present value.
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One counter for each [`Cause`].
#[derive(Debug, Default)]
pub struct ByCause([Counter; Cause::ALL.len()]);

impl ByCause {
    /// Adds `n` for a cause.
    pub fn add(&self, cause: Cause, n: u64) {
        self.0[cause as usize].add(n);
    }

    /// The present value for a cause.
    pub fn get(&self, cause: Cause) -> u64 {
        self.0[cause as usize].get()
    }

    /// The sum over all causes.
    pub fn sum(&self) -> u64 {
        self.0.iter().map(Counter::get).sum()
    }
}

/// What came in through a device.
#[derive(Debug, Default)]
pub struct DeviceFlow {
    /// Events taken over from the peer.
    pub accepted: Counter,
    /// Bytes of these events.
    pub accepted_bytes: Counter,
    /// Events of which every branch is settled.
    pub settled: Counter,
    /// Events that were dropped before any branch, by cause.
    pub dropped: ByCause,
}

impl DeviceFlow {
    /// Events under way.
    pub fn held(&self) -> u64 {
        // Read in this order, a concurrent settle can only make the result larger, never negative.
        let settled = self.settled.get();
        self.accepted.get().saturating_sub(settled)
    }
}

/// What went to a target.
#[derive(Debug, Default)]
pub struct TargetFlow {
    held: AtomicU64,
    /// Deliveries made.
    pub delivered: Counter,
    /// Deliveries handed to the spool.
    pub spooled: Counter,
    /// Deliveries dropped, by cause.
    pub dropped: ByCause,
    /// Events put aside, by cause.
    pub quarantined: ByCause,
    /// Events that were dispatched again after a claim got lost.
    pub repeated: Counter,
    /// How long batches took from being submitted until all their deliveries were made.
    pub latency: Latency,
}

impl TargetFlow {
    /// Counts `n` deliveries as owed.
    pub fn open(&self, n: u64) {
        self.held.fetch_add(n, Relaxed);
    }

    /// Counts `n` deliveries as ended.
    pub fn settle(&self, n: u64, settled: Settled) {
        self.held.fetch_sub(n, Relaxed);
        match settled {
            Settled::NotMine => {}
            Settled::Delivered => self.delivered.add(n),
            Settled::Spooled => self.spooled.add(n),
            Settled::Dropped(cause) => self.dropped.add(cause, n),
            Settled::Quarantined(cause) => self.quarantined.add(cause, n),
        }
    }

    /// Deliveries under way.
    pub fn held(&self) -> u64 {
        self.held.load(Relaxed)
    }

    /// Deliveries owed in all: an event counts once for each branch that leads here and takes it.
    pub fn due(&self) -> u64 {
        // Read in this order, a delivery that ends meanwhile counts twice rather than not at all.
        let held = self.held();
        held + self.delivered.get() + self.spooled.get() + self.dropped.sum() + self.quarantined.sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_own_counter() {
        let flow = TargetFlow::default();
        for (n, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, n);
            flow.open(2);
            flow.settle(1, Settled::Dropped(cause));
            assert_eq!(flow.dropped.get(cause), 1);
        }
        assert_eq!(flow.held(), Cause::ALL.len() as u64);
    }
}
