//! `cef` and `leef`: lines of security devices to an object.
//!
//! Cost: texts stay where they are; a value with escapes is copied. A name that occurs twice makes a list.

use super::syslog::part_of;
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, KeyId, Slot, Span};
use protocol::{cef, leef};
use std::borrow::Cow;

/// How many extensions or attributes a line may have: each is compared with those before it.
const MAX_PAIRS: usize = 4096;

pub(super) static CEF: Spec = Spec {
    name: "cef",
    family: "parse",
    summary: "Reads a line of ArcSight's Common Event Format into an object: header fields and extensions.",
    details: "Something may stand before `CEF:`. Whole numbers become numbers, but for the product's version; so do the \
              fractions that the format defines (`cfp1`, `dlat`, `slong` …). A name that occurs twice makes a list.",
    options: &[FIELD, optional("target_field", "cef", "Where the object goes."), IGNORE_MISSING],
    examples: &[
        Example {
            title: "a line",
            event: r#"{"m": "CEF:0|Security|threatmanager|1.0|100|worm stopped|10|src=10.0.0.1 spt=1232 msg=a\\=b c"}"#,
            processors: "- cef: {field: m}\n- remove: {field: m}",
            outcome: Outcome::Event(
                r#"{"cef": {"cefVersion": 0, "deviceVendor": "Security", "deviceProduct": "threatmanager", "deviceVersion": "1.0", "deviceEventClassId": 100, "name": "worm stopped", "severity": 10, "src": "10.0.0.1", "spt": 1232, "msg": "a=b c"}}"#,
            ),
        },
        Example {
            title: "something else",
            event: r#"{"m": "Invalid CEF message"}"#,
            processors: "- cef: {field: m}",
            outcome: Outcome::Fails("is no cef line"),
        },
    ],
    compile: compile_cef,
};

pub(super) static LEEF: Spec = Spec {
    name: "leef",
    family: "parse",
    summary: "Reads a line of QRadar's Log Event Extended Format (1.0, 2.0) into an object: header fields and attributes.",
    details: "Something may stand before `LEEF:`. Attributes that are whole numbers become numbers. `leefDelimiter` is there \
              when the header names one. A name that occurs twice makes a list.",
    options: &[FIELD, optional("target_field", "leef", "Where the object goes."), IGNORE_MISSING],
    examples: &[
        Example {
            title: "a line",
            event: r#"{"m": "LEEF:2.0|CB|CB|5.1.0|process.event|^|procname=powershell.exe^pid=1234"}"#,
            processors: "- leef: {field: m}\n- remove: {field: m}",
            outcome: Outcome::Event(
                r#"{"leef": {"leefVersion": "2.0", "deviceVendor": "CB", "deviceProduct": "CB", "deviceVersion": "5.1.0", "deviceEventClassId": "process.event", "leefDelimiter": "^", "procname": "powershell.exe", "pid": 1234}}"#,
            ),
        },
        Example {
            title: "something else",
            event: r#"{"m": "Invalid LEEF Message"}"#,
            processors: "- leef: {field: m}",
            outcome: Outcome::Fails("is no leef line"),
        },
    ],
    compile: compile_leef,
};

struct Cef {
    target: Target,
    names: Vec<KeyId>,
}

struct Leef {
    target: Target,
    names: Vec<KeyId>,
    delimiter: KeyId,
}

fn compile_cef(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let names = cef::HEADER_NAMES.iter().map(|name| options.keys().compiled(name)).collect();
    Ok(Box::new(Cef { target: Target::read_or(options, &["cef"])?, names }))
}

fn compile_leef(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let names = leef::HEADER_NAMES.iter().map(|name| options.keys().compiled(name)).collect();
    let delimiter = options.keys().compiled("leefDelimiter");
    Ok(Box::new(Leef { target: Target::read_or(options, &["leef"])?, names, delimiter }))
}

