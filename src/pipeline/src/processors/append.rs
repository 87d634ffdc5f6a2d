//! `append`: adds values to a list.

use super::assignments::{FieldName, write_field};
use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, ValueTemplate};
use event::model::{Children, Event, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "append",
    family: "manipulate",
    summary: "Adds one or several values to a list; a single value becomes a list first.",
    details: "",
    options: &[
        required("field", "The list; made if it is not there. May have templates in it."),
        optional("value", "", "The value, or a list of them; templates are filled in. This or `copy_from`."),
        optional("copy_from", "", "The field whose value, or whose elements, are added."),
        optional("allow_duplicates", "true", "Whether a value that is in the list already is added again."),
        optional("ignore_empty_values", "false", "Leave out values that are null or empty texts."),
        optional(
            "media_type",
            "application/json",
            "How templates are encoded elsewhere; nothing is escaped here.",
        ),
    ],
    examples: &[
        Example {
            title: "a single value becomes a list",
            event: r#"{"status": "active"}"#,
            processors: "- append: {field: status, value: pending}",
            outcome: Outcome::Event(r#"{"status": ["active", "pending"]}"#),
        },
        Example {
            title: "no duplicates",
            event: r#"{"tags": ["a"]}"#,
            processors: "- append: {field: tags, value: [a, b], allow_duplicates: false}",
            outcome: Outcome::Event(r#"{"tags": ["a", "b"]}"#),
        },
    ],
    compile,
};

struct Append {
    field: FieldName,
    values: Vec<ValueTemplate>,
    copy_from: Option<event::model::Path>,
    allow_duplicates: bool,
    ignore_empty: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.required("field")?;
    let field = FieldName::read(options, "field", field)?;
    let copy_from = options.optional_field("copy_from")?;
    let mut values = Vec::new();
    if let (None, node) | (Some(_), node @ Some(_)) = (&copy_from, options.node("value")) {
        let node = match node {
            Some(node) if copy_from.is_some() => {
                return Err(options.error(&node.at, "there is `value` or `copy_from`, not both", ""));
            }
            Some(node) => node,
            None => options.required("value")?,
        };
        match &node.value {
            Value::List(items) => {
                for item in items {
                    values.push(options.value(item)?);
                }
            }
            _ => values.push(options.value(node)?),
        }
    }
    Ok(Box::new(Append {
        field,
        values,
        copy_from,
        allow_duplicates: options.flag("allow_duplicates", true)?,
        ignore_empty: options.flag("ignore_empty_values", false)?,
    }))
}

impl Processor for Append {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let mut list = self.field.with(cx, |cx, segments| {
            Ok(match cx.event.find_from(Event::ROOT, segments).map(|node| cx.event.slot(node)) {
                Some(Slot::List(list)) => list,
                None | Some(Slot::Null) => Children::EMPTY,
                Some(single) => {
                    let mut list = Children::EMPTY;
                    cx.event.push_to(&mut list, single)?;
                    list
                }
            })
        })?;
        let before = list.len();
        for value in &self.values {
            let slot = value.value(cx, Missing::IsEmpty)?;
            match slot {
                // A lone template of a list adds its elements.
                Slot::List(elements) if matches!(value, ValueTemplate::Text(_)) => {
                    self.add_all(cx, &mut list, elements)?
                }
                _ => self.add(cx, &mut list, slot)?,
            }
        }
        if let Some(path) = &self.copy_from {
            match cx.value(path) {
                Some(Slot::List(elements)) => self.add_all(cx, &mut list, elements)?,
                Some(slot) => {
                    let slot = cx.event.copy(slot)?;
                    self.add(cx, &mut list, slot)?;
                }
                None if self.ignore_empty => {}
                None => return Err(Failure::missing(path)),
            }
        }
        if list.len() == before && self.ignore_empty {
            return Ok(Flow::Next);
        }
        self.field.with(cx, |cx, segments| write_field(cx, segments, Slot::List(list)))?;
        Ok(Flow::Next)
    }
}

impl Append {
    fn add_all(&self, cx: &mut Context<'_>, list: &mut Children, elements: Children) -> Result<(), Failure> {
        let mut at = cx.event.children(elements).next();
        while let Some(node) = at {
            at = cx.event.next(node);
            let slot = cx.event.copy(cx.event.slot(node))?;
            self.add(cx, list, slot)?;
        }
        Ok(())
    }

    fn add(&self, cx: &mut Context<'_>, list: &mut Children, slot: Slot) -> Result<(), Failure> {
        let is_empty = match slot {
            Slot::Null => true,
            Slot::Text(span) => span.len() == 0,
            _ => false,
        };
        if is_empty && self.ignore_empty {
            return Ok(());
        }
        let is_there =
            |cx: &Context<'_>| cx.event.children(*list).any(|node| cx.event.equal(cx.event.slot(node), slot));
        if !self.allow_duplicates && is_there(cx) {
            return Ok(());
        }
        cx.event.push_to(list, slot)?;
        Ok(())
    }
}
