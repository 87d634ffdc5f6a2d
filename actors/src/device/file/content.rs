//! What a file is recognised by, whatever it is called: inode, time of birth, and fingerprints of its content.
//!
//! ```text
//!   ┌──────────────┬──────────────────────┬──────────────┬───────────
//!   │ head         │                      │ tail         │ not read
//!   └──────────────┴──────────────────────┴──────────────┴───────────
//!   0       ≤ 1 KiB                         ≤ 1 KiB      ▲ offset
//! ```
//!
//! An inode number is used again after a deletion, a head is shared by files with equal first lines, an
//! offset fits any file that is long enough. Together they tell: the same file has the same head **and** the same
//! bytes before the offset. The head grows with the file, so that files of one line are recognised as well.
//! Fingerprints are CRC-32C (a kilobyte costs about 0.1 µs); they guard against mix-ups, not against forgers.

use serde::{Deserialize, Serialize};
use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::UNIX_EPOCH;

/// A head and a tail cover so much at most: a few lines of any log.
pub const PRINT_BYTES: usize = 1024;

/// A file as the file system numbers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Inode {
    /// The device number.
    pub dev: u64,
    /// The inode number.
    pub ino: u64,
}

/// When a file was born, in nanoseconds since the Unix epoch, where the file system knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Born(pub Option<u64>);

/// The fingerprint of a file's beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Head {
    /// So many bytes.
    pub len: u16,
    /// Their checksum.
    pub crc: u32,
}

/// A place in a file with the fingerprint of what is before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Bytes from the beginning.
    pub offset: u64,
    /// So many bytes before it …
    pub tail_len: u16,
    /// … have this checksum.
    pub tail_crc: u32,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Length in bytes.
    pub len: u64,
    /// Last modification, in nanoseconds since the Unix epoch.
    pub modified: i64,
    /// Whether it has a name.
    pub named: bool,
}

impl Inode {
    /// Of a file's metadata.
    pub fn of(metadata: &Metadata) -> Self {
        Self { dev: metadata.dev(), ino: metadata.ino() }
    }
}

impl Born {
    /// Of a file's metadata.
    pub fn of(metadata: &Metadata) -> Self {
        let since = metadata.created().ok().and_then(|born| born.duration_since(UNIX_EPOCH).ok());
        Self(since.and_then(|since| u64::try_from(since.as_nanos()).ok()))
    }

    /// Whether both may be of one file.
    pub fn agrees(self, other: Self) -> bool {
        self.0.is_none() || other.0.is_none() || self == other
    }
}

impl Stat {
    /// Of a file's metadata.
    pub fn of(metadata: &Metadata) -> Self {
        let modified = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
        Self { len: metadata.len(), modified, named: metadata.nlink() > 0 }
    }
}

impl Head {
    /// Of the first bytes of a file, as far as it was read.
    pub fn of(file: &File, read: u64) -> io::Result<Self> {
        let len = read.min(PRINT_BYTES as u64) as u16;
        Ok(Self { len, crc: crc_at(file, 0, len)? })
    }

    /// Whether it may cover more of a file that was read so far.
    pub fn grows(self, read: u64) -> bool {
        u64::from(self.len) < read.min(PRINT_BYTES as u64)
    }

    /// Whether a file begins so.
    pub fn matches(self, file: &File) -> io::Result<bool> {
        is_there(crc_at(file, 0, self.len), self.crc)
    }
}

impl Position {
    /// The beginning.
    pub const START: Position = Position { offset: 0, tail_len: 0, tail_crc: 0 };

    /// A place in a file; its tail is read from there.
    pub fn in_file(file: &File, offset: u64) -> io::Result<Self> {
        let tail_len = offset.min(PRINT_BYTES as u64) as u16;
        let tail_crc = crc_at(file, offset - u64::from(tail_len), tail_len)?;
        Ok(Self { offset, tail_len, tail_crc })
    }

    /// The place after `read`, which follows `before`.
    pub fn after(before: &[u8], read: &[u8], offset: u64) -> Self {
        let of_read = read.len().min(PRINT_BYTES);
        let of_before = before.len().min(PRINT_BYTES - of_read);
        let crc = crc32c::crc32c(&before[before.len() - of_before..]);
        let tail_crc = crc32c::crc32c_append(crc, &read[read.len() - of_read..]);
        Self { offset, tail_len: (of_read + of_before) as u16, tail_crc }
    }

    /// Where its tail begins.
    pub fn tail_at(self) -> u64 {
        self.offset.saturating_sub(u64::from(self.tail_len))
    }

    /// Whether this is its tail.
    pub fn follows(self, tail: &[u8]) -> bool {
        tail.len() == usize::from(self.tail_len) && crc32c::crc32c(tail) == self.tail_crc
    }

    /// Whether a file has the same bytes before this place.
    pub fn matches(self, file: &File) -> io::Result<bool> {
        is_there(crc_at(file, self.tail_at(), self.tail_len), self.tail_crc)
    }
}

/// Whether two files agree in their first `len` bytes, as far as their beginnings and what is before `len` tell.
pub fn agree(a: &File, b: &File, len: u64) -> io::Result<bool> {
    let head = Head::of(a, len)?;
    Ok(head.matches(b)? && Position::in_file(a, len)?.matches(b)?)
}

fn crc_at(file: &File, offset: u64, len: u16) -> io::Result<u32> {
    let mut bytes = [0; PRINT_BYTES];
    let bytes = &mut bytes[..usize::from(len).min(PRINT_BYTES)];
    file.read_exact_at(bytes, offset)?;
    Ok(crc32c::crc32c(bytes))
}

fn is_there(found: io::Result<u32>, crc: u32) -> io::Result<bool> {
    match found {
        Ok(found) => Ok(found == crc),
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    #[test]
    fn a_place_is_recognised_by_what_is_before_it() {
        let bytes: Vec<u8> = (0..5000u32).map(|n| (n * 7) as u8).collect();
        let whole = file(&bytes);
        for offset in [0, 1, 1000, 1024, 1025, 4999, 5000] {
            let from_file = Position::in_file(&whole, offset as u64).unwrap();
            for split in [0, offset / 3, offset] {
                assert_eq!(Position::after(&bytes[..split], &bytes[split..offset], offset as u64), from_file);
            }
            assert!(from_file.matches(&whole).unwrap());
        }
        let other = file(&bytes[1..]);
        assert!(!Position::in_file(&whole, 4000).unwrap().matches(&other).unwrap());
        assert!(!Position::in_file(&whole, 5000).unwrap().matches(&other).unwrap(), "it is too short");
    }

    #[test]
    fn a_head_grows_with_a_short_file_and_is_that_of_a_longer_one() {
        let one_line = Head::of(&file(b"one line\n"), 9).unwrap();
        assert!(one_line.grows(10) && !one_line.grows(9));
        assert!(one_line.matches(&file(b"one line\nand another\n")).unwrap());
        assert!(!one_line.matches(&file(b"one like\nand another\n")).unwrap());
        assert!(!one_line.matches(&file(b"one")).unwrap());
    }
}
