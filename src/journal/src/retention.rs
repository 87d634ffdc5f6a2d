//! What is kept and what goes: release, age, drop-oldest, purge; and laying out spares ahead.

use std::io;
use std::time::Duration;

use crate::error::{DiskError, During, Full};
use crate::format::FileName;
use crate::journal::{Journal, Writer};
use crate::pool::{NoSpare, SPARES_WANTED};
use crate::position::Position;
use crate::segment_file::SegmentFile;
use crate::state::{Begun, Segment};

/// What is only kept leaves so many segments of disk free beside the floor.
const SEGMENTS_LEFT_FREE: u64 = 4;

/// Records that were dropped before every cursor had settled them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The first position that was dropped.
    pub from: Position,
    /// The position after the last that was dropped.
    pub to: Position,
    /// How many of them the slowest cursor had not settled, as far as its watermark tells; all without
    /// cursors.
    pub records: u64,
    /// Bytes of disk.
    pub bytes: u64,
}

/// Whether spares are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Prepared {
    /// The reserve and another one are.
    Ready,
    /// There is no space for them.
    Full(Full),
}

#[derive(Clone, Copy)]
enum Cause {
    Space,
    Age,
}

impl Journal {
    /// Lays out spare segments until the reserve and another one are there. Takes as long as writing them: for a
    /// background thread, after opening, after each new segment, and when the disk was full.
    pub fn prepare(&self) -> Result<Prepared, DiskError> {
        let shared = &*self.0;
        loop {
            let created = {
                let mut writer = shared.writer.lock();
                if writer.pool.len() >= SPARES_WANTED {
                    return Ok(Prepared::Ready);
                }
                let in_use = shared.bytes_in_use(&writer);
                writer.pool.create(&shared.options, in_use)
            };
            let laid_out = created.and_then(|spare| {
                let result = spare.file.lay_out(shared.options.segment_bytes);
                match result.during("lay out", &spare.path) {
                    Ok(()) => Ok(spare),
                    Err(error) => {
                        shared.writer.lock().pool.discard(spare);
                        Err(NoSpare::full(error))
                    }
                }
            });
            match laid_out {
                Ok(spare) => shared.writer.lock().pool.add(spare),
                Err(NoSpare::Full(cause)) => {
                    if !self.give_back_kept(&mut shared.writer.lock()) {
                        return Ok(Prepared::Full(cause));
                    }
                }
                Err(NoSpare::Disk(error)) => return Err(error),
            }
        }
    }

    /// Gives back the segments that every cursor has settled, and that are older than
    /// [`Options::keep_for`](crate::Options); nothing without cursors. Returns the oldest position that is kept.
    pub fn release(&self) -> Position {
        match self.0.cursors.lowest() {
            Some(lowest) if self.0.options.keep_for.is_zero() => self.purge_prefix(lowest),
            Some(lowest) => self.release_kept(lowest),
            None => self.records().start,
        }
    }

    fn release_kept(&self, lowest: Position) -> Position {
        let mut writer = self.0.writer.lock();
        let keep_for = self.0.options.keep_for;
        loop {
            let scarce = self.is_disk_scarce();
            // What can't be read has no age, and nobody will ask for it.
            let old = self.oldest_is_older_than(keep_for).unwrap_or(true);
            if !scarce && !old {
                break;
            }
            let Some(mut oldest) = self.pop_oldest(|next| next.first <= lowest) else { break };
            // Others need the space.
            oldest.reusable &= !scarce;
            self.recycle(&mut writer, oldest);
        }
        self.recycle_released(&mut writer);
        let start = self.records().start;
        self.0.cursors.raise_to(start);
        start
    }

    /// Gives back the oldest segment that is only kept; whether there was one.
    pub(crate) fn give_back_kept(&self, writer: &mut Writer) -> bool {
        if self.0.options.keep_for.is_zero() {
            return false;
        }
        let Some(lowest) = self.0.cursors.lowest() else { return false };
        let Some(oldest) = self.pop_oldest(|next| next.first <= lowest) else { return false };
        self.recycle(writer, oldest);
        self.0.cursors.raise_to(self.records().start);
        true
    }

    /// Whether the disk has hardly more than the floor, so that what is only kept has to make room.
    fn is_disk_scarce(&self) -> bool {
        let options = &self.0.options;
        let needed = options.floor_bytes + SEGMENTS_LEFT_FREE * options.segment_bytes;
        self.0.environment.disk.free_bytes(&self.0.folder).is_ok_and(|free| free < needed)
    }

    /// Gives back the segments that lie before a position as a whole, whatever the cursors say; the newest
    /// one stays. Returns the oldest position that is kept.
    pub fn purge_prefix(&self, position: Position) -> Position {
        let mut writer = self.0.writer.lock();
        while let Some(oldest) = self.pop_oldest(|next| next.first <= position) {
            self.recycle(&mut writer, oldest);
        }
        self.recycle_released(&mut writer);
        let start = self.records().start;
        self.0.cursors.raise_to(start);
        start
    }

