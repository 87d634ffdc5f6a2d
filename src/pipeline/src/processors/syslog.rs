//! `syslog`: RFC 3164 and RFC 5424 headers to fields.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, KeyId, Keys, Path, Slot, Span};
use protocol::syslog::{Message, StructuredData, parse};

pub(super) static SPEC: Spec = Spec {
    name: "syslog",
    family: "parse",
    summary: "Reads a syslog line, RFC 3164 in its dialects or RFC 5424, into priority, facility, severity, timestamp, \
              hostname, appname, pid, msgid, structured data and message.",
    details: "Fields that the line does not have are left out. The text behind the header, CEF and LEEF included, is `message`. \
              A line without priority and timestamp is a failure.",
    options: &[FIELD, optional("target_field", "log.syslog", "Where the object goes."), IGNORE_MISSING],
    examples: &[
        Example {
            title: "RFC 3164",
            event: r#"{"m": "<190>Jul 23 18:07:21 dhcp6c[10256]: add an address"}"#,
            processors: "- syslog: {field: m, target_field: s}\n- remove: {field: [m, s.timestamp]}",
            outcome: Outcome::Event(
                r#"{"s": {"priority": 190, "facility": {"code": 23, "name": "Local 7"}, "severity": {"code": 6, "name": "Informational"}, "appname": "dhcp6c", "pid": 10256, "message": "add an address"}}"#,
            ),
        },
        Example {
            title: "RFC 5424 with structured data",
            event: r#"{"m": "<27>1 2021-07-03T22:17:01-05:00 host app 7 ID1 [meta seq=\"1\"] text"}"#,
            processors: "- syslog: {field: m, target_field: s}\n- remove: {field: [m, s.facility, s.severity]}",
            outcome: Outcome::Event(
                r#"{"s": {"priority": 27, "version": 1, "timestamp": "2021-07-03T22:17:01-05:00", "hostname": "host", "appname": "app", "pid": 7, "msgid": "ID1", "structured_data": {"meta": {"seq": "1"}}, "message": "text"}}"#,
            ),
        },
        Example {
            title: "no syslog",
            event: r#"{"m": "just words"}"#,
            processors: "- syslog: {field: m}",
            outcome: Outcome::Fails("is no syslog line"),
        },
    ],
    compile,
};

struct Syslog {
    target: Target,
    names: Names,
}

/// The names of the fields.
struct Names {
    priority: KeyId,
    facility: KeyId,
    severity: KeyId,
    code: KeyId,
    name: KeyId,
    version: KeyId,
    timestamp: KeyId,
    hostname: KeyId,
    appname: KeyId,
    pid: KeyId,
    msgid: KeyId,
    sequence: KeyId,
    structured_data: KeyId,
    message: KeyId,
}

impl Names {
    fn new(keys: &Keys) -> Self {
        Self {
            priority: keys.compiled("priority"),
            facility: keys.compiled("facility"),
            severity: keys.compiled("severity"),
            code: keys.compiled("code"),
            name: keys.compiled("name"),
            version: keys.compiled("version"),
            timestamp: keys.compiled("timestamp"),
            hostname: keys.compiled("hostname"),
            appname: keys.compiled("appname"),
            pid: keys.compiled("pid"),
            msgid: keys.compiled("msgid"),
            sequence: keys.compiled("sequence"),
            structured_data: keys.compiled("structured_data"),
            message: keys.compiled("message"),
        }
    }
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let default = Path::of_names(options.keys(), &["log", "syslog"]);
    let mut target = Target::read(options)?;
    target.target = options.field_or("target_field", &default)?;
    Ok(Box::new(Syslog { target, names: Names::new(options.keys()) }))
}

impl Processor for Syslog {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let map = cx.with_bytes(span, |cx, line| self.build(cx, span, line))?;
        self.target.put(cx, map)?;
        Ok(Flow::Next)
    }
}

