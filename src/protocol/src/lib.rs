//! Wire formats as pure functions and state machines over bytes: no sockets, no clock, no runtime.
//!
//! | module | its one job |
//! |---|---|
//! | [`framing`] | where one message of a byte stream ends: delimiters, octet counts, detection |

#![forbid(unsafe_code)]

pub mod framing;
