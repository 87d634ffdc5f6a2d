//! `file`: files that grow.

use std::time::Duration;

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
