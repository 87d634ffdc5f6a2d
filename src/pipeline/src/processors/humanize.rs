//! `humanize`: numbers as people read them.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::Slot;
use std::fmt::Write as _;

pub(super) static SPEC: Spec = Spec {
    name: "humanize",
    family: "text",
    summary: "Writes a number with the unit that fits it: `1.0MB`, `1.235M`, `2m 5s`, `2.4GHz`.",
    details: "Formats: `size` of bytes, `number`, `time` of milliseconds, `frequency` of hertz. Texts that are numbers are read.",
    options: &[
        FIELD,
        TARGET_FIELD,
        optional("format", "size", "`size`, `number`, `time` or `frequency`."),
        optional("precision", "1", "Digits behind the point, 0 to 9."),
        optional("binary", "false", "Count in 1024 (KiB) instead of 1000 (KB)."),
        optional("suffix", "false", "Write `remaining` behind a time, or `ago` where it is negative."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "formats",
            event: r#"{"a": 1048576, "b": 2147483648, "c": 1234567, "d": 125000, "e": 2400000000}"#,
            processors: "- humanize: {field: a}\n- humanize: {field: b, binary: true, precision: 2}\n- humanize: {field: c, format: number, precision: 3}\n- humanize: {field: d, format: time, suffix: true}\n- humanize: {field: e, format: frequency}",
            outcome: Outcome::Event(
                r#"{"a": "1.0MB", "b": "2.00GiB", "c": "1.235M", "d": "2m 5s remaining", "e": "2.4GHz"}"#,
            ),
        },
        Example {
            title: "no number",
            event: r#"{"a": "many"}"#,
            processors: "- humanize: {field: a}",
            outcome: Outcome::Fails("is no number"),
        },
    ],
    compile,
};

#[derive(Clone, Copy)]
enum Format {
    Size,
    Number,
    Time,
    Frequency,
}

struct Humanize {
    target: Target,
    format: Format,
    precision: usize,
    binary: bool,
    suffix: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let formats = [
        ("size", Format::Size),
        ("number", Format::Number),
        ("time", Format::Time),
        ("frequency", Format::Frequency),
    ];
    Ok(Box::new(Humanize {
        target: Target::read(options)?,
        format: options.choice("format", &formats)?,
        precision: options.int("precision", 0..=9)?.unwrap_or(1) as usize,
        binary: options.flag("binary", false)?,
        suffix: options.flag("suffix", false)?,
    }))
}

impl Processor for Humanize {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let number = match slot {
                Slot::Text(span) => {
                    std::str::from_utf8(cx.event.bytes(span)).ok().and_then(|text| text.trim().parse().ok())
                }
                other => other.as_number(),
            };
            let number = number.filter(|number: &f64| number.is_finite());
            let number = number.ok_or(Failure::fixed("is no number"))?;
            Ok(cx.event.text(self.write(number).as_bytes())?)
        })?;
        Ok(Flow::Next)
    }
}

impl Humanize {
    fn write(&self, number: f64) -> String {
        match self.format {
            Format::Size => self.scaled(number, "B"),
            Format::Number => self.scaled(number, ""),
            Format::Frequency => self.scaled(number, "Hz"),
            Format::Time => self.time(number),
        }
    }

    /// With the prefix that leaves less than a thousand of it.
    fn scaled(&self, number: f64, unit: &str) -> String {
        const PREFIXES: [&str; 7] = ["", "K", "M", "G", "T", "P", "E"];
        let base = if self.binary { 1024.0 } else { 1000.0 };
        let mut scaled = number;
        let mut power = 0;
        while scaled.abs() >= base && power + 1 < PREFIXES.len() {
            scaled /= base;
            power += 1;
        }
        let binary = if self.binary && power > 0 { "i" } else { "" };
        let digits = if power == 0 && number.fract() == 0.0 { 0 } else { self.precision };
        let prefix = PREFIXES[power];
        format!("{scaled:.digits$}{prefix}{binary}{unit}")
    }

    /// The largest unit and what is left of it in the next smaller ones.
    fn time(&self, milliseconds: f64) -> String {
        const UNITS: [(u64, &str); 5] =
            [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s"), (1, "ms")];
        let mut rest = milliseconds.abs().round() as u64;
        let mut text = String::new();
        for (unit, name) in UNITS {
            // Beside seconds, milliseconds are too fine to matter.
            if rest < unit || (unit == 1 && !text.is_empty()) {
                continue;
            }
            let blank = if text.is_empty() { "" } else { " " };
            let _ = write!(text, "{blank}{}{name}", rest / unit);
            rest %= unit;
        }
        if text.is_empty() {
            text.push_str("0s");
        }
        match (self.suffix, milliseconds < 0.0) {
            (true, true) => text + " ago",
            (true, false) => text + " remaining",
            (false, true) => format!("-{text}"),
            (false, false) => text,
        }
    }
}
