//! Syncing in groups, and what to do after a sync that failed.

use std::io::{self, IoSlice};
use std::sync::Arc;

use seams::{DiskFile, OpenMode};

use crate::append::Space;
use crate::error::{DiskError, During, SyncError};
use crate::format::{FileName, SYNC_FAILED_FILE};
use crate::journal::{Journal, Writer};
use crate::pool::NoSpare;
use crate::position::{Gap, Position, SegmentId};
use crate::recovery::MAX_UNSYNCED;
use crate::scan::{OnError, Step};
use crate::segment_file::SegmentFile;

/// Bytes copied at once after a failed sync.
const COPY_BLOCK_BYTES: usize = 1 << 20;

/// How often it is tried to leave a mark after a failed sync.
const MARKER_ATTEMPTS: usize = 3;

impl Journal {
    /// Makes durable what was appended before the call, and returns the position up to which that holds.
    ///
    /// Appends go on meanwhile. A thread that calls this again and again syncs in groups: each call
    /// covers what arrived while the one before ran, so a thousand small appends cost one sync.
    ///
    /// After an error nothing more is durable than before. A kernel forgets what it failed to write, so
    /// the next call first copies the segments concerned to other files.
    pub fn sync(&self) -> Result<Position, SyncError> {
        let shared = &*self.0;
        let _one_at_a_time = shared.syncing.lock();
        self.copy_failed()?;
        if shared.state.lock().names_unsynced {
            shared.environment.disk.sync_folder(&shared.folder).during("sync", &shared.folder)?;
            shared.state.lock().names_unsynced = false;
        }
        let (end, cuts, mut due) = {
            let mut state = shared.state.lock();
            (state.end, state.cuts, std::mem::take(&mut state.unsynced))
        };
        while let Some(unsynced) = due.front() {
            let Err(error) = unsynced.file.sync_data().during("sync", &unsynced.path) else {
                due.pop_front();
                continue;
            };
            let failed = unsynced.id;
            due.pop_front();
            {
                // Those not tried are due again, before what was written to meanwhile.
                let mut state = shared.state.lock();
                let known: Vec<SegmentId> = due.iter().map(|unsynced| unsynced.id).collect();
                let later = std::mem::replace(&mut state.unsynced, due);
                state.unsynced.extend(later.into_iter().filter(|unsynced| !known.contains(&unsynced.id)));
            }
            self.note_failure(failed);
            return Err(error.into());
        }
        let mut state = shared.state.lock();
        state.counters.syncs += 1;
        // A sync that failed meanwhile, when a segment was begun, or a cut suffix: this one proves nothing.
        if state.failed.is_empty() && state.cuts == cuts {
            state.durable = state.durable.max(end);
        }
        Ok(state.durable)
    }

    /// Syncs the oldest segments before another one is begun, so that never more than the newest
    /// [`MAX_UNSYNCED`] are unsynced: opening relies on it. Where nobody syncs, the kernel has written
    /// these long ago.
    pub(crate) fn sync_overdue(&self, writer: &mut Writer) -> Result<(), DiskError> {
        loop {
            let (failed, oldest) = {
                let state = self.0.state.lock();
                if state.failed.len() + state.unsynced.len() < MAX_UNSYNCED {
                    return Ok(());
                }
                (state.failed.first().copied(), state.unsynced.front().cloned())
            };
            if let Some(id) = failed {
                let lost = self.copy_segment(writer, id)?;
                self.copied(id, lost);
            } else if let Some(oldest) = oldest {
                match oldest.file.sync_data() {
                    Ok(()) => self.0.state.lock().unsynced.retain(|unsynced| unsynced.id != oldest.id),
                    Err(_) => self.note_failure(oldest.id),
                }
            }
        }
    }

    /// Marks a segment as one that has to be copied, in memory and for the next process: the kernel tells a
    /// failure once. One that was given back meanwhile may have told the failure of a segment that has its file now: then
    /// all that are unsynced are copied.
    fn note_failure(&self, id: SegmentId) {
        let (disk, marker) = (&self.0.environment.disk, self.0.folder.join(SYNC_FAILED_FILE));
        // If it can't be made on this failing disk, all depends on the process living on until the copy.
        let made = (0..MARKER_ATTEMPTS).any(|_| disk.open(&marker, OpenMode::Create).is_ok());
        let mut state = self.0.state.lock();
        state.failure_marked |= made;
        state.counters.sync_failures += 1;
        let concerned: Vec<SegmentId> = match state.index_of(id) {
            Some(_) => vec![id],
            None => state.unsynced.iter().map(|unsynced| unsynced.id).collect(),
        };
        state.unsynced.retain(|unsynced| !concerned.contains(&unsynced.id));
        for id in concerned {
            if !state.failed.contains(&id) {
                state.failed.push(id);
            }
        }
    }

