//! [`Trace`]: what happened, one line a step: nothing in it depends on the machine, the process or the time of day.

use std::fmt::{self, Write};

/// What happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    text: String,
}

impl Trace {
    /// A step begins: its number in the plan, and what it is.
    pub fn step(&mut self, number: usize, step: &dyn fmt::Debug) {
        if !self.text.is_empty() {
            self.text.push('\n');
        }
        // Writing to a string does not fail.
        let _ = write!(self.text, "{number:>4} {step:?}");
    }

    /// What came of it, on the same line.
    pub fn note(&mut self, what: fmt::Arguments<'_>) {
        let _ = write!(self.text, " · {what}");
    }

    /// All lines.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// A number that tells traces apart (FNV-1a).
    pub fn digest(&self) -> u64 {
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        self.text.bytes().fold(0xcbf2_9ce4_8422_2325, step)
    }
}

/// Adds to the present line of a trace, in the words of `format!`.
macro_rules! note {
    ($trace:expr, $($what:tt)+) => { $trace.note(format_args!($($what)+)) };
}
pub(crate) use note;
