//! `kv`: key=value text to fields.

use super::assignments::FieldName;
use super::received::{is_reserved, is_reserved_name};
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::pattern::Pattern;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Event, Slot, Span};

pub(super) static SPEC: Spec = Spec {
    name: "kv",
    family: "parse",
    summary: "Reads `key=value` pairs into fields.",
    details: "A key that occurs twice makes a list. Parts without the value separator are left out, and \
              keys that would be metadata of the event itself (`_vmetric`, `_ingest`, `_temp`, `_index`, `_score`).",
    options: &[
        FIELD,
        required("field_split", "What separates pairs, a regular expression."),
        required("value_split", "What separates key and value, a regular expression."),
        optional("target_field", "the event itself", "The object that takes the fields."),
        optional("include_keys", "all", "The keys that are taken."),
        optional("exclude_keys", "none", "The keys that are left out."),
        optional("prefix", "", "What is put before each key."),
        optional("trim_key", "", "Characters that are cut from both ends of keys."),
        optional("trim_value", "", "Characters that are cut from both ends of values."),
        optional("lowercase_keys", "false", "Make keys small."),
        optional("strip_brackets", "false", "Remove (), [], <> and quotes around values."),
        optional(
            "ignore_casting",
            "false",
            "Whether values that look like numbers stay texts, as in Elasticsearch.",
        ),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "pairs",
        event: r#"{"m": "user=ann, ip=[192.0.2.1], bad, user=bob, n=5"}"#,
        processors: "- kv: {field: m, field_split: ', ', value_split: '=', strip_brackets: true, target_field: t}",
        outcome: Outcome::Event(
            r#"{"m": "user=ann, ip=[192.0.2.1], bad, user=bob, n=5", "t": {"user": ["ann", "bob"], "ip": "192.0.2.1", "n": 5}}"#,
        ),
    }],
    compile,
};

struct Kv {
    field: FieldName,
    target: Option<FieldName>,
    field_split: Splitter,
    value_split: Splitter,
    include: Vec<String>,
    exclude: Vec<String>,
    prefix: String,
    trim_key: String,
    trim_value: String,
    lowercase_keys: bool,
    strip_brackets: bool,
    cast: bool,
    ignore_missing: bool,
}

/// A separator: plain text where that is all it is.
enum Splitter {
    Plain(memchr::memmem::Finder<'static>),
    Pattern(Pattern),
}

impl Splitter {
    fn read(options: &mut Options<'_, '_>, name: &str) -> Result<Self, Reported> {
        let pattern = options.pattern(name)?;
        let is_plain =
            !pattern.text().is_empty() && !pattern.text().contains(|c| "\\.+*?()|[]{}^$".contains(c));
        Ok(if is_plain {
            Self::Plain(memchr::memmem::Finder::new(pattern.text().as_bytes()).into_owned())
        } else {
            Self::Pattern(pattern)
        })
    }

