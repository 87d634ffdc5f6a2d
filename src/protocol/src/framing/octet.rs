//! Messages that are preceded by their length (RFC 6587 §3.4.1).

use memchr::memchr3_iter;

use super::signature::{MOST_LENGTH_DIGITS, OctetCount, Signature, priority};
use super::{Counters, Ending, Excerpt, FramingError, Scan, Span, span};

/// The scanner of counted messages.
#[derive(Debug)]
pub(super) struct Octets {
    limit: usize,
    fault: OnFault,
    state: State,
}

/// What happens where no octet count is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum OnFault {
    /// The stream ends.
    Fail,
    /// What is there becomes a record, up to the next trailer or the next `LEN SP <PRI>`.
    Resynchronise,
}

#[derive(Debug)]
enum State {
    /// At an octet count.
    Count,
    /// In the rest of a message that was cut: so many bytes are left.
    Discarding { bytes: usize },
    /// In a piece without an octet count. Its end is not before `searched`; `cut` where the piece is longer
    /// than the limit, and handed on up to there.
    Astray { searched: usize, cut: bool },
}

/// What stands at an octet count's place.
enum Next {
    Message { header_bytes: usize, message_bytes: usize },
    Unknown,
    Fault,
}

/// Where a piece without an octet count ends.
enum PieceEnd {
    /// Here; the next message begins at `next`.
    At { end: usize, next: usize },
    /// Not before this offset.
    NotBefore(usize),
}

// === impl Octets ===

impl Octets {
    /// A wrong octet count ends the stream.
    pub(super) fn strict(limit: usize) -> Self {
        Self { limit, fault: OnFault::Fail, state: State::Count }
    }

    /// A wrong octet count is survived; every count has to be followed by a priority.
    pub(super) fn resynchronising(limit: usize) -> Self {
        Self { limit, fault: OnFault::Resynchronise, state: State::Count }
    }

    pub(super) fn scan(
        &mut self,
        bytes: &[u8],
        at_most: usize,
        position: u64,
        out: &mut Vec<Span>,
        counters: &mut Counters,
    ) -> Result<Scan, FramingError> {
        let full = out.len().saturating_add(at_most);
        let mut at = 0;
        while at < bytes.len() {
            if out.len() == full {
                return Ok(Scan { consumed: at, contiguous: false, more: true });
            }
            let rest = &bytes[at..];
            let step = match self.state {
                State::Discarding { bytes: left } => Some(self.discard(left, rest, counters)),
                State::Astray { searched, cut } => self.astray(searched, cut, at, rest, out, counters),
                State::Count => match self.next(rest) {
                    // Trailers between counted messages belong to neither.
                    _ if matches!(rest[0], b'\n' | b'\r' | 0) => Some(1),
                    Next::Message { header_bytes, message_bytes } => {
                        self.message(header_bytes, message_bytes, at, rest, out, counters)
                    }
                    Next::Unknown => None,
                    Next::Fault if self.fault == OnFault::Resynchronise => {
                        counters.resynchronised += 1;
                        self.state = State::Astray { searched: 0, cut: false };
                        Some(0)
                    }
                    // What was found before the fault comes first; the next call fails.
                    Next::Fault if at > 0 => {
                        return Ok(Scan { consumed: at, contiguous: false, more: true });
                    }
                    Next::Fault => {
                        return Err(FramingError::BadOctetCount { position, found: Excerpt::new(rest) });
                    }
                },
            };
            match step {
                Some(bytes) => at += bytes,
                None => break,
            }
        }
        Ok(Scan { consumed: at, contiguous: false, more: false })
    }

    /// The rest of the stream, of which [`Octets::scan`] could make nothing.
    pub(super) fn finish(
        &mut self,
        rest: &[u8],
        position: u64,
        out: &mut Vec<Span>,
        counters: &mut Counters,
    ) -> Result<(), FramingError> {
        if rest.is_empty() {
            return Ok(());
        }
        let (offset, len) = match self.state {
            State::Discarding { .. } | State::Astray { cut: true, .. } => {
                counters.discarded_bytes += rest.len() as u64;
                return Ok(());
            }
            State::Astray { cut: false, .. } => (0, rest.len()),
            State::Count => match self.next(rest) {
                Next::Message { header_bytes, .. } => (header_bytes, rest.len() - header_bytes),
                _ if self.fault == OnFault::Resynchronise => (0, rest.len()),
                _ => {
                    return Err(FramingError::EndedInOctetCount { position, found: Excerpt::new(rest) });
                }
            },
        };
        if len > self.limit {
            counters.truncated += 1;
            counters.discarded_bytes += (len - self.limit) as u64;
            out.push(span(offset, self.limit, Ending::Truncated));
        } else if len > 0 {
            counters.unterminated += 1;
            out.push(span(offset, len, Ending::Unterminated));
        }
        Ok(())
    }

