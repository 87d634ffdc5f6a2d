//! How a single value is read: its type, what is allowed, its JSON Schema.
//!
//! A reader is a value such as `Port` or `Choice(&[…])` that stands beside a property's name in the `decode`
//! functions; [`Fields`](crate::fields::Fields) does the rest.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::suggest::did_you_mean;
use crate::{Node, Position, Resolved, Secret};

/// How a value is read.
pub(crate) trait Reader {
    /// What comes of it.
    type Value;

    /// Reads a value that is not null.
    fn read(&self, node: &Node) -> Result<Self::Value, Wrong>;

    /// What stands in for a value that is wrong; the snapshot it would be in is thrown away.
    fn placeholder(&self) -> Self::Value;

    /// Its JSON Schema.
    fn schema(&self) -> Json;
}

/// A value that is not allowed.
pub(crate) struct Wrong {
    pub(crate) at: Position,
    /// The value, as far as it may be shown.
    pub(crate) shown: String,
    /// What to do: `write …`.
    pub(crate) fix: String,
}

impl Wrong {
    pub(crate) fn new(node: &Node, fix: impl Into<String>) -> Self {
        Self { at: node.at.clone(), shown: node.shown(), fix: fix.into() }
    }
}

/// A schema for values that may also be a placeholder.
fn or_placeholder(schema: Json) -> Json {
    json!({"anyOf": [schema, {"$ref": "#/$defs/placeholder"}]})
}

/// The text of a scalar that is not empty.
fn text_of(node: &Node) -> Option<&str> {
    node.as_text().filter(|text| !text.is_empty())
}

// === texts ===

/// A text that is not empty; numbers and booleans count as the text they are written as.
pub(crate) struct Text;

impl Reader for Text {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Wrong> {
        text_of(node).map(str::to_owned).ok_or_else(|| Wrong::new(node, "write a text"))
    }

    fn placeholder(&self) -> String {
        String::new()
    }

    fn schema(&self) -> Json {
        json!({"type": ["string", "number", "boolean"]})
    }
}

/// A text that may be empty.
pub(crate) struct AnyText;

impl Reader for AnyText {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Wrong> {
        node.as_text().map(str::to_owned).ok_or_else(|| Wrong::new(node, "write a text"))
    }

    fn placeholder(&self) -> String {
        String::new()
    }

    fn schema(&self) -> Json {
        Text.schema()
    }
}

/// A secret; errors never show it.
pub(crate) struct SecretText;

impl Reader for SecretText {
    type Value = Secret;

    fn read(&self, node: &Node) -> Result<Secret, Wrong> {
        text_of(node).map(Secret::new).ok_or_else(|| Wrong {
            at: node.at.clone(),
            shown: "empty or not a text".to_owned(),
            fix: "write a text, best as ${NAME} from the environment".to_owned(),
        })
    }

    fn placeholder(&self) -> Secret {
        Secret::new("")
    }

    fn schema(&self) -> Json {
        Text.schema()
    }
}

/// A file or folder; relative ones start at the service root.
pub(crate) struct FilePath<'r>(pub(crate) &'r Path);

impl Reader for FilePath<'_> {
    type Value = PathBuf;

    fn read(&self, node: &Node) -> Result<PathBuf, Wrong> {
        text_of(node).map(|text| self.0.join(text)).ok_or_else(|| Wrong::new(node, "write a path"))
    }

    fn placeholder(&self) -> PathBuf {
        PathBuf::new()
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// Bytes that end a record: a text in which `\n`, `\r`, `\t`, `\0`, `\\` and `\xNN` stand for bytes.
pub(crate) struct Delimiter;

impl Reader for Delimiter {
    type Value = Vec<u8>;

    fn read(&self, node: &Node) -> Result<Vec<u8>, Wrong> {
        text_of(node)
            .and_then(unescaped)
            .ok_or_else(|| Wrong::new(node, "write a text such as \"\\n\", \"\\r\\n\" or \"\\x00\""))
    }

    fn placeholder(&self) -> Vec<u8> {
        b"\n".to_vec()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "minLength": 1})
    }
}

fn unescaped(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next()? {
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'0' => 0,
            b'\\' => b'\\',
            b'x' => {
                let high = char::from(bytes.next()?).to_digit(16)?;
                let low = char::from(bytes.next()?).to_digit(16)?;
                u8::try_from(high << 4 | low).ok()?
            }
            _ => return None,
        });
    }
    Some(out)
}

/// An `http` or `https` URL with a host, without credentials, spaces or fragment.
pub(crate) struct Url;

