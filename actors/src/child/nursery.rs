//! The handle through which children are asked for and taken away.

use super::exit::StartError;
use super::spec::{ChildName, ChildSpec, Started};
use ractor::{ActorCell, ActorRef};
use std::fmt;
use tokio::sync::oneshot;

/// What a supervisor can be asked to do.
pub enum Order {
    /// Take a child in and start it. A child of the same name is replaced: it stops, then the new one starts.
    Adopt(Box<ChildSpec>),
    /// Stop a child and forget it. Answered when it is gone.
    Remove(ChildName, Option<oneshot::Sender<()>>),
    /// Stop everybody, then oneself.
    StopAll,
    /// A start has ended. From the supervisor to itself.
    StartEnded {
        /// Whose.
        name: ChildName,
        /// Which life.
        generation: u32,
        /// How.
        result: Box<Result<Started, StartError>>,
    },
    /// It is time to start a child again. From the supervisor to itself.
    Restart {
        /// Whom.
        name: ChildName,
        /// The life that is over.
        generation: u32,
    },
    /// An orderly end has taken too long. From the supervisor to itself.
    Overdue {
        /// Who.
        name: ChildName,
        /// Which life.
        generation: u32,
    },
    /// Look at all pulses. From the supervisor to itself.
    Look,
}

impl fmt::Debug for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Order::Adopt(spec) => write!(f, "Adopt({spec:?})"),
            Order::Remove(name, _) => write!(f, "Remove({name})"),
            Order::StopAll => f.write_str("StopAll"),
            Order::StartEnded { name, generation, .. } => write!(f, "StartEnded({name}, {generation})"),
            Order::Restart { name, generation } => write!(f, "Restart({name}, {generation})"),
            Order::Overdue { name, generation } => write!(f, "Overdue({name}, {generation})"),
            Order::Look => f.write_str("Look"),
        }
    }
}

/// A supervisor's nursery; clones share it.
#[derive(Clone, Debug)]
pub struct Nursery(ActorRef<Order>);

impl Nursery {
    /// The nursery of a supervisor.
    pub fn new(supervisor: ActorRef<Order>) -> Self {
        Self(supervisor)
    }

    /// Asks for a child. When the supervisor itself is ending, nothing happens.
    pub fn adopt(&self, spec: ChildSpec) {
        let _ = self.0.cast(Order::Adopt(Box::new(spec)));
    }

    /// Has a child stopped and forgotten; returns when it is gone.
    pub async fn remove(&self, name: impl Into<ChildName>) {
        let (done, gone) = oneshot::channel();
        if self.0.cast(Order::Remove(name.into(), Some(done))).is_ok() {
            // Dropped unanswered, the supervisor is gone, and its children with it.
            let _ = gone.await;
        }
    }

    /// Has a child stopped and forgotten, without waiting.
    pub fn dismiss(&self, name: impl Into<ChildName>) {
        let _ = self.0.cast(Order::Remove(name.into(), None));
    }

    /// The supervisor, to link actors to.
    pub fn supervisor(&self) -> ActorCell {
        self.0.get_cell()
    }
}
