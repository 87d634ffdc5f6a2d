//! The collector of a Windows host's event logs, over WinRM, with nothing installed on it.
//!
//! ```text
//!                ┌─ socket: TCP, TLS ─ connection: sign-in, sealed messages ─┐
//!   collector ───┤                                                           ├─── host
//!      │         └─ subscription (waits in Pull)   or   polling (wevtutil) ──┘
//!      ├─ place: bookmarks, when channels were first read ─── Positions ── keeper
//!      ├─ numbering: which records are missing
//!      └─ intake: XML → fields as JSON, the XML as `message` ── batches ── ledger
//!   facts: WQL at an interval, on a connection of its own
//! ```
//!
//! Read in this order: [`settings`], [`trouble`] (what is said to people, and when to try again), [`socket`],
//! [`connection`], [`place`], [`selection`], [`intake`], [`numbering`], [`subscription`], [`polling`],
//! [`collector`], [`facts`], [`trial`].
//!
//! A connection is a security context: one request at a time on it, and one that was not answered to its end means a new
//! connection. Expected trouble is a condition with a text; only defects end an actor. Wrong passwords lock accounts, so
//! after two refusals it waits for a quarter of an hour.
//!
//! Cost: a quiet host costs a socket, some 30 KB, and two small messages every heartbeat; no thread. An event of 1.7 KB
//! costs some 15 µs of a core (RC4, MD5, XML to JSON).

pub mod collector;
pub mod connection;
pub mod facts;
pub mod intake;
pub mod numbering;
pub mod place;
pub mod polling;
pub mod selection;
pub mod settings;
pub mod socket;
pub mod standing;
pub mod subscription;
pub mod trial;
pub mod trouble;

pub use collector::{Collector, Seat};
pub use facts::Facts;
pub use settings::{Pace, SignIn, WindowsSettings};
pub use trial::WindowsTrial;
