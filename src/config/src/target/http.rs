//! `http` (and `https`): requests.

use std::time::Duration;

use super::{Batch, Beside, ClientTls, Decoded, Ordering, REQUEST_BATCH, Retry, TargetKind};
use crate::Secret;
use crate::fields::Fields;
use crate::not_yet;
use crate::readers::{Choice, Flag, Seconds, SecretText, Text, Url, Whole};

/// Properties of an `http` target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpTarget {
    /// `http://…` or `https://…`, without credentials.
    pub url: String,
    /// Method of requests.
    pub method: HttpMethod,
    /// `format`: what a body holds.
    pub body: HttpBody,
    /// Content type of requests.
    pub content_type: String,
    /// Further headers; their values may be secrets.
    pub headers: Vec<(String, Secret)>,
    /// Longest time for a request and its answer.
    pub timeout: Duration,
    /// Longest time to connect.
    pub connect_timeout: Duration,
    /// Longest pause between two reads of an answer.
    pub socket_timeout: Duration,
    /// Compress bodies with gzip.
    pub compression: bool,
    /// Use connections again.
    pub keep_alive: bool,
    /// Follow redirections.
    pub follow_redirects: bool,
    /// Most connections.
    pub pool_max: u32,
    /// Most connections to one host.
    pub pool_max_per_route: u32,
    /// Who we are.
    pub authentication: TargetAuthentication,
    /// TLS of an `https` URL.
    pub tls: ClientTls,
    /// Whether order is kept.
    pub ordering: Ordering,
}

/// Method of requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpMethod {
    /// GET
    Get,
    /// POST
    Post,
    /// PUT
    Put,
    /// PATCH
    Patch,
    /// DELETE
    Delete,
    /// HEAD
    Head,
}

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpBody {
    /// One event, as a JSON object.
    Json,
    /// A JSON array of events.
    JsonBatch,
    /// One event, as form fields.
    Form,
    /// One event a line.
    Message,
}

/// Who we are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetAuthentication {
    /// Nobody.
    None,
    /// HTTP basic authentication (RFC 7617).
    Basic {
        /// User.
        username: String,
        /// Password.
        password: Secret,
    },
    /// A bearer token (RFC 6750).
    Bearer {
        /// Token.
        token: Secret,
    },
    /// A header with a secret value.
    Header {
        /// Name of the header.
        key: String,
        /// Its value.
        value: Secret,
    },
}

const METHODS: Choice<HttpMethod> = Choice(&[
    ("POST", HttpMethod::Post),
    ("GET", HttpMethod::Get),
    ("PUT", HttpMethod::Put),
    ("PATCH", HttpMethod::Patch),
    ("DELETE", HttpMethod::Delete),
    ("HEAD", HttpMethod::Head),
]);

const BODIES: Choice<HttpBody> = Choice(&[
    ("json", HttpBody::Json),
    ("json_batch", HttpBody::JsonBatch),
    ("form", HttpBody::Form),
    ("message", HttpBody::Message),
]);

