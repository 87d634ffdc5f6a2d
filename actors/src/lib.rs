//! The actors of a Director: one module an actor, and what they have in common.
//!
//! Read in this order:
//! * [`child`]: what any piece of the tree is, how it starts, ends and is watched;
//! * [`data`]: lanes, addresses, what moves between actors;
//! * [`device`]: listeners and collectors; [`router`], [`stage`]: what pipelines do; [`tap`]: looking on; [`target`]: senders;
//! * [`quarantine`]: events that nobody could take.

pub mod child;
pub mod data;
pub mod device;
pub mod journal;
pub mod quarantine;
pub mod router;
pub mod stage;
pub mod tap;
pub mod target;
