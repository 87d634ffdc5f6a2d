//! `-test-device`: whether a device can be collected, step by step, and what mends what is wrong.

use futures_util::future::BoxFuture;
use std::fmt;
use std::time::Duration;

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It works; what was found.
    Passed(String),
    /// It works, but something deserves attention.
    Noted(String),
    /// It does not work: what, why, and what mends it.
    Failed(String),
}

/// A step that was tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was tried, in a few words: `sign-in`.
    pub step: String,
    /// What came of it.
    pub outcome: Outcome,
    /// How long it took.
    pub took: Duration,
}

/// A device that can be tried without being collected. Nothing is changed on the endpoint and no place is kept.
pub trait Trial: Send {
    /// Tries every step, tells what came of each as soon as it is known, and ends at the first without which the
    /// others can't work.
    fn run<'a>(&'a mut self, tell: &'a mut (dyn FnMut(Finding) + Send)) -> BoxFuture<'a, ()>;
}

impl Finding {
    /// Whether the device can't be collected because of it.
    pub fn is_failure(&self) -> bool {
        matches!(self.outcome, Outcome::Failed(_))
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mark, text) = match &self.outcome {
            Outcome::Passed(text) => ("passed", text),
            Outcome::Noted(text) => ("note", text),
            Outcome::Failed(text) => ("FAILED", text),
        };
        write!(f, "{mark:<7} {:<12} {text} ({} ms)", self.step, self.took.as_millis())
    }
}
