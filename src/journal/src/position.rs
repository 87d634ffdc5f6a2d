//! [`Position`], [`Gap`]: which record, and which are missing.

use std::fmt;

/// The number of a record in its journal: 0, 1, 2 and so on, without gaps. A position is used again
/// only after [`cut_suffix`](crate::Journal::cut_suffix), or after a crash if its record was lost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position(pub u64);

/// The number of a segment in its journal; later segments have higher ones, also across restarts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

/// Positions whose records can't be read any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The first position that is missing.
    pub from: Position,
    /// The first position after the gap.
    pub to: Position,
    /// Bytes of disk that were skipped, at most.
    pub bytes: u64,
    /// Why.
    pub cause: GapCause,
}

/// Why records are missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GapCause {
    /// Released, or dropped by a quota, before they were read.
    Purged,
    /// The bytes are damaged: they do not match their checksums, or the disk does not return them.
    Damaged,
}

// === impl Position ===

impl Position {
    /// The position after this one.
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// How many positions there are from an earlier one up to this; 0 if it is later.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

// === impl Gap ===

impl Gap {
    /// How many records are missing.
    pub fn records(&self) -> u64 {
        self.to.since(self.from)
    }
}
