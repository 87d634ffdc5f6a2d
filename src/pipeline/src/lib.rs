//! Processors, conditions and templates, compiled and run on batches.
#![forbid(unsafe_code)]
pub mod condition;
pub mod failure;
pub mod origin;
pub mod pattern;
pub mod program;
mod suggest;
