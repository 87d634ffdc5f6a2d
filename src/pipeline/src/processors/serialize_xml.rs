//! Objects as XML, for `serialize`: an element for each field, or one and the same element with the field's name.

use crate::compile::{Options, Reported};
use crate::failure::Failure;
use crate::template::write_plain;
use event::model::{Event, MAX_DEPTH, Obstacle, Slot};

/// How XML is written.
pub(super) struct Xml {
    root: String,
    namespace: Option<String>,
    /// An element and its attribute, for each field.
    template: Option<(String, String)>,
    declaration: bool,
    root_from_field: bool,
}

impl Xml {
    /// Its options.
    pub(super) fn read(options: &mut Options<'_, '_>) -> Result<Self, Reported> {
        let mut name = |option: &str, default: &str| -> Result<String, Reported> {
            let text = options.text(option)?.unwrap_or_else(|| default.to_owned());
            if is_name(&text) {
                return Ok(text);
            }
            let at = options.place_of(option);
            Err(options.error(
                &at,
                format!("{text:?} can't be the name of an element"),
                "write it like `event`",
            ))
        };
        let root = name("root_element", "root")?;
        let template = name("xml_template", "Data")?;
        let attribute = name("xml_attribute", "name")?;
        let has_template = options.node("xml_template").is_some();
        Ok(Self {
            root,
            namespace: options.text("xml_namespace")?,
            template: has_template.then_some((template, attribute)),
            declaration: !options.flag("omit_xml_declaration", false)?,
            root_from_field: options.flag("use_root_as_element", false)?,
        })
    }

    /// The document.
    pub(super) fn write(&self, event: &Event<'_>, value: Slot, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.declaration {
            out.extend_from_slice(b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
        }
        let (root, value) = match value {
            Slot::Map(map) if self.root_from_field && map.len() == 1 => match event.children(map).next() {
                Some(node) => (String::from_utf8_lossy(event.name(node)).into_owned(), event.slot(node)),
                None => (self.root.clone(), value),
            },
            _ => (self.root.clone(), value),
        };
        let root = element_name(&root);
        out.push(b'<');
        out.extend_from_slice(root.as_bytes());
        if let Some(namespace) = &self.namespace {
            out.extend_from_slice(b" xmlns=\"");
            escape(namespace, out);
            out.push(b'"');
        }
        out.push(b'>');
        match (&self.template, value) {
            (Some((element, attribute)), Slot::Map(map)) => {
                for node in event.children(map) {
                    out.extend_from_slice(format!("<{element} {attribute}=\"").as_bytes());
                    escape(&String::from_utf8_lossy(event.name(node)), out);
                    out.extend_from_slice(b"\">");
                    content(event, event.slot(node), out, 0)?;
                    out.extend_from_slice(format!("</{element}>").as_bytes());
                }
            }
            _ => content(event, value, out, 0)?,
        }
        out.extend_from_slice(format!("</{root}>").as_bytes());
        Ok(())
    }
}

/// What stands within an element: elements for fields, one for each value of a list, text for everything else.
fn content(event: &Event<'_>, value: Slot, out: &mut Vec<u8>, depth: usize) -> Result<(), Failure> {
    if depth >= MAX_DEPTH {
        return Err(Obstacle::TooDeep.into());
    }
    match value {
        Slot::Map(map) => {
            for node in event.children(map) {
                let name = element_name(&String::from_utf8_lossy(event.name(node)));
                match event.slot(node) {
                    Slot::List(list) => {
                        for item in event.children(list) {
                            element(event, &name, event.slot(item), out, depth)?;
                        }
                    }
                    other => element(event, &name, other, out, depth)?,
                }
            }
        }
        Slot::List(list) => {
            for item in event.children(list) {
                element(event, "item", event.slot(item), out, depth)?;
            }
        }
        other => {
            let mut text = Vec::new();
            write_plain(event, other, &mut text)?;
            escape(&String::from_utf8_lossy(&text), out);
        }
    }
    Ok(())
}

fn element(
    event: &Event<'_>,
    name: &str,
    value: Slot,
    out: &mut Vec<u8>,
    depth: usize,
) -> Result<(), Failure> {
    out.extend_from_slice(format!("<{name}>").as_bytes());
    content(event, value, out, depth + 1)?;
    out.extend_from_slice(format!("</{name}>").as_bytes());
    Ok(())
}

fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | ':'))
}

/// The name of a field as that of an element: other characters become `_`.
fn element_name(name: &str) -> String {
    if is_name(name) {
        return name.to_owned();
    }
    let allowed = |c: char| if c.is_alphanumeric() || matches!(c, '-' | '.') { c } else { '_' };
    std::iter::once('_').chain(name.chars().map(allowed)).collect()
}

fn escape(text: &str, out: &mut Vec<u8>) {
    for character in text.chars() {
        match character {
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '&' => out.extend_from_slice(b"&amp;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\u{0}'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => {
                out.extend_from_slice("\u{fffd}".as_bytes())
            }
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
