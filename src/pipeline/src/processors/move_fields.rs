//! `move`: fields that match patterns to another place.

use crate::compile::spec::optional;
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Event, NodeId, Path, Slot};
use regex::bytes::Regex;
use std::collections::HashSet;

/// How many fields may be moved: each is looked for at its new place.
const MAX_MOVED: usize = 16_384;

pub(super) static SPEC: Spec = Spec {
    name: "move",
    family: "manipulate",
    summary: "Moves the fields that match patterns into an object, or to the top of the event.",
    details: "A pattern is a path whose parts may have `*`, `?` and `[a-z]`: `event.*` means the fields of `event`. A field keeps \
              its last name. Objects that are empty then are removed.",
    options: &[
        optional(
            "target_field",
            "",
            "The object that takes the fields; needed unless `move_to_root` is set.",
        ),
        optional("fields", "[\"*\"]", "The patterns."),
        optional("exclude", "", "Patterns of fields that stay."),
        optional("move_to_root", "false", "Move the fields to the top of the event."),
        optional("override", "false", "Replace fields that exist at the new place, instead of failing."),
        optional("ignore_missing", "false", "Do nothing when no field matches, instead of failing."),
    ],
    examples: &[
        Example {
            title: "into an object",
            event: r#"{"event": {"type": "start"}, "device": {"name": "x"}}"#,
            processors: "- move: {target_field: metadata, exclude: ['dev*']}",
            outcome: Outcome::Event(r#"{"device": {"name": "x"}, "metadata": {"event": {"type": "start"}}}"#),
        },
        Example {
            title: "to the top",
            event: r#"{"event": {"category": {"name": "process", "type": "system"}}}"#,
            processors: "- move: {move_to_root: true, fields: [event.category.*]}",
            outcome: Outcome::Event(r#"{"name": "process", "type": "system"}"#),
        },
        Example {
            title: "a field and one within it",
            event: r#"{"a": {"b": 1, "c": 2}, "x": 3}"#,
            processors: "- move: {target_field: t, fields: [a.b, a, x]}",
            outcome: Outcome::Event(r#"{"t": {"a": {"b": 1, "c": 2}, "x": 3}}"#),
        },
        Example {
            title: "an object does not go into itself",
            event: r#"{"a": {"t": {"b": 1}, "c": 2}, "x": 3}"#,
            processors: "- move: {target_field: a.t, fields: ['*', 'a.*']}",
            outcome: Outcome::Event(r#"{"a": {"t": {"b": 1, "x": 3, "c": 2}}}"#),
        },
        Example {
            title: "a field that exists",
            event: r#"{"a": {"x": 1}, "x": 2}"#,
            processors: "- move: {move_to_root: true, fields: [a.x]}",
            outcome: Outcome::Fails("exists already"),
        },
    ],
    compile,
};

/// A path whose parts are patterns.
struct Glob(Vec<Regex>);

struct Move {
    target: Option<Path>,
    fields: Vec<Glob>,
    exclude: Vec<Glob>,
    overrides: bool,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target =
        if options.flag("move_to_root", false)? { None } else { Some(options.field("target_field")?) };
    let mut fields = globs(options, "fields")?;
    if fields.is_empty() {
        fields.push(glob("*").map_err(|why| options.error(&options.place().clone(), why, ""))?);
    }
    Ok(Box::new(Move {
        target,
        fields,
        exclude: globs(options, "exclude")?,
        overrides: options.flag("override", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

fn globs(options: &mut Options<'_, '_>, name: &str) -> Result<Vec<Glob>, Reported> {
    let at = options.place_of(name);
    let texts = options.texts(name)?;
    texts
        .iter()
        .map(|text| glob(text).map_err(|why| options.error(&at, why, "write it like `event.*`")))
        .collect()
}

/// Go's `filepath.Match`, part by part: `*`, `?`, `[a-z]`, `[^a-z]`, `\` before a character that means itself.
fn glob(text: &str) -> Result<Glob, String> {
    let mut parts = Vec::new();
    for part in text.split('.') {
        let mut pattern = String::from("(?s-u)^");
        let mut letters = part.chars();
        while let Some(letter) = letters.next() {
            match letter {
                '*' => pattern.push_str(".*"),
                '?' => pattern.push_str("(?u:.)"),
                '[' => {
                    pattern.push('[');
                    for inner in letters.by_ref().take_while(|inner| *inner != ']') {
                        match inner {
                            '^' | '-' => pattern.push(inner),
                            inner => pattern.push_str(&regex::escape(inner.encode_utf8(&mut [0; 4]))),
                        }
                    }
                    pattern.push(']');
                }
                '\\' => pattern.push_str(&regex::escape(&letters.next().unwrap_or('\\').to_string())),
                letter => pattern.push_str(&regex::escape(letter.encode_utf8(&mut [0; 4]))),
            }
        }
        pattern.push('$');
        let regex = Regex::new(&pattern).map_err(|_| format!("the pattern {text:?} can't be read"))?;
        parts.push(regex);
    }
    Ok(Glob(parts))
}

/// A field that matches, and the objects it is in, the event first.
struct Found {
    parents: Vec<NodeId>,
    node: NodeId,
}

impl Found {
    fn parent(&self) -> NodeId {
        self.parents.last().copied().unwrap_or(Event::ROOT)
    }
}

impl Processor for Move {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let mut stays = Vec::new();
        for glob in &self.exclude {
            glob.find(cx, &mut vec![Event::ROOT], &mut stays);
        }
        let way = self.way_to_target(cx);
        let mut found: Vec<Found> = Vec::new();
        for glob in &self.fields {
            glob.find(cx, &mut vec![Event::ROOT], &mut found);
        }
        let stays: HashSet<NodeId> = stays.iter().map(|field| field.node).collect();
        let mut seen = HashSet::new();
        found.retain(|field| {
            let is_top = field.parent() == Event::ROOT;
            let key = cx.event.key(field.node);
            // Names in objects may be those of received data, and must not become metadata.
            let becomes_metadata = self.target.is_none() && key.is_metadata();
            let is_kept_out = becomes_metadata || (is_top && (key.is_metadata() || self.target.is_none()));
            // The first of several patterns that match it counts.
            !is_kept_out
                && !way.contains(&field.node)
                && !stays.contains(&field.node)
                && seen.insert(field.node)
        });
        if found.len() > MAX_MOVED {
            return Err(Failure::text(format!("move finds more than {MAX_MOVED} fields")));
        }
        // What is within a field that is moved goes along with it.
        let moved: HashSet<NodeId> = found.iter().map(|field| field.node).collect();
        found.retain(|field| !field.parents.iter().any(|parent| moved.contains(parent)));
        if found.is_empty() {
            let failure = Failure::fixed("no field matches the patterns of move");
            return if self.ignore_missing { Ok(Flow::Next) } else { Err(failure) };
        }
        let target = self.target(cx)?;
        if !self.overrides {
            refuse_taken(cx, target, &found)?;
        }
        for field in found {
            let (key, slot) = (cx.event.key(field.node), cx.event.slot(field.node));
            cx.event.unlink(field.parent(), field.node);
            cx.event.set_field(target, key, slot)?;
        }
        for glob in &self.fields {
            glob.prune(cx);
        }
        Ok(Flow::Next)
    }
}

/// A failure if a field has a name that is taken at the new place, by another field there or by one before it.
fn refuse_taken(cx: &Context<'_>, target: NodeId, found: &[Found]) -> Result<(), Failure> {
    let Slot::Map(present) = cx.event.slot(target) else { return Ok(()) };
    let mut names = HashSet::new();
    for field in found {
        let key = cx.event.key(field.node);
        let taken = cx.event.field(present, key).is_some_and(|node| node != field.node);
        if taken || !names.insert(key) {
            let name = String::from_utf8_lossy(cx.event.name(field.node)).into_owned();
            return Err(Failure::text(format!(
                "field [{name}] can't be moved: it exists already at the new place"
            )));
        }
    }
    Ok(())
}

impl Move {
    /// The objects on the way to the one that takes the fields, and that one: they can't go into it.
    fn way_to_target(&self, cx: &Context<'_>) -> HashSet<NodeId> {
        let mut way = HashSet::new();
        let mut at = Event::ROOT;
        for segment in self.target.iter().flat_map(|path| path.segments()) {
            let Some(node) = cx.event.find_from(at, &[*segment]) else { break };
            way.insert(node);
            at = node;
        }
        way
    }

    /// The object that takes the fields; made if it is not there.
    fn target(&self, cx: &mut Context<'_>) -> Result<NodeId, Failure> {
        let Some(path) = &self.target else { return Ok(Event::ROOT) };
        match cx.event.find(path) {
            Some(node) if matches!(cx.event.slot(node), Slot::Map(_)) => Ok(node),
            Some(node) if cx.event.slot(node) != Slot::Null => Err(Failure::fixed("is no object").at(path)),
            _ => {
                let set = cx.event.set(path, Slot::Map(Children::EMPTY));
                set.map_err(|obstacle| Failure::from(obstacle).at(path))
            }
        }
    }
}

impl Glob {
    /// Adds the fields below the last of `parents` that match from the part of their depth on.
    fn find(&self, cx: &Context<'_>, parents: &mut Vec<NodeId>, found: &mut Vec<Found>) {
        let parent = parents.last().copied().unwrap_or(Event::ROOT);
        let (Some(pattern), Slot::Map(map)) = (self.0.get(parents.len() - 1), cx.event.slot(parent)) else {
            return;
        };
        for node in cx.event.children(map) {
            if !pattern.is_match(cx.event.name(node)) {
                continue;
            }
            if parents.len() < self.0.len() {
                parents.push(node);
                self.find(cx, parents, found);
                parents.pop();
            } else {
                found.push(Found { parents: parents.clone(), node });
            }
        }
    }

    /// Removes the objects on the way that are empty now, the innermost first.
    fn prune(&self, cx: &mut Context<'_>) {
        for depth in (1..self.0.len()).rev() {
            let mut on_the_way = Vec::new();
            Glob(self.0[..depth].to_vec()).find(cx, &mut vec![Event::ROOT], &mut on_the_way);
            for field in on_the_way {
                let (parent, node) = (field.parent(), field.node);
                let is_empty = matches!(cx.event.slot(node), Slot::Map(map) if map.len() == 0);
                if is_empty && !cx.event.key(node).is_metadata() {
                    cx.event.unlink(parent, node);
                }
            }
        }
    }
}
