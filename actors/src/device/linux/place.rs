//! How far a file on a host was read, as it is written down.

use super::listing::is_zipped;
use crate::device::file::content::{Head, PRINT_BYTES, Position};
use serde::{Deserialize, Serialize};

/// Which file, and how far it was read. The content is recognised by its beginning and by what is before the place,
/// whatever the file is called and wherever it lies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Place {
    /// The path under which it was found; it may have been rotated since.
    pub name: String,
    /// Where it was last.
    pub path: String,
    /// Its number within its file system.
    pub inode: u64,
    /// How it begins.
    pub head: Head,
    /// How far it was read; of a compressed one, in what was compressed.
    pub at: Position,
    /// Nothing more will come of it.
    pub done: bool,
}

impl Place {
    /// The beginning of a file that belongs to a name and lies at a path.
    pub fn start(name: &str, path: &str, inode: u64) -> Self {
        let (name, path) = (name.to_owned(), path.to_owned());
        Self { name, path, inode, head: Head::default(), at: Position::START, done: false }
    }

    /// As text for a checkpoint.
    pub fn to_text(&self) -> String {
        // A structure of texts and numbers always has one.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// From a checkpoint.
    pub fn from_text(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }

    /// Whether a file that begins so has the content that was read.
    pub fn begins(&self, beginning: &[u8]) -> bool {
        let len = usize::from(self.head.len);
        len > 0 && beginning.get(..len).is_some_and(|head| crc32c::crc32c(head) == self.head.crc)
    }

    /// More of the beginning is known.
    pub fn see_head(&mut self, beginning: &[u8]) {
        let len = beginning.len().min(PRINT_BYTES);
        if len > usize::from(self.head.len) {
            self.head = Head { len: len as u16, crc: crc32c::crc32c(&beginning[..len]) };
        }
    }

    /// Whether it is read as what it was before it was compressed.
    pub fn is_zipped(&self) -> bool {
        is_zipped(&self.path)
    }
}

/// How a part of a file is asked of `dd`: whole blocks, so that it seeks and reads large pieces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    /// Bytes of a block.
    pub size: u64,
    /// So many are left out.
    pub skip: u64,
    /// So many are read.
    pub count: u64,
}

impl Blocks {
    /// The blocks with `from..to`.
    pub fn covering(from: u64, to: u64) -> Self {
        let size = if to.saturating_sub(from) > 256 << 10 { 64 << 10 } else { 4096 };
        let skip = from / size;
        Self { size, skip, count: to.div_ceil(size).saturating_sub(skip).max(1) }
    }

    /// Where in the file they begin.
    pub fn begin(self) -> u64 {
        self.size * self.skip
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_found_again() {
        let mut place = Place::start("/var/log/it's", "/var/log/it's.1", 7);
        place.see_head(b"first line\n");
        place.at = Position::after(b"", b"first line\n", 11);
        assert_eq!(Place::from_text(&place.to_text()), Some(place.clone()));
        assert!(
            place.begins(b"first line\nsecond\n")
                && !place.begins(b"first")
                && !place.begins(b"other line\n")
        );
        assert!(!Place::start("/a", "/a", 1).begins(b"anything"), "nothing read, nothing recognised");
        place.see_head(b"first");
        assert_eq!(place.head.len, 11, "a head does not shrink");
    }

    #[test]
    fn blocks_cover_what_is_asked_for() {
        for (from, to) in [(0, 1), (4095, 4097), (5000, 5000), (1000, 10 << 20), (70_000, 90_000)] {
            let blocks = Blocks::covering(from, to);
            assert!(blocks.begin() <= from && blocks.begin() + blocks.count * blocks.size >= to);
            assert!(from - blocks.begin() < blocks.size);
        }
    }
}
