//! [`State`]: what of a journal is where, as readers and writers see it at one moment.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use seams::DiskFile;

use crate::position::{Position, SegmentId};
use crate::stats::Counters;

/// Guarded by a lock that is held for moments only, never during a file operation.
#[derive(Debug)]
pub(crate) struct State {
    /// Oldest first; ids and first positions rise. Each ends where the next begins.
    pub(crate) segments: VecDeque<Segment>,
    /// The position of the next record.
    pub(crate) end: Position,
    /// Bytes used in the newest segment.
    pub(crate) end_offset: u64,
    /// Everything below this survives a power cut.
    pub(crate) durable: Position,
    /// Records from here on were appended by this process: if they are damaged, a failed sync did it.
    pub(crate) own_from: Position,
    /// Segments written to since the last sync, oldest first.
    pub(crate) unsynced: VecDeque<Unsynced>,
    /// Segments whose sync failed: what is in them and not durable has to be written again elsewhere.
    pub(crate) failed: Vec<SegmentId>,
    /// Whether the next process would know of them.
    pub(crate) failure_marked: bool,
    /// Whether an earlier process may have left names that a power cut takes back.
    pub(crate) names_unsynced: bool,
    /// How often the suffix was cut.
    pub(crate) cuts: u64,
    pub(crate) counters: Counters,
}

/// A segment by its name. 48 bytes: ten thousand take half a megabyte.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) id: SegmentId,
    pub(crate) first: Position,
    pub(crate) bytes: u64,
    pub(crate) begun_unix_nanos: Begun,
    /// How often it was copied to another file under the same name after a failed sync.
    pub(crate) copies: u32,
    /// Whether the file is good enough to be used again.
    pub(crate) reusable: bool,
}

/// When a segment was begun: read from its header when it is first asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Begun {
    NotRead,
    Unknown,
    At(u64),
}

/// A file that is due for a sync.
#[derive(Clone, Debug)]
pub(crate) struct Unsynced {
    pub(crate) id: SegmentId,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// Where a position is.
#[derive(Clone, Debug)]
pub(crate) enum Place {
    /// It was, but is no more; the oldest record is this.
    Purged(Position),
    /// It will come.
    Ahead,
    In(Bounds),
}

/// A segment's records.
#[derive(Clone, Debug)]
pub(crate) struct Bounds {
    pub(crate) id: SegmentId,
    pub(crate) positions: Range<Position>,
    /// Bytes from here on are not to be looked at.
    pub(crate) limit: u64,
    pub(crate) copies: u32,
}

// === impl State ===

impl State {
    /// The oldest position.
    pub(crate) fn start(&self) -> Position {
        self.segments.front().map_or(self.end, |segment| segment.first)
    }

    /// The oldest position and the next one.
    pub(crate) fn records(&self) -> Range<Position> {
        self.start()..self.end
    }

    pub(crate) fn place(&self, position: Position) -> Place {
        if position < self.start() {
            return Place::Purged(self.start());
        }
        if position >= self.end {
            return Place::Ahead;
        }
        let after = self.segments.partition_point(|segment| segment.first <= position);
        self.bounds(after - 1).map_or(Place::Ahead, Place::In)
    }

    pub(crate) fn bounds(&self, index: usize) -> Option<Bounds> {
        let segment = self.segments.get(index)?;
        let (end, limit) = match self.segments.get(index + 1) {
            Some(next) => (next.first, segment.bytes),
            None => (self.end, self.end_offset),
        };
        Some(Bounds { id: segment.id, positions: segment.first..end, limit, copies: segment.copies })
    }

    pub(crate) fn index_of(&self, id: SegmentId) -> Option<usize> {
        self.segments.binary_search_by_key(&id, |segment| segment.id).ok()
    }

    pub(crate) fn segment_bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Notes that a segment has to be synced.
    pub(crate) fn written(&mut self, unsynced: impl FnOnce() -> Unsynced, id: SegmentId) {
        if self.unsynced.iter().rev().all(|unsynced| unsynced.id != id) {
            self.unsynced.push_back(unsynced());
        }
    }
}
