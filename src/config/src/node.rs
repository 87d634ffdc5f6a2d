//! The YAML tree with positions.

use std::fmt;

use crate::{Diagnostic, Position};

/// A value of a configuration file, with its place. Equality ignores places (see [`Position`]).
#[derive(Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it starts.
    pub at: Position,
    /// What it is.
    pub value: Value,
}

/// The three kinds of YAML values.
#[derive(Clone, PartialEq, Eq)]
pub enum Value {
    /// Keys with values, in the order of the file.
    Map(Map),
    /// Values.
    List(Vec<Node>),
    /// A text, number, boolean or null.
    Scalar(Scalar),
}

/// Keys with values, in the order of the file; no key twice.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Map {
    entries: Vec<Entry>,
}

/// A key with its value.
#[derive(Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key's text.
    pub key: String,
    /// Where the key is.
    pub key_at: Position,
    /// Its value.
    pub value: Node,
}

/// A text, number, boolean or null: the text (escapes and placeholders resolved), and whether it was quoted.
#[derive(Clone)]
pub struct Scalar {
    text: String,
    quoted: bool,
    /// What the file says, where placeholders were replaced: errors show this and never the value.
    written: Option<String>,
    /// A placeholder in it could not be filled in.
    unset: bool,
}

/// A scalar by the YAML 1.2 core schema.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Resolved<'a> {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number that fits; decimal, `0x…` or `0o…`.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Anything else, and everything quoted.
    Text(&'a str),
}

// === impl Node ===

impl Node {
    /// The value of `key`, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.as_map()?.get(key)
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match &self.value {
            Value::Map(map) => Some(map),
            Value::List(_) | Value::Scalar(_) => None,
        }
    }

    /// The items, if it is a list.
    pub fn as_list(&self) -> Option<&[Node]> {
        match &self.value {
            Value::List(items) => Some(items),
            Value::Map(_) | Value::Scalar(_) => None,
        }
    }

    /// The scalar, if it is one.
    pub fn as_scalar(&self) -> Option<&Scalar> {
        match &self.value {
            Value::Scalar(scalar) => Some(scalar),
            Value::Map(_) | Value::List(_) => None,
        }
    }

    /// The text of any scalar but null: `007`, `true` and `"x"` have one.
    pub fn as_text(&self) -> Option<&str> {
        let scalar = self.as_scalar()?;
        (scalar.resolve() != Resolved::Null).then_some(scalar.text())
    }

    /// The boolean, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        match self.as_scalar()?.resolve() {
            Resolved::Bool(value) => Some(value),
            _ => None,
        }
    }

    /// The whole number, if it is one.
    pub fn as_i64(&self) -> Option<i64> {
        match self.as_scalar()?.resolve() {
            Resolved::Int(value) => Some(value),
            _ => None,
        }
    }

    /// The number, whole or not.
    pub fn as_f64(&self) -> Option<f64> {
        match self.as_scalar()?.resolve() {
            Resolved::Int(value) => Some(value as f64),
            Resolved::Float(value) => Some(value),
            _ => None,
        }
    }

    /// Whether it is null (or nothing at all).
    pub fn is_null(&self) -> bool {
        self.as_scalar().is_some_and(|scalar| scalar.resolve() == Resolved::Null)
    }

    /// What it is, for an error: `a map`, `a list`, or a scalar as written, cut after 60 characters. Never
    /// the value of a placeholder.
    pub fn shown(&self) -> String {
        match &self.value {
            Value::Map(_) => "a map".to_owned(),
            Value::List(_) => "a list".to_owned(),
            Value::Scalar(scalar) => scalar.shown(),
        }
    }

    /// An error at this place.
    pub fn error(&self, what: impl Into<String>, fix: impl Into<String>) -> Diagnostic {
        self.at.error(what, fix)
    }
}

impl fmt::Debug for Node {
    /// Shape and place only: a value may be a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Value::Map(map) => {
                f.debug_set().entries(map.entries().iter().map(|entry| &entry.key)).finish()?
            }
            Value::List(items) => f.debug_list().entries(items).finish()?,
            Value::Scalar(_) => f.write_str("scalar")?,
        }
        write!(f, "@{}", self.at)
    }
}

// === impl Map ===

impl Map {
    /// The value of `key`.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|entry| &entry.value)
    }

    /// The key and value of `key`.
    pub fn entry(&self, key: &str) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// All entries, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Takes entries whose keys differ; the caller has checked that.
    pub(crate) fn from_distinct(entries: Vec<Entry>) -> Self {
        Self { entries }
    }

    pub(crate) fn entries_mut(&mut self) -> &mut Vec<Entry> {
        &mut self.entries
    }
}

