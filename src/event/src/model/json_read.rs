//! JSON text (RFC 8259) into an event.
//!
//! Texts without escapes become parts of the JSON text itself, so parsing a record copies no bytes. Of a name that
//! occurs twice in an object the last value counts, unless the caller asks for duplicates to be refused.

use super::document::{Event, Node, Seen};
use super::keys::KeyId;
use super::slot::{Children, NodeId, Slot, Span};
use super::{MAX_DEPTH, Obstacle};
use memchr::memchr2;

/// Why a text is not JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JsonError {
    /// Something else than what JSON has here.
    #[error("not valid json at byte {0}")]
    Syntax(usize),
    /// The text ends too early.
    #[error("the json text ends too early")]
    Unfinished,
    /// Something follows the value.
    #[error("something follows the json value at byte {0}")]
    Trailing(usize),
    /// A name occurs twice, and that is not allowed.
    #[error("a name occurs twice in the object that ends at byte {0}")]
    Duplicate(usize),
    /// A limit of the event.
    #[error(transparent)]
    Limit(#[from] Obstacle),
}

/// What to do with a name that occurs twice in an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Duplicates {
    /// The last value counts.
    Last,
    /// The text is refused.
    Refuse,
}

/// Whether the text may go on behind the value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Behind {
    /// Only white space.
    Nothing,
    /// Anything; it is ignored.
    Anything,
}

/// Reads the JSON text at `span` of the event into a value of it.
///
/// # Errors
/// When the text is not JSON, or a limit of the event is reached.
pub fn read(event: &mut Event<'_>, span: Span, duplicates: Duplicates) -> Result<Slot, JsonError> {
    read_with(event, span, duplicates, Behind::Nothing)
}

/// As [`read`], with a choice about what follows the value.
///
/// # Errors
/// As [`read`].
pub fn read_with(
    event: &mut Event<'_>,
    span: Span,
    duplicates: Duplicates,
    behind: Behind,
) -> Result<Slot, JsonError> {
    if !span.is_in_arena() {
        let record = event.record;
        return Reader { event, text: &record[span.start()..][..span.len()], base: span, at: 0, duplicates }
            .all(behind);
    }
    let mut text = std::mem::take(&mut event.doc.spare);
    text.clear();
    text.extend_from_slice(event.bytes(span));
    let result = Reader { event, text: &text, base: span, at: 0, duplicates }.all(behind);
    event.doc.spare = text;
    result
}

/// Reads a JSON text that is not part of the event yet; it is copied into it.
///
/// # Errors
/// As [`read`].
pub fn read_text(event: &mut Event<'_>, text: &[u8]) -> Result<Slot, JsonError> {
    let base = event.add_bytes(text)?;
    Reader { event, text, base, at: 0, duplicates: Duplicates::Last }.all(Behind::Nothing)
}

struct Reader<'r, 'e, 't> {
    event: &'r mut Event<'e>,
    text: &'t [u8],
    base: Span,
    at: usize,
    duplicates: Duplicates,
}

