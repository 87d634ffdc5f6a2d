//! WS-Management messages (DSP0226, MS-WSMV): requests as text, answers as types.
//!
//! | module | its one job |
//! |---|---|
//! | [`request`] | what is asked: Subscribe, Pull, Unsubscribe, Enumerate, shells, Identify |
//! | [`reply`] | what is answered |
//! | [`fault`] | what went wrong, and what to do about it |
//! | [`envelope`] | headers and body of any message, either side |
//! | [`wmi`] | the properties of a WMI instance |
//! | [`charset`] | bodies as text |
//!
//! Prefixes vary between versions of Windows, so names are compared by namespace. Messages are bounded: depth by
//! [`crate::xml::MAX_DEPTH`], elements by [`envelope::MAX_ELEMENTS`], bytes by whoever reads the body.
//!
//! Cost: one pass over an answer. Events and WMI instances are not looked into: they come out as slices.

pub mod charset;
pub mod envelope;
pub mod fault;
mod namespace;
pub mod reply;
pub mod request;
pub mod wmi;

pub use envelope::{Element, Envelope, ReadError};
pub use fault::{Cause, Fault, Reaction};
pub use namespace::Namespace;
pub use reply::{Content, Reply};
pub use request::{Request, Resource};

#[cfg(test)]
mod tests;
