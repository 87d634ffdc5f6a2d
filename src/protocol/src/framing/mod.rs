//! Framing: where each message of one byte stream begins and ends. Bytes are found, never changed.
//!
//! ```text
//!            unconsumed bytes (the caller's buffer)
//!   ┌──────────┬─┬────────────────┬─┬───────────┐
//!   │ record   │⏎│ record         │⏎│ rec…      │   scan() → two spans, consumed up to here ▲
//!   └──────────┴─┴────────────────┴─┴───────────┘                                    ───────┘
//! ```
//!
//! The caller reads into a buffer, calls [`Framer::scan`] with everything that is not consumed yet, takes the
//! spans, drops the consumed bytes, and hands the rest in again with more behind it. The framer remembers
//! how far it has searched, so a message of 20 MiB that comes in pieces of 1 KiB costs one pass. How a
//! stream is split into calls does not change its records.
//!
//! Cost: delimiters of one byte are one `memchr` pass plus a few nanoseconds a line; an octet count is
//! a constant number of steps a message.

mod lines;
mod octet;
mod signature;

use std::fmt;

use self::lines::Lines;
use self::octet::Octets;
use self::signature::Signature;

/// How messages are told apart in a stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Each message ends with these bytes (RFC 6587 §3.4.2, "non-transparent framing").
    Delimiter(Delimiter),
    /// Each message is preceded by its length in bytes and a space (RFC 6587 §3.4.1). A wrong length ends the
    /// stream with a [`FramingError`], because every byte after it is in doubt.
    Octet,
    /// Decided by the first bytes of the stream: `LEN SP <PRI>`, complete, means octet counting; anything
    /// else means lines, whose trailer is line feed or NUL, whichever comes first in the stream. A wrong
    /// octet count is survived: see [`Counters::resynchronised`].
    Detect,
}

/// The bytes that end a message: at least one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delimiter(Box<[u8]>);

impl Delimiter {
    /// A delimiter of these bytes, or `None` where there are none.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        if bytes.is_empty() { None } else { Some(Self(bytes.into())) }
    }

    /// The line feed, `\n`.
    pub fn line_feed() -> Self {
        Self(Box::new([b'\n']))
    }

    /// The delimiter's bytes, never empty.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// What a framer puts up with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message in bytes, without delimiter or octet count: 1 to [`Limits::MOST_BYTES`] (other
    /// values count as the nearest of these). A longer message is cut here, marked [`Ending::Truncated`], and
    /// its rest discarded.
    pub max_message_bytes: u32,
}

impl Limits {
    /// 1 GiB: far beyond any message, and half of what the offsets of [`Span`] reach.
    pub const MOST_BYTES: u32 = 1 << 30;
}

/// One message: a range of the bytes that were handed to the call that found it. Never empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub offset: u32,
    /// Its length in bytes.
    pub len: u32,
    /// How it ended.
    pub ending: Ending,
}

impl Span {
    /// The span as a range, for indexing the bytes it was found in.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.offset as usize..self.offset as usize + self.len as usize
    }
}

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// As its framing says.
    Whole,
    /// Longer than the limit: cut there.
    Truncated,
    /// The stream ended before the delimiter, or before as many bytes came as were counted.
    Unterminated,
}

/// What a call of [`Framer::scan`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scan {
    /// So many bytes are done with; the rest is to be handed in again, with more behind it. Once
    /// [`Scan::more`] is false, the rest is less than [`Limits::max_message_bytes`], a delimiter and 32 bytes
    /// together.
    pub consumed: usize,
    /// The spans found by this call lie one after the other, each with exactly one delimiter behind it, so
    /// that `bytes[first.offset..consumed]` is what a sender with the same delimiter ([`Framer::delimiter`])
    /// would write. Always false for octet counting.
    pub contiguous: bool,
    /// The call stopped early: there may be more records in the rest (or a [`FramingError`]). Call again
    /// before reading more.
    pub more: bool,
}

/// What happened in a stream so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages longer than the limit.
    pub truncated: u64,
    /// Bytes of such messages beyond the limit.
    pub discarded_bytes: u64,
    /// Pieces without a valid octet count, found by [`Framing::Detect`] in a stream of octet counts. Each is
    /// handed on as a record of its own, up to the next trailer or the next `LEN SP <PRI>`.
    pub resynchronised: u64,
    /// Records without a byte in them, which are skipped.
    pub empty: u64,
    /// Messages that the end of the stream cut off.
    pub unterminated: u64,
}

/// Why a stream can't be read any further.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FramingError {
    /// What stands where an octet count should is none (RFC 6587 §3.4.1: 1 to 9, more digits, a space).
    #[error(
        "octet count expected at byte {position} of the stream, found \"{found}\"; \
         let the sender count octets, or set framing to delimiter"
    )]
    BadOctetCount {
        /// Where in the stream, in bytes from its beginning.
        position: u64,
        /// The bytes that are there.
        found: Excerpt,
    },
    /// The stream ended within an octet count.
    #[error(
        "stream ended at byte {position} within the octet count \"{found}\"; the sender closed the connection early"
    )]
    EndedInOctetCount {
        /// Where the count begins, in bytes from the beginning of the stream.
        position: u64,
        /// The bytes that are there.
        found: Excerpt,
    },
}

/// The first bytes of what was found in place of something else, shown escaped.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Excerpt {
    bytes: [u8; Excerpt::MOST_BYTES],
    len: u8,
}

impl Excerpt {
    /// Enough to recognise a line or a TLS greeting.
    const MOST_BYTES: usize = 16;