impl Reader for Url {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Wrong> {
        let fix = "write a URL such as https://host:8080/path";
        let text = text_of(node).ok_or_else(|| Wrong::new(node, fix))?;
        let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let authority = rest.and_then(|rest| rest.split(['/', '?']).next()).unwrap_or("");
        if authority.contains('@') {
            let shown = "a URL with credentials".to_owned();
            let fix = "leave them out of the URL and use the properties for them".to_owned();
            return Err(Wrong { at: node.at.clone(), shown, fix });
        }
        if !is_authority(authority) || text.chars().any(|c| c.is_whitespace() || c.is_control() || c == '#') {
            return Err(Wrong::new(node, fix));
        }
        Ok(text.to_owned())
    }

    fn placeholder(&self) -> String {
        String::new()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "pattern": r"^https?://|\$\{"})
    }
}

/// Whether it is `host`, `host:port`, `[v6]` or `[v6]:port`.
fn is_authority(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, rest)) => {
            let port = if rest.is_empty() { Some("1") } else { rest.strip_prefix(':') };
            let Some(port) = port else { return false };
            return v6.parse::<std::net::Ipv6Addr>().is_ok() && is_port(port);
        }
        None => text.split_once(':').unwrap_or((text, "1")),
    };
    is_host(host) && is_port(port)
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok_and(|port| port != 0)
}

