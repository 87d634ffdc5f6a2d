//! From a configuration to branches: which events of which device go where, in each lane.
//!
//! A branch is one way: route, target (and pipeline). Branches keep their identity over configuration changes as
//! long as the way stays the same, so that what is under way is not disturbed.

use actors::data::{Lane, Lanes, Target};
use actors::router::{RouteTable, Routes};
use config::{Device, Route, Snapshot};
use event::{BranchId, DeviceId, PlaceId};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The branches of all lanes.
pub struct Wiring {
    lanes: Lanes,
    /// For each lane the routes in force.
    pub tables: Vec<RouteTable>,
    ways: HashMap<Way, Vec<BranchId>>,
    places: HashMap<String, Vec<PlaceId>>,
}

/// What makes a branch.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Way {
    route: String,
    target: String,
}

impl Wiring {
    /// No branches yet.
    pub fn new(lanes: Lanes) -> Self {
        let tables = lanes.all().iter().map(|_| RouteTable::default()).collect();
        Self { lanes, tables, ways: HashMap::new(), places: HashMap::new() }
    }

    /// The places of a target, one in the book of each lane. They stay when the target changes.
    pub fn places(&mut self, target: &str) -> Vec<PlaceId> {
        let lanes = &self.lanes;
        let add = || lanes.all().iter().map(|lane| lane.book.add_place()).collect();
        self.places.entry(target.to_owned()).or_insert_with(add).clone()
    }

    /// Batches under way to a target.
    pub fn outstanding(&self, target: &str) -> u64 {
        let Some(places) = self.places.get(target) else { return 0 };
        let lanes = self.lanes.all().iter().zip(places);
        lanes.map(|(lane, place)| lane.book.outstanding_through(*place)).sum()
    }

    /// Puts a configuration's routes into force. Devices that are no longer in it keep the routes they had, for what
    /// they have already taken in.
    pub fn route(&mut self, snapshot: &Snapshot, targets: &HashMap<String, Arc<Target>>) {
        let present: HashSet<DeviceId> = snapshot.devices.iter().map(|d| DeviceId(d.id)).collect();
        let mut routes: Vec<Routes> = Vec::new();
        for table in &self.tables {
            let leaving = table.current();
            let leaving = leaving.iter().filter(|(device, _)| !present.contains(device));
            routes.push(leaving.map(|(device, branches)| (*device, branches.clone())).collect());
        }
        for route in snapshot.routes.iter().filter(|route| route.status) {
            let devices = matching(route, snapshot);
            for name in &route.targets {
                let Some(target) = targets.get(name) else { continue };
                let branches = self.branches(route, name, target);
                for (routes, branch) in routes.iter_mut().zip(branches) {
                    for device in &devices {
                        routes.entry(*device).or_default().push(branch);
                    }
                }
            }
        }
        for (table, routes) in self.tables.iter().zip(routes) {
            table.replace(routes);
        }
    }

    fn branches(&mut self, route: &Route, name: &str, target: &Arc<Target>) -> Vec<BranchId> {
        let way = Way { route: route.name.clone(), target: name.to_owned() };
        if let Some(branches) = self.ways.get(&way) {
            return branches.clone();
        }
        let places = self.places(name);
        let lanes = self.lanes.all().iter().zip(places);
        let add =
            |(lane, place): (&Arc<Lane>, _)| lane.book.add_branch([place], Some(Arc::clone(&target.flow)));
        let branches: Vec<BranchId> = lanes.map(add).collect();
        self.ways.insert(way, branches.clone());
        branches
    }
}

/// The devices whose events a route takes.
fn matching(route: &Route, snapshot: &Snapshot) -> Vec<DeviceId> {
    let takes = |device: &&Arc<Device>| {
        route.devices.is_empty() || route.devices.iter().any(|pattern| pattern.matches(device))
    };
    snapshot.devices.iter().filter(takes).map(|device| DeviceId(device.id)).collect()
}
