//! The journal behind a spool, where blocking is allowed.

use super::partial::{self, InPart};
use super::record::Incoming;
use super::settings::SpoolSettings;
use journal::{
    CursorId, Environment, Journal, OpenError, Position, Read, ReadError, Reader, Recovery, StartAt,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::path::PathBuf;

/// The cursor of what was delivered.
pub(super) const CURSOR: &str = "delivered";

/// An open journal and its one cursor.
pub(super) struct Store {
    pub(super) journal: Journal,
    pub(super) cursor: CursorId,
    environment: Environment,
    folder: PathBuf,
    /// Time stamps of records that were read and not settled.
    stamps: Mutex<HashMap<Position, u64>>,
    before: InPart,
    /// Records before it are of earlier processes.
    pub(super) own_from: Position,
}

/// What an opened journal holds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Contents {
    pub(super) watermark: Position,
    pub(super) end: Position,
    /// Deliveries and bytes before the first record that is not settled; none if it can't be read.
    pub(super) done: Option<(u64, u64)>,
    /// Deliveries and bytes of all records.
    pub(super) sums: (u64, u64),
}

impl Store {
    /// Opens or creates it.
    pub(super) fn open(
        environment: Environment,
        settings: &SpoolSettings,
    ) -> Result<(Self, Recovery), OpenError> {
        let (journal, recovery) = Journal::open(environment.clone(), &settings.folder, settings.journal())?;
        let cursor = journal.open_cursor(CURSOR, StartAt::Oldest).map_err(|error| match error {
            journal::CursorError::Disk(error) => OpenError::Disk(error),
            other => OpenError::NotWritable {
                folder: settings.folder.clone(),
                source: std::io::Error::other(other),
            },
        })?;
        let before = partial::load(&*environment.disk, &settings.folder);
        let (folder, stamps) = (settings.folder.clone(), Mutex::default());
        let own_from = journal.records().end;
        Ok((Self { journal, cursor, environment, folder, stamps, before, own_from }, recovery))
    }

    /// What it holds: two records are read.
    pub(super) fn contents(&self) -> Result<Contents, ReadError> {
        let records = self.journal.records();
        let watermark = self.journal.watermark(self.cursor).max(records.start);
        let mut contents = Contents { watermark, end: records.end, ..Contents::default() };
        if records.is_empty() {
            contents.done = Some((0, 0));
            return Ok(contents);
        }
        let mut last = self.journal.read_from(Position(records.end.0 - 1));
        if let Some((_, record)) = next_whole(&mut last)?
            && let Ok(record) = Incoming::read(record.payload, 0, event::Budget::new(0).share().nothing())
        {
            let stamp = record.stamp;
            contents.sums =
                (stamp.deliveries_before + u64::from(record.deliveries), stamp.bytes_before + record.bytes);
        }
        contents.done = match watermark < records.end {
            true => next_whole(&mut self.journal.read_from(watermark))?.and_then(|(missing, record)| {
                // Of damaged records it is not known how much was in them: one delivery each, at least.
                let (deliveries, bytes) = Incoming::sums(&record.payload)?;
                Some((deliveries.saturating_sub(missing), bytes))
            }),
            false => Some(contents.sums),
        };
        Ok(contents)
    }

    /// What stands before the oldest record, after older ones were dropped.
    pub(super) fn sums_at_start(&self) -> Option<(Position, (u64, u64))> {
        let start = self.journal.records().start;
        let (_, record) = next_whole(&mut self.journal.read_from(start)).ok()??;
        Some((record.position, Incoming::sums(&record.payload)?))
    }

    /// How many records of a batch an earlier process delivered.
    pub(super) fn delivered_before(&self, record: &journal::Record) -> Option<u32> {
        self.before.get(&(record.position, record.unix_nanos)).copied()
    }

    /// Notes the time stamp of a record that is handed to a sender.
    pub(super) fn note(&self, record: &journal::Record) {
        self.stamps.lock().insert(record.position, record.unix_nanos);
    }

    /// Records are settled.
    pub(super) fn settle(&self, positions: impl IntoIterator<Item = Position>) {
        let mut stamps = self.stamps.lock();
        for position in positions {
            stamps.remove(&position);
            self.journal.settle(self.cursor, position..position.next());
        }
    }

    /// All records before a position are settled.
    pub(super) fn settle_before(&self, end: Position) {
        self.stamps.lock().retain(|position, _| *position >= end);
        let watermark = self.journal.watermark(self.cursor);
        self.journal.settle(self.cursor, watermark..end.max(watermark));
    }

    /// Writes down what of the records that are not settled was delivered.
    pub(super) fn store_in_part(&self, in_part: &HashMap<Position, u32>) -> std::io::Result<()> {
        let watermark = self.journal.watermark(self.cursor);
        let mut known: InPart = self.before.clone();
        let stamps = self.stamps.lock();
        for (position, delivered) in in_part {
            let stamp = match stamps.get(position) {
                Some(stamp) => Some(*stamp),
                // It was appended while a sender had it, and never read.
                None => {
                    next_whole(&mut self.journal.read_from(*position)).ok().flatten().map(|r| r.1.unix_nanos)
                }
            };
            if let Some(stamp) = stamp {
                known.insert((*position, stamp), *delivered);
            }
        }
        known.retain(|(position, _), _| *position >= watermark);
        if known.is_empty() && self.before.is_empty() {
            return Ok(());
        }
        partial::store(&*self.environment.disk, &self.folder, &known)
    }
}

/// The next record that can be read, and how many before it can't.
fn next_whole(reader: &mut Reader) -> Result<Option<(u64, journal::Record)>, ReadError> {
    let mut missing = 0;
    loop {
        match reader.next()? {
            Read::Record(record) => return Ok(Some((missing, record))),
            Read::Gap(gap) => missing += gap.records(),
            Read::CaughtUp => return Ok(None),
        }
    }
}
