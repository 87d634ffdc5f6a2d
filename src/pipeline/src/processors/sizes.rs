//! `bytes` and `data_size`: sizes as people write them to bytes.

use super::numbers::number;
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, KeyId, Slot, Span};

pub(super) static BYTES: Spec = Spec {
    name: "bytes",
    family: "manipulate",
    summary: "Turns a size like `1kb` into bytes, each unit being 1024 of the smaller one.",
    details: "Units: b, kb, mb, gb, tb, pb, small or capital.",
    options: &[FIELD, TARGET_FIELD, IGNORE_MISSING],
    examples: &[
        Example {
            title: "sizes",
            event: r#"{"a": "1.5KB", "b": ["1 kb", "2b"]}"#,
            processors: "- bytes: {field: a}\n- bytes: {field: b}",
            outcome: Outcome::Event(r#"{"a": 1536, "b": [1024, 2]}"#),
        },
        Example {
            title: "an unknown unit",
            event: r#"{"a": "100XB"}"#,
            processors: "- bytes: {field: a}",
            outcome: Outcome::Fails("is no size"),
        },
    ],
    compile: |options: &mut Options<'_, '_>| -> Result<Box<dyn Processor>, Reported> {
        Ok(Box::new(Bytes(Target::read(options)?)))
    },
};

pub(super) static DATA_SIZE: Spec = Spec {
    name: "data_size",
    family: "parse",
    summary: "Turns a size like `1.5GB` or `512 MiB` into bytes.",
    details: "Units: B, KB, MB, GB, TB, PB of 1000 each, KiB, MiB, GiB, TiB, PiB of 1024 each, small or capital; without a unit, \
              bytes. `detailed` gives `original`, `value`, `unit`, `bytes` and `type` (`decimal` or `binary`).",
    options: &[
        FIELD,
        TARGET_FIELD,
        optional("output_format", "bytes", "`bytes` for a number, `detailed` for an object."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "sizes",
            event: r#"{"a": "1.5GB", "b": "512 MiB", "c": "100 mb"}"#,
            processors: "- data_size: {field: a}\n- data_size: {field: b}\n- data_size: {field: c}",
            outcome: Outcome::Event(r#"{"a": 1500000000, "b": 536870912, "c": 100000000}"#),
        },
        Example {
            title: "in detail",
            event: r#"{"a": "2.5 TB"}"#,
            processors: "- data_size: {field: a, output_format: detailed}",
            outcome: Outcome::Event(
                r#"{"a": {"original": "2.5 TB", "value": 2.5, "unit": "TB", "bytes": 2500000000000, "type": "decimal"}}"#,
            ),
        },
    ],
    compile: compile_data_size,
};

struct Bytes(Target);

struct DataSize {
    target: Target,
    detail: Option<Names>,
}

struct Names {
    original: KeyId,
    value: KeyId,
    unit: KeyId,
    bytes: KeyId,
    kind: KeyId,
}

fn compile_data_size(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let is_detailed = options.choice("output_format", &[("bytes", false), ("detailed", true)])?;
    let key = |name: &str| options.keys().compiled(name);
    let names = Names {
        original: key("original"),
        value: key("value"),
        unit: key("unit"),
        bytes: key("bytes"),
        kind: key("type"),
    };
    Ok(Box::new(DataSize { target: Target::read(options)?, detail: is_detailed.then_some(names) }))
}

impl Processor for Bytes {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.0.change_values(cx, |cx, slot| {
            let (amount, unit) = size(cx, slot)?.1;
            let power = match unit.strip_suffix(['b', 'B']).map(letter) {
                Some(Some(power)) => power,
                _ => return Err(no_size()),
            };
            in_bytes(amount, 1024.0, power)
        })?;
        Ok(Flow::Next)
    }
}

impl Processor for DataSize {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let (span, (amount, unit)) = size(cx, slot)?;
            let bare = unit.strip_suffix(['b', 'B']).unwrap_or(unit);
            let (base, bare, kind) = match bare.strip_suffix(['i', 'I']) {
                Some(bare) => (1024.0, bare, "binary"),
                None => (1000.0, bare, "decimal"),
            };
            let power = letter(bare).ok_or_else(no_size)?;
            let unit = if unit.is_empty() { "B".to_owned() } else { unit.to_owned() };
            let bytes = in_bytes(amount, base, power)?;
            let Some(names) = &self.detail else { return Ok(bytes) };
            let (unit, kind) = (cx.event.text(unit.as_bytes())?, cx.event.text(kind.as_bytes())?);
            let mut map = Children::EMPTY;
            let fields = [
                (names.original, Slot::Text(span)),
                (names.value, number(amount)),
                (names.unit, unit),
                (names.bytes, bytes),
                (names.kind, kind),
            ];
            for (key, slot) in fields {
                cx.event.append_to(&mut map, key, slot)?;
            }
            Ok(Slot::Map(map))
        })?;
        Ok(Flow::Next)
    }
}

/// The text, its number and its unit.
fn size<'c>(cx: &'c Context<'_>, slot: Slot) -> Result<(Span, (f64, &'c str)), Failure> {
    let Slot::Text(span) = slot else { return Err(not_a_text(slot)) };
    let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default().trim();
    let len = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (amount, unit) = text.split_at(len);
    let amount = amount.parse().map_err(|_| no_size())?;
    Ok((span, (amount, unit.trim_start())))
}

fn no_size() -> Failure {
    Failure::fixed("is no size like 1.5kb")
}

/// The power of a unit's letter; none if it has no meaning.
fn letter(text: &str) -> Option<i32> {
    const LETTERS: &[u8] = b"kmgtp";
    match text.as_bytes() {
        [] => Some(0),
        [letter] => {
            let at = LETTERS.iter().position(|known| *known == letter.to_ascii_lowercase())?;
            Some(at as i32 + 1)
        }
        _ => None,
    }
}

/// Whole bytes; half a byte is cut off, as Elasticsearch does.
fn in_bytes(amount: f64, base: f64, power: i32) -> Result<Slot, Failure> {
    let bytes = (amount * base.powi(power)).trunc();
    if bytes >= i64::MAX as f64 {
        return Err(Failure::fixed("is a size of more than 8 EiB"));
    }
    Ok(Slot::Int(bytes as i64))
}
