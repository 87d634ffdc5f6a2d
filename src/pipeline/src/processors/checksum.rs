//! `checksum`: the checksum or hash of a field.

use super::digest::{Algorithm, hex};
use super::target::target_beside;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::write_plain;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use event::model::{Children, Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "checksum",
    family: "arithmetic",
    summary: "Computes a checksum or hash of a field.",
    details: "Of an object the text `name:value|name:value` in the order of its names is taken, of a list its elements with `|` \
              between them. `crc32` is that of zip, `crc64` that of xz, `fnv…` are FNV-1. MD5 and SHA-1 protect against \
              nobody who means harm.",
    options: &[
        FIELD,
        required(
            "algorithm",
            "`crc32`, `crc64`, `adler32`, `fnv32`, `fnv64`, `fnv128`, `md5`, `sha1`, `sha256` or `sha512`.",
        ),
        optional(
            "target_field",
            "the field's name with `_` and the algorithm behind it",
            "Where the checksum goes.",
        ),
        optional(
            "output_format",
            "hex",
            "`hex`, `base64`, or `decimal`, which falls back to hex above 64 bits.",
        ),
        optional("include_fields", "all", "The fields of an object that are taken."),
        optional("exclude_fields", "none", "The fields of an object that are left out."),
        optional("uppercase", "false", "Write hexadecimal digits in capitals."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a text",
            event: r#"{"m": "123456789"}"#,
            processors: "- checksum: {field: m, algorithm: crc32, uppercase: true}",
            outcome: Outcome::Event(r#"{"m": "123456789", "m_crc32": "CBF43926"}"#),
        },
        Example {
            title: "parts of an object",
            event: r#"{"u": {"b": "456789", "a": 1, "password": "x"}}"#,
            processors: "- checksum: {field: u, algorithm: crc32, exclude_fields: [password], output_format: decimal, target_field: c}\n- keep: {field: c}",
            outcome: Outcome::Event(r#"{"c": "1195926363"}"#),
        },
    ],
    compile,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Hex,
    Base64,
    Decimal,
}

struct Checksum {
    field: Path,
    target: Path,
    algorithm: Algorithm,
    format: Format,
    include: Vec<String>,
    exclude: Vec<String>,
    uppercase: bool,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let algorithms = [
        ("crc32", Algorithm::Crc32),
        ("crc64", Algorithm::Crc64),
        ("adler32", Algorithm::Adler32),
        ("fnv32", Algorithm::Fnv32),
        ("fnv64", Algorithm::Fnv64),
        ("fnv128", Algorithm::Fnv128),
        ("md5", Algorithm::Md5),
        ("sha1", Algorithm::Sha1),
        ("sha256", Algorithm::Sha256),
        ("sha512", Algorithm::Sha512),
    ];
    let name = options.required_text("algorithm")?;
    let algorithm = options.choice("algorithm", &algorithms)?;
    let formats = [("hex", Format::Hex), ("base64", Format::Base64), ("decimal", Format::Decimal)];
    let field = options.field("field")?;
    Ok(Box::new(Checksum {
        target: target_beside(options, &field, &format!("_{}", name.to_ascii_lowercase()))?,
        format: options.choice("output_format", &formats)?,
        include: options.texts("include_fields")?,
        exclude: options.texts("exclude_fields")?,
        uppercase: options.flag("uppercase", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
        field,
        algorithm,
    }))
}

impl Processor for Checksum {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let value = match cx.value(&self.field) {
            None if self.ignore_missing => return Ok(Flow::Next),
            None => return Err(Failure::missing(&self.field)),
            Some(value) => value,
        };
        let sum = cx.with_buffer(|cx, bytes| {
            match value {
                Slot::Text(span) | Slot::Bytes(span) => return Ok(self.algorithm.of(cx.event.bytes(span))),
                Slot::Map(map) => self.write_object(cx, map, bytes)?,
                Slot::List(list) => {
                    for (number, node) in cx.event.children(list).enumerate() {
                        if number > 0 {
                            bytes.push(b'|');
                        }
                        write_plain(&cx.event, cx.event.slot(node), bytes)?;
                    }
                }
                scalar => write_plain(&cx.event, scalar, bytes)?,
            }
            Ok::<_, Failure>(self.algorithm.of(bytes))
        })?;
        let text = self.written(&sum);
        let slot = cx.event.text(text.as_bytes())?;
        cx.set(&self.target, slot)?;
        Ok(Flow::Next)
    }
}

impl Checksum {
    fn write_object(&self, cx: &Context<'_>, map: Children, bytes: &mut Vec<u8>) -> Result<(), Failure> {
        let is_one_of = |names: &[String], name: &[u8]| names.iter().any(|known| known.as_bytes() == name);
        let mut fields: Vec<_> = cx.event.children(map).collect();
        fields.retain(|node| {
            let name = cx.event.name(*node);
            (self.include.is_empty() || is_one_of(&self.include, name)) && !is_one_of(&self.exclude, name)
        });
        fields.sort_by(|a, b| cx.event.name(*a).cmp(cx.event.name(*b)));
        for (number, node) in fields.into_iter().enumerate() {
            if number > 0 {
                bytes.push(b'|');
            }
            bytes.extend_from_slice(cx.event.name(node));
            bytes.push(b':');
            write_plain(&cx.event, cx.event.slot(node), bytes)?;
        }
        Ok(())
    }

    fn written(&self, sum: &[u8]) -> String {
        match self.format {
            Format::Base64 => STANDARD.encode(sum),
            Format::Decimal if sum.len() <= 8 => {
                sum.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte)).to_string()
            }
            Format::Hex | Format::Decimal if self.uppercase => hex(sum).to_ascii_uppercase(),
            Format::Hex | Format::Decimal => hex(sum),
        }
    }
}
