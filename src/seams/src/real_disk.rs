//! [`RealDisk`]: the operating system's files (Linux; other Unixes lack `fallocate` and are not built).

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, IoSlice, Read, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::{Errno, pwritev};

use crate::disk::{Disk, DiskFile, DiskLock, Entry, Held, OpenMode};

/// The files of the operating system. Every call blocks as the system call does.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[derive(Debug)]
struct RealFile(File);

/// `flock`: the kernel gives it back when the process ends, however it ends.
#[derive(Debug)]
struct RealLock {
    _file: File,
}

/// `IOV_MAX` of Linux: what one `pwritev` accepts.
const MAX_SLICES: usize = 1024;

/// Zeros that [`DiskFile::lay_out`] writes at once.
const LAY_OUT_BLOCK_BYTES: usize = 1 << 20;

// === impl RealDisk ===

impl Disk for RealDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)
    }

    fn open(&self, file: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true),
            OpenMode::Create => options.write(true).create(true).truncate(false),
            OpenMode::CreateNew => options.write(true).create_new(true),
        };
        Ok(Arc::new(RealFile(options.open(file)?)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        fs::remove_file(file)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            let Ok(name) = entry.file_name().into_string() else { continue };
            if metadata.is_file() {
                entries.push(Entry { name, len: metadata.len() });
            }
        }
        Ok(entries)
    }

    fn folders(&self, folder: &Path) -> io::Result<Vec<String>> {
        let mut folders = Vec::new();
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            // What was removed since the folder was read is none.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.extend(entry.file_name().into_string());
            }
        }
        Ok(folders)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        fs::remove_dir(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::open(folder)?.sync_all()
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        let stats = statvfs(folder)?;
        Ok(stats.f_bavail.saturating_mul(stats.f_frsize))
    }

    fn lock(&self, file: &Path) -> io::Result<DiskLock> {
        let mut open = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(file)?;
        match open.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(error),
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // The holder's name is a courtesy: its absence changes nothing.
                let _ = open.read_to_string(&mut holder);
                let text = match holder.trim() {
                    "" => "another process holds the lock".to_owned(),
                    holder => format!("process {holder} holds the lock"),
                };
                return Err(io::Error::new(io::ErrorKind::WouldBlock, text));
            }
        }
        // On a full disk the lock is held all the same, only nameless.
        let _ = open.set_len(0).and_then(|()| writeln!(open, "{}", std::process::id()));
        Ok(DiskLock::new(RealLock { _file: open }))
    }
}

// === impl RealFile ===

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        loop {
            match self.0.read_at(buffer, offset) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    fn write_at(&self, mut slices: &mut [IoSlice<'_>], mut offset: u64) -> io::Result<()> {
        // Drops empty slices at the front, so that an empty write is no write.
        IoSlice::advance_slices(&mut slices, 0);
        while !slices.is_empty() {
            let some = &slices[..slices.len().min(MAX_SLICES)];
            let written = match pwritev(&self.0, some, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            IoSlice::advance_slices(&mut slices, written);
            offset += written as u64;
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.0.sync_data()
    }

    fn allocate(&self, len: u64) -> io::Result<()> {
        match fallocate(&self.0, FallocateFlags::empty(), 0, len) {
            // A file system without allocation (NFS before 4.2): the space is claimed by writing.
            Err(Errno::OPNOTSUPP) => self.0.set_len(len.max(self.0.metadata()?.len())),
            result => Ok(result?),
        }
    }

    fn lay_out(&self, len: u64) -> io::Result<()> {
        // Allocated first: one contiguous stretch where the file system has one.
        self.allocate(len)?;
        let zeros = vec![0; LAY_OUT_BLOCK_BYTES];
        let mut offset = 0;
        while offset < len {
            let block = (len - offset).min(LAY_OUT_BLOCK_BYTES as u64);
            self.0.write_all_at(&zeros[..block as usize], offset)?;
            offset += block;
        }
        self.0.sync_data()
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }
}

impl Held for RealLock {}
