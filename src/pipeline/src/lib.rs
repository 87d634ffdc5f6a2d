//! Processors, conditions and templates: compiled once, then run batch by batch. No clock, no waiting, and I/O only to
//! read tables and databases when a program is compiled.
//!
//! ```text
//! source ─ compile ─→ Program ── run(records) ──→ Output
//! (tree)   (options,   (steps)   (one event after   (JSON of what is left,
//!           paths,                the other, in      what was dropped, what
//!           templates)            the lane's         failed and why)
//!                                 Scratch)
//! ```
//!
//! Read in this order: [`program`] (compile, run), [`step`] (how an event goes through its processors), [`condition`],
//! [`template`], [`processors`] (the table, one file each), [`compile`] (options and mistakes), [`source`] (what is
//! compiled), [`watch`] (a program at work, step by step).
//!
//! Cost, in the steady state: no allocation per event for parsing, setting, renaming, removing, comparing and writing.

#![deny(unsafe_code)] // but for the one instruction in `ticks`

pub mod compile;
pub mod condition;
pub mod context;
pub mod failure;
pub mod files;
pub mod grok;
pub mod limits;
mod network;
pub mod origin;
pub mod output;
pub mod pattern;
pub mod processors;
pub mod program;
pub mod reference;
pub mod source;
pub mod step;
mod suggest;
pub mod template;
mod ticks;
pub mod time;
pub mod watch;

pub use compile::Library;
pub use context::Scratch;
pub use failure::Failure;
pub use files::Files;
pub use origin::Origin;
pub use output::{Dropped, Failed, Forms, Kept, Output, Routing, Texts};
pub use program::{Form, Guard, Input, Program, StepCounts, StepId, StepInfo};
pub use source::{Diagnostic, Node};
