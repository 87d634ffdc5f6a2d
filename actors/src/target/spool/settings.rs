//! How a target's spool is kept.

use journal::{Compression, Options, WhenFull};
use std::path::PathBuf;
use std::time::Duration;

/// The usual size of a segment file: small enough that dozens of targets that were down once keep little disk.
pub const SEGMENT_BYTES: u64 = 32 << 20;
/// What is read at once.
const READ_BYTES: usize = 512 << 10;

/// How a target's spool is kept; can change while it is in use, except for the folder.
#[derive(Clone, Debug, PartialEq)]
pub struct SpoolSettings {
    /// Its folder.
    pub folder: PathBuf,
    /// Deliveries count as spooled when they are synced, not only written.
    pub synced: bool,
    /// Size of its segment files; [`SEGMENT_BYTES`]. What is larger can't be kept.
    pub segment_bytes: u64,
    /// Disk that it may take; three segments at least.
    pub quota_bytes: u64,
    /// Free disk that it leaves to others.
    pub floor_bytes: u64,
    /// Older deliveries are dropped.
    pub max_age: Duration,
    /// What happens when there is no space.
    pub when_full: WhenSpoolFull,
    /// A target whose oldest delivery waits longer than this is down or slow.
    pub patience: Duration,
    /// One with so many bytes under way that are not new is, too.
    pub most_bytes: u64,
    /// Whether deliveries wait for a schedule.
    pub scheduled: bool,
}

/// What happens when a spool has no space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenSpoolFull {
    /// Its sources wait.
    #[default]
    Block,
    /// The oldest deliveries are dropped and counted.
    DropOldest,
}

impl SpoolSettings {
    /// How its journal is kept.
    pub(super) fn journal(&self) -> Options {
        Options {
            segment_bytes: self.segment_bytes,
            quota_bytes: self.quota_bytes.max(3 * self.segment_bytes),
            floor_bytes: self.floor_bytes,
            max_age: Some(self.max_age),
            keep_for: Duration::ZERO,
            when_full: match self.when_full {
                WhenSpoolFull::Block => WhenFull::Refuse,
                WhenSpoolFull::DropOldest => WhenFull::DropOldest,
            },
            compression: Compression::None,
            read_bytes: READ_BYTES,
        }
    }
}
