//! `split`: text to a list.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::pattern::Pattern;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Path, Slot, Span};

pub(super) static SPEC: Spec = Spec {
    name: "split",
    family: "manipulate",
    summary: "Splits a text at a separator, a regular expression, into a list.",
    details: "",
    options: &[
        FIELD,
        required("separator", "The separator, a regular expression."),
        TARGET_FIELD,
        optional("target_fields", "", "Fields that take one part each, instead of a list."),
        optional("preserve_trailing", "false", "Keep empty parts at the end."),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "a list",
        event: r#"{"a": "x, y,z,,"}"#,
        processors: "- split: {field: a, separator: ',\\s*'}",
        outcome: Outcome::Event(r#"{"a": ["x", "y", "z"]}"#),
    }],
    compile,
};

struct Split {
    target: Target,
    separator: Pattern,
    target_fields: Vec<Path>,
    preserve_trailing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(Split {
        target: Target::read(options)?,
        separator: options.pattern("separator")?,
        target_fields: options.fields("target_fields")?,
        preserve_trailing: options.flag("preserve_trailing", false)?,
    }))
}

impl Processor for Split {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let mut parts = Children::EMPTY;
        let (mut from, mut search) = (0, 0);
        // Empty parts wait until one that is not empty follows.
        let mut empty = 0;
        let mut add = |cx: &mut Context<'_>, part: Span, last: bool| -> Result<(), Failure> {
            if part.len() == 0 && !self.preserve_trailing && !(last && parts.len() + empty == 0) {
                empty += 1;
                return Ok(());
            }
            for _ in 0..std::mem::take(&mut empty) {
                cx.event.push_to(&mut parts, Slot::Text(span.part(0, 0)))?;
            }
            cx.event.push_to(&mut parts, Slot::Text(part))?;
            Ok(())
        };
        while let Some((start, end)) = self.separator.find_at(cx.event.bytes(span), search)? {
            if end == start {
                // An empty separator parts characters.
                if start >= span.len() {
                    break;
                }
                search = start + 1;
                if start == from {
                    continue;
                }
            } else {
                search = end;
            }
            add(cx, span.part(from, start), false)?;
            from = end;
        }
        add(cx, span.part(from, span.len()), true)?;
        if self.target_fields.is_empty() {
            self.target.put(cx, Slot::List(parts))?;
            return Ok(Flow::Next);
        }
        let mut at = cx.event.children(parts).next();
        for field in &self.target_fields {
            let Some(node) = at else { break };
            at = cx.event.next(node);
            let slot = cx.event.slot(node);
            cx.set(field, slot)?;
        }
        Ok(Flow::Next)
    }
}
