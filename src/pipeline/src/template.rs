//! Templates: texts and values with fields in them.
//!
//! `{{field}}`, `{{ .field }}` and `{{{field}}}` stand for a field's value; nothing is escaped. Between the braces any
//! expression of the condition language may stand. A value that is one template and nothing else keeps its type.
//! `{{#field}}…{{/field}}` stands only where the field has a value that is neither false nor empty, `{{^field}}…{{/field}}`
//! only where it has none.

use crate::condition::Condition;
use crate::context::Context;
use crate::failure::Failure;
use crate::source::{Node, Value};
use event::model::{Children, Event, KeyId, Keys, Path, Slot, json_write};
use std::sync::Arc;

/// A text with fields in it.
#[derive(Clone, Debug)]
pub struct Template {
    parts: Vec<Part>,
    text: Arc<str>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(Box<[u8]>),
    Field(Path),
    Expression(Box<Condition>),
    Section(Section),
}

/// A part that depends on a field.
#[derive(Clone, Debug)]
struct Section {
    field: Path,
    /// Whether the field has to have a value.
    wanted: bool,
    parts: Vec<Part>,
}

/// How deep sections may be in each other.
const MAX_SECTION_DEPTH: usize = 16;

/// What to do about a field in a template that is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The processor fails.
    Fails,
    /// Nothing is written in its place.
    IsEmpty,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// What is wrong between its braces.
    pub fn compile(keys: &Keys, text: &str) -> Result<Self, String> {
        Ok(Self { parts: parts_of(keys, text, 0)?, text: text.into() })
    }

    /// As it was written.
    pub fn source(&self) -> &Arc<str> {
        &self.text
    }

    /// Its text, if there are no fields in it.
    pub fn as_constant(&self) -> Option<&[u8]> {
        match &self.parts[..] {
            [] => Some(b""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The field, if it is one template of a field and nothing else.
    pub fn as_field(&self) -> Option<&Path> {
        match &self.parts[..] {
            [Part::Field(path)] => Some(path),
            _ => None,
        }
    }

    /// Its value: of a lone template with its type, else a text.
    ///
    /// # Errors
    /// When a field is missing and that fails, or a limit is reached.
    pub fn value(&self, cx: &mut Context<'_>, missing: Missing) -> Result<Slot, Failure> {
        match &self.parts[..] {
            [Part::Text(text)] => Ok(cx.event.text(text)?),
            [Part::Field(path)] => match (cx.value(path), missing) {
                (Some(slot), _) => Ok(cx.event.copy(slot)?),
                (None, Missing::IsEmpty) => Ok(Slot::Null),
                (None, Missing::Fails) => Err(Failure::missing(path)),
            },
            [Part::Expression(expression)] => expression.value(&mut cx.event, cx.origin),
            _ => cx.with_buffer(|cx, buffer| {
                self.write(cx, buffer, missing)?;
                Ok(cx.event.text(buffer)?)
            }),
        }
    }

    /// Appends its text.
    ///
    /// # Errors
    /// When a field is missing and that fails, or a limit is reached.
    pub fn write(&self, cx: &mut Context<'_>, out: &mut Vec<u8>, missing: Missing) -> Result<(), Failure> {
        write_parts(&self.parts, cx, out, missing)
    }

    /// Its text as a string of its own.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn render(&self, cx: &mut Context<'_>, missing: Missing) -> Result<String, Failure> {
        let mut out = Vec::new();
        self.write(cx, &mut out, missing)?;
        Ok(String::from_utf8_lossy(&out).into_owned())
    }
}

fn write_parts(
    parts: &[Part],
    cx: &mut Context<'_>,
    out: &mut Vec<u8>,
    missing: Missing,
) -> Result<(), Failure> {
    for part in parts {
        let slot = match part {
            Part::Text(text) => {
                out.extend_from_slice(text);
                continue;
            }
            Part::Section(section) => {
                if has_value(cx, &section.field) == section.wanted {
                    write_parts(&section.parts, cx, out, missing)?;
                }
                continue;
            }
            Part::Field(path) => match (cx.value(path), missing) {
                (Some(slot), _) => slot,
                (None, Missing::IsEmpty) => continue,
                (None, Missing::Fails) => return Err(Failure::missing(path)),
            },
            Part::Expression(expression) => expression.value(&mut cx.event, cx.origin)?,
        };
        write_plain(&cx.event, slot, out)?;
    }
    Ok(())
}

/// Whether a field has a value that is neither false nor empty.
fn has_value(cx: &Context<'_>, path: &Path) -> bool {
    match cx.value(path) {
        None | Some(Slot::Bool(false)) => false,
        Some(Slot::Text(span)) => span.len() > 0,
        Some(Slot::List(children)) => children.len() > 0,
        Some(_) => true,
    }
}

/// A value as text: texts as they are, null as nothing, everything else as in JSON.
///
/// # Errors
/// When it is nested too deep.
pub fn write_plain(event: &Event<'_>, slot: Slot, out: &mut Vec<u8>) -> Result<(), Failure> {
    match slot {
        Slot::Null => {}
        Slot::Text(span) => out.extend_from_slice(event.bytes(span)),
        Slot::Time(nanos) => json_write::write_time(nanos, out),
        // A whole number that happens to be a float is written as people write it.
        Slot::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
            out.extend_from_slice((number as i64).to_string().as_bytes());
        }
        other => json_write::write_value(event, other, out)?,
    }
    Ok(())
}