    fn new(bytes: &[u8]) -> Self {
        let len = bytes.len().min(Self::MOST_BYTES);
        let mut excerpt = Self { bytes: [0; Self::MOST_BYTES], len: len as u8 };
        excerpt.bytes[..len].copy_from_slice(&bytes[..len]);
        excerpt
    }
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.bytes[..usize::from(self.len)].escape_ascii())
    }
}

impl fmt::Debug for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

/// The incremental scanner of one byte stream.
///
/// ```
/// use protocol::framing::{Delimiter, Framer, Framing, Limits};
///
/// let mut framer = Framer::new(Framing::Delimiter(Delimiter::line_feed()), Limits { max_message_bytes: 1 << 20 });
/// let mut spans = Vec::new();
/// let scan = framer.scan(b"one\ntwo\nthr", 1024, &mut spans)?;
/// assert_eq!((spans.len(), scan.consumed), (2, 8));
/// framer.finish(b"thr", &mut spans)?;
/// assert_eq!(spans.len(), 3);
/// # Ok::<(), protocol::framing::FramingError>(())
/// ```
#[derive(Debug)]
pub struct Framer {
    mode: Mode,
    counters: Counters,
    /// Where in the stream the first unconsumed byte is.
    position: u64,
}

#[derive(Debug)]
enum Mode {
    Lines(Lines),
    Octets(Octets),
    /// [`Framing::Detect`] before the first bytes tell.
    Undecided {
        limit: usize,
    },
}

// === impl Framer ===

impl Framer {
    /// A framer at the beginning of a stream.
    pub fn new(framing: Framing, limits: Limits) -> Self {
        let limit = limits.max_message_bytes.clamp(1, Limits::MOST_BYTES) as usize;
        let mode = match framing {
            Framing::Delimiter(delimiter) => Mode::Lines(Lines::ending_with(&delimiter, limit)),
            Framing::Octet => Mode::Octets(Octets::strict(limit)),
            Framing::Detect => Mode::Undecided { limit },
        };
        Self { mode, counters: Counters::default(), position: 0 }
    }

    /// Finds the records of `bytes` (everything not consumed yet) and adds at most `at_most` (at least 1) of
    /// them to `out`, in order.
    ///
    /// # Errors
    /// Where the stream can't be read on. Records before the fault are returned by an `Ok` first, with
    /// [`Scan::more`] set.
    pub fn scan(&mut self, bytes: &[u8], at_most: usize, out: &mut Vec<Span>) -> Result<Scan, FramingError> {
        // Offsets are u32; whoever has more than 4 GiB at hand gets it in several calls.
        let within = &bytes[..bytes.len().min(u32::MAX as usize)];
        let at_most = at_most.max(1);
        self.decide(within);
        let mut scan = match &mut self.mode {
            Mode::Undecided { .. } => Scan { consumed: 0, contiguous: false, more: false },
            Mode::Lines(lines) => lines.scan(within, at_most, out, &mut self.counters),
            Mode::Octets(octets) => octets.scan(within, at_most, self.position, out, &mut self.counters)?,
        };
        scan.more |= within.len() < bytes.len() && scan.consumed > 0;
        self.position += scan.consumed as u64;
        Ok(scan)
    }

    /// The stream has ended: adds the records of `bytes` (everything not consumed yet, less than 4 GiB) to
    /// `out`, the last one also without its delimiter ([`Ending::Unterminated`]). Where the number of records
    /// matters, call [`Framer::scan`] until [`Scan::more`] is false first; then one is left at most.
    ///
    /// # Errors
    /// As [`Framer::scan`]; and where the stream ends within an octet count. Records found before are in
    /// `out`.
    pub fn finish(&mut self, bytes: &[u8], out: &mut Vec<Span>) -> Result<(), FramingError> {
        debug_assert!(u32::try_from(bytes.len()).is_ok());
        let mut at = 0;
        loop {
            let before = out.len();
            let scan = self.scan(&bytes[at..], usize::MAX, out)?;
            move_by(&mut out[before..], at);
            at += scan.consumed;
            if !scan.more {
                break;
            }
        }
        let rest = &bytes[at..];
        let before = out.len();
        match &mut self.mode {
            Mode::Undecided { limit } => Lines::trailing(*limit).finish(rest, out, &mut self.counters),
            Mode::Lines(lines) => lines.finish(rest, out, &mut self.counters),
            Mode::Octets(octets) => octets.finish(rest, self.position, out, &mut self.counters)?,
        }
        move_by(&mut out[before..], at);
        self.position += rest.len() as u64;
        Ok(())
    }

    /// The delimiter of this stream: the configured one, or the trailer that was detected. `None` for octet
    /// counts, and while nothing is detected. What [`Scan::contiguous`] says is about this delimiter.
    pub fn delimiter(&self) -> Option<&[u8]> {
        match &self.mode {
            Mode::Lines(lines) => lines.delimiter(),
            Mode::Octets(_) | Mode::Undecided { .. } => None,
        }
    }

    /// What happened so far.
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Leaves [`Mode::Undecided`] as soon as the first bytes allow it.
    fn decide(&mut self, bytes: &[u8]) {
        let Mode::Undecided { limit } = self.mode else {
            return;
        };
        self.mode = match Signature::of(bytes) {
            Signature::Incomplete => return,
            Signature::Octets { .. } => Mode::Octets(Octets::resynchronising(limit)),
            Signature::None => Mode::Lines(Lines::trailing(limit)),
        };
    }
}

/// Spans found in `bytes[by..]` as spans of `bytes`.
fn move_by(spans: &mut [Span], by: usize) {
    for span in spans {
        span.offset += by as u32;
    }
}

fn span(offset: usize, len: usize, ending: Ending) -> Span {
    // Both fit: the scanned bytes are no more than u32::MAX.
    Span { offset: offset as u32, len: len as u32, ending }
}

#[cfg(test)]
mod tests;
