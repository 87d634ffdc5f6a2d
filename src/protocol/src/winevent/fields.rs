//! An event as fields: ECS where ECS has a name, `winlog.*` for the rest, as Winlogbeat names them.
//!
//! Values are texts but for record, process and thread ids and versions. Unnamed data are `param1`, `param2` …;
//! a name that comes again gets a number (`Name_2`), so that no value is lost.

use std::borrow::Cow;
use std::fmt::Write;

use super::event::Event;
use super::names::{self, Outcome};
use crate::xml::text::find;

/// A field's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// Text.
    Text(&'a str),
    /// A number.
    Number(u64),
    /// Texts.
    List(Vec<&'a str>),
}

/// Calls `each` with every field: the names of the objects around it, its own name, its value. Fields of one
/// object come together, so that nested output can be written as they come.
///
/// With `xml`, the event's source, `message` is that and a rendered text is `winlog.message`; without it the
/// rendered text is `message`.
pub fn visit(event: &Event<'_>, xml: Option<&str>, mut each: impl FnMut(&[&'static str], &str, Value<'_>)) {
    let rendering = event.rendering.as_deref();
    let rendered = rendering.and_then(|rendering| rendering.message.as_deref()).map(str::trim_end);
    if let Some(time) = &event.time_created {
        each(&[], "@timestamp", Value::Text(time));
    }
    if let Some(message) = xml.or(rendered) {
        each(&[], "message", Value::Text(message));
    }
    if let Some(code) = &event.error_code {
        each(&["error"], "code", Value::Text(code));
    }
    event_fields(event, &mut each);
    text(&mut each, &["host"], "name", &event.computer);
    let level = rendering.and_then(|rendering| rendering.level.as_deref());
    let level = level.map(|level| Cow::Owned(level.to_lowercase()));
    let named = || event.level.and_then(names::level).map(Cow::Borrowed);
    if let Some(level) = level.or_else(named) {
        each(&["log"], "level", Value::Text(&level));
    }
    winlog_fields(event, rendered.filter(|_| xml.is_some()), &mut each);
}

/// The event as one JSON object, appended to `out`. See [`visit`].
pub fn write_json(event: &Event<'_>, xml: Option<&str>, out: &mut String) {
    out.push('{');
    // The objects that are open.
    let mut open: Vec<&'static str> = Vec::with_capacity(4);
    let mut first = true;
    visit(event, xml, |parents, name, value| {
        let shared = open.iter().zip(parents).take_while(|(open, wanted)| open == wanted).count();
        for _ in shared..open.len() {
            out.push('}');
            first = false;
        }
        open.truncate(shared);
        for parent in &parents[shared..] {
            key(out, parent, &mut first);
            out.push('{');
            first = true;
            open.push(parent);
        }
        key(out, name, &mut first);
        match value {
            Value::Text(text) => string(out, text),
            // Writing to a string can't fail.
            Value::Number(number) => drop(write!(out, "{number}")),
            Value::List(texts) => {
                out.push('[');
                for (index, text) in texts.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    string(out, text);
                }
                out.push(']');
            }
        }
    });
    out.extend(std::iter::repeat_n('}', open.len() + 1));
}

// === The fields ===

fn event_fields(event: &Event<'_>, each: &mut impl FnMut(&[&'static str], &str, Value<'_>)) {
    const EVENT: &[&str] = &["event"];
    let task = event.rendering.as_deref().and_then(|rendering| rendering.task.as_deref());
    if let Some(task) = task {
        each(EVENT, "action", Value::Text(task));
    }
    if let Some(id) = event.event_id {
        each(EVENT, "code", Value::Text(Digits::new(id.into()).as_str()));
    }
    each(EVENT, "kind", Value::Text("event"));
    match event.keywords.and_then(names::outcome) {
        Some(Outcome::Success) => each(EVENT, "outcome", Value::Text("success")),
        Some(Outcome::Failure) => each(EVENT, "outcome", Value::Text("failure")),
        None => {}
    }
    text(each, EVENT, "provider", provider(event));
}

