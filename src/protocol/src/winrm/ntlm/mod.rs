//! NTLMv2 with extended session security (MS-NLMP): both sides, as state machines over bytes.
//!
//! ```text
//!   client                                     server
//!   Client::begin  ──── NEGOTIATE ────────▶  Server::begin
//!   authenticate  ◀──── CHALLENGE ─────────
//!                  ──── AUTHENTICATE ─────▶  accept
//!      Session  ◀═══ sealed both ways ════▶  Session
//! ```
//!
//! Reading order: `message` (layouts), `keys` (formulas of MS-NLMP 3.3.2 and 3.4.5), [`Client`], [`Server`],
//! [`Session`]. NTLMv1, LM and 40 or 56 bit keys are not spoken: a peer that offers less is refused. What
//! remains is MD4, MD5, HMAC-MD5 and RC4, because that is what Windows answers to; prefer Kerberos or HTTPS.
//!
//! Cost: a handshake hashes some hundred bytes; a sealed byte costs one RC4 and one MD5 step (some 4 ns).

mod client;
mod keys;
mod message;
mod server;
mod session;

pub use client::{Client, ClientOptions, Random};
pub use server::{Server, ServerOptions};
pub use session::{SIGNATURE_BYTES, Session, SessionError};

/// Negotiable features (MS-NLMP 2.2.2.5).
pub(crate) mod flags {
    pub(crate) const UNICODE: u32 = 0x0000_0001;
    pub(crate) const OEM: u32 = 0x0000_0002;
    pub(crate) const REQUEST_TARGET: u32 = 0x0000_0004;
    pub(crate) const SIGN: u32 = 0x0000_0010;
    pub(crate) const SEAL: u32 = 0x0000_0020;
    pub(crate) const NTLM: u32 = 0x0000_0200;
    pub(crate) const ALWAYS_SIGN: u32 = 0x0000_8000;
    pub(crate) const TARGET_TYPE_SERVER: u32 = 0x0002_0000;
    pub(crate) const EXTENDED_SESSION_SECURITY: u32 = 0x0008_0000;
    pub(crate) const TARGET_INFO: u32 = 0x0080_0000;
    pub(crate) const VERSION: u32 = 0x0200_0000;
    pub(crate) const KEY_128: u32 = 0x2000_0000;
    pub(crate) const KEY_EXCHANGE: u32 = 0x4000_0000;
    pub(crate) const KEY_56: u32 = 0x8000_0000;
    /// What a client asks for. OEM text and 56 bit keys are asked for as everybody does, and never used.
    pub(crate) const OFFERED: u32 = UNICODE
        | REQUEST_TARGET
        | SIGN
        | SEAL
        | ALWAYS_SIGN
        | EXTENDED_SESSION_SECURITY
        | VERSION
        | KEY_128
        | KEY_EXCHANGE
        | OEM
        | NTLM
        | KEY_56;
    /// Without these nothing can be sealed as it must be; with their names.
    pub(crate) const REQUIRED: [(u32, &str); 5] = [
        (UNICODE, "unicode"),
        (SEAL, "sealing"),
        (EXTENDED_SESSION_SECURITY, "extended session security"),
        (KEY_128, "128 bit keys"),
        (KEY_EXCHANGE, "key exchange"),
    ];
}

/// Why a handshake ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NtlmError {
    /// The bytes are not the message that is due.
    #[error("the ntlm {message} message is malformed: {what}")]
    Malformed {
        /// `negotiate`, `challenge` or `authenticate`.
        message: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The peer offers less than sealing needs.
    #[error("the peer does not offer {0} for ntlm; it may be set to an older, insecure level")]
    Weak(&'static str),
    /// The response does not match the user's password, or the user is not known.
    #[error("user {0} is unknown or the password is wrong")]
    Refused(String),
    /// The messages were changed on their way, or the key does not match.
    #[error("the integrity code of the ntlm handshake is missing or wrong")]
    Integrity,
    /// The client signed in through another TLS connection than this one.
    #[error("the channel binding is missing or belongs to another tls connection")]
    ChannelBinding,
    /// The client answers without a response: an anonymous sign-in.
    #[error("anonymous sign-in is not accepted")]
    Anonymous,
}

/// Text as NTLM writes it. Does not grow while it is written, so that a password leaves no copy behind.
fn utf16(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() * 2);
    text.encode_utf16().for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
    bytes
}

/// The text that [`utf16`] wrote.
fn from_utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
    char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests;
