//! What of a record was delivered when the process came to an orderly end: a cursor only knows whole records, and what was
//! delivered is not to be repeated.
//!
//! A text file beside the journal, one line a record: position, time stamp, and how many records of its batch were
//! delivered. What it says stays true, so it may be old; the time stamp tells a record from a later one at a
//! position that is used again after a crash.

use journal::Position;
use seams::Disk;
use std::collections::BTreeMap;
use std::fmt::Write;
use std::io;
use std::path::Path;

const FILE: &str = "delivered-in-part";

/// For a record that is known by its position and time stamp, how many records of its batch were delivered.
pub(super) type InPart = BTreeMap<(Position, u64), u32>;

/// Reads the file; what can't be read is not known.
pub(super) fn load(disk: &dyn Disk, folder: &Path) -> InPart {
    let bytes = seams::read_file(disk, &folder.join(FILE)).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let line = |line: &str| {
        let mut numbers = line.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(((Position(next()?), next()?), u32::try_from(next()?).ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// Writes the file.
pub(super) fn store(disk: &dyn Disk, folder: &Path, known: &InPart) -> io::Result<()> {
    let mut text = String::new();
    for ((position, stamp), delivered) in known {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{position} {stamp} {delivered}");
    }
    seams::replace_file(disk, &folder.join(FILE), text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use seams::RealDisk;

    #[test]
    fn what_was_stored_is_loaded_and_a_missing_or_broken_file_says_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        assert!(load(&RealDisk, folder.path()).is_empty());
        let known = InPart::from([((Position(3), 77), 12), ((Position(u64::MAX), 0), 1)]);
        store(&RealDisk, folder.path(), &known).expect("written");
        assert_eq!(load(&RealDisk, folder.path()), known);
        std::fs::write(folder.path().join(FILE), b"1 2\n\xff x\n4 5 6\n1 1 99999999999\n").expect("written");
        assert_eq!(load(&RealDisk, folder.path()), InPart::from([((Position(4), 5), 6)]));
    }
}
