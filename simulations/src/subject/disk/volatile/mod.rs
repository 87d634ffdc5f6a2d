//! [`VolatileDisk`]: real files of which the machine has only what was synced, so that SIGKILL is a power cut.
//!
//! ```text
//!   write_at ─▶ pages in memory ── sync_data ───▶ the real file
//!   open, rename, remove ─▶ names in memory ── sync_folder ─▶ the real folder
//! ```
//!
//! Everybody who goes through this disk sees what was written, as with the kernel's cache; everybody else, and the next
//! process, sees what was synced. A few pages go to the real file early, some of them in part, as the kernel is free to
//! do. A file without a durable name lies in its folder as `.unsynced-<number>` until the folder is synced; what a
//! killed process left of these is removed when the folder is first used.
//!
//! **Covers** all that goes through [`Disk`]: journal, spools, quarantine, checkpoints, file targets. Not logs, locks,
//! `known_hosts`, nor the folders themselves, which are durable when they are created.
//!
//! **Costs** memory for what is not synced: 4 KiB for each page touched, and up to 16 MiB for each file,
//! which are then written as the kernel would; and a copy of each byte. Syncs go on to the real disk.

mod inode;

use inode::Inode;
use parking_lot::Mutex;
use seams::{Disk, DiskFile, DiskLock, Entry, OpenMode, Rng};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// So much of a file may be unsynced before it is written nevertheless.
const WRITE_BACK_BYTES: u64 = 16 << 20;

/// How files are called that have no durable name.
const ASIDE: &str = ".unsynced-";

/// A disk that forgets what was not synced; see the module. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct VolatileDisk(Arc<Machine>);

#[derive(Debug)]
struct Machine {
    inner: Arc<dyn Disk>,
    rng: Rng,
    careless: Careless,
    names: Mutex<Names>,
}

/// Which syncs it only pretends to do, to learn whether a rehearsal notices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Careless {
    /// None.
    #[default]
    No,
    /// Those of files.
    Files,
    /// Those of folders.
    Folders,
}

/// Where names differ from those of the real disk, and which file stands behind each that was used.
#[derive(Debug, Default)]
struct Names {
    /// None: the name is gone.
    known: BTreeMap<PathBuf, Option<Arc<Inode>>>,
    /// Since the last sync of their folder, in order.
    unsynced: Vec<Change>,
    /// Folders without leftovers.
    visited: BTreeSet<PathBuf>,
    next_aside: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Linked(PathBuf, Arc<Inode>),
    Renamed { from: PathBuf, to: PathBuf, inode: Arc<Inode> },
    Removed(PathBuf),
}

// === impl VolatileDisk ===

impl VolatileDisk {
    /// A disk that keeps what is synced on this one.
    pub fn new(inner: Arc<dyn Disk>, rng: Rng) -> Self {
        Self::careless(inner, rng, Careless::No)
    }

    /// The same, which only pretends to do some syncs.
    pub fn careless(inner: Arc<dyn Disk>, rng: Rng, careless: Careless) -> Self {
        Self(Arc::new(Machine { inner, rng, careless, names: Mutex::default() }))
    }

    /// Makes everything durable, as the kernel does in time after the orderly end of a process.
    ///
    /// # Errors
    /// Those of the real disk; what could be written then is.
    pub fn flush(&self) -> io::Result<()> {
        let (folders, inodes) = {
            let names = self.0.names.lock();
            let folders: BTreeSet<PathBuf> =
                names.unsynced.iter().filter_map(|change| change.folder().map(Path::to_owned)).collect();
            let changed = names.unsynced.iter().filter_map(Change::inode);
            let inodes: Vec<_> = names.known.values().flatten().chain(changed).cloned().collect();
            (folders, inodes)
        };
        let files = inodes.iter().map(|inode| inode.sync()).collect::<Vec<_>>();
        let folders = folders.iter().map(|folder| self.keep_names(folder)).collect::<Vec<_>>();
        files.into_iter().chain(folders).collect()
    }

    /// Makes the names in a folder durable.
    fn keep_names(&self, folder: &Path) -> io::Result<()> {
        let mut names = self.0.names.lock();
        let (durable, rest) = std::mem::take(&mut names.unsynced)
            .into_iter()
            .partition::<Vec<_>, _>(|change| change.folder() == Some(folder));
        names.unsynced = rest;
        for change in &durable {
            change.carry_out(&*self.0.inner)?;
        }
        // What is gone for good is no difference any more.
        let Names { known, unsynced, .. } = &mut *names;
        known.retain(|path, inode| inode.is_some() || unsynced.iter().any(|change| change.names(path)));
        drop(names);
        self.0.inner.sync_folder(folder)
    }
}

