//! `file`: files that grow.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::DeviceKind;
use super::definitions::Definitions;
use super::listen::{DEFAULT_MESSAGE_BYTES, MAX_MESSAGE_BYTES};
use crate::Node;
use crate::fields::Fields;
use crate::not_yet;
use crate::readers::{Bytes, Choice, Flag, List, Reader, Seconds, Text, Whole, Wrong};

/// Properties of a `file` device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileDevice {
    /// `path`: files or patterns with `*`, `?`, `[…]`, `**`; relative ones start at the service root.
    pub paths: Vec<String>,
    /// Patterns of files to leave out, in the same way.
    pub exclude: Vec<String>,
    /// How often to look where the system can't tell of changes.
    pub poll_interval: Duration,
    /// `ignore_cache`: forget what was read before, begin at the start.
    pub ignore_cache: bool,
    /// `file_log_concurrency`: most lanes that read its files; none: all.
    pub concurrency: Option<u32>,
    /// What an event is.
    pub records: Records,
    /// `max_message_size`: longest event.
    pub max_message_bytes: u64,
}

/// What an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Records {
    /// A line.
    Lines,
    /// Several lines.
    Multiline(Multiline),
}

/// How lines are put together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiline {
    /// Regular expression (syntax of the `regex` crate), known to compile.
    pub pattern: String,
    /// Lines that do *not* match are continued.
    pub negate: bool,
    /// `match`: where a matching line goes.
    pub matching: MultilineMatch,
    /// Most lines of an event.
    pub max_lines: u32,
    /// An event without a further line for this long is complete.
    pub timeout: Duration,
}

/// Where a matching line goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MultilineMatch {
    /// To the line before it.
    After,
    /// To the line after it.
    Before,
}

pub(super) fn decode(fields: &mut Fields, _: &Definitions) -> DeviceKind {
    not_yet::accept("file device", fields);
    let about = "a file, a pattern such as /var/log/*.log, or a list of them";
    let paths = fields.required("path", List(Text), about);
    let paths = rooted(fields, paths);
    if paths.is_empty() && fields.node("path").is_some() {
        fields.wrong("path", "name at least one file or pattern");
    }
    let exclude =
        fields.optional("exclude", List(Text), "patterns of files to leave out").unwrap_or_default();
    let exclude = rooted(fields, exclude);
    let about = "how often to look where the system can't tell of changes, in seconds";
    let poll_interval = fields.or("poll_interval", Seconds(0..=86_400), Duration::from_secs(1), 1, about);
    if poll_interval.is_zero() {
        fields.wrong("poll_interval", "write a time above 0, such as 1 or 250ms");
    }
    let about = "forget what was read before, begin at the start";
    let ignore_cache = fields.or("ignore_cache", Flag, false, false, about);
    let about = "most lanes that read its files; without it all do";
    let concurrency = fields.optional("file_log_concurrency", Whole(1..=1024), about);
    fields.section("line_parser", "what an event is, without multiline", |parser| {
        parser.or("type", Choice(&[("newline", ())]), (), "newline", "newline: each line is an event");
    });
    let records = fields.optional_section("multiline", "put lines together", multiline);
    let about = "longest event";
    let sizes = Bytes(1..=MAX_MESSAGE_BYTES);
    let max_message_bytes =
        fields.or("max_message_size", sizes, DEFAULT_MESSAGE_BYTES, DEFAULT_MESSAGE_BYTES, about);
    DeviceKind::File(FileDevice {
        paths,
        exclude,
        poll_interval,
        ignore_cache,
        concurrency,
        records: records.map_or(Records::Lines, Records::Multiline),
        max_message_bytes,
    })
}

/// Patterns that start at the service root, unless they are absolute.
fn rooted(fields: &Fields, patterns: Vec<String>) -> Vec<String> {
    let root = fields.context.root;
    patterns.iter().map(|pattern| root.join(pattern).to_string_lossy().into_owned()).collect()
}

fn multiline(fields: &mut Fields) -> Multiline {
    let pattern =
        fields.required("pattern", Pattern, "a regular expression that tells which lines belong together");
    let negate = fields.or("negate", Flag, false, false, "take lines that do not match");
    let sides = Choice(&[("after", MultilineMatch::After), ("before", MultilineMatch::Before)]);
    let about = "a matching line belongs to the line before it (after), or to the next one (before)";
    let matching = fields.or("match", sides, MultilineMatch::After, "after", about);
    let max_lines = fields.or("max_lines", Whole(1..=1_000_000), 500, 500, "most lines of an event");
    let about = "an event without a further line for this long is complete, in seconds";
    let timeout = fields.or("timeout", Seconds(0..=3600), Duration::from_secs(5), 5, about);
    Multiline { pattern, negate, matching, max_lines, timeout }
}

/// A regular expression that compiles.
struct Pattern;

impl Reader for Pattern {
    type Value = String;

    fn read(&self, node: &Node) -> Result<String, Wrong> {
        let fix = "write a regular expression";
        let text = node.as_text().ok_or_else(|| Wrong::new(node, fix))?;
        match regex::bytes::Regex::new(text) {
            Ok(_) => Ok(text.to_owned()),
            Err(error) => {
                // the last line says what; those before show the place in the pattern
                let why = error.to_string();
                let why = why.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned();
                Err(Wrong::new(node, format!("correct the regular expression: {why}")))
            }
        }
    }

    fn placeholder(&self) -> String {
        String::new()
    }

    fn schema(&self) -> Json {
        json!({"type": "string", "format": "regex"})
    }
}