    fn next(&self, rest: &[u8]) -> Next {
        match self.fault {
            OnFault::Fail => match OctetCount::of(rest) {
                OctetCount::Complete { header_bytes, message_bytes } => {
                    Next::Message { header_bytes, message_bytes }
                }
                OctetCount::Incomplete => Next::Unknown,
                OctetCount::None => Next::Fault,
            },
            OnFault::Resynchronise => match Signature::of(rest) {
                Signature::Octets { header_bytes, message_bytes } => {
                    Next::Message { header_bytes, message_bytes }
                }
                Signature::Incomplete => Next::Unknown,
                Signature::None => Next::Fault,
            },
        }
    }

    /// A counted message: how many bytes it took, or `None` where it isn't complete.
    fn message(
        &mut self,
        header_bytes: usize,
        message_bytes: usize,
        at: usize,
        rest: &[u8],
        out: &mut Vec<Span>,
        counters: &mut Counters,
    ) -> Option<usize> {
        let kept = message_bytes.min(self.limit);
        if rest.len() < header_bytes + kept {
            return None;
        }
        let ending = if kept < message_bytes {
            counters.truncated += 1;
            self.state = State::Discarding { bytes: message_bytes - kept };
            Ending::Truncated
        } else {
            Ending::Whole
        };
        out.push(span(at + header_bytes, kept, ending));
        Some(header_bytes + kept)
    }

    fn discard(&mut self, left: usize, rest: &[u8], counters: &mut Counters) -> usize {
        let now = left.min(rest.len());
        counters.discarded_bytes += now as u64;
        self.state = if now == left { State::Count } else { State::Discarding { bytes: left - now } };
        now
    }

    /// A piece without an octet count: how many bytes of it are done with, or `None` where more are needed.
    fn astray(
        &mut self,
        searched: usize,
        cut: bool,
        at: usize,
        rest: &[u8],
        out: &mut Vec<Span>,
        counters: &mut Counters,
    ) -> Option<usize> {
        match piece_end(rest, searched) {
            PieceEnd::At { end, next } => {
                self.state = State::Count;
                if cut {
                    counters.discarded_bytes += end as u64;
                } else if end > self.limit {
                    counters.truncated += 1;
                    counters.discarded_bytes += (end - self.limit) as u64;
                    out.push(span(at, self.limit, Ending::Truncated));
                } else {
                    out.push(span(at, end, Ending::Whole));
                }
                Some(next)
            }
            PieceEnd::NotBefore(searched) if cut => {
                counters.discarded_bytes += searched as u64;
                self.state = State::Astray { searched: 0, cut };
                if searched > 0 { Some(searched) } else { None }
            }
            PieceEnd::NotBefore(searched) if searched > self.limit => {
                counters.truncated += 1;
                out.push(span(at, self.limit, Ending::Truncated));
                self.state = State::Astray { searched: searched - self.limit, cut: true };
                Some(self.limit)
            }
            PieceEnd::NotBefore(searched) => {
                self.state = State::Astray { searched, cut };
                None
            }
        }
    }
}

/// Looks for the end of a piece that begins at 0 and does not end before `searched`: a trailer, or the
/// beginning of `LEN SP <PRI>`.
fn piece_end(bytes: &[u8], searched: usize) -> PieceEnd {
    for found in memchr3_iter(b'\n', 0, b'<', &bytes[searched..]) {
        let found = found + searched;
        if bytes[found] != b'<' {
            return PieceEnd::At { end: found, next: found + 1 };
        }
        let Some(begin) = octet_count_before(bytes, found) else {
            continue;
        };
        match priority(&bytes[found..]) {
            Some(true) => {
                return PieceEnd::At { end: begin, next: begin };
            }
            Some(false) => {}
            None => return PieceEnd::NotBefore(begin),
        }
    }
    // An octet count may have begun in the last bytes.
    PieceEnd::NotBefore(bytes.len().saturating_sub(MOST_LENGTH_DIGITS + 1).max(searched))
}

/// Where `LEN SP` begins that ends before `end`.
fn octet_count_before(bytes: &[u8], end: usize) -> Option<usize> {
    let digits = bytes[..end].strip_suffix(b" ")?;
    let run = digits.iter().rev().take_while(|byte| byte.is_ascii_digit()).take(MOST_LENGTH_DIGITS).count();
    let tail = &digits[digits.len() - run..];
    let zeros = tail.iter().take_while(|&&byte| byte == b'0').count();
    if zeros == run { None } else { Some(digits.len() - run + zeros) }
}
