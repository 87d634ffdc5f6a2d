//! A scanner that finds the ends of JSON values (RFC 8259) and checks their structure, without building them.
//!
//! Checked: brackets, commas, colons, keys, escapes, literals and numbers. Not checked: that strings are
//! UTF-8 without control characters, which whoever reads them does.

use std::fmt;

use memchr::memchr2;

/// The deepest nesting, arrays and objects together.
pub const MOST_DEPTH: u32 = 128;

/// What is wrong with a text that should be JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonFault {
    /// A value should be here.
    ValueExpected,
    /// A key, in quotes, should be here.
    KeyExpected,
    /// A colon should be here.
    ColonExpected,
    /// A comma or the closing bracket should be here.
    CommaExpected,
    /// A string that begins here has no end, or a wrong escape.
    BadString,
    /// A number or word that begins here is none of JSON's.
    BadWord,
    /// Brackets are nested deeper than [`MOST_DEPTH`].
    TooDeep,
}

/// Where a fault is, and what.
type Faulty = (usize, JsonFault);

/// What may follow within a value.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Expected {
    Value,
    /// After `[`.
    ValueOrEnd,
    Key,
    /// After `{`.
    KeyOrEnd,
    CommaOrEnd,
}

/// The open brackets, one bit each: set for an object.
#[derive(Default)]
struct Nesting {
    objects: u128,
    depth: u32,
}

/// Calls `found(begin, end)` for each value of a text: the elements of arrays at the top, else the values
/// themselves.
pub(super) fn values(text: &[u8], mut found: impl FnMut(usize, usize)) -> Result<(), Faulty> {
    const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
    let mut at = if text.starts_with(BYTE_ORDER_MARK) { BYTE_ORDER_MARK.len() } else { 0 };
    while let Some((begin, first)) = skip_blanks(text, at) {
        if first == b'[' {
            at = elements(text, begin + 1, &mut found)?;
        } else {
            at = value_end(text, begin)?;
            found(begin, at);
        }
    }
    Ok(())
}

/// The elements of an array whose bracket is before `at`; returns where the text goes on behind it.
fn elements(text: &[u8], at: usize, found: &mut impl FnMut(usize, usize)) -> Result<usize, Faulty> {
    let mut at = at;
    let mut first = true;
    loop {
        let (begin, byte) = skip_blanks(text, at).ok_or((text.len(), JsonFault::ValueExpected))?;
        if first && byte == b']' {
            return Ok(begin + 1);
        }
        first = false;
        let end = value_end(text, begin)?;
        found(begin, end);
        match skip_blanks(text, end) {
            Some((comma, b',')) => at = comma + 1,
            Some((close, b']')) => return Ok(close + 1),
            Some((other, _)) => return Err((other, JsonFault::CommaExpected)),
            None => return Err((text.len(), JsonFault::CommaExpected)),
        }
    }
}

/// The end of the value that begins at `begin`.
fn value_end(text: &[u8], begin: usize) -> Result<usize, Faulty> {
    let mut nesting = Nesting::default();
    let mut expected = Expected::Value;
    let mut at = begin;
    loop {
        let Some((here, byte)) = skip_blanks(text, at) else { return Err((text.len(), expected.fault())) };
        at = match (expected, byte) {
            (Expected::Value | Expected::ValueOrEnd, b'{') => {
                nesting.open(true).ok_or((here, JsonFault::TooDeep))?;
                expected = Expected::KeyOrEnd;
                here + 1
            }
            (Expected::Value | Expected::ValueOrEnd, b'[') => {
                nesting.open(false).ok_or((here, JsonFault::TooDeep))?;
                expected = Expected::ValueOrEnd;
                here + 1
            }
            (Expected::ValueOrEnd, b']') | (Expected::KeyOrEnd, b'}') => {
                nesting.close();
                expected = Expected::CommaOrEnd;
                here + 1
            }
            (Expected::Value | Expected::ValueOrEnd, _) => {
                expected = Expected::CommaOrEnd;
                scalar_end(text, here, byte)?
            }
            (Expected::Key | Expected::KeyOrEnd, b'"') => {
                expected = Expected::Value;
                let end = string_end(text, here)?;
                match skip_blanks(text, end) {
                    Some((colon, b':')) => colon + 1,
                    other => return Err((other.map_or(text.len(), |(at, _)| at), JsonFault::ColonExpected)),
                }
            }
            (Expected::CommaOrEnd, b',') => {
                expected = if nesting.in_object() { Expected::Key } else { Expected::Value };
                here + 1
            }
            (Expected::CommaOrEnd, b'}') if nesting.in_object() => {
                nesting.close();
                here + 1
            }
            (Expected::CommaOrEnd, b']') if !nesting.in_object() => {
                nesting.close();
                here + 1
            }
            _ => return Err((here, expected.fault())),
        };
        if nesting.depth == 0 {
            return Ok(at);
        }
    }
}

