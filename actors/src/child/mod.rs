//! What a child of the tree is, before any particular one.
//!
//! * [`spec`]: how to start a child and what to do when it ends; [`exit`]: the ways it can end;
//! * [`actor`]: the [`Child`] trait that every piece implements, and the ractor actor that hosts it;
//! * [`nursery`]: the handle through which an actor asks for children of its own;
//! * [`pulse`]: how a supervisor tells a busy actor from a stuck one;
//! * [`tree`]: the live picture of all of them; [`faults`]: failures caused on purpose.

pub mod actor;
pub mod exit;
pub mod faults;
pub mod nursery;
pub mod pulse;
pub mod spec;
pub mod tree;

pub use actor::{Child, Letter, Me};
pub use exit::{Exit, StartError};
pub use faults::{Fault, Faults};
pub use nursery::{Nursery, Order};
pub use pulse::{Activity, Pulse};
pub use spec::{
    Backoff, ChildName, ChildSpec, Home, Intensity, Kind, Restart, Rules, StartContext, StartFn, Started,
};
pub use tree::{Condition, NodeView, State, Tree};
