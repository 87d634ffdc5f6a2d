//! The `http` device: events in POST requests, answered when the ledger has acknowledged them.
//!
//! ```text
//!  listener ─▶ connection ─▶ gate: path, method, type, credentials ─▶ intake: body within budget
//!              (one stream)                                               │
//!                  ◀── 200 ── ledger acknowledged ◀── submit ◀── events ◀─┘
//! ```
//!
//! Read in this order: [`settings`]; [`listener`]; [`connection`]; [`refusal`]: every answer but the good one;
//! [`gate`], [`credentials`]; [`intake`].
//!
//! Cost: a task and about 20 µs a request besides its bytes, which are copied once.

pub mod connection;
pub mod credentials;
pub mod gate;
pub mod intake;
pub mod listener;
pub mod refusal;
pub mod settings;

pub use listener::HttpListener;
pub use settings::{Credentials, HttpSettings, Response};
