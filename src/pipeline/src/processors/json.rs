//! `json`: JSON text to fields.

use super::received::is_reserved_key;
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::json_read::{Behind, Duplicates, read_with};
use event::model::{Children, Event, NodeId, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "json",
    family: "parse",
    summary: "Reads JSON text into a field, or into the event itself.",
    details: "Fields that would be metadata (`_vmetric`, `_ingest`, `_temp`, `_index`, `_score`) are not added to the event itself.",
    options: &[
        FIELD,
        optional("target_field", "the field itself", "Where the value goes; not with `add_to_root`."),
        optional("add_to_root", "false", "Add the fields of the object to the event itself."),
        optional(
            "add_to_root_conflict_strategy",
            "replace",
            "What happens to fields that exist: `replace` or `merge`.",
        ),
        optional(
            "allow_duplicate_keys",
            "false",
            "Whether a key may occur twice in an object; the last value counts.",
        ),
        optional("strict_json_parsing", "true", "Whether something behind the value is an error."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "into the event",
            event: r#"{"message": "{\"level\": \"info\", \"n\": 1}"}"#,
            processors: "- json: {field: message, add_to_root: true}\n- remove: {field: message}",
            outcome: Outcome::Event(r#"{"level": "info", "n": 1}"#),
        },
        Example {
            title: "merging",
            event: r#"{"config": {"timeout": 30, "tags": ["a"]}, "m": "{\"config\": {\"timeout\": 60, \"tags\": [\"b\"]}}"}"#,
            processors: "- json: {field: m, add_to_root: true, add_to_root_conflict_strategy: merge}\n- remove: {field: m}",
            outcome: Outcome::Event(r#"{"config": {"timeout": 60, "tags": ["a", "b"]}}"#),
        },
        Example {
            title: "no JSON",
            event: r#"{"m": "{"}"#,
            processors: "- json: {field: m}",
            outcome: Outcome::Fails("the json text ends too early"),
        },
    ],
    compile,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Conflict {
    Replace,
    Merge,
}

struct Json {
    target: Target,
    add_to_root: Option<Conflict>,
    duplicates: Duplicates,
    behind: Behind,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = Target::read(options)?;
    let conflict = options.choice(
        "add_to_root_conflict_strategy",
        &[("replace", Conflict::Replace), ("merge", Conflict::Merge)],
    )?;
    let add_to_root = options.flag("add_to_root", false)?;
    if let (true, Some(node)) = (add_to_root, options.node("target_field")) {
        return Err(options.error(&node.at, "there is `target_field` or `add_to_root`, not both", ""));
    }
    let allow = options.flag("allow_duplicate_keys", false)?;
    let strict = options.flag("strict_json_parsing", true)?;
    Ok(Box::new(Json {
        target,
        add_to_root: add_to_root.then_some(conflict),
        duplicates: if allow { Duplicates::Last } else { Duplicates::Refuse },
        behind: if strict { Behind::Nothing } else { Behind::Anything },
    }))
}

impl Processor for Json {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        if cx.event.get(&self.target.field) == Some(Slot::Null) {
            self.target.put(cx, Slot::Null)?;
            return Ok(Flow::Next);
        }
        let value = match self.target.value(cx)? {
            None => return Ok(Flow::Next),
            Some(Slot::Text(span)) => match read_with(&mut cx.event, span, self.duplicates, self.behind) {
                Ok(value) => value,
                Err(event::model::json_read::JsonError::Limit(obstacle)) => return Err(obstacle.into()),
                Err(why) => return Err(Failure::text(why.to_string()).at(&self.target.field)),
            },
            // What is no text is a JSON value already, as in Elasticsearch; an object is not.
            Some(Slot::Map(_)) => return Err(Failure::fixed("is an object already").at(&self.target.field)),
            Some(other) => other,
        };
        match (self.add_to_root, value) {
            (None, value) => self.target.put(cx, value)?,
            (Some(conflict), Slot::Map(fields)) => add(cx, Event::ROOT, fields, conflict, 0)?,
            (Some(_), _) => {
                let failure = Failure::fixed("is no json object and can't be added to the event itself");
                return Err(failure.at(&self.target.field));
            }
        }
        Ok(Flow::Next)
    }
}

fn add(
    cx: &mut Context<'_>,
    to: NodeId,
    fields: Children,
    conflict: Conflict,
    depth: usize,
) -> Result<(), Failure> {
    if depth > event::model::MAX_DEPTH {
        return Err(event::model::Obstacle::TooDeep.into());
    }
    let mut at = cx.event.children(fields).next();
    while let Some(node) = at {
        at = cx.event.next(node);
        let (key, slot) = (cx.event.key(node), cx.event.slot(node));
        if is_reserved_key(to, key) {
            continue;
        }
        let Slot::Map(present) = cx.event.slot(to) else { return Ok(()) };
        let Some(existing) = cx.event.field(present, key) else {
            cx.event.append_child(to, key, slot)?;
            continue;
        };
        match (conflict, cx.event.slot(existing), slot) {
            (Conflict::Merge, Slot::Map(_), Slot::Map(inner)) => {
                add(cx, existing, inner, conflict, depth + 1)?
            }
            (Conflict::Merge, Slot::List(_), Slot::List(inner)) => {
                let mut element = cx.event.children(inner).next();
                while let Some(node) = element {
                    element = cx.event.next(node);
                    cx.event.push(existing, cx.event.slot(node))?;
                }
            }
            _ => cx.event.put(existing, slot),
        }
    }
    Ok(())
}