pub(super) fn decode(fields: &mut Fields, beside: &Beside) -> Decoded {
    let url = fields.required("url", Url, "a URL such as https://host:8080/path");
    let method = fields.or("method", METHODS, HttpMethod::Post, "POST", "method of requests");
    let body = fields.or("format", BODIES, HttpBody::Json, "json", "what a body holds");
    let about = "content type of requests; by default that of the format";
    let content_type = fields.optional("content_type", Text, about).unwrap_or_else(|| {
        let by_format = match body {
            HttpBody::Json | HttpBody::JsonBatch => "application/json",
            HttpBody::Form => "application/x-www-form-urlencoded",
            HttpBody::Message => "text/plain",
        };
        by_format.to_owned()
    });
    let headers = headers(fields);
    let seconds = |fields: &mut Fields, name, default, about| {
        fields.or(name, Seconds(1..=3600), Duration::from_secs(default), default, about)
    };
    let timeout = seconds(fields, "timeout", 60, "longest time for a request and its answer, in seconds");
    let connect_timeout = seconds(fields, "connect_timeout", 10, "longest time to connect, in seconds");
    let socket_timeout = seconds(fields, "socket_timeout", 10, "longest pause within an answer, in seconds");
    let compression = fields.or("compression", Flag, false, false, "compress bodies with gzip");
    let keep_alive = fields.or("keep_alive", Flag, true, true, "use connections again");
    let follow_redirects = fields.or("follow_redirects", Flag, true, true, "follow redirections");
    let pool_max = fields.or("pool_max", Whole(1..=10_000), 50, 50, "most connections");
    let about = "most connections to one host";
    let pool_max_per_route = fields.or("pool_max_per_route", Whole(1..=10_000), 25, 25, about);
    let authentication = fields.section("authentication", "who we are", authentication);
    let tls = tls(fields);
    let ordering = Ordering::decode(fields);
    let kind = TargetKind::Http(HttpTarget {
        url,
        method,
        body,
        content_type,
        headers,
        timeout,
        connect_timeout,
        socket_timeout,
        compression,
        keep_alive,
        follow_redirects,
        pool_max,
        pool_max_per_route,
        authentication,
        tls,
        ordering,
    });
    let batch = Batch::decode(fields, beside, REQUEST_BATCH);
    Decoded { kind, batch, format: beside.format, retry: Retry::decode(fields) }
}

/// Names are tokens, values are on one line (RFC 9110 5.1, 5.5).
fn headers(fields: &mut Fields) -> Vec<(String, Secret)> {
    let headers = fields.entries("headers", &SecretText, "further headers");
    for (name, value) in &headers {
        let token = !name.is_empty()
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b));
        if !token || value.expose().chars().any(char::is_control) {
            let what = format!("header {name:?} in {} can't be sent", fields.property("headers"));
            fields.report(
                fields.at_key("headers").error(what, "write a name without spaces and a value on one line"),
            );
        }
    }
    headers
}

/// `tls.status` switches the own certificate on; whether TLS is used is up to the URL.
fn tls(fields: &mut Fields) -> ClientTls {
    let (status, mut tls) = ClientTls::decode(fields, true);
    if tls.certificate.is_some() && !status {
        not_yet::warn(fields, "tls", "its certificate is used with tls.status: true only");
        tls.certificate = None;
    }
    tls
}

/// What `authentication.type` says.
#[derive(Clone, Copy)]
enum Scheme {
    None,
    Basic,
    Bearer,
    Header,
}

fn authentication(fields: &mut Fields) -> TargetAuthentication {
    let schemes = Choice(&[
        ("none", Scheme::None),
        ("basic", Scheme::Basic),
        ("bearer", Scheme::Bearer),
        ("header", Scheme::Header),
    ]);
    let scheme = fields.or("type", schemes, Scheme::None, "none", "how we prove it");
    let username = fields.optional("username", Text, "user, for basic");
    let password = fields.optional("password", SecretText, "password, for basic");
    let token = fields.optional("token", SecretText, "token, for bearer");
    let (key, value) = fields.section("header", "for header", |header| {
        (
            header.optional("key", Text, "name of the header"),
            header.optional("value", SecretText, "its value"),
        )
    });
    let needs = |name: &str, is_there: bool| {
        if !is_there {
            fields.missing(name, "authentication.type needs it");
        }
    };
    match scheme {
        Scheme::None => {
            let any = username.is_some()
                || password.is_some()
                || token.is_some()
                || key.is_some()
                || value.is_some();
            if any {
                fields.missing("type", "basic, bearer or header, since there are credentials");
            }
            TargetAuthentication::None
        }
        Scheme::Basic => {
            needs("username", username.is_some());
            needs("password", password.is_some());
            let none = TargetAuthentication::None; // reported
            username
                .zip(password)
                .map_or(none, |(username, password)| TargetAuthentication::Basic { username, password })
        }
        Scheme::Bearer => {
            needs("token", token.is_some());
            token.map_or(TargetAuthentication::None, |token| TargetAuthentication::Bearer { token })
        }
        Scheme::Header => {
            needs("header.key", key.is_some());
            needs("header.value", value.is_some());
            let none = TargetAuthentication::None; // reported
            key.zip(value).map_or(none, |(key, value)| TargetAuthentication::Header { key, value })
        }
    }
}
