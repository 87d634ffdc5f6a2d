//! The files of the quarantine: a journal of events, and the marks beside it. Everything here blocks.

use super::entry::{DecodeError, Encoded, Kept, Meta};
use super::marks::Marks;
use super::selection::Selection;
use bytes::Bytes;
use journal::{Appended, Environment, Journal, Options, Position, Recovery, WhenFull, inspect};
use seams::Disk;
use std::io;
use std::path::{Path, PathBuf};

/// So many segments make the quota: what makes room is one of them.
const SEGMENTS: u64 = 8;
const LEAST_SEGMENT_BYTES: u64 = 64 << 10;
const MOST_SEGMENT_BYTES: u64 = 64 << 20;
/// Free disk that must stay for others.
const FLOOR_BYTES: u64 = 64 << 20;
/// Appended at once at most, but for a single event that is longer.
const APPEND_BYTES: u64 = 1 << 20;

/// What the journal adds to a record, at most: see `Journal::max_batch_bytes`.
const RECORD_BYTES: u64 = 48;

/// Where the events are, below an installation's root.
pub fn folder(root: &Path) -> PathBuf {
    root.join("storage").join("quarantine")
}

fn marks_file(folder: &Path) -> PathBuf {
    folder.with_extension("marks")
}

/// The open store.
#[derive(Debug)]
pub struct Store {
    journal: Journal,
    disk: std::sync::Arc<dyn Disk>,
    folder: PathBuf,
    marks: Marks,
}

/// An event to be written.
#[derive(Debug)]
pub struct ToKeep {
    /// What is known about it.
    pub meta: Meta,
    /// Its bytes.
    pub event: Bytes,
    /// What a target refused.
    pub payload: Option<Bytes>,
}

/// What became of events that were to be written.
#[derive(Debug, Default)]
pub struct Written {
    /// So many of the first are on disk, synced.
    pub kept: usize,
    /// Why the others are not.
    pub trouble: Option<String>,
    /// So many older ones, neither purged nor replayed, made room.
    pub overwritten: u64,
}

/// How much is in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Amount {
    /// Events that are kept.
    pub events: u64,
    /// Of these, not replayed yet.
    pub waiting: u64,
    /// Bytes of disk.
    pub disk_bytes: u64,
}

/// What a look at the events could not show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unreadable {
    /// Damaged records.
    pub damaged: u64,
    /// Records that are not understood.
    pub unknown: u64,
}

impl Store {
    /// Opens or creates it with a quota.
    ///
    /// Marks that can't be read are set aside, and all events are listed again: that must not keep others out.
    ///
    /// # Errors
    /// When the journal can't be opened.
    pub fn open(
        environment: Environment,
        folder: &Path,
        quota_bytes: u64,
    ) -> anyhow::Result<(Self, Recovery)> {
        let segment = (quota_bytes / SEGMENTS).clamp(LEAST_SEGMENT_BYTES, MOST_SEGMENT_BYTES) & !4095;
        let options = Options {
            segment_bytes: segment,
            quota_bytes: quota_bytes.max(3 * segment),
            floor_bytes: FLOOR_BYTES,
            max_age: None,
            when_full: WhenFull::DropOldest,
            ..Options::default()
        };
        let disk = std::sync::Arc::clone(&environment.disk);
        let (journal, recovery) = Journal::open(environment, folder, options)?;
        let mut store =
            Self { marks: marks_or_none(&*disk, folder), journal, disk, folder: folder.to_owned() };
        store.marks.keep(store.ids());
        Ok((store, recovery))
    }

    /// Writes events and syncs them. The oldest make room when the quota is used up.
    pub fn keep(&mut self, events: &[ToKeep]) -> Written {
        let mut written = Written::default();
        let limit = self.journal.max_batch_bytes() - RECORD_BYTES;
        let mut encoded = Vec::new();
        for ToKeep { meta, event, payload } in events {
            match Encoded::of(meta, event.clone(), payload.clone(), limit) {
                Ok(record) => encoded.push(record),
                Err(e) => {
                    written.trouble = Some(e.to_string());
                    break;
                }
            }
        }
        let mut rest = &encoded[..];
        while !rest.is_empty() {
            let mut bytes = 0;
            let fitting = rest.iter().take_while(|record| {
                bytes += record.len() + RECORD_BYTES;
                bytes <= APPEND_BYTES.min(limit / 2)
            });
            let (now, later) = rest.split_at(fitting.count().max(1));
            match self.append(now) {
                Ok(appended) => written.overwritten += self.overwritten(&appended),
                Err(trouble) => {
                    written.trouble = Some(trouble);
                    break;
                }
            }
            written.kept += now.len();
            rest = later;
        }
        written
    }

    fn append(&self, records: &[Encoded]) -> Result<Appended, String> {
        let parts: Vec<[&[u8]; 3]> = records
            .iter()
            .map(|record| [&record.head[..], &record.event, record.payload.as_deref().unwrap_or_default()])
            .collect();
        let parts: Vec<journal::Parts<'_>> = parts.iter().map(|parts| &parts[..]).collect();
        // After a failed write another segment is used, so a second attempt may succeed where the first did not.
        let appended = self.journal.append_reserved(&parts).or_else(|_| self.journal.append_reserved(&parts));
        let appended = appended.map_err(|e| e.to_string())?;
        // After a failed sync the next one writes the records to another file.
        self.journal.sync().or_else(|_| self.journal.sync()).map_err(|e| e.to_string())?;
        Ok(appended)
    }

