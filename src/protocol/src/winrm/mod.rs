//! WinRM: WS-Management over HTTP as Windows speaks it (MS-WSMV), both sides, without sockets.
//!
//! ```text
//!   wsman      SOAP requests and answers, faults and what to do about them
//!   sealed_body  the MIME framing of a sealed message
//!   ntlm         who we are: NTLMv2, and the keys that seal (MS-NLMP)
//!   negotiate    the tokens in HTTP headers, bare or in SPNEGO, both sides
//! ```
//!
//! Reading order: [`negotiate`], [`ntlm`], [`sealed_body`], [`wsman`]. One connection carries one security
//! context: its cipher streams are ordered, so one request at a time, and an answer that was not read to its end
//! means a new connection. Chance and time come from the caller.

pub mod channel_binding;
pub mod credentials;
mod der;
pub mod negotiate;
pub mod ntlm;
pub mod sealed_body;
mod spnego;
pub mod wsman;
