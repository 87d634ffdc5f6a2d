//! The deterministic level: the pure pieces of the Director in small worlds that a seed drives.
//!
//! ```text
//!   seed ──▶ plan: a list of steps ──▶ world: real pieces, simulated clock, disk, actors ──▶ trace, verdict
//!                     │                       │ after each step: is every promise kept?
//!                     └──── shrink ◀── broken ┘
//! ```
//!
//! No sockets, no threads that matter, no time: each step is a call, so thousands of histories take a minute, and the
//! same seed gives the same trace, byte for byte, in every process. What is tested is the product's own code; a world
//! only plays what is around it (the peer, the disk, the actors that die) and remembers what was promised.
//!
//! To read in this order: [`world`] (what a world is), [`trace`], [`play`] (one seed, and shrinking), [`bugs`] (mistakes
//! that are made on purpose, to see that they are caught), [`executor`] (tasks in the order of a seed), [`soak`] (for
//! hours), then the worlds:
//!
//! | world | real pieces | promise |
//! |---|---|---|
//! | [`policy`] | the supervision policy | parks exactly by its rule; a fault never climbs |
//! | [`pace`] | when collectors try again, and begin | no host is stormed, no account locked |
//! | [`budget`] | the budget with its waits | R1–R4: bounded, nobody waits for ever, all is given back |
//! | [`ledger`] | book, claims, counters | nothing is lost, order holds, the watermark has no holes |
//! | [`segments`] | the journal's segments and cursors | what was synced survives a power cut |
//! | [`custody`] | ledger, journal, backlog over several lives | P1: what was acknowledged is delivered |
//! | [`spool`] | a target's spool | in order, once; after a crash at least once |
//! | [`eventlog`] | the Windows collector's protocol, places, numbering | every record is read, whatever is lost on the way |
//!
//! `cargo run --release -p simulations --bin soak` runs them; `docs/simulation-seeds.md` says how.

pub mod budget;
pub mod bugs;
pub mod custody;
pub mod eventlog;
pub mod executor;
pub mod ledger;
pub mod pace;
pub mod play;
pub mod policy;
pub mod records;
pub mod segments;
pub mod soak;
pub mod spool;
pub mod trace;
pub mod world;

pub use bugs::Bug;
pub use play::{Outcome, WORLDS, WorldEntry};
pub use trace::Trace;
pub use world::{Broken, Kept, World};
