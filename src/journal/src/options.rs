//! [`Options`]: sizes, limits, and what happens when they are met.

use std::time::Duration;

use thiserror::Error;

use crate::format::{DATA_START, MAX_SEGMENT_BYTES};

/// How a journal is kept. Can differ from one opening to the next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Size of a segment file: a multiple of 4 096, from 8 KiB to 2 GiB. What is released, dropped and
    /// kept in reserve is always whole segments. Default 64 MiB: laid out in about 50 ms.
    pub segment_bytes: u64,
    /// Disk that the journal may use, spare segments included; at least three segments. Default 10 GiB.
    pub quota_bytes: u64,
    /// Free disk that a new segment file must leave to others. Default 1 GiB.
    pub floor_bytes: u64,
    /// Age beyond which [`Journal::expire`](crate::Journal::expire) drops segments. Default 48 hours.
    pub max_age: Option<Duration>,
    /// What every cursor has settled stays for so long, as far as there is space: appends take the oldest of it before
    /// anything else, and it goes while the disk has hardly more than the floor. Default: not at all.
    pub keep_for: Duration,
    /// What an append does when there is no space. Default: refuse.
    pub when_full: WhenFull,
    /// Default: none.
    pub compression: Compression,
    /// What a reader reads at once and so holds in memory; a record that is larger is read as a whole.
    /// At least 4 096, default 1 MiB.
    pub read_bytes: usize,
}

/// What an append does when the quota, the floor or the disk leaves no space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WhenFull {
    /// Fails with [`AppendError::Full`](crate::AppendError::Full), so that sources wait.
    #[default]
    Refuse,
    /// Drops the oldest segment, whatever the cursors say, and says so in
    /// [`Appended::dropped`](crate::Appended).
    DropOldest,
}

/// Whether records are compressed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compression {
    /// Never.
    #[default]
    None,
    /// LZ4, record by record, where it saves an eighth or more. After a record where it does not, some
    /// are stored as they are before it is tried again.
    Lz4,
}

/// Options that can't be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OptionsError {
    /// See [`Options::segment_bytes`].
    #[error("journal segments of {0} bytes are not possible; use a multiple of 4096 from 8192 to 2147483648")]
    SegmentBytes(u64),
    /// See [`Options::quota_bytes`].
    #[error("a journal quota of {quota_bytes} bytes is too small; use at least {least}, three segments")]
    QuotaBytes {
        /// The quota.
        quota_bytes: u64,
        /// The least that works.
        least: u64,
    },
    /// See [`Options::read_bytes`].
    #[error("reading {0} bytes at once is too little; use at least 4096")]
    ReadBytes(usize),
}

// === impl Options ===

impl Options {
    pub(crate) fn validate(&self) -> Result<(), OptionsError> {
        let segment = self.segment_bytes;
        if !segment.is_multiple_of(4096) || !(2 * DATA_START..=MAX_SEGMENT_BYTES).contains(&segment) {
            return Err(OptionsError::SegmentBytes(segment));
        }
        // One in use, one in reserve, one to go on with.
        let least = 3 * segment;
        if self.quota_bytes < least {
            return Err(OptionsError::QuotaBytes { quota_bytes: self.quota_bytes, least });
        }
        if self.read_bytes < 4096 {
            return Err(OptionsError::ReadBytes(self.read_bytes));
        }
        Ok(())
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            quota_bytes: 10 << 30,
            floor_bytes: 1 << 30,
            max_age: Some(Duration::from_secs(48 * 3600)),
            keep_for: Duration::ZERO,
            when_full: WhenFull::default(),
            compression: Compression::default(),
            read_bytes: 1 << 20,
        }
    }
}
