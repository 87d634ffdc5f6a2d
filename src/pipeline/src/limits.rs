//! All limits on what pipelines may take, with what happens beyond them. The reference lists them, and each has a test.

use crate::{compile, condition, grok, pattern, processors, program, step};
use event::model;

/// A limit.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    /// What it is on.
    pub on: &'static str,
    /// How much may be.
    pub value: u64,
    /// Of what.
    pub unit: &'static str,
    /// What becomes of what is more.
    pub beyond: Beyond,
}

/// What becomes of what exceeds a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Beyond {
    /// The configuration is refused.
    Refused,
    /// The event fails, whatever its handlers say.
    Fails,
    /// The processor fails, and its handlers run.
    StepFails,
    /// The event goes on unharmed; it costs more.
    Slower,
}

impl Beyond {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Self::Refused => "the configuration is refused",
            Self::Fails => "the event fails, whatever its handlers say",
            Self::StepFails => "the processor fails",
            Self::Slower => "the name is kept within its event; only speed suffers",
        }
    }
}

/// All limits.
pub const ALL: [Limit; 18] = [
    limit(
        "processors of all pipelines on the way of an event",
        compile::MAX_PROGRAM_STEPS,
        "processors",
        Beyond::Refused,
    ),
    limit(
        "processors written in each other, with the pipelines they call",
        compile::MAX_BLOCK_DEPTH,
        "levels",
        Beyond::Refused,
    ),
    limit("length of a condition", condition::MAX_BYTES, "bytes", Beyond::Refused),
    limit("nesting of a condition", condition::MAX_DEPTH, "levels", Beyond::Refused),
    limit("compiled size of a regular expression", pattern::MAX_COMPILED_BYTES, "bytes", Beyond::Refused),
    limit("grok patterns in each other", grok::MAX_DEPTH, "levels", Beyond::Refused),
    limit("expanded size of a grok expression", grok::MAX_EXPANDED_BYTES, "bytes", Beyond::Refused),
    limit(
        "pipelines, groups, loops and handlers in each other",
        step::MAX_CALL_DEPTH as usize,
        "levels",
        Beyond::Fails,
    ),
    limit(
        "steps of one event, jumps by `go_to` included",
        program::MAX_STEPS as usize,
        "steps",
        Beyond::Fails,
    ),
    limit("elements that `foreach` goes over", processors::MAX_ELEMENTS, "elements", Beyond::Fails),
    limit(
        "elements of a list that a condition makes",
        condition::MAX_ELEMENTS,
        "elements",
        Beyond::StepFails,
    ),
    limit(
        "steps of a regular expression with look-around",
        pattern::MAX_BACKTRACKS,
        "steps",
        Beyond::StepFails,
    ),
    limit("nesting of an event", model::MAX_DEPTH, "levels", Beyond::Fails),
    limit("fields and list elements of an event", model::MAX_NODES, "nodes", Beyond::Fails),
    limit("what processors make of an event", model::MAX_ARENA_BYTES, "bytes", Beyond::Fails),
    limit("names that only one event has", model::MAX_LOCAL_NAMES, "names", Beyond::Fails),
    limit(
        "names of fields that are kept, in the whole process",
        model::MAX_INTERNED_KEYS,
        "names",
        Beyond::Slower,
    ),
    limit("length of a name that is kept", model::MAX_INTERNED_KEY_BYTES, "bytes", Beyond::Slower),
];

const fn limit(on: &'static str, value: usize, unit: &'static str, beyond: Beyond) -> Limit {
    Limit { on, value: value as u64, unit, beyond }
}
