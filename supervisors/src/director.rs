//! A Director: the tree in the order in which it starts and stops, and what a new configuration changes in it.

use crate::control::{self, Control, OnDisk, Phase, View};
use crate::device_tree::{Collecting, DeviceTree, addresses, companions, entrance, keeps_peers};
use crate::lane_watch::LaneWatch;
use crate::open_files;
use crate::programs::Programs;
use crate::replay::Replayer;
use crate::storage::Storage;
use crate::supervisor::{Announce, Charge, StopOrder, start_root, subtree};
use crate::target_tree::{Senders, Spools, relay, senders, target_tree};
use crate::wiring::{Wiring, end_of};
use actors::child::spec::Common;
use actors::child::{ChildSpec, Faults, Home, Order, State, Tree};
use actors::data::{Device, Door, Lanes, Profile, Sockets, Target};
use actors::device::file::{Checkpoints, Keeper};
use actors::device::spread::Spread;
use actors::journal::Custody;
use actors::quarantine::{self, Quarantine, QuarantineSettings};
use actors::router::Router;
use config::{DeviceKind, Diagnostic, Schedule, Snapshot};
use event::{Budget, DeviceId, PlaceId};
use parking_lot::Mutex;
use ractor::ActorRef;
use seams::{Clock, Disk, RealDisk, Rng};
use security::open_files::OpenFiles;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The whole stop may take so long; what is not delivered then is reported as left.
const STOP_WITHIN: Duration = Duration::from_secs(30);

/// How a Director is made.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many lanes; one for each core by default.
    pub lanes: usize,
    /// Time.
    pub clock: Clock,
    /// Chance.
    pub rng: Rng,
    /// How it is seen and commanded from outside; none in tests and simulations that look through [`Director::view`].
    pub control: Option<Control>,
    /// Files.
    pub disk: Arc<dyn Disk>,
    /// The folder below which `storage/` lies.
    pub root: PathBuf,
    /// Sizes and limits of the journal; none: the usual ones.
    pub journal: Option<journal::Options>,
    /// Failures caused on purpose; none unless somebody asks for some.
    pub faults: Faults,
}

impl Default for Options {
    fn default() -> Self {
        let lanes = std::thread::available_parallelism().map_or(1, usize::from);
        let (clock, rng) = (Clock::system(), Rng::from_system());
        let (disk, root) = (Arc::new(RealDisk), PathBuf::from("."));
        Self { lanes, clock, rng, control: None, disk, root, journal: None, faults: Faults::default() }
    }
}

/// A running Director.
pub struct Director {
    common: Arc<Common>,
    lanes: Lanes,
    groups: Groups,
    root: ActorRef<Order>,
    ended: tokio::task::JoinHandle<()>,
    inventory: Inventory,
    trees: HashMap<String, DeviceTree>,
    doors: HashMap<String, Vec<Arc<dyn Door>>>,
    retired: Vec<Retired>,
    wiring: Wiring,
    programs: Programs,
    budget: Budget,
    /// For what is read back from disk (R5).
    read_back: Budget,
    collecting: Collecting,
    storage: Option<Storage>,
    spools: Spools,
    snapshot: Arc<Snapshot>,
    view: View,
}

/// All devices and targets that ever were in the configuration, for their counters; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Inventory(Arc<Mutex<Listed>>);

#[derive(Debug, Default)]
struct Listed {
    devices: BTreeMap<String, Arc<Device>>,
    targets: HashMap<String, Arc<Target>>,
}

/// The groups below the root.
#[derive(Default)]
struct Groups {
    targets: Announce,
    lanes: Announce,
    /// The subtree of each lane.
    lane: Vec<Announce>,
    devices: Announce,
}

/// Out of the configuration, delivering what is under way.
struct Retired {
    name: String,
    places: Vec<PlaceId>,
    /// Whose child it is; one for each lane, or that of all targets.
    parents: Vec<Announce>,
    /// How often in a row nothing was under way.
    done: u32,
}

