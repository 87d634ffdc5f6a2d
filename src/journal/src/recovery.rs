//! Opening a journal: from the files that are there, whatever happened, to a state to go on from.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;

use seams::{Disk, DiskLock, Entry, OpenMode};

use crate::cursors::Cursors;
use crate::error::{DiskError, During, OpenError};
use crate::format::{DATA_START, FileName, LOCK_FILE, SYNC_FAILED_FILE};
use crate::journal::{Active, Environment, Writer};
use crate::options::Options;
use crate::pool::Pool;
use crate::position::{Gap, Position, SegmentId};
use crate::scan::{OnError, Scan, Step};
use crate::segment_file::{OpenSegmentError, SegmentFile};
use crate::state::{Begun, Segment, State, Unsynced};
use crate::stats::Counters;

/// Older segments than these were synced before later ones were begun.
pub(crate) const MAX_UNSYNCED: usize = 8;

/// Gaps that a [`Recovery`] lists; more are only counted.
const MAX_GAPS_LISTED: usize = 100;

/// What opening found and repaired. Nothing here needs a hand; what was lost should be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovery {
    /// The oldest record.
    pub start: Position,
    /// The position after the newest whole record.
    pub end: Position,
    /// Bytes of an unfinished record that were cut off behind it.
    pub torn_bytes: u64,
    /// Damage inside the newest segment, the first hundred. Damage in older ones shows when they are read.
    pub gaps: Vec<Gap>,
    /// Records in all of these gaps.
    pub damaged_records: u64,
    /// Bytes of the newest segment that the disk did not return.
    pub unreadable_bytes: u64,
    /// The cursor file was missing or damaged: cursors that were in it begin at the oldest record.
    pub cursors_damaged: bool,
    /// Cursors that were beyond the end, because records that they had settled were lost.
    pub cursors_lowered: u32,
}

/// What a journal is made of.
pub(crate) struct Opened {
    pub(crate) lock: DiskLock,
    pub(crate) state: State,
    pub(crate) writer: Writer,
    pub(crate) cursors: Cursors,
}

/// The newest segment after its records were read.
struct Tail {
    end: Position,
    end_offset: u64,
    active: Option<Active>,
}

pub(crate) fn open(
    environment: &Environment,
    folder: &Path,
    options: &Options,
) -> Result<(Opened, Recovery), OpenError> {
    let disk = &environment.disk;
    let lock = lock(disk, folder)?;
    let entries = disk.list(folder).during("list", folder)?;
    let (mut segments, dead) = segments_of(&entries);
    let next_id = entries_max_id(&entries).map_or(SegmentId(0), |id| SegmentId(id.0 + 1));
    let mut recovery = Recovery::default();
    let tail = match segments.back_mut() {
        Some(newest) => read_tail(environment, folder, newest, &mut recovery)?,
        None => Tail { end: Position(0), end_offset: DATA_START, active: None },
    };
    let mut unsynced = unsynced_of(environment, folder, &segments);
    let failure_marked = entries.iter().any(|entry| entry.name == SYNC_FAILED_FILE);
    // The kernel has told the earlier process of the failure, and would tell this one that all is well.
    let failed =
        if failure_marked { unsynced.drain(..).map(|unsynced| unsynced.id).collect() } else { Vec::new() };
    let state = State {
        unsynced,
        segments,
        end: tail.end,
        end_offset: tail.end_offset,
        durable: Position(0),
        own_from: tail.end,
        failed,
        failure_marked,
        names_unsynced: true,
        cuts: 0,
        counters: Counters::default(),
    };
    let state = State { durable: state.start(), ..state };
    let fresh = entries.iter().all(|entry| entry.name == LOCK_FILE);
    let (cursors, found) = Cursors::open(Arc::clone(disk), folder, state.records(), fresh)?;
    (recovery.start, recovery.end) = (state.start(), state.end);
    (recovery.cursors_damaged, recovery.cursors_lowered) = (found.damaged, found.lowered);
    let mut pool =
        Pool::new(Arc::clone(disk), folder.to_path_buf(), spares_of(environment, folder, &entries, options));
    for segment in dead {
        // What can't be recycled now stays dead, and is tried again at the next opening.
        let _ = pool.recycle(&folder.join(name_of(&segment)), segment.bytes == options.segment_bytes);
    }
    let writer = Writer { active: tail.active, pool, next_id, released: VecDeque::new() };
    Ok((Opened { lock, state, writer, cursors }, recovery))
}

pub(crate) fn lock(disk: &Arc<dyn Disk>, folder: &Path) -> Result<DiskLock, OpenError> {
    let not_writable = |source: io::Error| match source.kind() {
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            OpenError::NotWritable { folder: folder.to_path_buf(), source }
        }
        io::ErrorKind::WouldBlock => {
            OpenError::InUse { folder: folder.to_path_buf(), holder: source.to_string() }
        }
        _ => DiskError { action: "lock", path: folder.to_path_buf(), source }.into(),
    };
    disk.create_folder(folder).map_err(not_writable)?;
    disk.lock(&folder.join(LOCK_FILE)).map_err(not_writable)
}

