//! [`Stats`]: what a journal holds and has done, for metrics.

use crate::position::Position;

/// A journal at one moment. Counters start at zero at each opening.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// The oldest position.
    pub start: Position,
    /// The position of the next record.
    pub end: Position,
    /// Everything below this survives a power cut.
    pub durable: Position,
    /// Segments in use.
    pub segments: u64,
    /// Spare segments, laid out or recycled.
    pub spares: u64,
    /// Bytes of disk: segments and spares.
    pub disk_bytes: u64,
    /// What was done.
    pub counters: Counters,
}

/// What was done since the journal was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Records appended.
    pub appended_records: u64,
    /// Their bytes as they were given.
    pub appended_bytes: u64,
    /// Their bytes as they were written: compressed, with headers.
    pub written_bytes: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Syncs that failed.
    pub sync_failures: u64,
    /// Records dropped because there was no space, unsettled by at least one cursor.
    pub dropped_for_space: u64,
    /// Records dropped because of their age, unsettled by at least one cursor.
    pub dropped_for_age: u64,
    /// Records lost in a failed sync.
    pub lost_in_sync: u64,
}