    /// Drops the segments whose records are all older than [`Options::max_age`](crate::Options), settled
    /// or not; the newest one stays. Says what was not settled.
    ///
    /// Ages follow the monotonic clock while the journal is open: setting the wall clock drops nothing.
    pub fn expire(&self) -> Result<Option<Dropped>, DiskError> {
        let Some(max_age) = self.0.options.max_age else { return Ok(None) };
        let mut writer = self.0.writer.lock();
        let mut dropped: Option<Dropped> = None;
        while self.oldest_is_older_than(max_age)? {
            let Some(more) = self.drop_one(&mut writer, Cause::Age) else { break };
            dropped = Some(dropped.map_or(more, |dropped| dropped.and(more)));
        }
        Ok(dropped.filter(|dropped| dropped.records > 0))
    }

    /// Drops the oldest segment to make room; `None` if there is but one.
    pub(crate) fn drop_oldest(&self, writer: &mut Writer) -> Option<Dropped> {
        self.drop_one(writer, Cause::Space)
    }

    fn drop_one(&self, writer: &mut Writer, cause: Cause) -> Option<Dropped> {
        let lowest = self.0.cursors.lowest().unwrap_or_default();
        let oldest = self.pop_oldest(|_| true)?;
        let dropped = {
            let mut state = self.0.state.lock();
            let to = state.start();
            let records = to.since(oldest.first.max(lowest));
            match cause {
                Cause::Space => state.counters.dropped_for_space += records,
                Cause::Age => state.counters.dropped_for_age += records,
            }
            Dropped { from: oldest.first, to, records, bytes: oldest.bytes }
        };
        self.0.cursors.raise_to(dropped.to);
        self.recycle(writer, oldest);
        Some(dropped)
    }

    /// Takes the oldest segment off the list if there is one after it, of which the condition holds.
    fn pop_oldest(&self, condition: impl Fn(&Segment) -> bool) -> Option<Segment> {
        let mut state = self.0.state.lock();
        if !state.segments.get(1).is_some_and(condition) {
            return None;
        }
        let oldest = state.segments.pop_front()?;
        // Its file will be another segment's: syncing it is that one's business.
        state.unsynced.retain(|unsynced| unsynced.id != oldest.id);
        state.failed.retain(|&failed| failed != oldest.id);
        Some(oldest)
    }

    /// A segment is as old as its youngest record, which is older than the next segment.
    fn oldest_is_older_than(&self, max_age: Duration) -> Result<bool, DiskError> {
        let Some(next) = self.0.state.lock().segments.get(1).cloned() else { return Ok(false) };
        let begun = match next.begun_unix_nanos {
            Begun::At(begun) => begun,
            Begun::Unknown => return Ok(false),
            Begun::NotRead => {
                let read = self.read_begun(&next);
                if let Some(segment) = self.0.state.lock().segments.get_mut(1) {
                    segment.begun_unix_nanos = read;
                }
                match read {
                    Begun::At(begun) => begun,
                    Begun::Unknown | Begun::NotRead => return Ok(false),
                }
            }
        };
        let age = self.0.steady_unix_nanos().saturating_sub(begun);
        Ok(u128::from(age) > max_age.as_nanos())
    }

    fn read_begun(&self, segment: &Segment) -> Begun {
        let opened = SegmentFile::open(&*self.0.environment.disk, &self.0.folder, segment.id, segment.first);
        // What can't be read has no age, and goes when it is settled or in the way.
        opened.ok().and_then(|segment| segment.begun_unix_nanos).map_or(Begun::Unknown, Begun::At)
    }

    /// Turns a segment that is off the list into a spare. If that fails it waits for the next time, and
    /// others after it: an older segment that reappeared after a newer one had gone would look like damage.
    pub(crate) fn recycle(&self, writer: &mut Writer, segment: Segment) {
        writer.released.push_back(segment);
        self.recycle_released(writer);
    }

    fn recycle_released(&self, writer: &mut Writer) {
        while let Some(oldest) = writer.released.front() {
            let name = FileName::Segment { id: oldest.id, first: oldest.first };
            let reusable = oldest.reusable && oldest.bytes == self.0.options.segment_bytes;
            let recycled = writer.pool.recycle(&self.0.folder.join(name.to_string()), reusable);
            match recycled {
                Ok(()) => writer.released.pop_front(),
                // It has the other name already: only the sync after that had failed.
                Err(error) if error.source.kind() == io::ErrorKind::NotFound => writer.released.pop_front(),
                Err(_) => return,
            };
        }
    }
}

// === impl Dropped ===

impl Dropped {
    /// This, and what was dropped right after it.
    pub(crate) fn and(self, later: Self) -> Self {
        Self {
            from: self.from,
            to: later.to,
            records: self.records + later.records,
            bytes: self.bytes + later.bytes,
        }
    }
}
