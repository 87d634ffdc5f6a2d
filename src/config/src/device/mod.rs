//! Devices: where events come from. One file a type; one row a type in [`TYPES`].

mod file;
mod http;
mod listen;
mod syslog;
mod tcp;
mod udp;

use std::time::Duration;

use crate::Position;
pub use file::{FileDevice, Multiline, MultilineMatch, Records};
pub use http::{DeviceAuthentication, HmacAlgorithm, HttpDevice, HttpFormat, HttpResponse};
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
}
