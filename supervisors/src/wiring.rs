//! From a configuration to branches: which events of which device go where, in each lane.
//!
//! A branch is one way through the configuration: route, pipelines, target. Branches keep their identity over
//! configuration changes as long as the way stays the same, so that what is under way is not disturbed.

use crate::programs::{Programs, Sequence};
use actors::child::{ChildSpec, Home};
use actors::data::{Address, Door, Lane, Lanes, Target};
use actors::journal::{BranchKeys, keys};
use actors::quarantine::entry::DeviceName;
use actors::quarantine::{Labels, WayLabel};
use actors::router::{RouteTable, Routes};
use actors::stage::{DeviceLabel, Stage, StageMessage, StageTable, Surroundings};
use config::target::Format;
use config::{Device, DeviceKind, Route, Schedule, Snapshot};
use event::{BranchId, DeviceId, PlaceId};
use pipeline::Program;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

/// One way that events of a device take.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Way {
    /// The route.
    pub route: String,
    /// The pipelines on it, one after the other.
    pub sequence: Sequence,
    /// The target, or the spool that a scheduled route has before it.
    pub target: String,
    /// Whose events take it.
    pub device: DeviceId,
}

/// Where a route's way to a target ends: there, or at a spool of its own before it.
pub fn end_of(route: &Route, target: &str) -> String {
    match route.schedule {
        Schedule::Always => target.to_owned(),
        _ => format!("{target}@{}", route.name),
    }
}

/// All ways of a configuration. Several pipelines of a route run on independent copies: each makes a way of its own.
pub fn ways(snapshot: &Snapshot) -> Vec<Way> {
    let mut ways = Vec::new();
    for route in snapshot.routes.iter().filter(|route| route.status) {
        for device in snapshot.devices.iter().filter(|device| takes(route, device)) {
            for name in &route.targets {
                let Some(target) = snapshot.target(name).filter(|target| target.status) else { continue };
                let mut middles: Vec<Vec<String>> = route.pipelines.iter().map(|p| vec![p.clone()]).collect();
                if middles.is_empty() {
                    middles.push(Vec::new());
                }
                for middle in middles {
                    let before = device.pipelines.len();
                    let guard = route.condition.as_ref().map(|(text, _)| (before, text.clone()));
                    let pipelines = [device.pipelines.clone(), middle, target.pipelines.clone()].concat();
                    let sequence = Sequence { pipelines, guard };
                    let (route, target) = (route.name.clone(), end_of(route, name));
                    ways.push(Way { route, sequence, target, device: DeviceId(device.id) });
                }
            }
        }
    }
    ways
}

/// Targets that want the text of events, and the spools of routes before them.
fn text_targets(snapshot: &Snapshot) -> HashSet<Arc<str>> {
    let mut names = HashSet::new();
    for target in snapshot.targets.iter().filter(|target| target.format == Some(Format::Raw)) {
        names.insert(target.name.as_str().into());
        names.extend(snapshot.routes.iter().map(|route| end_of(route, &target.name).into()));
    }
    names
}

fn takes(route: &Route, device: &Device) -> bool {
    route.devices.is_empty() || route.devices.iter().any(|pattern| pattern.matches(device))
}

/// The branches of all lanes.
pub struct Wiring {
    lanes: Lanes,
    /// For each lane the routes in force.
    pub routes: Vec<RouteTable>,
    tables: Vec<StageTable>,
    branches: HashMap<(String, Sequence, String), Vec<BranchId>>,
    /// Branches that pipelines choose by the name of their target.
    reroutes: HashMap<(Sequence, String), Vec<BranchId>>,
    targets: HashMap<String, Vec<PlaceId>>,
    stages: HashMap<Sequence, StageSeat>,
    named: u64,
    /// Branches by names that outlive the process.
    pub keys: BranchKeys,
}

/// A stage's place on each lane.
struct StageSeat {
    name: String,
    places: Vec<PlaceId>,
    program: Arc<Program>,
}

