//! Segment files: begun from a spare one, opened again, and what their headers say.

use std::io::IoSlice;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use seams::{Disk, DiskFile, OpenMode};

use crate::error::{DiskError, During, VersionError};
use crate::format::{DATA_START, FORMAT, FileName, HeaderFault, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::position::{Position, SegmentId};
use crate::scan::{OnError, Scan};

/// An open segment file.
#[derive(Clone, Debug)]
pub(crate) struct SegmentFile {
    pub(crate) file: Arc<dyn DiskFile>,
    pub(crate) path: PathBuf,
    /// `None`: the header is damaged, the records say it.
    pub(crate) salt: Option<u32>,
    pub(crate) begun_unix_nanos: Option<u64>,
    pub(crate) len: u64,
}

impl SegmentFile {
    /// Opens a segment and looks at its header. A damaged header is no error.
    pub(crate) fn open(
        disk: &dyn Disk,
        folder: &Path,
        id: SegmentId,
        first: Position,
    ) -> Result<Self, OpenSegmentError> {
        let path = folder.join(FileName::Segment { id, first }.to_string());
        let file = disk.open(&path, OpenMode::Write).or_else(|_| disk.open(&path, OpenMode::Read));
        let file = file.during("open", &path)?;
        let len = file.len().during("read the length of", &path)?;
        let mut bytes = [0; SEGMENT_HEADER_BYTES];
        // A header that can't be read is as good as a damaged one.
        let header = match file.read_exact_at(&mut bytes, 0) {
            Ok(()) => SegmentHeader::decode(&bytes),
            Err(_) => Err(HeaderFault::Damaged),
        };
        match header {
            Ok(header) if header.id == id && header.first == first => Ok(Self {
                file,
                path,
                salt: Some(header.salt),
                begun_unix_nanos: Some(header.begun_unix_nanos),
                len,
            }),
            Ok(_) | Err(HeaderFault::Damaged) => {
                Ok(Self { file, path, salt: None, begun_unix_nanos: None, len })
            }
            Err(HeaderFault::Format(found)) => {
                Err(VersionError { file: path, found, supported: FORMAT }.into())
            }
        }
    }

    /// Writes and syncs the header of a new segment into a file that still has its spare name.
    pub(crate) fn begin(file: &dyn DiskFile, path: &Path, header: &SegmentHeader) -> Result<(), DiskError> {
        let bytes = header.encode();
        file.write_at(&mut [IoSlice::new(&bytes)], 0).during("write", path)?;
        file.sync_data().during("sync", path)
    }

    /// A walk through the records up to a limit in bytes.
    pub(crate) fn scan(
        &self,
        positions: Range<Position>,
        limit: u64,
        block_bytes: usize,
        on_error: OnError,
    ) -> Scan {
        let limit = limit.min(self.len).max(DATA_START);
        Scan::new(Arc::clone(&self.file), self.salt, positions, limit, block_bytes, on_error)
    }
}

/// Why a segment can't be opened.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenSegmentError {
    #[error(transparent)]
    Disk(#[from] DiskError),
    #[error(transparent)]
    Version(#[from] VersionError),
}
