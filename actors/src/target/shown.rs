//! `debug` of a target: each event in the log besides being sent, or instead. A wrapper around any sender.
//!
//! Off, it costs a comparison for each message.

use super::events::Events;
use crate::child::actor::Next;
use crate::child::{Child, Me};
use crate::data::delivery::{Delivery, Payload, ToSender};
use crate::data::target::Target;
use event::{Cause, Settled};
use smallvec::SmallVec;
use std::sync::Arc;

/// What happens to the events of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Show {
    /// They are sent.
    Nothing,
    /// They are logged and sent.
    Events,
    /// They are logged and dropped.
    EventsOnly,
}

/// A sender whose events may be shown.
pub struct Shown<C> {
    sender: C,
    show: Show,
    target: Arc<Target>,
}

impl<C> Shown<C> {
    /// Wraps a sender of this target.
    pub fn new(sender: C, show: Show, target: Arc<Target>) -> Self {
        Self { sender, show, target }
    }

    fn log(&self, payload: &Payload, first: u32) {
        for event in Events::new(payload, first) {
            let content = String::from_utf8_lossy(event.bytes);
            let (device, peer) = (event.origin.device.0, event.origin.peer.map(tracing::field::display));
            tracing::info!(target = &*self.target.name, device, peer, %content, "event");
        }
    }
}

impl<N: Send + 'static, C: Child<Message = ToSender<N>>> Child for Shown<C> {
    type Message = ToSender<N>;

    fn start(&mut self, me: &Me<ToSender<N>>) -> anyhow::Result<()> {
        self.sender.start(me)
    }

    async fn handle(&mut self, me: &Me<ToSender<N>>, message: ToSender<N>) -> anyhow::Result<Next> {
        if self.show == Show::Nothing {
            return self.sender.handle(me, message).await;
        }
        match &message {
            ToSender::Direct(work) => {
                let payload = Payload::Raw(work.batch.clone());
                for claim in &work.claims {
                    self.log(&payload, claim.first());
                }
            }
            ToSender::Delivery(delivery) => self.log(&delivery.payload, delivery.claim.first()),
            ToSender::Note(_) | ToSender::Recall => {}
        }
        if self.show == Show::Events {
            return self.sender.handle(me, message).await;
        }
        let deliveries: Result<SmallVec<[Delivery; 2]>, N> = message.open();
        match deliveries {
            Ok(deliveries) => {
                for delivery in deliveries {
                    delivery.claim.settle(Settled::Dropped(Cause::Discard));
                }
                Ok(Next::Continue)
            }
            Err(note) => self.sender.handle(me, ToSender::Note(note)).await,
        }
    }

    async fn finish(&mut self, me: &Me<ToSender<N>>) -> anyhow::Result<()> {
        self.sender.finish(me).await
    }
}
