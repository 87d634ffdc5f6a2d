//! `syslog`: RFC 5424 and RFC 3164 over UDP, TCP or TLS.

use jiff::tz::TimeZone;
use serde_json::{Value as Json, json};

use super::definitions::Definitions;
use super::listen::{DEFAULT_MESSAGE_BYTES, MAX_MESSAGE_BYTES, SYSLOG_FRAMINGS};
use super::{Connections, DeviceKind, Listen};
use crate::Node;
use crate::fields::Fields;
use crate::readers::{Bytes, Choice, Host, PORT, Reader, Wrong};

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

pub(super) fn decode(fields: &mut Fields, _: &Definitions) -> DeviceKind {
    let protocols = Choice(&[("udp", ForwardProtocol::Udp), ("tcp", ForwardProtocol::Tcp)]);
    let protocol = fields.or("protocol", protocols, ForwardProtocol::Udp, "udp", "how messages arrive");
    let listen = Listen::decode(fields);
    let connections = Connections::decode(fields, SYSLOG_FRAMINGS);
    let sizes = Bytes(1..=MAX_MESSAGE_BYTES);
    let about = "longest message";
    let max_message_bytes =
        fields.or("max_message_size", sizes, DEFAULT_MESSAGE_BYTES, DEFAULT_MESSAGE_BYTES, about);
    let buffer_bytes = fields.or("buffer_size", Bytes(512..=64 << 20), 9000, 9000, "read buffer");
    let about = "zone of timestamps that name none (RFC 3164): local, UTC, +02:00 or Europe/Berlin";
    let timezone = fields.or("timezone", TimezoneReader, Timezone::Local, "local", about);
    let about = "where every message goes as well, verbatim";
    let forwarding = fields.items("forwarding", "replica", about, forward);
    let transport = match protocol {
        ForwardProtocol::Tcp => SyslogTransport::Tcp(connections),
        ForwardProtocol::Udp => {
            if connections.tls.is_some() {
                fields.wrong("tls", "set protocol: tcp, since there is no TLS over udp");
            }
            SyslogTransport::Udp
        }
    };
    DeviceKind::Syslog(SyslogDevice {
        listen,
        transport,
        max_message_bytes,
        buffer_bytes,
        timezone,
        forwarding,
    })
}

fn forward(fields: &mut Fields) -> Forward {
    let address = fields.required("address", Host, "host name or IP address");
    let port = fields.or("port", PORT, 514, 514, "port");
    let protocols = Choice(&[("udp", ForwardProtocol::Udp), ("tcp", ForwardProtocol::Tcp)]);
    let protocol = fields.or("type", protocols, ForwardProtocol::Udp, "udp", "how it is sent");
    Forward { address, port, protocol }
}

struct TimezoneReader;

impl Reader for TimezoneReader {
    type Value = Timezone;

    fn read(&self, node: &Node) -> Result<Timezone, Wrong> {
        let fix = "write local, UTC, an offset such as +02:00, or a name that this machine knows such as \
                   Europe/Berlin";
        node.as_text().and_then(timezone).ok_or_else(|| Wrong::new(node, fix))
    }

    fn placeholder(&self) -> Timezone {
        Timezone::Local
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

fn timezone(text: &str) -> Option<Timezone> {
    match text {
        "local" | "Local" => return Some(Timezone::Local),
        "UTC" | "utc" | "Z" => return Some(Timezone::Fixed(0)),
        _ => {}
    }
    if let Some(rest) = text.strip_prefix(['+', '-']) {
        let (hours, minutes) = rest.split_once(':')?;
        let two_digits = |text: &str, most: i32| {
            let digits = text.len() == 2 && text.bytes().all(|b| b.is_ascii_digit());
            text.parse().ok().filter(|number: &i32| digits && *number <= most)
        };
        let seconds = two_digits(hours, 14)? * 3600 + two_digits(minutes, 59)? * 60;
        return Some(Timezone::Fixed(if text.starts_with('-') { -seconds } else { seconds }));
    }
    TimeZone::get(text).ok().map(|_| Timezone::Named(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timezone_is_local_an_offset_or_a_name() {
        assert_eq!(timezone("local"), Some(Timezone::Local));
        assert_eq!(timezone("UTC"), Some(Timezone::Fixed(0)));
        assert_eq!(timezone("+02:00"), Some(Timezone::Fixed(7200)));
        assert_eq!(timezone("-09:30"), Some(Timezone::Fixed(-34_200)));
        for wrong in ["", "+2", "+2:00", "+15:00", "+-1:00", "Mars/Olympus"] {
            assert_eq!(timezone(wrong), None, "{wrong:?}");
        }
    }
}