impl Reader<'_, '_, '_> {
    fn all(mut self, behind: Behind) -> Result<Slot, JsonError> {
        let slot = self.value(0)?;
        self.skip_blanks();
        if self.at < self.text.len() && behind == Behind::Nothing {
            return Err(JsonError::Trailing(self.at));
        }
        Ok(slot)
    }

    fn peek(&self) -> Result<u8, JsonError> {
        self.text.get(self.at).copied().ok_or(JsonError::Unfinished)
    }

    fn skip_blanks(&mut self) {
        while let Some(b' ' | b'\n' | b'\r' | b'\t') = self.text.get(self.at) {
            self.at += 1;
        }
    }

    fn value(&mut self, depth: usize) -> Result<Slot, JsonError> {
        if depth > MAX_DEPTH {
            return Err(Obstacle::TooDeep.into());
        }
        self.skip_blanks();
        match self.peek()? {
            b'"' => Ok(Slot::Text(self.text()?)),
            b'{' => self.map(depth),
            b'[' => self.list(depth),
            b't' => self.word(b"true", Slot::Bool(true)),
            b'f' => self.word(b"false", Slot::Bool(false)),
            b'n' => self.word(b"null", Slot::Null),
            _ => self.number(),
        }
    }

    fn word(&mut self, word: &[u8], slot: Slot) -> Result<Slot, JsonError> {
        if !self.text[self.at..].starts_with(word) {
            return Err(JsonError::Syntax(self.at));
        }
        self.at += word.len();
        Ok(slot)
    }

    fn list(&mut self, depth: usize) -> Result<Slot, JsonError> {
        self.at += 1;
        let mut list = Children::EMPTY;
        self.skip_blanks();
        if self.peek()? == b']' {
            self.at += 1;
            return Ok(Slot::List(list));
        }
        loop {
            let slot = self.value(depth + 1)?;
            self.event.push_to(&mut list, slot)?;
            self.skip_blanks();
            match self.peek()? {
                b',' => self.at += 1,
                b']' => {
                    self.at += 1;
                    return Ok(Slot::List(list));
                }
                _ => return Err(JsonError::Syntax(self.at)),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Slot, JsonError> {
        self.at += 1;
        let mut map = Children::EMPTY;
        self.skip_blanks();
        if self.peek()? == b'}' {
            self.at += 1;
            return Ok(Slot::Map(map));
        }
        loop {
            self.skip_blanks();
            if self.peek()? != b'"' {
                return Err(JsonError::Syntax(self.at));
            }
            let key = self.key()?;
            self.skip_blanks();
            if self.peek()? != b':' {
                return Err(JsonError::Syntax(self.at));
            }
            self.at += 1;
            let slot = self.value(depth + 1)?;
            self.event.append_to(&mut map, key, slot)?;
            self.skip_blanks();
            match self.peek()? {
                b',' => self.at += 1,
                b'}' => {
                    self.at += 1;
                    return self.without_duplicates(map);
                }
                _ => return Err(JsonError::Syntax(self.at)),
            }
        }
    }

    fn key(&mut self) -> Result<KeyId, JsonError> {
        let span = self.text()?;
        if span.is_in_arena() && !self.base.is_in_arena() || !self.is_in_text(span) {
            let name = self.event.bytes(span).to_vec(); // a name with escapes: rare
            return Ok(self.event.key_of(&name)?);
        }
        let start = span.start() - self.base.start();
        let name = &self.text[start..start + span.len()];
        Ok(self.event.key_of(name)?)
    }

    fn is_in_text(&self, span: Span) -> bool {
        span.start() >= self.base.start() && span.start() + span.len() <= self.base.start() + self.base.len()
    }

    /// Of fields with the same name the first keeps its place and takes the last one's value.
    fn without_duplicates(&mut self, map: Children) -> Result<Slot, JsonError> {
        let mut kept = map;
        if map.count < 2 || !self.has_duplicates(map) {
            return Ok(Slot::Map(kept));
        }
        if self.duplicates == Duplicates::Refuse {
            return Err(JsonError::Duplicate(self.at));
        }
        kept.first = NodeId::NONE;
        kept.last = NodeId::NONE;
        kept.count = 0;
        let mut at = map.first.some();
        while let Some(node) = at {
            at = self.event.next(node);
            let (key, slot) = (self.event.key(node), self.event.slot(node));
            match self.event.field(kept, key) {
                Some(first) => self.event.put(first, slot),
                None => drop(self.event.append_to(&mut kept, key, slot)?),
            }
        }
        Ok(Slot::Map(kept))
    }

    /// One pass: each name notes the map in which it was seen last. Names of this event only are compared
    /// with each other; there are few.
    fn has_duplicates(&mut self, map: Children) -> bool {
        let Event { doc, .. } = self.event;
        doc.stamp = doc.stamp.wrapping_add(1);
        if doc.stamp == 0 {
            doc.seen.clear();
            doc.stamp = 1;
        }
        let mut at = map.first.some();
        while let Some(node) = at {
            let Node { key, next, .. } = doc.nodes[node.0 as usize];
            at = next.some();
            let place = key.place(doc.keys.count());
            if place >= doc.seen.len() {
                doc.seen.resize(place + 1, Seen { stamp: 0, node: NodeId::NONE });
            }
            let seen = &mut doc.seen[place];
            if seen.stamp == doc.stamp && doc.nodes[seen.node.0 as usize].key == key {
                return true;
            }
            *seen = Seen { stamp: doc.stamp, node };
        }
        false
    }

    /// The text that starts with the quote at `at`.
    fn text(&mut self) -> Result<Span, JsonError> {
        self.at += 1;
        let start = self.at;
        let rest = &self.text[start..];
        let end = memchr2(b'"', b'\\', rest).ok_or(JsonError::Unfinished)?;
        if rest[end] == b'"' {
            self.at = start + end + 1;
            return Ok(self.base.part(start, start + end));
        }
        self.escaped_text(start, end)
    }

    #[cold]
    fn escaped_text(&mut self, start: usize, plain: usize) -> Result<Span, JsonError> {
        let text = self.text;
        let mut at = start + plain;
        let (span, end) = self.event.add_written(|out| {
            out.extend_from_slice(&text[start..at]);
            loop {
                match text.get(at) {
                    None => return Err(JsonError::Unfinished),
                    Some(b'"') => return Ok(at + 1),
                    Some(b'\\') => at = unescape(text, at, out)?,
                    Some(_) => {
                        let rest = &text[at..];
                        let run = memchr2(b'"', b'\\', rest).ok_or(JsonError::Unfinished)?;
                        out.extend_from_slice(&rest[..run]);
                        at += run;
                    }
                }
            }
        })?;
        self.at = end?;
        Ok(span)
    }

    fn number(&mut self) -> Result<Slot, JsonError> {
        let rest = &self.text[self.at..];
        let end = rest
            .iter()
            .position(|b| !matches!(b, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'))
            .unwrap_or(rest.len());
        let number = parse_number(&rest[..end]).ok_or(JsonError::Syntax(self.at))?;
        self.at += end;
        Ok(number)
    }
}

/// A JSON number: whole ones that fit are integers, others floats.
pub fn parse_number(text: &[u8]) -> Option<Slot> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_whole = digits.iter().all(u8::is_ascii_digit);
    match digits {
        [] => return None,
        [b'0', b'0'..=b'9', ..] => return None,
        [first, ..] if !first.is_ascii_digit() => return None,
        _ => {}
    }
    let text = std::str::from_utf8(text).ok()?;
    if is_whole && let Ok(number) = text.parse() {
        return Some(Slot::Int(number));
    }
    if !is_whole && !has_digits_where_due(digits) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite()).map(Slot::Float)
}

/// A digit behind the point and in the exponent.
fn has_digits_where_due(digits: &[u8]) -> bool {
    let after = |mark: fn(u8) -> bool| digits.iter().position(|b| mark(*b)).map(|at| &digits[at + 1..]);
    let fraction = after(|b| b == b'.').is_none_or(|rest| rest.first().is_some_and(u8::is_ascii_digit));
    let exponent = after(|b| b == b'e' || b == b'E')
        .is_none_or(|rest| rest.iter().find(|b| !matches!(b, b'+' | b'-')).is_some_and(u8::is_ascii_digit));
    fraction && exponent
}

/// Appends what the escape at `at` stands for and returns the place behind it.
fn unescape(text: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, JsonError> {
    let byte = match text.get(at + 1).ok_or(JsonError::Unfinished)? {
        b'n' => b'\n',
        b't' => b'\t',
        b'r' => b'\r',
        b'b' => 0x08,
        b'f' => 0x0c,
        byte @ (b'"' | b'\\' | b'/') => *byte,
        b'u' => return unescape_unicode(text, at, out),
        _ => return Err(JsonError::Syntax(at)),
    };
    out.push(byte);
    Ok(at + 2)
}

/// `\uXXXX`, or two of them for a character beyond the basic plane; a lone surrogate becomes U+FFFD.
fn unescape_unicode(text: &[u8], at: usize, out: &mut Vec<u8>) -> Result<usize, JsonError> {
    let first = hex4(text, at + 2)?;
    let mut end = at + 6;
    let mut code = first;
    if (0xd800..0xdc00).contains(&first) && text[end..].starts_with(b"\\u") {
        let second = hex4(text, end + 2)?;
        if (0xdc00..0xe000).contains(&second) {
            code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            end += 6;
        }
    }
    let character = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
    out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(end)
}

fn hex4(text: &[u8], at: usize) -> Result<u32, JsonError> {
    let digits = text.get(at..at + 4).ok_or(JsonError::Unfinished)?;
    digits.iter().try_fold(0, |code, digit| {
        char::from(*digit).to_digit(16).map(|digit| code << 4 | digit).ok_or(JsonError::Syntax(at))
    })
}

#[cfg(test)]
mod tests {
    use super::super::json_write::write_value;
    use super::super::{Document, Keys};
    use super::*;
    use proptest::prelude::*;

    fn round(text: &str) -> Result<String, JsonError> {
        let mut doc = Document::new(&Keys::default());
        let mut event = doc.start(text.as_bytes());
        let slot = read(&mut event, Span::in_record(0, text.len()), Duplicates::Last)?;
        let mut out = Vec::new();
        write_value(&event, slot, &mut out).expect("shallow");
        Ok(String::from_utf8(out).expect("text"))
    }

    #[test]
    fn json_reads_and_writes_back() {
        for text in [
            "null",
            "-12",
            "1.5",
            r#""a\nb""#,
            r#"{"a":{"b":[1,"x",null,true]},"c":""}"#,
            "[]",
            "{}",
            r#"{"with \"quotes\"":1}"#,
        ] {
            assert_eq!(round(text).as_deref(), Ok(text));
        }
        assert_eq!(round(" [ 1 , 2 ] ").as_deref(), Ok("[1,2]"));
        assert_eq!(round(r#""\u00e9\ud83d\udc4d\ud800""#).as_deref(), Ok("\"é👍\u{fffd}\""));
        assert_eq!(round("123456789012345678901").as_deref(), Ok("1.2345678901234568e20"));
    }

    #[test]
    fn of_a_name_that_occurs_twice_the_last_value_counts() {
        assert_eq!(round(r#"{"a":1,"b":{"a":2},"a":3}"#).as_deref(), Ok(r#"{"a":3,"b":{"a":2}}"#));
        let text = br#"{"a":1,"a":2}"#;
        let mut doc = Document::new(&Keys::default());
        let mut event = doc.start(text);
        let refused = read(&mut event, Span::in_record(0, text.len()), Duplicates::Refuse);
        assert_eq!(refused, Err(JsonError::Duplicate(text.len())));
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in
            ["", "{", "[1,", "nul", "01", "1.", "1e", "-", "{\"a\"}", "{a:1}", "\"", "\"\\x\"", "1 2", "+1"]
        {
            assert!(round(text).is_err(), "{text}");
        }
    }

    #[test]
    fn deep_nesting_ends_at_the_limit() {
        let text = "[".repeat(10_000);
        assert_eq!(round(&text), Err(JsonError::Limit(Obstacle::TooDeep)));
    }

    #[test]
    fn texts_of_a_record_are_parts_of_it() {
        let text = br#"{"a":"plain"}"#;
        let mut doc = Document::new(&Keys::default());
        let mut event = doc.start(text);
        read(&mut event, Span::in_record(0, text.len()), Duplicates::Last).expect("json");
        assert!(event.doc.arena.is_empty());
    }

    #[test]
    fn json_within_json_is_read_from_the_arena() {
        let text = br#""{\"a\":\"b\",\"c\\u0041\":1}""#;
        let mut doc = Document::new(&Keys::default());
        let mut event = doc.start(text);
        let outer = read(&mut event, Span::in_record(0, text.len()), Duplicates::Last).expect("json");
        let Slot::Text(inner) = outer else { panic!("a text") };
        let inner = read(&mut event, inner, Duplicates::Last).expect("json");
        let mut out = Vec::new();
        write_value(&event, inner, &mut out).expect("shallow");
        assert_eq!(out, br#"{"a":"b","cA":1}"#);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
            let mut doc = Document::new(&Keys::default());
            let mut event = doc.start(&bytes);
            let _ = read(&mut event, Span::in_record(0, bytes.len()), Duplicates::Last);
        }

        #[test]
        fn reading_agrees_with_serde(text in r#"[\[\]{}":,0-9a-e\\ .\-]{0,40}"#) {
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            let ours = round(&text);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok(), "{:?}", ours);
            if let (Ok(ours), Ok(theirs)) = (ours, theirs) {
                let ours: serde_json::Value = serde_json::from_str(&ours).expect("json");
                prop_assert_eq!(ours, theirs);
            }
        }
    }
}
