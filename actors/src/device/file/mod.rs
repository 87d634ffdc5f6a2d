//! The collector of files that grow.
//!
//! ```text
//!   folders ── inotify, listing ──▶ collector ── which file is whom ──▶ desk of a lane ──▶ reader ──▶ batches
//!                                       │                                                   │
//!                                       └──────────── registry: identities, offsets ◀───────┘ marks
//!                                                         │ acknowledged
//!                                                       keeper ──▶ storage/cache/file-<device>.json
//! ```
//!
//! Read in this order:
//! * [`content`]: what a file is recognised by; [`epoch`]: how far one was read and acknowledged;
//! * [`registry`]: all files a device knows; [`checkpoints`]: the same on disk; [`keeper`]: the actor that writes it;
//! * [`pattern`]: paths with wildcards; [`watch`]: inotify; [`recognise`]: which file is whom, after any kind of
//!   rotation; [`collector`]: the actor that does it;
//! * [`stream`]: reading one file; [`reader`]: the actor that reads all files of a device on one lane.
//!
//! Cost: a file at rest costs an open descriptor, a ledger stream and about a kilobyte; nothing is done for it but a
//! `stat` in each scan of its folder. A file that grows costs one `preadv2` into a slab, one pass that looks for line
//! feeds, and 64 bits of checksums a batch. Readers are per lane, not per file.

pub mod checkpoints;
pub mod collector;
pub mod content;
pub mod epoch;
pub mod following;
pub mod keeper;
pub mod pattern;
pub mod reader;
pub mod recognise;
pub mod registry;
pub mod source;
pub mod stream;
pub mod watch;

pub use checkpoints::Checkpoints;
pub use collector::Collector;
pub use following::Following;
pub use keeper::Keeper;
pub use reader::Reader;

use pattern::Patterns;
use protocol::multiline::Rules;
use std::time::Duration;

/// What a file device does.
#[derive(Clone, Debug)]
pub struct FileSettings {
    /// Which files.
    pub patterns: Patterns,
    /// How often to look for what the system did not tell.
    pub poll_interval: Duration,
    /// Forget where earlier processes stopped.
    pub ignore_cache: bool,
    /// How lines are put together; none: each is an event.
    pub multiline: Option<Multiline>,
    /// Longest event, in bytes.
    pub max_message_bytes: u32,
    /// How many lanes may read at most.
    pub most_readers: usize,
    /// How long things stay quiet before they are taken as finished.
    pub patience: Patience,
}

/// How lines are put together.
#[derive(Clone, Debug)]
pub struct Multiline {
    /// Which ones.
    pub rules: Rules,
    /// An event without a further line for so long is complete.
    pub timeout: Duration,
}

/// How long things stay quiet before they are taken as finished.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// A rotated file: its writer may still have it open until it is told of the rotation. After this its last line is
    /// an event without its end, and a file that no pattern names is let go.
    pub rotated: Duration,
    /// The same for a deleted file.
    pub deleted: Duration,
    /// A file that so far has the content of another may be a copy that is being made (copy-truncate). After this it
    /// is a file like any other.
    pub twin: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { rotated: seconds(60), deleted: seconds(2), twin: seconds(5) }
    }
}
