//! `csv`: one line of separated values to fields.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::ValueTemplate;
use event::model::{Path, Slot};
use std::ops::Range;

pub(super) static SPEC: Spec = Spec {
    name: "csv",
    family: "parse",
    summary: "Reads one line of separated values (RFC 4180) into named fields.",
    details: "More values than fields are left out; fields without a value are not set.",
    options: &[
        FIELD,
        required("target_fields", "The fields, in the order of the values."),
        optional("separator", ",", "What separates values, one character."),
        optional("quote", "\"", "What quotes values, one character; twice it stands for itself."),
        optional("trim", "false", "Remove blanks around values that are not quoted."),
        optional("empty_value", "", "What an empty value becomes; without it the field is not set."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a quoted value",
            event: r#"{"l": "ann;'a;b';3"}"#,
            processors: "- csv: {field: l, target_fields: [a, b, c, d], separator: ';', quote: \"'\"}\n- remove: {field: l}",
            outcome: Outcome::Event(r#"{"a": "ann", "b": "a;b", "c": "3"}"#),
        },
        Example {
            title: "an open quote",
            event: r#"{"l": "\"abc"}"#,
            processors: "- csv: {field: l, target_fields: [a]}",
            outcome: Outcome::Fails("no closing quote"),
        },
    ],
    compile,
};

struct Csv {
    target: Target,
    fields: Vec<Path>,
    separator: u8,
    quote: u8,
    trim: bool,
    empty_value: Option<ValueTemplate>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = Target::read(options)?;
    options.required("target_fields")?;
    let fields = options.fields("target_fields")?;
    if fields.is_empty() {
        let at = options.place_of("target_fields");
        return Err(options.error(&at, "`target_fields` names no field", "write it like [user, ip]"));
    }
    let separator = character(options, "separator", b',')?;
    let quote = character(options, "quote", b'"')?;
    let empty_value = options.node("empty_value").map(|node| options.value(node)).transpose()?;
    Ok(Box::new(Csv { target, fields, separator, quote, trim: options.flag("trim", false)?, empty_value }))
}

fn character(options: &mut Options<'_, '_>, name: &str, default: u8) -> Result<u8, Reported> {
    let Some(text) = options.text(name)? else { return Ok(default) };
    match text.as_bytes() {
        [byte] if byte.is_ascii() => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        _ => {
            let at = options.place_of(name);
            Err(options.error(&at, format!("the option {name:?} is one ASCII character"), ""))
        }
    }
}

/// A value in the line, and whether quotes in it are doubled.
struct Cell {
    range: Range<usize>,
    has_doubled: bool,
    next: usize,
}

impl Processor for Csv {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let mut at = 0;
        for field in &self.fields {
            if at > span.len() {
                break;
            }
            let cell = self.cell(cx.event.bytes(span), at).map_err(|why| why.at(&self.target.field))?;
            at = cell.next;
            let part = span.part(cell.range.start, cell.range.end);
            let slot = if part.len() == 0 {
                match &self.empty_value {
                    Some(value) => value.value(cx, crate::template::Missing::IsEmpty)?,
                    None => continue,
                }
            } else if cell.has_doubled {
                let quote = self.quote;
                Slot::Text(cx.event.rewrite(part, |text, out| undouble(text, quote, out))?.0)
            } else {
                Slot::Text(part)
            };
            cx.set(field, slot)?;
        }
        Ok(Flow::Next)
    }
}

impl Csv {
    fn cell(&self, line: &[u8], from: usize) -> Result<Cell, Failure> {
        let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t') && *byte != self.separator;
        let rest = &line[from..];
        let blanks = rest.iter().take_while(|byte| is_blank(byte)).count();
        if rest.get(blanks) == Some(&self.quote) {
            return self.quoted(line, from + blanks + 1);
        }
        let end = memchr::memchr(self.separator, rest).map_or(line.len(), |at| from + at);
        let value = &line[from..end];
        if value.iter().any(|byte| *byte == self.quote || matches!(byte, b'\n' | b'\r')) {
            return Err(Failure::fixed("has a quote or line end inside a value that is not quoted"));
        }
        let range = if self.trim {
            let start = from + value.iter().take_while(|byte| is_blank(byte)).count();
            let cut = value.iter().rev().take_while(|byte| is_blank(byte)).count();
            start..(end - cut).max(start)
        } else {
            from..end
        };
        Ok(Cell { range, has_doubled: false, next: end + 1 })
    }

    fn quoted(&self, line: &[u8], start: usize) -> Result<Cell, Failure> {
        let mut at = start;
        let mut has_doubled = false;
        loop {
            let found = memchr::memchr(self.quote, &line[at..]);
            let end = at + found.ok_or(Failure::fixed("has a value with no closing quote"))?;
            if line.get(end + 1) == Some(&self.quote) {
                has_doubled = true;
                at = end + 2;
                continue;
            }
            let blanks = line[end + 1..]
                .iter()
                .take_while(|byte| matches!(byte, b' ' | b'\t') && **byte != self.separator)
                .count();
            let behind = end + 1 + blanks;
            return match line.get(behind) {
                None => Ok(Cell { range: start..end, has_doubled, next: line.len() + 1 }),
                Some(byte) if *byte == self.separator => {
                    Ok(Cell { range: start..end, has_doubled, next: behind + 1 })
                }
                Some(_) => Err(Failure::fixed("has something between a closing quote and the separator")),
            };
        }
    }
}

fn undouble(text: &[u8], quote: u8, out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = memchr::memchr(quote, rest) {
        out.extend_from_slice(&rest[..=at]);
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}
