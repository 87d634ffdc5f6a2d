//! `dot_nester`: objects in each other to one with long names.

use crate::compile::spec::{IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Event, Path, Slot};

/// How many fields the flat object may have: each name is compared with those before it.
const MAX_FIELDS: usize = 16_384;

pub(super) static SPEC: Spec = Spec {
    name: "dot_nester",
    family: "manipulate",
    summary: "Flattens objects in each other to one whose names have dots.",
    details: "Lists stay as they are. Of fields that get the same name the last counts. The formats `ecs` and `cim` make names small; the others keep them.",
    options: &[
        optional("field", "the event itself", "The object to flatten."),
        optional("target_field", "the field itself", "Where the flat object goes."),
        optional("format", "", "`ecs`, `cim`, `asim`, `cef`, `leef`, `csl` or `ocsf`."),
        optional("delimiter", ".", "What stands between names."),
        optional("prefix", "", "What each name begins with."),
        optional("depth", "-1", "How many names are joined at most; -1 for all."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "the whole event",
            event: r#"{"User": {"Name": "John", "Details": {"Age": 30}}, "v": 1}"#,
            processors: "- dot_nester: {format: ecs}",
            outcome: Outcome::Event(r#"{"user.name": "John", "user.details.age": 30, "v": 1}"#),
        },
        Example {
            title: "a depth",
            event: r#"{"root": {"a": {"b": {"c": 1}, "d": 2}}}"#,
            processors: "- dot_nester: {field: root, depth: 2, delimiter: '_'}",
            outcome: Outcome::Event(r#"{"root": {"a_b": {"c": 1}, "a_d": 2}}"#),
        },
    ],
    compile,
};

struct DotNester {
    field: Option<Path>,
    target: Option<Path>,
    lowercase: bool,
    delimiter: String,
    prefix: String,
    depth: usize,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.optional_field("field")?;
    let target = options.optional_field("target_field")?.or_else(|| field.clone());
    let formats = [
        ("ecs", true),
        ("cim", true),
        ("asim", false),
        ("cef", false),
        ("leef", false),
        ("csl", false),
        ("ocsf", false),
    ];
    let depth = options.int("depth", -1..=event::model::MAX_DEPTH as i64)?.unwrap_or(-1);
    Ok(Box::new(DotNester {
        field,
        target,
        lowercase: options.node("format").is_some() && options.choice("format", &formats)?,
        delimiter: options.text("delimiter")?.unwrap_or_else(|| ".".to_owned()),
        prefix: options.text("prefix")?.unwrap_or_default(),
        depth: usize::try_from(depth).unwrap_or(event::model::MAX_DEPTH),
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for DotNester {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let value = match &self.field {
            None => cx.event.slot(Event::ROOT),
            Some(path) => match cx.value(path) {
                Some(value) => value,
                None if self.ignore_missing => return Ok(Flow::Next),
                None => return Err(Failure::missing(path)),
            },
        };
        let Slot::Map(map) = value else {
            let failure = Failure::fixed("is no object");
            return Err(self.field.as_ref().map_or(failure.clone(), |path| failure.at(path)));
        };
        let mut flat = Children::EMPTY;
        let mut kept = Children::EMPTY;
        let mut name = self.prefix.clone().into_bytes();
        let mut at = cx.event.children(map).next();
        while let Some(node) = at {
            at = cx.event.next(node);
            let (key, slot) = (cx.event.key(node), cx.event.slot(node));
            if self.field.is_none() && key.is_metadata() {
                cx.event.append_to(&mut kept, key, slot)?;
                continue;
            }
            name.truncate(self.prefix.len());
            self.push_name(&mut name, cx.event.name(node));
            self.flatten(cx, &mut flat, &mut name, slot, 1)?;
        }
        match &self.target {
            Some(path) => cx.set(path, Slot::Map(flat))?,
            None => {
                let mut at = cx.event.children(flat).next();
                while let Some(node) = at {
                    at = cx.event.next(node);
                    let (key, slot) = (cx.event.key(node), cx.event.slot(node));
                    // Joined and made small, a name that was none can become that of metadata.
                    if !key.is_metadata() {
                        cx.event.append_to(&mut kept, key, slot)?;
                    }
                }
                cx.event.put(Event::ROOT, Slot::Map(kept));
            }
        }
        Ok(Flow::Next)
    }
}

impl DotNester {
    /// Adds what is below `name`; recursion ends at the depth limit of events.
    fn flatten(
        &self,
        cx: &mut Context<'_>,
        flat: &mut Children,
        name: &mut Vec<u8>,
        slot: Slot,
        depth: usize,
    ) -> Result<(), Failure> {
        match slot {
            Slot::Map(map) if map.len() > 0 && depth < self.depth => {
                let len = name.len();
                let mut at = cx.event.children(map).next();
                while let Some(node) = at {
                    at = cx.event.next(node);
                    name.extend_from_slice(self.delimiter.as_bytes());
                    self.push_name(name, cx.event.name(node));
                    self.flatten(cx, flat, name, cx.event.slot(node), depth + 1)?;
                    name.truncate(len);
                }
            }
            _ => {
                let slot = cx.event.copy(slot)?;
                let key = cx.event.key_of(name)?;
                match cx.event.field(*flat, key) {
                    Some(node) => cx.event.put(node, slot),
                    None if flat.len() >= MAX_FIELDS => {
                        return Err(Failure::text(format!("dot_nester gives more than {MAX_FIELDS} fields")));
                    }
                    None => drop(cx.event.append_to(flat, key, slot)?),
                }
            }
        }
        Ok(())
    }

    fn push_name(&self, name: &mut Vec<u8>, part: &[u8]) {
        let from = name.len();
        name.extend_from_slice(part);
        if self.lowercase {
            name[from..].make_ascii_lowercase();
        }
    }
}
