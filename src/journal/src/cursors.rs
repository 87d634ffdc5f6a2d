//! [`Cursors`]: the named cursors of a journal, in memory and on disk.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use parking_lot::Mutex;
use seams::Disk;

use crate::cursor::Progress;
use crate::cursor_file::{CursorFile, MAX_CURSORS, MAX_NAME_BYTES, Slot};
use crate::error::{CursorError, DiskError, VersionError};
use crate::position::Position;

/// A cursor of an open journal. Valid until it is removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CursorId(usize);

/// Where a cursor begins that was not there before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StartAt {
    /// At the oldest record.
    Oldest,
    /// After the newest record. Where cursors were lost, this begins at the oldest record, too: the one
    /// that is asked for may be among the lost.
    Newest,
}

/// All cursors of a journal.
#[derive(Debug)]
pub(crate) struct Cursors {
    /// Held while the file is written, without holding up those who settle.
    file: Mutex<CursorFile>,
    table: Mutex<Table>,
}

#[derive(Debug)]
struct Table {
    rows: Vec<Row>,
    /// Whether every cursor that was ever stored is known.
    complete: bool,
}

#[derive(Clone, Debug, Default)]
struct Row {
    cursor: Option<(String, Progress)>,
    /// Of the slot on disk that counts.
    generation: u64,
    /// How many times the row has to be written: both slots after a cursor was lowered.
    writes_due: u8,
    /// Whether a state that is on disk until the writes are done would skip records: a lower one, or none,
    /// counts.
    lowered: bool,
}

/// What became of the cursors at opening.
#[derive(Debug, Default)]
pub(crate) struct CursorRecovery {
    pub(crate) damaged: bool,
    pub(crate) lowered: u32,
}

impl Cursors {
    /// Reads the cursors of a journal that holds `records` and brings them into that range. `fresh`: the
    /// journal never had any.
    pub(crate) fn open(
        disk: Arc<dyn Disk>,
        folder: &Path,
        records: Range<Position>,
        fresh: bool,
    ) -> Result<(Self, CursorRecovery), VersionError> {
        let (file, found) = CursorFile::open(disk, folder)?;
        let mut rows = vec![Row::default(); MAX_CURSORS];
        for (row, slot) in rows.iter_mut().zip(found.slots) {
            if let Some(slot) = slot {
                // What was read may be in the kernel's memory only, and on the disk an older state that skips
                // records to come: so all is written once before the first append.
                let (cursor, generation) = (slot.cursor, slot.generation);
                *row = Row { cursor, generation, writes_due: 2, lowered: true };
            }
        }
        let mut lowered = 0;
        for row in &mut rows {
            lowered += u32::from(row.lower_to(records.end));
            row.raise_to(records.start);
        }
        let recovery = CursorRecovery { damaged: !fresh && !found.intact, lowered };
        let table = Table { rows, complete: fresh || found.intact };
        Ok((Self { file: Mutex::new(file), table: Mutex::new(table) }, recovery))
    }

    /// Finds a cursor or makes it, durably.
    pub(crate) fn open_cursor(
        &self,
        name: &str,
        start_at: StartAt,
        records: Range<Position>,
    ) -> Result<CursorId, CursorError> {
        if name.is_empty() || name.len() > MAX_NAME_BYTES {
            return Err(CursorError::Name(name.to_owned()));
        }
        // Rows of removed cursors are free once that is on disk.
        self.persist_lowered()?;
        let id = {
            let mut table = self.table.lock();
            if let Some(index) = table.rows.iter().position(|row| row.name() == Some(name)) {
                return Ok(CursorId(index));
            }
            let start = match start_at {
                StartAt::Newest if table.complete => records.end,
                StartAt::Newest | StartAt::Oldest => records.start,
            };
            let free = |row: &Row| row.cursor.is_none() && row.writes_due == 0;
            let Some(index) = table.rows.iter().position(free) else {
                return Err(CursorError::TooMany { name: name.to_owned(), limit: MAX_CURSORS });
            };
            table.rows[index].cursor = Some((name.to_owned(), Progress::at(start)));
            table.rows[index].writes_due = 1;
            CursorId(index)
        };
        self.persist()?;
        Ok(id)
    }

