//! Targets: where events go. One file a type; one row a type in `TYPES`.

mod connection;
mod elastic;
mod file;
mod http;
mod splunk;
mod stream;
mod syslog;

use std::time::Duration;

use crate::fields::Fields;
use crate::kinds::{Kind, Kinds};
use crate::not_yet;
use crate::readers::{AnyText, Bytes, Choice, Flag, List, Seconds, Text, Whole};
use crate::references::ReferenceKind;
use crate::service::STORAGE;
use crate::{Position, Schedule};
pub use connection::{ClientTls, Endpoint, Ordering, TargetFraming, TlsVersion};
pub use elastic::{ElasticEndpoint, ElasticTarget, ElasticVersion, WriteAction};
pub use file::{FileCompression, FileLayout, FileTarget};
pub use http::{HttpBody, HttpMethod, HttpTarget, TargetAuthentication};
pub use splunk::{SplunkCredential, SplunkTarget};
pub use stream::{TcpTarget, UdpTarget};
pub use syslog::{SyslogTarget, SyslogTargetTransport};

/// A target.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Its unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Labels.
    pub tags: Vec<String>,
    /// Names of the postprocessing pipelines, run one after the other.
    pub pipelines: Vec<String>,
    /// Whether it is in use.
    pub status: bool,
    /// What it is.
    pub kind: TargetKind,
    /// What goes into one write or request.
    pub batch: Batch,
    /// `format`: what is written; none: raw when no pipeline is on the path, else JSON.
    pub format: Option<Format>,
    /// What happens after a failure.
    pub retry: Retry,
    /// Showing events instead of, or besides, sending them.
    pub debug: TargetDebug,
    /// When it is sent to.
    pub schedule: Schedule,
    /// What may wait on disk while it is down, slow or off its schedule.
    pub spool: TargetSpool,
    /// Where it is.
    pub at: Position,
}

/// The types of targets with their properties.
#[derive(Clone, Debug, PartialEq)]
pub enum TargetKind {
    /// The standard output.
    Console,
    /// Nowhere.
    Discard,
    /// Local files.
    File(FileTarget),
    /// Framed records over TCP or TLS.
    Tcp(TcpTarget),
    /// A datagram an event.
    Udp(UdpTarget),
    /// Syslog over UDP, TCP or TLS.
    Syslog(SyslogTarget),
    /// HTTP requests.
    Http(HttpTarget),
    /// Elasticsearch bulk requests.
    Elastic(ElasticTarget),
    /// Splunk's HTTP event collector.
    Splunk(SplunkTarget),
}

/// What goes into one write or request: it goes when any limit is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `batch_size`: most events.
    pub events: u32,
    /// `batch_bytes`: most bytes, before compression; a single event may be longer.
    pub bytes: u64,
    /// `batch_time`: longest wait for more; zero: what is there goes at once.
    pub time: Duration,
}

/// What is written for an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The bytes as received, or the text of `message`.
    Raw,
    /// A JSON object.
    Json,
}

/// What happens after a failure. Nothing is given up: after `max_retries` the batch waits for its next turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retry {
    /// `max_retries`: immediate further attempts.
    pub max_retries: u32,
    /// `retry_delay`: wait before the first further attempt; doubles with each.
    pub delay: Duration,
    /// `max_retry_delay`: longest wait.
    pub max_delay: Duration,
}

/// What may wait on disk for a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TargetSpool {
    /// `spool.max_size`: disk it may take; none: `persistent_storage.max_size`.
    pub max_bytes: Option<u64>,
    /// `spool.when_full`: what happens then.
    pub when_full: SpoolFull,
}

/// What happens when a target's spool is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SpoolFull {
    /// The devices that feed it wait.
    #[default]
    Block,
    /// The oldest events are dropped and counted.
    DropOldest,
}

/// `debug` of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TargetDebug {
    /// Events are sent.
    Off,
    /// `status: true`: events are logged and sent.
    Log,
    /// `dont_send_logs: true`, too: events are logged and not sent.
    LogOnly,
}

