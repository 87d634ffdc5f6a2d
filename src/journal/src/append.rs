//! Appending, beginning segments, and cutting the suffix.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use seams::{DiskFile, OpenMode};

use crate::encode::{Encoded, Parts};
use crate::error::{AppendError, DiskError, During, Full};
use crate::format::{DATA_START, FileName, SegmentHeader};
use crate::journal::{Active, Journal, Writer};
use crate::options::WhenFull;
use crate::pool::{NoSpare, RESERVE};
use crate::position::{Position, SegmentId};
use crate::retention::Dropped;
use crate::segment_file::SegmentFile;
use crate::state::{Begun, Segment, Unsynced};

/// What an append did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// The position of the batch's first record.
    pub first: Position,
    /// The position after its last.
    pub next: Position,
    /// What was dropped to make room, under [`WhenFull::DropOldest`].
    pub dropped: Option<Dropped>,
}

/// Which space an append may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Ordinary,
    WithReserve,
}

/// A file that a segment is made of.
pub(crate) struct Material {
    /// Of the spare in the pool.
    pub(crate) number: Option<u64>,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
}

impl Journal {
    /// Appends records, all or none, with one write. Afterwards they can be read and survive the end of
    /// the process; they survive a power cut after [`sync`](Self::sync).
    ///
    /// Costs a checksum over the bytes and one system call that copies them. A batch does not go across
    /// segments, so what is left of a segment at its end is at most one batch.
    pub fn append(&self, records: &[Parts<'_>]) -> Result<Appended, AppendError> {
        self.append_in(records, Space::Ordinary)
    }

    /// As [`append`](Self::append), and may use the segment in reserve when there is no other space: for
    /// the few records that must be kept when the disk is full.
    pub fn append_reserved(&self, records: &[Parts<'_>]) -> Result<Appended, AppendError> {
        self.append_in(records, Space::WithReserve)
    }

    fn append_in(&self, records: &[Parts<'_>], space: Space) -> Result<Appended, AppendError> {
        let shared = &*self.0;
        let mut writer = shared.writer.lock();
        // Before a record takes a position that a cursor on disk takes for settled.
        shared.cursors.persist_lowered()?;
        let mut encoder = shared.encoder.lock();
        let batch = encoder.encode(records);
        self.append_batch(&mut writer, &batch, space)
    }

    fn append_batch(
        &self,
        writer: &mut Writer,
        batch: &Encoded<'_>,
        space: Space,
    ) -> Result<Appended, AppendError> {
        let shared = &*self.0;
        let limit = self.max_batch_bytes();
        if batch.extent > limit || batch.longest() > u64::from(u32::MAX) {
            return Err(AppendError::TooLarge { bytes: batch.extent.max(batch.longest()), limit });
        }
        let (first, offset) = {
            let state = shared.state.lock();
            (state.end, state.end_offset)
        };
        let fits = |active: &Active| offset + batch.extent <= active.bytes;
        let (mut dropped, mut offset) = (None, offset);
        if !writer.active.as_ref().is_some_and(fits) && batch.len() > 0 {
            dropped = self.begin_segment(writer, first, space)?;
            offset = DATA_START;
        }
        let next = Position(first.0 + batch.len());
        let Some(active) = &writer.active else { return Ok(Appended { first, next, dropped }) };
        let headers = batch.headers(first, active.salt, shared.environment.clock.unix_nanos());
        let written = active.file.write_at(&mut batch.slices(&headers), offset).during("write", &active.path);
        if let Err(error) = written {
            self.abandon_active(writer);
            return Err(self.full_or(error));
        }
        let mut state = shared.state.lock();
        state.end = next;
        state.end_offset = offset + batch.extent;
        state.counters.appended_records += batch.len();
        state.counters.appended_bytes += batch.plain_bytes;
        state.counters.written_bytes += batch.extent;
        state.written(|| unsynced(active), active.id);
        Ok(Appended { first, next, dropped })
    }

    /// Leaves a segment in which a write failed: what the failed write left must never be taken for
    /// records, and the next segment's first position sees to that.
    fn abandon_active(&self, writer: &mut Writer) {
        writer.active = None;
        if let Some(segment) = self.0.state.lock().segments.back_mut() {
            segment.reusable = false;
        }
    }

    fn full_or(&self, error: DiskError) -> AppendError {
        match NoSpare::full(error) {
            NoSpare::Full(cause) => self.full(cause),
            NoSpare::Disk(error) => error.into(),
        }
    }

    fn full(&self, cause: Full) -> AppendError {
        AppendError::Full { folder: self.0.folder.clone(), cause }
    }

    /// Begins a segment whose first record has this position, whatever earlier segments hold at and after it.
    fn begin_segment(
        &self,
        writer: &mut Writer,
        first: Position,
        space: Space,
    ) -> Result<Option<Dropped>, AppendError> {
        let shared = &*self.0;
        self.sync_overdue(writer)?;
        let mut dropped: Option<Dropped> = None;
        let material = loop {
            match self.material(writer, space) {
                Ok(material) => break material,
                Err(NoSpare::Disk(error)) => return Err(error.into()),
                Err(NoSpare::Full(_)) if self.give_back_kept(writer) => {}
                Err(NoSpare::Full(cause)) => {
                    let more = match shared.options.when_full {
                        WhenFull::DropOldest => self.drop_oldest(writer),
                        WhenFull::Refuse => None,
                    };
                    let Some(more) = more else { return Err(self.full(cause)) };
                    dropped = Some(dropped.map_or(more, |dropped| dropped.and(more)));
                }
            }
        };
        let id = writer.next_id;
        writer.next_id = SegmentId(id.0 + 1);
        let header = SegmentHeader {
            salt: (shared.environment.rng.next_u64() as u32).max(1),
            id,
            first,
            begun_unix_nanos: shared.steady_unix_nanos(),
        };
        let path = shared.folder.join(FileName::Segment { id, first }.to_string());
        let disk = &shared.environment.disk;
        let begun = SegmentFile::begin(&*material.file, &material.path, &header)
            .and_then(|()| disk.rename(&material.path, &path).during("rename", &material.path))
            .and_then(|()| disk.sync_folder(&shared.folder).during("sync", &shared.folder));
        if let Some(number) = material.number {
            writer.pool.used(number);
        }
        if let Err(error) = begun {
            // The name may be durable or not. As it may cut off what comes after its first position, nothing
            // is appended to an earlier segment any more.
            writer.active = None;
            // Under whichever name it is. If it stays, it is a spare, or a segment without records.
            let _ = disk.remove(&material.path);
            let _ = disk.remove(&path);
            return Err(self.full_or(error));
        }
        let bytes = shared.options.segment_bytes;
        let active = Active { id, file: material.file, path, salt: header.salt, bytes };
        self.enter(writer, &active, &header);
        writer.active = Some(active);
        Ok(dropped)
    }

    /// Makes a new segment known, and forgets those that it makes empty.
    fn enter(&self, writer: &mut Writer, active: &Active, header: &SegmentHeader) {
        let mut dead = Vec::new();
        {
            let mut state = self.0.state.lock();
            while state.segments.back().is_some_and(|segment| segment.first >= header.first) {
                dead.extend(state.segments.pop_back());
            }
            for segment in &dead {
                state.unsynced.retain(|unsynced| unsynced.id != segment.id);
                state.failed.retain(|&failed| failed != segment.id);
            }
            state.segments.push_back(Segment {
                id: header.id,
                first: header.first,
                bytes: active.bytes,
                begun_unix_nanos: Begun::At(header.begun_unix_nanos),
                copies: 0,
                reusable: true,
            });
            state.end = header.first;
            state.end_offset = DATA_START;
            state.written(|| unsynced(active), active.id);
        }
        for segment in dead {
            self.recycle(writer, segment);
        }
    }

    /// A laid-out spare, else a file that is only allocated.
    pub(crate) fn material(&self, writer: &mut Writer, space: Space) -> Result<Material, NoSpare> {
        let shared = &*self.0;
        let kept = match space {
            Space::Ordinary => RESERVE,
            Space::WithReserve => 0,
        };
        if writer.pool.len() > kept
            && let Some(number) = writer.pool.first()
        {
            let path = writer.pool.path(number);
            match shared.environment.disk.open(&path, OpenMode::Write).during("open", &path) {
                Ok(file) => return Ok(Material { number: Some(number), path, file }),
                // Somebody removed it: the next one, then.
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
                    writer.pool.used(number);
                    return self.material(writer, space);
                }
                Err(error) => return Err(NoSpare::Disk(error)),
            }
        }
        let in_use = shared.bytes_in_use(writer);
        let spare = writer.pool.create(&shared.options, in_use)?;
        match spare.file.allocate(shared.options.segment_bytes).during("allocate", &spare.path) {
            Ok(()) => Ok(Material { number: None, path: spare.path, file: spare.file }),
            Err(error) => {
                writer.pool.discard(spare);
                Err(NoSpare::full(error))
            }
        }
    }

    /// Forgets all records at and after a position, durably: their positions are used again. Readers made
    /// before end with [`ReadError::Cut`](crate::ReadError::Cut). Nothing happens if there are none.
    ///
    /// Begins a segment, so it costs a segment of disk; it may use the one in reserve. After an error the
    /// records are still there, but a crash may cut them off; cut again.
    pub fn cut_suffix(&self, position: Position) -> Result<(), AppendError> {
        let shared = &*self.0;
        let mut writer = shared.writer.lock();
        let records = shared.state.lock().records();
        if position >= records.end {
            return Ok(());
        }
        let position = position.max(records.start);
        // First the cursors: once the records are gone, their positions are used again.
        shared.cursors.lower_to(position);
        shared.cursors.persist_lowered()?;
        self.begin_segment(&mut writer, position, Space::WithReserve)?;
        let mut state = shared.state.lock();
        state.durable = state.durable.min(position);
        state.own_from = state.own_from.min(position);
        state.cuts += 1;
        Ok(())
    }
}

fn unsynced(active: &Active) -> Unsynced {
    Unsynced { id: active.id, path: active.path.clone(), file: Arc::clone(&active.file) }
}