fn parts_of(keys: &Keys, text: &str, depth: usize) -> Result<Vec<Part>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find("{{") {
        let triple = rest[start..].starts_with("{{{");
        let (open, close) = if triple { (3, "}}}") } else { (2, "}}") };
        let Some(len) = rest[start + open..].find(close) else { break };
        if start > 0 {
            parts.push(Part::Text(rest.as_bytes()[..start].into()));
        }
        let inner = rest[start + open..][..len].trim();
        rest = &rest[start + open + len + close.len()..];
        let Some(name) = inner.strip_prefix(['#', '^']) else {
            parts.push(part(keys, inner)?);
            continue;
        };
        let (body, behind) = section(rest, name.trim())?;
        if body.is_empty() {
            return Err(format!("the section {inner:?} of a template has nothing in it"));
        }
        if depth >= MAX_SECTION_DEPTH {
            return Err(format!(
                "sections of a template are more than {MAX_SECTION_DEPTH} deep in each other"
            ));
        }
        let field = Path::parse(keys, name.trim()).map_err(|why| format!("the section {inner:?}: {why}"))?;
        let parts_within = parts_of(keys, body, depth + 1)?;
        parts.push(Part::Section(Section { field, wanted: inner.starts_with('#'), parts: parts_within }));
        rest = behind;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.as_bytes().into()));
    }
    Ok(parts)
}

/// What lies before the end of a section, and what behind it.
fn section<'t>(text: &'t str, name: &str) -> Result<(&'t str, &'t str), String> {
    let mut from = 0;
    while let Some(at) = text[from..].find("{{/").map(|at| from + at) {
        let Some(len) = text[at..].find("}}") else { break };
        if text[at + 3..at + len].trim() == name {
            return Ok((&text[..at], &text[at + len + 2..]));
        }
        from = at + 3;
    }
    Err(format!("the section {{{{#{name}}}}} of a template has no end; write {{{{/{name}}}}} behind it"))
}

fn part(keys: &Keys, inner: &str) -> Result<Part, String> {
    if inner.is_empty() {
        return Err("a template has nothing between its braces; write a field like {{source.ip}}".to_owned());
    }
    let field = inner.strip_prefix('.').unwrap_or(inner);
    let field = ["ctx.", "logEntry."].iter().find_map(|alias| field.strip_prefix(alias)).unwrap_or(field);
    let is_path = field.chars().all(|c| c.is_alphanumeric() || "_.@-$".contains(c)) || field.contains("[\"");
    if is_path && let Ok(path) = Path::parse(keys, field) {
        return Ok(Part::Field(path));
    }
    match Condition::compile(keys, inner) {
        Ok(condition) => Ok(Part::Expression(Box::new(condition))),
        Err(why) => Err(format!("the template {{{{{inner}}}}} can't be read: {}", why.what)),
    }
}

/// A value of the configuration: constants, templates, lists and maps of them.
#[derive(Clone, Debug)]
pub enum ValueTemplate {
    /// Always the same.
    Constant(Slot),
    /// A text with or without fields in it.
    Text(Template),
    /// Each element for itself.
    List(Vec<ValueTemplate>),
    /// Each field for itself.
    Map(Vec<(KeyId, ValueTemplate)>),
}

impl ValueTemplate {
    /// Reads a value.
    ///
    /// # Errors
    /// What is wrong with a template in it.
    pub fn compile(keys: &Keys, node: &Node) -> Result<Self, String> {
        Ok(match &node.value {
            Value::Null => Self::Constant(Slot::Null),
            Value::Bool(truth) => Self::Constant(Slot::Bool(*truth)),
            Value::Int(number) => Self::Constant(Slot::Int(*number)),
            Value::Float(number) => Self::Constant(Slot::Float(*number)),
            Value::Text(text) => Self::Text(Template::compile(keys, text)?),
            Value::List(items) => {
                Self::List(items.iter().map(|item| Self::compile(keys, item)).collect::<Result<_, _>>()?)
            }
            Value::Map(entries) => {
                let mut fields = Vec::with_capacity(entries.len());
                for entry in entries {
                    fields.push((keys.compiled(&entry.key), Self::compile(keys, &entry.value)?));
                }
                Self::Map(fields)
            }
        })
    }

    /// Its text, if it is one without fields in it.
    pub fn as_constant_text(&self) -> Option<&[u8]> {
        match self {
            Self::Text(template) => template.as_constant(),
            _ => None,
        }
    }

    /// Its value for this event.
    ///
    /// # Errors
    /// When a field is missing and that fails, or a limit is reached.
    pub fn value(&self, cx: &mut Context<'_>, missing: Missing) -> Result<Slot, Failure> {
        match self {
            Self::Constant(slot) => Ok(*slot),
            Self::Text(template) => template.value(cx, missing),
            Self::List(items) => {
                let mut list = Children::EMPTY;
                for item in items {
                    let slot = item.value(cx, missing)?;
                    cx.event.push_to(&mut list, slot)?;
                }
                Ok(Slot::List(list))
            }
            Self::Map(fields) => {
                let mut map = Children::EMPTY;
                for (key, field) in fields {
                    let slot = field.value(cx, missing)?;
                    cx.event.append_to(&mut map, *key, slot)?;
                }
                Ok(Slot::Map(map))
            }
        }
    }
}