    /// Copies the segments whose sync failed to files that are synced, under the same names.
    fn copy_failed(&self) -> Result<(), SyncError> {
        loop {
            let Some(&id) = self.0.state.lock().failed.first() else { break };
            let mut writer = self.0.writer.lock();
            let lost = self.copy_segment(&mut writer, id)?;
            if let Some(lost) = self.copied(id, lost) {
                return Err(SyncError::Lost(lost));
            }
        }
        let marked = std::mem::take(&mut self.0.state.lock().failure_marked);
        if marked && self.0.environment.disk.remove(&self.0.folder.join(SYNC_FAILED_FILE)).is_err() {
            // The next process copies segments without need.
            self.0.state.lock().failure_marked = true;
        }
        Ok(())
    }

    fn copied(&self, id: SegmentId, lost: Option<Gap>) -> Option<Gap> {
        let mut state = self.0.state.lock();
        state.failed.retain(|&failed| failed != id);
        state.counters.lost_in_sync += lost.map_or(0, |lost| lost.records());
        lost
    }

    /// Returns which of this process's undurable records could not be read back. The writer waits meanwhile.
    fn copy_segment(&self, writer: &mut Writer, id: SegmentId) -> Result<Option<Gap>, DiskError> {
        let shared = &*self.0;
        let bounds = {
            let state = shared.state.lock();
            // Released or cut off since: nothing to save.
            let Some(bounds) = state.index_of(id).and_then(|index| state.bounds(index)) else {
                return Ok(None);
            };
            bounds
        };
        let first = bounds.positions.start;
        let path = shared.folder.join(FileName::Segment { id, first }.to_string());
        let disk = &shared.environment.disk;
        let old = disk.open(&path, OpenMode::Read).during("open", &path)?;
        let material = self.material(writer, Space::WithReserve).map_err(|none| match none {
            NoSpare::Disk(error) => error,
            NoSpare::Full(full) => {
                let source = io::Error::new(io::ErrorKind::StorageFull, full);
                DiskError { action: "copy after a failed sync", path: path.clone(), source }
            }
        })?;
        copy(&*old, &*material.file, bounds.limit)
            .and_then(|()| clear(&*material.file, bounds.limit, shared.options.segment_bytes))
            .and_then(|()| material.file.sync_data())
            .during("copy after a failed sync", &path)?;
        disk.rename(&material.path, &path).during("rename", &material.path)?;
        if let Some(number) = material.number {
            writer.pool.used(number);
        }
        // From here on the old file has no name: whatever happens next, the new one is written to.
        if let Some(active) = writer.active.as_mut().filter(|active| active.id == id) {
            active.file = Arc::clone(&material.file);
            active.bytes = shared.options.segment_bytes;
        }
        {
            let mut state = shared.state.lock();
            if let Some(index) = state.index_of(id) {
                state.segments[index].copies += 1;
                state.segments[index].bytes = shared.options.segment_bytes;
            }
            state.unsynced.retain(|unsynced| unsynced.id != id);
        }
        disk.sync_folder(&shared.folder).during("sync", &shared.folder)?;
        let undurable = {
            let state = shared.state.lock();
            state.durable.max(state.own_from)
        };
        let copied = SegmentFile::open(&**disk, &shared.folder, id, first);
        let copied = copied.map_err(|error| DiskError {
            action: "open",
            path: path.clone(),
            source: io::Error::other(error),
        })?;
        let mut scan = copied.scan(bounds.positions, bounds.limit, COPY_BLOCK_BYTES, OnError::Fail);
        scan.seek(undurable).during("read", &path)?;
        let mut lost: Option<Gap> = None;
        loop {
            let gap = match scan.step().during("read", &path)? {
                Step::Record { .. } => continue,
                Step::Gap(gap) => Some(gap),
                Step::End => scan.pass_missing(),
            };
            let Some(gap) = gap else { return Ok(lost) };
            lost = Some(lost.map_or(gap, |lost| Gap { to: gap.to, bytes: lost.bytes + gap.bytes, ..lost }));
        }
    }
}

/// Overwrites the rest of a file with zeros: a spare may hold a copy of the same segment that an earlier process could not
/// finish, and records in it that were lost since would be back.
fn clear(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let block = vec![0; COPY_BLOCK_BYTES];
    let mut at = from;
    while at < to {
        let bytes = (to - at).min(COPY_BLOCK_BYTES as u64) as usize;
        file.write_at(&mut [IoSlice::new(&block[..bytes])], at)?;
        at += bytes as u64;
    }
    Ok(())
}

/// Copies the first bytes of a file.
fn copy(from: &dyn DiskFile, to: &dyn DiskFile, len: u64) -> io::Result<()> {
    let mut block = vec![0; COPY_BLOCK_BYTES];
    let mut at = 0;
    while at < len {
        let bytes = (len - at).min(COPY_BLOCK_BYTES as u64) as usize;
        from.read_exact_at(&mut block[..bytes], at)?;
        to.write_at(&mut [IoSlice::new(&block[..bytes])], at)?;
        at += bytes as u64;
    }
    Ok(())
}
