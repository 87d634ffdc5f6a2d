//! `xml`: XML text to objects.
//!
//! Cost: one pass; texts stay where they are, those with references are copied.

use super::received::is_reserved_key;
use super::syslog::part_of;
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Event, KeyId, Slot, Span};
use protocol::xml::{Scanner, Tag, Token, text};
use std::borrow::Cow;

/// How many different elements and attributes one element may have: each is compared with those before it.
const MAX_FIELDS: usize = 4096;

pub(super) static SPEC: Spec = Spec {
    name: "xml",
    family: "parse",
    summary: "Reads XML text into objects.",
    details: "An element is a field; one with nothing but text is that text, one that occurs several times a list. Attributes \
              go to `_attributes`; text beside elements goes to `_content`, beside attributes to `_text`. Names keep their \
              prefixes. Document types are refused, and elements more than 64 deep in each other.",
    options: &[
        FIELD,
        optional("target_field", "", "Where the object goes; this or `add_to_root`."),
        optional("add_to_root", "false", "Put the root element into the event itself."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "attributes and lists",
            event: r#"{"x": "<user id=\"7\"><name>Ann</name><tag>a</tag><tag>b &amp; c</tag></user>"}"#,
            processors: "- xml: {field: x, target_field: t}\n- remove: {field: x}",
            outcome: Outcome::Event(
                r#"{"t": {"user": {"_attributes": {"id": "7"}, "name": "Ann", "tag": ["a", "b & c"]}}}"#,
            ),
        },
        Example {
            title: "into the event",
            event: r#"{"x": "<a b='1'>t</a>"}"#,
            processors: "- xml: {field: x, add_to_root: true}\n- remove: {field: x}",
            outcome: Outcome::Event(r#"{"a": {"_attributes": {"b": "1"}, "_text": "t"}}"#),
        },
        Example {
            title: "no XML",
            event: r#"{"x": "<a><b></a>"}"#,
            processors: "- xml: {field: x, target_field: t}",
            outcome: Outcome::Fails("an end tag does not match its start"),
        },
    ],
    compile,
};

struct Xml {
    target: Target,
    add_to_root: bool,
    names: Names,
}

struct Names {
    attributes: KeyId,
    text: KeyId,
    content: KeyId,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let add_to_root = options.flag("add_to_root", false)?;
    match options.node("target_field") {
        Some(node) if add_to_root => {
            return Err(options.error(&node.at, "there is `target_field` or `add_to_root`, not both", ""));
        }
        None if !add_to_root => {
            let at = options.place().clone();
            let what = "it is not said where the object goes";
            return Err(options.error(&at, what, "add `target_field:`, or `add_to_root: true`"));
        }
        _ => {}
    }
    let names = Names {
        attributes: options.keys().compiled("_attributes"),
        text: options.keys().compiled("_text"),
        content: options.keys().compiled("_content"),
    };
    Ok(Box::new(Xml { target: Target::read(options)?, add_to_root, names }))
}

impl Processor for Xml {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let (key, value) = cx.with_bytes(span, |cx, bytes| {
            let Ok(xml) = std::str::from_utf8(bytes) else {
                return Err(Failure::fixed("is no xml: it is not UTF-8").at(&self.target.field));
            };
            let mut reader = Reader { names: &self.names, scanner: Scanner::new(xml), span, bytes };
            reader.document(cx).map_err(|failure| failure.at(&self.target.field))
        })?;
        if self.add_to_root && is_reserved_key(Event::ROOT, key) {
            return Ok(Flow::Next);
        }
        if self.add_to_root {
            cx.event.set_field(Event::ROOT, key, value)?;
        } else {
            let mut map = Children::EMPTY;
            cx.event.append_to(&mut map, key, value)?;
            self.target.put(cx, Slot::Map(map))?;
        }
        Ok(Flow::Next)
    }
}

struct Reader<'x> {
    names: &'x Names,
    scanner: Scanner<'x>,
    span: Span,
    bytes: &'x [u8],
}