/// The end of a string, number or literal.
fn scalar_end(text: &[u8], at: usize, first: u8) -> Result<usize, Faulty> {
    let word = match first {
        b'"' => return string_end(text, at),
        b'-' | b'0'..=b'9' => return number_end(text, at).ok_or((at, JsonFault::BadWord)),
        b't' => &b"true"[..],
        b'f' => b"false",
        b'n' => b"null",
        _ => return Err((at, JsonFault::ValueExpected)),
    };
    let end = at + word.len();
    if text[at..].starts_with(word) && stands_alone(text, end) {
        Ok(end)
    } else {
        Err((at, JsonFault::BadWord))
    }
}

fn string_end(text: &[u8], begin: usize) -> Result<usize, Faulty> {
    let fault = (begin, JsonFault::BadString);
    let mut at = begin + 1;
    loop {
        at += memchr2(b'"', b'\\', &text[at..]).ok_or(fault)?;
        if text[at] == b'"' {
            return Ok(at + 1);
        }
        at += match text.get(at + 1) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => 2,
            Some(b'u')
                if text.get(at + 2..at + 6).is_some_and(|hex| hex.iter().all(u8::is_ascii_hexdigit)) =>
            {
                6
            }
            _ => return Err(fault),
        };
    }
}

/// `-? (0 | [1-9][0-9]*) (. [0-9]+)? ([eE] [+-]? [0-9]+)?`
fn number_end(text: &[u8], begin: usize) -> Option<usize> {
    let digits = |at: usize| at + text[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let some_digits = |at: usize| Some(digits(at)).filter(|end| *end > at);
    let mut at = begin + usize::from(text[begin] == b'-');
    at = if text.get(at) == Some(&b'0') { at + 1 } else { some_digits(at)? };
    if text.get(at) == Some(&b'.') {
        at = some_digits(at + 1)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        at = some_digits(at + 1 + usize::from(matches!(text.get(at + 1), Some(b'+' | b'-'))))?;
    }
    stands_alone(text, at).then_some(at)
}

/// Whether a number or word may end at `at`.
fn stands_alone(text: &[u8], at: usize) -> bool {
    matches!(
        text.get(at),
        None | Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b':' | b'"' | b'[' | b']' | b'{' | b'}')
    )
}

/// The first byte from `at` on that is no blank, and where it is.
pub(super) fn skip_blanks(text: &[u8], at: usize) -> Option<(usize, u8)> {
    let blanks = text[at..].iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
    Some((at + blanks, text[at + blanks]))
}

// === impl Nesting ===

impl Nesting {
    fn open(&mut self, object: bool) -> Option<()> {
        if self.depth == MOST_DEPTH {
            return None;
        }
        self.objects = self.objects << 1 | u128::from(object);
        self.depth += 1;
        Some(())
    }

    fn close(&mut self) {
        self.objects >>= 1;
        self.depth -= 1;
    }

    fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

// === impl Expected ===

impl Expected {
    fn fault(self) -> JsonFault {
        match self {
            Self::Value | Self::ValueOrEnd => JsonFault::ValueExpected,
            Self::Key | Self::KeyOrEnd => JsonFault::KeyExpected,
            Self::CommaOrEnd => JsonFault::CommaExpected,
        }
    }
}

// === impl JsonFault ===

impl fmt::Display for JsonFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ValueExpected => f.write_str("json value expected"),
            Self::KeyExpected => f.write_str("json key in quotes expected"),
            Self::ColonExpected => f.write_str("colon expected"),
            Self::CommaExpected => f.write_str("comma or closing bracket expected"),
            Self::BadString => f.write_str("json string without end, or with a wrong escape,"),
            Self::BadWord => f.write_str("neither a number nor true, false or null"),
            Self::TooDeep => write!(f, "json nested deeper than {MOST_DEPTH}"),
        }
    }
}
