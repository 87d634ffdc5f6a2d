//! Another configuration while data flows.

use crate::configuration::load;
use crate::log::Log;
use crate::place::Place;
use config::{Changes, Effect, Snapshot, diff};
use std::collections::HashMap;
use supervisors::Director;
use supervisors::wiring::kind_name;

/// Loads the configuration and puts it into force. When that fails, the one in force stays, and log and `/health` say
/// why.
pub(super) async fn reload(director: &mut Director, place: &Place, log: &Log, why: &str) {
    let here = place.clone();
    let loaded = match tokio::task::spawn_blocking(move || load(&here)).await {
        Ok(loaded) => loaded,
        Err(e) => return refuse(director, vec![format!("reading it failed: {e}")]),
    };
    let (errors, warnings): (Vec<_>, Vec<_>) = loaded.diagnostics.iter().partition(|d| d.is_error());
    let Some(snapshot) = loaded.snapshot else {
        return refuse(director, errors.iter().map(ToString::to_string).collect());
    };
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    let changes = diff(director.snapshot(), &snapshot);
    let debug = snapshot.service.debug;
    register(log, &snapshot);
    // Also when nothing changed: certificates may have.
    if let Err(e) = director.apply(snapshot).await {
        register(log, director.snapshot());
        return refuse(director, vec![format!("{e:#}")]);
    }
    log.configure(debug.level, super::sinks(place, director.snapshot()));
    if changes.is_empty() {
        tracing::info!(why, "the configuration was loaded again; nothing changed");
        return;
    }
    tracing::info!(why, "another configuration is in force");
    log_changes("device", &changes.devices);
    log_changes("target", &changes.targets);
    log_changes("route", &changes.routes);
    log_changes("pipeline", &changes.pipelines);
    for change in &changes.service {
        match change.effect {
            Effect::Live => tracing::info!("{} changed", change.what),
            Effect::Restart => tracing::warn!("{} changed: takes effect at the next start", change.what),
        }
    }
    if director.snapshot().devices.iter().all(|device| !device.status) {
        tracing::warn!("no device is configured any more, so nothing comes in");
    }
}

fn refuse(director: &Director, errors: Vec<String>) {
    for error in &errors {
        tracing::error!("{error}");
    }
    tracing::error!("the new configuration was refused; the one in force stays");
    director.view().refused(errors);
}

fn log_changes(what: &str, changes: &Changes) {
    let kinds = [("added", &changes.added), ("changed", &changes.changed), ("removed", &changes.removed)];
    for (kind, names) in kinds {
        for name in names {
            tracing::info!("{what} {name:?} {kind}");
        }
    }
}

/// Tells the log what devices are called in it.
pub(super) fn register(log: &Log, snapshot: &Snapshot) {
    let label = |device: &std::sync::Arc<config::Device>| {
        (device.name.clone(), format!("{}-{}", kind_name(&device.kind), device.id))
    };
    log.label(snapshot.devices.iter().map(label).collect::<HashMap<_, _>>());
}
