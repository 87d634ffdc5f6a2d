//! Events that nobody could take are kept aside, with the reason and where they came from, until somebody decides.
//!
//! ```text
//!  stage (poison, failed) ─┐                                         ┌─ storage/quarantine/        a journal
//!                          ├─ Quarantine::keep ── desk ──▶ keeper ───┤
//!  sender (refused)  ──────┘        ▲   waits for       one thread   └─ storage/quarantine.marks   purged, replayed
//!                                   └── how many are kept ◀──┘
//! ```
//!
//! Whoever can't go on with an event hands it over and **waits** until it is on disk, synced; only then the claim ends as
//! quarantined. That wait is the actor's own: its lane goes on with others. It has a limit ([`desk::KEEP_WITHIN`]); what
//! the store does not take in time, or can't take, ends as dropped, with the same cause, counted and announced.
//!
//! Read in this order: [`entry`] (one event, and its form on disk), [`marks`] (what became of those that are kept),
//! [`selection`] (which of them), [`store`] (the files), [`desk`] (the handle for lanes), [`keeper`] (the actor),
//! [`announcer`] (its voice).
//!
//! Cost: nothing where nothing fails. An event that is set aside takes about 1 µs and its bytes in a group append, and
//! a share in one `fdatasync`; memory: what waits at the desk, which is bounded, and the marks.

pub mod announcer;
pub mod desk;
pub mod entry;
pub mod keeper;
pub mod marks;
pub mod selection;
pub mod store;

pub use desk::{Labels, Quarantine, QuarantineMeters, QuarantineSettings, Replays};
pub use entry::{Entry, Kept, Meta, WayLabel};
pub use keeper::Keeper;
pub use marks::{Marks, Ranges};
pub use selection::Selection;
pub use store::{Store, look};