impl<'x> Reader<'x> {
    /// The root element, and that nothing follows it.
    fn document(&mut self, cx: &mut Context<'_>) -> Result<(KeyId, Slot), Failure> {
        let Some(Token::Start(tag)) = self.token()? else {
            return Err(Failure::fixed("is no xml: it has no element"));
        };
        let key = cx.event.key_of(tag.name.as_bytes())?;
        let value = self.element(cx, &tag)?;
        match self.token()? {
            None => Ok((key, value)),
            Some(_) => Err(Failure::fixed("is no xml: something follows the root element")),
        }
    }

    fn token(&mut self) -> Result<Option<Token<'x>>, Failure> {
        self.scanner.token().map_err(|why| Failure::text(format!("is no xml: {}", why.fault)))
    }

    /// The element whose start tag was the last token. Goes no deeper than the scanner's limit.
    fn element(&mut self, cx: &mut Context<'_>, tag: &Tag<'x>) -> Result<Slot, Failure> {
        let mut map = Children::EMPTY;
        let mut attributes = Children::EMPTY;
        for (name, raw) in tag.attributes() {
            let value = self.text(cx, text::attribute(raw))?;
            add(cx, &mut attributes, name.as_bytes(), value)?;
        }
        if attributes.len() > 0 {
            cx.event.append_to(&mut map, self.names.attributes, Slot::Map(attributes))?;
        }
        let mut content = Cow::Borrowed("");
        loop {
            match self.token()? {
                Some(Token::Start(inner)) => {
                    let value = self.element(cx, &inner)?;
                    add(cx, &mut map, inner.name.as_bytes(), value)?;
                }
                Some(Token::Text(raw)) => append(&mut content, trimmed(text::unescaped(raw))),
                Some(Token::CData(raw)) => append(&mut content, text::cleaned(raw)),
                Some(Token::End { .. }) => break,
                None => return Err(Failure::fixed("is no xml: the document is cut")),
            }
        }
        if map.len() == 0 {
            return self.text(cx, content);
        }
        if !content.is_empty() {
            let key = if attributes.len() > 0 { self.names.text } else { self.names.content };
            let value = self.text(cx, content)?;
            cx.event.append_to(&mut map, key, value)?;
        }
        Ok(Slot::Map(map))
    }

    fn text(&self, cx: &mut Context<'_>, text: Cow<'x, str>) -> Result<Slot, Failure> {
        match text {
            Cow::Borrowed("") => Ok(cx.event.text(b"")?),
            Cow::Borrowed(part) => Ok(Slot::Text(part_of(self.span, self.bytes, part.as_bytes()))),
            Cow::Owned(text) => Ok(cx.event.text(text.as_bytes())?),
        }
    }
}

fn trimmed(text: Cow<'_, str>) -> Cow<'_, str> {
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_ascii()),
        Cow::Owned(text) => Cow::Owned(text.trim_ascii().to_owned()),
    }
}

/// Texts between elements are told apart by a blank.
fn append<'x>(content: &mut Cow<'x, str>, more: Cow<'x, str>) {
    if content.is_empty() {
        *content = more;
    } else if !more.is_empty() {
        let content = content.to_mut();
        content.push(' ');
        content.push_str(&more);
    }
}

/// Adds a field; a second one of the name makes a list.
fn add(cx: &mut Context<'_>, map: &mut Children, name: &[u8], value: Slot) -> Result<(), Failure> {
    let key = cx.event.key_of(name)?;
    let Some(node) = cx.event.field(*map, key) else {
        if map.len() >= MAX_FIELDS {
            return Err(Failure::text(format!(
                "has an element with more than {MAX_FIELDS} different fields"
            )));
        }
        cx.event.append_to(map, key, value)?;
        return Ok(());
    };
    match cx.event.slot(node) {
        Slot::List(_) => drop(cx.event.push(node, value)?),
        first => {
            let mut list = Children::EMPTY;
            cx.event.push_to(&mut list, first)?;
            cx.event.push_to(&mut list, value)?;
            cx.event.put(node, Slot::List(list));
        }
    }
    Ok(())
}
