//! [`Reader`]: the records from a position on, past gaps, as they come.

use std::io;

use bytes::Bytes;

use crate::error::{DiskError, During, ReadError};
use crate::format::{Coding, DATA_START, RecordHeader};
use crate::journal::Journal;
use crate::position::{Gap, GapCause, Position, SegmentId};
use crate::scan::{OnError, Scan, Step};
use crate::segment_file::{OpenSegmentError, SegmentFile};
use crate::state::{Bounds, Place};

/// Reads a journal from a position on. Sees what is appended as soon as the append returns.
///
/// Holds one block of [`Options::read_bytes`](crate::Options). Records are slices of it: as long as one
/// is held, so is its block.
#[derive(Debug)]
pub struct Reader {
    journal: Journal,
    position: Position,
    cuts: u64,
    current: Option<Current>,
    on_error: OnError,
}

#[derive(Debug)]
struct Current {
    id: SegmentId,
    copies: u32,
    scan: Scan,
}

/// What comes next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read {
    /// A record.
    Record(Record),
    /// Records that can't be read any more. Told once; the next call goes on behind it.
    Gap(Gap),
    /// Nothing yet: ask again after the next append.
    CaughtUp,
}

/// A record as it was appended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Where it is.
    pub position: Position,
    /// When it was appended: wall time in nanoseconds since 1970 UTC.
    pub unix_nanos: u64,
    /// Its bytes.
    pub payload: Bytes,
}

/// What became of an attempt to go into a segment.
enum Entered {
    Yes,
    /// Its file is gone.
    Missing,
}

impl Reader {
    pub(crate) fn new(journal: Journal, position: Position) -> Self {
        let cuts = journal.0.state.lock().cuts;
        Self { journal, position, cuts, current: None, on_error: OnError::Fail }
    }

    /// The position that comes next.
    pub fn position(&self) -> Position {
        self.position
    }

    /// After a [`ReadError::Disk`] that does not go away: takes bytes that the disk does not return for
    /// damaged from now on, so that reading goes on behind them.
    pub fn set_aside_unreadable(&mut self) {
        self.on_error = OnError::SetAside;
    }

    /// Lets go of the block that was read last; the next record is read from the disk again.
    pub fn rest(&mut self) {
        if let Some(current) = &mut self.current {
            current.scan.let_go();
        }
    }

    /// The next record, the gap before it, or nothing yet. Does not wait.
    #[expect(clippy::should_implement_trait, reason = "an iterator that ends and goes on would mislead")]
    pub fn next(&mut self) -> Result<Read, ReadError> {
        loop {
            let bounds = match self.place()? {
                Place::Ahead => return Ok(Read::CaughtUp),
                Place::Purged(start) => return Ok(self.pass_purged(start)),
                Place::In(bounds) => bounds,
            };
            if let Entered::Missing = self.enter(&bounds)? {
                if let Some(gap) = self.pass_damage(&bounds, bounds.positions.end, 0) {
                    return Ok(Read::Gap(gap));
                }
                continue;
            }
            let Some(current) = &mut self.current else { continue };
            let gap = match step(current, &self.journal)? {
                Step::Record { header, stored } => match decode(&header, stored) {
                    Some(payload) => return Ok(Read::Record(self.pass_record(&header, payload))),
                    None => Some((header.position.next(), header.extent())),
                },
                Step::Gap(gap) => Some((gap.to, gap.bytes)),
                Step::End => current.scan.pass_missing().map(|gap| (gap.to, gap.bytes)),
            };
            if let Some((to, bytes)) = gap
                && let Some(gap) = self.pass_damage(&bounds, to, bytes)
            {
                return Ok(Read::Gap(gap));
            }
        }
    }

    fn place(&self) -> Result<Place, ReadError> {
        let state = self.journal.0.state.lock();
        if state.cuts == self.cuts { Ok(state.place(self.position)) } else { Err(ReadError::Cut) }
    }

    fn pass_record(&mut self, header: &RecordHeader, payload: Bytes) -> Record {
        self.position = header.position.next();
        Record { position: header.position, unix_nanos: header.unix_nanos, payload }
    }

    fn pass_purged(&mut self, start: Position) -> Read {
        let gap = Gap { from: self.position, to: start, bytes: 0, cause: GapCause::Purged };
        self.position = start;
        self.current = None;
        Read::Gap(gap)
    }