/// All types.
const TYPES: Kinds<Decoded, Beside> = Kinds {
    noun: "target",
    rows: &[
        Kind { name: "console", aliases: &[], about: "the standard output", decode: console },
        Kind { name: "discard", aliases: &[], about: "nowhere", decode: discard },
        Kind { name: "file", aliases: &[], about: "local files", decode: file::decode },
        Kind {
            name: "tcp",
            aliases: &[],
            about: "framed records over TCP or TLS",
            decode: stream::decode_tcp,
        },
        Kind { name: "udp", aliases: &[], about: "a datagram an event", decode: stream::decode_udp },
        Kind { name: "syslog", aliases: &[], about: "syslog over UDP, TCP or TLS", decode: syslog::decode },
        Kind { name: "http", aliases: &["https"], about: "HTTP requests", decode: http::decode },
        Kind {
            name: "elastic",
            aliases: &["elasticsearch"],
            about: "Elasticsearch bulk requests",
            decode: elastic::decode,
        },
        Kind { name: "splunk", aliases: &[], about: "Splunk's HTTP event collector", decode: splunk::decode },
    ],
    later: &[
        "otlp",
        "elasticsecurity",
        "amazonopensearch",
        "splunksecurity",
        "clickhouse",
        "azdatabricks",
        "amazondatabricks",
        "azsnowflake",
        "amazonsnowflake",
        "awss3",
        "awssecuritylake",
        "amazoncloudwatch",
        "amazonkinesis",
        "amazonmsk",
        "amazonredshift",
        "amazonsns",
        "amazonsqs",
        "azblob",
        "azdx",
        "eventhubs",
        "azmon",
        "azservicebus",
        "sentinel",
        "sentineldatalake",
        "bigquery",
        "gcpchronicle",
        "gcplogging",
        "gcppubsub",
        "gcs",
        "gcpsecops",
        "ibmcloudlogs",
        "ibmcos",
        "ibmeventstreams",
        "alibabas3",
        "backblazes3",
        "cloudflarer2",
        "digitaloceans3",
        "minio",
        "oracles3",
        "scaleways3",
        "wasabis3",
        "aivenkafka",
        "confluentcloud",
        "redpanda",
        "warpstream",
        "kafka",
        "mqtt",
        "nats",
        "synadia",
        "rabbitmq",
    ],
};

/// What stands beside the properties of a target and is overridden by them.
#[derive(Default)]
struct Beside {
    batch_size: Option<u32>,
    format: Option<Format>,
}

/// What comes of the properties.
struct Decoded {
    kind: TargetKind,
    batch: Batch,
    format: Option<Format>,
    retry: Retry,
}

/// What is read together from a socket is written together (one batch of a stream), at once.
const STREAM_BATCH: Batch = Batch { events: 1000, bytes: 128 << 10, time: Duration::ZERO };
/// A request costs far more than its bytes: what waits while the last one runs goes into the next.
const REQUEST_BATCH: Batch = Batch { events: 1000, bytes: 1 << 20, time: Duration::ZERO };
/// Most events of a batch.
const MAX_EVENTS: u32 = 10_000_000;

const FORMATS: Choice<Format> = Choice(&[("raw", Format::Raw), ("json", Format::Json)]);

/// Reads a target; none, and reported, if its type is not known.
pub(crate) fn decode(fields: &mut Fields) -> Option<Target> {
    let name = fields.required("name", Text, "a name that no other target has");
    let description = fields.or("description", AnyText, String::new(), "", "free text");
    let tags = fields.optional("tags", List(Text), "labels").unwrap_or_default();
    let about = "postprocessing pipelines, run one after the other";
    let pipelines = fields.names("pipelines", ReferenceKind::Pipeline, about);
    let status = fields.or("status", Flag, true, true, "whether it is in use");
    let beside = Beside {
        batch_size: fields.optional("batch_size", Whole(1..=MAX_EVENTS), "as in properties"),
        format: fields.optional(
            "format",
            FORMATS,
            "what is written; by default raw without a pipeline, else json",
        ),
    };
    let (decoded, (debug, schedule, spool)) = TYPES.read(fields, &beside, |properties| {
        not_yet::accept("target", properties);
        (debug(properties), Schedule::decode(properties), TargetSpool::decode(properties))
    })?;
    let Decoded { kind, batch, format, retry } = decoded;
    let at = fields.at().clone();
    Some(Target {
        name,
        description,
        tags,
        pipelines,
        status,
        kind,
        batch,
        format,
        retry,
        debug,
        schedule,
        spool,
        at,
    })
}

