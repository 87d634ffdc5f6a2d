//! `level`: the severity that a log line names.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

/// How much of a line is looked at.
const LOOKED_AT_BYTES: usize = 512;
/// How many of its words.
const LOOKED_AT_WORDS: usize = 10;

pub(super) static SPEC: Spec = Spec {
    name: "level",
    family: "parse",
    summary: "Finds the severity that a log line names: critical, error, warning, info or debug; `unknown` without one.",
    details: "Looks at the first ten words: names of levels and their abbreviations, alone, in brackets, behind `level=`; the \
              letter of Google's glog, the sign of Redis.",
    options: &[FIELD, TARGET_FIELD, IGNORE_MISSING],
    examples: &[
        Example {
            title: "a word",
            event: r#"{"m": "2024-05-01 10:00:00 [WARN] disk space low"}"#,
            processors: "- level: {field: m, target_field: l}\n- remove: {field: m}",
            outcome: Outcome::Event(r#"{"l": "warning"}"#),
        },
        Example {
            title: "glog and Redis",
            event: r#"{"a": "E0512 15:44:23.123123 123 server.go:123] failed", "b": "77:M 12 Jan 2020 10:00:00.000 * ready"}"#,
            processors: "- level: {field: a}\n- level: {field: b}",
            outcome: Outcome::Event(r#"{"a": "error", "b": "info"}"#),
        },
        Example {
            title: "none",
            event: r#"{"m": "it is done"}"#,
            processors: "- level: {field: m}",
            outcome: Outcome::Event(r#"{"m": "unknown"}"#),
        },
    ],
    compile: |options: &mut Options<'_, '_>| -> Result<Box<dyn Processor>, Reported> {
        Ok(Box::new(Level(Target::read(options)?)))
    },
};

struct Level(Target);

impl Processor for Level {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.0.text(cx)? else { return Ok(Flow::Next) };
        let level = find(cx.event.bytes(span)).unwrap_or("unknown");
        let level = cx.event.text(level.as_bytes())?;
        self.0.put(cx, level)?;
        Ok(Flow::Next)
    }
}

fn find(line: &[u8]) -> Option<&'static str> {
    let line = &line[..line.len().min(LOOKED_AT_BYTES)];
    let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(LOOKED_AT_WORDS);
    glog(line).or_else(|| words().find_map(in_word)).or_else(|| redis(words()))
}

/// `E0512 15:44:23.123123 …`: a letter, month and day, then the time.
fn glog(line: &[u8]) -> Option<&'static str> {
    let [letter, a, b, c, d, b' ', ..] = line else { return None };
    if ![a, b, c, d].iter().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(match letter {
        b'F' => "critical",
        b'E' => "error",
        b'W' => "warning",
        b'I' => "info",
        _ => return None,
    })
}

/// `77:M 12 Jan 2020 10:00:00.000 * …`: the sign is the sixth word.
fn redis<'l>(mut words: impl Iterator<Item = &'l [u8]>) -> Option<&'static str> {
    let first = words.next()?;
    let (pid, role) = first.split_at(first.iter().position(|byte| *byte == b':')?);
    if !pid.iter().all(u8::is_ascii_digit) || !matches!(role, b":M" | b":S" | b":C" | b":X") {
        return None;
    }
    Some(match words.nth(4)? {
        b"." => "debug",
        b"-" | b"*" => "info",
        b"#" => "warning",
        _ => return None,
    })
}

/// The level that a word is or has in it: `[WARN]`, `error:`, `level=info`, `"severity":"debug"`.
fn in_word(word: &[u8]) -> Option<&'static str> {
    let is_bracketed = word.len() == 3 && word.starts_with(b"[") && word.ends_with(b"]");
    if is_bracketed {
        return match word[1].to_ascii_uppercase() {
            b'F' | b'C' => Some("critical"),
            b'E' => Some("error"),
            b'W' => Some("warning"),
            b'I' => Some("info"),
            b'D' | b'T' => Some("debug"),
            _ => None,
        };
    }
    let mut parts = word.split(|byte| !byte.is_ascii_alphabetic()).filter(|part| !part.is_empty());
    let first = parts.next()?;
    named(first).or_else(|| {
        let is_key = ["level", "lvl", "severity", "loglevel", "log"]
            .iter()
            .any(|key| first.eq_ignore_ascii_case(key.as_bytes()));
        if is_key { parts.find_map(named) } else { None }
    })
}

fn named(word: &[u8]) -> Option<&'static str> {
    const NAMES: [(&str, &[&str]); 5] = [
        ("critical", &["critical", "crit", "fatal", "panic", "emergency", "emerg", "alert"]),
        ("error", &["error", "err", "erro", "eror", "errors", "severe", "failure"]),
        ("warning", &["warning", "warn", "wrn"]),
        ("info", &["info", "information", "informational", "notice", "inf"]),
        ("debug", &["debug", "dbg", "trace", "verbose", "trc"]),
    ];
    let is_word = |name: &&str| word.eq_ignore_ascii_case(name.as_bytes());
    NAMES.iter().find(|(_, names)| names.iter().any(is_word)).map(|(level, _)| *level)
}
