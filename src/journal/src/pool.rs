//! [`Pool`]: segment files without content, to be used next.
//!
//! Overwriting a file that is laid out changes no metadata: a sync then costs one write, and can't run
//! out of space. So spares are laid out in the background, recycled when a segment is
//! released, and one stays in reserve for what must be written when the disk is full.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seams::{Disk, DiskFile, OpenMode};

use crate::error::{DiskError, During, Full};
use crate::format::FileName;
use crate::options::Options;

/// Spares that are kept at most; what is released beyond them is given back to the file system.
const MAX_SPARES: usize = 4;

/// Spares that only reserved appends may take.
pub(crate) const RESERVE: usize = 1;

/// Spares that are laid out ahead: the reserve, and one to go on with.
pub(crate) const SPARES_WANTED: usize = RESERVE + 1;

/// Files that wait to become segments.
#[derive(Debug)]
pub(crate) struct Pool {
    disk: Arc<dyn Disk>,
    folder: PathBuf,
    spares: VecDeque<u64>,
    next_number: u64,
}

/// A spare that is being made outside the pool.
#[derive(Debug)]
pub(crate) struct NewSpare {
    number: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn DiskFile>,
}

/// Why there is no spare.
#[derive(Debug)]
pub(crate) enum NoSpare {
    Full(Full),
    Disk(DiskError),
}

impl Pool {
    /// Takes over the spares found in the folder; `numbers` are those with the right length.
    pub(crate) fn new(disk: Arc<dyn Disk>, folder: PathBuf, mut numbers: Vec<u64>) -> Self {
        numbers.sort_unstable();
        let next_number = numbers.last().map_or(0, |last| last + 1);
        Self { disk, folder, spares: numbers.into(), next_number }
    }

    pub(crate) fn len(&self) -> usize {
        self.spares.len()
    }

    pub(crate) fn path(&self, number: u64) -> PathBuf {
        self.folder.join(FileName::Spare(number).to_string())
    }

    /// The number of a spare, which stays in the pool until [`used`](Self::used).
    pub(crate) fn first(&self) -> Option<u64> {
        self.spares.front().copied()
    }

    /// A spare is a segment now, or is no good.
    pub(crate) fn used(&mut self, number: u64) {
        self.spares.retain(|&spare| spare != number);
    }

    /// Creates an empty file for a new spare; the caller fills it and gives it to [`add`](Self::add).
    /// Checks the limits first: `in_use` are the bytes of all segments and spares.
    pub(crate) fn create(&mut self, options: &Options, in_use: u64) -> Result<NewSpare, NoSpare> {
        let (needed, quota_bytes) = (options.segment_bytes, options.quota_bytes);
        if in_use + needed > quota_bytes {
            return Err(NoSpare::Full(Full::Quota { quota_bytes }));
        }
        let free = self.disk.free_bytes(&self.folder).during("read the free space of", &self.folder);
        let (free, floor_bytes) = (free.map_err(NoSpare::Disk)?, options.floor_bytes);
        if free < needed {
            return Err(NoSpare::Full(Full::Disk));
        }
        if free - needed < floor_bytes {
            return Err(NoSpare::Full(Full::Floor { free_bytes: free - needed, floor_bytes }));
        }
        let number = self.next_number;
        self.next_number += 1;
        let path = self.path(number);
        // What an interrupted earlier attempt left under this name is overwritten.
        let file = self.disk.open(&path, OpenMode::Create).during("create", &path).map_err(NoSpare::full)?;
        Ok(NewSpare { number, path, file })
    }

    pub(crate) fn add(&mut self, spare: NewSpare) {
        self.spares.push_back(spare.number);
    }

    /// Removes a file that did not become a spare.
    pub(crate) fn discard(&self, spare: NewSpare) {
        // If it stays, the next opening removes it.
        let _ = self.disk.remove(&spare.path);
    }

    /// Turns a released segment into a spare, or gives it back to the file system. The new name is durable
    /// before the file can be used again: else a power cut could bring back the segment's name
    /// over another segment's bytes.
    pub(crate) fn recycle(&mut self, segment: &Path, reusable: bool) -> Result<(), DiskError> {
        if !reusable || self.spares.len() >= MAX_SPARES {
            self.disk.remove(segment).during("remove", segment)?;
            return self.disk.sync_folder(&self.folder).during("sync", &self.folder);
        }
        let number = self.next_number;
        self.next_number += 1;
        self.disk.rename(segment, &self.path(number)).during("rename", segment)?;
        self.disk.sync_folder(&self.folder).during("sync", &self.folder)?;
        self.spares.push_back(number);
        Ok(())
    }
}

impl NoSpare {
    /// Sorts out a full disk from other failures.
    pub(crate) fn full(error: DiskError) -> Self {
        match error.source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full(Full::Disk),
            _ => Self::Disk(error),
        }
    }
}
