//! `hex_decode`: hexadecimal text as what it stands for.

use super::colors::{Color, name_of};
use super::target::{Target, add_field, add_text};
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "hex_decode",
    family: "decode",
    summary: "Decodes hexadecimal text: to text, to a colour, a hex dump, or a record of Intel HEX.",
    details: "Blanks and `0x` do not count. `ascii` and `utf8` give text; bytes that are none become U+FFFD. `color` gives `name`, \
              `hex`, `r`, `g`, `b`; `dump` gives `data`, `size`, `addresses` and `file_type` (PNG, JPEG, GIF, PDF, ZIP, GZIP, ELF, \
              PE); `intel_hex` gives `length`, `address`, `record_type`, `type_name`, `data`, `data_hex`, `checksum` and `valid`.",
    options: &[
        FIELD,
        TARGET_FIELD,
        optional("format", "ascii", "`ascii`, `utf8`, `color`, `dump` or `intel_hex`."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "text",
            event: r#"{"a": "0x48 65 6c 6C 6f"}"#,
            processors: "- hex_decode: {field: a}",
            outcome: Outcome::Event(r#"{"a": "Hello"}"#),
        },
        Example {
            title: "a dump",
            event: r#"{"a": "00000000: 8950 4e47 0d0a 1a0a  .PNG...."}"#,
            processors: "- hex_decode: {field: a, format: dump}",
            outcome: Outcome::Event(
                r#"{"a": {"data": [137, 80, 78, 71, 13, 10, 26, 10], "size": 8, "addresses": ["00000000"], "file_type": "PNG"}}"#,
            ),
        },
        Example {
            title: "Intel HEX",
            event: r#"{"a": ":0300300002337A1E"}"#,
            processors: "- hex_decode: {field: a, format: intel_hex}",
            outcome: Outcome::Event(
                r#"{"a": {"length": 3, "address": 48, "record_type": 0, "type_name": "Data", "data": [2, 51, 122], "data_hex": "02337A", "checksum": 30, "valid": true}}"#,
            ),
        },
        Example {
            title: "something else",
            event: r#"{"a": "xyz"}"#,
            processors: "- hex_decode: {field: a}",
            outcome: Outcome::Fails("is no hexadecimal text"),
        },
    ],
    compile,
};

#[derive(Clone, Copy)]
enum Format {
    Text,
    Color,
    Dump,
    IntelHex,
}

struct HexDecode {
    target: Target,
    format: Format,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let formats = [
        ("ascii", Format::Text),
        ("utf8", Format::Text),
        ("color", Format::Color),
        ("dump", Format::Dump),
        ("intel_hex", Format::IntelHex),
    ];
    Ok(Box::new(HexDecode { target: Target::read(options)?, format: options.choice("format", &formats)? }))
}

impl Processor for HexDecode {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let Slot::Text(span) = slot else { return Err(not_a_text(slot)) };
            let text = String::from_utf8_lossy(cx.event.bytes(span)).into_owned();
            match self.format {
                Format::Text => {
                    let bytes = bytes(&text).ok_or(Failure::fixed("is no hexadecimal text"))?;
                    Ok(cx.event.text(String::from_utf8_lossy(&bytes).as_bytes())?)
                }
                Format::Color => color(cx, &text),
                Format::Dump => dump(cx, &text),
                Format::IntelHex => intel_hex(cx, text.trim()),
            }
        })?;
        Ok(Flow::Next)
    }
}

/// The bytes of hexadecimal text; none if it is something else.
pub(super) fn bytes(text: &str) -> Option<Vec<u8>> {
    let bare = text.replace("0x", "").replace("0X", "");
    let mut out = Vec::with_capacity(bare.len() / 2);
    let mut high = None;
    for letter in bare.chars().filter(|c| !c.is_whitespace() && *c != ':' && *c != '-') {
        let digit = letter.to_digit(16)? as u8;
        match high.take() {
            None => high = Some(digit),
            Some(high) => out.push(high << 4 | digit),
        }
    }
    high.is_none().then_some(out)
}

fn color(cx: &mut Context<'_>, text: &str) -> Result<Slot, Failure> {
    let color = Color::from_hex(text.trim()).ok_or(Failure::fixed("is no hexadecimal colour"))?;
    let [r, g, b] = color.rgb();
    let mut map = Children::EMPTY;
    if let Some(name) = name_of([r, g, b]) {
        let titled = name[..1].to_uppercase() + &name[1..];
        add_text(cx, &mut map, "name", &titled)?;
    }
    add_text(cx, &mut map, "hex", &format!("{r:02X}{g:02X}{b:02X}"))?;
    for (name, value) in [("r", r), ("g", g), ("b", b)] {
        add_field(cx, &mut map, name, Slot::Int(i64::from(value)))?;
    }
    Ok(Slot::Map(map))
}

