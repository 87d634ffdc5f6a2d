//! `fingerprint`: a hash over several fields.
//!
//! The bytes that are hashed are those of Elasticsearch's processor, so that both give the same: for each value a zero
//! byte and the value; objects by the order of their keys, each key with a zero byte before it; whole numbers as
//! four or eight bytes, the highest first.

use super::digest::{Algorithm, Hash};
use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::model::{Event, Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "fingerprint",
    family: "security",
    summary: "Computes a hash over fields.",
    details: "The order of the fields and of the keys of objects does not matter. The hash is written in Base64.",
    options: &[
        required("fields", "The fields; objects and lists with all that is in them."),
        optional("method", "SHA-1", "`MD5`, `SHA-1`, `SHA-256`, `SHA-512` or `MurmurHash3`."),
        optional("salt", "", "A text that is hashed first."),
        optional("target_field", "fingerprint", "Where the hash goes."),
        optional("ignore_missing", "false", "Leave out fields that are missing or null, instead of failing."),
    ],
    examples: &[Example {
        title: "two fields",
        event: r#"{"field1": "value1", "field2": "value2"}"#,
        processors: "- fingerprint: {fields: [field2, field1], method: SHA-256}\n- keep: {field: fingerprint}",
        outcome: Outcome::Event(r#"{"fingerprint": "vjAQ3j4wF3T7LdCXFNgBYAlpYAFBH5qgy5najgPpEyE="}"#),
    }],
    compile,
};

struct Fingerprint {
    /// By name.
    fields: Vec<Path>,
    method: Algorithm,
    salt: String,
    target: Path,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let at = options.required("fields")?.at.clone();
    let mut fields = options.fields("fields")?;
    if fields.is_empty() {
        return Err(options.error(&at, "`fields` names no field", "write it like [user, ip]"));
    }
    fields.sort_by(|a, b| a.text().cmp(b.text()));
    let methods = [
        ("SHA-1", Algorithm::Sha1),
        ("MD5", Algorithm::Md5),
        ("SHA-256", Algorithm::Sha256),
        ("SHA-512", Algorithm::Sha512),
        ("MurmurHash3", Algorithm::Murmur3),
    ];
    let default = Path::of_names(options.keys(), &["fingerprint"]);
    Ok(Box::new(Fingerprint {
        fields,
        method: options.choice("method", &methods)?,
        salt: options.text("salt")?.unwrap_or_default(),
        target: options.field_or("target_field", &default)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Fingerprint {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let mut hash = self.method.start();
        let mut any = false;
        hash.add(self.salt.as_bytes());
        for field in &self.fields {
            match cx.value(field) {
                Some(slot) => add(&mut hash, &cx.event, slot),
                None if self.ignore_missing => continue,
                None => return Err(Failure::missing(field)),
            }
            any = true;
        }
        if !any {
            return Ok(Flow::Next);
        }
        let text = STANDARD.encode(hash.finish());
        let slot = cx.event.text(text.as_bytes())?;
        cx.set(&self.target, slot)?;
        Ok(Flow::Next)
    }
}

/// Depth is bounded by that of events.
fn add(hash: &mut Hash, event: &Event<'_>, slot: Slot) {
    match slot {
        Slot::List(list) => event.children(list).for_each(|node| add(hash, event, event.slot(node))),
        Slot::Map(map) => {
            let mut fields: Vec<_> = event.children(map).collect();
            fields.sort_by(|a, b| event.name(*a).cmp(event.name(*b)));
            for node in fields {
                hash.add(&[0]);
                hash.add(event.name(node));
                add(hash, event, event.slot(node));
            }
        }
        scalar => {
            hash.add(&[0]);
            match scalar {
                Slot::Bool(truth) => hash.add(&[if truth { 1 } else { 2 }]),
                Slot::Int(number) => match i32::try_from(number) {
                    Ok(number) => hash.add(&number.to_be_bytes()),
                    Err(_) => hash.add(&number.to_be_bytes()),
                },
                Slot::Float(number) => hash.add(&number.to_be_bytes()),
                Slot::Text(span) | Slot::Bytes(span) => hash.add(event.bytes(span)),
                Slot::Time(nanos) => {
                    let mut text = Vec::new();
                    event::model::json_write::write_time(nanos, &mut text);
                    hash.add(&text);
                }
                Slot::Null | Slot::List(_) | Slot::Map(_) => {}
            }
        }
    }
}
