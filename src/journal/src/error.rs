//! What can go wrong, one variant for each thing a caller can do about it.

use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use crate::options::OptionsError;
use crate::position::Gap;

/// A file operation failed.
#[derive(Debug, Error)]
#[error("cannot {action} {}: {source}", path.display())]
pub struct DiskError {
    /// What was tried.
    pub action: &'static str,
    /// On which file or folder.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

/// Why a journal can't be opened. Damage is no reason: see [`Recovery`](crate::Recovery).
#[derive(Debug, Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("journal folder {} is in use: {holder}; stop that process or configure another folder", folder.display())]
    InUse {
        /// The journal's folder.
        folder: PathBuf,
        /// Who holds it, as far as known.
        holder: String,
    },
    /// The folder can't be written to.
    #[error("journal folder {} is not writable: {source}; give this user write access or configure another folder", folder.display())]
    NotWritable {
        /// The journal's folder.
        folder: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Written by another version of this software.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// The options contradict each other.
    #[error(transparent)]
    Options(#[from] OptionsError),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// A file has a format that this software does not know.
#[derive(Debug, Error)]
#[error("{} has journal format {found}, this program reads format {supported}; {}", file.display(), advice(*found, *supported))]
pub struct VersionError {
    /// The file.
    pub file: PathBuf,
    /// The format it has.
    pub found: u32,
    /// The format that is understood.
    pub supported: u32,
}

/// Why records were not appended. None of the batch was.
#[derive(Debug, Error)]
pub enum AppendError {
    /// No space; try again after [`release`](crate::Journal::release) or when the disk has room.
    #[error("journal folder {} is full: {cause}", folder.display())]
    Full {
        /// The journal's folder.
        folder: PathBuf,
        /// Which limit was met.
        cause: Full,
    },
    /// The batch does not fit into one segment.
    #[error(
        "a batch of {bytes} bytes does not fit into a journal segment, which takes {limit}; append it in parts or configure larger segments"
    )]
    TooLarge {
        /// Bytes that the batch takes with its record headers.
        bytes: u64,
        /// Bytes that a segment takes.
        limit: u64,
    },
    /// A file operation failed. The next append uses another segment.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The limit that keeps a journal from growing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Full {
    /// [`Options::quota_bytes`](crate::Options).
    #[error("its quota of {quota_bytes} bytes is used up; wait for its readers or raise the quota")]
    Quota {
        /// The quota.
        quota_bytes: u64,
    },
    /// [`Options::floor_bytes`](crate::Options).
    #[error(
        "only {free_bytes} bytes of disk would stay free, below the floor of {floor_bytes}; free disk space"
    )]
    Floor {
        /// What would be left.
        free_bytes: u64,
        /// What has to be left.
        floor_bytes: u64,
    },
    /// The file system has no more space.
    #[error("the disk is full; free disk space")]
    Disk,
}

/// Why records are not durable yet.
#[derive(Debug, Error)]
pub enum SyncError {
    /// A file operation failed; what was appended can still be read. Call `sync` again: it writes the
    /// records to another file first.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// After an earlier failure these records could not be read back: they are lost and never become
    /// durable. Those after them can: call `sync` again.
    #[error("records {} to {} were lost when the disk failed to sync them", .0.from, .0.to)]
    Lost(Gap),
}

/// Why a record can't be read now.
#[derive(Debug, Error)]
pub enum ReadError {
    /// A file operation failed; the reader stays where it is. Try again, or go on with
    /// [`set_aside_unreadable`](crate::Reader::set_aside_unreadable).
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The segment is of another version.
    #[error(transparent)]
    Version(#[from] VersionError),
    /// [`cut_suffix`](crate::Journal::cut_suffix) has made positions invalid since the reader was made.
    #[error("the journal was cut since this reader was made; make a new one")]
    Cut,
}

/// Why a cursor can't be had.
#[derive(Debug, Error)]
pub enum CursorError {
    /// Names are 1 to 64 bytes long.
    #[error("cursor name {0:?} is empty or longer than 64 bytes")]
    Name(String),
    /// There are as many as the file takes.
    #[error("cursor {name:?} is one too many: a journal has at most {limit}")]
    TooMany {
        /// The cursor that was asked for.
        name: String,
        /// How many there can be.
        limit: usize,
    },
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// Says of an operation's error what was tried and where.
pub(crate) trait During<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, DiskError>;
}

impl<T> During<T> for io::Result<T> {
    fn during(self, action: &'static str, path: &Path) -> Result<T, DiskError> {
        self.map_err(|source| DiskError { action, path: path.to_path_buf(), source })
    }
}

fn advice(found: u32, supported: u32) -> &'static str {
    if found > supported {
        "it was written by a later version of this program: install that one, or move the folder away"
    } else {
        "let the version that wrote it deliver what is in it, or move the folder away"
    }
}
