//! [`FaultyDisk`]: a disk that is full, slow or fails as long as it is told to.

use crate::subject::fault::{DiskFails, Fault};
use parking_lot::Mutex;
use seams::{Disk, DiskFile, DiskLock, Entry, OpenMode, Rng};
use std::collections::BTreeMap;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// What a faulty disk answers when a call fails.
const BROKEN: &str = "the disk failed, as it was asked to";

/// A disk with faults.
#[derive(Debug)]
pub struct FaultyDisk {
    inner: Arc<dyn Disk>,
    faults: DiskFaults,
}

/// The faults in force; clones share them.
#[derive(Clone, Debug)]
pub struct DiskFaults(Arc<Asked>);

#[derive(Debug)]
struct Asked {
    root: PathBuf,
    rng: Rng,
    in_force: AtomicUsize,
    rules: Mutex<Rules>,
}

#[derive(Debug, Default)]
struct Rules {
    next: u64,
    rules: BTreeMap<u64, Rule>,
}

#[derive(Debug)]
struct Rule {
    folder: PathBuf,
    effect: Effect,
    struck: u64,
}

#[derive(Debug)]
enum Effect {
    /// So many bytes still fit.
    Full(u64),
    Slow(Duration),
    /// One call of this kind in so many fails.
    Fails(Kind, u64),
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Look,
    Read,
    Write,
    Sync,
}

#[derive(Debug)]
struct FaultyFile {
    inner: Arc<dyn DiskFile>,
    path: PathBuf,
    faults: DiskFaults,
}

// === impl DiskFaults ===

impl DiskFaults {
    /// None yet; folders are meant below `root`.
    pub fn new(root: &Path, rng: Rng) -> Self {
        let (in_force, rules) = (AtomicUsize::new(0), Mutex::default());
        Self(Arc::new(Asked { root: root.to_owned(), rng, in_force, rules }))
    }

    /// A fault begins; returns its number, or none if it is no fault of a disk.
    pub fn begin(&self, fault: &Fault) -> Option<u64> {
        let fails = |kind, fails: &DiskFails| {
            (fails.folder.clone(), Effect::Fails(kind, fails.one_in.unwrap_or(1).max(1)))
        };
        let (folder, effect) = match fault {
            Fault::DiskFull(full) => (full.folder.clone(), Effect::Full(full.after_bytes)),
            Fault::DiskSlow(slow) => (slow.folder.clone(), Effect::Slow(slow.each.0)),
            Fault::WritesFail(settings) => fails(Kind::Write, settings),
            Fault::SyncsFail(settings) => fails(Kind::Sync, settings),
            Fault::ReadsFail(settings) => fails(Kind::Read, settings),
            _ => return None,
        };
        let folder = folder.map_or(PathBuf::new(), |folder| self.0.root.join(folder));
        let mut rules = self.0.rules.lock();
        let number = rules.next;
        rules.next += 1;
        rules.rules.insert(number, Rule { folder, effect, struck: 0 });
        self.0.in_force.store(rules.rules.len(), Relaxed);
        Some(number)
    }

    /// A fault ends; returns how many calls it struck, or none if there is no such fault.
    pub fn end(&self, number: u64) -> Option<u64> {
        let mut rules = self.0.rules.lock();
        let ended = rules.rules.remove(&number)?;
        self.0.in_force.store(rules.rules.len(), Relaxed);
        Some(ended.struck)
    }

    /// How many calls a fault struck so far.
    pub fn struck(&self, number: u64) -> Option<u64> {
        self.0.rules.lock().rules.get(&number).map(|rule| rule.struck)
    }

