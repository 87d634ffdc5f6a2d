//! How bytes, times and lines are shown to people and to other programs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::io::{self, BufWriter, StdoutLock, Write};

/// Standard output, a line at a time; a reader that has gone ends the work and is no failure.
pub(super) struct Lines(BufWriter<StdoutLock<'static>>);

impl Lines {
    pub(super) fn begin() -> Self {
        Self(BufWriter::new(io::stdout().lock()))
    }

    /// Prints a line; whether anybody still reads.
    pub(super) fn print(&mut self, line: impl AsRef<[u8]>) -> io::Result<bool> {
        match self.0.write_all(line.as_ref()).and_then(|()| self.0.write_all(b"\n")) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Everything is printed.
    pub(super) fn end(mut self) -> io::Result<()> {
        match self.0.flush() {
            Err(e) if e.kind() != io::ErrorKind::BrokenPipe => Err(e),
            _ => Ok(()),
        }
    }
}

/// Nanoseconds since the Unix epoch as a time of day, UTC.
pub(super) fn time(nanos: u64) -> String {
    match Timestamp::from_nanosecond(nanos.into()) {
        Ok(at) => at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        Err(_) => "?".to_owned(),
    }
}

/// Bytes for a terminal: nothing in them moves its cursor.
pub(super) fn harmless(bytes: &[u8], most: usize) -> String {
    let shown = &bytes[..bytes.len().min(most)];
    let mut text = String::new();
    for character in String::from_utf8_lossy(shown).chars() {
        match character {
            '\t' => text.push(character),
            control if control.is_control() => text.extend(control.escape_default()),
            other => text.push(other),
        }
    }
    if bytes.len() > most {
        text.push_str(&format!("... ({} bytes in all)", bytes.len()));
    }
    text
}

/// Puts bytes into a JSON object: as text, or in base64 under a name that says so.
pub(super) fn put_bytes(object: &mut Map<String, Value>, name: &str, bytes: &[u8]) {
    match std::str::from_utf8(bytes) {
        Ok(text) => object.insert(name.to_owned(), text.into()),
        Err(_) => object.insert(format!("{name}_base64"), STANDARD.encode(bytes).into()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_text_where_they_can_be() {
        let mut object = Map::new();
        put_bytes(&mut object, "a", "tüt".as_bytes());
        put_bytes(&mut object, "b", b"\xff");
        assert_eq!(Value::Object(object).to_string(), r#"{"a":"tüt","b_base64":"/w=="}"#);
        assert_eq!(harmless(b"a\x1b[31mb\tc", 9), "a\\u{1b}[31mb\tc");
        assert_eq!(harmless(b"abcdef", 3), "abc... (6 bytes in all)");
        assert_eq!(time(1_700_000_000_000_000_000), "2023-11-14T22:13:20Z");
    }
}
