//! Syslog messages: one tolerant pass over a line's bytes, without copying or allocating.
//!
//! Reading order: [`Message`] (what comes out), then `rfc5424` and `rfc3164` (how the two headers are read),
//! `stamp` and `zone` (timestamps), [`StructuredData`]; [`mod@format`] writes.
//!
//! Nothing is lost: what is not understood stays in [`Message::message`], and the first thing that differs
//! from the standard is named in [`Message::fault`]. Instants are computed on demand
//! ([`Timestamp::unix_nanos`]), structured data is iterated on demand.
//!
//! Cost: a few hundred bytes of header at most are looked at byte by byte; the message itself is not touched.

mod calendar;
pub mod format;
mod priority;
mod rfc3164;
mod rfc5424;
mod stamp;
mod structured_data;
mod timestamp;
mod zone;

pub use priority::{Facility, Priority, Severity};
pub use structured_data::{Element, Parameter, StructuredData};
pub use timestamp::{Options, Timestamp};

use std::fmt;

/// A parsed line. Fields that the line does not have, or has as nil (`-`), are `None`. All are bytes of the
/// line, which need not be UTF-8.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// Which header was recognised.
    pub header: Header,
    /// Facility and severity.
    pub priority: Option<Priority>,
    /// The version behind the priority, 1 to 999 (RFC 5424 §6.2.2).
    pub version: Option<u16>,
    /// When, by the device's clock.
    pub timestamp: Option<Timestamp<'a>>,
    /// The device's name or address.
    pub hostname: Option<&'a [u8]>,
    /// The program (APP-NAME, or the tag without the process id).
    pub app: Option<&'a [u8]>,
    /// The process id, often a number.
    pub procid: Option<&'a [u8]>,
    /// The kind of message.
    pub msgid: Option<&'a [u8]>,
    /// Cisco's sequence number, digits.
    pub sequence: Option<&'a [u8]>,
    /// Structured data; empty where there is none.
    pub structured_data: StructuredData<'a>,
    /// The text: without the header, a byte order mark before it and line ends after it. The whole line (but
    /// for its line end) where no header was recognised.
    pub message: &'a [u8],
    /// The first thing in the line that is not as the standard says.
    pub fault: Option<Fault>,
}

/// The header of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Header {
    /// `<PRI>VERSION TIMESTAMP HOSTNAME APP-NAME PROCID MSGID STRUCTURED-DATA`, as far as [`Message::fault`]
    /// lets it.
    Rfc5424,
    /// `<PRI>TIMESTAMP HOSTNAME TAG:`, any of which may be missing, in one of its many dialects.
    Rfc3164,
    /// Neither a priority nor a timestamp: the line is a text.
    None,
}

/// Where and how a line differs from the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// How.
    pub kind: FaultKind,
    /// Where, in bytes from the beginning of the line.
    pub at: u32,
}

/// How a line differs from the standard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// No `<PRI>` of 0 to 191 without leading zeros.
    Priority,
    /// No timestamp that exists, or not as RFC 5424 §6.2.3 wants it.
    Timestamp,
    /// The RFC 5424 header ends early or goes on differently.
    Header,
    /// A field is longer than RFC 5424 §6 allows; it is kept whole.
    FieldTooLong,
    /// What begins like structured data is not well-formed; it is part of the message.
    StructuredData,
    /// A backslash or bracket in a value is not escaped as RFC 5424 §6.3.3 says; it is taken as it stands.
    Escape,
    /// The same element follows itself (RFC 5424 §6.3.2); both are kept.
    RepeatedElement,
}

/// The mark that some senders put before UTF-8 (RFC 5424 §6.4).
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Parses one line: a datagram, or a record of a stream. Never fails; see [`Message::parsed`] and
/// [`Message::fault`].
///
/// ```
/// let message = protocol::syslog::parse(b"<34>Oct 11 22:14:15 mymachine su[42]: 'su root' failed");
/// assert_eq!(message.hostname, Some(&b"mymachine"[..]));
/// assert_eq!(message.procid, Some(&b"42"[..]));
/// assert_eq!(message.message, b"'su root' failed");
/// ```
pub fn parse(line: &[u8]) -> Message<'_> {
    let line = without_line_end(line);
    let start = if line.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    let mut message = Message {
        header: Header::None,
        priority: None,
        version: None,
        timestamp: None,
        hostname: None,
        app: None,
        procid: None,
        msgid: None,
        sequence: None,
        structured_data: StructuredData::default(),
        message: line,
        fault: None,
    };
    let body = read_priority(line, start, &mut message);
    if message.priority.is_none() {
        message.deviates(FaultKind::Priority, start);
        rfc3164::parse_without_priority(line, body, &mut message);
    } else if let Some((version, at)) = rfc5424::version(line, body) {
        message.version = Some(version);
        rfc5424::parse(line, at, &mut message);
    } else {
        rfc3164::parse(line, body, &mut message);
    }
    message
}

// === impl Message ===

impl<'a> Message<'a> {
    /// Whether a header was recognised; where not, [`Message::message`] is the whole line and
    /// [`Message::fault`] says why.
    pub fn parsed(&self) -> bool {
        self.header != Header::None
    }

    /// Notes a deviation, if it is the first.
    fn deviates(&mut self, kind: FaultKind, at: usize) {
        if self.fault.is_none() {
            self.fault = Some(Fault { kind, at: u32::try_from(at).unwrap_or(u32::MAX) });
        }
    }

    fn set_timestamp(&mut self, line: &'a [u8], at: usize, found: &stamp::Recognised) {
        self.timestamp = Some(Timestamp { text: &line[at..at + found.len], reading: found.reading });
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            FaultKind::Priority => "no priority of 0 to 191 between angle brackets",
            FaultKind::Timestamp => "no timestamp as the standard wants it",
            FaultKind::Header => "the rfc 5424 header ends early or goes on differently",
            FaultKind::FieldTooLong => "a field is longer than rfc 5424 allows",
            FaultKind::StructuredData => "the structured data is not well-formed",
            FaultKind::Escape => "a value is not escaped as rfc 5424 says",
            FaultKind::RepeatedElement => "an element of the structured data follows itself",
        };
        write!(f, "{what}, at byte {}", self.at)
    }
}

/// Reads `<PRI>` at `at`, where there is one, and says where the line goes on.
fn read_priority(line: &[u8], at: usize, message: &mut Message<'_>) -> usize {
    let (digits, end) = match &line[at..] {
        [b'<', a, b'>', ..] => ([b'0', b'0', *a], 3),
        [b'<', a, b, b'>', ..] => ([b'0', *a, *b], 4),
        [b'<', a, b, c, b'>', ..] => ([*a, *b, *c], 5),
        _ => return at,
    };
    if !digits.iter().all(u8::is_ascii_digit) {
        return at;
    }
    let value = digits.iter().fold(0u16, |value, digit| value * 10 + u16::from(digit - b'0'));
    let Some(priority) = u8::try_from(value).ok().and_then(Priority::new) else { return at };
    message.priority = Some(priority);
    if end > 3 && line[at + 1] == b'0' {
        message.deviates(FaultKind::Priority, at);
    }
    at + end
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let mut line = line;
    while let [head @ .., b'\n' | b'\r'] = line {
        line = head;
    }
    line
}

/// The first offset from `at` on that is no blank.
fn skip_blanks(line: &[u8], at: usize) -> usize {
    line[at..].iter().position(|byte| !matches!(byte, b' ' | b'\t')).map_or(line.len(), |blanks| at + blanks)
}