    /// Before a call: waits, or fails. `growth` is by how much a file becomes longer.
    fn suffer(&self, kind: Kind, path: &Path, growth: impl FnOnce() -> io::Result<u64>) -> io::Result<()> {
        if self.0.in_force.load(Relaxed) == 0 {
            return Ok(());
        }
        // Asked before the lock: it is a call of its own.
        let growth = if kind == Kind::Write { growth()? } else { 0 };
        let path = self.0.root.join(path);
        let (mut delay, mut error) = (Duration::ZERO, None);
        for rule in self.0.rules.lock().rules.values_mut().filter(|rule| path.starts_with(&rule.folder)) {
            match &mut rule.effect {
                Effect::Slow(each) => delay += *each,
                Effect::Full(left) if growth <= *left => {
                    *left -= growth;
                    continue;
                }
                Effect::Full(_) => error = Some(io::ErrorKind::StorageFull.into()),
                Effect::Fails(which, one_in) if *which == kind && self.0.rng.chance(1, *one_in) => {
                    error = Some(io::Error::other(BROKEN));
                }
                Effect::Fails(..) => continue,
            }
            rule.struck += 1;
        }
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        error.map_or(Ok(()), Err)
    }

    /// What is free, if the disk says so many bytes are.
    fn free(&self, folder: &Path, real: u64) -> u64 {
        let folder = self.0.root.join(folder);
        let rules = self.0.rules.lock();
        let over = rules.rules.values().filter(|rule| folder.starts_with(&rule.folder));
        let left =
            over.filter_map(|rule| if let Effect::Full(left) = rule.effect { Some(left) } else { None });
        left.min().unwrap_or(real).min(real)
    }

    fn file(&self, inner: Arc<dyn DiskFile>, path: &Path) -> Arc<dyn DiskFile> {
        Arc::new(FaultyFile { inner, path: path.to_owned(), faults: self.clone() })
    }
}

/// For calls after which no file is longer.
fn none() -> io::Result<u64> {
    Ok(0)
}

// === impl FaultyDisk ===

impl FaultyDisk {
    /// This disk, with these faults.
    pub fn new(inner: Arc<dyn Disk>, faults: DiskFaults) -> Self {
        Self { inner, faults }
    }
}

impl Disk for FaultyDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.faults.suffer(Kind::Write, folder, none)?;
        self.inner.create_folder(folder)
    }

    fn open(&self, file: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let kind = match mode {
            OpenMode::Read => Kind::Read,
            OpenMode::Write => Kind::Look,
            OpenMode::Create | OpenMode::CreateNew => Kind::Write,
        };
        self.faults.suffer(kind, file, none)?;
        Ok(self.faults.file(self.inner.open(file, mode)?, file))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.faults.suffer(Kind::Write, to, none)?;
        self.inner.rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.faults.suffer(Kind::Write, file, none)?;
        self.inner.remove(file)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.faults.suffer(Kind::Read, folder, none)?;
        self.inner.list(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.faults.suffer(Kind::Sync, folder, none)?;
        self.inner.sync_folder(folder)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        self.faults.suffer(Kind::Look, folder, none)?;
        Ok(self.faults.free(folder, self.inner.free_bytes(folder)?))
    }

    fn lock(&self, file: &Path) -> io::Result<DiskLock> {
        self.faults.suffer(Kind::Look, file, none)?;
        self.inner.lock(file)
    }
}

// === impl FaultyFile ===

impl FaultyFile {
    /// Before the file reaches to this length.
    fn suffer_growth(&self, to: u64) -> io::Result<()> {
        self.faults.suffer(Kind::Write, &self.path, || Ok(to.saturating_sub(self.inner.len()?)))
    }
}

