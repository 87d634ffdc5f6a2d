//! [`SimulatedDisk`]: files in memory that fail as they are told, the same way for the same seed.
//!
//! The model is as hostile as POSIX allows, and in places a little more:
//!
//! * A power cut keeps any subset of the sectors written since the last successful
//!   [`sync_data`](DiskFile::sync_data), in any order, each whole, lost, or torn at any byte.
//! * New names, renames and removals happen in order within a folder, and a power cut keeps any
//!   first part of those since the last [`sync_folder`](Disk::sync_folder). Syncing a file does not sync its name.
//! * A failed `sync_data` leaves its sectors readable but undecided for good: no later sync helps.
//! * A failed or interrupted write has written any first part of its bytes.
//!
//! Folders themselves are durable as soon as they are created. Bytes of a file that was never synced
//! may come back as zeros.

mod faults;
mod file;
mod inode;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::SimulatedClock;
use crate::disk::{Disk, DiskFile, DiskLock, Entry, Held, OpenMode};
use crate::rng::Rng;
use faults::{Faults, Verdict};
use file::SimulatedFile;
use inode::Inode;

pub use inode::SECTOR_BYTES;

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Arc<Machine>);

/// What a call does, to say which calls shall fail and to count them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "named as the methods of Disk and DiskFile are")]
pub enum Operation {
    CreateFolder,
    Open,
    Rename,
    Remove,
    List,
    Folders,
    RemoveFolder,
    SyncFolder,
    FreeBytes,
    Lock,
    ReadAt,
    WriteAt,
    SyncData,
    Allocate,
    LayOut,
    SetLen,
    Len,
}

#[derive(Debug)]
struct Machine {
    rng: Rng,
    state: Mutex<State>,
}

type Names = BTreeMap<PathBuf, Arc<Mutex<Inode>>>;

#[derive(Debug)]
struct State {
    faults: Faults,
    folders: BTreeSet<PathBuf>,
    names: Names,
    durable_names: Names,
    /// Since the last sync of their folder, in order.
    unsynced_names: Vec<NameChange>,
    locks: BTreeSet<PathBuf>,
    capacity_bytes: u64,
    read_only: bool,
}

#[derive(Debug)]
enum NameChange {
    Linked(PathBuf, Arc<Mutex<Inode>>),
    Renamed { from: PathBuf, to: PathBuf },
    Removed(PathBuf),
}

#[derive(Debug)]
struct SimulatedLock {
    machine: Arc<Machine>,
    file: PathBuf,
}

// === impl SimulatedDisk ===

impl SimulatedDisk {
    /// An empty disk of 1 TiB without faults.
    pub fn new(rng: Rng) -> Self {
        Self::with(
            rng,
            State {
                faults: Faults::default(),
                folders: BTreeSet::new(),
                names: Names::new(),
                durable_names: Names::new(),
                unsynced_names: Vec::new(),
                locks: BTreeSet::new(),
                capacity_bytes: 1 << 40,
                read_only: false,
            },
        )
    }

    fn with(rng: Rng, state: State) -> Self {
        Self(Arc::new(Machine { rng, state: Mutex::new(state) }))
    }

    /// Switches the machine off and returns the disk as it is found after a restart: without what
    /// was not synced, or with parts of it. No lock is held, no fault is planned.
    pub fn power_cut(&self) -> Self {
        let rng = self.0.rng.fork("power cut");
        let mut state = self.0.state.lock();
        let names = surviving_names(&state, &rng);
        let mut survivors = Names::new();
        for (name, inode) in names {
            let survivor = inode.lock().after_power_cut(&rng);
            survivors.insert(name, Arc::new(Mutex::new(survivor)));
        }
        Self::with(rng, state.restarted(survivors.clone(), survivors, Vec::new()))
    }

    /// Ends the process and returns the disk as the next process finds it: everything that was
    /// written is there, and what was not synced can still be lost by a power cut.
    pub fn process_killed(&self) -> Self {
        let mut state = self.0.state.lock();
        let (names, durable) = (state.names.clone(), state.durable_names.clone());
        let unsynced = std::mem::take(&mut state.unsynced_names);
        Self::with(self.0.rng.fork("process killed"), state.restarted(names, durable, unsynced))
    }

    /// Calls so far, failed ones included. The next one has this number.
    pub fn operations(&self) -> u64 {
        self.0.state.lock().faults.operations()
    }

    /// Calls of one kind so far.
    pub fn operations_of(&self, operation: Operation) -> u64 {
        self.0.state.lock().faults.operations_of(operation)
    }

    /// Stops the machine in the middle of the call with this number: it may have happened, in part or
    /// not at all; it and all later ones fail. Then look at [`power_cut`](Self::power_cut) or
    /// [`process_killed`](Self::process_killed).
    pub fn stop_at(&self, number: u64) {
        self.0.state.lock().faults.stop_at(number);
    }

