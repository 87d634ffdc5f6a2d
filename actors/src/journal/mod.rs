//! The journal: what was taken in outlives the process until every branch has settled it.
//!
//! ```text
//!  book of a lane ─ notes ─▶ inbox ─▶ writer ─ one append ─▶ journal ─▶ sync ─▶ acknowledged (Synced)
//!  (its lock; no I/O)                  │                                         ▲
//!                                      └── acknowledged (Written) ── watch of the stream ── HTTP 200, checkpoint …
//! ```
//!
//! Every batch is appended once, as it was received ([`record`]), and every settlement behind it ([`settlement`]): so the
//! journal alone tells who still owes what, whatever moment the process ends at, and one cursor is enough, however many
//! branches there are. Delivery does not wait for the journal, acknowledgement does.
//!
//! Nothing of this is on a lane: a lane puts a note into the [`custody`]'s inbox, about 50 ns, three for a batch. One
//! thread appends whatever waits with one system call; a second one syncs again and again where that is asked for; a third
//! one gives back and lays out segments. What has to survive these actors lies in the [`Custody`]: if the writer dies,
//! notes wait, and with them the batches' budget, so sources wait, too.
//!
//! To read in this order: [`record`], [`settlement`], [`custody`], [`work`], [`index`], [`backlog`], then the actors:
//! [`writer`], [`syncer`], [`upkeep`], [`reader`].

pub mod backlog;
pub mod custody;
pub mod index;
pub mod keys;
pub mod reader;
pub mod record;
pub mod settlement;
pub mod syncer;
#[cfg(test)]
mod tests;
mod thread;
pub mod upkeep;
mod work;
pub mod writer;

pub use backlog::{Backlog, Progress};
pub use custody::{Custody, Level, Opened, Status};
pub use keys::BranchKeys;
pub use reader::BacklogReader;
pub use syncer::Syncer;
pub use upkeep::Upkeep;
pub use writer::Writer;