impl DiskFile for FaultyFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.faults.suffer(Kind::Read, &self.path, none)?;
        self.inner.read_at(buffer, offset)
    }

    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()> {
        let len: u64 = slices.iter().map(|slice| slice.len() as u64).sum();
        self.suffer_growth(offset + len)?;
        self.inner.write_at(slices, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.suffer(Kind::Sync, &self.path, none)?;
        self.inner.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.suffer_growth(len)?;
        self.inner.allocate(len)
    }

    fn lay_out(&self, len: u64) -> io::Result<()> {
        self.suffer_growth(len)?;
        self.inner.lay_out(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        // What lies behind the end of the file takes no room until it is written.
        self.faults.suffer(Kind::Write, &self.path, none)?;
        self.inner.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subject::fault::{DiskFull, DiskSlow};
    use crate::subject::span::Span;
    use seams::SimulatedDisk;

    fn disk() -> (FaultyDisk, DiskFaults) {
        let faults = DiskFaults::new(Path::new("/d"), Rng::seeded(1));
        let disk = FaultyDisk::new(Arc::new(SimulatedDisk::new(Rng::seeded(1))), faults.clone());
        disk.create_folder(Path::new("/d/in")).expect("created");
        disk.create_folder(Path::new("/d/out")).expect("created");
        (disk, faults)
    }

    fn write(file: &dyn DiskFile, bytes: usize, offset: u64) -> io::Result<()> {
        file.write_at(&mut [IoSlice::new(&vec![1; bytes])], offset)
    }

    #[test]
    fn a_full_disk_takes_what_still_fits_and_what_is_overwritten() {
        let (disk, faults) = disk();
        let file = disk.open(Path::new("/d/in/a"), OpenMode::Create).expect("open");
        write(&*file, 100, 0).expect("no fault yet");
        let full = Fault::DiskFull(DiskFull { folder: Some("in".to_owned()), after_bytes: 50 });
        let number = faults.begin(&full).expect("of a disk");
        assert_eq!(disk.free_bytes(Path::new("/d/in")).expect("told"), 50);
        assert!(disk.free_bytes(Path::new("/d/out")).expect("told") > 50);
        write(&*file, 50, 100).expect("it fits");
        assert_eq!(write(&*file, 1, 150).map_err(|e| e.kind()), Err(io::ErrorKind::StorageFull));
        write(&*file, 150, 0).expect("nothing grows");
        let elsewhere = disk.open(Path::new("/d/out/a"), OpenMode::Create).expect("open");
        write(&*elsewhere, 1000, 0).expect("another folder");
        assert_eq!((faults.struck(number), faults.end(number)), (Some(1), Some(1)));
        write(&*file, 1000, 150).expect("the fault is over");
    }

    #[test]
    fn each_kind_of_call_fails_for_itself() {
        type Begin = fn(DiskFails) -> Fault;
        let kinds: [(Begin, [bool; 3]); 3] = [
            (Fault::WritesFail, [false, true, true]),
            (Fault::SyncsFail, [true, false, true]),
            (Fault::ReadsFail, [true, true, false]),
        ];
        for (begin, works) in kinds {
            let (disk, faults) = disk();
            let file = disk.open(Path::new("/d/in/a"), OpenMode::Create).expect("open");
            write(&*file, 10, 0).expect("written");
            faults.begin(&begin(DiskFails::default()));
            let found = [
                write(&*file, 10, 0).is_ok(),
                file.sync_data().is_ok(),
                file.read_at(&mut [0; 10], 0).is_ok(),
            ];
            assert_eq!(found, works);
        }
    }

    #[test]
    fn one_call_in_some_fails_and_a_slow_one_works() {
        let (disk, faults) = disk();
        let file = disk.open(Path::new("/d/in/a"), OpenMode::Create).expect("open");
        let some = faults.begin(&Fault::WritesFail(DiskFails { folder: None, one_in: Some(3) }));
        let failed = (0..300).filter(|_| write(&*file, 1, 0).is_err()).count();
        assert!((50..150).contains(&failed), "{failed}");
        assert_eq!(faults.end(some.expect("of a disk")), Some(failed as u64));
        let each = Span(Duration::from_millis(1));
        let slow = faults.begin(&Fault::DiskSlow(DiskSlow { folder: None, each })).expect("of a disk");
        write(&*file, 1, 0).expect("it takes longer");
        assert_eq!(faults.end(slow), Some(1));
    }
}