/// Children that a lane shall take in, and those it shall let go.
#[derive(Default)]
pub struct StageChanges {
    /// For each lane its new or changed stages.
    pub adopt: Vec<Vec<ChildSpec>>,
    /// Names of stages that are no longer needed, once nothing is under way on them.
    pub retired: Vec<(String, Vec<PlaceId>)>,
}

/// A way through the configuration, for those who look on.
#[derive(Clone, Debug)]
pub struct WayView {
    /// The route's name.
    pub route: String,
    /// The pipelines and conditions.
    pub sequence: Sequence,
    /// The target's name.
    pub target: String,
    /// Its branch in each lane.
    pub branches: Vec<BranchId>,
}

impl Wiring {
    /// No branches yet.
    pub fn new(lanes: Lanes) -> Self {
        let routes: Vec<RouteTable> = lanes.all().iter().map(|_| RouteTable::default()).collect();
        let tables = routes.iter().map(|table| StageTable::with_taps(table.taps().clone())).collect();
        Self {
            routes,
            tables,
            lanes,
            branches: HashMap::new(),
            reroutes: HashMap::new(),
            targets: HashMap::new(),
            stages: HashMap::new(),
            named: 0,
            keys: BranchKeys::default(),
        }
    }

    /// The places of a target, one in the book of each lane. They stay when the target changes.
    pub fn places(&mut self, target: &str) -> Vec<PlaceId> {
        let lanes = &self.lanes;
        self.targets.entry(target.to_owned()).or_insert_with(|| add_places(lanes)).clone()
    }

    /// Batches under way through places, one of each lane.
    pub fn outstanding(&self, places: &[PlaceId]) -> u64 {
        let lanes = self.lanes.all().iter().zip(places);
        lanes.map(|(lane, place)| lane.book.outstanding_through(*place)).sum()
    }

    /// Brings stages in line with the programs in use. New ones are to be adopted before events are routed to them.
    pub fn stages(&mut self, programs: &Programs, snapshot: &Snapshot) -> StageChanges {
        let mut changes =
            StageChanges { adopt: vec![Vec::new(); self.lanes.all().len()], retired: Vec::new() };
        let used: BTreeSet<Sequence> = ways(snapshot).into_iter().map(|way| way.sequence).collect();
        for sequence in &used {
            let Some(program) = programs.get(sequence) else { continue };
            if self.stages.get(sequence).is_some_and(|seat| Arc::ptr_eq(&seat.program, program)) {
                continue;
            }
            let places = match self.stages.get(sequence) {
                Some(seat) => seat.places.clone(),
                None => add_places(&self.lanes),
            };
            let name = match self.stages.get(sequence) {
                Some(seat) => seat.name.clone(),
                None => {
                    self.named += 1;
                    format!("stage-{}-{}", self.named, stage_label(sequence))
                }
            };
            for (n, lane) in self.lanes.all().iter().enumerate() {
                let table = self.tables[n].clone();
                let spec = stage_spec(
                    &name,
                    lane,
                    places[n],
                    (program, !sequence.pipelines.is_empty()),
                    programs,
                    table,
                );
                changes.adopt[n].push(spec);
            }
            self.stages.insert(sequence.clone(), StageSeat { name, places, program: Arc::clone(program) });
        }
        let gone: Vec<Sequence> = self.stages.keys().filter(|s| !used.contains(*s)).cloned().collect();
        for sequence in gone {
            if let Some(seat) = self.stages.remove(&sequence) {
                self.branches.retain(|(_, s, _), _| *s != sequence);
                self.reroutes.retain(|(s, _), _| *s != sequence);
                changes.retired.push((seat.name, seat.places));
            }
        }
        changes
    }