/// What of a configuration is prepared before any of it is put into force.
struct Prepared {
    programs: Programs,
    senders: Vec<(String, Senders)>,
    entrances: Vec<Changed>,
}

/// A device that is new or changed.
struct Changed {
    device: Arc<Device>,
    profile: Profile,
    children: Vec<ChildSpec>,
}

/// What a stopped Director leaves behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Events that were accepted, are not settled, and are lost with the process.
    pub events: u64,
    /// Events that are not settled and are in the journal: the next start goes on with them.
    pub kept: u64,
}

/// What is sent once more is counted as that of a device of this name, which no configuration can have.
const REPLAY_DEVICE: &str = "(replay)";

/// How often a retired target must be found done before it goes.
const DONE_TIMES: u32 = 2;

impl Director {
    /// Starts a Director with a configuration.
    ///
    /// # Errors
    /// When threads can't be started, or the configuration names what is not available in this version.
    pub async fn start(snapshot: Snapshot, options: Options) -> anyhow::Result<Self> {
        // Every connection is a file; the soft limit of many systems is 1024.
        OpenFiles::raise();
        let lanes = Lanes::start(options.lanes)?;
        let quarantine = quarantine(&snapshot, &options);
        let common = Arc::new(Common {
            tree: Tree::new(options.clock.clone()),
            clock: options.clock,
            rng: options.rng,
            disk: options.disk,
            sockets: Sockets::default(),
            faults: options.faults,
            quarantine,
        });
        let wiring = Wiring::new(lanes.clone());
        let storage = Storage::open(&snapshot, &common, &options.root, options.journal, &wiring.keys).await?;
        let custody = storage.as_ref().map(|storage| storage.custody().clone());
        if let Some(custody) = &custody {
            lanes.all().iter().for_each(|lane| custody.keep(lane.index, &lane.book));
        }
        let lane = lanes.all().iter().map(|_| Announce::default()).collect();
        let groups = Groups { lane, ..Groups::default() };
        let (inventory, budget) = (Inventory::default(), Budget::new(snapshot.service.memory_budget_bytes));
        let read_back = Budget::new(budget.capacity());
        let spools =
            Spools::new(&options.root, &snapshot.service, Arc::clone(&common.disk), read_back.clone());
        let view = {
            let (tree, clock, routes) = (common.tree.clone(), common.clock.clone(), wiring.routes.clone());
            let (quarantine, lanes) = (common.quarantine.clone(), lanes.clone());
            let replayer = Replayer::new(quarantine, lanes);
            let on_disk = OnDisk { custody: custody.clone(), replayer, spools: spools.desk() };
            View::new(tree, inventory.clone(), budget.clone(), clock, routes, on_disk)
        };
        let control = options.control.as_ref();
        let control = control.map(|control| control::children(control, &view, snapshot.service.control));
        let lane_children = lane_children(&common, &lanes, &wiring, &groups.lane);
        let checkpoints = Checkpoints::new(Arc::clone(&common.disk), &options.root, custody);
        let collecting = Collecting { checkpoints: checkpoints.clone(), spread: Spread::default() };
        let charge = Charge {
            path: "".into(),
            common: common.clone(),
            stop_order: StopOrder::Reverse,
            children: [
                Some(group("control", &common, &Announce::default(), control.unwrap_or_default())),
                storage.as_ref().map(|s| group("journal", &common, &s.announce, s.children())),
                // It stops after the targets: what they delivered at last is written down, too.
                Some(keeper(&checkpoints)),
                Some(quarantine_keeper(&common.quarantine)),
                Some(group("targets", &common, &groups.targets, Vec::new())),
                Some(group("lanes", &common, &groups.lanes, lane_children)),
                Some(group("devices", &common, &groups.devices, Vec::new())),
            ]
            .into_iter()
            .flatten()
            .collect(),
            announce: Announce::default(),
        };
        let (root, ended) = start_root(charge).await?;
        let mut director = Self {
            budget,
            read_back,
            collecting,
            storage,
            spools,
            common,
            lanes,
            groups,
            root,
            ended,
            inventory,
            view,
            trees: HashMap::new(),
            doors: HashMap::new(),
            retired: Vec::new(),
            wiring,
            programs: Programs::below(&options.root),
            snapshot: Arc::new(Snapshot {
                service: snapshot.service.clone(),
                devices: Vec::new(),
                targets: Vec::new(),
                routes: Vec::new(),
                pipelines: Vec::new(),
            }),
        };
        if let Err(e) = director.apply(snapshot).await {
            director.stop().await;
            return Err(e);
        }
        director.spools.tell_of_strays(&director.common).await;
        director.view.set_phase(Phase::Running);
        Ok(director)
    }

