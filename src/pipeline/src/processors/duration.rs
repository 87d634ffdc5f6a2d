//! `duration`: lengths of time as text to seconds.

use super::numbers::number;
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::Slot;

pub(super) static SPEC: Spec = Spec {
    name: "duration",
    family: "date",
    summary: "Turns a length of time like `1h30m`, `01:30:00` or `90:00` into seconds.",
    details: "Units: `ns`, `us`, `ms`, `s`, `m`, `h`, `d`, `w`. Two numbers with a colon are minutes and seconds, three hours, \
              minutes and seconds; the last may have a fraction.",
    options: &[FIELD, TARGET_FIELD, IGNORE_MISSING],
    examples: &[
        Example {
            title: "units and clock",
            event: r#"{"a": "5m30s", "b": "1:45:30", "c": "-1.5s"}"#,
            processors: "- duration: {field: a}\n- duration: {field: b}\n- duration: {field: c}",
            outcome: Outcome::Event(r#"{"a": 330, "b": 6330, "c": -1.5}"#),
        },
        Example {
            title: "no length",
            event: r#"{"a": "soon"}"#,
            processors: "- duration: {field: a}",
            outcome: Outcome::Fails("is no length of time"),
        },
    ],
    compile: |options: &mut Options<'_, '_>| -> Result<Box<dyn Processor>, Reported> {
        Ok(Box::new(Duration(Target::read(options)?)))
    },
};

struct Duration(Target);

impl Processor for Duration {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.0.change_values(cx, |cx, slot| {
            let Slot::Text(span) = slot else { return Err(not_a_text(slot)) };
            let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default();
            let seconds = seconds(text).filter(|seconds| seconds.is_finite());
            seconds.map(number).ok_or(Failure::fixed("is no length of time like 1h30m or 01:30:00"))
        })?;
        Ok(Flow::Next)
    }
}

fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    let (sign, text) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    let seconds = if text.contains(':') { by_clock(text)? } else { by_units(text)? };
    Some(sign * seconds)
}

fn by_clock(text: &str) -> Option<f64> {
    let parts: [Option<&str>; 4] = {
        let mut parts = text.split(':');
        std::array::from_fn(|_| parts.next())
    };
    let whole = |part: &str| part.parse::<u32>().ok().map(f64::from);
    match parts {
        [Some(minutes), Some(seconds), None, None] => Some(whole(minutes)? * 60.0 + unsigned(seconds)?),
        [Some(hours), Some(minutes), Some(seconds), None] => {
            Some(whole(hours)? * 3600.0 + whole(minutes)? * 60.0 + unsigned(seconds)?)
        }
        _ => None,
    }
}

fn by_units(text: &str) -> Option<f64> {
    if text == "0" {
        return Some(0.0);
    }
    let mut rest = text;
    let mut sum = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (amount, behind) = rest.split_at(digits);
        let behind = behind.trim_start();
        let unit_len = behind.find(|c: char| c.is_ascii_digit() || c.is_whitespace()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_len);
        let unit = match unit {
            "ns" => 1e-9,
            "us" | "µs" | "μs" => 1e-6,
            "ms" => 1e-3,
            "s" | "sec" | "secs" => 1.0,
            "m" | "min" | "mins" => 60.0,
            "h" | "hr" | "hrs" => 3600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return None,
        };
        sum += unsigned(amount)? * unit;
        rest = behind.trim_start();
    }
    (!text.is_empty()).then_some(sum)
}

/// Digits, perhaps with a fraction: nothing else that `f64` can read.
fn unsigned(text: &str) -> Option<f64> {
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}
