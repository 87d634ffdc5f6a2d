//! QRadar's Log Event Extended Format: `LEEF:1.0|vendor|product|version|event|key=value⇥key=value…`; version 2.0 may name the
//! character between attributes in a sixth header field: itself or its code (`x09`, `0x09`).
//!
//! Cost: one pass; nothing is allocated but header fields with escapes ([`header_text`]).

use crate::pipes;
use memchr::{memchr, memmem};

/// What a raw header field says.
pub use crate::pipes::header_text;

/// A line, read as far as the end of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Leef<'a> {
    /// What stands before `LEEF:`.
    pub before: &'a [u8],
    /// Version, vendor, product, product's version, event; raw, see [`header_text`].
    pub header: [&'a [u8]; HEADER_FIELDS],
    /// The character between attributes that the header names.
    pub delimiter: Option<u8>,
    /// The rest; see [`attributes`](Self::attributes).
    pub rest: &'a [u8],
}

/// How many header fields every line has.
pub const HEADER_FIELDS: usize = 5;

/// The names of the header fields, in order.
pub const HEADER_NAMES: [&str; HEADER_FIELDS] =
    ["leefVersion", "deviceVendor", "deviceProduct", "deviceVersion", "deviceEventClassId"];

/// Reads a line; none if it is no LEEF.
pub fn parse(line: &[u8]) -> Option<Leef<'_>> {
    let mark = b"LEEF:";
    let is_version = |at: &usize| line[at + mark.len()..].first().is_some_and(u8::is_ascii_digit);
    let start = memmem::find_iter(line, mark).find(is_version)?;
    let mut rest = &line[start + mark.len()..];
    let mut header = [&b""[..]; HEADER_FIELDS];
    for (at, field) in header.iter_mut().enumerate() {
        (*field, rest) = match pipes::field(rest) {
            Some(found) => found,
            None if at == HEADER_FIELDS - 1 => (rest, &b""[..]),
            None => return None,
        };
    }
    let mut delimiter = None;
    if header[0].first() == Some(&b'2')
        && let Some((field, behind)) = pipes::field(rest)
        // With an equals sign it is an attribute already: the field was left out.
        && (field == b"=" || memchr(b'=', field).is_none())
    {
        delimiter = named_delimiter(field);
        rest = behind;
    }
    Some(Leef { before: &line[..start], header, delimiter, rest })
}

fn named_delimiter(field: &[u8]) -> Option<u8> {
    match field {
        [byte] => Some(*byte),
        _ => {
            let text = std::str::from_utf8(field).ok()?;
            let text = text.strip_prefix('\\').unwrap_or(text);
            let hex = text.strip_prefix("0x").or_else(|| text.strip_prefix('x'))?;
            u8::from_str_radix(hex, 16).ok()
        }
    }
}

impl<'a> Leef<'a> {
    /// Names and values, in order; parts without an equals sign are left out.
    pub fn attributes(&self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> + use<'a> {
        let delimiter = self.delimiter.unwrap_or(b'\t');
        self.rest.split(move |byte| *byte == delimiter).filter_map(|part| {
            let at = memchr(b'=', part)?;
            let name = part[..at].trim_ascii();
            (!name.is_empty()).then_some((name, &part[at + 1..]))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &[u8]) -> Vec<&[u8]> {
        parse(line).expect("leef").attributes().map(|(name, _)| name).collect()
    }

    #[test]
    fn the_delimiter_is_a_tab_unless_version_2_names_another() {
        assert_eq!(names(b"LEEF:1.0|v|p|1|e|a=1\tb=2^c=3"), [b"a", b"b"]);
        assert_eq!(names(b"LEEF:2.0|v|p|1|e|^|a=1^b=2"), [b"a", b"b"]);
        assert_eq!(names(b"LEEF:2.0|v|p|1|e|0x5E|a=1^b=2"), [b"a", b"b"]);
        assert_eq!(names(b"LEEF:2.0|v|p|1|e|a=1|\tb=2"), [b"a", b"b"]);
        assert_eq!(names(b"LEEF:2.0|v|p|1|e|WRONG|a=1\tb=2"), [b"a", b"b"]);
    }

    #[test]
    fn a_line_with_too_few_fields_is_none() {
        assert_eq!(parse(b"LEEF:1.0|v|p"), None);
        assert_eq!(parse(b"LEEF:|v|p|1|e|"), None);
        assert_eq!(parse(b""), None);
    }
}