fn is_host(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// A host name or address of a peer.
pub(crate) struct Host;

impl Reader for Host {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Wrong> {
        match text_of(node) {
            Some(text) if is_host(text) || text.parse::<IpAddr>().is_ok() => Ok(text.to_owned()),
            _ => Err(Wrong::new(node, "write a host name or an IP address, the port apart")),
        }
    }

    fn placeholder(&self) -> String {
        String::new()
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

/// An IP address to bind.
pub(crate) struct Address;

impl Reader for Address {
    type Value = IpAddr;

    fn read(&self, node: &Node) -> Result<IpAddr, Wrong> {
        let fix = "write an IP address of this machine, or 0.0.0.0 for all";
        node.as_text().and_then(|text| text.parse().ok()).ok_or_else(|| Wrong::new(node, fix))
    }

    fn placeholder(&self) -> IpAddr {
        std::net::Ipv4Addr::UNSPECIFIED.into()
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

// === numbers ===

/// A whole number.
pub(crate) struct Whole<T>(pub(crate) RangeInclusive<T>);

/// A port.
pub(crate) const PORT: Whole<u16> = Whole(1..=u16::MAX);

impl<T: Copy + PartialOrd + TryFrom<u64> + Into<u64>> Reader for Whole<T> {
    type Value = T;

    fn read(&self, node: &Node) -> Result<T, Wrong> {
        let (low, high) = (*self.0.start(), *self.0.end());
        // quoted numbers are taken, too: placeholders are often quoted
        let number = node.as_text().and_then(|text| text.parse::<u64>().ok());
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) if self.0.contains(&number) => Ok(number),
            _ => Err(Wrong::new(
                node,
                format!(
                    "write a whole number from {} to {}",
                    Into::<u64>::into(low),
                    Into::<u64>::into(high)
                ),
            )),
        }
    }

    fn placeholder(&self) -> T {
        *self.0.start()
    }

    fn schema(&self) -> Json {
        let (low, high): (u64, u64) = ((*self.0.start()).into(), (*self.0.end()).into());
        or_placeholder(json!({"type": "integer", "minimum": low, "maximum": high}))
    }
}

/// A count of bytes: a number, or one with `KB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB` (of 1024).
pub(crate) struct Bytes(pub(crate) RangeInclusive<u64>);

impl Reader for Bytes {
    type Value = u64;

    fn read(&self, node: &Node) -> Result<u64, Wrong> {
        match node.as_text().and_then(bytes) {
            Some(bytes) if self.0.contains(&bytes) => Ok(bytes),
            _ => {
                let (low, high) = (self.0.start(), self.0.end());
                Err(Wrong::new(
                    node,
                    format!("write a size from {low} to {high} bytes, such as 4096, 32MB or 24MiB"),
                ))
            }
        }
    }

    fn placeholder(&self) -> u64 {
        *self.0.start()
    }

    fn schema(&self) -> Json {
        let (low, high) = (self.0.start(), self.0.end());
        json!({"anyOf": [
            {"type": "integer", "minimum": low, "maximum": high},
            {"type": "string", "pattern": r"^[0-9]+ ?([KMG]i?)?B?$"},
            {"$ref": "#/$defs/placeholder"},
        ]})
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit {
        "" | "B" => 1,
        "KB" | "K" => 1_000,
        "MB" | "M" => 1_000_000,
        "GB" | "G" => 1_000_000_000,
        "KiB" | "Ki" => 1 << 10,
        "MiB" | "Mi" => 1 << 20,
        "GiB" | "Gi" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A duration: seconds, or a number with `ms`, `s`, `m`, `h` or `d`. The range is in seconds.
pub(crate) struct Seconds(pub(crate) RangeInclusive<u64>);

impl Reader for Seconds {
    type Value = Duration;

    fn read(&self, node: &Node) -> Result<Duration, Wrong> {
        let (low, high) = (*self.0.start(), *self.0.end());
        match node.as_text().and_then(duration) {
            Some(time) if Duration::from_secs(low) <= time && time <= Duration::from_secs(high) => Ok(time),
            _ => Err(Wrong::new(
                node,
                format!("write a time from {low} to {high} seconds, such as 30, 250ms, 5m or 2h"),
            )),
        }
    }

    fn placeholder(&self) -> Duration {
        Duration::from_secs(*self.0.start())
    }

    fn schema(&self) -> Json {
        let (low, high) = (self.0.start(), self.0.end());
        json!({"anyOf": [
            {"type": "integer", "minimum": low, "maximum": high},
            {"type": "string", "pattern": r"^[0-9]+ ?(ms|s|m|h|d)?$"},
            {"$ref": "#/$defs/placeholder"},
        ]})
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// `24MiB` and `24 MiB` to 24 and `MiB`.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

// === choices ===

/// `true` or `false`.
pub(crate) struct Flag;

impl Reader for Flag {
    type Value = bool;

    fn read(&self, node: &Node) -> Result<bool, Wrong> {
        match node.as_text() {
            Some("true") => Ok(true),
            Some("false") => Ok(false),
            _ => match node.as_scalar().map(|scalar| scalar.resolve()) {
                Some(Resolved::Bool(value)) => Ok(value),
                _ => Err(Wrong::new(node, "write true or false")),
            },
        }
    }

    fn placeholder(&self) -> bool {
        false
    }

    fn schema(&self) -> Json {
        or_placeholder(json!({"type": "boolean"}))
    }
}

/// One of several words. The first is the placeholder of a wrong one; further words may mean the same.
pub(crate) struct Choice<T: 'static>(pub(crate) &'static [(&'static str, T)]);

impl<T: Copy> Reader for Choice<T> {
    type Value = T;

    fn read(&self, node: &Node) -> Result<T, Wrong> {
        let words = self.0.iter().map(|(word, _)| *word);
        let Some(text) = node.as_text() else {
            return Err(Wrong::new(node, format!("write one of {}", words.collect::<Vec<_>>().join(", "))));
        };
        match self.0.iter().find(|(word, _)| *word == text) {
            Some((_, value)) => Ok(*value),
            None => Err(Wrong::new(node, did_you_mean(text, words))),
        }
    }

    fn placeholder(&self) -> T {
        self.0[0].1
    }

    fn schema(&self) -> Json {
        let word = |word: &&str| word.parse::<u64>().map_or_else(|_| json!(word), |number| json!(number));
        let words: Vec<Json> = self.0.iter().map(|(text, _)| word(text)).collect();
        or_placeholder(json!({"enum": words}))
    }
}

// === several ===

/// A list of values, or a single one.
pub(crate) struct List<R>(pub(crate) R);

impl<R: Reader> Reader for List<R> {
    type Value = Vec<R::Value>;

    fn read(&self, node: &Node) -> Result<Self::Value, Wrong> {
        match node.as_list() {
            Some(items) => items.iter().map(|item| self.0.read(item)).collect(),
            None => Ok(vec![self.0.read(node)?]),
        }
    }

    fn placeholder(&self) -> Self::Value {
        Vec::new()
    }

    fn schema(&self) -> Json {
        let one = self.0.schema();
        json!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        let cases = [
            ("4096", Some(4096)),
            ("32MB", Some(32_000_000)),
            ("24MiB", Some(24 << 20)),
            ("24 MiB", Some(24 << 20)),
            ("1GiB", Some(1 << 30)),
            ("1.5MB", None),
            ("-1", None),
            ("MB", None),
            ("99999999999GiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        assert_eq!(duration("30"), Some(Duration::from_secs(30)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2d"), Some(Duration::from_secs(172_800)));
        assert_eq!(duration("2 weeks"), None);
    }

    #[test]
    fn delimiters_may_be_written_with_escapes() {
        assert_eq!(unescaped(r"\r\n\x00\\").as_deref(), Some(&b"\r\n\0\\"[..]));
        assert_eq!(unescaped("\n").as_deref(), Some(&b"\n"[..]));
        assert_eq!(unescaped(r"\q"), None);
        assert_eq!(unescaped(r"\x4"), None);
    }

    #[test]
    fn a_url_needs_a_host_and_a_port_in_range() {
        for good in ["a", "a:80", "10.0.0.1:9200", "[::1]", "[::1]:80"] {
            assert!(is_authority(good), "{good}");
        }
        for bad in ["", ":80", "a:", "a:0", "a:70000", "[::1", "[x]", "[::1]80", "a b"] {
            assert!(!is_authority(bad), "{bad}");
        }
    }
}
