//! `http`: events in requests.

use std::fmt::Display;

use super::definitions::Definitions;
use super::listen::{DEFAULT_MESSAGE_BYTES, MAX_MESSAGE_BYTES};
use super::{DeviceKind, Listen, Tls};
use crate::Secret;
use crate::fields::Fields;
use crate::readers::{AnyText, Bytes, Choice, SecretText, Text, Whole};

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
    /// Most connections at a time.
    pub max_connections: u32,
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

pub(super) fn decode(fields: &mut Fields, _: &Definitions) -> DeviceKind {
    fields.or("protocol", Choice(&[("tcp", ())]), (), "tcp", "only tcp");
    let listen = Listen::decode(fields);
    let path = fields.or("url", Text, "/".to_owned(), "/", "the path that takes events");
    if !path.starts_with('/') {
        fields.wrong("url", "write a path that starts with /, such as /events");
    }
    let json = "application/json";
    let content_type =
        fields.or("content_type", Text, json.to_owned(), json, "content type that requests have");
    let formats = Choice(&[
        ("auto", HttpFormat::Auto),
        ("event", HttpFormat::Event),
        ("lines", HttpFormat::Lines),
        ("json_array", HttpFormat::JsonArray),
    ]);
    let format = fields.or("format", formats, HttpFormat::Auto, "auto", "what a body holds");
    let about = "longest body, after decompression";
    let sizes = Bytes(1..=MAX_MESSAGE_BYTES);
    let max_body_bytes =
        fields.or("max_body_size", sizes, DEFAULT_MESSAGE_BYTES, DEFAULT_MESSAGE_BYTES, about);
    let about = "most connections at a time";
    let max_connections = fields.or("max_connections", Whole(1..=1_000_000), 10_000, 10_000, about);
    let response = fields.section("response", "the answer to an accepted request", |response| {
        let success = r#"{"message":"success"}"#;
        HttpResponse {
            code: response.or("code", Whole(200..=299), 200, 200, "status"),
            body: response.or("body", AnyText, success.to_owned(), success, "body"),
            content_type: response.or(
                "content_type",
                Text,
                json.to_owned(),
                json,
                "content type of the body",
            ),
        }
    });
    let authentication = authentication(fields);
    let tls = Tls::decode(fields);
    DeviceKind::Http(HttpDevice {
        listen,
        path,
        content_type,
        format,
        max_connections,
        max_body_bytes,
        response,
        authentication,
        tls,
    })
}

/// What `authentication.type` says.
#[derive(Clone, Copy, PartialEq)]
enum Scheme {
    None,
    Basic,
    Header,
    Hmac,
}

/// The credentials that are there, whatever the type.
struct Credentials {
    username: Option<String>,
    password: Option<Secret>,
    header: (Option<String>, Option<Secret>),
    hmac: (Option<HmacAlgorithm>, Option<String>, Option<Secret>, Option<String>),
}

/// Credentials stand below `authentication`, or beside it: the product's pages show both.
fn authentication(fields: &mut Fields) -> DeviceAuthentication {
    let beside = Credentials::decode(fields);
    fields.section("authentication", "who may post", |fields| {
        let schemes = Choice(&[
            ("none", Scheme::None),
            ("basic", Scheme::Basic),
            ("header", Scheme::Header),
            ("hmac", Scheme::Hmac),
        ]);
        let scheme =
            fields.or("type", schemes, Scheme::None, "none", "how a request proves where it comes from");
        let given = Credentials::decode(fields).or(beside);
        match scheme {
            Scheme::None => {
                if given.any() {
                    fields.missing("type", "basic, header or hmac, since there are credentials");
                }
                DeviceAuthentication::None
            }
            Scheme::Basic => DeviceAuthentication::Basic {
                username: needed(fields, given.username, "username", "basic", String::new),
                password: needed(fields, given.password, "password", "basic", || Secret::new("")),
            },
            Scheme::Header => DeviceAuthentication::Header {
                key: needed(fields, given.header.0, "header.key", "header", String::new),
                value: needed(fields, given.header.1, "header.value", "header", || Secret::new("")),
            },
            Scheme::Hmac => DeviceAuthentication::Hmac {
                algorithm: needed(fields, given.hmac.0, "hmac.type", "hmac", || HmacAlgorithm::Sha256),
                header: needed(fields, given.hmac.1, "hmac.header", "hmac", String::new),
                key: needed(fields, given.hmac.2, "hmac.key", "hmac", || Secret::new("")),
                prefix: given.hmac.3.unwrap_or_default(),
            },
        }
    })
}

/// A credential that the type asks for.
fn needed<T>(
    fields: &Fields,
    value: Option<T>,
    name: &str,
    scheme: impl Display,
    placeholder: impl Fn() -> T,
) -> T {
    value.unwrap_or_else(|| {
        fields.missing(name, &format!("authentication.type {scheme} needs it"));
        placeholder()
    })
}

impl Credentials {
    fn decode(fields: &mut Fields) -> Self {
        let username = fields.optional("username", Text, "user, for basic");
        let password = fields.optional("password", SecretText, "password, for basic");
        let header = fields.section("header", "for header", |header| {
            (
                header.optional("key", Text, "name of the header"),
                header.optional("value", SecretText, "its value"),
            )
        });
        let hmac = fields.section("hmac", "for hmac", |hmac| {
            let algorithms = Choice(&[
                ("sha256", HmacAlgorithm::Sha256),
                ("sha1", HmacAlgorithm::Sha1),
                ("sha512", HmacAlgorithm::Sha512),
            ]);
            (
                hmac.optional("type", algorithms, "hash"),
                hmac.optional("header", Text, "name of the header with the signature"),
                hmac.optional("key", SecretText, "key"),
                hmac.optional("prefix", Text, "what stands before the signature, such as sha256="),
            )
        });
        Self { username, password, header, hmac }
    }

    fn or(self, other: Self) -> Self {
        let (header, other_header) = (self.header, other.header);
        let (hmac, other_hmac) = (self.hmac, other.hmac);
        Self {
            username: self.username.or(other.username),
            password: self.password.or(other.password),
            header: (header.0.or(other_header.0), header.1.or(other_header.1)),
            hmac: (
                hmac.0.or(other_hmac.0),
                hmac.1.or(other_hmac.1),
                hmac.2.or(other_hmac.2),
                hmac.3.or(other_hmac.3),
            ),
        }
    }

    fn any(&self) -> bool {
        self.username.is_some()
            || self.password.is_some()
            || self.header.0.is_some()
            || self.header.1.is_some()
            || self.hmac.0.is_some()
            || self.hmac.1.is_some()
            || self.hmac.2.is_some()
    }
}