// === impl Scalar ===

impl PartialEq for Scalar {
    /// By what it means, not by the placeholders it came from.
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.quoted == other.quoted
    }
}

impl Eq for Scalar {}

impl Scalar {
    pub(crate) fn new(text: String, quoted: bool) -> Self {
        Self { text, quoted, written: None, unset: false }
    }

    /// The text; of a placeholder, its value.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it was quoted or a block, so that it is a text whatever it looks like.
    pub fn is_quoted(&self) -> bool {
        self.quoted
    }

    /// What the text means by the YAML 1.2 core schema (10.3.2).
    pub fn resolve(&self) -> Resolved<'_> {
        if self.quoted {
            return Resolved::Text(&self.text);
        }
        match resolve_plain(&self.text) {
            // an empty variable is an empty text and not as if the key were left out
            Resolved::Null if self.written.is_some() => Resolved::Text(&self.text),
            resolved => resolved,
        }
    }

    /// The scalar as it is written, for an error.
    pub(crate) fn shown(&self) -> String {
        const MOST: usize = 60;
        let text = self.written.as_deref().unwrap_or(&self.text);
        let cut: String = text.chars().take(MOST).collect();
        let dots = if cut.len() < text.len() { "…" } else { "" };
        match self.resolve() {
            Resolved::Null => "empty".to_owned(),
            _ => format!("{:?}", format!("{cut}{dots}")),
        }
    }

    /// Replaces the text by one with the placeholders filled in; none: one of them is not set.
    pub(crate) fn fill_in(&mut self, text: Option<String>) {
        match text {
            Some(text) => self.written = Some(std::mem::replace(&mut self.text, text)),
            None => self.unset = true,
        }
    }

    /// Whether a placeholder in it could not be filled in, which is reported already.
    pub(crate) fn is_unset(&self) -> bool {
        self.unset
    }
}

fn resolve_plain(text: &str) -> Resolved<'_> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Resolved::Null,
        "true" | "True" | "TRUE" => return Resolved::Bool(true),
        "false" | "False" | "FALSE" => return Resolved::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Resolved::Float(f64::NAN),
        _ => {}
    }
    if let Some(digits) = text.strip_prefix("0x") {
        return whole(digits, 16, text);
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return whole(digits, 8, text);
    }
    if let Ok(number) = text.parse::<i64>() {
        return Resolved::Int(number);
    }
    let (sign, rest) = match text.as_bytes() {
        [b'-', ..] => (-1.0, &text[1..]),
        [b'+', ..] => (1.0, &text[1..]),
        _ => (1.0, text),
    };
    if matches!(rest, ".inf" | ".Inf" | ".INF") {
        return Resolved::Float(sign * f64::INFINITY);
    }
    let numeric = rest.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && rest.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'e' | b'E' | b'+' | b'-'));
    match rest.parse::<f64>() {
        Ok(number) if numeric => Resolved::Float(sign * number),
        _ => Resolved::Text(text),
    }
}

fn whole<'a>(digits: &str, radix: u32, text: &'a str) -> Resolved<'a> {
    if !digits.starts_with(|c: char| c.is_ascii_hexdigit()) {
        return Resolved::Text(text);
    }
    i64::from_str_radix(digits, radix).map_or(Resolved::Text(text), Resolved::Int)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_resolve_by_the_core_schema() {
        let plain = |text: &str| format!("{:?}", resolve_plain(text));
        let cases = [
            ("", "Null"),
            ("~", "Null"),
            ("null", "Null"),
            ("true", "Bool(true)"),
            ("yes", "Text(\"yes\")"),
            ("007", "Int(7)"),
            ("-12", "Int(-12)"),
            ("0x1F", "Int(31)"),
            ("0o17", "Int(15)"),
            ("0x", "Text(\"0x\")"),
            ("1.5e3", "Float(1500.0)"),
            (".5", "Float(0.5)"),
            ("-.inf", "Float(-inf)"),
            ("nan", "Text(\"nan\")"),
            ("inf", "Text(\"inf\")"),
            ("1.2.3", "Text(\"1.2.3\")"),
            ("18446744073709551615", "Float(1.8446744073709552e19)"),
        ];
        for (text, resolved) in cases {
            assert_eq!(plain(text), resolved, "{text:?}");
        }
    }

    #[test]
    fn a_quoted_scalar_is_a_text() {
        assert_eq!(Scalar::new("12".into(), true).resolve(), Resolved::Text("12"));
    }

    #[test]
    fn not_a_number_equals_itself_so_that_diffs_stay_empty() {
        assert!(Scalar::new(".nan".into(), false) == Scalar::new(".nan".into(), false));
    }
}
