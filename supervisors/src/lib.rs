//! The tree: who supervises whom, in which order things start and stop, what a new configuration changes.
//!
//! Read in this order: [`policy`] (what to do when a child ends), [`supervisor`] (who does it).

#![forbid(unsafe_code)]

pub mod policy;
pub mod supervisor;
