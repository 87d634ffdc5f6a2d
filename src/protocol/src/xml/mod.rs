//! XML as management protocols use it: tokens that borrow from the document, and a writer that escapes.
//!
//! | part | its one job |
//! |---|---|
//! | [`Scanner`] | tags and text of a document, in order, with their places; end tags are checked |
//! | [`text`] | references and line ends of text and attributes resolved |
//! | [`Writer`] | well-formed output, everything escaped |
//!
//! Documents come from other machines, so: no document types (hence no entities of one's own, and nothing is
//! ever loaded), a bounded depth, and damage is an [`Error`] with its place. Characters that XML 1.0 forbids are
//! let through: Windows puts them into events, and an event must not be lost for them.
//!
//! Cost: one pass; nothing is allocated but the stack of open names. Names are compared, not validated.

pub mod text;
mod write;

pub use write::Writer;

use memchr::{memchr, memchr3, memmem};

/// How deep elements may be nested. WS-Management needs some twelve, an event as many again.
pub const MAX_DEPTH: usize = 64;

/// The tokens of one document.
#[derive(Clone, Debug)]
pub struct Scanner<'a> {
    xml: &'a str,
    at: usize,
    open: Vec<&'a str>,
    /// The element was empty (`<a/>`): its end comes next.
    closes_itself: bool,
}

