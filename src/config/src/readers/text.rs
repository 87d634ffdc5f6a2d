//! Texts: plain, secret, paths, bytes that end records.

use std::path::{Path, PathBuf};

use serde_json::{Value as Json, json};

use super::{Reader, Wrong, text_of};
use crate::{Node, Secret};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delimiters_may_be_written_with_escapes() {
        assert_eq!(unescaped(r"\r\n\x00\\").as_deref(), Some(&b"\r\n\0\\"[..]));
        assert_eq!(unescaped("\n").as_deref(), Some(&b"\n"[..]));
        assert_eq!(unescaped(r"\q"), None);
        assert_eq!(unescaped(r"\x4"), None);
    }
}
