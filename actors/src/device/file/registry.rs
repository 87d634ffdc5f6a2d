//! All files that a device knows: who they are, how far each was read and acknowledged.
//!
//! It outlives collectors, readers and configurations; the keeper writes it down. One uncontended lock a batch.

use super::checkpoints::Saved;
use super::content::{Born, Head, Inode, Position};
use super::epoch::Epoch;
use event::UnixNanos;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// So many truncated contents are remembered, to recognise copies of them.
const MOST_ENDED: usize = 256;

/// A file of a registry. Never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileKey(u64);

/// The files of one device.
#[derive(Debug, Default)]
pub struct Registry(Mutex<Files>);

#[derive(Debug, Default)]
struct Files {
    loaded: bool,
    /// Something is to be written down.
    changed: bool,
    next: u64,
    files: BTreeMap<FileKey, Known>,
    ended: VecDeque<Ended>,
}

#[derive(Debug)]
struct Known {
    inode: Inode,
    born: Born,
    path: PathBuf,
    /// The present content is the last one; the checkpoint is in the first one, until that is settled.
    epochs: VecDeque<Epoch>,
    /// Counts who read it; marks of an earlier reader count for nothing.
    tenure: u64,
    /// When it was last there, in seconds since the Unix epoch.
    seen: u64,
    /// It is deleted and goes as soon as it is settled.
    leaving: bool,
}

/// A content that is gone by truncation: a copy of it may be there.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Whose content it was.
    pub of: FileKey,
    /// What was read of it.
    pub epoch: Epoch,
    /// When that was noticed.
    pub at: UnixNanos,
}

/// A known file as those who recognise files see it.
#[derive(Clone, Debug)]
pub struct Sight {
    /// Which one.
    pub key: FileKey,
    /// Its number.
    pub inode: Inode,
    /// Its birth.
    pub born: Born,
    /// Where it was last.
    pub path: PathBuf,
    /// How its content begins.
    pub head: Head,
    /// How far it was read.
    pub read: Position,
    /// When the first of it was read; 0 if another process did.
    pub begun: Option<UnixNanos>,
}

impl Sight {
    /// Whether a file has the content that was read.
    pub fn matches(&self, file: &File) -> io::Result<bool> {
        Ok(self.head.matches(file)? && self.read.matches(file)?)
    }
}

impl Registry {
    /// Takes over what an earlier process wrote down, once. `load` is not called again.
    pub fn load_once(&self, load: impl FnOnce() -> Vec<Saved>) {
        if std::mem::replace(&mut self.0.lock().loaded, true) {
            return;
        }
        for saved in load() {
            let epoch = Epoch::at(saved.head, saved.position);
            let key = self.add(saved.inode, saved.born, Path::new(&saved.path), epoch, saved.seen);
            tracing::debug!(path = saved.path, ?key, offset = saved.position.offset, "checkpoint");
        }
        self.0.lock().changed = false;
    }

    /// A file that was not known.
    pub fn add(&self, inode: Inode, born: Born, path: &Path, epoch: Epoch, seen: u64) -> FileKey {
        let mut files = self.0.lock();
        let key = FileKey(files.next);
        files.next += 1;
        files.changed = true;
        let epochs = VecDeque::from([epoch]);
        let path = path.to_owned();
        files.files.insert(key, Known { inode, born, path, epochs, tenure: 0, seen, leaving: false });
        key
    }

    /// All known files.
    pub fn sights(&self) -> Vec<Sight> {
        let files = self.0.lock();
        let sight = |(key, known): (&FileKey, &Known)| known.sight(*key);
        files.files.iter().filter(|(_, known)| !known.leaving).filter_map(sight).collect()
    }

    /// One known file.
    pub fn sight(&self, key: FileKey) -> Option<Sight> {
        self.0.lock().files.get(&key).and_then(|known| known.sight(key))
    }

    /// A ledger stream begins to read a file: from where, and the tenure for its marks.
    pub fn board(&self, key: FileKey, acknowledged: watch::Receiver<u64>) -> Option<(Position, u64)> {
        let mut files = self.0.lock();
        let known = files.files.get_mut(&key)?;
        known.tenure += 1;
        let tenure = known.tenure;
        let epoch = known.epochs.back_mut()?;
        epoch.board(acknowledged);
        Some((epoch.read(), tenure))
    }

