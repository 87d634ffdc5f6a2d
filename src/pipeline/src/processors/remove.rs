//! `remove`: deletes fields.

use super::assignments::FieldName;
use crate::compile::spec::{IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use event::model::{Event, KeyId, Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "remove",
    family: "manipulate",
    summary: "Deletes one or several fields, or all but some.",
    details: "",
    options: &[
        optional("field", "", "The field, or a list of them; may have templates in it. This or `keep`."),
        optional("keep", "", "The fields that stay; all others go."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "several",
            event: r#"{"a": 1, "b": {"c": 2, "d": 3}}"#,
            processors: "- remove: {field: [a, b.c]}",
            outcome: Outcome::Event(r#"{"b": {"d": 3}}"#),
        },
        Example {
            title: "one that is not there",
            event: "{}",
            processors: "- remove: {field: a}",
            outcome: Outcome::Fails("field [a] is missing"),
        },
    ],
    compile,
};

struct Remove {
    fields: Vec<FieldName>,
    ignore_missing: bool,
}

struct Keep(Vec<Path>);

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    if let (Some(keep), Some(_)) = (options.node("keep"), options.node("field")) {
        return Err(options.error(&keep.at, "there is `field` or `keep`, not both", "remove one of them"));
    }
    if options.node("keep").is_some() {
        return Ok(Box::new(Keep(options.fields("keep")?)));
    }
    let node = options.required("field")?;
    let nodes = match &node.value {
        Value::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    let mut fields = Vec::with_capacity(nodes.len());
    for node in nodes {
        fields.push(FieldName::read(options, "field", node)?);
    }
    Ok(Box::new(Remove { fields, ignore_missing: options.flag("ignore_missing", false)? }))
}

impl Processor for Remove {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        for field in &self.fields {
            let removed = field.with(cx, |cx, segments| {
                let removed = cx.event.remove_from(Event::ROOT, segments).is_some();
                if removed || self.ignore_missing { Ok(()) } else { Err(Failure::fixed("is missing")) }
            });
            match removed {
                Err(failure) if !self.ignore_missing || failure.is_final => return Err(failure),
                _ => {}
            }
        }
        Ok(Flow::Next)
    }
}

impl Processor for Keep {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let kept: Vec<(&Path, Slot)> =
            self.0.iter().filter_map(|path| cx.event.get(path).map(|slot| (path, slot))).collect();
        let metadata: Vec<(KeyId, Slot)> = match cx.event.slot(Event::ROOT) {
            Slot::Map(root) => {
                let field = |node| (cx.event.key(node), cx.event.slot(node));
                cx.event.children(root).map(field).filter(|(key, _)| key.is_metadata()).collect()
            }
            _ => Vec::new(),
        };
        cx.event.put(Event::ROOT, Slot::Map(event::model::Children::EMPTY));
        for (key, slot) in metadata {
            cx.event.append_child(Event::ROOT, key, slot)?;
        }
        for (path, slot) in kept {
            cx.set(path, slot)?;
        }
        Ok(Flow::Next)
    }
}
