//! ArcSight's Common Event Format: `CEF:0|vendor|product|version|class|name|severity|key=value key=value …`.
//!
//! Tolerant where devices differ: something may stand before `CEF:` (a syslog header), values may contain blanks, bars and
//! equals signs, a name may have dots and an index (`ad.field[0]`).
//!
//! Cost: one pass over the header, one over the extensions; allocates only for values with escapes.

use crate::pipes;
use memchr::memchr2;
use memchr::memmem;
use std::borrow::Cow;

/// A line, read as far as the end of its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cef<'a> {
    /// What stands before `CEF:`.
    pub before: &'a [u8],
    /// Version, vendor, product, product's version, event class, name, severity; raw, see [`header_text`].
    pub header: [&'a [u8]; HEADER_FIELDS],
    /// The rest; see [`extensions`](Self::extensions).
    pub rest: &'a [u8],
}

/// How many header fields there are.
pub const HEADER_FIELDS: usize = 7;

/// The names of the header fields, in order.
pub const HEADER_NAMES: [&str; HEADER_FIELDS] = [
    "cefVersion",
    "deviceVendor",
    "deviceProduct",
    "deviceVersion",
    "deviceEventClassId",
    "name",
    "severity",
];

/// What a raw header field says.
pub use crate::pipes::header_text;

/// Reads a line; none if it is no CEF. The bar behind the severity may be missing.
pub fn parse(line: &[u8]) -> Option<Cef<'_>> {
    let start = start(line)?;
    let mut rest = &line[start + b"CEF:".len()..];
    let mut header = [&b""[..]; HEADER_FIELDS];
    for (at, field) in header.iter_mut().enumerate() {
        (*field, rest) = match pipes::field(rest) {
            Some(found) => found,
            None if at == HEADER_FIELDS - 1 => (rest, &b""[..]),
            None => return None,
        };
    }
    Some(Cef { before: &line[..start], header, rest })
}

/// Where `CEF:` and a version stand.
fn start(line: &[u8]) -> Option<usize> {
    memmem::find_iter(line, b"CEF:").find(|at| {
        let version = &line[at + b"CEF:".len()..];
        version.trim_ascii_start().first().is_some_and(u8::is_ascii_digit)
    })
}

impl<'a> Cef<'a> {
    /// Names and raw values, in order; see [`extension_text`]. Blanks around values are left out.
    pub fn extensions(&self) -> Extensions<'a> {
        self.extensions_with(b'=')
    }

    /// As [`extensions`](Self::extensions), with another character between name and value.
    pub fn extensions_with(&self, separator: u8) -> Extensions<'a> {
        let mut extensions = Extensions { rest: self.rest, separator, pending: None };
        extensions.pending = extensions.key_from(0);
        extensions
    }
}

/// The extensions of a line.
#[derive(Clone, Debug)]
pub struct Extensions<'a> {
    rest: &'a [u8],
    separator: u8,
    /// Where the next name starts and ends.
    pending: Option<(usize, usize)>,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (start, end) = self.pending?;
        let name = &self.rest[start..end];
        self.pending = self.key_from(end + 1);
        let value_end = self.pending.map_or(self.rest.len(), |(start, _)| start);
        Some((name, self.rest[end + 1..value_end].trim_ascii()))
    }
}

impl Extensions<'_> {
    /// The next name from `at` on: one that a blank or the beginning is before and the separator behind.
    fn key_from(&self, at: usize) -> Option<(usize, usize)> {
        let mut at = at;
        loop {
            let end = at + memchr::memchr(self.separator, self.rest.get(at..)?)?;
            let len = self.rest[at..end].iter().rev().take_while(|byte| !byte.is_ascii_whitespace()).count();
            let start = end - len;
            let is_free = start == 0 || self.rest[start - 1].is_ascii_whitespace();
            if is_free && is_key(&self.rest[start..end]) {
                return Some((start, end));
            }
            at = end + 1;
        }
    }
}

/// Letters, digits and `_`, then parts behind dots, which may have other signs, then perhaps an index.
fn is_key(text: &[u8]) -> bool {
    let text = match text {
        [name @ .., b']'] => match name.iter().rposition(|byte| *byte == b'[') {
            Some(at) if name[at + 1..].iter().all(u8::is_ascii_digit) => &name[..at],
            _ => return false,
        },
        _ => text,
    };
    let mut parts = text.split(|byte| *byte == b'.');
    let is_word = |part: &[u8]| {
        let is_letter = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        !part.is_empty() && part.iter().all(is_letter)
    };
    parts.next().is_some_and(is_word)
        && parts.all(|part| !part.is_empty() && memchr2(b'|', b'\\', part).is_none())
}

/// What a raw value says: `\=`, `\\`, `\n`, `\r` and an escaped separator resolved; other backslashes stay.
pub fn extension_text(raw: &[u8], separator: u8) -> Cow<'_, [u8]> {
    if memchr::memchr(b'\\', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, behind @ ..] = rest {
        let resolved = match (byte, behind.first()) {
            (b'\\', Some(b'n')) => Some(b'\n'),
            (b'\\', Some(b'r')) => Some(b'\r'),
            (b'\\', Some(&escaped)) if escaped == separator || matches!(escaped, b'\\' | b'=') => {
                Some(escaped)
            }
            _ => None,
        };
        out.push(resolved.unwrap_or(*byte));
        rest = &behind[usize::from(resolved.is_some())..];
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(line: &str) -> Vec<(String, String)> {
        let cef = parse(line.as_bytes()).expect("cef");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        cef.extensions().map(|(name, value)| (text(name), text(&extension_text(value, b'=')))).collect()
    }

    #[test]
    fn a_value_goes_on_until_the_next_name() {
        let found = pairs(r"CEF:0|a|b|c|d|e|f|msg=x =y a\=b  src=1 ad.Error_,Code=2 f[0]=3 t=q|z: w=");
        let expected = [
            ("msg", "x =y a=b"),
            ("src", "1"),
            ("ad.Error_,Code", "2"),
            ("f[0]", "3"),
            ("t", "q|z:"),
            ("w", ""),
        ];
        let expected: Vec<_> = expected.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        assert_eq!(found, expected);
    }

    #[test]
    fn what_stands_before_the_line_is_told_apart() {
        let cef = parse(b"<132>Sep 19 host app:CEF:0|v|p||c|n|5").expect("cef");
        assert_eq!(cef.before, b"<132>Sep 19 host app:");
        assert_eq!(cef.header[6], b"5");
        assert_eq!(cef.extensions().count(), 0);
    }

    #[test]
    fn a_line_with_too_few_fields_is_none() {
        assert_eq!(parse(b"CEF:0|a|b|c|d|e"), None);
        assert_eq!(parse(b"CEF: no"), None);
        assert_eq!(parse(b""), None);
        assert_eq!(parse(br"CEF:0|a|b|c|d|e\|f"), None);
    }

    #[test]
    fn escapes_in_headers_are_resolved() {
        let cef = parse(br"CEF:0|a\|b|\\p|c|d|e|\|10|").expect("cef");
        assert_eq!(header_text(cef.header[1]), &b"a|b"[..]);
        assert_eq!(header_text(cef.header[2]), &br"\p"[..]);
        assert_eq!(header_text(cef.header[6]), &b"|10"[..]);
    }
}
