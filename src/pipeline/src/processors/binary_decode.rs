//! `binary_decode`: bits, or other notations of bytes, as text.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "binary_decode",
    family: "decode",
    summary: "Decodes a text of bits, or of hexadecimal, decimal or octal numbers, to text.",
    details: "Blanks, commas, dashes and underscores separate numbers; bits without them are cut into characters, with zeros before \
              the first one where some are missing.",
    options: &[
        FIELD,
        TARGET_FIELD,
        optional("input_format", "binary", "`binary`, `hex`, `decimal` or `octal`."),
        optional(
            "output_format",
            "string",
            "`string`, `hex`, `decimal` (numbers with blanks) or `bytes` (a list).",
        ),
        optional("encoding", "utf8", "`utf8`, `ascii`, `utf16le` or `utf16be`."),
        optional("bits_per_char", "8, or 7 of ascii", "How many bits are a character, 1 to 8."),
        optional("delimiter", "", "What separates numbers, instead of blanks and signs."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "bits",
            event: r#"{"a": ["0100100001101001", "01000010 01111001"]}"#,
            processors: "- binary_decode: {field: a}",
            outcome: Outcome::Event(r#"{"a": ["Hi", "By"]}"#),
        },
        Example {
            title: "other notations",
            event: r#"{"a": "48656C6C6F", "b": "72|105"}"#,
            processors: "- binary_decode: {field: a, input_format: hex}\n- binary_decode: {field: b, input_format: decimal, delimiter: '|', output_format: bytes}",
            outcome: Outcome::Event(r#"{"a": "Hello", "b": [72, 105]}"#),
        },
        Example {
            title: "no bits",
            event: r#"{"a": "012"}"#,
            processors: "- binary_decode: {field: a}",
            outcome: Outcome::Fails("has a digit that its format does not have"),
        },
    ],
    compile,
};

#[derive(Clone, Copy)]
enum Output {
    Text,
    Hex,
    Decimal,
    Bytes,
}

#[derive(Clone, Copy, PartialEq)]
enum Encoding {
    Utf8,
    Ascii,
    Utf16Le,
    Utf16Be,
}

struct BinaryDecode {
    target: Target,
    radix: u32,
    output: Output,
    encoding: Encoding,
    bits: usize,
    delimiter: Option<String>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let radixes = [("binary", 2), ("hex", 16), ("decimal", 10), ("octal", 8)];
    let outputs = [
        ("string", Output::Text),
        ("hex", Output::Hex),
        ("decimal", Output::Decimal),
        ("bytes", Output::Bytes),
    ];
    let encodings = [
        ("utf8", Encoding::Utf8),
        ("ascii", Encoding::Ascii),
        ("utf16le", Encoding::Utf16Le),
        ("utf16be", Encoding::Utf16Be),
    ];
    let encoding = options.choice("encoding", &encodings)?;
    let bits = if encoding == Encoding::Ascii { 7 } else { 8 };
    Ok(Box::new(BinaryDecode {
        target: Target::read(options)?,
        radix: options.choice("input_format", &radixes)?,
        output: options.choice("output_format", &outputs)?,
        encoding,
        bits: options.int("bits_per_char", 1..=8)?.map_or(bits, |bits| bits as usize),
        delimiter: options.text("delimiter")?.filter(|text| !text.is_empty()),
    }))
}

impl Processor for BinaryDecode {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let Slot::Text(span) = slot else { return Err(not_a_text(slot)) };
            let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or("?");
            let bytes =
                self.bytes(text).ok_or(Failure::fixed("has a digit that its format does not have"))?;
            self.written(cx, &bytes)
        })?;
        Ok(Flow::Next)
    }
}

impl BinaryDecode {
    fn bytes(&self, text: &str) -> Option<Vec<u8>> {
        let numbers: Vec<&str> = match &self.delimiter {
            Some(delimiter) => text.split(delimiter.as_str()).map(str::trim).collect(),
            None => text.split(|c: char| c.is_whitespace() || matches!(c, ',' | '-' | '_')).collect(),
        };
        let mut out = Vec::new();
        for number in numbers.into_iter().filter(|number| !number.is_empty()) {
            match self.radix {
                2 => self.cut(number, self.bits, &mut out)?,
                16 => self.cut(number.strip_prefix("0x").unwrap_or(number), 2, &mut out)?,
                radix => out.push(u8::from_str_radix(number, radix).ok()?),
            }
        }
        Some(out)
    }

    /// Digits without separators: so many are a byte; those that are missing are zeros before the first.
    fn cut(&self, digits: &str, width: usize, out: &mut Vec<u8>) -> Option<()> {
        let first = digits.len() % width;
        let (head, rest) = digits.as_bytes().split_at(first);
        for part in Some(head).filter(|head| !head.is_empty()).into_iter().chain(rest.chunks(width)) {
            let mut value = 0;
            for digit in part {
                value = value * self.radix + (*digit as char).to_digit(self.radix)?;
            }
            out.push(value as u8);
        }
        Some(())
    }

    fn written(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Result<Slot, Failure> {
        let text = match self.output {
            Output::Text => self.decoded(bytes),
            Output::Hex => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
            Output::Decimal => bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(" "),
            Output::Bytes => {
                let mut list = Children::EMPTY;
                for byte in bytes {
                    cx.event.push_to(&mut list, Slot::Int(i64::from(*byte)))?;
                }
                return Ok(Slot::List(list));
            }
        };
        Ok(cx.event.text(text.as_bytes())?)
    }

    fn decoded(&self, bytes: &[u8]) -> String {
        let units = |of: fn([u8; 2]) -> u16| -> Vec<u16> {
            bytes.chunks(2).map(|pair| of([pair[0], pair.get(1).copied().unwrap_or(0)])).collect()
        };
        match self.encoding {
            Encoding::Utf8 | Encoding::Ascii => String::from_utf8_lossy(bytes).into_owned(),
            Encoding::Utf16Le => String::from_utf16_lossy(&units(u16::from_le_bytes)),
            Encoding::Utf16Be => String::from_utf16_lossy(&units(u16::from_be_bytes)),
        }
    }
}
