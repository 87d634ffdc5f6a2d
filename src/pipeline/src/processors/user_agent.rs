//! `user_agent`: what a browser says about itself.
//!
//! Name, version and kind of device come from the rules of project Woothee; the system and the device are given as the
//! agent spells them.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, KeyId, Slot, Span};
use memchr::memchr;
use woothee::parser::Parser;

pub(super) static SPEC: Spec = Spec {
    name: "user_agent",
    family: "parse",
    summary: "Reads a user agent into name, version, system and device.",
    details: "Gives `original`, `name`, `version`, `os.name` and `device.name` as the agent spells them, `os.version`, and on request \
              `device.type` (Desktop, Phone, Robot, Other). Of an agent that is not known only `original` is given.",
    options: &[
        FIELD,
        optional("target_field", "user_agent", "Where the object goes."),
        optional("properties", "all", "What is given: of `name`, `version`, `os`, `device`, `original`."),
        optional("extract_device_type", "false", "Add `device.type`."),
        optional("regex_file", "", "Not supported: the rules are built in."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a browser",
            event: r#"{"a": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10_5) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/51.0.2704.103 Safari/537.36"}"#,
            processors: "- user_agent: {field: a, properties: [name, version, os, device], extract_device_type: true}\n- remove: {field: a}",
            outcome: Outcome::Event(
                r#"{"user_agent": {"name": "Chrome", "version": "51.0.2704.103", "os": {"name": "Intel Mac OS X 10_10_5", "version": "10.10.5"}, "device": {"name": "Macintosh", "type": "Desktop"}}}"#,
            ),
        },
        Example {
            title: "an agent that is not known",
            event: r#"{"a": "InvalidUserAgent"}"#,
            processors: "- user_agent: {field: a}\n- remove: {field: a}",
            outcome: Outcome::Event(r#"{"user_agent": {"original": "InvalidUserAgent"}}"#),
        },
    ],
    compile,
};

struct UserAgent {
    target: Target,
    parser: Parser,
    properties: Properties,
    device_type: bool,
    names: Names,
}

/// What is given.
struct Properties {
    name: bool,
    version: bool,
    os: bool,
    device: bool,
    original: bool,
}

struct Names {
    name: KeyId,
    version: KeyId,
    os: KeyId,
    device: KeyId,
    kind: KeyId,
    original: KeyId,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    if let Some(node) = options.node("regex_file") {
        return Err(options.error(&node.at, "the rules for user agents are built in", "remove `regex_file`"));
    }
    const KNOWN: [&str; 6] = ["name", "version", "os", "device", "original", "all"];
    let listed = options.texts("properties")?;
    for property in &listed {
        if !KNOWN.contains(&property.to_ascii_lowercase().as_str()) {
            let at = options.place_of("properties");
            let what = format!("the option \"properties\" has no value {property:?}");
            return Err(options.error(&at, what, format!("there are {}", KNOWN.join(", "))));
        }
    }
    let is_asked = |name: &str| {
        listed.is_empty()
            || listed
                .iter()
                .any(|listed| listed.eq_ignore_ascii_case(name) || listed.eq_ignore_ascii_case("all"))
    };
    let key = |name: &str| options.keys().compiled(name);
    let names = Names {
        name: key("name"),
        version: key("version"),
        os: key("os"),
        device: key("device"),
        kind: key("type"),
        original: key("original"),
    };
    let properties = Properties {
        name: is_asked("name"),
        version: is_asked("version"),
        os: is_asked("os"),
        device: is_asked("device"),
        original: is_asked("original"),
    };
    Ok(Box::new(UserAgent {
        target: Target::read_or(options, &["user_agent"])?,
        parser: Parser::new(),
        properties,
        device_type: options.flag("extract_device_type", false)?,
        names,
    }))
}

impl Processor for UserAgent {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let map = cx.with_bytes(span, |cx, bytes| {
            let mut map = Children::EMPTY;
            if self.properties.original {
                cx.event.append_to(&mut map, self.names.original, Slot::Text(span))?;
            }
            self.add(cx, &mut map, span, bytes)?;
            Ok::<_, Failure>(map)
        })?;
        self.target.put(cx, Slot::Map(map))?;
        Ok(Flow::Next)
    }
}

