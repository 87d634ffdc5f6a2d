//! `cpid`: one id for a process in the records of all sources.

use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::write_plain;
use event::model::{Path, Slot, json_write};
use jiff::tz::TimeZone;
use sha2::{Digest, Sha256};

pub(super) static SPEC: Spec = Spec {
    name: "cpid",
    family: "security",
    summary: "Computes a common process id from host, process id and time of start: a UUID, version 8 (RFC 9562).",
    details: "It is the SHA-256 of `host|pid|time`, cut to 122 bits: the host in small letters, the time in UTC with \
              nanoseconds, if it can be read as one. So the same process has the same id in all records that agree on these three.",
    options: &[
        required("hostname_field", "The field with the host's name."),
        required("process_id_field", "The field with the process id."),
        required("time_field", "The field with the time at which the process started."),
        optional("target_field", "process.common_id", "Where the id goes."),
        optional(
            "ignore_missing",
            "false",
            "A missing time is the time of the run, a missing host or process id nothing, instead of failing.",
        ),
    ],
    examples: &[Example {
        title: "the same process, written differently",
        event: r#"{"a": {"h": "WEB-1", "p": 1234, "t": "2023-06-15T10:30:45Z"}, "b": {"h": "web-1", "p": "1234", "t": "2023-06-15T12:30:45.000+02:00"}}"#,
        processors: "- cpid: {hostname_field: a.h, process_id_field: a.p, time_field: a.t, target_field: x}\n- cpid: {hostname_field: b.h, process_id_field: b.p, time_field: b.t, target_field: y}\n- keep: {field: [x, y]}",
        outcome: Outcome::Event(
            r#"{"x": "9172648b-284a-8936-a298-41bc53b06473", "y": "9172648b-284a-8936-a298-41bc53b06473"}"#,
        ),
    }],
    compile,
};

struct Cpid {
    host: Path,
    process: Path,
    time: Path,
    target: Path,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let default = Path::of_names(options.keys(), &["process", "common_id"]);
    Ok(Box::new(Cpid {
        host: options.field("hostname_field")?,
        process: options.field("process_id_field")?,
        time: options.field("time_field")?,
        target: options.field_or("target_field", &default)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Cpid {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let id = cx.with_buffer(|cx, text| {
            self.add(cx, &self.host, text)?;
            text.make_ascii_lowercase();
            text.push(b'|');
            self.add(cx, &self.process, text)?;
            text.push(b'|');
            match cx.value(&self.time) {
                Some(slot) => write_time(cx, slot, text)?,
                None if self.ignore_missing => json_write::write_time(cx.now, text),
                None => return Err(Failure::missing(&self.time)),
            }
            Ok(id(text))
        })?;
        let slot = cx.event.text(id.as_bytes())?;
        cx.set(&self.target, slot)?;
        Ok(Flow::Next)
    }
}

impl Cpid {
    fn add(&self, cx: &Context<'_>, path: &Path, text: &mut Vec<u8>) -> Result<(), Failure> {
        match cx.value(path) {
            Some(slot) => write_plain(&cx.event, slot, text),
            None if self.ignore_missing => Ok(()),
            None => Err(Failure::missing(path)),
        }
    }
}

/// A time in one spelling, whatever the zone; what is no time as it is.
fn write_time(cx: &Context<'_>, slot: Slot, text: &mut Vec<u8>) -> Result<(), Failure> {
    if let Slot::Text(span) = slot
        && let Ok(written) = std::str::from_utf8(cx.event.bytes(span))
        && let Some(time) = crate::time::parse_iso(written, &TimeZone::UTC)
        && let Ok(nanos) = i64::try_from(time.timestamp().as_nanosecond())
    {
        json_write::write_time(nanos, text);
        return Ok(());
    }
    write_plain(&cx.event, slot, text)
}

/// RFC 9562 §5.8: version 8, the variant of RFC 9562.
fn id(text: &[u8]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(text)[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let digits = super::digest::hex(&bytes);
    [&digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..]].join("-")
}
