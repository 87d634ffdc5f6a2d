//! The difference of two snapshots.

use crate::Snapshot;

/// What changed from one snapshot to the next. A renamed thing is a removed and an added one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Devices.
    pub devices: Changes,
    /// Targets.
    pub targets: Changes,
    /// Routes.
    pub routes: Changes,
    /// Pipelines.
    pub pipelines: Changes,
    /// The service configuration.
    pub service: Vec<ServiceChange>,
}

/// Names of what changed, each list in the order of its snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Only in the new snapshot.
    pub added: Vec<String>,
    /// Only in the old snapshot.
    pub removed: Vec<String>,
    /// In both, with another meaning.
    pub changed: Vec<String>,
}

/// A part of the service configuration that changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceChange {
    /// Its key, such as `memory.budget`.
    pub what: &'static str,
    /// When it takes effect.
    pub effect: Effect,
}

/// When a change takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// At once.
    Live,
    /// When the process starts the next time.
    Restart,
}
