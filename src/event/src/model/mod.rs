//! The event: a compact ordered tree over received bytes.
//!
//! ```text
//!   record (slab)    <13>2026-01-31T08:05:09Z myhost myprog[1234]: text …
//!                        ▲        ▲ spans
//!   nodes            root ─ message ─ log ─ …      24 bytes each, children linked in order
//!                        ▼
//!   arena            bytes that processors made
//! ```
//!
//! An event starts as two nodes: the root and `message`, whose text is the record itself. Processors
//! add nodes; texts stay where they are: a part of a text is a span of the same bytes, a copy of a
//! subtree copies nodes and shares texts. Nodes, arena and keys are a lane's [`Document`], reused from
//! event to event, so that in the steady state nothing is allocated.
//!
//! Read in this order:
//! * [`keys`]: names as numbers: one table a process, a copy of it a lane;
//! * [`path`]: dotted paths, resolved when the configuration is compiled;
//! * [`slot`]: what a node holds;
//! * [`document`]: the tree, and [`Event`], through which it is read and changed;
//! * [`json_write`], [`json_read`]: the tree as JSON text and back.

pub mod document;
mod event_edit;
mod event_value;
pub mod json_read;
pub mod json_write;
pub mod keys;
pub mod path;
pub mod slot;

pub use document::{Document, Event};
pub use event_edit::PathOfEvent;
pub use keys::{KeyId, Keys, LaneKeys, MAX_INTERNED_KEY_BYTES, MAX_INTERNED_KEYS};
pub use path::{Path, PathError, Segment};
pub use slot::{Children, Kind, NodeId, Slot, Span};

/// How deep an event may be nested; deeper ones fail. Bounds the recursion of everything that walks a tree.
pub const MAX_DEPTH: usize = 128;
/// How many nodes (fields, list elements) an event may have: 6 MiB of them.
pub const MAX_NODES: usize = 256 * 1024;
/// How many bytes processors may make for one event.
pub const MAX_ARENA_BYTES: usize = 16 * 1024 * 1024;
/// Names of one event that the table did not take: looked up one by one, hence few.
pub const MAX_LOCAL_NAMES: usize = 4096;

/// Why an event can't be changed as asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// A path leads through something that is neither map nor list.
    #[error("a part of the path exists and is not an object")]
    NotAMap,
    /// A path names an element that the list does not have.
    #[error("the path names an element outside the list")]
    OutsideList,
    /// The event would have too many fields or elements.
    #[error("the event has more than {MAX_NODES} fields and elements")]
    TooManyNodes,
    /// The event would have too many names that the table does not keep.
    #[error("the event has more than {MAX_LOCAL_NAMES} names of fields that are new or long")]
    TooManyNames,
    /// The event would take too many bytes.
    #[error("the event takes more than {MAX_ARENA_BYTES} bytes")]
    TooLarge,
    /// The event would be nested too deep.
    #[error("the event is nested deeper than {MAX_DEPTH} levels")]
    TooDeep,
}
