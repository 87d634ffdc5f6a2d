//! `dissect`: parts of a text between literal delimiters.

use super::received::is_reserved;
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Event, Path, Slot, Span};
use memchr::memmem::Finder;

pub(super) static SPEC: Spec = Spec {
    name: "dissect",
    family: "parse",
    summary: "Cuts a text at literal delimiters into fields, which is faster than a regular expression.",
    details: "Modifiers: `%{+a}` joins values to one field, `%{+a/2}` in that order, `%{a->}` takes repeated delimiters as one, \
              `%{?a}` and `%{}` are left out, `%{*a}` is the name of the field that `%{&a}` is the value of.",
    options: &[
        FIELD,
        required("pattern", "The delimiters with the fields between them."),
        optional("append_separator", "a blank", "What stands between joined values; may be empty."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "fields",
            event: r#"{"m": "GET  /index 200"}"#,
            processors: "- dissect: {field: m, pattern: '%{http.method->} %{path} %{?code}'}",
            outcome: Outcome::Event(
                r#"{"m": "GET  /index 200", "http": {"method": "GET"}, "path": "/index"}"#,
            ),
        },
        Example {
            title: "no match",
            event: r#"{"m": "a b"}"#,
            processors: "- dissect: {field: m, pattern: '%{a},%{b}'}",
            outcome: Outcome::Fails("does not fit the dissect pattern"),
        },
    ],
    compile,
};

struct Dissect {
    target: Target,
    first: Finder<'static>,
    parts: Vec<Part>,
    outputs: Vec<Out>,
    append_separator: Vec<u8>,
}

/// A key and the delimiter behind it.
struct Part {
    pads: bool,
    delimiter: Finder<'static>,
}

/// What is set from the values: their numbers in the order in which they are joined.
enum Out {
    Field { path: Path, values: Vec<usize> },
    Named { name: usize, value: usize },
}

struct Key {
    name: String,
    kind: Kind,
    order: Option<u32>,
    pads: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Set,
    Append,
    Skip,
    Name,
    Value,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = Target::read(options)?;
    let pattern = options.required_text("pattern")?;
    let at = options.place_of("pattern");
    let (first, keys) =
        parse(&pattern).map_err(|why| options.error(&at, why, "write it like `%{a} - %{b}`"))?;
    let mut outputs: Vec<Out> = Vec::new();
    let mut appended: Vec<(String, Vec<(u32, usize)>)> = Vec::new();
    for (number, (key, _)) in keys.iter().enumerate() {
        match key.kind {
            Kind::Skip | Kind::Value => {}
            Kind::Name => {
                let value =
                    keys.iter().position(|(other, _)| other.kind == Kind::Value && other.name == key.name);
                let Some(value) = value else {
                    return Err(options.error(&at, format!("%{{*{0}}} has no %{{&{0}}}", key.name), ""));
                };
                outputs.push(Out::Named { name: number, value });
            }
            Kind::Set | Kind::Append => {
                let joined =
                    keys.iter().any(|(other, _)| other.kind == Kind::Append && other.name == key.name);
                let order = key.order.unwrap_or(0);
                match appended.iter_mut().find(|(name, _)| *name == key.name) {
                    Some((_, values)) if joined => values.push((order, number)),
                    _ => appended.push((key.name.clone(), vec![(order, number)])),
                }
            }
        }
    }
    if let Some((key, _)) = keys.iter().find(|(key, _)| {
        key.kind == Kind::Value
            && !keys.iter().any(|(other, _)| other.kind == Kind::Name && other.name == key.name)
    }) {
        return Err(options.error(&at, format!("%{{&{0}}} has no %{{*{0}}}", key.name), ""));
    }
    for (name, mut values) in appended {
        values.sort_by_key(|(order, _)| *order);
        let path = Path::parse(options.keys(), &name)
            .map_err(|why| options.error(&at, format!("the key {name:?}: {why}"), ""))?;
        outputs.push(Out::Field { path, values: values.into_iter().map(|(_, number)| number).collect() });
    }
    let finder = |text: &str| Finder::new(text.as_bytes()).into_owned();
    let parts =
        keys.iter().map(|(key, delimiter)| Part { pads: key.pads, delimiter: finder(delimiter) }).collect();
    let append_separator = options.text("append_separator")?.unwrap_or_else(|| " ".to_owned()).into_bytes();
    Ok(Box::new(Dissect { target, first: finder(&first), parts, outputs, append_separator }))
}