    /// Puts a configuration into force. Only what changed is touched; nothing waits for a peer.
    ///
    /// # Errors
    /// When there are mistakes in pipelines, or the configuration names what is not available in this version. The
    /// present one stays in force then.
    pub async fn apply(&mut self, snapshot: Snapshot) -> anyhow::Result<()> {
        let Prepared { programs, senders, entrances } = self.prepare(&snapshot)?;
        self.programs = programs;
        self.view.steps().in_force(&self.programs);
        open_files::check(&snapshot);
        let old = std::mem::replace(&mut self.snapshot, Arc::new(snapshot));
        let snapshot = Arc::clone(&self.snapshot);
        let enabled = enabled_targets(&snapshot);

        let mut replaced = BTreeSet::new();
        for (name, senders) in senders {
            self.adopt_target(&name, senders).await;
            replaced.insert(name);
        }
        self.adopt_relays(&old, &snapshot, &replaced).await;
        let stages = self.wiring.stages(&self.programs, &snapshot);
        for (lane, children) in self.groups.lane.iter().zip(stages.adopt) {
            let nursery = lane.nursery().await;
            for child in children {
                nursery.adopt(child);
            }
        }
        self.wiring.route(&snapshot, &self.inventory.targets_named(&enabled), &self.doors);
        self.common.quarantine.label(self.wiring.labels(&snapshot));
        if let Some(storage) = &mut self.storage {
            for device in self.inventory.devices() {
                storage.custody().name_device(device.id, &device.name);
            }
            storage.resume(&self.lanes, &self.budget, &self.read_back, &self.inventory).await;
        }
        self.change_devices(&old, &snapshot, entrances).await;

        for (name, places) in stages.retired {
            self.retired.push(Retired { name, places, parents: self.groups.lane.clone(), done: 0 });
        }
        for name in enabled_targets(&old).difference(&enabled) {
            let places = self.wiring.places(name);
            self.common.tree.set_state(&format!("targets/{name}"), State::Retired);
            let parents = vec![self.groups.targets.clone()];
            self.retired.push(Retired { name: name.clone(), places, parents, done: 0 });
        }
        self.view.configured(Arc::clone(&snapshot), self.wiring.ways(), self.wiring.reroutes());
        Ok(())
    }

    fn prepare(&mut self, snapshot: &Snapshot) -> anyhow::Result<Prepared> {
        let programs = self.programs.next(&self.snapshot, snapshot).map_err(mistakes)?;
        let senders = self.changed_targets(snapshot)?;
        let entrances = self.changed_devices(snapshot)?;
        Ok(Prepared { programs, senders, entrances })
    }

