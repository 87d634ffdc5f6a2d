//! `keep`, `compact`, `dot_expander`, `sort`, `comment`: the shape of events.

use super::assignments::FieldName;
use super::received::is_reserved;
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Event, Kind, NodeId, Path, Slot};

pub(super) static KEEP: Spec = Spec {
    name: "keep",
    family: "manipulate",
    summary: "Keeps the listed top-level fields and deletes all others.",
    details: "Of a path like `source.ip` the whole top-level field `source` is kept.",
    options: &[required("field", "The field, or a list of them; may have templates in it.")],
    examples: &[Example {
        title: "two fields",
        event: r#"{"a": 1, "b": {"c": 2, "d": 3}, "e": 4}"#,
        processors: "- keep: {field: [a, b.c]}",
        outcome: Outcome::Event(r#"{"a": 1, "b": {"c": 2, "d": 3}}"#),
    }],
    compile: compile_keep,
};

pub(super) static COMPACT: Spec = Spec {
    name: "compact",
    family: "manipulate",
    summary: "Removes empty values, and the objects and lists that are empty then.",
    details: "",
    options: &[
        optional("values", "null, \"\", [], {}", "Further texts that count as empty, like `-`."),
        optional("excluded_fields", "", "Fields that stay as they are."),
    ],
    examples: &[Example {
        title: "empty values",
        event: r#"{"a": "", "b": {"c": null}, "d": [1, "-"], "e": 0}"#,
        processors: "- compact: {values: ['-']}",
        outcome: Outcome::Event(r#"{"d": [1], "e": 0}"#),
    }],
    compile: compile_compact,
};

pub(super) static DOT_EXPANDER: Spec = Spec {
    name: "dot_expander",
    family: "manipulate",
    summary: "Turns a field whose name has dots into objects in each other.",
    details: "",
    options: &[
        required("field", "The name with its dots, or `*` for all of the event's."),
        optional("path", "the event itself", "The object that has the field."),
        optional("override", "false", "Replace what is at the new place, instead of making a list of both."),
    ],
    examples: &[Example {
        title: "one field",
        event: r#"{"a.b": 1, "a": {"c": 2}}"#,
        processors: "- dot_expander: {field: a.b}",
        outcome: Outcome::Event(r#"{"a": {"c": 2, "b": 1}}"#),
    }],
    compile: compile_expander,
};

pub(super) static SORT: Spec = Spec {
    name: "sort",
    family: "manipulate",
    summary: "Sorts a list of numbers or texts.",
    details: "",
    options: &[
        FIELD,
        optional("order", "asc", "`asc` or `desc`."),
        TARGET_FIELD,
        optional("index_name", "", "Not needed: lists keep their order."),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "downwards",
        event: r#"{"a": [2, 10, 1]}"#,
        processors: "- sort: {field: a, order: desc}",
        outcome: Outcome::Event(r#"{"a": [10, 2, 1]}"#),
    }],
    compile: compile_sort,
};

pub(super) static COMMENT: Spec = Spec {
    name: "comment",
    family: "text",
    summary: "Does nothing; a remark between processors.",
    details: "",
    options: &[optional("message", "", "The remark.")],
    examples: &[Example {
        title: "a remark",
        event: r#"{"a": 1}"#,
        processors: "- comment: {message: parsing starts here}",
        outcome: Outcome::Event(r#"{"a": 1}"#),
    }],
    compile: |_| Ok(Box::new(Comment)),
};

struct Comment;

impl Processor for Comment {
    fn run(&self, _: &mut Context<'_>) -> Ran {
        Ok(Flow::Next)
    }
}

struct Keep(Vec<FieldName>);

fn compile_keep(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let node = options.required("field")?;
    let nodes = match &node.value {
        Value::List(items) => items.iter().collect(),
        _ => vec![node],
    };
    let mut fields = Vec::with_capacity(nodes.len());
    for node in nodes {
        fields.push(FieldName::read(options, "field", node)?);
    }
    Ok(Box::new(Keep(fields)))
}

impl Processor for Keep {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let mut kept = Vec::with_capacity(self.0.len());
        for field in &self.0 {
            kept.push(field.with(cx, |_, segments| Ok(segments.first().map(|segment| segment.key)))?);
        }
        let Slot::Map(root) = cx.event.slot(Event::ROOT) else { return Ok(Flow::Next) };
        let mut left = Children::EMPTY;
        let mut at = cx.event.children(root).next();
        while let Some(node) = at {
            at = cx.event.next(node);
            let key = cx.event.key(node);
            if key.is_metadata() || kept.contains(&Some(key)) {
                let slot = cx.event.slot(node);
                cx.event.append_to(&mut left, key, slot)?;
            }
        }
        cx.event.put(Event::ROOT, Slot::Map(left));
        Ok(Flow::Next)
    }
}

struct Compact {
    values: Vec<String>,
    excluded: Vec<Path>,
}

fn compile_compact(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(Compact { values: options.texts("values")?, excluded: options.fields("excluded_fields")? }))
}

impl Processor for Compact {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let excluded: Vec<NodeId> = self.excluded.iter().filter_map(|path| cx.event.find(path)).collect();
        self.clean(cx, Event::ROOT, &excluded, 0)?;
        Ok(Flow::Next)
    }
}

impl Compact {
    /// Removes what is empty below a node.
    fn clean(
        &self,
        cx: &mut Context<'_>,
        node: NodeId,
        excluded: &[NodeId],
        depth: usize,
    ) -> Result<(), Failure> {
        let (Slot::Map(children) | Slot::List(children)) = cx.event.slot(node) else { return Ok(()) };
        if depth > event::model::MAX_DEPTH {
            return Err(event::model::Obstacle::TooDeep.into());
        }
        let mut left = Children::EMPTY;
        let mut at = cx.event.children(children).next();
        while let Some(child) = at {
            at = cx.event.next(child);
            let is_excluded = excluded.contains(&child);
            if !is_excluded {
                self.clean(cx, child, excluded, depth + 1)?;
            }
            let slot = cx.event.slot(child);
            if is_excluded || !self.is_empty(cx, slot) {
                let key = cx.event.key(child);
                cx.event.append_to(&mut left, key, slot)?;
            }
        }
        let cleaned = match cx.event.slot(node) {
            Slot::Map(_) => Slot::Map(left),
            _ => Slot::List(left),
        };
        cx.event.put(node, cleaned);
        Ok(())
    }

    fn is_empty(&self, cx: &Context<'_>, slot: Slot) -> bool {
        match slot {
            Slot::Null => true,
            Slot::Map(children) | Slot::List(children) => children.len() == 0,
            Slot::Text(span) => {
                let text = cx.event.bytes(span);
                text.is_empty() || self.values.iter().any(|value| value.as_bytes() == text)
            }
            _ => false,
        }
    }
}

struct DotExpander {
    field: Option<String>,
    path: Option<Path>,
    overrides: bool,
}

fn compile_expander(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.required_text("field")?;
    let path = options.optional_field("path")?;
    let overrides = options.flag("override", false)?;
    Ok(Box::new(DotExpander { field: Some(field).filter(|field| field != "*"), path, overrides }))
}

impl Processor for DotExpander {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        if self.field.as_ref().is_some_and(|field| !field.contains('.')) {
            return Err(Failure::fixed("dot_expander has a field name without dots"));
        }
        let (parent, target) = self.places(cx)?;
        let Slot::Map(map) = cx.event.slot(parent) else { return Ok(Flow::Next) };
        let is_meant = |name: &[u8]| match &self.field {
            Some(field) => field.as_bytes() == name,
            None => name.contains(&b'.'),
        };
        let meant: Vec<NodeId> =
            cx.event.children(map).filter(|node| is_meant(cx.event.name(*node))).collect();
        for node in meant {
            let name = String::from_utf8_lossy(cx.event.name(node)).into_owned();
            let segments =
                cx.event.segments_of(&name).map_err(|why| Failure::text(format!("{name:?}: {why}")))?;
            if self.field.is_none() && is_reserved(cx, target, &segments, "") {
                continue;
            }
            let slot = cx.event.slot(node);
            cx.event.unlink(parent, node);
            let existing = cx.event.find_from(target, &segments).map(|node| cx.event.slot(node));
            let value = match existing {
                Some(before) if !self.overrides => both(cx, before, slot)?,
                _ => slot,
            };
            cx.event.set_from(target, &segments, value)?;
        }
        Ok(Flow::Next)
    }
}

