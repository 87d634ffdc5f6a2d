//! The router of a lane: which branches a batch takes.
//!
//! Routes are compiled to a list of branches for each device, so that the decision is one look-up a batch.

use crate::child::actor::Next;
use crate::child::{Child, Me};
use crate::data::address::{Address, Occupancy, TakesWork};
use crate::tap::Taps;
use event::ledger::Work;
use event::{BranchId, DeviceId};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::Arc;

/// For each device the branches that its events take, in one lane.
pub type Routes = HashMap<DeviceId, Vec<BranchId>>;

/// The routes that are in force in a lane; replaced as a whole by a new configuration.
#[derive(Clone, Debug, Default)]
pub struct RouteTable {
    routes: Arc<RwLock<Arc<Routes>>>,
    taps: Taps,
}

impl RouteTable {
    /// Puts new routes into force.
    pub fn replace(&self, routes: Routes) {
        *self.routes.write() = Arc::new(routes);
    }

    /// The routes in force.
    pub fn current(&self) -> Arc<Routes> {
        Arc::clone(&self.routes.read())
    }

    /// Those who look on.
    pub fn taps(&self) -> &Taps {
        &self.taps
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
        let routes = self.table.current();
        // All records of a batch are of one device: a stream belongs to one.
        let device = work.batch.origin(0).device;
        let branches = routes.get(&device).map_or(&[][..], Vec::as_slice);
        self.table.taps().show(&work.batch, branches);
        for claim in work.claims {
            claim.route(branches);
        }
        Ok(Next::Continue)
    }
}
