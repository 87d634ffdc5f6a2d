//! Marks in bytes: written into texts, found in what comes.

use std::fmt;

/// The mark of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Mark {
    /// The origin.
    pub origin: u16,
    /// The stream of the origin.
    pub stream: u32,
    /// The number of the event within the origin.
    pub number: u64,
}

/// Finds marks in a stream of bytes that comes in pieces. A mark that follows itself is the same event once more in
/// the same record (a pipeline keeps the original beside what it made of it), and is found once.
#[derive(Debug, Default)]
pub struct Marks {
    /// The beginning of a mark whose end has not come.
    open: Vec<u8>,
    last: Option<Mark>,
}

/// `~ffff.ffffffff.ffffffffffffffff~`
const LONGEST: usize = 33;

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "~{:x}.{:x}.{:x}~", self.origin, self.stream, self.number)
    }
}

impl Mark {
    fn parse(text: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut parts = text.split('.');
        let origin = u16::from_str_radix(parts.next()?, 16).ok()?;
        let stream = u32::from_str_radix(parts.next()?, 16).ok()?;
        let number = u64::from_str_radix(parts.next()?, 16).ok()?;
        parts.next().is_none().then_some(Self { origin, stream, number })
    }
}

impl Marks {
    /// Adds the marks that end in these bytes.
    pub fn find(&mut self, bytes: &[u8], found: &mut Vec<Mark>) {
        let mut rest = bytes;
        if !self.open.is_empty() {
            let Some(end) = rest.iter().position(|byte| !is_inside(*byte)) else {
                self.open.extend_from_slice(rest);
                self.give_up_if_long();
                return;
            };
            self.open.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
            if rest[0] == b'~'
                && let Some(mark) = Mark::parse(&self.open[1..])
            {
                self.add(mark, found);
                rest = &rest[1..]; // else it may begin one
            }
            self.open.clear();
        }
        while let Some(start) = memchr::memchr(b'~', rest) {
            let body = &rest[start + 1..];
            let Some(end) = body.iter().position(|byte| !is_inside(*byte)) else {
                self.open.extend_from_slice(&rest[start..]);
                self.give_up_if_long();
                return;
            };
            rest = &body[end..];
            if rest[0] == b'~'
                && let Some(mark) = Mark::parse(&body[..end])
            {
                self.add(mark, found);
                rest = &rest[1..];
            }
        }
    }

    /// A record ended: the same mark again is the same event again.
    pub fn end_of_record(&mut self) {
        self.last = None;
        self.open.clear();
    }

    fn add(&mut self, mark: Mark, found: &mut Vec<Mark>) {
        if self.last != Some(mark) {
            found.push(mark);
        }
        self.last = Some(mark);
    }

    fn give_up_if_long(&mut self) {
        if self.open.len() > LONGEST {
            self.open.clear();
        }
    }
}

fn is_inside(byte: u8) -> bool {
    byte == b'.' || byte.is_ascii_hexdigit()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(origin: u16, stream: u32, number: u64) -> Mark {
        Mark { origin, stream, number }
    }

    #[test]
    fn marks_are_found_wherever_the_pieces_are_cut() {
        let marks = [mark(0, 0, 0), mark(0xbeef, 7, 0xdead_beef), mark(1, 2, 3)];
        let text = format!("a ~ ~~ {} b~1.2~{}\"c\"~x{} ~", marks[0], marks[1], marks[2]);
        for size in 1..text.len() {
            let (mut finder, mut found) = (Marks::default(), Vec::new());
            for piece in text.as_bytes().chunks(size) {
                finder.find(piece, &mut found);
            }
            assert_eq!(found, marks, "in pieces of {size}: {text}");
        }
    }

    #[test]
    fn a_mark_twice_in_a_record_is_one_event_and_in_two_records_two() {
        let text = format!("{0} {0}", mark(1, 1, 1));
        let (mut finder, mut found) = (Marks::default(), Vec::new());
        finder.find(text.as_bytes(), &mut found);
        finder.end_of_record();
        finder.find(text.as_bytes(), &mut found);
        assert_eq!(found.len(), 2);
    }
}