fn winlog_fields(
    event: &Event<'_>,
    rendered: Option<&str>,
    each: &mut impl FnMut(&[&'static str], &str, Value<'_>),
) {
    const WINLOG: &[&str] = &["winlog"];
    let rendering = event.rendering.as_deref();
    optional(each, WINLOG, "activity_id", event.activity_id.as_deref());
    text(each, WINLOG, "channel", &event.channel);
    text(each, WINLOG, "computer_name", &event.computer);
    data_fields(event, each);
    if let Some(id) = event.event_id {
        each(WINLOG, "event_id", Value::Text(Digits::new(id.into()).as_str()));
    }
    let texts: Vec<&str> = match rendering {
        Some(rendering) if !rendering.keywords.is_empty() => {
            rendering.keywords.iter().map(AsRef::as_ref).collect()
        }
        _ => names::keywords(event.keywords.unwrap_or(0)).collect(),
    };
    if !texts.is_empty() {
        each(WINLOG, "keywords", Value::List(texts));
    }
    optional(each, WINLOG, "message", rendered);
    let opcode = rendering.and_then(|rendering| rendering.opcode.as_deref());
    optional(each, WINLOG, "opcode", opcode.or_else(|| event.opcode.and_then(names::opcode)));
    number(each, &["winlog", "process"], "pid", event.process_id.map(u64::from));
    number(each, &["winlog", "process", "thread"], "id", event.thread_id.map(u64::from));
    optional(each, WINLOG, "provider_guid", event.provider_guid.as_deref());
    text(each, WINLOG, "provider_name", provider(event));
    number(each, WINLOG, "record_id", event.record_id);
    optional(each, WINLOG, "related_activity_id", event.related_activity_id.as_deref());
    let task = rendering.and_then(|rendering| rendering.task.as_deref());
    match (task, event.task) {
        (Some(task), _) => each(WINLOG, "task", Value::Text(task)),
        (None, Some(task)) => each(WINLOG, "task", Value::Text(Digits::new(task.into()).as_str())),
        (None, None) => {}
    }
    optional(each, &["winlog", "user"], "identifier", event.user_id.as_deref());
    if let Some(user_data) = &event.user_data {
        const USER_DATA: &[&str] = &["winlog", "user_data"];
        for (index, (name, value)) in user_data.values.iter().enumerate() {
            let before = user_data.values[..index].iter().filter(|(other, _)| other == name).count();
            each(USER_DATA, &numbered(name, before), Value::Text(value));
        }
        each(USER_DATA, "xml_name", Value::Text(user_data.xml_name));
    }
    number(each, WINLOG, "version", event.version.map(u64::from));
}

fn data_fields(event: &Event<'_>, each: &mut impl FnMut(&[&'static str], &str, Value<'_>)) {
    const EVENT_DATA: &[&str] = &["winlog", "event_data"];
    for (index, data) in event.data.iter().enumerate() {
        match &data.name {
            Some(name) => {
                let same = |other: &&super::event::Data<'_>| other.name.as_ref() == Some(name);
                let before = event.data[..index].iter().filter(same).count();
                each(EVENT_DATA, &numbered(name, before), Value::Text(&data.value));
            }
            None => each(EVENT_DATA, &format!("param{}", index + 1), Value::Text(&data.value)),
        }
    }
    optional(each, EVENT_DATA, "Binary", event.binary.as_deref());
}

/// Classic sources write under another name than their provider's.
fn provider<'a>(event: &'a Event<'_>) -> &'a str {
    event.event_source_name.as_deref().unwrap_or(&event.provider_name)
}

fn numbered(name: &str, before: usize) -> Cow<'_, str> {
    if before == 0 { Cow::Borrowed(name) } else { Cow::Owned(format!("{name}_{}", before + 1)) }
}

fn text(
    each: &mut impl FnMut(&[&'static str], &str, Value<'_>),
    parents: &[&'static str],
    name: &str,
    value: &str,
) {
    optional(each, parents, name, Some(value).filter(|value| !value.is_empty()));
}

fn optional(
    each: &mut impl FnMut(&[&'static str], &str, Value<'_>),
    parents: &[&'static str],
    name: &str,
    value: Option<&str>,
) {
    if let Some(value) = value {
        each(parents, name, Value::Text(value));
    }
}

fn number(
    each: &mut impl FnMut(&[&'static str], &str, Value<'_>),
    parents: &[&'static str],
    name: &str,
    value: Option<u64>,
) {
    if let Some(value) = value {
        each(parents, name, Value::Number(value));
    }
}

/// A number as text, without an allocation.
struct Digits {
    bytes: [u8; 20],
    begin: usize,
}

impl Digits {
    fn new(number: u64) -> Self {
        let mut digits = Self { bytes: [b'0'; 20], begin: 19 };
        let mut rest = number;
        digits.bytes[19] += (rest % 10) as u8;
        rest /= 10;
        while rest > 0 {
            digits.begin -= 1;
            digits.bytes[digits.begin] += (rest % 10) as u8;
            rest /= 10;
        }
        digits
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.bytes[self.begin..]).unwrap_or_default()
    }
}

// === JSON ===

fn key(out: &mut String, name: &str, first: &mut bool) {
    if !std::mem::take(first) {
        out.push(',');
    }
    string(out, name);
    out.push(':');
}

/// A string with its quotes (RFC 8259 §7).
fn string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(at) = find(rest, |byte| (byte < 0x20) | (byte == b'"') | (byte == b'\\')) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            // Writing to a string can't fail.
            control => drop(write!(out, "\\u{control:04x}")),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_becomes_an_object_that_loses_nothing() {
        let xml = "<Event><System><Provider Name='P'/><EventID>7</EventID><Level>2</Level><Task>3</Task>\
                   <Opcode>1</Opcode><Keywords>0x8010000000000000</Keywords><Execution ProcessID='4' ThreadID='5'/>\
                   <Computer>c</Computer></System><EventData><Data>one</Data><Data Name='N'>\"two\"\t\u{1}</Data>\
                   <Data Name='N'>three</Data></EventData></Event>";
        let event = super::super::parse(xml).unwrap();
        let mut json = String::new();
        write_json(&event, Some("<Event/>"), &mut json);
        let found: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(
            found,
            serde_json::json!({
                "message": "<Event/>",
                "event": {"code": "7", "kind": "event", "outcome": "failure", "provider": "P"},
                "host": {"name": "c"},
                "log": {"level": "error"},
                "winlog": {
                    "computer_name": "c", "event_id": "7", "keywords": ["Audit Failure"], "opcode": "Start",
                    "event_data": {"param1": "one", "N": "\"two\"\t\u{fffd}", "N_2": "three"},
                    "process": {"pid": 4, "thread": {"id": 5}}, "provider_name": "P", "task": "3",
                },
            })
        );
    }

    #[test]
    fn numbers_become_digits() {
        for number in [0, 9, 10, 4624, u64::MAX] {
            assert_eq!(Digits::new(number).as_str(), number.to_string());
        }
    }
}
