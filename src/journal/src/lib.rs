//! Durable segments, cursors and spools of bytes.
//!
//! ```text
//!   append ──▶ ┌──────────┬──────────┬──────────┬────·····┐ ◀── spares, laid out
//!              │ segment  │ segment  │ segment  │ newest  │ ◀─┐ ahead or recycled
//!              └────▲─────┴────▲─────┴──────────┴────▲────┘   │
//!                   │ cursor   │ cursor              │ sync   │ release: settled by all cursors
//!                 readers    readers              durable ────┘ expire, drop oldest: counted
//! ```
//!
//! A [`Journal`] is a folder of segment files with numbered records. It knows bytes, not events, and has no
//! threads of its own: callers run its blocking methods on theirs. See `format` for the bytes on disk.
//!
//! | after | stop | process killed | power cut |
//! |---|---|---|---|
//! | [`append`](Journal::append) returned | kept | kept | lost or kept, record by record |
//! | [`sync`](Journal::sync) returned | kept | kept | kept |
//! | [`settle`](Journal::settle), not [persisted](Journal::persist_cursors) | read again | read again | read again |
//! | [`persist_cursors`](Journal::persist_cursors) returned | not read again | not read again | not read again, or read again if its records were lost |
//!
//! What can go wrong, and what happens then:
//!
//! | failure | consequence |
//! |---|---|
//! | a torn record at the end | cut off at opening, [`Recovery::torn_bytes`] |
//! | damage anywhere | that record is a [`Gap`] when it is read; those around it are whole |
//! | a write fails | nothing of the batch is appended; the next append uses another segment |
//! | a sync fails | nothing more is durable; the next sync copies the records to another file first |
//! | the disk, the quota or the floor is met | [`AppendError::Full`] or [`Appended::dropped`]; the reserve is for [`append_reserved`](Journal::append_reserved) |
//! | the cursor file is lost | cursors begin at the oldest record: repeated, not lost |
//! | records that a cursor had settled are lost | the cursor is lowered, durably before the next append |
//! | the wall clock jumps | ages follow the monotonic clock; only time stamps jump |
//!
//! Cost: an append is a checksum (crc32c in hardware) and one `pwritev` without copying before it; a sync of a laid-out
//! segment is one write of its dirty pages; a read is one system call and one buffer for each block.
//! Opening reads the folder, the last segment and 128 KiB of cursors. Memory: 48 bytes a segment, a block a
//! reader, a bit for each record that was settled out of order.
//!
//! To read in this order: `format`, `scan`, `state`, `journal`, `recovery`, `append`, `sync`, `retention`, `reader`,
//! `cursor`, `cursor_file`, `cursors`, `inspect`, `removal`.

#![forbid(unsafe_code)]

mod append;
mod cursor;
mod cursor_file;
mod cursors;
mod encode;
mod error;
mod format;
pub mod inspect;
mod journal;
mod options;
mod pool;
mod position;
mod reader;
mod recovery;
mod removal;
mod retention;
mod scan;
mod segment_file;
mod state;
mod stats;
mod sync;

pub use append::Appended;
pub use cursor_file::MAX_CURSORS;
pub use cursors::{CursorId, StartAt};
pub use encode::Parts;
pub use error::{AppendError, CursorError, DiskError, Full, OpenError, ReadError, SyncError, VersionError};
pub use journal::{CursorStatus, Environment, Journal};
pub use options::{Compression, Options, OptionsError, WhenFull};
pub use position::{Gap, GapCause, Position, SegmentId};
pub use reader::{Read, Reader, Record};
pub use recovery::Recovery;
pub use removal::remove;
pub use retention::{Dropped, Prepared};
pub use stats::{Counters, Stats};
