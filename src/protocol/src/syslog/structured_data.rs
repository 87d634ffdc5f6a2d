//! Structured data (RFC 5424 §6.3): checked once while a message is parsed, read lazily afterwards.
//!
//! ```text
//!   [exampleSDID@32473 iut="3" eventSource="App\"lication"][meta sequenceId="29"]
//!    └── element id ──┘ └ name and value, escaped ────────┘
//! ```

use std::borrow::Cow;

use memchr::{memchr, memchr2};

use super::FaultKind;

/// The longest SD-NAME of the standard, in bytes. Longer ones are kept.
const LONGEST_NAME_BYTES: usize = 32;

/// The elements of a message's structured data; none where the message has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StructuredData<'a> {
    /// Well-formed: [`check`] has been over it.
    text: &'a [u8],
}

/// One element, `[id name="value" …]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The SD-ID, such as `exampleSDID@32473`.
    pub id: &'a [u8],
    parameters: &'a [u8],
}

/// One parameter, `name="value"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// The PARAM-NAME.
    pub name: &'a [u8],
    /// The PARAM-VALUE as it stands in the message, with its escapes.
    pub escaped: &'a [u8],
}

/// What [`check`] found.
pub(super) struct Checked {
    /// The length of the structured data.
    pub(super) len: usize,
    /// The first deviation from the standard that leaves the meaning clear, and where it is.
    pub(super) deviation: Option<(FaultKind, usize)>,
}

// === impl StructuredData ===

impl<'a> StructuredData<'a> {
    pub(super) fn checked(text: &'a [u8]) -> Self {
        Self { text }
    }

    /// The text, as it stands in the message; empty where there is none.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// Whether there is no element.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The elements, in order.
    pub fn elements(&self) -> impl Iterator<Item = Element<'a>> + use<'a> {
        let mut rest = self.text;
        std::iter::from_fn(move || {
            let body = rest.strip_prefix(b"[")?;
            let id = &body[..name_len(body)];
            let mut at = id.len();
            while let Some((_, next)) = parameter(body, at) {
                at = next;
            }
            let end = at + memchr(b']', &body[at..])?;
            rest = &body[end + 1..];
            Some(Element { id, parameters: &body[id.len()..end] })
        })
    }
}

impl<'a> Element<'a> {
    /// The parameters, in order; a name may come more than once (§6.3.3).
    pub fn parameters(&self) -> impl Iterator<Item = Parameter<'a>> + use<'a> {
        let text = self.parameters;
        let mut at = 0;
        std::iter::from_fn(move || {
            let (found, next) = parameter(text, at)?;
            at = next;
            Some(found)
        })
    }
}

impl<'a> Parameter<'a> {
    /// The value: `\"`, `\\` and `\]` stand for their second character, another backslash for itself.
    /// Allocates only where there is something to un-escape.
    pub fn value(&self) -> Cow<'a, [u8]> {
        let Some(first) = memchr(b'\\', self.escaped) else { return Cow::Borrowed(self.escaped) };
        let mut value = Vec::with_capacity(self.escaped.len());
        value.extend_from_slice(&self.escaped[..first]);
        let mut rest = &self.escaped[first..];
        while let [byte, tail @ ..] = rest {
            match (byte, tail) {
                (b'\\', [escaped @ (b'"' | b'\\' | b']'), after @ ..]) => {
                    value.push(*escaped);
                    rest = after;
                }
                _ => {
                    value.push(*byte);
                    rest = tail;
                }
            }
        }
        Cow::Owned(value)
    }
}

/// The structured data that `bytes` begin with (`bytes[0]` is `[`), or `None` where they are not well-formed.
pub(super) fn check(bytes: &[u8]) -> Option<Checked> {
    let mut deviation = None;
    let mut at = 0;
    let mut previous: &[u8] = b"";
    while bytes.get(at) == Some(&b'[') {
        let begin = at + 1;
        let id = &bytes[begin..begin + name_len(&bytes[begin..])];
        if id.is_empty() {
            return None;
        }
        if id == previous {
            deviation = deviation.or(Some((FaultKind::RepeatedElement, begin)));
        }
        if id.len() > LONGEST_NAME_BYTES {
            deviation = deviation.or(Some((FaultKind::FieldTooLong, begin)));
        }
        previous = id;
        at = begin + id.len();
        while let Some((found, next)) = parameter(bytes, at) {
            if found.name.len() > LONGEST_NAME_BYTES {
                deviation = deviation.or(Some((FaultKind::FieldTooLong, at)));
            }
            if bad_escape(found.escaped) {
                deviation = deviation.or(Some((FaultKind::Escape, at)));
            }
            at = next;
        }
        at += blanks(&bytes[at..]);
        if bytes.get(at) != Some(&b']') {
            return None;
        }
        at += 1;
    }
    Some(Checked { len: at, deviation })
}

