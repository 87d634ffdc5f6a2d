//! `set`: gives fields a value.

use super::assignments::{FieldName, write_field};
use crate::compile::spec::optional;
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, ValueTemplate};
use event::model::{Event, Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "set",
    family: "manipulate",
    summary: "Gives one or several fields a value: a constant, a template, or a copy of another field.",
    details: "A value that is one template and nothing else keeps the type of the field it names.",
    options: &[
        optional("field", "", "The field to set; needed unless `fields` is there. May have templates in it."),
        optional("value", "", "Its value; this or `copy_from`."),
        optional("copy_from", "", "The field whose value is copied."),
        optional("fields", "", "Several assignments: a list of `{field, value}`."),
        optional("override", "true", "Whether a field that has a value other than null is set, too."),
        optional(
            "ignore_empty_value",
            "false",
            "Do nothing when the value is null, empty, or a field in it is missing.",
        ),
        optional(
            "media_type",
            "application/json",
            "How templates are encoded elsewhere; nothing is escaped here.",
        ),
        optional("deep_copy", "false", "Copies are always independent of their origin here."),
        optional(
            "ignore_missing",
            "false",
            "Do nothing when `copy_from` or a field of a template is missing.",
        ),
    ],
    examples: &[
        Example {
            title: "a constant",
            event: r#"{"message": "text"}"#,
            processors: "- set: {field: event.kind, value: alert}",
            outcome: Outcome::Event(r#"{"message": "text", "event": {"kind": "alert"}}"#),
        },
        Example {
            title: "a lone template keeps the type",
            event: r#"{"port": 443}"#,
            processors: "- set: {field: destination.port, value: '{{port}}'}",
            outcome: Outcome::Event(r#"{"port": 443, "destination": {"port": 443}}"#),
        },
        Example {
            title: "what is there stays",
            event: r#"{"title": "old"}"#,
            processors: "- set: {field: title, value: new, override: false}",
            outcome: Outcome::Event(r#"{"title": "old"}"#),
        },
        Example {
            title: "a missing field fails",
            event: "{}",
            processors: "- set: {field: a, value: 'x {{b}}'}",
            outcome: Outcome::Fails("field [b] is missing"),
        },
    ],
    compile,
};

struct Set {
    assignments: Vec<Assignment>,
    only_empty: bool,
    ignore_empty: bool,
    ignore_missing: bool,
}

struct Assignment {
    field: FieldName,
    source: Source,
}

enum Source {
    /// The same text always, which most are.
    Text(Box<[u8]>),
    Value(ValueTemplate),
    Copy(Path),
}

impl Source {
    fn of(value: ValueTemplate) -> Self {
        match value.as_constant_text() {
            Some(text) => Self::Text(text.into()),
            None => Self::Value(value),
        }
    }
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let mut assignments = Vec::new();
    match options.node("fields") {
        Some(fields) => {
            let Value::List(items) = &fields.value else {
                return Err(options.error(
                    &fields.at,
                    "`fields` is a list",
                    "write `- {field: a, value: b}`",
                ));
            };
            for item in items {
                let (Some(field), Some(value)) = (item.get("field"), item.get("value")) else {
                    return Err(options.error(
                        &item.at,
                        "an assignment has `field` and `value`",
                        "write `- {field: a, value: b}`",
                    ));
                };
                let field = FieldName::read(options, "field", field)?;
                assignments.push(Assignment { field, source: Source::of(options.value(value)?) });
            }
        }
        None => {
            let field = options.required("field")?;
            let field = FieldName::read(options, "field", field)?;
            let source = match (options.node("value"), options.optional_field("copy_from")?) {
                (Some(value), None) => Source::of(options.value(value)?),
                (None, Some(path)) => Source::Copy(path),
                (Some(value), Some(_)) => {
                    return Err(options.error(&value.at, "there is `value` or `copy_from`, not both", ""));
                }
                (None, None) => {
                    let at = options.place().clone();
                    return Err(options.error(&at, "`value` or `copy_from` is missing", "add `value:`"));
                }
            };
            assignments.push(Assignment { field, source });
        }
    }
    Ok(Box::new(Set {
        assignments,
        only_empty: !options.flag("override", true)?,
        ignore_empty: options.flag("ignore_empty_value", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Set {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        for assignment in &self.assignments {
            self.assign(assignment, cx)?;
        }
        Ok(Flow::Next)
    }
}

impl Set {
    fn assign(&self, assignment: &Assignment, cx: &mut Context<'_>) -> Result<(), Failure> {
        if self.only_empty && is_filled(&assignment.field, cx)? {
            return Ok(());
        }
        let ignores_empty = self.ignore_empty || self.ignore_missing;
        let slot = match &assignment.source {
            Source::Text(text) if text.is_empty() && ignores_empty => return Ok(()),
            Source::Text(text) => cx.event.text(text)?,
            Source::Value(value) => {
                let missing = if ignores_empty { Missing::IsEmpty } else { Missing::Fails };
                let slot = value.value(cx, missing)?;
                if ignores_empty && is_empty(slot) {
                    return Ok(());
                }
                slot
            }
            Source::Copy(path) => match cx.value(path) {
                Some(slot) if ignores_empty && is_empty(slot) => return Ok(()),
                Some(slot) => cx.event.copy(slot)?,
                None if ignores_empty => return Ok(()),
                None => return Err(Failure::missing(path)),
            },
        };
        match &assignment.field {
            FieldName::Fixed(path) => cx.set(path, slot),
            field => field.with(cx, |cx, segments| write_field(cx, segments, slot)),
        }
    }
}

fn is_filled(field: &FieldName, cx: &mut Context<'_>) -> Result<bool, Failure> {
    field.with(cx, |cx, segments| {
        let node = cx.event.find_from(Event::ROOT, segments);
        Ok(node.is_some_and(|node| cx.event.slot(node) != Slot::Null))
    })
}

fn is_empty(slot: Slot) -> bool {
    match slot {
        Slot::Null => true,
        Slot::Text(span) => span.len() == 0,
        _ => false,
    }
}