    /// Passes over damage, unless the segment was purged while it was read: then that is the reason.
    fn pass_damage(&mut self, bounds: &Bounds, to: Position, bytes: u64) -> Option<Gap> {
        if self.journal.0.state.lock().index_of(bounds.id).is_none() {
            self.current = None;
            return None;
        }
        let gap = Gap { from: self.position, to, bytes, cause: GapCause::Damaged };
        self.position = to;
        Some(gap)
    }

    /// Makes the segment that holds the present position the current one.
    fn enter(&mut self, bounds: &Bounds) -> Result<Entered, ReadError> {
        if let Some(current) = &mut self.current
            && (current.id, current.copies) == (bounds.id, bounds.copies)
        {
            current.scan.set_bounds(bounds.positions.end, bounds.limit);
            current.scan.set_on_error(self.on_error);
            return Ok(Entered::Yes);
        }
        self.current = None;
        let Some((segment, mut scan)) = open(&self.journal, bounds, self.on_error)? else {
            return Ok(Entered::Missing);
        };
        if self.position > bounds.positions.start {
            scan.seek(self.position).during("read", &segment.path)?;
        }
        self.current = Some(Current { id: bounds.id, copies: bounds.copies, scan });
        Ok(Entered::Yes)
    }

    /// See [`Journal::position_at`].
    pub(crate) fn seek_time(self, unix_nanos: u64) -> Result<Position, ReadError> {
        let (count, end) = {
            let state = self.journal.0.state.lock();
            (state.segments.len(), state.end)
        };
        let (mut low, mut high) = (0, count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.begins_before(middle, unix_nanos)? { low = middle + 1 } else { high = middle }
        }
        let Some(bounds) = self.bounds(low.saturating_sub(1)) else { return Ok(end) };
        let Some((segment, mut scan)) = open(&self.journal, &bounds, self.on_error)? else {
            return Ok(bounds.positions.start);
        };
        scan.hop_while(|header| header.unix_nanos < unix_nanos).during("read", &segment.path)?;
        Ok(scan.expected())
    }

    /// Whether a segment's first record is earlier than a time; unreadable ones count as earlier.
    fn begins_before(&self, index: usize, unix_nanos: u64) -> Result<bool, ReadError> {
        let Some(bounds) = self.bounds(index) else { return Ok(false) };
        if bounds.positions.is_empty() {
            return Ok(false);
        }
        let Some((segment, mut scan)) = open(&self.journal, &bounds, self.on_error)? else { return Ok(true) };
        let first = scan.peek().during("read", &segment.path)?;
        Ok(first.is_none_or(|header| header.unix_nanos < unix_nanos))
    }

    fn bounds(&self, index: usize) -> Option<Bounds> {
        self.journal.0.state.lock().bounds(index)
    }
}

fn step(current: &mut Current, journal: &Journal) -> Result<Step, DiskError> {
    let name = || journal.0.folder.clone();
    current.scan.step().map_err(|source| DiskError { action: "read a segment in", path: name(), source })
}

/// Opens a segment for reading; `None` if its file is gone.
fn open(
    journal: &Journal,
    bounds: &Bounds,
    on_error: OnError,
) -> Result<Option<(SegmentFile, Scan)>, ReadError> {
    let (disk, folder) = (&*journal.0.environment.disk, &journal.0.folder);
    match SegmentFile::open(disk, folder, bounds.id, bounds.positions.start) {
        Ok(segment) => {
            let read_bytes = journal.0.options.read_bytes;
            let limit = bounds.limit.max(DATA_START);
            let scan = segment.scan(bounds.positions.clone(), limit, read_bytes, on_error);
            Ok(Some((segment, scan)))
        }
        Err(OpenSegmentError::Disk(error)) if error.source.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(OpenSegmentError::Disk(error)) => Err(error.into()),
        Err(OpenSegmentError::Version(error)) => Err(error.into()),
    }
}

/// The bytes as they were appended; `None` if they are not what the header says.
pub(crate) fn decode(header: &RecordHeader, stored: Bytes) -> Option<Bytes> {
    match header.coding {
        Coding::Plain => Some(stored),
        Coding::Lz4 => {
            lz4_flex::block::decompress(&stored, header.plain_bytes as usize).ok().map(Bytes::from)
        }
    }
}
