//! What can be known of a running Director from outside; shared with whoever tells it.

use crate::Inventory;
use crate::replay::{DeviceWays, PresentWay, Replayer};
use crate::spool_desk::SpoolDesk;
use crate::step_counters::StepCounters;
use crate::wiring::{WayView, ways};
use actors::child::Tree;
use actors::journal::{Custody, Status as JournalStatus};
use actors::quarantine::Quarantine;
use actors::router::RouteTable;
use actors::tap::{Tap, Wants};
use config::Snapshot;
use event::{Budget, DeviceId};
use parking_lot::Mutex;
use seams::Clock;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Where a Director is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Its pieces are being started.
    #[default]
    Starting,
    /// It works.
    Running,
    /// It takes nothing in any more, and delivers what it has.
    Stopping,
}

/// The view of a Director; clones share it.
#[derive(Clone, Debug)]
pub struct View(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    tree: Tree,
    inventory: Inventory,
    steps: StepCounters,
    budget: Budget,
    clock: Clock,
    began: Instant,
    tables: Vec<RouteTable>,
    on_disk: OnDisk,
    told: Mutex<Told>,
    configurations: watch::Sender<u64>,
}

/// What a Director keeps on disk.
#[derive(Debug)]
pub(crate) struct OnDisk {
    /// The journal, where there is one.
    pub(crate) custody: Option<Custody>,
    /// What sends events once more, and the quarantine.
    pub(crate) replayer: Replayer,
    /// The spools of targets.
    pub(crate) spools: SpoolDesk,
}

#[derive(Debug, Default)]
struct Told {
    phase: Phase,
    snapshot: Option<Arc<Snapshot>>,
    ways: Vec<WayView>,
    /// How pipelines reach targets by name.
    reroutes: Vec<WayView>,
    config: ConfigStatus,
}

/// How the configuration in force came about, and what is wrong with the one that should replace it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfigStatus {
    /// When the one in force was loaded, in seconds since the Unix epoch.
    pub loaded: u64,
    /// How many were put into force.
    pub generation: u64,
    /// Why the last attempt to load another one failed; the one in force stays until that is mended.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub errors: Vec<String>,
}

/// Why there is nothing to look at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no device, route or target \"{name}\"; there are {present}")]
pub struct UnknownPoint {
    name: String,
    present: String,
}

impl View {
    /// The view of a Director that starts.
    pub(crate) fn new(
        tree: Tree,
        inventory: Inventory,
        budget: Budget,
        clock: Clock,
        tables: Vec<RouteTable>,
        on_disk: OnDisk,
    ) -> Self {
        let began = clock.now();
        let (told, configurations) = (Mutex::default(), watch::Sender::new(0));
        let steps = StepCounters::default();
        Self(Arc::new(Inner {
            tree,
            inventory,
            steps,
            budget,
            clock,
            began,
            tables,
            on_disk,
            told,
            configurations,
        }))
    }

    /// The tree.
    pub fn tree(&self) -> &Tree {
        &self.0.tree
    }

    /// Devices and targets with their counters.
    pub fn inventory(&self) -> &Inventory {
        &self.0.inventory
    }

    /// What processors did.
    pub fn steps(&self) -> &StepCounters {
        &self.0.steps
    }

    /// The memory for received data.
    pub fn budget(&self) -> &Budget {
        &self.0.budget
    }

    /// The journal, where there is one.
    pub fn journal(&self) -> Option<JournalStatus> {
        self.0.on_disk.custody.as_ref().map(Custody::status)
    }

    /// Where events are that nobody could take.
    pub fn quarantine(&self) -> &Quarantine {
        self.replayer().quarantine()
    }

    /// What events are sent once more with.
    pub(crate) fn replayer(&self) -> &Replayer {
        &self.0.on_disk.replayer
    }

    /// The spools of targets.
    pub fn spools(&self) -> &SpoolDesk {
        &self.0.on_disk.spools
    }

    /// The routes in force, for each lane.
    pub(crate) fn tables(&self) -> &[RouteTable] {
        &self.0.tables
    }

    /// The ways that events of a device take now, with their branches in each lane; none if there is no such device.
    pub(crate) fn ways_of(&self, device: &str) -> Option<DeviceWays> {
        let told = self.0.told.lock();
        let snapshot = told.snapshot.as_ref()?;
        let id = DeviceId(snapshot.device(device)?.id);
        let own = ways(snapshot).into_iter().filter(|way| way.device == id);
        let with_branches = own.filter_map(|way| {
            let same = |view: &&WayView| {
                (&view.route, &view.sequence, &view.target) == (&way.route, &way.sequence, &way.target)
            };
            let branches = told.ways.iter().find(same)?.branches.clone();
            Some(PresentWay { way, branches })
        });
        Some(DeviceWays { id, ways: with_branches.collect() })
    }