/// Lines of an address, a colon, groups of hexadecimal digits and, behind two blanks or a bar, their characters.
fn dump(cx: &mut Context<'_>, text: &str) -> Result<Slot, Failure> {
    let mut addresses = Children::EMPTY;
    let mut data: Vec<u8> = Vec::new();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let line = line.trim_start();
        let is_address = |word: &&str| word.len() >= 4 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
        let digits = match line.split_once(':') {
            Some((address, behind)) if is_address(&address) => {
                let address = cx.event.text(address.as_bytes())?;
                cx.event.push_to(&mut addresses, address)?;
                behind
            }
            _ => line,
        };
        let digits = digits.trim_start();
        let digits = digits.split_once("  ").map_or(digits, |(digits, _)| digits);
        let digits = digits.split_once('|').map_or(digits, |(digits, _)| digits);
        // A digit too many at the end of a line is cut off, rather than the line lost.
        let whole = digits.trim_end();
        let cut = whole.get(..whole.len().saturating_sub(1)).unwrap_or_default();
        let found = bytes(whole).or_else(|| bytes(cut));
        data.extend(found.ok_or(Failure::fixed("is no hex dump"))?);
    }
    let mut map = Children::EMPTY;
    let list = numbers(cx, &data)?;
    add_field(cx, &mut map, "data", list)?;
    add_field(cx, &mut map, "size", Slot::Int(data.len() as i64))?;
    add_field(cx, &mut map, "addresses", Slot::List(addresses))?;
    if let Some(kind) = file_type(&data) {
        add_text(cx, &mut map, "file_type", kind)?;
    }
    Ok(Slot::Map(map))
}

fn file_type(data: &[u8]) -> Option<&'static str> {
    const MAGIC: [(&[u8], &str); 8] = [
        (b"\x89PNG", "PNG"),
        (b"\xff\xd8\xff", "JPEG"),
        (b"GIF8", "GIF"),
        (b"%PDF", "PDF"),
        (b"PK\x03\x04", "ZIP"),
        (b"\x1f\x8b", "GZIP"),
        (b"\x7fELF", "ELF"),
        (b"MZ", "PE"),
    ];
    MAGIC.iter().find(|(magic, _)| data.starts_with(magic)).map(|(_, name)| *name)
}

/// One record: a colon, then length, address, type, data and checksum.
fn intel_hex(cx: &mut Context<'_>, text: &str) -> Result<Slot, Failure> {
    let record = text.strip_prefix(':').and_then(bytes).ok_or(Failure::fixed("is no record of Intel HEX"))?;
    let ([length, high, low, kind], [data @ .., checksum]) = record
        .split_first_chunk::<4>()
        .ok_or(Failure::fixed("is a record of Intel HEX that is too short"))?
    else {
        return Err(Failure::fixed("is a record of Intel HEX that is too short"));
    };
    let sum = record.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    let name = match kind {
        0 => "Data",
        1 => "End Of File",
        2 => "Extended Segment Address",
        3 => "Start Segment Address",
        4 => "Extended Linear Address",
        5 => "Start Linear Address",
        _ => "Unknown",
    };
    let mut map = Children::EMPTY;
    add_field(cx, &mut map, "length", Slot::Int(i64::from(*length)))?;
    add_field(cx, &mut map, "address", Slot::Int(i64::from(u16::from_be_bytes([*high, *low]))))?;
    add_field(cx, &mut map, "record_type", Slot::Int(i64::from(*kind)))?;
    add_text(cx, &mut map, "type_name", name)?;
    let list = numbers(cx, data)?;
    add_field(cx, &mut map, "data", list)?;
    add_text(cx, &mut map, "data_hex", &upper_hex(data))?;
    add_field(cx, &mut map, "checksum", Slot::Int(i64::from(*checksum)))?;
    add_field(cx, &mut map, "valid", Slot::Bool(sum == 0 && usize::from(*length) == data.len()))?;
    Ok(Slot::Map(map))
}

fn upper_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

fn numbers(cx: &mut Context<'_>, bytes: &[u8]) -> Result<Slot, Failure> {
    let mut list = Children::EMPTY;
    for byte in bytes {
        cx.event.push_to(&mut list, Slot::Int(i64::from(*byte)))?;
    }
    Ok(Slot::List(list))
}