/// One token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Token<'a> {
    /// `<name …>` or `<name …/>`; either is followed by its [`Token::End`].
    Start(Tag<'a>),
    /// The end of the innermost open element.
    End {
        /// The name of the element, with its prefix.
        name: &'a str,
        /// Where the end tag begins; for `<a/>`, where the document goes on.
        at: usize,
    },
    /// Characters, with their references; see [`text::unescaped`].
    Text(&'a str),
    /// The characters of a `CDATA` section, which mean themselves.
    CData(&'a str),
}

/// A start tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag<'a> {
    /// The name, with its prefix.
    pub name: &'a str,
    /// What stands between the name and the end of the tag.
    attributes: &'a str,
    /// Where the tag begins, in bytes.
    pub begin: usize,
    /// Where the content begins.
    pub end: usize,
}

/// What is wrong with a document, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not well-formed xml at byte {at}: {fault}")]
pub struct Error {
    /// In bytes from the beginning of the document.
    pub at: usize,
    /// What is wrong there.
    pub fault: Fault,
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The document ends within an element, a tag or a section.
    #[error("the document is cut")]
    Cut,
    /// An end tag that does not close the innermost open element.
    #[error("an end tag does not match its start")]
    EndTag,
    /// A tag without a name, or with something that is no attribute.
    #[error("a tag is malformed")]
    Tag,
    /// Elements nested deeper than [`MAX_DEPTH`].
    #[error("elements are nested too deeply")]
    Depth,
    /// `<!DOCTYPE …`: neither needed nor wanted.
    #[error("document types are not accepted")]
    DocumentType,
    /// More text or elements behind the end of the only element.
    #[error("something follows the end of the document")]
    Trailing,
}

// === impl Scanner ===

impl<'a> Scanner<'a> {
    /// A scanner at the beginning of `xml`; a byte order mark there is passed over.
    pub fn new(xml: &'a str) -> Self {
        let at = if xml.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
        Self { xml, at, open: Vec::with_capacity(8), closes_itself: false }
    }

    /// The next token; `None` at the end of the document.
    ///
    /// # Errors
    /// The document is not well-formed from here on.
    pub fn token(&mut self) -> Result<Option<Token<'a>>, Error> {
        if self.closes_itself {
            self.closes_itself = false;
            let name = self.open.pop().unwrap_or_default();
            return Ok(Some(Token::End { name, at: self.at }));
        }
        loop {
            let begin = self.at;
            let rest = &self.xml.as_bytes()[begin..];
            match rest {
                [] if self.open.is_empty() => return Ok(None),
                [] => return Err(self.error(Fault::Cut)),
                [b'<', b'/', ..] => return self.end_tag().map(Some),
                [b'<', b'!', b'-', b'-', ..] => self.pass(4, "-->")?,
                [b'<', b'?', ..] => self.pass(2, "?>")?,
                [b'<', b'!', b'[', ..] if rest.starts_with(b"<![CDATA[") && !self.open.is_empty() => {
                    self.pass("<![CDATA[".len(), "]]>")?;
                    return Ok(Some(Token::CData(&self.xml[begin + 9..self.at - 3])));
                }
                [b'<', b'!', ..] => return Err(self.error(Fault::DocumentType)),
                [b'<', ..] => return self.start_tag().map(Some),
                _ => {
                    let len = memchr(b'<', rest).unwrap_or(rest.len());
                    self.at += len;
                    if !self.open.is_empty() {
                        return Ok(Some(Token::Text(&self.xml[begin..self.at])));
                    }
                    if rest[..len].iter().any(|byte| !byte.is_ascii_whitespace() && *byte != 0) {
                        return Err(Error { at: begin, fault: Fault::Trailing });
                    }
                }
            }
        }
    }

    /// How many elements are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Where the next token begins, in bytes.
    pub fn position(&self) -> usize {
        self.at
    }

    /// Passes over the rest of the element whose start tag was the last token, and returns its content as it
    /// stands in the document.
    ///
    /// # Errors
    /// The content is not well-formed.
    pub fn skip(&mut self, tag: &Tag<'a>) -> Result<&'a str, Error> {
        let outside = self.open.len().saturating_sub(1);
        loop {
            match self.token()? {
                Some(Token::End { at, .. }) if self.open.len() == outside => {
                    return Ok(&self.xml[tag.end.min(at)..at]);
                }
                Some(_) => {}
                None => return Err(self.error(Fault::Cut)),
            }
        }
    }

    /// The characters of the element whose start tag was the last token, resolved; elements in it are passed
    /// over, with their content.
    ///
    /// # Errors
    /// The content is not well-formed.
    pub fn text(&mut self) -> Result<std::borrow::Cow<'a, str>, Error> {
        let inside = self.open.len();
        let mut found = std::borrow::Cow::Borrowed("");
        loop {
            match self.token()? {
                Some(Token::Text(raw)) if self.open.len() == inside => {
                    text::append(&mut found, text::unescaped(raw));
                }
                Some(Token::CData(raw)) if self.open.len() == inside => {
                    text::append(&mut found, text::cleaned(raw));
                }
                Some(Token::End { .. }) if self.open.len() < inside => return Ok(found),
                Some(_) => {}
                None => return Err(self.error(Fault::Cut)),
            }
        }
    }

    fn start_tag(&mut self) -> Result<Token<'a>, Error> {
        let begin = self.at;
        if self.open.len() == MAX_DEPTH {
            return Err(self.error(Fault::Depth));
        }
        let bytes = self.xml.as_bytes();
        let begin_of_name = begin + 1;
        let name_len = bytes[begin_of_name..].iter().position(|&byte| ends_name(byte));
        let end_of_name = begin_of_name + name_len.ok_or(self.error(Fault::Cut))?;
        let name = &self.xml[begin_of_name..end_of_name];
        if name.is_empty() || matches!(bytes[end_of_name], b'<' | b'"' | b'\'' | b'=') {
            return Err(self.error(Fault::Tag));
        }
        let mut close = end_of_name;
        while bytes[close] != b'>' {
            close += memchr3(b'>', b'"', b'\'', &bytes[close..]).ok_or(self.error(Fault::Cut))?;
            if bytes[close] != b'>' {
                let quote = bytes[close];
                close += 2 + memchr(quote, &bytes[close + 1..]).ok_or(self.error(Fault::Cut))?;
            }
            if close == bytes.len() {
                return Err(self.error(Fault::Cut));
            }
        }
        let attributes = &self.xml[end_of_name..close];
        let (attributes, empty) =
            attributes.strip_suffix('/').map_or((attributes, false), |rest| (rest, true));
        self.at = close + 1;
        self.open.push(name);
        self.closes_itself = empty;
        Ok(Token::Start(Tag { name, attributes, begin, end: self.at }))
    }

    fn end_tag(&mut self) -> Result<Token<'a>, Error> {
        let at = self.at;
        let rest = &self.xml[at + 2..];
        let Some(&name) = self.open.last() else { return Err(self.error(Fault::EndTag)) };
        let after = rest.strip_prefix(name).ok_or(self.error(Fault::EndTag))?;
        // Blanks may stand before the bracket; as a rule they do not.
        let blanks = after.bytes().take_while(u8::is_ascii_whitespace).count();
        match after.as_bytes().get(blanks) {
            Some(b'>') => {}
            Some(_) => return Err(self.error(Fault::EndTag)),
            None => return Err(self.error(Fault::Cut)),
        }
        let len = name.len() + blanks;
        self.open.pop();
        self.at = at + 2 + len + 1;
        Ok(Token::End { name, at })
    }

    /// Moves behind `end`, which is looked for `from` bytes on.
    fn pass(&mut self, from: usize, end: &str) -> Result<(), Error> {
        let rest = &self.xml.as_bytes()[self.at..];
        let found = rest.get(from..).and_then(|rest| memmem::find(rest, end.as_bytes()));
        self.at += from + found.ok_or(self.error(Fault::Cut))? + end.len();
        Ok(())
    }

    fn error(&self, fault: Fault) -> Error {
        Error { at: self.at, fault }
    }
}

