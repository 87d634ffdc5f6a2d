//! The spool of a target: where deliveries wait on disk while the target is down, slow, or off its schedule.
//!
//! ```text
//!             ┌ gate ─┐  well: from memory    ┌─ sender ─┐
//!  lanes ───▶ │       ├───────────────────▶   │          ├──▶ peer
//!             └───┬───┘  else                 └────▲─────┘
//!                 ▼                                │
//!               queue ─▶ writer ─▶ journal ─▶ reader, in the order of the journal
//! ```
//!
//! A [`gate`] stands before each sender. It keeps the book's claims and gives senders claims of its own, so that a claim
//! can be settled as spooled while a sender still works on the delivery: from then on the record in the journal stands
//! for it, and what the sender settles moves the spool's cursor. So:
//!
//! * When a target's oldest delivery waits too long, *everything* of it that is not settled goes to the journal first,
//!   what senders have in hand included, then what comes. Senders drop what they have not begun.
//! * As long as the journal holds something, everything goes through it: order holds.
//! * When the reader has caught up, new deliveries wait in memory for the moment that the last ones from disk take to
//!   be settled, then senders are fed from memory again. Where that takes long, they go to the journal as before.
//!
//! One journal for a target, not one for each lane: a lane's number means nothing to a stream after a restart, and a
//! device whose older events lie in another lane's spool would be out of order. What is read back goes to the sender
//! that its device's number says, so that the order of each device holds and all lanes take part.
//!
//! Files block, so writer and reader have their own threads; no lane ever waits for the disk. Cost in good times: a hop
//! between actors and an entry in a map for each delivery.
//!
//! Memory: see [`memory`]. All spools and the resumed journal share one budget for what is read back.
//!
//! Read in this order: [`settings`], `record`: what lies on disk; `state`: who has what, and all transitions;
//! [`spool`]: what gates, senders, writer and reader see of it; `store`: the journal; [`gate`], [`writer`] with `append`, [`reader`],
//! [`schedule`]: the actors; `partial`: what of a record was delivered at an orderly end; `purge`, [`look`]: for commands.

mod append;
pub mod gate;
pub mod look;
mod memory;
mod partial;
mod purge;
pub mod reader;
mod record;
pub mod schedule;
pub mod settings;
#[allow(clippy::module_inception, reason = "it is what the module is about")]
pub mod spool;
mod state;
mod store;
#[cfg(test)]
mod tests;
pub mod writer;

pub use append::Trouble;
pub use gate::Gate;
pub use look::{Waiting, folder_of, look, name_of};
pub use purge::{PurgeError, Purged};
pub use reader::SpoolReader;
pub use schedule::{Schedule, SpoolSchedule};
pub use settings::{SpoolSettings, WhenSpoolFull};
pub use spool::Spool;
pub use writer::SpoolWriter;