impl Disk for VolatileDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.inner.create_folder(folder)
    }

    fn open(&self, file: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut names = self.0.names.lock();
        let found = names.find(&*self.0.inner, file, mode == OpenMode::Read);
        let inode = match (found, mode) {
            (Ok(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
            (Ok(inode), _) => inode,
            (Err(e), OpenMode::Create | OpenMode::CreateNew) if e.kind() == io::ErrorKind::NotFound => {
                names.create(&*self.0.inner, file)?
            }
            (Err(e), _) => return Err(e),
        };
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(VolatileFile { inode, machine: Arc::clone(&self.0), writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut names = self.0.names.lock();
        let inode = names.find(&*self.0.inner, from, false)?;
        names.visit(&*self.0.inner, to)?;
        names.known.insert(from.to_owned(), None);
        names.known.insert(to.to_owned(), Some(Arc::clone(&inode)));
        names.unsynced.push(Change::Renamed { from: from.to_owned(), to: to.to_owned(), inode });
        Ok(())
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        let mut names = self.0.names.lock();
        names.find(&*self.0.inner, file, true)?;
        names.known.insert(file.to_owned(), None);
        names.unsynced.push(Change::Removed(file.to_owned()));
        Ok(())
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut names = self.0.names.lock();
        names.visit(&*self.0.inner, &folder.join("any"))?;
        let real = self.0.inner.list(folder)?.into_iter().filter(|entry| !entry.name.starts_with(ASIDE));
        let mut all: BTreeMap<String, u64> = real.map(|entry| (entry.name, entry.len)).collect();
        for (path, inode) in names.known.iter().filter(|(path, _)| path.parent() == Some(folder)) {
            let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
            match inode {
                Some(inode) => all.insert(name.to_owned(), inode.len()),
                None => all.remove(name),
            };
        }
        Ok(all.into_iter().map(|(name, len)| Entry { name, len }).collect())
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        if self.0.careless == Careless::Folders { Ok(()) } else { self.keep_names(folder) }
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        self.0.inner.free_bytes(folder)
    }

    fn lock(&self, file: &Path) -> io::Result<DiskLock> {
        self.0.inner.lock(file)
    }
}

// === impl Names ===

impl Names {
    /// The file of this name.
    fn find(&mut self, inner: &dyn Disk, file: &Path, reading: bool) -> io::Result<Arc<Inode>> {
        self.visit(inner, file)?;
        match self.known.get(file) {
            Some(Some(inode)) => return Ok(Arc::clone(inode)),
            Some(None) => return Err(io::ErrorKind::NotFound.into()),
            None => {}
        }
        let real = match inner.open(file, OpenMode::Write) {
            // Who may only read a file shall be able to.
            Err(e) if reading && e.kind() == io::ErrorKind::PermissionDenied => {
                inner.open(file, OpenMode::Read)
            }
            opened => opened,
        };
        let inode = Arc::new(Inode::of(real?, file.to_owned())?);
        self.known.insert(file.to_owned(), Some(Arc::clone(&inode)));
        Ok(inode)
    }

    /// A new file, which has a name for those only who use this disk.
    fn create(&mut self, inner: &dyn Disk, file: &Path) -> io::Result<Arc<Inode>> {
        let aside = file.with_file_name(format!("{ASIDE}{}", self.next_aside));
        self.next_aside += 1;
        let real = inner.open(&aside, OpenMode::CreateNew)?;
        let inode = Arc::new(Inode::of(real, aside)?);
        self.known.insert(file.to_owned(), Some(Arc::clone(&inode)));
        self.unsynced.push(Change::Linked(file.to_owned(), Arc::clone(&inode)));
        Ok(inode)
    }

    /// Removes what an earlier process left in the folder of this file.
    fn visit(&mut self, inner: &dyn Disk, file: &Path) -> io::Result<()> {
        let folder = file.parent().unwrap_or(Path::new(""));
        if self.visited.contains(folder) {
            return Ok(());
        }
        for entry in inner.list(folder)? {
            if entry.name.starts_with(ASIDE) {
                inner.remove(&folder.join(entry.name))?;
            }
        }
        self.visited.insert(folder.to_owned());
        Ok(())
    }
}

// === impl Change ===

impl Change {
    /// The folder whose sync makes it durable.
    fn folder(&self) -> Option<&Path> {
        match self {
            Self::Linked(file, _) | Self::Removed(file) => file.parent(),
            Self::Renamed { to, .. } => to.parent(),
        }
    }

    fn names(&self, path: &Path) -> bool {
        match self {
            Self::Linked(file, _) | Self::Removed(file) => file == path,
            Self::Renamed { from, to, .. } => from == path || to == path,
        }
    }

    fn inode(&self) -> Option<&Arc<Inode>> {
        match self {
            Self::Linked(_, inode) | Self::Renamed { inode, .. } => Some(inode),
            Self::Removed(_) => None,
        }
    }

    /// On the real disk.
    fn carry_out(&self, inner: &dyn Disk) -> io::Result<()> {
        match self {
            Self::Linked(file, inode) => {
                // One that was moved to another folder in the meantime is there already.
                let aside = inode.place();
                let is_aside = aside.file_name().is_some_and(|n| n.to_string_lossy().starts_with(ASIDE));
                if is_aside { inode.move_to(inner, file) } else { Ok(()) }
            }
            Self::Renamed { to, inode, .. } => inode.move_to(inner, to),
            Self::Removed(file) => match inner.remove(file) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
                _ => Ok(()),
            },
        }
    }
}

/// An open file.
#[derive(Debug)]
struct VolatileFile {
    inode: Arc<Inode>,
    machine: Arc<Machine>,
    writable: bool,
}

impl VolatileFile {
    fn require_writable(&self) -> io::Result<()> {
        if self.writable { Ok(()) } else { Err(io::ErrorKind::PermissionDenied.into()) }
    }
}

impl DiskFile for VolatileFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.inode.read_at(buffer, offset)
    }

    fn write_at(&self, slices: &mut [io::IoSlice<'_>], offset: u64) -> io::Result<()> {
        self.require_writable()?;
        let mut at = offset;
        for slice in slices.iter() {
            self.inode.write_at(slice, at, &self.machine.rng)?;
            at += slice.len() as u64;
        }
        self.inode.write_back(WRITE_BACK_BYTES)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.machine.careless == Careless::Files { Ok(()) } else { self.inode.sync() }
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        self.require_writable()?;
        self.inode.allocate(len)
    }

    fn lay_out(&self, len: u64) -> io::Result<()> {
        self.require_writable()?;
        self.inode.lay_out(len)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.require_writable()?;
        self.inode.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.inode.len())
    }
}

#[cfg(test)]
mod tests;
