//! `contains`: succeeds when a value is one of a list.

use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template};
use event::model::{Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "contains",
    family: "flow",
    summary: "Succeeds when a text is one of a list and fails when it is not: for `on_success` and `on_failure`.",
    details: "",
    options: &[
        FIELD,
        optional("list", "", "The texts; may have templates in them. This or `list_field`."),
        optional("list_field", "", "The field that has the list."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a list with templates",
            event: r#"{"org": 7, "role": "role_7_admin"}"#,
            processors: "- contains:\n    field: role\n    list: ['role_{{org}}_user', 'role_{{org}}_admin']\n    on_success: [{set: {field: known, value: true}}]",
            outcome: Outcome::Event(r#"{"org": 7, "role": "role_7_admin", "known": true}"#),
        },
        Example {
            title: "a list of the event",
            event: r#"{"user": "guest", "allowed": ["admin"]}"#,
            processors: "- contains: {field: user, list_field: allowed}",
            outcome: Outcome::Fails("is none of the listed values"),
        },
    ],
    compile,
};

enum List {
    Fixed(Vec<Template>),
    Field(Path),
}

struct Contains {
    field: Path,
    list: List,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let list = match (options.node("list"), options.optional_field("list_field")?) {
        (Some(node), None) => {
            if !matches!(node.value, Value::List(_)) {
                return Err(options.error(&node.at, "`list` is a list", "write `list: [a, b]`"));
            }
            let texts = options.texts("list")?;
            let templates = texts.iter().map(|text| options.template_of(&node.at, text));
            List::Fixed(templates.collect::<Result<_, _>>()?)
        }
        (None, Some(path)) => List::Field(path),
        _ => {
            let at = options.place().clone();
            return Err(options.error(&at, "there is either `list` or `list_field`", "add one of them"));
        }
    };
    Ok(Box::new(Contains { field, list, ignore_missing: options.flag("ignore_missing", false)? }))
}

impl Processor for Contains {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        if self.ignore_missing && cx.value(&self.field).is_none() {
            return Ok(Flow::Next);
        }
        let span = cx.text(&self.field)?;
        let is_listed = match &self.list {
            List::Fixed(templates) => cx.with_buffer(|cx, buffer| {
                for template in templates {
                    buffer.clear();
                    template.write(cx, buffer, Missing::IsEmpty)?;
                    if cx.event.bytes(span) == &buffer[..] {
                        return Ok(true);
                    }
                }
                Ok::<_, Failure>(false)
            })?,
            List::Field(path) => match cx.value(path) {
                Some(Slot::List(list)) => {
                    let value = Slot::Text(span);
                    cx.event.children(list).any(|node| cx.event.equal(cx.event.slot(node), value))
                }
                Some(_) => return Err(Failure::fixed("is no array").at(path)),
                None => return Err(Failure::missing(path)),
            },
        };
        if is_listed {
            Ok(Flow::Next)
        } else {
            Err(Failure::fixed("is none of the listed values").at(&self.field))
        }
    }
}