// === impl Tag ===

impl<'a> Tag<'a> {
    /// The name without its prefix.
    pub fn local_name(&self) -> &'a str {
        local(self.name)
    }

    /// Names and raw values, in order; a malformed rest is not returned. See [`text::attribute`].
    pub fn attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let mut rest = self.attributes;
        std::iter::from_fn(move || {
            let (name, after) = rest.split_once('=')?;
            let after = after.trim_ascii_start();
            let quote = after.chars().next().filter(|first| matches!(first, '"' | '\''))?;
            let (value, after) = after[1..].split_once(quote)?;
            rest = after;
            Some((name.trim_ascii(), value))
        })
    }

    /// The value of an attribute by its name without prefix, resolved.
    pub fn attribute(&self, name: &str) -> Option<std::borrow::Cow<'a, str>> {
        let (_, value) = self.attributes().find(|(found, _)| local(found) == name)?;
        Some(text::attribute(value))
    }
}

/// Whether a byte stands behind a name.
fn ends_name(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | b'>' | b'/' | b'<' | b'"' | b'\'' | b'=')
}

/// A name without its prefix.
pub fn local(name: &str) -> &str {
    name.bytes().position(|byte| byte == b':').map_or(name, |colon| &name[colon + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(xml: &str) -> Result<Vec<Token<'_>>, Error> {
        let mut scanner = Scanner::new(xml);
        let mut found = Vec::new();
        while let Some(token) = scanner.token()? {
            found.push(token);
        }
        Ok(found)
    }

    #[test]
    fn tags_text_and_sections_come_in_order() {
        let xml =
            "\u{feff}<?xml version='1.0'?><!-- no --><a b='1 > 0' c=\"&quot;\"><d/>t<![CDATA[<&]]></a> ";
        let found = tokens(xml).unwrap();
        let Token::Start(a) = found[0] else { panic!("{found:?}") };
        assert_eq!(a.attribute("b").unwrap(), "1 > 0");
        assert_eq!(a.attribute("c").unwrap(), "\"");
        assert!(matches!(found[1], Token::Start(Tag { name: "d", .. })));
        assert!(matches!(found[2], Token::End { name: "d", .. }));
        assert_eq!(found[3..5], [Token::Text("t"), Token::CData("<&")]);
        assert!(matches!(found[5], Token::End { name: "a", .. }));
    }

    #[test]
    fn damage_is_named_with_its_place() {
        let fault = |xml| tokens(xml).unwrap_err().fault;
        assert_eq!(fault("<a><b></a>"), Fault::EndTag);
        assert_eq!(fault("<a>"), Fault::Cut);
        assert_eq!(fault("<a b='"), Fault::Cut);
        assert_eq!(fault("<!DOCTYPE a><a/>"), Fault::DocumentType);
        assert_eq!(fault("<a/>x"), Fault::Trailing);
        assert_eq!(fault("< a/>"), Fault::Tag);
        assert_eq!(fault(&"<a>".repeat(MAX_DEPTH + 1)), Fault::Depth);
    }

    #[test]
    fn an_element_is_skipped_with_all_that_is_in_it() {
        let mut scanner = Scanner::new("<a><b><b/>x</b><c/></a>");
        scanner.token().unwrap();
        let Some(Token::Start(b)) = scanner.token().unwrap() else { panic!() };
        assert_eq!(scanner.skip(&b).unwrap(), "<b/>x");
        let Some(Token::Start(c)) = scanner.token().unwrap() else { panic!() };
        assert_eq!((c.name, scanner.skip(&c).unwrap()), ("c", ""));
    }
}
