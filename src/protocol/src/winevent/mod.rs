//! Windows events: from XML to fields, and what is needed to ask for them and to go on where one was.
//!
//! | part | its one job |
//! |---|---|
//! | [`parse`], [`Event`] | one event's XML as it comes by WS-Management, forwarding or `wevtutil` |
//! | [`fields`] | an event as ECS and `winlog.*` fields, or as a JSON object |
//! | [`names`] | names of levels, opcodes and keywords where nobody has rendered them |
//! | [`bookmark`] | where a reader was, channel by channel |
//! | [`query`] | channels, ids and levels as a `QueryList`, within what Windows takes |
//! | [`console`] | `wevtutil`: its command line, and its output in any code page cut into events |
//!
//! Cost: one pass over the XML, borrowing; what has references or line ends to resolve is copied. A logon event of
//! 1.7 KB takes 4.4 µs to decode, 6.3 µs with its JSON; out of a service's answer 8 µs, out of a sealed one 15 µs
//! (RC4 and MD5), on one core (`cargo run --release -p protocol --example winevent_speed`).

pub mod bookmark;
mod code_page;
pub mod console;
mod event;
pub mod fields;
pub mod names;
pub mod query;

pub use code_page::CodePage;
pub use event::{Data, Event, ParseError, Rendering, UserData, parse};