    /// A batch ends at a place. `head` is asked for when more of the file's beginning is known now.
    pub fn mark(
        &self,
        key: FileKey,
        tenure: u64,
        seq: u64,
        position: Position,
        now: UnixNanos,
        head: impl FnOnce() -> Option<Head>,
    ) {
        let mut files = self.0.lock();
        let Some(known) = files.files.get_mut(&key).filter(|known| known.tenure == tenure) else { return };
        let Some(epoch) = known.epochs.back_mut() else { return };
        epoch.mark(seq, position, now);
        if epoch.head().grows(position.offset)
            && let Some(head) = head()
        {
            epoch.set_head(head);
        }
    }

    /// A file was truncated: its content begins anew. `stream` goes on reading it, where there is one.
    pub fn end_epoch(&self, key: FileKey, at: UnixNanos, stream: Option<watch::Receiver<u64>>) {
        let mut files = self.0.lock();
        let files = &mut *files;
        let Some(known) = files.files.get_mut(&key) else { return };
        let Some(epoch) = known.epochs.back() else { return };
        if epoch.read().offset > 0 {
            if files.ended.len() == MOST_ENDED {
                files.ended.pop_front();
            }
            files.ended.push_back(Ended { of: key, epoch: epoch.clone(), at });
        }
        let mut fresh = Epoch::at(Head::default(), Position::START);
        if let Some(stream) = stream {
            fresh.board(stream);
        }
        known.epochs.push_back(fresh);
        files.changed = true;
    }

    /// Contents that are gone by truncation, the latest first.
    pub fn ended(&self) -> Vec<Ended> {
        self.0.lock().ended.iter().rev().cloned().collect()
    }

    /// The copy of an ended content was found: it is not looked for any more.
    pub fn found(&self, of: FileKey, at: UnixNanos) {
        self.0.lock().ended.retain(|ended| ended.of != of || ended.at != at);
    }

    /// A file has another name, or another number (a device number changes with the order of mounts).
    pub fn moved(&self, key: FileKey, path: &Path, inode: Inode) {
        let mut files = self.0.lock();
        let files = &mut *files;
        let Some(known) = files.files.get_mut(&key) else { return };
        if known.path != path || known.inode != inode {
            (known.path, known.inode) = (path.to_owned(), inode);
            files.changed = true;
        }
    }

    /// Files were there at this time (seconds since the Unix epoch), which is written down to the day.
    pub fn seen(&self, keys: impl IntoIterator<Item = FileKey>, now: u64) {
        const DAY: u64 = 86_400;
        let mut files = self.0.lock();
        let files = &mut *files;
        for key in keys {
            let Some(known) = files.files.get_mut(&key) else { continue };
            files.changed |= known.seen / DAY != now / DAY;
            known.seen = now;
        }
    }

    /// A file is deleted and read to its end: it goes when what is under way is settled.
    pub fn leave(&self, key: FileKey) {
        if let Some(known) = self.0.lock().files.get_mut(&key) {
            known.leaving = true;
        }
    }

    /// What is to be written down, if that has changed.
    pub fn save(&self) -> Option<Vec<Saved>> {
        let mut files = self.0.lock();
        let mut changed = std::mem::take(&mut files.changed);
        for known in files.files.values_mut() {
            changed |= known.settle();
        }
        let before = files.files.len();
        files.files.retain(|_, known| !known.is_done());
        changed |= files.files.len() != before;
        if !changed {
            return None;
        }
        Some(files.files.values().filter_map(Known::saved).collect())
    }

    /// What was handed out by [`save`](Self::save) could not be written.
    pub fn not_saved(&self) {
        self.0.lock().changed = true;
    }
}

impl Known {
    fn sight(&self, key: FileKey) -> Option<Sight> {
        let epoch = self.epochs.back()?;
        let (head, read, begun) = (epoch.head(), epoch.read(), epoch.begun());
        Some(Sight { key, inode: self.inode, born: self.born, path: self.path.clone(), head, read, begun })
    }

    fn settle(&mut self) -> bool {
        let mut moved = false;
        while let Some(epoch) = self.epochs.front_mut() {
            moved |= epoch.settle();
            if self.epochs.len() == 1 || !self.epochs.front().is_some_and(Epoch::is_settled) {
                break;
            }
            self.epochs.pop_front();
            moved = true;
        }
        moved
    }

    fn is_done(&self) -> bool {
        self.leaving && self.epochs.iter().all(Epoch::is_settled)
    }

    fn saved(&self) -> Option<Saved> {
        let epoch = self.epochs.front()?;
        Some(Saved {
            path: self.path.to_string_lossy().into_owned(),
            inode: self.inode,
            born: self.born,
            head: epoch.head(),
            position: epoch.acknowledged(),
            seen: self.seen,
        })
    }
}