    /// Puts a configuration's routes into force. Devices that are no longer in it keep the routes they had, for what
    /// they have already taken in.
    pub fn route(
        &mut self,
        snapshot: &Snapshot,
        targets: &HashMap<String, Arc<Target>>,
        doors: &HashMap<String, Vec<Arc<dyn Door>>>,
    ) {
        let present: HashSet<DeviceId> = snapshot.devices.iter().map(|d| DeviceId(d.id)).collect();
        let mut routes: Vec<Routes> = Vec::new();
        for table in &self.routes {
            let leaving = table.current();
            let leaving = leaving.iter().filter(|(device, _)| !present.contains(device));
            routes.push(leaving.map(|(device, branches)| (*device, branches.clone())).collect());
        }
        for way in ways(snapshot) {
            let Some(target) = targets.get(&way.target) else { continue };
            let branches = self.branches(&way, target);
            for (routes, branch) in routes.iter_mut().zip(branches) {
                let of_device = routes.entry(way.device).or_default();
                if !of_device.contains(&branch) {
                    of_device.push(branch);
                }
            }
        }
        // Stages first: a batch that takes a new way must find its door.
        for lane in 0..self.tables.len() {
            let surroundings = self.surroundings(lane, snapshot, targets, doors);
            self.tables[lane].replace(surroundings);
        }
        for (table, routes) in self.routes.iter().zip(routes) {
            table.replace(routes);
        }
    }

    /// The branches that lead through each route to each target, one in each lane.
    pub fn ways(&self) -> Vec<WayView> {
        let view =
            |((route, sequence, target), branches): (&(String, Sequence, String), &Vec<BranchId>)| WayView {
                route: route.clone(),
                sequence: sequence.clone(),
                target: target.clone(),
                branches: branches.clone(),
            };
        self.branches.iter().map(view).collect()
    }

    /// The branches by which pipelines send events to targets by name.
    pub fn reroutes(&self) -> Vec<WayView> {
        let view = |((sequence, target), branches): (&(Sequence, String), &Vec<BranchId>)| WayView {
            route: String::new(),
            sequence: sequence.clone(),
            target: target.clone(),
            branches: branches.clone(),
        };
        self.reroutes.iter().map(view).collect()
    }

    /// What branches and devices are called.
    pub fn labels(&self, snapshot: &Snapshot) -> Labels {
        let mut labels = Labels::default();
        let mut label = |route: &str, sequence: &Sequence, target: &str, branches: &[BranchId]| {
            let (route, target) = (route.to_owned(), target.to_owned());
            let way = WayLabel { route, pipelines: sequence.pipelines.clone(), target };
            labels
                .ways
                .extend(branches.iter().enumerate().map(|(lane, branch)| ((lane, *branch), way.clone())));
        };
        for ((route, sequence, target), branches) in &self.branches {
            label(route, sequence, target, branches);
        }
        for ((sequence, target), branches) in &self.reroutes {
            label("", sequence, target, branches);
        }
        labels.devices.extend(snapshot.devices.iter().map(|device| {
            let (name, kind) = (device.name.clone(), kind_name(&device.kind).to_owned());
            (DeviceId(device.id), DeviceName { id: device.id, name, kind })
        }));
        labels
    }

    fn surroundings(
        &mut self,
        lane: usize,
        snapshot: &Snapshot,
        targets: &HashMap<String, Arc<Target>>,
        doors: &HashMap<String, Vec<Arc<dyn Door>>>,
    ) -> Surroundings {
        let before = self.tables[lane].current();
        let mut next = Surroundings::default();
        // What was dispatched before a change may still be on its way.
        next.doors.extend(before.doors.iter().map(|(branch, door)| (*branch, Arc::clone(door))));
        next.devices.extend(before.devices.iter().map(|(id, label)| (*id, label.clone())));
        let texts = text_targets(snapshot);
        for ((_, sequence, target), branches) in &self.branches {
            if !sequence.pipelines.is_empty() && texts.contains(&**target) {
                next.texts.insert(branches[lane]);
            }
            if let Some(doors) = doors.get(target) {
                next.doors.insert(branches[lane], Arc::clone(&doors[lane]));
            }
        }
        let sequences: Vec<Sequence> = self.stages.keys().cloned().collect();
        for sequence in sequences {
            let mut by_name = HashMap::new();
            for (name, target) in targets {
                let branches = self.reroute(&sequence, name, target);
                if texts.contains(&**name) {
                    next.texts.insert(branches[lane]);
                }
                let Some(doors) = doors.get(name) else { continue };
                next.doors.insert(branches[lane], Arc::clone(&doors[lane]));
                by_name.insert(Arc::from(name.as_str()), branches[lane]);
            }
            next.reroutes.insert(self.stages[&sequence].places[lane], by_name);
        }
        next.text_targets = Arc::new(texts);
        for device in &snapshot.devices {
            let label = DeviceLabel { name: device.name.as_str().into(), kind: kind_name(&device.kind) };
            next.devices.insert(DeviceId(device.id), label);
        }
        next
    }

