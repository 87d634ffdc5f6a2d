//! `splunk`: Splunk's HTTP event collector.

use std::time::Duration;

use super::elastic::need_one;
use super::{Batch, Beside, ClientTls, Decoded, Ordering, REQUEST_BATCH, Retry, TargetKind};
use crate::Secret;
use crate::fields::Fields;
use crate::readers::{Choice, Flag, Seconds, SecretText, Text, Url};

/// Properties of a `splunk` target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SplunkTarget {
    /// URLs of collectors, at least one; a batch that one refuses goes to the next.
    pub endpoints: Vec<String>,
    /// Who we are.
    pub credential: SplunkCredential,
    /// Index of events that do not name one.
    pub index: Option<String>,
    /// Source type of events that do not name one.
    pub sourcetype: Option<String>,
    /// Source of events that do not name one.
    pub source: Option<String>,
    /// Longest time for a request and its answer.
    pub timeout: Duration,
    /// Add the routing header.
    pub tcp_routing: bool,
    /// `use_compression`: compress bodies with gzip.
    pub compression: bool,
    /// TLS of `https` endpoints; `insecure_skip_verify: true` switches `verify` off.
    pub tls: ClientTls,
    /// Whether order is kept.
    pub ordering: Ordering,
}

/// Who we are, by `auth_type`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SplunkCredential {
    /// `token`: `Authorization: Splunk …`
    Token(Secret),
    /// `secret`: `Authorization: Bearer …`
    Bearer(Secret),
}

/// What `auth_type` says.
#[derive(Clone, Copy)]
enum Scheme {
    Token,
    Secret,
}

pub(super) fn decode(fields: &mut Fields, beside: &Beside) -> Decoded {
    let about = "collectors; a batch that one refuses goes to the next";
    let endpoints = fields.items("endpoints", "endpoint", about, |endpoint| {
        endpoint.required("endpoint", Url, "a URL such as https://host:8088/services/collector")
    });
    need_one(fields);
    let credential = credential(fields);
    let index = fields.optional("index", Text, "index of events that do not name one");
    let sourcetype = fields.optional("sourcetype", Text, "source type of events that do not name one");
    let source = fields.optional("source", Text, "source of events that do not name one");
    let about = "longest time for a request and its answer, in seconds";
    let timeout = fields.or("timeout", Seconds(1..=3600), Duration::from_secs(30), 30, about);
    let tcp_routing = fields.or("tcp_routing", Flag, false, false, "add the routing header");
    let compression = fields.or("use_compression", Flag, true, true, "compress bodies with gzip");
    let tls = ClientTls::decode_by_url(fields);
    let ordering = Ordering::decode(fields);
    let kind = TargetKind::Splunk(SplunkTarget {
        endpoints,
        credential,
        index,
        sourcetype,
        source,
        timeout,
        tcp_routing,
        compression,
        tls,
        ordering,
    });
    let batch = Batch::decode(fields, beside, Batch { events: 10_000, ..REQUEST_BATCH });
    Decoded { kind, batch, format: beside.format, retry: Retry::decode(fields) }
}

fn credential(fields: &mut Fields) -> SplunkCredential {
    let schemes = Choice(&[("token", Scheme::Token), ("secret", Scheme::Secret)]);
    let scheme = fields.or("auth_type", schemes, Scheme::Token, "token", "which credential is used");
    let token = fields.optional("token", SecretText, "token, for auth_type token");
    let secret = fields.optional("secret", SecretText, "bearer token, for auth_type secret");
    let (name, used) = match scheme {
        Scheme::Token => ("token", token),
        Scheme::Secret => ("secret", secret),
    };
    if used.is_none() {
        fields.missing(name, &format!("auth_type {name} needs it, best as ${{NAME}} from the environment"));
    }
    let used = used.unwrap_or_else(|| Secret::new(""));
    match scheme {
        Scheme::Token => SplunkCredential::Token(used),
        Scheme::Secret => SplunkCredential::Bearer(used),
    }
}
