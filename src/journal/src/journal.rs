//! [`Journal`]: the handle, and what is shared behind it.

use std::collections::VecDeque;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use seams::{Clock, Disk, DiskFile, DiskLock, Rng};

use crate::cursors::{CursorId, Cursors, StartAt};
use crate::encode::Encoder;
use crate::error::{CursorError, DiskError, OpenError, ReadError};
use crate::options::Options;
use crate::pool::Pool;
use crate::position::{Position, SegmentId};
use crate::reader::Reader;
use crate::recovery::{self, Recovery};
use crate::state::{Segment, State};
use crate::stats::Stats;

/// An open journal. Clones are the same journal; all methods may be called from any thread and block
/// for as long as the disk takes.
///
/// One thread appends, another syncs, a third prepares and retains; readers have their own. Appends exclude each
/// other, syncs exclude each other, and the two run side by side.
#[derive(Clone, Debug)]
pub struct Journal(pub(crate) Arc<Shared>);

/// What a journal works with. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Where files are.
    pub disk: Arc<dyn Disk>,
    /// Stamps records; tells ages.
    pub clock: Clock,
    /// Gives salts.
    pub rng: Rng,
}

/// Locks are taken in the order `syncing`, `writer`, `encoder`, those of `cursors`, `state`.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) folder: PathBuf,
    pub(crate) options: Options,
    pub(crate) environment: Environment,
    /// Wall and monotonic time at opening: see [`Shared::steady_unix_nanos`].
    opened: (u64, Instant),
    pub(crate) syncing: Mutex<()>,
    pub(crate) writer: Mutex<Writer>,
    pub(crate) encoder: Mutex<Encoder>,
    pub(crate) cursors: Cursors,
    pub(crate) state: Mutex<State>,
    _lock: DiskLock,
}

/// What only one thread at a time uses.
#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) active: Option<Active>,
    pub(crate) pool: Pool,
    pub(crate) next_id: SegmentId,
    /// Segments that are off the list and still have their files, because recycling failed.
    pub(crate) released: VecDeque<Segment>,
}

/// The newest segment, as long as it can be written to.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) id: SegmentId,
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    pub(crate) salt: u32,
    /// Length of the file.
    pub(crate) bytes: u64,
}

/// One cursor, and how far it is behind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CursorStatus {
    /// Its name.
    pub name: String,
    /// All positions below this are settled.
    pub watermark: Position,
    /// Positions settled after the watermark.
    pub settled_ahead: u64,
    /// Records from the watermark to the end, without those settled ahead.
    pub lag_records: u64,
    /// Bytes of disk from the watermark's segment to the end.
    pub lag_bytes: u64,
}

// === impl Journal ===

impl Journal {
    /// Opens or creates the journal in a folder, and says what had to be repaired.
    ///
    /// Reads the folder, the last segment and the cursors, however much there is beside. Nothing that is damaged
    /// keeps it from opening.
    pub fn open(
        environment: Environment,
        folder: &Path,
        options: Options,
    ) -> Result<(Self, Recovery), OpenError> {
        options.validate()?;
        let opened = (environment.clock.unix_nanos(), environment.clock.now());
        let (parts, recovery) = recovery::open(&environment, folder, &options)?;
        let shared = Shared {
            folder: folder.to_path_buf(),
            encoder: Mutex::new(Encoder::new(options.compression)),
            options,
            environment,
            opened,
            syncing: Mutex::new(()),
            writer: Mutex::new(parts.writer),
            cursors: parts.cursors,
            state: Mutex::new(parts.state),
            _lock: parts.lock,
        };
        Ok((Self(Arc::new(shared)), recovery))
    }

    /// A reader that starts at a position: at the oldest record after a gap if that is gone, and waiting if
    /// it is still to come.
    pub fn read_from(&self, position: Position) -> Reader {
        Reader::new(self.clone(), position)
    }

    /// The positions that there are: the oldest and the next one.
    pub fn records(&self) -> Range<Position> {
        self.0.state.lock().records()
    }

    /// Everything below this survives a power cut.
    pub fn durable(&self) -> Position {
        self.0.state.lock().durable
    }