/// What stands before the first key, and the keys with the delimiters behind them.
fn parse(pattern: &str) -> Result<(String, Vec<(Key, String)>), String> {
    let mut keys = Vec::new();
    let start = pattern.find("%{").ok_or("the pattern has no key like %{a}")?;
    let first = pattern[..start].to_owned();
    let mut rest = &pattern[start..];
    while let Some(inner) = rest.strip_prefix("%{") {
        let (name, behind) = inner.split_once('}').ok_or("a key has no closing brace")?;
        let end = behind.find("%{").unwrap_or(behind.len());
        keys.push((key(name)?, behind[..end].to_owned()));
        rest = &behind[end..];
    }
    let between = keys.len().saturating_sub(1);
    if keys.iter().take(between).any(|(_, delimiter)| delimiter.is_empty()) {
        return Err("two keys have no delimiter between them".to_owned());
    }
    Ok((first, keys))
}

fn key(text: &str) -> Result<Key, String> {
    let (text, pads) = match text.strip_suffix("->") {
        Some(text) => (text, true),
        None => (text, false),
    };
    let (kind, name) = match text.as_bytes().first() {
        None => (Kind::Skip, text),
        Some(b'+') => (Kind::Append, &text[1..]),
        Some(b'?') => (Kind::Skip, &text[1..]),
        Some(b'*') => (Kind::Name, &text[1..]),
        Some(b'&') => (Kind::Value, &text[1..]),
        Some(_) => (Kind::Set, text),
    };
    let (name, order) = match name.split_once('/') {
        Some((name, order)) if kind == Kind::Append => {
            (name, Some(order.parse().map_err(|_| format!("the order in %{{{text}}} is no number"))?))
        }
        _ => (name, None),
    };
    if name.contains(['?', '*', '&', '+', '%', '{']) {
        return Err(format!("the key %{{{text}}} has a modifier inside its name"));
    }
    if name.is_empty() && kind != Kind::Skip {
        return Err(format!("the key %{{{text}}} has no name"));
    }
    Ok(Key { name: name.to_owned(), kind, order, pads })
}

impl Processor for Dissect {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        cx.with_groups(|cx, values| {
            values.clear();
            self.cut(cx.event.bytes(span), values)
                .ok_or_else(|| Failure::fixed("does not fit the dissect pattern").at(&self.target.field))?;
            let value =
                |number: usize| values.get(number).copied().flatten().map(|(from, to)| span.part(from, to));
            for output in &self.outputs {
                self.put(cx, output, &value)?;
            }
            Ok(Flow::Next)
        })
    }
}

impl Dissect {
    /// The values between the delimiters; none if the text does not fit.
    fn cut(&self, text: &[u8], values: &mut Vec<Option<(usize, usize)>>) -> Option<()> {
        if !text.starts_with(self.first.needle()) {
            return None;
        }
        let mut at = self.first.needle().len();
        for part in &self.parts {
            let delimiter = part.delimiter.needle();
            if delimiter.is_empty() {
                values.push(Some((at, text.len())));
                at = text.len();
                continue;
            }
            // What follows the last delimiter is left out, as in Elastic's specification.
            let end = at + part.delimiter.find(&text[at..])?;
            values.push(Some((at, end)));
            at = end + delimiter.len();
            if part.pads {
                while text[at..].starts_with(delimiter) {
                    at += delimiter.len();
                }
            }
        }
        Some(())
    }

    fn put(
        &self,
        cx: &mut Context<'_>,
        output: &Out,
        value: &impl Fn(usize) -> Option<Span>,
    ) -> Result<(), Failure> {
        match output {
            Out::Named { name, value: number } => {
                let (Some(name), Some(value)) = (value(*name), value(*number)) else { return Ok(()) };
                let name = String::from_utf8_lossy(cx.event.bytes(name)).into_owned();
                let segments = cx.event.segments_of(&name).map_err(|why| Failure::text(why.to_string()))?;
                if !is_reserved(cx, Event::ROOT, &segments, "") {
                    cx.event.set_from(Event::ROOT, &segments, Slot::Text(value))?;
                }
                Ok(())
            }
            Out::Field { path, values } => match &values[..] {
                [single] => match value(*single) {
                    Some(span) => cx.set(path, Slot::Text(span)),
                    None => Ok(()),
                },
                several => cx.with_buffer(|cx, buffer| {
                    for (at, span) in several.iter().filter_map(|number| value(*number)).enumerate() {
                        if at > 0 {
                            buffer.extend_from_slice(&self.append_separator);
                        }
                        buffer.extend_from_slice(cx.event.bytes(span));
                    }
                    let joined = cx.event.text(buffer)?;
                    cx.set(path, joined)
                }),
            },
        }
    }
}
