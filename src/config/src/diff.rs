//! The difference of two snapshots.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use crate::{Service, Snapshot};

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

/// What changed from `old` to `new`.
pub fn diff(old: &Snapshot, new: &Snapshot) -> Diff {
    Diff {
        devices: Changes::between(&old.devices, &new.devices, |device| &device.name),
        targets: Changes::between(&old.targets, &new.targets, |target| &target.name),
        routes: Changes::between(&old.routes, &new.routes, |route| &route.name),
        pipelines: Changes::between(&old.pipelines, &new.pipelines, |pipeline| &pipeline.name),
        service: service_changes(&old.service, &new.service),
    }
}

impl Diff {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Changes {
    /// Whether nothing changed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn between<T: PartialEq>(old: &[Arc<T>], new: &[Arc<T>], name: impl Fn(&T) -> &String) -> Self {
        let before: HashMap<&String, &Arc<T>> = old.iter().map(|item| (name(item), item)).collect();
        let after: HashSet<&String> = new.iter().map(|item| name(item)).collect();
        let mut changes = Self::default();
        for item in new {
            match before.get(name(item)) {
                None => changes.added.push(name(item).clone()),
                Some(was) if *was != item => changes.changed.push(name(item).clone()),
                Some(_) => {}
            }
        }
        for item in old {
            if !after.contains(name(item)) {
                changes.removed.push(name(item).clone());
            }
        }
        changes
    }
}

/// A change of `listen.address` shows in the devices that use it and needs no restart by itself.
fn service_changes(old: &Service, new: &Service) -> Vec<ServiceChange> {
    let parts = [
        ("director.id", Effect::Restart, old.director_id == new.director_id),
        ("director.status", Effect::Restart, old.status == new.status),
        ("node.name", Effect::Restart, old.node_name == new.node_name),
        ("listen.address", Effect::Live, old.listen_address == new.listen_address),
        ("queue.limit", Effect::Live, old.queue_limit == new.queue_limit),
        ("persistent_storage", Effect::Restart, old.persistent_storage == new.persistent_storage),
        ("persistent_storage limits", Effect::Restart, old.storage_limits == new.storage_limits),
        ("quarantine.max_size", Effect::Restart, old.quarantine_bytes == new.quarantine_bytes),
        ("debug", Effect::Live, old.debug == new.debug),
        ("control", Effect::Restart, old.control == new.control),
        ("memory.budget", Effect::Restart, old.memory_budget_bytes == new.memory_budget_bytes),
        ("update", Effect::Restart, old.update == new.update),
        ("fleet", Effect::Restart, old.fleet == new.fleet),
        ("environments", Effect::Restart, old.environments == new.environments),
    ];
    let changed = parts.into_iter().filter(|(_, _, same)| !same);
    changed.map(|(what, effect, _)| ServiceChange { what, effect }).collect()
}
