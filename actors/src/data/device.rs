//! A device of the configuration as the actors that serve it share it: identity, counters, budget.

use super::profile::{Profile, ReplicaMeters};
use arc_swap::ArcSwap;
use event::flow::Counter;
use event::{Batch, DeviceFlow, DeviceId, Ledger, Share};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::Relaxed};

/// A device; it outlives the actors of the device and, for its counters' sake, its configuration.
#[derive(Debug)]
pub struct Device {
    /// Its `id` in the configuration.
    pub id: DeviceId,
    /// Its name.
    pub name: Arc<str>,
    /// What came in.
    pub flow: Arc<DeviceFlow>,
    /// Its part of the budget.
    pub share: Share,
    /// What happened to its peers.
    pub meters: DeviceMeters,
    /// What the configuration says about it; time zone, rate limit, replicas.
    pub profile: ArcSwap<Profile>,
}

/// What happened at a device besides events.
#[derive(Debug, Default)]
pub struct DeviceMeters {
    /// Connections that are open, or files that are followed.
    pub open: Gauge,
    /// Connections that were ever taken.
    pub opened: Counter,
    /// Connections refused because there were too many.
    pub refused: Counter,
    /// Connections and datagrams refused because of their address.
    pub denied: Counter,
    /// Messages that were longer than allowed and were cut.
    pub truncated: Counter,
    /// Bytes that were cut off.
    pub discarded_bytes: Counter,
    /// Messages without a byte in them, which are skipped.
    pub empty: Counter,
    /// Pieces of a stream without a valid length that were taken as a message each.
    pub resynchronised: Counter,
    /// Datagrams dropped because the budget was used up.
    pub budget_drops: Counter,
    /// Datagrams dropped by the kernel because its receive buffer was full.
    pub kernel_drops: Counter,
    /// Events dropped by the device's rate limit.
    pub rate_drops: Counter,
    /// What became of the messages for the device's replicas.
    pub replicas: Arc<ReplicaMeters>,
    /// When the last event came in, in nanoseconds since the Unix epoch; 0 for never.
    pub last_event: AtomicU64,
    /// Answers to HTTP requests: `ok`, or why not.
    pub answers: ByName,
    /// How connections ended, by cause.
    pub ended: ByName,
}

/// A number that goes up and down.
#[derive(Debug, Default)]
pub struct Gauge(AtomicI64);

impl Gauge {
    /// One more.
    pub fn up(&self) {
        self.0.fetch_add(1, Relaxed);
    }

    /// One less.
    pub fn down(&self) {
        self.0.fetch_sub(1, Relaxed);
    }

    /// At present.
    pub fn get(&self) -> i64 {
        self.0.load(Relaxed)
    }
}

/// Counters by a name out of a small fixed set.
#[derive(Debug, Default)]
pub struct ByName(Mutex<BTreeMap<&'static str, u64>>);

impl ByName {
    /// One more.
    pub fn add(&self, name: &'static str) {
        *self.0.lock().entry(name).or_default() += 1;
    }

    /// All of them.
    pub fn all(&self) -> Vec<(&'static str, u64)> {
        self.0.lock().iter().map(|(k, v)| (*k, *v)).collect()
    }

    /// One of them.
    pub fn get(&self, name: &str) -> u64 {
        self.0.lock().get(name).copied().unwrap_or(0)
    }
}

impl Device {
    /// A device with nothing counted.
    pub fn new(id: DeviceId, name: impl Into<Arc<str>>, share: Share) -> Arc<Self> {
        let (flow, meters, profile) = (Arc::default(), DeviceMeters::default(), ArcSwap::default());
        Arc::new(Self { id, name: name.into(), flow, share, meters, profile })
    }

    /// Hands a batch over to the router, and to the device's replicas.
    pub fn submit(&self, ledger: &Ledger, batch: Batch) {
        self.profile.load().replicate(&batch);
        ledger.submit(batch);
    }

    /// Events came in just now.
    pub fn touch(&self, now: event::UnixNanos) {
        self.meters.last_event.store(now, Relaxed);
    }
}
