//! A target of the configuration as its actors share it: identity, counters, latency.

use super::device::{ByName, Gauge};
use event::TargetFlow;
use event::flow::Counter;
use std::sync::Arc;

/// A target; it outlives its senders and, for its counters' sake, its configuration.
#[derive(Debug)]
pub struct Target {
    /// Its name.
    pub name: Arc<str>,
    /// What goes out.
    pub flow: Arc<TargetFlow>,
    /// What happens on the way.
    pub meters: TargetMeters,
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
        Arc::new(Self { name: name.into(), flow: Arc::default(), meters: TargetMeters::default() })
    }
}