    async fn change_devices(&mut self, old: &Snapshot, new: &Snapshot, entrances: Vec<Changed>) {
        let devices = self.groups.devices.nursery().await;
        for gone in old.devices.iter().filter(|device| device.status) {
            if !new.device(&gone.name).is_some_and(|device| device.status) {
                self.trees.remove(&gone.name);
                devices.dismiss(gone.name.as_str());
                self.release(&gone.kind, new);
            }
        }
        for Changed { device, profile, children } in entrances {
            device.profile.store(Arc::new(profile));
            let name = device.name.to_string();
            let before = old.device(&name).filter(|device| device.status);
            let same_peers =
                before.zip(new.device(&name)).is_some_and(|(b, n)| keeps_peers(&b.kind, &n.kind));
            // Before a listener that is no longer wanted goes: nothing may come to its socket any more.
            let listeners = children.iter().filter(|child| child.kind == "listener").count();
            for address in new.device(&name).map_or(Vec::new(), |device| addresses(&device.kind)) {
                self.common.sockets.keep(address, listeners);
            }
            match self.trees.get(&name).filter(|_| same_peers) {
                Some(tree) => tree.change(children),
                None => {
                    let tree = DeviceTree::new(children);
                    devices.adopt(tree.spec(&name, &self.common));
                    self.trees.insert(name, tree);
                    if let Some(before) = before {
                        self.release(&before.kind, new);
                    }
                }
            }
        }
    }

    /// The senders of targets that are new or changed.
    fn changed_targets(&mut self, snapshot: &Snapshot) -> anyhow::Result<Vec<(String, Senders)>> {
        let mut changed = Vec::new();
        for target in snapshot.targets.iter().filter(|target| target.status) {
            if self.snapshot.target(&target.name).is_some_and(|before| before == target) {
                continue;
            }
            let shared = self.inventory.target_or_new(&target.name);
            let places = self.wiring.places(&target.name);
            let spooled = self.spools.of_target(&shared, target, &self.common);
            let senders = senders(&shared, target, &self.lanes, &places, spooled.as_ref(), &self.common)?;
            changed.push((target.name.clone(), senders));
        }
        Ok(changed)
    }

    async fn adopt_target(&mut self, name: &str, senders: Senders) {
        self.retired.retain(|retired| retired.name != name);
        self.groups.targets.nursery().await.adopt(target_tree(name, &self.common, &senders));
        self.doors.insert(name.to_owned(), senders.doors);
    }

    /// Puts spools before the targets of scheduled routes: for new routes, changed ones, and targets with new doors.
    async fn adopt_relays(&mut self, old: &Snapshot, new: &Snapshot, replaced: &BTreeSet<String>) {
        let before = relays(old);
        for (name, (target, schedule)) in relays(new) {
            let same = before.get(&name).is_some_and(|(_, was)| *was == schedule);
            if same && !replaced.contains(target) {
                continue;
            }
            let Some(doors) = self.doors.get(target).cloned() else { continue };
            let shared = self.inventory.target_or_new(&name);
            let places = self.wiring.places(&name);
            let spooled = self.spools.of_route(&shared, schedule, &self.common);
            let senders = relay(&spooled, &self.lanes, &places, doors);
            self.adopt_target(&name, senders).await;
        }
    }

    /// What devices that are new or changed start with.
    fn changed_devices(&mut self, snapshot: &Snapshot) -> anyhow::Result<Vec<Changed>> {
        let mut changed = Vec::new();
        for device in snapshot.devices.iter().filter(|device| device.status) {
            if self.snapshot.device(&device.name).is_some_and(|before| before == device) {
                continue;
            }
            let shared = self.inventory.device_or_new(device.id, &device.name, &self.budget);
            let mut children = entrance(&shared, &device.kind, &self.lanes, &self.collecting)?;
            let companions = companions(&shared, device);
            children.extend(companions.children);
            changed.push(Changed { device: shared, profile: companions.profile, children });
        }
        Ok(changed)
    }

    /// Closes addresses that nobody in the configuration binds any more.
    fn release(&self, kind: &DeviceKind, snapshot: &Snapshot) {
        let used = snapshot.devices.iter().filter(|device| device.status);
        let used: Vec<SocketAddr> = used.flat_map(|device| addresses(&device.kind)).collect();
        for address in addresses(kind).iter().filter(|address| !used.contains(address)) {
            self.common.sockets.release(*address);
        }
    }

