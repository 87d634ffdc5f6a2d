//! `rename`: moves fields.

use super::assignments::FieldName;
use crate::compile::spec::{IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use event::model::Event;

pub(super) static SPEC: Spec = Spec {
    name: "rename",
    family: "manipulate",
    summary: "Gives a field, or several in order, another name or place.",
    details: "A target that exists is an error, unless `override` is set.",
    options: &[
        optional("field", "", "The field; needed unless `fields` is there."),
        optional("target_field", "", "Its new name."),
        optional("fields", "", "Several: a list of `{from, to}`."),
        optional("override", "false", "Replace a target that exists."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "several",
            event: r#"{"src_ip": "192.0.2.1", "src_port": 80}"#,
            processors: "- rename:\n    fields:\n      - {from: src_ip, to: source.ip}\n      - {from: src_port, to: source.port}",
            outcome: Outcome::Event(r#"{"source": {"ip": "192.0.2.1", "port": 80}}"#),
        },
        Example {
            title: "a target that exists",
            event: r#"{"a": 1, "b": 2}"#,
            processors: "- rename: {field: a, target_field: b}",
            outcome: Outcome::Fails("exists already"),
        },
    ],
    compile,
};

struct Rename {
    moves: Vec<(FieldName, FieldName)>,
    overrides: bool,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let mut moves = Vec::new();
    match options.node("fields") {
        Some(fields) => {
            let Value::List(items) = &fields.value else {
                return Err(options.error(&fields.at, "`fields` is a list", "write `- {from: a, to: b}`"));
            };
            for item in items {
                let (Some(from), Some(to)) = (item.get("from"), item.get("to")) else {
                    return Err(options.error(
                        &item.at,
                        "a renaming has `from` and `to`",
                        "write `- {from: a, to: b}`",
                    ));
                };
                moves.push((FieldName::read(options, "from", from)?, FieldName::read(options, "to", to)?));
            }
        }
        None => {
            let (from, to) = (options.required("field")?, options.required("target_field")?);
            let from = FieldName::read(options, "field", from)?;
            moves.push((from, FieldName::read(options, "target_field", to)?));
        }
    }
    Ok(Box::new(Rename {
        moves,
        overrides: options.flag("override", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Rename {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        for (from, to) in &self.moves {
            let exists = from.with(cx, |cx, segments| {
                let exists = cx.event.find_from(Event::ROOT, segments).is_some();
                if exists { Ok(()) } else { Err(Failure::fixed("is missing")) }
            });
            match exists {
                Err(failure) if self.ignore_missing && !failure.is_final => continue,
                other => other?,
            }
            to.with(cx, |cx, segments| {
                let taken = cx.event.find_from(Event::ROOT, segments).is_some();
                if taken && !self.overrides { Err(Failure::fixed("exists already")) } else { Ok(()) }
            })?;
            let slot = from.with(cx, |cx, segments| Ok(cx.event.remove_from(Event::ROOT, segments)))?;
            let Some(slot) = slot else { continue };
            // What can't be put at its new place goes back to the old one.
            let put = to.with(cx, |cx, segments| Ok(cx.event.set_from(Event::ROOT, segments, slot)?));
            if let Err(failure) = put {
                from.with(cx, |cx, segments| Ok(cx.event.set_from(Event::ROOT, segments, slot)?))?;
                return Err(failure);
            }
        }
        Ok(Flow::Next)
    }
}