    /// Time.
    pub fn clock(&self) -> &Clock {
        &self.0.clock
    }

    /// How long this Director runs.
    pub fn uptime(&self) -> Duration {
        self.0.clock.now().saturating_duration_since(self.0.began)
    }

    /// Where it is in its life.
    pub fn phase(&self) -> Phase {
        self.0.told.lock().phase
    }

    /// It is somewhere else in its life.
    pub fn set_phase(&self, phase: Phase) {
        self.0.told.lock().phase = phase;
    }

    /// How the configuration in force came about.
    pub fn config(&self) -> ConfigStatus {
        self.0.told.lock().config.clone()
    }

    /// The configuration in force; none before the first.
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.0.told.lock().snapshot.clone()
    }

    /// A configuration is in force.
    pub(crate) fn configured(&self, snapshot: Arc<Snapshot>, ways: Vec<WayView>, reroutes: Vec<WayView>) {
        let mut told = self.0.told.lock();
        (told.snapshot, told.ways, told.reroutes) = (Some(snapshot), ways, reroutes);
        told.config.loaded = self.0.clock.unix_nanos() / 1_000_000_000;
        told.config.generation += 1;
        told.config.errors.clear();
        drop(told);
        self.0.configurations.send_modify(|generation| *generation += 1);
    }

    /// Another configuration was refused.
    pub fn refused(&self, errors: Vec<String>) {
        self.0.told.lock().config.errors = errors;
    }

    /// The configuration that was refused is gone: what is there now is what is in force.
    pub fn unchanged(&self) {
        self.0.told.lock().config.errors.clear();
    }

    /// Changes with each configuration that is put into force.
    pub fn configurations(&self) -> watch::Receiver<u64> {
        self.0.configurations.subscribe()
    }

    /// Looks on at a device, or else a route, or else a target, or else a pipeline of this name: at what a device takes in,
    /// and at what goes on to targets.
    ///
    /// # Errors
    /// When there is nothing of this name.
    pub fn tap(&self, name: &str) -> Result<Tap, UnknownPoint> {
        let told = self.0.told.lock();
        let device = told.snapshot.as_ref().and_then(|snapshot| snapshot.device(name));
        if let Some(device) = device {
            let wants = Wants::Device(DeviceId(device.id));
            return Ok(Tap::open(self.0.tables.iter().map(|table| (table.taps().clone(), wants.clone()))));
        }
        let ways = told.ways_of(name);
        if ways.is_empty() {
            return Err(told.unknown(name));
        }
        let wants = |lane: usize| {
            let of = |staged: bool| -> HashSet<_> {
                let ways = ways.iter().filter(|way| way.sequence.is_empty() != staged);
                ways.filter_map(|way| way.branches.get(lane).copied()).collect()
            };
            Wants::Ways { unchanged: of(false), staged: of(true) }
        };
        let tables = self.0.tables.iter().enumerate();
        Ok(Tap::open(tables.map(|(lane, table)| (table.taps().clone(), wants(lane)))))
    }
}

impl Told {
    /// The ways through a route, or else to a target, or else through a pipeline of this name.
    fn ways_of(&self, name: &str) -> Vec<&WayView> {
        let route: Vec<_> = self.ways.iter().filter(|way| way.route == name).collect();
        if !route.is_empty() {
            return route;
        }
        let all = || self.ways.iter().chain(&self.reroutes);
        let target: Vec<_> = all().filter(|way| way.target == name).collect();
        if !target.is_empty() {
            return target;
        }
        all().filter(|way| way.sequence.pipelines.iter().any(|pipeline| pipeline == name)).collect()
    }

    fn unknown(&self, name: &str) -> UnknownPoint {
        let devices = self.snapshot.iter().flat_map(|snapshot| &snapshot.devices).map(|device| &device.name);
        let ways = self
            .ways
            .iter()
            .flat_map(|way| [&way.route, &way.target].into_iter().chain(&way.sequence.pipelines));
        let present: BTreeSet<&String> = devices.chain(ways).collect();
        let present: Vec<&str> = present.into_iter().map(String::as_str).collect();
        UnknownPoint { name: name.to_owned(), present: present.join(", ") }
    }
}
