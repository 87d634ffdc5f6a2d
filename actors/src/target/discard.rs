//! A target that drops everything on purpose, and counts it as such.

use crate::child::actor::Next;
use crate::child::{Child, Me};
use crate::data::address::{Address, Occupancy};
use crate::data::delivery::ToSender;
use event::{Cause, Settled};
use std::convert::Infallible;
use std::sync::Arc;

/// What the sender is sent.
pub type DiscardMessage = ToSender<Infallible>;

/// The sender.
pub struct Discard {
    address: Arc<Address<DiscardMessage>>,
    occupancy: Option<Occupancy<DiscardMessage>>,
}

impl Discard {
    /// A sender at this address.
    pub fn new(address: Arc<Address<DiscardMessage>>) -> Self {
        Self { address, occupancy: None }
    }
}

impl Child for Discard {
    type Message = DiscardMessage;

    fn start(&mut self, me: &Me<DiscardMessage>) -> anyhow::Result<()> {
        self.occupancy = Some(self.address.occupy(me));
        Ok(())
    }

    async fn handle(&mut self, _: &Me<DiscardMessage>, message: DiscardMessage) -> anyhow::Result<Next> {
        let Ok(deliveries) = message.open();
        for delivery in deliveries {
            delivery.claim.settle(Settled::Dropped(Cause::Discard));
        }
        Ok(Next::Continue)
    }
}
