//! Devices: where events come from. One file a type; one row a type in `TYPES`.

mod definitions;
mod file;
mod http;
mod linux;
mod listen;
mod syslog;
mod tcp;
mod udp;

use std::time::Duration;

use crate::Position;
use crate::fields::Fields;
use crate::kinds::{Kind, Kinds};
use crate::not_yet;
use crate::readers::{AnyText, Flag, List, Seconds, Text, Whole};
use crate::references::ReferenceKind;
use definitions::Definitions;
pub use definitions::{Definition, Input};
pub use file::{FileDevice, Multiline, MultilineMatch, Records};
pub use http::{DeviceAuthentication, HmacAlgorithm, HttpDevice, HttpFormat, HttpResponse};
pub use linux::{Backlog, Command, HostKeys, Journal, LinuxDevice, LinuxInputs, Start};
pub use listen::{AllowedIps, Connections, Framing, Listen, Tls};
pub use syslog::{Forward, ForwardProtocol, SyslogDevice, SyslogTransport, Timezone};
pub use tcp::TcpDevice;
pub use udp::UdpDevice;

/// A device.
#[derive(Clone, Debug, PartialEq)]
pub struct Device {
    /// Its unique number.
    pub id: u64,
    /// Its unique name.
    pub name: String,
    /// Free text.
    pub description: String,
    /// Labels.
    pub tags: Vec<String>,
    /// Names of the preprocessing pipelines, run one after the other.
    pub pipelines: Vec<String>,
    /// Whether it is in use.
    pub status: bool,
    /// `rate_limit`: most events a second; 0: no limit.
    pub rate_limit_per_second: u32,
    /// `silent_after`: without an event for this long it is reported as silent.
    pub silent_after: Option<Duration>,
    /// What it is.
    pub kind: DeviceKind,
    /// Where it is.
    pub at: Position,
}

/// The types of devices with their properties.
#[derive(Clone, Debug, PartialEq)]
pub enum DeviceKind {
    /// Syslog over UDP, TCP or TLS.
    Syslog(SyslogDevice),
    /// Framed records over TCP or TLS.
    Tcp(TcpDevice),
    /// One event a datagram.
    Udp(UdpDevice),
    /// Events in requests.
    Http(HttpDevice),
    /// Files that grow.
    File(FileDevice),
    /// A host that is read over SSH.
    Linux(Box<LinuxDevice>),
}

impl DeviceKind {
    /// Whether it is asked for datasets.
    fn has_datasets(&self) -> bool {
        match self {
            Self::Linux(_) => true,
            Self::Syslog(_) | Self::Tcp(_) | Self::Udp(_) | Self::Http(_) | Self::File(_) => false,
        }
    }
}

/// All types.
const TYPES: Kinds<DeviceKind, Definitions> = Kinds {
    noun: "device",
    rows: &[
        Kind { name: "syslog", aliases: &[], about: "syslog over UDP, TCP or TLS", decode: syslog::decode },
        Kind { name: "tcp", aliases: &[], about: "framed records over TCP or TLS", decode: tcp::decode },
        Kind { name: "udp", aliases: &[], about: "one event a datagram", decode: udp::decode },
        Kind { name: "http", aliases: &[], about: "events in HTTP requests", decode: http::decode },
        Kind { name: "file", aliases: &[], about: "files that grow", decode: file::decode },
        Kind { name: "linux", aliases: &[], about: "a host that is read over SSH", decode: linux::decode },
    ],
    later: &[
        "windows",
        "snmptrap",
        "kafka",
        "nats",
        "rabbitmq",
        "redis",
        "netflow",
        "ipfix",
        "sflow",
        "smtp",
        "tftp",
        "estreamer",
        "proofpoint",
        "eventhubs",
        "azblob",
        "azmon",
        "sentinel",
        "awss3",
        "awssecuritylake",
        "otel",
        "ccf",
        "mssql",
        "mysql",
        "postgres",
        "oracle",
    ],
};

/// Whether this is the name of a type that is available.
pub(crate) fn is_type(name: &str) -> bool {
    TYPES.has(name)
}

/// The type that somebody may have meant.
pub(crate) fn did_you_mean_type(name: &str) -> String {
    TYPES.did_you_mean(name)
}

/// Most ids are small, some of the product's have eighteen digits.
const MAX_ID: u64 = i64::MAX as u64;

/// Reads a device; none, and reported, if its type is not known.
pub(crate) fn decode(fields: &mut Fields) -> Option<Device> {
    let id = fields.required("id", Whole(0..=MAX_ID), "a number that no other device has");
    let name = fields.required("name", Text, "a name that no other device has");
    let description = fields.or("description", AnyText, String::new(), "", "free text");
    let tags = fields.optional("tags", List(Text), "labels").unwrap_or_default();
    let about = "preprocessing pipelines, run one after the other";
    let pipelines = fields.names("pipelines", ReferenceKind::Pipeline, about);
    let status = fields.or("status", Flag, true, true, "whether it is in use");
    let definitions = definitions::decode(fields);
    let (kind, common) = TYPES.read(fields, &definitions, |properties| {
        not_yet::accept("device", properties);
        let about = "most events a second; 0: no limit";
        let rate_limit_per_second = properties.or("rate_limit", Whole(0..=u32::MAX), 0, 0, about);
        let about = "report it as silent when no event came for this long; 0: never";
        let silent_after = properties.optional("silent_after", Seconds(0..=31 * 86_400), about);
        (rate_limit_per_second, silent_after.filter(|time| !time.is_zero()))
    })?;
    let (rate_limit_per_second, silent_after) = common;
    if !definitions.0.is_empty() && !kind.has_datasets() {
        fields.wrong("definitions", "remove it: only devices that are collected from afar have datasets");
    }
    let at = fields.at().clone();
    Some(Device {
        id,
        name,
        description,
        tags,
        pipelines,
        status,
        rate_limit_per_second,
        silent_after,
        kind,
        at,
    })
}