    /// Removes a cursor, durably.
    pub(crate) fn remove(&self, id: CursorId) -> Result<(), DiskError> {
        if let Some(row) = self.table.lock().rows.get_mut(id.0) {
            row.cursor = None;
            row.writes_due = 2;
            row.lowered = true;
        }
        self.persist()
    }

    pub(crate) fn settle(&self, id: CursorId, range: Range<Position>) {
        if let Some(row) = self.table.lock().rows.get_mut(id.0)
            && let Some((_, progress)) = &mut row.cursor
        {
            progress.settle(range);
            row.writes_due = row.writes_due.max(1);
        }
    }

    /// Makes all changes durable.
    pub(crate) fn persist(&self) -> Result<(), DiskError> {
        let mut file = self.file.lock();
        // Twice for those that go to both slots. What is settled meanwhile may have to wait for the next call.
        for _ in 0..2 {
            let slots: Vec<(usize, Slot)> = {
                let table = self.table.lock();
                let rows = table.rows.iter().enumerate();
                let due =
                    rows.filter(|(_, row)| row.writes_due > 0 || (file.is_missing() && row.cursor.is_some()));
                due.map(|(index, row)| (index, row.next_slot())).collect()
            };
            if slots.is_empty() {
                break;
            }
            file.write(&slots)?;
            let mut table = self.table.lock();
            for (index, slot) in slots {
                table.rows[index].written(&slot);
            }
        }
        Ok(())
    }

    /// Persists if records that come next would be skipped after a crash: cursors were lowered, and the
    /// disk does not know.
    pub(crate) fn persist_lowered(&self) -> Result<(), DiskError> {
        let lowered = self.table.lock().rows.iter().any(|row| row.lowered);
        if lowered { self.persist() } else { Ok(()) }
    }

    /// The lowest watermark; `None` without cursors.
    pub(crate) fn lowest(&self) -> Option<Position> {
        let table = self.table.lock();
        table
            .rows
            .iter()
            .filter_map(|row| row.cursor.as_ref())
            .map(|(_, progress)| progress.watermark())
            .min()
    }

    /// All cursors, by name.
    pub(crate) fn all(&self) -> Vec<(String, Progress)> {
        let table = self.table.lock();
        let mut all: Vec<_> = table.rows.iter().filter_map(|row| row.cursor.clone()).collect();
        all.sort_by(|(one, _), (two, _)| one.cmp(two));
        all
    }

    /// Asks a cursor something; `None` if it was removed.
    pub(crate) fn ask<T>(&self, id: CursorId, question: impl FnOnce(&Progress) -> T) -> Option<T> {
        self.table.lock().rows.get(id.0)?.cursor.as_ref().map(|(_, progress)| question(progress))
    }

    /// Moves cursors up to the oldest record.
    pub(crate) fn raise_to(&self, start: Position) {
        for row in &mut self.table.lock().rows {
            row.raise_to(start);
        }
    }

    /// Moves cursors down to the end.
    pub(crate) fn lower_to(&self, end: Position) {
        for row in &mut self.table.lock().rows {
            row.lower_to(end);
        }
    }
}

// === impl Row ===

impl Row {
    fn name(&self) -> Option<&str> {
        self.cursor.as_ref().map(|(name, _)| name.as_str())
    }

    fn next_slot(&self) -> Slot {
        Slot { generation: self.generation + 1, cursor: self.cursor.clone() }
    }

    fn written(&mut self, slot: &Slot) {
        self.generation = slot.generation;
        // Settled further in the meantime: that is due, too, unless another write is anyway.
        let unchanged = self.cursor == slot.cursor;
        self.writes_due = self.writes_due.saturating_sub(1).max(u8::from(!unchanged));
        self.lowered &= self.writes_due > 0;
    }

    fn raise_to(&mut self, start: Position) {
        if let Some((_, progress)) = &mut self.cursor {
            progress.raise_to(start);
        }
    }

    fn lower_to(&mut self, end: Position) -> bool {
        let lowered = self.cursor.as_mut().is_some_and(|(_, progress)| progress.lower_to(end));
        if lowered {
            self.writes_due = 2;
            self.lowered = true;
        }
        lowered
    }
}
