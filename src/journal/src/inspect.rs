//! Looking at a journal's folder without opening it: also beside the process that has it open.
//!
//! Changes nothing and takes no lock. Beside a writer the picture is of several moments: the newest record
//! may look torn, and a segment that is recycled meanwhile damaged.

use std::ops::Range;
use std::path::{Path, PathBuf};

use seams::{Disk, OpenMode};

use crate::cursor_file::CursorFile;
use crate::error::{DiskError, During, ReadError};
use crate::format::{CURSOR_FILE, FileName, LOCK_FILE, SYNC_FAILED_FILE};
use crate::journal::CursorStatus;
use crate::position::{Gap, GapCause, Position, SegmentId};
use crate::reader::{Record, decode};
use crate::recovery::segments_of;
use crate::scan::{OnError, Scan, Step};
use crate::segment_file::{OpenSegmentError, SegmentFile};
use crate::state::Segment;

/// Bytes that are read at once.
const BLOCK_BYTES: usize = 1 << 20;

/// What is in a journal's folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inspection {
    /// The segments, oldest first.
    pub segments: Vec<SegmentSummary>,
    /// The cursors by name. Their lag is up to the last whole record.
    pub cursors: Vec<CursorStatus>,
    /// Whether the cursor file is there and whole.
    pub cursors_intact: bool,
    /// Spare segments.
    pub spares: u64,
    /// Files that do not belong to a journal.
    pub strangers: Vec<String>,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentSummary {
    /// Its number.
    pub id: SegmentId,
    /// The file's name.
    pub name: String,
    /// From its first position up to the next segment's; for the newest, up to the last whole record.
    pub positions: Range<Position>,
    /// Length of the file.
    pub bytes: u64,
    /// Bytes that its records take, as far as they were looked at.
    pub used_bytes: u64,
    /// Time of its first and last record, nanoseconds since 1970 UTC; the last one only when verified.
    pub unix_nanos: Option<(u64, u64)>,
    /// Whether the file's own header is damaged. Its records can be read all the same.
    pub header_damaged: bool,
    /// What can't be read. Only when verified; for the newest segment always.
    pub gaps: Vec<Gap>,
}

/// How closely to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// At names, headers and the newest segment: quick.
    Headers,
    /// At every byte, so that every checksum is verified.
    Verify,
}

/// Looks at a journal's folder.
pub fn inspect(disk: &dyn Disk, folder: &Path, depth: Depth) -> Result<Inspection, ReadError> {
    let entries = disk.list(folder).during("list", folder)?;
    let (found, _) = segments_of(&entries);
    let names = entries.iter().map(|entry| (entry.name.as_str(), FileName::parse(&entry.name)));
    let spares = names.clone().filter(|(_, name)| matches!(name, Some(FileName::Spare(_)))).count() as u64;
    let known = [LOCK_FILE, CURSOR_FILE, SYNC_FAILED_FILE];
    let strangers = names.filter(|(text, name)| name.is_none() && !known.contains(text));
    let strangers = strangers.map(|(text, _)| text.to_owned()).collect();
    let mut segments = Vec::with_capacity(found.len());
    for (index, segment) in found.iter().enumerate() {
        let next = found.get(index + 1).map(|next| next.first);
        if let Some(summary) = summary(disk, folder, segment, next, depth)? {
            segments.push(summary);
        }
    }
    let (cursors, cursors_intact) = cursors(disk, folder, &segments)?;
    Ok(Inspection { segments, cursors, cursors_intact, spares, strangers })
}