fn console(fields: &mut Fields, beside: &Beside) -> Decoded {
    let batch = Batch::decode(fields, beside, STREAM_BATCH);
    Decoded { kind: TargetKind::Console, batch, format: format(fields, beside), retry: Retry::DEFAULT }
}

fn discard(_: &mut Fields, beside: &Beside) -> Decoded {
    Decoded { kind: TargetKind::Discard, batch: STREAM_BATCH, format: beside.format, retry: Retry::DEFAULT }
}

/// `format` of types that give it no other meaning.
fn format(fields: &mut Fields, beside: &Beside) -> Option<Format> {
    let about = "what is written; by default raw without a pipeline, else json";
    fields.optional("format", FORMATS, about).or(beside.format)
}

fn debug(fields: &mut Fields) -> TargetDebug {
    fields.section("debug", "show events in the log", |debug| {
        let status = debug.or("status", Flag, false, false, "log each event");
        let log_only = debug.or("dont_send_logs", Flag, false, false, "and do not send it");
        match (status, log_only) {
            (true, true) => TargetDebug::LogOnly,
            (true, false) => TargetDebug::Log,
            (false, _) => TargetDebug::Off,
        }
    })
}

// === impl Batch ===

impl Batch {
    fn decode(fields: &mut Fields, beside: &Beside, default: Self) -> Self {
        let events = Self::decode_events(fields, beside, default.events);
        let about = "most bytes of a write or request, before compression";
        let bytes = fields.or("batch_bytes", Bytes(1..=1 << 30), default.bytes, default.bytes, about);
        Self { events, bytes, time: Self::decode_time(fields) }
    }

    fn decode_events(fields: &mut Fields, beside: &Beside, default: u32) -> u32 {
        let about = "most events of a write or request";
        let default = beside.batch_size.unwrap_or(default);
        fields.or("batch_size", Whole(1..=MAX_EVENTS), default, default, about)
    }

    fn decode_time(fields: &mut Fields) -> Duration {
        let about = "longest wait for more; 0: what is there goes at once";
        fields.or("batch_time", Seconds(0..=3600), Duration::ZERO, 0, about)
    }
}

// === impl TargetSpool ===

impl TargetSpool {
    fn decode(fields: &mut Fields) -> Self {
        fields.section(
            "spool",
            "what waits on disk while the target is down, slow or off its schedule",
            |spool| {
                let about = "disk it may take; by default persistent_storage.max_size";
                let full = Choice(&[("block", SpoolFull::Block), ("drop_oldest", SpoolFull::DropOldest)]);
                Self {
                    max_bytes: spool.optional("max_size", STORAGE, about),
                    when_full: spool.or(
                        "when_full",
                        full,
                        SpoolFull::Block,
                        "block",
                        "block the devices that feed it, or drop the oldest events",
                    ),
                }
            },
        )
    }
}

// === impl Retry ===

impl Retry {
    const DEFAULT: Self =
        Self { max_retries: 1, delay: Duration::from_secs(1), max_delay: Duration::from_secs(60) };

    fn decode(fields: &mut Fields) -> Self {
        let Self { max_retries, delay, max_delay } = Self::DEFAULT;
        let about = "immediate further attempts after a failure; then the data waits for its next turn";
        let max_retries = fields.or("max_retries", Whole(0..=1000), max_retries, max_retries, about);
        let about = "wait before a further attempt; doubles with each";
        let delay = fields.or("retry_delay", Seconds(0..=3600), delay, 1, about);
        let about = "longest wait before a further attempt";
        let max_delay = fields.or("max_retry_delay", Seconds(1..=86_400), max_delay, 60, about).max(delay);
        Self { max_retries, delay, max_delay }
    }
}