    /// Lets the call with this number fail.
    pub fn fail_at(&self, number: u64, error: io::ErrorKind) {
        self.0.state.lock().faults.fail_at(number, error);
    }

    /// Lets the next calls of one kind fail, as often as said.
    pub fn fail_next(&self, operation: Operation, times: u64, error: io::ErrorKind) {
        self.0.state.lock().faults.fail_next(operation, times, error);
    }

    /// Forgets all faults that were planned and did not happen yet.
    pub fn heal(&self) {
        self.0.state.lock().faults.heal();
    }

    /// Makes every call take time, on the simulated clock.
    pub fn slow_down(&self, clock: &SimulatedClock, each: Duration, bytes_per_second: u64) {
        self.0.state.lock().faults.slow_down(clock.clone(), each, bytes_per_second);
    }

    /// Sets the size of the disk. May be less than what is in use: then nothing more fits.
    pub fn set_capacity(&self, bytes: u64) {
        self.0.state.lock().capacity_bytes = bytes;
    }

    /// Makes the file system read-only, or writable again.
    pub fn set_read_only(&self, read_only: bool) {
        self.0.state.lock().read_only = read_only;
    }

    /// Turns a bit over, as a failing disk does; false when the file is shorter or absent.
    pub fn flip_bit(&self, file: &Path, byte: u64, bit: u8) -> bool {
        let state = self.0.state.lock();
        state.names.get(file).is_some_and(|inode| inode.lock().flip_bit(byte, bit))
    }

    /// Bytes allocated by files that have a name.
    pub fn used_bytes(&self) -> u64 {
        self.0.state.lock().used_bytes()
    }
}

/// The names after a power cut: in each folder, some first part of the unsynced changes has happened.
fn surviving_names(state: &State, rng: &Rng) -> Names {
    let mut by_folder: BTreeMap<Option<&Path>, Vec<&NameChange>> = BTreeMap::new();
    for change in &state.unsynced_names {
        by_folder.entry(change.folder()).or_default().push(change);
    }
    let mut names = state.durable_names.clone();
    for changes in by_folder.values() {
        let happened = rng.below(changes.len() as u64 + 1) as usize;
        for change in &changes[..happened] {
            change.apply(&mut names);
        }
    }
    names
}