impl Syslog {
    /// The fields of `line`, which are the bytes of `span`: texts become parts of it.
    fn build(&self, cx: &mut Context<'_>, span: Span, line: &[u8]) -> Result<Slot, Failure> {
        let message = parse(line);
        if !message.parsed() {
            return Err(Failure::fixed("is no syslog line: it has neither a priority nor a timestamp")
                .at(&self.target.field));
        }
        let names = &self.names;
        let part = |text: &[u8]| Slot::Text(part_of(span, line, text));
        let mut map = Children::EMPTY;
        self.add_priority(cx, &mut map, &message)?;
        if let Some(version) = message.version {
            cx.event.append_to(&mut map, names.version, Slot::Int(i64::from(version)))?;
        }
        if let Some(timestamp) = &message.timestamp {
            cx.event.append_to(&mut map, names.timestamp, part(timestamp.text()))?;
        }
        let texts = [
            (names.hostname, message.hostname),
            (names.appname, message.app),
            (names.pid, message.procid),
            (names.msgid, message.msgid),
            (names.sequence, message.sequence),
        ];
        for (key, text) in texts {
            let Some(text) = text else { continue };
            let is_number = key == names.pid || key == names.sequence;
            let slot = if is_number { number(text).unwrap_or_else(|| part(text)) } else { part(text) };
            cx.event.append_to(&mut map, key, slot)?;
        }
        if !message.structured_data.is_empty() {
            let data = structured(cx, span, line, &message.structured_data)?;
            cx.event.append_to(&mut map, names.structured_data, data)?;
        }
        cx.event.append_to(&mut map, names.message, part(message.message))?;
        Ok(Slot::Map(map))
    }

    fn add_priority(
        &self,
        cx: &mut Context<'_>,
        map: &mut Children,
        message: &Message<'_>,
    ) -> Result<(), Failure> {
        let Some(priority) = message.priority else { return Ok(()) };
        let (facility, severity) = (priority.facility(), priority.severity());
        cx.event.append_to(map, self.names.priority, Slot::Int(i64::from(priority.value())))?;
        let facility = self.coded(cx, facility.code(), facility.name())?;
        cx.event.append_to(map, self.names.facility, facility)?;
        let severity = self.coded(cx, severity.code(), severity.name())?;
        cx.event.append_to(map, self.names.severity, severity)?;
        Ok(())
    }

    fn coded(&self, cx: &mut Context<'_>, code: u8, name: &str) -> Result<Slot, Failure> {
        let mut map = Children::EMPTY;
        cx.event.append_to(&mut map, self.names.code, Slot::Int(i64::from(code)))?;
        let name = cx.event.text(name.as_bytes())?;
        cx.event.append_to(&mut map, self.names.name, name)?;
        Ok(Slot::Map(map))
    }
}

/// A part of `line` as a part of `span`.
pub(super) fn part_of(span: Span, line: &[u8], part: &[u8]) -> Span {
    let from = (part.as_ptr() as usize).saturating_sub(line.as_ptr() as usize).min(line.len());
    span.part(from, (from + part.len()).min(line.len()))
}

fn number(text: &[u8]) -> Option<Slot> {
    let is_plain = text.iter().all(u8::is_ascii_digit) && (text.len() == 1 || text.first() != Some(&b'0'));
    if !is_plain || text.is_empty() || text.len() > 18 {
        return None;
    }
    Some(Slot::Int(text.iter().fold(0, |number, digit| number * 10 + i64::from(digit - b'0'))))
}

fn structured(
    cx: &mut Context<'_>,
    span: Span,
    line: &[u8],
    data: &StructuredData<'_>,
) -> Result<Slot, Failure> {
    let mut elements = Children::EMPTY;
    for element in data.elements() {
        let mut parameters = Children::EMPTY;
        for parameter in element.parameters() {
            let key = cx.event.key_of(parameter.name)?;
            let value = match parameter.value() {
                std::borrow::Cow::Borrowed(value) => Slot::Text(part_of(span, line, value)),
                std::borrow::Cow::Owned(value) => cx.event.text(&value)?,
            };
            match cx.event.field(parameters, key) {
                Some(node) => cx.event.put(node, value),
                None => drop(cx.event.append_to(&mut parameters, key, value)?),
            }
        }
        let key = cx.event.key_of(element.id)?;
        match cx.event.field(elements, key) {
            Some(node) => cx.event.put(node, Slot::Map(parameters)),
            None => drop(cx.event.append_to(&mut elements, key, Slot::Map(parameters))?),
        }
    }
    Ok(Slot::Map(elements))
}