    fn find(&self, text: &[u8]) -> Result<Option<(usize, usize)>, Failure> {
        match self {
            Self::Plain(finder) => Ok(finder.find(text).map(|at| (at, at + finder.needle().len()))),
            Self::Pattern(pattern) => Ok(pattern.find_at(text, 0)?.filter(|(start, end)| end > start)),
        }
    }
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.required("field")?;
    let target = options.node("target_field");
    Ok(Box::new(Kv {
        field: FieldName::read(options, "field", field)?,
        target: target.map(|node| FieldName::read(options, "target_field", node)).transpose()?,
        field_split: Splitter::read(options, "field_split")?,
        value_split: Splitter::read(options, "value_split")?,
        include: options.texts("include_keys")?,
        exclude: options.texts("exclude_keys")?,
        prefix: options.text("prefix")?.unwrap_or_default(),
        trim_key: options.text("trim_key")?.unwrap_or_default(),
        trim_value: options.text("trim_value")?.unwrap_or_default(),
        lowercase_keys: options.flag("lowercase_keys", false)?,
        strip_brackets: options.flag("strip_brackets", false)?,
        cast: !options.flag("ignore_casting", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Kv {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let found = self.field.with(cx, |cx, segments| {
            let slot = cx.event.find_from(Event::ROOT, segments).map(|node| cx.event.slot(node));
            match slot.filter(|slot| *slot != Slot::Null) {
                Some(Slot::Text(span)) => Ok(Some(span)),
                Some(other) => Err(not_a_text(other)),
                None if self.ignore_missing => Ok(None),
                None => Err(Failure::fixed("is missing")),
            }
        });
        let span = match found {
            Ok(Some(span)) => span,
            Ok(None) => return Ok(Flow::Next),
            // A template of a field that is missing names nothing.
            Err(_) if self.ignore_missing => return Ok(Flow::Next),
            Err(failure) => return Err(failure),
        };
        let node = match &self.target {
            None => Event::ROOT,
            Some(target) => {
                target.with(cx, |cx, segments| match cx.event.find_from(Event::ROOT, segments) {
                    Some(node) if matches!(cx.event.slot(node), Slot::Map(_)) => Ok(node),
                    _ => Ok(cx.event.set_from(Event::ROOT, segments, Slot::Map(Children::EMPTY))?),
                })?
            }
        };
        let mut from = 0;
        while from <= span.len() {
            let rest = span.part(from, span.len());
            let (part, next) = match self.field_split.find(cx.event.bytes(rest))? {
                Some((start, end)) => (span.part(from, from + start), from + end),
                None => (rest, span.len() + 1),
            };
            from = next;
            self.pair(cx, node, part)?;
        }
        Ok(Flow::Next)
    }
}

impl Kv {
    fn pair(&self, cx: &mut Context<'_>, node: event::model::NodeId, part: Span) -> Result<(), Failure> {
        let Some((start, end)) = self.value_split.find(cx.event.bytes(part))? else { return Ok(()) };
        let key = trimmed(cx, part.part(0, start), &self.trim_key);
        let value = trimmed(cx, part.part(end, part.len()), &self.trim_value);
        let value = if self.strip_brackets { stripped(cx, value) } else { value };
        let name = cx.event.bytes(key);
        let name = if self.lowercase_keys {
            name.to_ascii_lowercase().into()
        } else {
            std::borrow::Cow::Borrowed(name)
        };
        let listed = |list: &[String]| list.iter().any(|other| other.as_bytes() == &*name);
        if (!self.include.is_empty() && !listed(&self.include)) || listed(&self.exclude) || name.is_empty() {
            return Ok(());
        }
        let name = [self.prefix.as_bytes(), &name].concat();
        let casted = if self.cast { super::convert::by_look(cx.event.bytes(value)) } else { None };
        let slot = casted.filter(|slot| !matches!(slot, Slot::Bool(_))).unwrap_or(Slot::Text(value));
        let place = match std::str::from_utf8(&name) {
            Ok(text) if text.contains('.') => cx.event.segments_of(text).ok(),
            _ => None,
        };
        let existing = match &place {
            Some(segments) if is_reserved(cx, node, segments, &self.prefix) => return Ok(()),
            Some(segments) => cx.event.find_from(node, segments),
            None => {
                let Slot::Map(map) = cx.event.slot(node) else { return Ok(()) };
                if is_reserved_name(cx, node, &name) {
                    return Ok(());
                }
                cx.event.field_named(map, &name)
            }
        };
        match existing.map(|existing| (existing, cx.event.slot(existing))) {
            Some((existing, Slot::List(_))) => {
                cx.event.push(existing, slot)?;
            }
            Some((existing, before)) if before != Slot::Null => {
                let mut list = Children::EMPTY;
                cx.event.push_to(&mut list, before)?;
                cx.event.push_to(&mut list, slot)?;
                cx.event.put(existing, Slot::List(list));
            }
            _ => match place {
                Some(segments) => drop(cx.event.set_from(node, &segments, slot)?),
                None => {
                    let key = cx.event.key_of(&name)?;
                    cx.event.set_field(node, key, slot)?;
                }
            },
        }
        Ok(())
    }
}

fn trimmed(cx: &Context<'_>, span: Span, cut: &str) -> Span {
    let text = cx.event.bytes(span);
    let is_cut = |byte: &u8| {
        if cut.is_empty() {
            byte.is_ascii_whitespace()
        } else {
            cut.as_bytes().contains(byte) || byte.is_ascii_whitespace()
        }
    };
    let start = text.iter().position(|byte| !is_cut(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|byte| !is_cut(byte)).map_or(start, |at| at + 1);
    span.part(start, end)
}

fn stripped(cx: &Context<'_>, span: Span) -> Span {
    match cx.event.bytes(span) {
        [b'(', .., b')'] | [b'[', .., b']'] | [b'<', .., b'>'] | [b'"', .., b'"'] | [b'\'', .., b'\''] => {
            span.part(1, span.len() - 1)
        }
        _ => span,
    }
}