impl Disk for SimulatedDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.change_names(Operation::CreateFolder, |state| {
            state.folders.extend(folder.ancestors().map(Path::to_path_buf));
            Ok(None)
        })
    }

    fn open(&self, file: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut opened = None;
        let writable = mode != OpenMode::Read;
        let operation = |state: &mut State| {
            match (state.names.get(file), mode) {
                (Some(_), OpenMode::CreateNew) => return Err(io::ErrorKind::AlreadyExists.into()),
                (Some(inode), _) => {
                    opened = Some(Arc::clone(inode));
                    return Ok(None);
                }
                (None, OpenMode::Read | OpenMode::Write) => return Err(io::ErrorKind::NotFound.into()),
                (None, OpenMode::Create | OpenMode::CreateNew) => {}
            }
            state.require_folder(file)?;
            let inode = Arc::new(Mutex::new(Inode::default()));
            opened = Some(Arc::clone(&inode));
            Ok(Some(NameChange::Linked(file.to_path_buf(), inode)))
        };
        if writable {
            self.0.change_names(Operation::Open, operation)?;
        } else {
            self.0.read_names(Operation::Open, operation)?;
        }
        let inode = opened.ok_or(io::ErrorKind::Other)?;
        Ok(Arc::new(SimulatedFile { machine: Arc::clone(&self.0), inode, writable }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.change_names(Operation::Rename, |state| {
            state.require_folder(to)?;
            if !state.names.contains_key(from) {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(Some(NameChange::Renamed { from: from.to_path_buf(), to: to.to_path_buf() }))
        })
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.0.change_names(Operation::Remove, |state| {
            if !state.names.contains_key(file) {
                return Err(io::ErrorKind::NotFound.into());
            }
            Ok(Some(NameChange::Removed(file.to_path_buf())))
        })
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.0.read_names(Operation::List, |state| {
            if !state.folders.contains(folder) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let inside = state.names.iter().filter(|(file, _)| file.parent() == Some(folder));
            let entry = |(file, inode): (&PathBuf, &Arc<Mutex<Inode>>)| {
                let name = file.file_name()?.to_str()?.to_owned();
                Some(Entry { name, len: inode.lock().len() })
            };
            Ok(inside.filter_map(entry).collect())
        })
    }

    fn folders(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.0.read_names(Operation::Folders, |state| {
            if !state.folders.contains(folder) {
                return Err(io::ErrorKind::NotFound.into());
            }
            let inside = state.folders.iter().filter(|inner| inner.parent() == Some(folder));
            Ok(inside.filter_map(|inner| Some(inner.file_name()?.to_str()?.to_owned())).collect())
        })
    }

    /// Folders are durable at once, here as when they are created.
    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.change_names(Operation::RemoveFolder, |state| {
            let inside = |path: &PathBuf| path.parent() == Some(folder);
            if state.names.keys().any(inside) || state.folders.iter().any(inside) {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            match state.folders.remove(folder) {
                true => Ok(None),
                false => Err(io::ErrorKind::NotFound.into()),
            }
        })
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.0.change_names(Operation::SyncFolder, |state| {
            let changes = std::mem::take(&mut state.unsynced_names);
            for change in changes {
                if change.folder() == Some(folder) {
                    change.apply(&mut state.durable_names);
                } else {
                    state.unsynced_names.push(change);
                }
            }
            Ok(None)
        })
    }

    fn free_bytes(&self, _folder: &Path) -> io::Result<u64> {
        self.0.read_names(Operation::FreeBytes, |state| {
            Ok(state.capacity_bytes.saturating_sub(state.used_bytes()))
        })
    }

    fn lock(&self, file: &Path) -> io::Result<DiskLock> {
        self.0.change_names(Operation::Lock, |state| {
            state.require_folder(file)?;
            if !state.locks.insert(file.to_path_buf()) {
                return Err(io::Error::new(io::ErrorKind::WouldBlock, "another process holds the lock"));
            }
            if state.names.contains_key(file) {
                return Ok(None);
            }
            Ok(Some(NameChange::Linked(file.to_path_buf(), Arc::default())))
        })?;
        Ok(DiskLock::new(SimulatedLock { machine: Arc::clone(&self.0), file: file.to_path_buf() }))
    }
}

// === impl Machine ===

impl Machine {
    /// A call that only looks.
    fn read_names<T>(
        &self,
        operation: Operation,
        look: impl FnOnce(&mut State) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = self.state.lock();
        match state.faults.next(operation, 0) {
            Verdict::Works => look(&mut state),
            Verdict::Fails(error) | Verdict::Stops(error) | Verdict::Off(error) => Err(error),
        }
    }

    /// A call that changes names, and whether it happened when the machine stopped in it.
    fn change_names(
        &self,
        operation: Operation,
        change: impl FnOnce(&mut State) -> io::Result<Option<NameChange>>,
    ) -> io::Result<()> {
        let mut state = self.state.lock();
        let interrupted = match state.faults.next(operation, 0) {
            Verdict::Works => None,
            Verdict::Fails(error) | Verdict::Off(error) => return Err(error),
            Verdict::Stops(error) if self.rng.chance(1, 2) => return Err(error),
            Verdict::Stops(error) => Some(error),
        };
        if state.read_only {
            return Err(io::ErrorKind::ReadOnlyFilesystem.into());
        }
        if let Some(change) = change(&mut state)? {
            change.apply(&mut state.names);
            state.unsynced_names.push(change);
        }
        match interrupted {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

// === impl State ===

impl State {
    fn used_bytes(&self) -> u64 {
        self.names.values().map(|inode| inode.lock().len()).sum()
    }

    fn require_folder(&self, file: &Path) -> io::Result<()> {
        match file.parent() {
            Some(folder) if self.folders.contains(folder) => Ok(()),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// Switches this machine off and makes the state of the one that starts after it.
    fn restarted(&mut self, names: Names, durable_names: Names, unsynced_names: Vec<NameChange>) -> State {
        self.faults.stop_now();
        State {
            faults: Faults::default(),
            folders: self.folders.clone(),
            names,
            durable_names,
            unsynced_names,
            locks: BTreeSet::new(),
            capacity_bytes: self.capacity_bytes,
            read_only: self.read_only,
        }
    }
}

// === impl NameChange ===

impl NameChange {
    /// The folder whose sync makes the change durable.
    fn folder(&self) -> Option<&Path> {
        match self {
            NameChange::Linked(file, _) | NameChange::Removed(file) => file.parent(),
            NameChange::Renamed { to, .. } => to.parent(),
        }
    }

    fn apply(&self, names: &mut Names) {
        match self {
            NameChange::Linked(file, inode) => {
                names.insert(file.clone(), Arc::clone(inode));
            }
            NameChange::Renamed { from, to } => {
                if let Some(inode) = names.remove(from) {
                    names.insert(to.clone(), inode);
                }
            }
            NameChange::Removed(file) => {
                names.remove(file);
            }
        }
    }
}

// === impl SimulatedLock ===

impl Held for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.machine.state.lock().locks.remove(&self.file);
    }
}
