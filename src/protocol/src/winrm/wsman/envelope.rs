//! Any SOAP message as a tree of its headers and its body; what `Items` hold stays text.

use std::borrow::Cow;

use super::namespace::Namespace;
use crate::xml::{self, Scanner, Tag, Token, text};

/// How many elements a message may have, items included (they are asked for 32 000 at most).
pub const MAX_ELEMENTS: usize = 40_000;

/// A message.
#[derive(Clone, Debug)]
pub struct Envelope<'a> {
    header: Vec<Element<'a>>,
    body: Vec<Element<'a>>,
}

/// An element, its namespace resolved.
#[derive(Clone, Debug)]
pub struct Element<'a> {
    /// The namespace, where it is one that means something here.
    pub namespace: Option<Namespace>,
    /// The name without its prefix.
    pub name: &'a str,
    /// The attributes by their names without prefix.
    pub attributes: Vec<(&'a str, Cow<'a, str>)>,
    /// The characters directly in it.
    pub text: Cow<'a, str>,
    /// The elements in it; none for those in `Items`, which are not looked into.
    pub children: Vec<Element<'a>>,
    /// Its content as it stands in the message.
    pub inner: &'a str,
    /// All of it as it stands in the message.
    pub outer: &'a str,
}

/// Why a message could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is no XML.
    #[error("the answer is {0}")]
    Xml(#[from] xml::Error),
    /// It is no SOAP 1.2 envelope.
    #[error("the answer is no soap envelope; something else than winrm may listen there")]
    NotSoap,
    /// More than [`MAX_ELEMENTS`].
    #[error("the answer has more than {MAX_ELEMENTS} elements")]
    TooLarge,
    /// Something that has to be there is not.
    #[error("the answer has no {0}")]
    Missing(&'static str),
    /// Something can't be understood.
    #[error("the answer has an unusable {0}")]
    Unusable(&'static str),
}

// === impl Envelope ===

impl<'a> Envelope<'a> {
    /// Reads a message.
    ///
    /// # Errors
    /// It is no SOAP 1.2 envelope, or too large.
    pub fn read(xml: &'a str) -> Result<Self, ReadError> {
        let mut reader = Reader { scanner: Scanner::new(xml), xml, bindings: Vec::new(), elements: 0 };
        let Some(Token::Start(tag)) = reader.scanner.token()? else { return Err(ReadError::NotSoap) };
        let root = reader.element(tag, Look::Inside)?;
        // Nothing may follow.
        if reader.scanner.token()?.is_some() || !root.is(Namespace::Soap, "Envelope") {
            return Err(ReadError::NotSoap);
        }
        let mut envelope = Self { header: Vec::new(), body: Vec::new() };
        for child in root.children {
            if child.is(Namespace::Soap, "Header") {
                envelope.header = child.children;
            } else if child.is(Namespace::Soap, "Body") {
                envelope.body = child.children;
            }
        }
        Ok(envelope)
    }

    /// The elements of the body.
    pub fn body(&self) -> &[Element<'a>] {
        &self.body
    }

    /// A header.
    pub fn header(&self, namespace: Namespace, name: &str) -> Option<&Element<'a>> {
        self.header.iter().find(|element| element.is(namespace, name))
    }

    /// The text of a header, without blanks around it.
    pub fn header_text(&self, namespace: Namespace, name: &str) -> Option<&str> {
        self.header(namespace, name).map(Element::trimmed)
    }

    /// What is asked or answered.
    pub fn action(&self) -> Option<&str> {
        self.header_text(Namespace::Addressing, "Action")
    }

    /// The message's id.
    pub fn message_id(&self) -> Option<&str> {
        self.header_text(Namespace::Addressing, "MessageID")
    }

    /// The id of the request that this answers.
    pub fn relates_to(&self) -> Option<&str> {
        self.header_text(Namespace::Addressing, "RelatesTo")
    }

    /// What a request is about.
    pub fn resource_uri(&self) -> Option<&str> {
        self.header_text(Namespace::Wsman, "ResourceURI")
    }

    /// A selector of a request, such as `ShellId`.
    pub fn selector(&self, name: &str) -> Option<&str> {
        self.named("SelectorSet", name)
    }

    /// An option of a request, such as `ContentFormat`.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.named("OptionSet", name)
    }

    /// A `w:BookmarkList` with its bookmarks, as it stands in the header of an answer.
    pub fn bookmark(&self) -> Option<&'a str> {
        self.header(Namespace::Wsman, "Bookmark").map(|bookmark| bookmark.inner.trim())
    }

    fn named(&self, set: &str, name: &str) -> Option<&str> {
        let set = self.header(Namespace::Wsman, set)?;
        set.children.iter().find(|child| child.attribute("Name") == Some(name)).map(Element::trimmed)
    }
}