/// What Woothee says where it knows nothing.
const UNKNOWN: &str = "UNKNOWN";

impl UserAgent {
    fn add(&self, cx: &mut Context<'_>, map: &mut Children, span: Span, bytes: &[u8]) -> Result<(), Failure> {
        let Ok(text) = std::str::from_utf8(bytes) else { return Ok(()) };
        let Some(found) = self.parser.parse(text) else { return Ok(()) };
        let names = &self.names;
        let is_known = |value: &str| !value.is_empty() && value != UNKNOWN;
        let asked = [
            (self.properties.name, names.name, found.name),
            (self.properties.version, names.version, found.version),
        ];
        for (is_asked, key, value) in asked {
            if is_asked && is_known(value) {
                let value = cx.event.text(value.as_bytes())?;
                cx.event.append_to(map, key, value)?;
            }
        }
        let (device, system) = comment(bytes);
        let part = |range: std::ops::Range<usize>| Slot::Text(span.part(range.start, range.end));
        if self.properties.os {
            let mut os = Children::EMPTY;
            if let Some(system) = system {
                cx.event.append_to(&mut os, names.name, part(system))?;
            } else if is_known(found.os) {
                let name = cx.event.text(found.os.as_bytes())?;
                cx.event.append_to(&mut os, names.name, name)?;
            }
            if is_known(&found.os_version) {
                let version = cx.event.text(found.os_version.as_bytes())?;
                cx.event.append_to(&mut os, names.version, version)?;
            }
            if os.len() > 0 {
                cx.event.append_to(map, names.os, Slot::Map(os))?;
            }
        }
        if self.properties.device {
            let mut device_map = Children::EMPTY;
            if let Some(device) = device {
                cx.event.append_to(&mut device_map, names.name, part(device))?;
            }
            if self.device_type {
                let kind = cx.event.text(kind(found.category).as_bytes())?;
                cx.event.append_to(&mut device_map, names.kind, kind)?;
            }
            if device_map.len() > 0 {
                cx.event.append_to(map, names.device, Slot::Map(device_map))?;
            }
        }
        Ok(())
    }
}

/// Elasticsearch's names for kinds of devices.
fn kind(category: &str) -> &'static str {
    match category {
        "pc" => "Desktop",
        "smartphone" | "mobilephone" => "Phone",
        "crawler" => "Robot",
        _ => "Other",
    }
}

/// The first two parts of the first comment, `(device; system; …)`, as places in the text.
fn comment(text: &[u8]) -> (Option<std::ops::Range<usize>>, Option<std::ops::Range<usize>>) {
    let Some(open) = memchr(b'(', text) else { return (None, None) };
    let Some(len) = memchr(b')', &text[open..]) else { return (None, None) };
    let end = open + len;
    let mut from = open + 1;
    let mut next = || {
        if from > end {
            return None;
        }
        let to = memchr(b';', &text[from..end]).map_or(end, |at| from + at);
        let part = &text[from..to];
        let start = from + (part.len() - part.trim_ascii_start().len());
        from = to + 1;
        Some(start..start + part.trim_ascii().len()).filter(|range| !range.is_empty())
    };
    let first = next();
    // `(X11; U; Linux x86_64)`, `(compatible; MSIE 8.0; Windows NT 6.1)`: what tells nothing is passed over.
    let mut second = next();
    while second
        .clone()
        .is_some_and(|range| text[range.clone()].len() < 2 || text[range].starts_with(b"MSIE"))
    {
        second = next();
    }
    (first, second)
}