    /// How many events made room that nobody had decided about.
    fn overwritten(&mut self, appended: &Appended) -> u64 {
        let Some(dropped) = appended.dropped else { return 0 };
        let gone = dropped.from.0..dropped.to.0;
        let Marks { purged, replayed, .. } = &self.marks;
        let decided = purged.count(gone.clone()) + replayed.count_without(purged, gone.clone());
        let overwritten = (gone.end - gone.start) - decided;
        self.marks.keep(self.ids());
        overwritten
    }

    /// Lays out disk space for what may come, so that a full disk does not keep it out. Takes as long as writing it.
    ///
    /// # Errors
    /// When a file operation fails other than for want of space.
    pub fn prepare(&self) -> anyhow::Result<()> {
        self.journal.prepare()?;
        Ok(())
    }

    /// Removes events; their disk space is used again when all around them are gone, too. Returns how many.
    ///
    /// # Errors
    /// When they can't be read, or the marks can't be written: nothing is removed then.
    pub fn purge(&mut self, selection: &Selection, now: u64) -> anyhow::Result<u64> {
        let mut marks = self.marks.clone();
        let mut purged = 0;
        look(&*self.disk, &self.folder, |kept, marked| {
            if selection.takes(&kept, marked, now) {
                marks.purged.insert(kept.id..kept.id + 1);
                purged += 1;
            }
            true
        })?;
        self.mark(marks)?;
        let gone = self.marks.purged.first_missing(self.ids().start);
        self.journal.purge_prefix(Position(gone));
        self.marks.keep(self.ids());
        Ok(purged)
    }

    /// Notes that events were replayed.
    ///
    /// # Errors
    /// When that can't be written down.
    pub fn replayed(&mut self, ids: impl IntoIterator<Item = u64>) -> anyhow::Result<()> {
        let mut marks = self.marks.clone();
        for id in ids {
            marks.replayed.insert(id..id + 1);
        }
        self.mark(marks)
    }

    fn mark(&mut self, marks: Marks) -> anyhow::Result<()> {
        marks.save(&*self.disk, &marks_file(&self.folder))?;
        self.marks = marks;
        Ok(())
    }

    /// The number of the next event.
    pub fn end(&self) -> u64 {
        self.ids().end
    }

    fn ids(&self) -> std::ops::Range<u64> {
        let records = self.journal.records();
        records.start.0..records.end.0
    }

    /// How much is in it.
    pub fn amount(&self) -> Amount {
        let ids = self.ids();
        let events = (ids.end - ids.start) - self.marks.purged.count(ids.clone());
        let replayed = self.marks.replayed.count_without(&self.marks.purged, ids);
        Amount { events, waiting: events - replayed, disk_bytes: self.journal.stats().disk_bytes }
    }
}

/// Shows all events that are not purged to a function, oldest first, until it returns false. Changes nothing and takes no
/// lock, so it may run beside whoever has the store open.
///
/// # Errors
/// When the files can't be read.
pub fn look(
    disk: &dyn Disk,
    folder: &Path,
    mut each: impl FnMut(Kept, &Marks) -> bool,
) -> anyhow::Result<Unreadable> {
    let marks = load_marks(disk, folder)?;
    let mut unreadable = Unreadable::default();
    let extracted = inspect::extract(disk, folder, Position(0)..Position(u64::MAX), |record| {
        if marks.purged.contains(record.position.0) {
            return true;
        }
        match Kept::decode(&record) {
            Ok(kept) => each(kept, &marks),
            Err(DecodeError::Format(_) | DecodeError::Short | DecodeError::Meta(_)) => {
                unreadable.unknown += 1;
                true
            }
        }
    });
    match extracted {
        Ok(gaps) => unreadable.damaged = gaps.iter().map(journal::Gap::records).sum(),
        Err(journal::ReadError::Disk(e)) if e.source.kind() == io::ErrorKind::NotFound => {}
        Err(e) => return Err(e.into()),
    }
    Ok(unreadable)
}

fn marks_or_none(disk: &dyn Disk, folder: &Path) -> Marks {
    load_marks(disk, folder).unwrap_or_else(|e| {
        let (file, aside) = (marks_file(folder), folder.with_extension("marks.damaged"));
        let kept = match disk.rename(&file, &aside) {
            Ok(()) => format!("it is kept as {}", aside.display()),
            Err(e) => format!("it can't be set aside: {e}"),
        };
        tracing::error!("{e:#}; {kept}; events that were purged may be listed again");
        Marks::default()
    })
}

fn load_marks(disk: &dyn Disk, folder: &Path) -> anyhow::Result<Marks> {
    let file = marks_file(folder);
    let found = Marks::load(disk, &file).map_err(|e| {
        anyhow::anyhow!("cannot read {}, which says what was purged and replayed: {e}", file.display())
    })?;
    Ok(found.unwrap_or_default())
}