// === impl Element ===

impl<'a> Element<'a> {
    /// Whether it is that element.
    pub fn is(&self, namespace: Namespace, name: &str) -> bool {
        self.namespace == Some(namespace) && self.name == name
    }

    /// The value of an attribute by its name without prefix.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(found, _)| *found == name).map(|(_, value)| value.as_ref())
    }

    /// The first element of that name in it.
    pub fn child(&self, namespace: Namespace, name: &str) -> Option<&Element<'a>> {
        self.children.iter().find(|child| child.is(namespace, name))
    }

    /// The first element of that name anywhere in it.
    pub fn descendant(&self, namespace: Namespace, name: &str) -> Option<&Element<'a>> {
        self.children.iter().find_map(|child| {
            if child.is(namespace, name) { Some(child) } else { child.descendant(namespace, name) }
        })
    }

    /// Its characters without blanks around them.
    pub fn trimmed(&self) -> &str {
        self.text.trim()
    }
}

// === Reading ===

/// Whether an element's content becomes elements or stays text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Inside,
    Past,
}

struct Reader<'a> {
    scanner: Scanner<'a>,
    xml: &'a str,
    /// Prefixes in scope, innermost last.
    bindings: Vec<(&'a str, Option<Namespace>)>,
    elements: usize,
}

impl<'a> Reader<'a> {
    /// The element whose start tag was read. Recursion ends at the scanner's depth.
    fn element(&mut self, tag: Tag<'a>, look: Look) -> Result<Element<'a>, ReadError> {
        self.elements += 1;
        if self.elements > MAX_ELEMENTS {
            return Err(ReadError::TooLarge);
        }
        let in_scope = self.bindings.len();
        let mut attributes = Vec::new();
        for (name, value) in tag.attributes() {
            match name.strip_prefix("xmlns") {
                Some("") => self.bindings.push(("", Namespace::of(value.trim()))),
                Some(prefix) if prefix.starts_with(':') => {
                    self.bindings.push((&prefix[1..], Namespace::of(value.trim())));
                }
                _ => attributes.push((xml::local(name), text::attribute(value))),
            }
        }
        let prefix = tag.name.split_once(':').map_or("", |(prefix, _)| prefix);
        let namespace = self.bindings.iter().rev().find(|(bound, _)| *bound == prefix);
        let mut element = Element {
            namespace: namespace.and_then(|(_, namespace)| *namespace),
            name: tag.local_name(),
            attributes,
            text: Cow::Borrowed(""),
            children: Vec::new(),
            inner: "",
            outer: "",
        };
        match look {
            Look::Inside => self.content(&tag, &mut element)?,
            Look::Past => element.inner = self.scanner.skip(&tag)?,
        }
        element.outer = &self.xml[tag.begin..self.scanner.position()];
        self.bindings.truncate(in_scope);
        Ok(element)
    }

    fn content(&mut self, tag: &Tag<'a>, element: &mut Element<'a>) -> Result<(), ReadError> {
        let items = element.name == "Items"
            && matches!(element.namespace, Some(Namespace::Wsman | Namespace::Enumeration));
        let look = if items { Look::Past } else { Look::Inside };
        loop {
            match self.scanner.token()? {
                Some(Token::Start(child)) => {
                    let child = self.element(child, look)?;
                    element.children.push(child);
                }
                Some(Token::Text(raw)) => text::append(&mut element.text, text::unescaped(raw)),
                Some(Token::CData(raw)) => text::append(&mut element.text, text::cleaned(raw)),
                Some(Token::End { at, .. }) => {
                    element.inner = &self.xml[tag.end.min(at)..at];
                    return Ok(());
                }
                None => return Err(ReadError::NotSoap),
            }
        }
    }
}
