//! How a target's spool is kept.

use journal::{Compression, Options, WhenFull};
use std::path::PathBuf;
use std::time::Duration;

/// Size of a segment file: small enough that dozens of targets that were down once keep little disk.
const SEGMENT_BYTES: u64 = 32 << 20;
/// What is read at once.
const READ_BYTES: usize = 512 << 10;
/// What a target may hold on disk at least: three segments.
pub const LEAST_QUOTA: u64 = 3 * SEGMENT_BYTES;

/// How a target's spool is kept; can change while it is in use, except for the folder.
#[derive(Clone, Debug, PartialEq)]
pub struct SpoolSettings {
    /// Its folder.
    pub folder: PathBuf,
    /// Deliveries count as spooled when they are synced, not only written.
    pub synced: bool,
    /// Disk that it may take; at least [`LEAST_QUOTA`].
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
            segment_bytes: SEGMENT_BYTES,
            quota_bytes: self.quota_bytes.max(LEAST_QUOTA),
            floor_bytes: self.floor_bytes,
            max_age: Some(self.max_age),
            when_full: match self.when_full {
                WhenSpoolFull::Block => WhenFull::Refuse,
                WhenSpoolFull::DropOldest => WhenFull::DropOldest,
            },
            compression: Compression::None,
            read_bytes: READ_BYTES,
        }
    }
}
