//! `syslog`: RFC 5424 and RFC 3164 over UDP, TCP or TLS.

use super::{Connections, Listen};

/// Properties of a `syslog` device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogDevice {
    /// Where it binds.
    pub listen: Listen,
    /// How messages arrive.
    pub transport: SyslogTransport,
    /// `max_message_size`: longest message.
    pub max_message_bytes: u64,
    /// `buffer_size`: read buffer.
    pub buffer_bytes: u64,
    /// `timezone`: of timestamps that do not name one (RFC 3164).
    pub timezone: Timezone,
    /// Where every message goes as well, verbatim.
    pub forwarding: Vec<Forward>,
}

/// How messages arrive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTransport {
    /// `protocol: udp`: one message a datagram.
    Udp,
    /// `protocol: tcp`, TLS with `tls.status: true`.
    Tcp(Connections),
}

/// A time zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Timezone {
    /// That of the machine.
    Local,
    /// Seconds east of UTC.
    Fixed(i32),
    /// A name of the IANA database, known to this machine.
    Named(String),
}

/// A verbatim replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Forward {
    /// Host name or address.
    pub address: String,
    /// Port.
    pub port: u16,
    /// UDP, or a persistent TCP connection.
    pub protocol: ForwardProtocol,
}

/// How a replica is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ForwardProtocol {
    /// A datagram a message.
    Udp,
    /// A persistent connection.
    Tcp,
}
