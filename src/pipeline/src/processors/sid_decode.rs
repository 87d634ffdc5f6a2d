//! `sid_decode`: Windows security identifiers, as text and in parts.

use super::object::{Object, put_each};
use super::sid::{Sid, rid_name};
use super::target::target_beside;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Processor, Ran};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::model::{Children, Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "sid_decode",
    family: "decode",
    summary: "Decodes Windows security identifiers.",
    details: "A text (`S-1-5-18`), hexadecimal digits, Base64 or bytes become the text; with `resolve_well_known` or \
              `add_components` an object with `sid` and what was asked for. Of a list each element is decoded.",
    options: &[
        FIELD,
        optional("target_field", "the field's name with `_decoded` behind it", "Where the result goes."),
        optional("format", "what it looks like", "`string`, `hex` or `base64`."),
        optional("resolve_well_known", "false", "Add `name` and `is_well_known`."),
        optional(
            "add_components",
            "false",
            "Add revision, authority, sub-authorities, and of accounts of domains `domain_id`, `rid`, `rid_type`.",
        ),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "well-known accounts",
            event: r#"{"s": ["S-1-5-18", "010200000000000520000000 20020000"]}"#,
            processors: "- gsub: {field: s, pattern: ' ', replacement: ''}\n- sid_decode: {field: s, resolve_well_known: true, target_field: d}\n- remove: {field: s}",
            outcome: Outcome::Event(
                r#"{"d": [{"sid": "S-1-5-18", "name": "Local System", "is_well_known": true}, {"sid": "S-1-5-32-544", "name": "Administrators", "is_well_known": true}]}"#,
            ),
        },
        Example {
            title: "no identifier",
            event: r#"{"s": "x"}"#,
            processors: "- sid_decode: {field: s}",
            outcome: Outcome::Fails("is no windows security identifier"),
        },
    ],
    compile,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Any,
    Text,
    Hex,
    Base64,
}

struct SidDecode {
    field: Path,
    target: Path,
    format: Format,
    resolve: bool,
    add_components: bool,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let formats =
        [("auto", Format::Any), ("string", Format::Text), ("hex", Format::Hex), ("base64", Format::Base64)];
    Ok(Box::new(SidDecode {
        target: target_beside(options, &field, "_decoded")?,
        format: options.choice("format", &formats)?,
        resolve: options.flag("resolve_well_known", false)?,
        add_components: options.flag("add_components", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
        field,
    }))
}

impl Processor for SidDecode {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        put_each(cx, (&self.field, &self.target), self.ignore_missing, |cx, slot| self.decode(cx, slot))
    }
}

impl SidDecode {
    fn decode(&self, cx: &mut Context<'_>, slot: Slot) -> Result<Slot, Failure> {
        let sid = match slot {
            Slot::Bytes(span) => Sid::from_bytes(cx.event.bytes(span)),
            Slot::Text(span) => self.read(cx.event.bytes(span)),
            other => return Err(not_a_text(other).at(&self.field)),
        };
        let sid = sid.ok_or_else(|| Failure::fixed("is no windows security identifier").at(&self.field))?;
        if !self.resolve && !self.add_components {
            return Ok(cx.event.text(sid.text().as_bytes())?);
        }
        let mut object = Object::new();
        object.text(cx, "sid", &sid.text())?;
        if self.resolve {
            let name = sid.well_known_name();
            if let Some(name) = name {
                object.text(cx, "name", name)?;
            }
            object.put(cx, "is_well_known", Slot::Bool(name.is_some()))?;
        }
        if self.add_components {
            components(cx, &sid, &mut object)?;
        }
        Ok(object.slot())
    }

    fn read(&self, text: &[u8]) -> Option<Sid> {
        let text = std::str::from_utf8(text).ok()?.trim();
        let from_hex = || Sid::from_bytes(&bytes_of_hex(text)?);
        let from_base64 = || Sid::from_bytes(&STANDARD.decode(text).ok()?);
        match self.format {
            Format::Text => Sid::parse(text),
            Format::Hex => from_hex(),
            Format::Base64 => from_base64(),
            Format::Any => Sid::parse(text).or_else(from_hex).or_else(from_base64),
        }
    }
}

fn bytes_of_hex(text: &str) -> Option<Vec<u8>> {
    let digits = text.strip_prefix("0x").unwrap_or(text).as_bytes();
    if digits.is_empty() || !digits.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

fn components(cx: &mut Context<'_>, sid: &Sid, object: &mut Object) -> Result<(), Failure> {
    object.put(cx, "revision", Slot::Int(sid.revision.into()))?;
    object.put(cx, "authority", Slot::Int(sid.authority as i64))?;
    object.text(cx, "authority_name", sid.authority_name())?;
    let mut parts = Children::EMPTY;
    for part in &sid.sub_authorities {
        cx.event.push_to(&mut parts, Slot::Int((*part).into()))?;
    }
    object.put(cx, "sub_authorities", Slot::List(parts))?;
    object.put(cx, "sub_authority_count", Slot::Int(sid.sub_authorities.len() as i64))?;
    object.put(cx, "is_domain_sid", Slot::Bool(sid.is_domain_sid()))?;
    if let (true, [_, a, b, c, rest @ ..]) = (sid.is_domain_sid(), &sid.sub_authorities[..]) {
        object.text(cx, "domain_id", &format!("{a}-{b}-{c}"))?;
        if let [.., rid] = rest {
            object.put(cx, "rid", Slot::Int((*rid).into()))?;
            let kind = match rid {
                rid if rid_name(*rid).is_some() => "well_known",
                // MS-DTYP 2.4.2.4: what administrators make starts at 1000.
                0..1000 => "reserved",
                _ => "user",
            };
            object.text(cx, "rid_type", kind)?;
            if let Some(name) = rid_name(*rid) {
                object.text(cx, "rid_name", name)?;
            }
        }
    }
    Ok(())
}
