//! `elastic`: Elasticsearch bulk requests.

use std::time::Duration;

use super::{Batch, Beside, ClientTls, Decoded, Ordering, Retry, TargetKind};
use crate::Secret;
use crate::fields::Fields;
use crate::readers::{Choice, Flag, Seconds, SecretText, Text, Url, Whole};

/// Properties of an `elastic` target. `max_payload_size_kb` is in the target's batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElasticTarget {
    /// Index of events that do not name one.
    pub index: String,
    /// Clusters' nodes, at least one; a batch that one refuses goes to the next.
    pub endpoints: Vec<ElasticEndpoint>,
    /// Version of the server.
    pub version: ElasticVersion,
    /// Longest time for a request and its answer.
    pub timeout: Duration,
    /// `use_compression`: compress bodies with gzip.
    pub compression: bool,
    /// `write_action`: what is done with a document.
    pub action: WriteAction,
    /// `filter_path`: which parts of answers are asked for.
    pub filter_path: String,
    /// Ingest pipeline on the server.
    pub pipeline: Option<String>,
    /// TLS of `https` endpoints; `insecure_skip_verify: true` switches `verify` off.
    pub tls: ClientTls,
    /// Whether order is kept.
    pub ordering: Ordering,
}

/// A node of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ElasticEndpoint {
    /// `http://…` or `https://…`, as written.
    pub url: String,
    /// User and password, if any.
    pub credentials: Option<(String, Secret)>,
}

/// Version of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ElasticVersion {
    /// 7
    V7,
    /// 8
    V8,
}

/// What is done with a document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteAction {
    /// Refused where the id exists.
    Create,
    /// Replaces what exists.
    Index,
    /// Changes what exists.
    Update,
    /// Removes what exists.
    Delete,
}

const FILTER_PATH: &str = "errors,items.*.error,items.*._index,items.*.status";

pub(super) fn decode(fields: &mut Fields, beside: &Beside) -> Decoded {
    let index = fields.required("index", Text, "index of events that do not name one");
    let endpoints = endpoints(fields);
    let versions = Choice(&[("8", ElasticVersion::V8), ("7", ElasticVersion::V7)]);
    let version = fields.or("version", versions, ElasticVersion::V8, 8, "version of the server");
    let about = "longest bulk request, in KiB";
    let kib = fields.or("max_payload_size_kb", Whole(1..=102_400u32), 4096, 4096, about);
    let about = "longest time for a request and its answer, in seconds";
    let timeout = fields.or("timeout", Seconds(1..=3600), Duration::from_secs(30), 30, about);
    let compression = fields.or("use_compression", Flag, true, true, "compress bodies with gzip");
    let actions = Choice(&[
        ("create", WriteAction::Create),
        ("index", WriteAction::Index),
        ("update", WriteAction::Update),
        ("delete", WriteAction::Delete),
    ]);
    let about = "what is done with a document";
    let action = fields.or("write_action", actions, WriteAction::Create, "create", about);
    let about = "which parts of answers are asked for";
    let filter_path = fields.or("filter_path", Text, FILTER_PATH.to_owned(), FILTER_PATH, about);
    let pipeline = fields.optional("pipeline", Text, "ingest pipeline on the server");
    let tls = ClientTls::decode_by_url(fields);
    let ordering = Ordering::decode(fields);
    let kind = TargetKind::Elastic(ElasticTarget {
        index,
        endpoints,
        version,
        timeout,
        compression,
        action,
        filter_path,
        pipeline,
        tls,
        ordering,
    });
    let batch = Batch {
        events: Batch::decode_events(fields, beside, 10_000),
        bytes: u64::from(kib) << 10,
        time: Batch::decode_time(fields),
    };
    Decoded { kind, batch, format: beside.format, retry: Retry::decode(fields) }
}

fn endpoints(fields: &mut Fields) -> Vec<ElasticEndpoint> {
    let about = "nodes of the cluster; a batch that one refuses goes to the next";
    let endpoints = fields.items("endpoints", "endpoint", about, |endpoint| {
        let url = endpoint.required("endpoint", Url, "a URL such as https://host:9200");
        let username = endpoint.optional("username", Text, "user");
        let password = endpoint.optional("password", SecretText, "password");
        match (&username, &password) {
            (Some(_), None) => endpoint.missing("password", "the password of the user"),
            (None, Some(_)) => endpoint.missing("username", "the user of the password"),
            (Some(_), Some(_)) | (None, None) => {}
        }
        ElasticEndpoint { url, credentials: username.zip(password) }
    });
    need_one(fields);
    endpoints
}

/// Reports `endpoints` that are missing or empty.
pub(super) fn need_one(fields: &Fields) {
    match fields.node("endpoints") {
        None => fields.missing("endpoints", "a list with at least one - endpoint: https://host:port"),
        Some(node) if node.as_list().is_some_and(<[_]>::is_empty) => {
            fields.wrong("endpoints", "write at least one - endpoint: https://host:port");
        }
        Some(_) => {}
    }
}
