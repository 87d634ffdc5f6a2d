//! Writing XML: elements are closed by name, texts and values are escaped, forbidden characters replaced.

use super::text::allowed;

/// A document that grows.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    out: String,
}

// === impl Writer ===

impl Writer {
    /// An empty document with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes) }
    }

    /// `<name attribute="value" …>`. Names are the caller's constants and are not checked.
    pub fn open(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.out.push('>');
    }

    /// `</name>`.
    pub fn close(&mut self, name: &str) {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
    }

    /// `<name attribute="value" …/>`.
    pub fn empty(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.tag(name, attributes);
        self.out.push_str("/>");
    }

    /// `<name attribute="value" …>text</name>`.
    pub fn leaf(&mut self, name: &str, attributes: &[(&str, &str)], text: &str) {
        self.open(name, attributes);
        self.text(text);
        self.close(name);
    }

    /// Characters, escaped.
    pub fn text(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '&' => self.out.push_str("&amp;"),
                '\r' => self.out.push_str("&#13;"),
                _ => self.out.push(if allowed(character) { character } else { '\u{fffd}' }),
            }
        }
    }

    /// XML that is well-formed already.
    pub fn raw(&mut self, xml: &str) {
        self.out.push_str(xml);
    }

    /// The document.
    pub fn finish(self) -> String {
        self.out
    }

    fn tag(&mut self, name: &str, attributes: &[(&str, &str)]) {
        self.out.push('<');
        self.out.push_str(name);
        for (name, value) in attributes {
            self.out.push(' ');
            self.out.push_str(name);
            self.out.push_str("=\"");
            self.value(value);
            self.out.push('"');
        }
    }

    fn value(&mut self, value: &str) {
        for character in value.chars() {
            match character {
                '<' => self.out.push_str("&lt;"),
                '&' => self.out.push_str("&amp;"),
                '"' => self.out.push_str("&quot;"),
                '\t' => self.out.push_str("&#9;"),
                '\n' => self.out.push_str("&#10;"),
                '\r' => self.out.push_str("&#13;"),
                _ => self.out.push(if allowed(character) { character } else { '\u{fffd}' }),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{Scanner, Token};

    #[test]
    fn what_is_written_is_read_back() {
        let text = "a<b>&\"c'\r\n\t]]> ü";
        let mut writer = Writer::default();
        writer.leaf("x", &[("y", text)], text);
        let xml = writer.finish();
        let mut scanner = Scanner::new(&xml);
        let Some(Token::Start(tag)) = scanner.token().unwrap() else { panic!("{xml}") };
        assert_eq!(tag.attribute("y").unwrap(), text);
        assert_eq!(scanner.text().unwrap(), text);
    }
}
