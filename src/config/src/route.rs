//! Routes: which devices' events go through which pipelines to which targets.

use serde_json::json;

use crate::fields::Fields;
use crate::readers::{AnyText, Flag, Text};
use crate::references::ReferenceKind;
use crate::{Device, Node, Position, Resolved, Schedule};

/// A route. Routes have no order; an event may match several.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// Its unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Which devices' events it takes; empty: all.
    pub devices: Vec<DevicePattern>,
    /// The `if`, uncompiled, evaluated before pipelines.
    pub condition: Option<(String, Position)>,
    /// Names of pipelines, run in parallel on independent copies.
    pub pipelines: Vec<String>,
    /// Names of targets, each of which gets a copy; empty: the events are discarded, unless a pipeline
    /// reroutes them.
    pub targets: Vec<String>,
    /// Whether it is in use.
    pub status: bool,
    /// When its targets get its events.
    pub schedule: Schedule,
    /// Where it is.
    pub at: Position,
}

/// Which devices a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DevicePattern {
    /// The device with this id.
    Id(u64),
    /// Devices whose name matches: `*` any text, `?` one character.
    Name(String),
}

impl DevicePattern {
    /// Whether it takes that device.
    pub fn matches(&self, device: &Device) -> bool {
        match self {
            Self::Id(id) => device.id == *id,
            Self::Name(pattern) => wildcard(pattern, &device.name),
        }
    }
}

/// Matches `text` with `*` and `?`; linear space, at most `pattern * text` steps.
fn wildcard(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    let mut retry: Option<(usize, usize)> = None; // after the last star: where to go on in both
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                p += 1;
                retry = Some((p, t));
            }
            Some(c) if *c == '?' || *c == text[t] => {
                p += 1;
                t += 1;
            }
            _ => match &mut retry {
                Some((after_star, from)) => {
                    *from += 1;
                    (p, t) = (*after_star, *from);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// Reads a route.
pub(crate) fn decode(fields: &mut Fields) -> (Route, Vec<Position>) {
    let name = fields.required("name", Text, "a name that no other route has");
    let description = fields.or("description", AnyText, String::new(), "", "free text");
    let (devices, places) = devices(fields);
    let condition =
        fields.optional("if", Text, "which events it takes").map(|text| (text, fields.at_key("if")));
    let about = "pipelines, run in parallel on independent copies";
    let pipelines = fields.names("pipelines", ReferenceKind::Pipeline, about);
    let about = "targets, each of which gets a copy; null: discard the events";
    let targets = fields.names("targets", ReferenceKind::Target, about);
    once_each(fields, &targets);
    if !fields.has("targets") {
        let what = format!("{} has no targets, so that its events are discarded", fields.subject());
        fields.report(fields.at().warning(what, "name targets, or write targets: null"));
    }
    let status = fields.or("status", Flag, true, true, "whether it is in use");
    let schedule = fields.section("properties", "schedule", Schedule::decode);
    let at = fields.at().clone();
    (Route { name, description, devices, condition, pipelines, targets, status, schedule, at }, places)
}

/// Patterns, and where each is.
fn devices(fields: &mut Fields) -> (Vec<DevicePattern>, Vec<Position>) {
    let about = "names (with * and ?) or ids of devices; all without";
    fields.knows("devices", about, || {
        let one = json!({"anyOf": [
            {"type": ["string", "integer"]},
            {"type": "object", "properties": {"name": {"type": ["string", "integer"]}}, "required": ["name"]},
            {"type": "object", "properties": {"id": {"type": ["string", "integer"]}}, "required": ["id"]},
        ]});
        json!({"anyOf": [one, {"type": "null"}, {"type": "array", "items": one}]})
    });
    let Some(node) = fields.node("devices") else { return (Vec::new(), Vec::new()) };
    let items = node.as_list().unwrap_or(std::slice::from_ref(node));
    if items.is_empty() {
        fields.wrong("devices", "name at least one device, or leave it out for all");
    }
    let mut patterns = Vec::with_capacity(items.len());
    let mut places = Vec::with_capacity(items.len());
    for item in items {
        let key = if item.get("id").is_some() { "id" } else { "name" };
        let Some(found) = fields.named("devices", item, key) else { continue };
        match pattern(found, key, item.as_map().is_none()) {
            Some(pattern) => {
                patterns.push(pattern);
                places.push(found.at.clone());
            }
            None => {
                let what = format!("{} holds {}", fields.property("devices"), found.shown());
                fields.report(found.error(what, "write the name, a pattern or the id of a device"));
            }
        }
    }
    (patterns, places)
}

/// A bare number is an id, and so is all below `id`.
fn pattern(node: &Node, key: &str, bare: bool) -> Option<DevicePattern> {
    let text = node.as_text().filter(|text| !text.is_empty())?;
    let number = bare && matches!(node.as_scalar()?.resolve(), Resolved::Int(_));
    if key == "id" || number {
        return text.parse().ok().map(DevicePattern::Id);
    }
    Some(DevicePattern::Name(text.to_owned()))
}

/// A target that is named twice would get each event twice.
fn once_each(fields: &Fields, targets: &[String]) {
    for (index, target) in targets.iter().enumerate() {
        if targets[..index].contains(target) {
            let what = format!("{} names target {target:?} twice", fields.subject());
            fields.report(fields.at_key("targets").error(what, "name it once"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wildcard_stands_for_any_text_or_one_character() {
        for (pattern, text) in [
            ("syslog_*", "syslog_edge"),
            ("*", ""),
            ("*_edge", "a_b_edge"),
            ("s?slog", "syslog"),
            ("a*b*c", "aXbXbXc"),
            ("é?", "éü"),
        ] {
            assert!(wildcard(pattern, text), "{pattern} takes {text}");
        }
        for (pattern, text) in [("syslog_*", "syslog"), ("a", "ab"), ("a?", "a"), ("", "a"), ("a*b", "abc")] {
            assert!(!wildcard(pattern, text), "{pattern} does not take {text}");
        }
    }
}