impl Processor for Cef {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let map = cx.with_bytes(span, |cx, bytes| {
            let line = Line { span, bytes };
            let cef = cef::parse(bytes).ok_or_else(|| {
                Failure::fixed("is no cef line: it has no CEF: with seven fields behind it")
                    .at(&self.target.field)
            })?;
            let mut map = Children::EMPTY;
            for (key, raw) in self.names.iter().zip(cef.header) {
                let is_version = *key == self.names[3];
                let text = line.slot(cx, cef::header_text(raw))?;
                let slot = if is_version { text } else { whole(raw.trim_ascii()).unwrap_or(text) };
                cx.event.append_to(&mut map, *key, slot)?;
            }
            for (name, raw) in cef.extensions() {
                let slot = match number(name, raw) {
                    Some(number) => number,
                    None => line.slot(cx, cef::extension_text(raw, b'='))?,
                };
                add(cx, &mut map, name, slot)?;
            }
            Ok::<_, Failure>(Slot::Map(map))
        })?;
        self.target.put(cx, map)?;
        Ok(Flow::Next)
    }
}

impl Processor for Leef {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let map = cx.with_bytes(span, |cx, bytes| {
            let line = Line { span, bytes };
            let leef = leef::parse(bytes).ok_or_else(|| {
                Failure::fixed("is no leef line: it has no LEEF: with five fields behind it")
                    .at(&self.target.field)
            })?;
            let mut map = Children::EMPTY;
            for (key, raw) in self.names.iter().zip(leef.header) {
                let slot = line.slot(cx, leef::header_text(raw))?;
                cx.event.append_to(&mut map, *key, slot)?;
            }
            if let Some(delimiter) = leef.delimiter {
                let slot = cx.event.text(&[delimiter])?;
                cx.event.append_to(&mut map, self.delimiter, slot)?;
            }
            for (name, raw) in leef.attributes() {
                let slot = match whole(raw) {
                    Some(number) => number,
                    None => line.slot(cx, Cow::Borrowed(raw))?,
                };
                add(cx, &mut map, name, slot)?;
            }
            Ok::<_, Failure>(Slot::Map(map))
        })?;
        self.target.put(cx, map)?;
        Ok(Flow::Next)
    }
}

/// The line, and where its bytes are in the event.
struct Line<'l> {
    span: Span,
    bytes: &'l [u8],
}

impl Line<'_> {
    /// A text: a part of the line where it stands in it as it is.
    fn slot(&self, cx: &mut Context<'_>, text: Cow<'_, [u8]>) -> Result<Slot, Failure> {
        match text {
            Cow::Borrowed(part) => Ok(Slot::Text(part_of(self.span, self.bytes, part))),
            Cow::Owned(text) => Ok(cx.event.text(&text)?),
        }
    }
}

/// Adds a field; a second one of the name makes a list.
fn add(cx: &mut Context<'_>, map: &mut Children, name: &[u8], slot: Slot) -> Result<(), Failure> {
    if map.len() >= MAX_PAIRS {
        return Err(Failure::text(format!("the line has more than {MAX_PAIRS} fields")));
    }
    let key = cx.event.key_of(name)?;
    let Some(node) = cx.event.field(*map, key) else {
        cx.event.append_to(map, key, slot)?;
        return Ok(());
    };
    match cx.event.slot(node) {
        Slot::List(_) => drop(cx.event.push(node, slot)?),
        single => {
            let mut list = Children::EMPTY;
            cx.event.push_to(&mut list, single)?;
            cx.event.push_to(&mut list, slot)?;
            cx.event.put(node, Slot::List(list));
        }
    }
    Ok(())
}

/// A whole number as it is usually written: no plus, no leading zeros.
fn whole(text: &[u8]) -> Option<Slot> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let is_plain =
        digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || digits.first() != Some(&b'0'));
    if !is_plain || digits.is_empty() || digits.len() > 19 {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok().map(Slot::Int)
}

/// A value as a number: whole ones always, others where the format says that they are.
fn number(name: &[u8], text: &[u8]) -> Option<Slot> {
    let is_fraction = matches!(name, b"slat" | b"slong" | b"dlat" | b"dlong")
        || name
            .strip_prefix(b"cfp")
            .is_some_and(|rest| !rest.is_empty() && rest.iter().all(u8::is_ascii_digit));
    whole(text).or_else(|| {
        let number: f64 = std::str::from_utf8(text).ok().filter(|_| is_fraction)?.parse().ok()?;
        number.is_finite().then_some(Slot::Float(number))
    })
}