    fn branches(&mut self, way: &Way, target: &Arc<Target>) -> Vec<BranchId> {
        let key = (way.route.clone(), way.sequence.clone(), way.target.clone());
        if let Some(branches) = self.branches.get(&key) {
            return branches.clone();
        }
        let branches = self.add_branches(&way.sequence, &way.target, target);
        self.keys.add(&keys::key(&way.route, &way.target, &between(&way.sequence)), &branches);
        self.branches.insert(key, branches.clone());
        branches
    }

    fn reroute(&mut self, sequence: &Sequence, name: &str, target: &Arc<Target>) -> Vec<BranchId> {
        let key = (sequence.clone(), name.to_owned());
        if let Some(branches) = self.reroutes.get(&key) {
            return branches.clone();
        }
        let branches = self.add_branches(sequence, name, target);
        self.keys.add(&keys::key("", name, &between(sequence)), &branches);
        self.reroutes.insert(key, branches.clone());
        branches
    }

    fn add_branches(&mut self, sequence: &Sequence, name: &str, target: &Arc<Target>) -> Vec<BranchId> {
        let ends = self.places(name);
        let stages = self.stages.get(sequence).map(|seat| &seat.places);
        let lanes = self.lanes.all().iter().enumerate();
        let path = |n: usize| stages.map(|places| places[n]).into_iter().chain([ends[n]]);
        lanes.map(|(n, lane)| lane.book.add_branch(path(n), Some(Arc::clone(&target.flow)))).collect()
    }
}

fn add_places(lanes: &Lanes) -> Vec<PlaceId> {
    lanes.all().iter().map(|lane| lane.book.add_place()).collect()
}

/// What lies between a route and its target, for the key of the branch.
fn between(sequence: &Sequence) -> String {
    let condition = sequence.guard.as_ref().map(|(before, text)| format!(" if {before}: {text}"));
    sequence.pipelines.join("+") + &condition.unwrap_or_default()
}

/// What a stage is called in the picture: its pipelines, or that it only asks a condition.
fn stage_label(sequence: &Sequence) -> String {
    match sequence.pipelines.is_empty() {
        true => "if".to_owned(),
        false => sequence.pipelines.join("+").replace('/', "_"),
    }
}

fn stage_spec(
    name: &str,
    lane: &Arc<Lane>,
    place: PlaceId,
    (program, changes): (&Arc<Program>, bool),
    programs: &Programs,
    table: StageTable,
) -> ChildSpec {
    let address = Address::<StageMessage>::at(vec![(Arc::clone(&lane.book), place)]);
    let (program, keys) = (Arc::clone(program), programs.keys().clone());
    let make =
        move || Ok(Stage::new(address.clone(), place, program.clone(), keys.clone(), table.clone(), changes));
    ChildSpec::new(name, "stage", Home::Lane(Arc::clone(lane)), make)
}

/// A device's type.
pub fn kind_name(kind: &DeviceKind) -> &'static str {
    match kind {
        DeviceKind::Syslog(_) => "syslog",
        DeviceKind::Tcp(_) => "tcp",
        DeviceKind::Udp(_) => "udp",
        DeviceKind::Http(_) => "http",
        DeviceKind::File(_) => "file",
        DeviceKind::Linux(_) => "linux",
        DeviceKind::Windows(_) => "windows",
    }
}
