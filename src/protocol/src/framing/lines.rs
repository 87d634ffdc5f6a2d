//! Messages that end with a delimiter.

use memchr::memmem::Finder;
use memchr::{memchr_iter, memchr2};

use super::{Counters, Delimiter, Ending, Scan, Span, span};

/// The scanner of delimited messages.
#[derive(Debug)]
pub(super) struct Lines {
    delimiter: Search,
    state: State,
}

/// How the delimiter is looked for.
#[derive(Debug)]
enum Search {
    /// The hot path.
    Byte(u8),
    Bytes(Box<Finder<'static>>),
    /// Line feed or NUL: the first one in the stream becomes [`Search::Byte`].
    FirstTrailer,
}

#[derive(Debug)]
struct State {
    limit: usize,
    /// No delimiter begins before this offset of the unconsumed bytes.
    searched: usize,
    /// The bytes up to the next delimiter belong to a message that was cut.
    discarding: bool,
}

// === impl Lines ===

impl Lines {
    pub(super) fn ending_with(delimiter: &Delimiter, limit: usize) -> Self {
        let search = match delimiter.as_bytes() {
            [byte] => Search::Byte(*byte),
            bytes => Search::Bytes(Box::new(Finder::new(bytes).into_owned())),
        };
        Self::new(search, limit)
    }

    /// Lines ending with line feed or NUL, whichever comes first in the stream.
    pub(super) fn trailing(limit: usize) -> Self {
        Self::new(Search::FirstTrailer, limit)
    }

    fn new(delimiter: Search, limit: usize) -> Self {
        Self { delimiter, state: State { limit, searched: 0, discarding: false } }
    }

    /// The delimiter, once it is known.
    pub(super) fn delimiter(&self) -> Option<&[u8]> {
        match &self.delimiter {
            Search::Byte(byte) => Some(std::slice::from_ref(byte)),
            Search::Bytes(finder) => Some(finder.needle()),
            Search::FirstTrailer => None,
        }
    }

    pub(super) fn scan(
        &mut self,
        bytes: &[u8],
        at_most: usize,
        out: &mut Vec<Span>,
        counters: &mut Counters,
    ) -> Scan {
        let from = self.state.searched;
        if let Search::FirstTrailer = self.delimiter
            && let Some(at) = memchr2(b'\n', 0, &bytes[from..])
        {
            self.delimiter = Search::Byte(bytes[from + at]);
        }
        let state = &mut self.state;
        match &self.delimiter {
            Search::Byte(byte) => {
                state.scan(bytes, memchr_iter(*byte, &bytes[from..]), 1, at_most, out, counters)
            }
            Search::Bytes(finder) => {
                let len = finder.needle().len();
                state.scan(bytes, finder.find_iter(&bytes[from..]), len, at_most, out, counters)
            }
            Search::FirstTrailer => state.scan(bytes, std::iter::empty(), 1, at_most, out, counters),
        }
    }

    /// The rest of the stream, in which [`Lines::scan`] found no delimiter.
    pub(super) fn finish(&mut self, rest: &[u8], out: &mut Vec<Span>, counters: &mut Counters) {
        if rest.is_empty() {
            return;
        }
        if self.state.discarding {
            counters.discarded_bytes += rest.len() as u64;
            return;
        }
        // With a delimiter of several bytes the rest may exceed the limit by a part of one.
        let len = rest.len().min(self.state.limit);
        if len < rest.len() {
            counters.truncated += 1;
            counters.discarded_bytes += (rest.len() - len) as u64;
            out.push(span(0, len, Ending::Truncated));
        } else {
            counters.unterminated += 1;
            out.push(span(0, len, Ending::Unterminated));
        }
    }
}

// === impl State ===

impl State {
    /// `delimiters`: where delimiters begin, from `self.searched` on.
    fn scan(
        &mut self,
        bytes: &[u8],
        delimiters: impl Iterator<Item = usize>,
        delimiter_len: usize,
        at_most: usize,
        out: &mut Vec<Span>,
        counters: &mut Counters,
    ) -> Scan {
        let mut delimiters = delimiters.map(|at| at + self.searched);
        let mut contiguous = true;
        let mut start = 0;
        if self.discarding {
            let Some(end) = delimiters.next() else {
                return self.discard(bytes, delimiter_len, counters);
            };
            counters.discarded_bytes += end as u64;
            self.discarding = false;
            start = end + delimiter_len;
        }

        let mut left = at_most;
        for end in delimiters {
            let len = end - start;
            // One comparison for the two rare cases: nothing in it, or more than the limit.
            if len.wrapping_sub(1) < self.limit {
                out.push(span(start, len, Ending::Whole));
                left -= 1;
            } else if len == 0 {
                counters.empty += 1;
                contiguous = false;
            } else {
                counters.truncated += 1;
                counters.discarded_bytes += (len - self.limit) as u64;
                contiguous = false;
                out.push(span(start, self.limit, Ending::Truncated));
                left -= 1;
            }
            start = end + delimiter_len;
            if left == 0 {
                self.searched = 0;
                return Scan { consumed: start, contiguous, more: start < bytes.len() };
            }
        }

        let rest = bytes.len() - start;
        if rest >= self.limit + delimiter_len {
            // No delimiter begins at or before the limit, or it would have been found: this message is too
            // long.
            counters.truncated += 1;
            out.push(span(start, self.limit, Ending::Truncated));
            self.discarding = true;
            let consumed = start + self.limit;
            let rest = self.discard(&bytes[consumed..], delimiter_len, counters);
            return Scan { consumed: consumed + rest.consumed, contiguous: false, more: false };
        }
        self.searched = rest.saturating_sub(delimiter_len - 1);
        Scan { consumed: start, contiguous, more: false }
    }

    /// Gives up bytes of a message that was cut, in which there is no delimiter, but for what may be the
    /// beginning of one.
    fn discard(&mut self, bytes: &[u8], delimiter_len: usize, counters: &mut Counters) -> Scan {
        let consumed = bytes.len().saturating_sub(delimiter_len - 1);
        counters.discarded_bytes += consumed as u64;
        self.searched = 0;
        Scan { consumed, contiguous: false, more: false }
    }
}
