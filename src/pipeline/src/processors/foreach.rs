//! `foreach`: runs processors for each element.

use crate::compile::spec::{FIELD, IGNORE_MISSING, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Block, Flow, Processor, Ran, nested};
use event::model::{Children, Event, NodeId, Path, Slot};

/// How many elements a list or object may have.
pub(crate) const MAX_ELEMENTS: usize = 100_000;

pub(super) static SPEC: Spec = Spec {
    name: "foreach",
    family: "flow",
    summary: "Runs a processor, or several, for each element of a list or object.",
    details: "The element is `_ingest._value`, its position or key `_ingest._key`. A failure stops the loop; elements that \
              were done stay changed.",
    options: &[
        FIELD,
        required("processor", "The processor; a list of them, also below `pipeline`, is understood."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a list",
            event: r#"{"names": ["ann", "bob"]}"#,
            processors: "- foreach: {field: names, processor: {uppercase: {field: _ingest._value}}}",
            outcome: Outcome::Event(r#"{"names": ["ANN", "BOB"]}"#),
        },
        Example {
            title: "an object",
            event: r#"{"m": {"a": 1, "b": 2}}"#,
            processors: "- foreach: {field: m, processor: {set: {field: _ingest._value, value: '{{_ingest._key}}'}}}",
            outcome: Outcome::Event(r#"{"m": {"a": "a", "b": "b"}}"#),
        },
    ],
    compile,
};

struct Foreach {
    field: Path,
    value: Path,
    key: Path,
    block: Block,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let node = options.required("processor")?;
    // `processor: {pipeline: [...]}` is the product's way of writing several.
    let inline = node.get("pipeline").filter(|inner| matches!(inner.value, crate::source::Value::List(_)));
    let block = options.block(inline.unwrap_or(node));
    let keys = options.keys();
    Ok(Box::new(Foreach {
        field,
        value: Path::of_names(keys, &["_ingest", "_value"]),
        key: Path::of_names(keys, &["_ingest", "_key"]),
        block,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Foreach {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let (children, is_map) = match cx.value(&self.field) {
            Some(Slot::List(children)) => (children, false),
            Some(Slot::Map(children)) => (children, true),
            None if self.ignore_missing => return Ok(Flow::Next),
            None => return Err(Failure::missing(&self.field)),
            Some(_) => return Err(Failure::fixed("is neither an array nor an object").at(&self.field)),
        };
        if children.len() > MAX_ELEMENTS {
            return Err(Failure::limit(format!("foreach goes over at most {MAX_ELEMENTS} elements")));
        }
        // What an outer loop put there comes back afterwards.
        let outer = (cx.event.get(&self.value), cx.event.get(&self.key));
        cx.progress.loops += 1;
        let result = self.each(cx, children, is_map);
        cx.progress.loops -= 1;
        for (path, value) in [(&self.value, outer.0), (&self.key, outer.1)] {
            match value {
                Some(slot) => cx.set(path, slot)?,
                None => drop(cx.event.remove(path)),
            }
        }
        self.forget_ingest(cx);
        result
    }
}

impl Foreach {
    fn each(&self, cx: &mut Context<'_>, children: Children, is_map: bool) -> Ran {
        let mut at = cx.event.children(children).next();
        let mut position = 0;
        while let Some(node) = at {
            at = cx.event.next(node);
            let flow = self.one(cx, node, position, is_map)?;
            position += 1;
            match flow {
                Flow::Next | Flow::Continue | Flow::Return => {}
                end => return Ok(end),
            }
        }
        Ok(Flow::Next)
    }

    fn one(&self, cx: &mut Context<'_>, node: NodeId, position: i64, is_map: bool) -> Ran {
        let key = if is_map {
            let name = cx.event.name(node).to_vec();
            cx.event.text(&name)?
        } else {
            Slot::Int(position)
        };
        cx.set(&self.key, key)?;
        let slot = cx.event.slot(node);
        cx.set(&self.value, slot)?;
        let result = nested(cx, |cx| self.block.run(cx));
        // Changed or not, done or failed: what is there now is the element.
        let changed = cx.event.get(&self.value).unwrap_or(Slot::Null);
        cx.event.put(node, changed);
        result
    }

    fn forget_ingest(&self, cx: &mut Context<'_>) {
        let Slot::Map(root) = cx.event.slot(Event::ROOT) else { return };
        let Some(ingest) = cx.event.field(root, event::model::KeyId::INGEST) else { return };
        if matches!(cx.event.slot(ingest), Slot::Map(fields) if fields.len() == 0) {
            cx.event.unlink(Event::ROOT, ingest);
        }
    }
}
