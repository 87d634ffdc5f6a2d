//! The router of a lane: which branches a batch takes.
//!
//! Routes are compiled to a list of branches for each device, so that the decision is one look-up a batch.

use crate::child::actor::Next;
use crate::child::{Child, Me};
use crate::data::address::{Address, Occupancy, TakesWork};
use crate::tap::Taps;
use event::ledger::Work;
use event::{Batch, BranchId, DeviceId, StreamId};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// For each device the branches that its events take, in one lane.
pub type Routes = HashMap<DeviceId, Vec<BranchId>>;

/// The routes that are in force in a lane; replaced as a whole by a new configuration.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    in_force: Arc<RwLock<Arc<InForce>>>,
    taps: Taps,
}

/// What is in force in a lane.
#[derive(Clone, Debug, Default)]
struct InForce {
    routes: Arc<Routes>,
    /// Streams that take other branches than those of their device: events that are sent once more.
    detours: HashMap<StreamId, Arc<[BranchId]>>,
}

impl RouteTable {
    /// Puts new routes into force.
    pub fn replace(&self, routes: Routes) {
        self.change(|in_force| in_force.routes = Arc::new(routes));
    }

    /// The routes in force.
    pub fn current(&self) -> Arc<Routes> {
        Arc::clone(&self.in_force.read().routes)
    }

    /// Batches of this stream take these branches, whatever their device.
    pub fn detour(&self, stream: StreamId, branches: Arc<[BranchId]>) {
        self.change(|in_force| drop(in_force.detours.insert(stream, branches)));
    }

    /// The stream of a detour has ended.
    pub fn end_detour(&self, stream: StreamId) {
        self.change(|in_force| drop(in_force.detours.remove(&stream)));
    }

    fn change(&self, change: impl FnOnce(&mut InForce)) {
        change(Arc::make_mut(&mut *self.in_force.write()));
    }

    /// Those who look on.
    pub fn taps(&self) -> &Taps {
        &self.taps
    }
}

impl InForce {
    fn branches(&self, batch: &Batch) -> &[BranchId] {
        if !self.detours.is_empty()
            && let Some(branches) = self.detours.get(&batch.stream())
        {
            return branches;
        }
        // All records of a batch are of one device: a stream belongs to one.
        let device = batch.origin(0).device;
        self.routes.get(&device).map_or(&[][..], Vec::as_slice)
    }
}

/// What a router is sent.
#[derive(Debug)]
pub struct RouterMessage(Work);

impl TakesWork for RouterMessage {
    fn from_work(work: Work) -> Self {
        Self(work)
    }

    fn into_work(self) -> Option<Work> {
        Some(self.0)
    }
}

/// The router.
pub struct Router {
    address: Arc<Address<RouterMessage>>,
    table: RouteTable,
    occupancy: Option<Occupancy<RouterMessage>>,
}

impl Router {
    /// A router for this address.
    pub fn new(address: Arc<Address<RouterMessage>>, table: RouteTable) -> Self {
        Self { address, table, occupancy: None }
    }
}

impl Child for Router {
    type Message = RouterMessage;

    fn start(&mut self, me: &Me<RouterMessage>) -> anyhow::Result<()> {
        self.occupancy = Some(self.address.occupy(me));
        Ok(())
    }

    async fn handle(
        &mut self,
        _: &Me<RouterMessage>,
        RouterMessage(work): RouterMessage,
    ) -> anyhow::Result<Next> {
        let in_force = Arc::clone(&self.table.in_force.read());
        let branches = in_force.branches(&work.batch);
        self.table.taps().show(&work.batch, branches);
        for claim in work.claims {
            claim.route(branches);
        }
        Ok(Next::Continue)
    }
}