/// Gives the records at some positions to a function, oldest first, until it returns false. Returns the gaps
/// among them.
pub fn extract(
    disk: &dyn Disk,
    folder: &Path,
    positions: Range<Position>,
    mut each: impl FnMut(Record) -> bool,
) -> Result<Vec<Gap>, ReadError> {
    let entries = disk.list(folder).during("list", folder)?;
    let (found, _) = segments_of(&entries);
    let mut gaps = Vec::new();
    for (index, segment) in found.iter().enumerate() {
        let next = found.get(index + 1).map_or(Position(u64::MAX), |next| next.first);
        if next <= positions.start || segment.first >= positions.end {
            continue;
        }
        let Some((file, mut scan)) = open(disk, folder, segment, segment.first..next.min(positions.end))?
        else {
            continue;
        };
        scan.seek(positions.start).during("read", &file.path)?;
        loop {
            match scan.step().during("read", &file.path)? {
                Step::Record { header, stored } => {
                    let (position, unix_nanos) = (header.position, header.unix_nanos);
                    let Some(payload) = decode(&header, stored) else {
                        let (to, bytes) = (position.next(), header.extent());
                        gaps.push(Gap { from: position, to, bytes, cause: GapCause::Damaged });
                        continue;
                    };
                    if !each(Record { position, unix_nanos, payload }) {
                        return Ok(gaps);
                    }
                }
                Step::Gap(gap) => gaps.push(gap),
                Step::End => break,
            }
        }
        if next < Position(u64::MAX) {
            gaps.extend(scan.pass_missing());
        }
    }
    Ok(gaps)
}

/// `None` if the file was released since the folder was listed.
fn summary(
    disk: &dyn Disk,
    folder: &Path,
    segment: &Segment,
    next: Option<Position>,
    depth: Depth,
) -> Result<Option<SegmentSummary>, ReadError> {
    let end = next.unwrap_or(Position(u64::MAX));
    let Some((file, mut scan)) = open(disk, folder, segment, segment.first..end)? else { return Ok(None) };
    let mut gaps = Vec::new();
    let mut unix_nanos =
        scan.peek().during("read", &file.path)?.map(|first| (first.unix_nanos, first.unix_nanos));
    if depth == Depth::Verify || next.is_none() {
        loop {
            match scan.step().during("read", &file.path)? {
                Step::Record { header, .. } => {
                    let first = unix_nanos.map_or(header.unix_nanos, |(first, _)| first);
                    unix_nanos = Some((first, header.unix_nanos));
                }
                Step::Gap(gap) => gaps.push(gap),
                Step::End => break,
            }
        }
    }
    let used_bytes = scan.whole_until();
    let end = next.unwrap_or_else(|| scan.expected());
    if depth == Depth::Verify && next.is_some() {
        gaps.extend(scan.pass_missing());
    }
    Ok(Some(SegmentSummary {
        id: segment.id,
        name: FileName::Segment { id: segment.id, first: segment.first }.to_string(),
        positions: segment.first..end,
        bytes: segment.bytes,
        used_bytes,
        unix_nanos,
        header_damaged: file.salt.is_none(),
        gaps,
    }))
}

fn open(
    disk: &dyn Disk,
    folder: &Path,
    segment: &Segment,
    positions: Range<Position>,
) -> Result<Option<(SegmentFile, Scan)>, ReadError> {
    match SegmentFile::open(disk, folder, segment.id, segment.first) {
        Ok(file) => {
            let scan = file.scan(positions, file.len, BLOCK_BYTES, OnError::SetAside);
            Ok(Some((file, scan)))
        }
        Err(OpenSegmentError::Disk(error)) if error.source.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(OpenSegmentError::Disk(error)) => Err(error.into()),
        Err(OpenSegmentError::Version(error)) => Err(error.into()),
    }
}

fn cursors(
    disk: &dyn Disk,
    folder: &Path,
    segments: &[SegmentSummary],
) -> Result<(Vec<CursorStatus>, bool), ReadError> {
    let path: PathBuf = folder.join(CURSOR_FILE);
    let file = match disk.open(&path, OpenMode::Read) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok((Vec::new(), false)),
        Err(source) => return Err(DiskError { action: "open", path, source }.into()),
    };
    let found = CursorFile::read(&*file, &path)?;
    let end = segments.last().map_or(Position(0), |segment| segment.positions.end);
    let stored = found.slots.into_iter().flatten().filter_map(|slot| slot.cursor);
    let status = |(name, progress): (String, crate::cursor::Progress)| {
        let watermark = progress.watermark();
        let ahead = segments.iter().filter(|segment| segment.positions.end > watermark);
        CursorStatus {
            name,
            watermark,
            settled_ahead: progress.settled_ahead(),
            lag_records: end.since(watermark).saturating_sub(progress.settled_ahead()),
            lag_bytes: ahead.map(|segment| segment.bytes).sum(),
        }
    };
    let mut all: Vec<CursorStatus> = stored.map(status).collect();
    all.sort_by(|one, two| one.name.cmp(&two.name));
    Ok((all, found.intact))
}
