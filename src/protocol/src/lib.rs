//! Wire formats as pure functions and state machines over bytes: no sockets, no clock, no runtime.
//!
//! | module | its one job |
//! |---|---|
//! | [`cef`], [`leef`] | lines of security devices: header, extensions |
//! | [`framing`] | where one message of a byte stream ends: delimiters, octet counts, detection |
//! | [`http_body`] | the events of a POST's body: lines, JSON arrays, JSON one after the other |
//! | [`multiline`] | lines of a file joined to events |
//! | [`syslog`] | RFC 5424 and RFC 3164 in all dialects: tolerant parsing, formatting |
//! | [`winevent`] | Windows events: XML to fields, bookmarks, queries, `wevtutil`'s output |
//! | [`winrm`] | WS-Management over HTTP: NTLM, sealed bodies, SOAP requests and answers |
//! | [`xml`] | tokens of a document, a writer that escapes |

#![forbid(unsafe_code)]

pub mod cef;
pub mod framing;
pub mod http_body;
pub mod leef;
pub mod multiline;
mod pipes;
pub mod syslog;
pub mod winevent;
pub mod winrm;
pub mod xml;