/// The parameter that follows at `at` behind blanks, and where the text goes on; blanks around `=` are passed
/// over.
fn parameter(bytes: &[u8], at: usize) -> Option<(Parameter<'_>, usize)> {
    let begin = at + blanks(&bytes[at..]);
    if begin == at {
        return None;
    }
    let name = &bytes[begin..begin + name_len(&bytes[begin..])];
    let mut at = begin + name.len();
    at += blanks(&bytes[at..]);
    if name.is_empty() || bytes.get(at) != Some(&b'=') {
        return None;
    }
    at += 1;
    at += blanks(&bytes[at..]);
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    at += 1;
    let value = &bytes[at..];
    let len = value_len(value)?;
    Some((Parameter { name, escaped: &value[..len] }, at + len + 1))
}

/// The length of a value up to its closing quote.
fn value_len(value: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += memchr2(b'"', b'\\', &value[at..])?;
        if value[at] == b'"' {
            return Some(at);
        }
        // A backslash, and whatever it stands before.
        at += 2;
        if at > value.len() {
            return None;
        }
    }
}

/// Whether a value has a bracket that isn't escaped, or a backslash before something that needs none
/// (§6.3.3).
fn bad_escape(escaped: &[u8]) -> bool {
    let mut rest = escaped;
    while let Some(at) = memchr2(b'\\', b']', rest) {
        match &rest[at..] {
            [b'\\', b'"' | b'\\' | b']', after @ ..] => rest = after,
            _ => return true,
        }
    }
    false
}

/// The length of an SD-NAME: no blank, `=`, `]`, `"`, or control character.
fn name_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| matches!(byte, 0..=b' ' | b'=' | b']' | b'"' | 0x7f)).unwrap_or(bytes.len())
}

fn blanks(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| **byte == b' ').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    type Parameters = Vec<(String, String)>;

    fn read(text: &str) -> Option<Vec<(String, Parameters)>> {
        let checked = check(text.as_bytes())?;
        let text_of = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let data = StructuredData::checked(&text.as_bytes()[..checked.len]);
        let parameters = |element: &Element<'_>| {
            element.parameters().map(|each| (text_of(each.name), text_of(&each.value()))).collect()
        };
        Some(data.elements().map(|element| (text_of(element.id), parameters(&element))).collect())
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.into(), value.into())
    }

    #[test]
    fn elements_and_parameters_are_read_in_order_and_unescaped() {
        let elements = read(r#"[a@1 x="1" y="q\"b\]s\\n\n"][b] text"#).unwrap();
        assert_eq!(elements[0], ("a@1".into(), vec![pair("x", "1"), pair("y", r#"q"b]s\n\n"#)]));
        assert_eq!(elements[1], ("b".into(), vec![]));
    }

    #[test]
    fn text_that_is_no_structured_data_is_refused() {
        for text in [
            "[",
            "[]",
            "[ a]",
            "[a",
            "[a x]",
            "[a x=1]",
            "[a x=\"1]",
            "[a x=\"1\"y]",
            "[action:\"Accept\"; x]",
            "[a x=\"\\",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    #[test]
    fn deviations_that_leave_the_meaning_clear_are_named() {
        let deviation = |text: &str| check(text.as_bytes()).unwrap().deviation.map(|(kind, _)| kind);
        assert_eq!(deviation("[a x=\"1\"]"), None);
        assert_eq!(deviation("[a x=\"]\"]"), Some(FaultKind::Escape));
        assert_eq!(deviation("[a x=\"\\n\"]"), Some(FaultKind::Escape));
        assert_eq!(deviation("[a][a]"), Some(FaultKind::RepeatedElement));
    }
}
