//! [`Disk`] and [`DiskFile`]: the one way to files, and what each operation promises.
//!
//! What survives what, on every implementation:
//!
//! | after | the process is killed | the power is cut |
//! |---|---|---|
//! | [`DiskFile::write_at`] | survives | may be there, in part, or not |
//! | [`DiskFile::sync_data`] | survives | survives: bytes and length, but not the file's **name** |
//! | [`Disk::rename`], `open` of a new file, [`Disk::remove`] | survives | may have happened or not |
//! | [`Disk::sync_folder`] | survives | survives: names in that folder |
//!
//! After a **failed** `sync_data` the bytes may be readable and yet never reach the disk, even if a
//! later `sync_data` succeeds: the kernel has marked them as written. Write them again elsewhere.

use std::any::Any;
use std::fmt::Debug;
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A file system. Calls block; call them where blocking is allowed.
///
/// Errors are the operating system's; the kinds that callers tell apart are `NotFound`,
/// `AlreadyExists`, `PermissionDenied`, `ReadOnlyFilesystem`, `StorageFull` and, for
/// [`lock`](Self::lock), `WouldBlock`.
pub trait Disk: Debug + Send + Sync {
    /// Creates a folder and its parents; content when it is there already.
    fn create_folder(&self, folder: &Path) -> io::Result<()>;

    /// Opens or creates a file.
    fn open(&self, file: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Gives a file another name, on the same file system, replacing a file of that name at once:
    /// nobody sees neither or both. Durable after [`sync_folder`](Self::sync_folder) of both folders.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file. Who has it open can go on using it.
    fn remove(&self, file: &Path) -> io::Result<()>;

    /// The files (not the folders) in a folder, in no particular order.
    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>>;

    /// The names of the folders in a folder, in no particular order.
    fn folders(&self, folder: &Path) -> io::Result<Vec<String>>;

    /// Removes a folder; fails when there is something in it.
    fn remove_folder(&self, folder: &Path) -> io::Result<()>;

    /// Makes the names in a folder durable: files created, renamed and removed.
    fn sync_folder(&self, folder: &Path) -> io::Result<()>;

    /// Bytes that this process may still allocate on the folder's file system.
    fn free_bytes(&self, folder: &Path) -> io::Result<u64>;

    /// Locks a file (created if need be) until the guard is dropped or the process ends. Fails with
    /// `WouldBlock`, and a text that names the holder where it is known, when somebody holds it.
    fn lock(&self, file: &Path) -> io::Result<DiskLock>;
}

/// An open file. Positions are explicit, so that a file can be shared between threads; two writers
/// of the same bytes must arrange it between themselves.
pub trait DiskFile: Debug + Send + Sync {
    /// Reads at an offset; returns how many bytes, 0 at the end of the file. May read less than asked.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all slices one after the other at an offset, extending the file if need be. After an
    /// error any part may have been written. What the slices hold afterwards is not specified.
    fn write_at(&self, slices: &mut [IoSlice<'_>], offset: u64) -> io::Result<()>;

    /// Makes the bytes and the length durable (`fdatasync`). See the module about failure.
    fn sync_data(&self) -> io::Result<()>;

    /// Reserves disk space up to `len` and extends the file with zeros to it; quick.
    /// Fails with `StorageFull`, and then allocates nothing.
    fn allocate(&self, len: u64) -> io::Result<()>;

    /// Writes zeros from 0 to `len` and syncs them, so that overwriting them later changes no
    /// metadata and can't run out of space; takes as long as writing `len` bytes does.
    fn lay_out(&self, len: u64) -> io::Result<()>;

    /// Cuts the file to, or extends it with zeros to, a length.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// The length in bytes.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Fills the whole buffer, or fails with `UnexpectedEof`.
    fn read_exact_at(&self, mut buffer: &mut [u8], mut offset: u64) -> io::Result<()> {
        while !buffer.is_empty() {
            let read = self.read_at(buffer, offset)?;
            if read == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    "the file is shorter than expected",
                ));
            }
            buffer = &mut buffer[read..];
            offset += read as u64;
        }
        Ok(())
    }

    /// Writes at the end of the file; returns the offset at which. For one writer.
    fn append(&self, bytes: &[u8]) -> io::Result<u64> {
        let end = self.len()?;
        self.write_at(&mut [IoSlice::new(bytes)], end)?;
        Ok(end)
    }
}

/// How [`Disk::open`] opens a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Existing file, reading only.
    Read,
    /// Existing file, reading and writing.
    Write,
    /// Reading and writing; created empty if it is not there.
    Create,
    /// Reading and writing; fails with `AlreadyExists` if it is there.
    CreateNew,
}

/// A file in a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name without the folder. Names that are not UTF-8 are not listed: none of ours are.
    pub name: String,
    /// Length in bytes.
    pub len: u64,
}

/// Holds a lock of [`Disk::lock`] until it is dropped.
#[must_use = "the lock is given back when this is dropped"]
#[derive(Debug)]
pub struct DiskLock {
    _held: Box<dyn Held>,
}

pub(crate) trait Held: Any + Debug + Send + Sync {}

impl DiskLock {
    pub(crate) fn new(held: impl Held) -> Self {
        Self { _held: Box::new(held) }
    }
}

/// Reads a whole file.
pub fn read_file(disk: &dyn Disk, file: &Path) -> io::Result<Vec<u8>> {
    let open = disk.open(file, OpenMode::Read)?;
    let len = usize::try_from(open.len()?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut bytes = vec![0; len];
    open.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// Replaces a file so that a reader, a crash or a power cut finds the old content or the new one,
/// whole, and on success the new one durably.
///
/// Writes `<file>.new` beside it, syncs it, renames it, syncs the folder.
pub fn replace_file(disk: &dyn Disk, file: &Path, bytes: &[u8]) -> io::Result<()> {
    let Some(folder) = file.parent() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the file has no folder"));
    };
    let mut name = file.as_os_str().to_owned();
    name.push(".new");
    let new = PathBuf::from(name);
    let open = disk.open(&new, OpenMode::Create)?;
    open.set_len(0)?;
    open.write_at(&mut [IoSlice::new(bytes)], 0)?;
    open.sync_data()?;
    disk.rename(&new, file)?;
    disk.sync_folder(folder)
}