/// The segments that count, oldest first, and those whose records were all cut off by a later segment.
pub(crate) fn segments_of(entries: &[Entry]) -> (VecDeque<Segment>, Vec<Segment>) {
    let mut found: Vec<Segment> = entries.iter().filter_map(segment_of).collect();
    found.sort_unstable_by_key(|segment| segment.id);
    let (mut live, mut dead) = (VecDeque::new(), Vec::new());
    for segment in found.into_iter().rev() {
        match live.front() {
            Some(Segment { first, .. }) if segment.first >= *first => dead.push(segment),
            _ => live.push_front(segment),
        }
    }
    (live, dead)
}

fn segment_of(entry: &Entry) -> Option<Segment> {
    match FileName::parse(&entry.name)? {
        FileName::Segment { id, first } => Some(Segment {
            id,
            first,
            bytes: entry.len,
            begun_unix_nanos: Begun::NotRead,
            copies: 0,
            reusable: true,
        }),
        FileName::Spare(_) => None,
    }
}

fn entries_max_id(entries: &[Entry]) -> Option<SegmentId> {
    entries.iter().filter_map(segment_of).map(|segment| segment.id).max()
}

fn name_of(segment: &Segment) -> String {
    FileName::Segment { id: segment.id, first: segment.first }.to_string()
}

/// Spares of the right length. Others, and what interrupted operations left, are removed.
fn spares_of(environment: &Environment, folder: &Path, entries: &[Entry], options: &Options) -> Vec<u64> {
    let mut spares = Vec::new();
    for entry in entries {
        match FileName::parse(&entry.name) {
            Some(FileName::Spare(number)) if entry.len == options.segment_bytes => spares.push(number),
            Some(FileName::Segment { .. }) => {}
            None if !entry.name.ends_with(".new") => {}
            Some(FileName::Spare(_)) | None => {
                // It is in nobody's way: the next opening tries again.
                let _ = environment.disk.remove(&folder.join(&entry.name));
            }
        }
    }
    spares
}

/// Finds the end of the newest segment: after the last whole record, wherever that is. What is damaged before it
/// is set aside, so that damage in the middle does not cut off what was durable after it.
fn read_tail(
    environment: &Environment,
    folder: &Path,
    newest: &mut Segment,
    recovery: &mut Recovery,
) -> Result<Tail, OpenError> {
    let (id, first) = (newest.id, newest.first);
    let segment = SegmentFile::open(&*environment.disk, folder, id, first).map_err(|error| match error {
        OpenSegmentError::Disk(error) => OpenError::Disk(error),
        OpenSegmentError::Version(error) => OpenError::Version(error),
    })?;
    newest.begun_unix_nanos = segment.begun_unix_nanos.map_or(Begun::Unknown, Begun::At);
    let limit = segment.len;
    let mut scan = segment.scan(first..Position(u64::MAX), limit, 1 << 20, OnError::SetAside);
    read_records(&mut scan, recovery).during("read", &segment.path)?;
    recovery.unreadable_bytes = scan.unreadable_bytes();
    if recovery.unreadable_bytes >= limit.saturating_sub(DATA_START).max(1) {
        let source = io::Error::other("the disk returns none of its bytes");
        return Err(DiskError { action: "read", path: segment.path, source }.into());
    }
    let (end, end_offset) = (scan.expected(), scan.whole_until());
    // With a damaged header or pages the segment is not written to any more: the next one begins here.
    let writable = recovery.unreadable_bytes == 0 && limit == newest.bytes;
    let active = segment.salt.filter(|_| writable).map(|salt| Active {
        id,
        file: segment.file,
        path: segment.path,
        salt,
        bytes: limit,
    });
    newest.reusable = active.is_some();
    Ok(Tail { end, end_offset, active })
}

fn read_records(scan: &mut Scan, recovery: &mut Recovery) -> io::Result<()> {
    loop {
        match scan.step()? {
            Step::Record { .. } => {}
            Step::Gap(gap) => {
                recovery.damaged_records += gap.records();
                if recovery.gaps.len() < MAX_GAPS_LISTED {
                    recovery.gaps.push(gap);
                }
            }
            Step::End => {
                recovery.torn_bytes = scan.torn_bytes()?;
                return Ok(());
            }
        }
    }
}

/// The files that an earlier process may have written to and not synced.
fn unsynced_of(environment: &Environment, folder: &Path, segments: &VecDeque<Segment>) -> VecDeque<Unsynced> {
    let newest = segments.len().saturating_sub(MAX_UNSYNCED);
    let mut unsynced = VecDeque::new();
    for segment in segments.range(newest..) {
        let path = folder.join(name_of(segment));
        // One that can't be opened shows when it is read.
        if let Ok(file) = environment.disk.open(&path, OpenMode::Write) {
            unsynced.push_back(Unsynced { id: segment.id, path, file });
        }
    }
    unsynced
}
