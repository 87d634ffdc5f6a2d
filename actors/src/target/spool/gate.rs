//! The gate before a sender: it takes the sender's place in the books and hands deliveries on as the spool says.

use super::spool::Spool;
use crate::child::actor::Next;
use crate::child::{Child, Me};
use crate::data::address::{Address, Occupancy};
use crate::data::delivery::{Door, ToSender};
use std::convert::Infallible;
use std::sync::Arc;

/// What a gate is sent.
pub type GateMessage = ToSender<Infallible>;

/// A gate.
pub struct Gate {
    spool: Arc<Spool>,
    address: Arc<Address<GateMessage>>,
    door: Arc<dyn Door>,
    port: usize,
    ports: usize,
    occupancy: Option<Occupancy<GateMessage>>,
}

impl Gate {
    /// The gate at this address before the sender behind `door`, which is number `port` of `ports`.
    pub fn new(
        spool: Arc<Spool>,
        address: Arc<Address<GateMessage>>,
        door: Arc<dyn Door>,
        (port, ports): (usize, usize),
    ) -> Self {
        Self { spool, address, door, port, ports, occupancy: None }
    }
}

impl Child for Gate {
    type Message = GateMessage;

    fn start(&mut self, me: &Me<GateMessage>) -> anyhow::Result<()> {
        // From here on the book's earlier claims count for nothing; then the spool can tell which these are.
        self.occupancy = Some(self.address.occupy(me));
        self.spool.bind(self.port, self.ports, Arc::clone(&self.door));
        Ok(())
    }

    async fn handle(&mut self, _: &Me<GateMessage>, message: GateMessage) -> anyhow::Result<Next> {
        let Ok(deliveries) = message.open();
        self.spool.offer(self.port, deliveries);
        Ok(Next::Continue)
    }

    async fn finish(&mut self, me: &Me<GateMessage>) -> anyhow::Result<()> {
        // Whoever waits for the end sets a limit to this.
        me.waiting(self.spool.close()).await;
        Ok(())
    }
}