    /// A record to start from if what was appended since a time is wanted; the end if nothing was.
    ///
    /// Bisects the segments by their first records and hops through one. Times are of the wall clock:
    /// where it was set back, the answer may be earlier or later by as much.
    pub fn position_at(&self, unix_nanos: u64) -> Result<Position, ReadError> {
        self.read_from(self.records().start).seek_time(unix_nanos)
    }

    /// Finds a cursor by name, or makes it, durably. A journal has at most 64.
    pub fn open_cursor(&self, name: &str, start_at: StartAt) -> Result<CursorId, CursorError> {
        self.0.cursors.open_cursor(name, start_at, self.records())
    }

    /// Removes a cursor, durably. Records that only it held back can be released.
    pub fn remove_cursor(&self, cursor: CursorId) -> Result<(), DiskError> {
        self.0.cursors.remove(cursor)
    }

    /// Notes that positions are settled for a cursor, in any order. In memory: see
    /// [`persist_cursors`](Self::persist_cursors).
    pub fn settle(&self, cursor: CursorId, positions: Range<Position>) {
        self.0.cursors.settle(cursor, positions);
    }

    /// Where a cursor has to read on; the oldest record if it was removed.
    pub fn watermark(&self, cursor: CursorId) -> Position {
        let watermark = self.0.cursors.ask(cursor, |progress| progress.watermark());
        watermark.unwrap_or_else(|| self.records().start)
    }

    /// Whether a record is settled for a cursor: after a restart some after the watermark are.
    pub fn is_settled(&self, cursor: CursorId, position: Position) -> bool {
        self.0.cursors.ask(cursor, |progress| progress.is_settled(position)).unwrap_or(false)
    }

    /// Makes what was settled durable. What was not is repeated after a crash. Needs no disk space.
    pub fn persist_cursors(&self) -> Result<(), DiskError> {
        self.0.cursors.persist()
    }

    /// All cursors by name, and how far they are behind.
    pub fn cursors(&self) -> Vec<CursorStatus> {
        let cursors = self.0.cursors.all();
        let state = self.0.state.lock();
        let status = |(name, progress): (String, crate::cursor::Progress)| {
            let watermark = progress.watermark();
            let settled_ahead = progress.settled_ahead();
            let behind = state.segments.partition_point(|segment| segment.first <= watermark);
            let from = if watermark < state.end { behind.saturating_sub(1) } else { state.segments.len() };
            CursorStatus {
                name,
                watermark,
                settled_ahead,
                lag_records: state.end.since(watermark).saturating_sub(settled_ahead),
                lag_bytes: state.segments.range(from..).map(|segment| segment.bytes).sum(),
            }
        };
        cursors.into_iter().map(status).collect()
    }

    /// What the journal holds and has done.
    pub fn stats(&self) -> Stats {
        let (spares, disk_bytes) = {
            let writer = self.0.writer.lock();
            (writer.pool.len() as u64, self.0.bytes_in_use(&writer))
        };
        let state = self.0.state.lock();
        Stats {
            start: state.start(),
            end: state.end,
            durable: state.durable,
            segments: state.segments.len() as u64,
            spares,
            disk_bytes,
            counters: state.counters,
        }
    }

    /// The largest batch that [`append`](Self::append) takes: its bytes, and for each record 40 and what is
    /// missing to a multiple of 8.
    pub fn max_batch_bytes(&self) -> u64 {
        self.0.options.segment_bytes - crate::format::DATA_START
    }
}

// === impl Shared ===

impl Shared {
    /// Wall time as if nobody had set the clock since the journal was opened, so that a jump by a day does
    /// not make everything a day older.
    pub(crate) fn steady_unix_nanos(&self) -> u64 {
        let (wall, at) = self.opened;
        let passed = self.environment.clock.now().saturating_duration_since(at).as_nanos();
        wall.saturating_add(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    /// Bytes of all segment files, spare ones included.
    pub(crate) fn bytes_in_use(&self, writer: &Writer) -> u64 {
        let spares = writer.pool.len() as u64 * self.options.segment_bytes;
        let released: u64 = writer.released.iter().map(|segment| segment.bytes).sum();
        self.state.lock().segment_bytes() + spares + released
    }
}
