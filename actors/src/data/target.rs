//! A target of the configuration as its actors share it: identity, counters, latency.

use super::device::{ByName, Gauge};
use event::TargetFlow;
use event::flow::Counter;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

/// A target; it outlives its senders and, for its counters' sake, its configuration.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub name: Arc<str>,
    /// What goes out.
    pub flow: Arc<TargetFlow>,
    /// What happens on the way.
    pub meters: TargetMeters,
    /// What happens in its spool.
    pub spool: SpoolMeters,
}

/// What happens in a target's spool. Everything that was ever in it, also in earlier lives of the process:
/// `due = delivered + dropped by cause + quarantined + held`, where `held` is what waits on disk.
#[derive(Debug, Default)]
pub struct SpoolMeters {
    /// Deliveries.
    pub flow: TargetFlow,
    /// Bytes of disk that what waits takes.
    pub bytes: AtomicU64,
    /// Bytes that were read back and delivered, or dropped.
    pub done_bytes: Counter,
    /// Whether deliveries go through it at present.
    pub in_use: AtomicBool,
    /// Bytes a second that it grows less by; 0 when it does not.
    pub shrinks_by: AtomicU64,
    /// Times that deliveries were diverted to it because the target was down or slow.
    pub diverted: Counter,
}

impl SpoolMeters {
    /// Seconds until it is empty at the present rate.
    pub fn seconds_left(&self) -> Option<u64> {
        let (bytes, rate) = (self.bytes.load(Relaxed), self.shrinks_by.load(Relaxed));
        (bytes > 0 && rate > 0).then(|| bytes.div_ceil(rate))
    }
}

/// What happens at a target besides deliveries.
#[derive(Debug, Default)]
pub struct TargetMeters {
    /// Connections that are up, or files that are open.
    pub connected: Gauge,
    /// Attempts to connect that failed, and requests that have to be repeated, by cause.
    pub troubles: ByName,
    /// Bytes written.
    pub bytes: Counter,
    /// Requests, or writes where there are no requests.
    pub requests: Counter,
}

impl Target {
    /// A target with nothing counted.
    pub fn new(name: impl Into<Arc<str>>) -> Arc<Self> {
        let (flow, meters, spool) = (Arc::default(), TargetMeters::default(), SpoolMeters::default());
        Arc::new(Self { name: name.into(), flow, meters, spool })
    }
}