impl DotExpander {
    /// The object that has the field, and the one that takes it: the same, but for a field of the event itself that the
    /// object at `path` does not have.
    fn places(&self, cx: &mut Context<'_>) -> Result<(NodeId, NodeId), Failure> {
        let (Some(path), Some(field)) = (&self.path, &self.field) else {
            let place = self.path.as_ref().and_then(|path| cx.event.find(path)).unwrap_or(Event::ROOT);
            return Ok((place, place));
        };
        if let Some(node) = cx.event.find(path) {
            let Slot::Map(map) = cx.event.slot(node) else { return Ok((node, node)) };
            let is_there = cx.event.field_named(map, field.as_bytes()).is_some();
            return Ok(if is_there { (node, node) } else { (Event::ROOT, node) });
        }
        let target = cx.event.set(path, Slot::Map(Children::EMPTY))?;
        Ok((Event::ROOT, target))
    }
}

/// A list of what was there and what comes.
fn both(cx: &mut Context<'_>, before: Slot, slot: Slot) -> Result<Slot, Failure> {
    let mut list = match before {
        Slot::List(list) => list,
        single => {
            let mut list = Children::EMPTY;
            cx.event.push_to(&mut list, single)?;
            list
        }
    };
    cx.event.push_to(&mut list, slot)?;
    Ok(Slot::List(list))
}

struct Sort {
    target: Target,
    descending: bool,
}

fn compile_sort(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let descending = options.choice("order", &[("asc", false), ("desc", true)])?;
    Ok(Box::new(Sort { target: Target::read(options)?, descending }))
}

impl Processor for Sort {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let list = match self.target.value(cx)? {
            None => return Ok(Flow::Next),
            Some(Slot::List(list)) => list,
            Some(_) => return Err(Failure::fixed("is no array").at(&self.target.field)),
        };
        let mut slots: Vec<Slot> = cx.event.children(list).map(|node| cx.event.slot(node)).collect();
        let rank = |slot: &Slot| if slot.as_number().is_some() { Kind::Int } else { slot.kind() };
        slots.sort_by(|a, b| {
            // A total order whatever is in the list: sorting may panic without one.
            let order = match (a.as_number(), b.as_number()) {
                (Some(a), Some(b)) => a.total_cmp(&b),
                _ => cx.event.order(*a, *b).unwrap_or_else(|| rank(a).cmp(&rank(b))),
            };
            if self.descending { order.reverse() } else { order }
        });
        let mut sorted = Children::EMPTY;
        for slot in slots {
            cx.event.push_to(&mut sorted, slot)?;
        }
        self.target.put(cx, Slot::List(sorted))?;
        Ok(Flow::Next)
    }
}
