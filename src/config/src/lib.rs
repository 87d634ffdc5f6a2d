//! YAML to a tree with positions to a validated snapshot, and the difference of two snapshots.
//!
//! ```text
//! vmetric.yml ─┐           ┌─ environment       ┌─ types, one row each
//! config/**   ─┴─ Node ────┴─ placeholders ─────┴─ Snapshot ── Snapshot ─→ Diff
//!                 (yaml)      (environment)        (fields, device, target, route, service)
//! ```
//!
//! Read in this order: [`node`](Node) (the tree), `fields` (how a map is read: one function decodes, knows
//! the keys and draws the JSON Schema), [`device`], [`target`], [`route`], [`service`], then [`load()`] and
//! [`diff()`]. Every mistake of every file is reported in one go; a snapshot exists only without errors.
//!
//! Cost: one pass over the text and one over the tree (80 000 devices in a file of 6 MB: 1.3 s and 230 MB on one
//! core, a hundred devices: 1 ms); a load touches nothing but the configuration files.

#![forbid(unsafe_code)]

mod context;
pub mod credentials;
mod defaults;
pub mod device;
mod diagnostic;
mod diff;
mod drawing;
mod environment;
mod example;
mod fields;
mod kinds;
mod load;
mod node;
mod not_yet;
mod pipeline;
mod position;
mod readers;
mod references;
pub mod route;
mod rows;
mod schema;
mod secret;
pub mod service;
mod snapshot;
mod source;
mod suggest;
pub mod target;
mod yaml;

pub use credentials::Credentials;
pub use device::{Device, DeviceKind};
pub use diagnostic::{Diagnostic, Severity};
pub use diff::{Changes, Diff, Effect, ServiceChange, diff};
pub use example::example;
pub use load::{Loaded, load};
pub use node::{Entry, Map, Node, Resolved, Scalar, Value};
pub use pipeline::PipelineSource;
pub use position::Position;
pub use route::{DevicePattern, Route};
pub use schema::schema;
pub use secret::Secret;
pub use service::Service;
pub use snapshot::Snapshot;
pub use source::Source;
pub use target::{Target, TargetKind};
pub use yaml::{MAX_DEPTH, MAX_FILE_BYTES, MAX_NODES, parse};
