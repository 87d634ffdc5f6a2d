//! `http`: events in requests.

use super::{Listen, Tls};
use crate::Secret;

/// Properties of an `http` device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpDevice {
    /// Where it binds.
    pub listen: Listen,
    /// `url`: the path that takes events; starts with `/`.
    pub path: String,
    /// The content type that requests have to have.
    pub content_type: String,
    /// What a body holds.
    pub format: HttpFormat,
    /// `max_body_size`: longest body, after decompression.
    pub max_body_bytes: u64,
    /// The answer to an accepted request.
    pub response: HttpResponse,
    /// Who may post.
    pub authentication: DeviceAuthentication,
    /// TLS, if `tls.status`.
    pub tls: Option<Tls>,
}

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFormat {
    /// A JSON array is its items, `application/x-ndjson` is lines, all else one event.
    Auto,
    /// One event.
    Event,
    /// One event a line.
    Lines,
    /// One event an item.
    JsonArray,
}

/// The answer to an accepted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// Status, 200 to 299.
    pub code: u16,
    /// Body.
    pub body: String,
    /// Content type of the body.
    pub content_type: String,
}

/// How a request proves where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeviceAuthentication {
    /// Not at all.
    None,
    /// HTTP basic authentication (RFC 7617).
    Basic {
        /// User.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A header with a secret value.
    Header {
        /// Name of the header.
        key: String,
        /// Its value.
        value: Secret,
    },
    /// A header with the hexadecimal HMAC of the body.
    Hmac {
        /// Hash.
        algorithm: HmacAlgorithm,
        /// Name of the header.
        header: String,
        /// Key.
        key: Secret,
        /// What is taken off the front of the header's value, such as `sha256=`.
        prefix: String,
    },
}

/// Hash of an HMAC (RFC 2104).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacAlgorithm {
    /// SHA-1
    Sha1,
    /// SHA-256
    Sha256,
    /// SHA-512
    Sha512,
}