    /// Lets go of retired targets and stages that have nothing under way. To be called about once a second.
    pub async fn sweep(&mut self) {
        let mut done = Vec::new();
        let wiring = &self.wiring;
        let spools = &self.spools;
        self.retired.retain_mut(|retired| {
            let is_done = wiring.outstanding(&retired.places) == 0 && spools.is_empty(&retired.name);
            retired.done = if is_done { retired.done + 1 } else { 0 };
            let stays = retired.done < DONE_TIMES;
            if !stays {
                done.push((retired.name.clone(), std::mem::take(&mut retired.parents)));
            }
            stays
        });
        for (name, parents) in done {
            for parent in parents {
                parent.nursery().await.dismiss(name.as_str());
            }
        }
    }

    /// Has lanes watched with another time after which they count as stuck.
    pub async fn watch_lanes(&mut self, stuck_after: Duration) {
        let lanes = self.lanes.clone();
        let make = move || Ok(LaneWatch::new(lanes.clone()).stuck_after(stuck_after));
        let watch = ChildSpec::new("watch", "watch", Home::Control, make);
        self.groups.lanes.nursery().await.adopt(watch);
    }

    /// Stops taking in, delivers what is held, ends; within thirty seconds.
    pub async fn stop(self) -> Left {
        self.view.set_phase(Phase::Stopping);
        // It fails only when the root is gone already.
        let _ = self.root.cast(Order::StopAll);
        if tokio::time::timeout(STOP_WITHIN, self.ended).await.is_err() {
            self.root.kill();
        }
        for lane in self.lanes.all() {
            lane.book.keep_no_more();
        }
        let held = self.inventory.held();
        let kept = self.storage.map_or(0, |storage| storage.custody().kept_events()).min(held);
        Left { events: held - kept, kept }
    }

    /// Whether the tree still stands. It ends only when it is stopped, or its root fails.
    pub fn is_standing(&self) -> bool {
        !self.ended.is_finished()
    }

    /// The live picture.
    pub fn tree(&self) -> &Tree {
        &self.common.tree
    }

    /// Failures caused on purpose.
    pub fn faults(&self) -> &Faults {
        &self.common.faults
    }

    /// What can be known of it, also while it stops.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// Devices and targets with their counters.
    pub fn inventory(&self) -> &Inventory {
        &self.inventory
    }

    /// The configuration in force.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// The journal; none without persistent storage.
    pub fn custody(&self) -> Option<&Custody> {
        self.storage.as_ref().map(Storage::custody)
    }

    /// The memory for received data.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Inventory {
    pub(crate) fn device_or_new(&self, id: u64, name: &str, budget: &Budget) -> Arc<Device> {
        let mut listed = self.0.lock();
        if let Some(device) = listed.devices.get(name).filter(|device| device.id == DeviceId(id)) {
            return Arc::clone(device);
        }
        let device = Device::new(DeviceId(id), name, budget.share());
        listed.devices.insert(name.to_owned(), Arc::clone(&device));
        device
    }

    fn target_or_new(&self, name: &str) -> Arc<Target> {
        let mut listed = self.0.lock();
        let target = listed.targets.entry(name.to_owned()).or_insert_with(|| Target::new(name));
        Arc::clone(target)
    }

    fn targets_named(&self, names: &BTreeSet<String>) -> HashMap<String, Arc<Target>> {
        let listed = self.0.lock();
        let named = listed.targets.iter().filter(|(name, _)| names.contains(*name));
        named.map(|(name, target)| (name.clone(), Arc::clone(target))).collect()
    }

    /// Whose events are sent once more: a device beside those of the configuration.
    pub(crate) fn replay_device(&self, budget: &Budget) -> Arc<Device> {
        self.device_or_new(u64::MAX, REPLAY_DEVICE, budget)
    }

    /// The device of that name.
    pub fn device(&self, name: &str) -> Option<Arc<Device>> {
        self.0.lock().devices.get(name).cloned()
    }

    /// The target of that name.
    pub fn target(&self, name: &str) -> Option<Arc<Target>> {
        self.0.lock().targets.get(name).cloned()
    }

    /// All devices by name.
    pub fn devices(&self) -> Vec<Arc<Device>> {
        self.0.lock().devices.values().cloned().collect()
    }

