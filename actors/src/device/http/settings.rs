//! What an HTTP device takes, and what it answers.

use hmac::Hmac;
use hmac::digest::KeyInit;
use http::HeaderValue;
use http::header::HeaderName;
use protocol::http_body::Split;
use security::access::AccessList;
use security::tls::ServerTls;
use sha1::Sha1;
use sha2::{Sha256, Sha512};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What an HTTP device takes, and what it answers.
#[derive(Clone, Debug)]
pub struct HttpSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Who may connect.
    pub access: AccessList,
    /// TLS, where connections are encrypted.
    pub tls: Option<Arc<ServerTls>>,
    /// Most connections at a time.
    pub max_connections: usize,
    /// The path that takes events.
    pub path: String,
    /// The media type that requests have, in lower case and without parameters.
    pub content_type: String,
    /// How a body is split; none: by its type and content.
    pub split: Option<Split>,
    /// Longest body, before and after decompression.
    pub max_body_bytes: usize,
    /// Who may post.
    pub credentials: Credentials,
    /// The answer to an accepted request.
    pub response: Response,
    /// How long things may take.
    pub limits: ServerLimits,
}

/// The answer to an accepted request.
#[derive(Clone, Debug)]
pub struct Response {
    /// Status.
    pub code: http::StatusCode,
    /// Body.
    pub body: bytes::Bytes,
    /// Content type of the body.
    pub content_type: HeaderValue,
}

/// How long things may take before a connection or a request is given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerLimits {
    /// A TLS handshake.
    pub handshake: Duration,
    /// From the end of a request to the end of the next one's head: silence as well as slowness.
    pub head: Duration,
    /// A pause within a body.
    pub pause: Duration,
    /// Until the ledger has acknowledged a request's events.
    pub acknowledge: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { handshake: seconds(10), head: seconds(60), pause: seconds(30), acknowledge: seconds(10) }
    }
}

/// How a request proves where it comes from.
#[derive(Clone)]
pub enum Credentials {
    /// Not at all.
    None,
    /// A header with a secret value; basic authentication is one, too (RFC 7617).
    Header {
        /// Its name.
        name: HeaderName,
        /// Its value.
        value: Vec<u8>,
        /// Whether a browser would ask for user and password.
        basic: bool,
    },
    /// A header with the hexadecimal HMAC of the body as it is sent (RFC 2104).
    Hmac {
        /// Its name.
        name: HeaderName,
        /// What stands before the signature.
        prefix: String,
        /// Hash and key.
        key: Box<HmacKey>,
    },
}

/// Hash and key of an HMAC, with nothing hashed yet.
#[derive(Clone)]
pub enum HmacKey {
    /// SHA-1
    Sha1(Hmac<Sha1>),
    /// SHA-256
    Sha256(Hmac<Sha256>),
    /// SHA-512
    Sha512(Hmac<Sha512>),
}

impl HmacKey {
    /// SHA-1 with this key.
    pub fn sha1(key: &[u8]) -> Self {
        Self::Sha1(keyed(key))
    }

    /// SHA-256 with this key.
    pub fn sha256(key: &[u8]) -> Self {
        Self::Sha256(keyed(key))
    }

    /// SHA-512 with this key.
    pub fn sha512(key: &[u8]) -> Self {
        Self::Sha512(keyed(key))
    }
}

fn keyed<M: KeyInit>(key: &[u8]) -> M {
    M::new_from_slice(key).expect("an HMAC takes keys of any length")
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Credentials::None => f.write_str("None"),
            Credentials::Header { name, .. } => write!(f, "Header({name})"),
            Credentials::Hmac { name, .. } => write!(f, "Hmac({name})"),
        }
    }
}
