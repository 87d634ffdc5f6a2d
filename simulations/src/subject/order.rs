//! What is said between whoever tests and the Director under test: JSON lines on its standard input and output.
//!
//! ```text
//!   {"number":1,"order":{"inject":{"path":"targets/*","misfortune":"panic"}}}
//!                                                        {"number":1,"answer":{"done":7}}
//!   {"number":2,"order":"go"}                            {"number":2,"answer":{"done":0}}
//!                                      at an orderly end {"ended":{"left":0,"kept":0,"stats":{…},"metrics":"…"}}
//! ```
//!
//! The Director starts when it is told to `go`: faults that were asked for before are there from its first moment. When
//! its standard input ends, so does it, at once.

use super::fault::Fault;
use serde::{Deserialize, Serialize};

/// A line to the Director.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Told {
    /// Which one; its answer has the same number.
    pub number: u64,
    /// What is to be done.
    pub order: Order,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Start.
    Go,
    /// Something happens to the first actor that matches; the answer is its number.
    Inject {
        /// Which actor; `*` stands for any text.
        path: String,
        /// What happens to it.
        misfortune: Misfortune,
    },
    /// It need not happen any more; the answer is 1 if it has happened, else 0.
    Withdraw(u64),
    /// Whether it has happened: 1, else 0.
    Happened(u64),
    /// A fault of the disk begins; the answer is its number.
    Disk(Fault),
    /// It ends; the answer is how many calls it struck.
    DiskHeals(u64),
    /// How many calls it struck so far.
    DiskStruck(u64),
    /// The wall clock is off by so many milliseconds.
    ClockOff(i64),
}

/// What happens to an actor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfortune {
    /// It panics.
    Panic,
    /// It ends with an error.
    Error,
    /// It claims to work and never comes back.
    Hang,
}

/// A line from the Director.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Said {
    /// An answer.
    Answer {
        /// To which line.
        number: u64,
        /// How it went.
        answer: Answer,
    },
    /// It has ended in an orderly way.
    Ended {
        /// How.
        ended: Ended,
    },
}

/// How an order went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// Done, with this number.
    Done(u64),
    /// Not done, and why.
    Refused(String),
}

/// What a Director says last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ended {
    /// Events that were accepted, are not settled, and are lost with the process.
    pub left: u64,
    /// Events that are not settled and are in the journal.
    pub kept: u64,
    /// All counters at the end, as `/stats` shows them.
    pub stats: serde_json::Value,
    /// The same as `/metrics` shows them.
    pub metrics: String,
}