    /// All targets by name.
    pub fn targets(&self) -> Vec<Arc<Target>> {
        let mut targets: Vec<_> = self.0.lock().targets.values().cloned().collect();
        targets.sort_by(|a, b| a.name.cmp(&b.name));
        targets
    }

    /// Events that were accepted and are not settled.
    pub fn held(&self) -> u64 {
        self.0.lock().devices.values().map(|device| device.flow.held()).sum()
    }
}

/// The targets in use, and the spools that scheduled routes have before them.
fn enabled_targets(snapshot: &Snapshot) -> BTreeSet<String> {
    let targets = snapshot.targets.iter().filter(|target| target.status).map(|target| target.name.clone());
    targets.chain(relays(snapshot).into_keys()).collect()
}

/// The spools that scheduled routes have before their targets: name, target and schedule.
fn relays(snapshot: &Snapshot) -> BTreeMap<String, (&String, &Schedule)> {
    let mut relays = BTreeMap::new();
    for route in snapshot.routes.iter().filter(|route| route.status && route.schedule != Schedule::Always) {
        for name in &route.targets {
            if snapshot.target(name).is_some_and(|target| target.status) {
                relays.insert(end_of(route, name), (name, &route.schedule));
            }
        }
    }
    relays
}

fn keeper(checkpoints: &Checkpoints) -> ChildSpec {
    let checkpoints = checkpoints.clone();
    ChildSpec::new("checkpoints", "keeper", Home::Control, move || Ok(Keeper::new(checkpoints.clone())))
}

fn quarantine(snapshot: &Snapshot, options: &Options) -> Quarantine {
    let settings =
        QuarantineSettings { root: options.root.clone(), quota_bytes: snapshot.service.quarantine_bytes };
    Quarantine::new(settings, Arc::clone(&options.disk), options.clock.clone(), options.rng.clone())
}

/// It stops after lanes and targets, which may have something to set aside until their end.
fn quarantine_keeper(quarantine: &Quarantine) -> ChildSpec {
    let quarantine = quarantine.clone();
    let make = move || Ok(quarantine::Keeper::new(quarantine.clone()));
    ChildSpec::new("quarantine", "keeper", Home::Control, make)
}

fn group(name: &str, common: &Arc<Common>, announce: &Announce, children: Vec<ChildSpec>) -> ChildSpec {
    let (common, announce) = (common.clone(), announce.clone());
    subtree(name, "group", move |context| Charge {
        path: Arc::clone(&context.path),
        common: common.clone(),
        stop_order: StopOrder::Together,
        children: children.clone(),
        announce: announce.clone(),
    })
}

fn mistakes(found: Vec<Diagnostic>) -> anyhow::Error {
    let lines: Vec<String> = found.iter().map(Diagnostic::to_string).collect();
    anyhow::anyhow!(lines.join("\n"))
}

fn lane_children(
    common: &Arc<Common>,
    lanes: &Lanes,
    wiring: &Wiring,
    announces: &[Announce],
) -> Vec<ChildSpec> {
    let watched = lanes.clone();
    let watch = ChildSpec::new("watch", "watch", Home::Control, move || Ok(LaneWatch::new(watched.clone())));
    let mut children = vec![watch];
    for ((lane, table), announce) in lanes.all().iter().zip(&wiring.routes).zip(announces) {
        let (address, table, home) = (Arc::clone(&lane.router), table.clone(), Home::Lane(Arc::clone(lane)));
        let make = move || Ok(Router::new(Arc::clone(&address), table.clone()));
        let router = ChildSpec::new("router", "router", home, make);
        let (common, announce, name) = (common.clone(), announce.clone(), format!("lane-{}", lane.index));
        children.push(subtree(name, "lane", move |context| Charge {
            path: Arc::clone(&context.path),
            common: common.clone(),
            stop_order: StopOrder::Together,
            children: vec![router.clone()],
            announce: announce.clone(),
        }));
    }
    children
}
