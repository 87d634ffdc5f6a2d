//! The tree: who supervises whom, in which order things start and stop, what a new configuration changes.
//!
//! Read in this order: [`policy`] (what to do when a child ends), [`supervisor`] (who does it),
//! [`wiring`] (which events go where), [`programs`] (which pipelines they take), [`device_tree`] and [`target_tree`]
//! (what types there are), [`tls_settings`] and [`open_files`] (what both need), [`storage`] (what outlives the
//! process), [`lane_watch`], [`replay`] (what is sent once more), [`spool_desk`] (what waits on disk), [`control`] (how all that is seen from outside), and
//! [`director`], which puts it all together.

#![forbid(unsafe_code)]

pub mod control;
pub mod device_tree;
pub mod director;
pub mod lane_watch;
pub mod open_files;
pub mod policy;
pub mod programs;
pub mod replay;
pub mod spool_desk;
pub mod step_counters;
pub mod storage;
pub mod supervisor;
pub mod target_tree;
pub mod tls_settings;
pub mod wiring;

pub use director::{Director, Inventory, Left, Options};
