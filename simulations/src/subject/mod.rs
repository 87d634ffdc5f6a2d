//! The Director under test: a process of its own, with faults that reach into it.
//!
//! ```text
//!   Subject ── starts, signals, limits ──────────────────────────▶ process ─┐
//!      ├────── orders (JSON lines on standard input) ──▶ actors, disk, clock ├ the same program, -under-test
//!      ├────── /tree /metrics /stats over storage/control.sock ◀────────────┘
//!      └────── files of its configuration
//! ```
//!
//! Read in this order: [`fault`] (what can go wrong), [`setup`] (what is started), [`Subject`], [`life`] (one process
//! of it), [`metrics`] and [`tree`] (what it says of itself), [`expect`] (what should hold there); then what is inside
//! the process: [`order`] (how it is told), [`disk`] (what it is given instead of the real disk).
//!
//! The Director's own code knows nothing of all this: it gets another disk, another clock and a list of faults, which
//! it takes anyway.

pub mod disk;
pub mod expect;
pub mod fault;
mod faults;
mod life;
pub mod metrics;
pub mod order;
mod process;
mod request;
mod running;
pub mod setup;
pub mod span;
mod storm;
pub mod tree;

pub use expect::{Expectation, Unmet};
pub use fault::Fault;
pub use life::{End, Life, Outcome, Usage};
pub use metrics::Metrics;
pub use running::{FaultId, Subject, SubjectError};
pub use setup::{Defence, Setup, Terms};
pub use span::{Shift, Span};
pub use tree::{Node, State, Tree};
