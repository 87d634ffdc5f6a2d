//! How events lie in a file: one a line, or as elements of one JSON array.
//!
//! Either way a file is good after every write. Lines end with a newline each; an array is closed by every write, and
//! the next one writes over the closing bracket:
//!
//! ```text
//!   [⏎{"a":1},⏎{"a":2}⏎]⏎
//!   ╰──── content ────╯╰tail
//! ```

use seams::DiskFile;
use std::io::{self, IoSlice};

/// What is read at a time when the end of a file is looked at.
const BLOCK_BYTES: usize = 64 << 10;

/// How events lie in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// One event a line.
    Lines,
    /// One JSON array.
    Array,
}

/// What a file holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Content {
    /// Bytes of whole events, without the tail.
    pub(super) bytes: u64,
    /// Whether there is an event.
    pub(super) events: bool,
}

impl Layout {
    /// Begins an event; `first` of its file or not.
    pub(super) fn begin(self, first: bool, out: &mut Vec<u8>) {
        match (self, first) {
            (Layout::Lines, _) => {}
            (Layout::Array, true) => out.extend_from_slice(b"[\n"),
            (Layout::Array, false) => out.extend_from_slice(b",\n"),
        }
    }

    /// Ends an event.
    pub(super) fn end(self, out: &mut Vec<u8>) {
        if self == Layout::Lines {
            out.push(b'\n');
        }
    }

    /// What stands behind the last event of a file.
    pub(super) fn tail(self) -> &'static [u8] {
        match self {
            Layout::Lines => b"",
            Layout::Array => b"\n]\n",
        }
    }

    /// Finds out what a file of an earlier life holds and cuts off what is no whole event. `None` when the file is not
    /// of this layout.
    pub(super) fn repair(self, file: &dyn DiskFile) -> io::Result<Option<Content>> {
        let len = file.len()?;
        let tail = self.tail();
        let tail_at = len.saturating_sub(tail.len() as u64);
        if self == Layout::Array && !starts_with(file, b"[\n", len)? {
            // Not even the beginning was written, or somebody else wrote it.
            return Ok((len < 2).then_some(Content::default()));
        }
        if self == Layout::Array && tail_at > 1 && ends_with(file, tail, tail_at)? {
            return Ok(Some(Content { bytes: tail_at, events: true }));
        }
        let newline = last_newline(file, len)?;
        let bytes = match (self, newline) {
            (_, None) => 0,
            (Layout::Lines, Some(at)) => at + 1,
            (Layout::Array, Some(at)) => before_newline(file, at)?,
        };
        let content = Content { bytes, events: bytes > 0 };
        if bytes < len {
            file.set_len(bytes)?;
        }
        if content.events && !tail.is_empty() {
            file.write_at(&mut [IoSlice::new(tail)], bytes)?;
        }
        Ok(Some(content))
    }
}

/// Where the content of an array ends whose last newline is at `at`: before it stands a comma, the opening bracket or,
/// where the tail is torn, the last event.
fn before_newline(file: &dyn DiskFile, at: u64) -> io::Result<u64> {
    let mut before = [0];
    file.read_exact_at(&mut before, at - 1)?;
    Ok(match before {
        [b','] => at - 1,
        [b'['] if at == 1 => 0,
        _ => at,
    })
}

fn starts_with(file: &dyn DiskFile, head: &[u8; 2], len: u64) -> io::Result<bool> {
    let mut begin = [0; 2];
    if len < 2 {
        return Ok(false);
    }
    file.read_exact_at(&mut begin, 0)?;
    Ok(begin == *head)
}

fn ends_with(file: &dyn DiskFile, tail: &[u8], at: u64) -> io::Result<bool> {
    let mut end = [0; 3];
    let end = &mut end[..tail.len()];
    file.read_exact_at(end, at)?;
    Ok(end == tail)
}

/// Where the last newline is.
fn last_newline(file: &dyn DiskFile, len: u64) -> io::Result<Option<u64>> {
    let mut block = vec![0; BLOCK_BYTES];
    let mut end = len;
    while end > 0 {
        let begin = end.saturating_sub(BLOCK_BYTES as u64);
        let block = &mut block[..(end - begin) as usize];
        file.read_exact_at(block, begin)?;
        if let Some(at) = memchr::memrchr(b'\n', block) {
            return Ok(Some(begin + at as u64));
        }
        end = begin;
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use seams::{Disk, OpenMode, Rng, SimulatedDisk, read_file};
    use std::path::Path;

    /// What is left of a file after a repair, and what it holds.
    fn repaired(layout: Layout, before: &str) -> (String, Option<Content>) {
        let disk = SimulatedDisk::new(Rng::seeded(1));
        disk.create_folder(Path::new("/d")).unwrap();
        let path = Path::new("/d/file");
        let file = disk.open(path, OpenMode::Create).unwrap();
        file.append(before.as_bytes()).unwrap();
        let content = layout.repair(&*file).unwrap();
        (String::from_utf8(read_file(&disk, path).unwrap()).unwrap(), content)
    }

    #[test]
    fn half_a_line_is_cut() {
        let long = "x".repeat(2 * BLOCK_BYTES);
        for (before, after) in [
            ("", ""),
            ("half", ""),
            ("one\n", "one\n"),
            ("one\ntwo\nha", "one\ntwo\n"),
            (&format!("one\n{long}"), "one\n"),
        ] {
            let (left, content) = repaired(Layout::Lines, before);
            assert_eq!(left, after);
            let bytes = after.len() as u64;
            assert_eq!(content, Some(Content { bytes, events: bytes > 0 }));
        }
    }

    #[test]
    fn an_array_is_an_array_again_wherever_it_was_torn() {
        let whole = "[\n1,\n{\"a\":2},\n3\n]\n";
        for torn in 0..=whole.len() {
            let (left, content) = repaired(Layout::Array, &whole[..torn]);
            let content = content.expect("an array");
            if !content.events {
                assert!(torn < 5, "{torn}");
                continue;
            }
            let elements: Vec<serde_json::Value> = serde_json::from_str(&left).expect("valid JSON");
            assert!(!elements.is_empty());
            assert_eq!(&left[content.bytes as usize..], "\n]\n");
        }
    }

    #[test]
    fn what_is_no_array_is_left_alone() {
        assert_eq!(repaired(Layout::Array, "hello\n"), ("hello\n".to_owned(), None));
    }
}
