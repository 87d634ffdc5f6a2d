//! Targets that are reached by HTTP requests: what they have in common, and their dialects.
//!
//! ```text
//!  mailbox ─▶ Stock ──cut──▶ Request ──launch──▶ delivery: build ─▶ exchange ─▶ Verdict ──▶ claims
//!               ▲               ▲                  Dialect   Pool, Endpoint        │
//!               │               └── again ◀──────── 429, 5xx, broken, timed out ───┤
//!               └─────────────────────────────────────── settled, in record order ─┘
//! ```
//!
//! Read in this order:
//! * [`settings`]: where and how; [`endpoint`]: a URL with its headers; [`proxy`]: the environment's proxies;
//! * [`parcel`]: a delivery whose events end in any order; [`stock`]: what waits, cut into requests;
//! * [`body`]: bytes of a request; [`dialect`]: what makes one target differ from the other, with
//!   [`plain`], [`elastic`], [`splunk`] and what they share, [`document`];
//! * [`pool`], [`connect`]: connections; [`exchange`]: one attempt; [`delivery`]: all that happens to a request in flight;
//! * [`sender`]: the actor. [`backoff`] and [`announcer`] are its sense of time and its voice.
//!
//! Cost: a request is some 15 µs besides its bytes. Records that lie in their slab as they are to be sent
//! (`format: message`, newline-delimited) are written from there; everything else is copied once.

pub mod announcer;
pub mod backoff;
pub mod body;
pub mod connect;
pub mod delivery;
pub mod dialect;
pub mod document;
pub mod elastic;
pub mod endpoint;
pub mod exchange;
pub mod parcel;
pub mod plain;
pub mod pool;
pub mod proxy;
pub mod sender;
pub mod settings;
pub mod splunk;
pub mod stock;

pub use dialect::Dialect;
pub use endpoint::Endpoint;
pub use sender::HttpSender;
pub use settings::{Gather, HttpSettings, RetryPolicy, TimeLimits};
