//! `join`: a list to text.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::write_plain;
use event::model::Slot;

pub(super) static SPEC: Spec = Spec {
    name: "join",
    family: "manipulate",
    summary: "Joins the elements of a list to a text.",
    details: "",
    options: &[
        FIELD,
        required("separator", "What stands between the elements; may be empty."),
        TARGET_FIELD,
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "texts and numbers",
        event: r#"{"a": ["x", 1, true]}"#,
        processors: "- join: {field: a, separator: '-'}",
        outcome: Outcome::Event(r#"{"a": "x-1-true"}"#),
    }],
    compile,
};

struct Join {
    target: Target,
    separator: String,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(Join { target: Target::read(options)?, separator: options.required_text("separator")? }))
}

impl Processor for Join {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let list = match self.target.value(cx)? {
            None => return Ok(Flow::Next),
            Some(Slot::List(list)) => list,
            Some(_) => return Err(Failure::fixed("is no array").at(&self.target.field)),
        };
        let joined = cx.with_buffer(|cx, buffer| {
            for (at, node) in cx.event.children(list).enumerate() {
                if at > 0 {
                    buffer.extend_from_slice(self.separator.as_bytes());
                }
                write_plain(&cx.event, cx.event.slot(node), buffer)?;
            }
            cx.event.text(buffer).map_err(Failure::from)
        })?;
        self.target.put(cx, joined)?;
        Ok(Flow::Next)
    }
}
