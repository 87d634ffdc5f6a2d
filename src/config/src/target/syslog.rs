//! `syslog`: syslog over UDP, TCP or TLS.

use std::time::Duration;

use super::stream::{decode_timeout, decoded};
use super::{Beside, ClientTls, Decoded, Endpoint, TargetFraming, TargetKind};
use crate::fields::Fields;
use crate::readers::{Choice, Host, PORT, Text, Whole};

/// Properties of a `syslog` target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyslogTarget {
    /// Peer.
    pub endpoint: Endpoint,
    /// How messages are sent.
    pub transport: SyslogTargetTransport,
    /// Template of a message.
    pub template: String,
    /// `{{.AppName}}`
    pub app_name: String,
    /// `{{.Priority}}`: facility × 8 + severity, 0 to 191.
    pub priority: u8,
    /// Longest wait for a connection, and for a write to make progress.
    pub timeout: Duration,
}

/// How messages are sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SyslogTargetTransport {
    /// A datagram a message.
    Udp,
    /// A stream, with `type: tls` or `tls.status: true` encrypted.
    Tcp {
        /// How messages are told apart.
        framing: TargetFraming,
        /// TLS.
        tls: Option<ClientTls>,
    },
}

/// What `type` says.
#[derive(Clone, Copy)]
enum Word {
    Udp,
    Tcp,
    Tls,
}

/// The product's; not RFC 5424, although its page says so.
const TEMPLATE: &str = "<{{.Priority}}> {{.Timestamp}} {{.AppName}}[{{.PID}}]: {{.Message}}";

pub(super) fn decode(fields: &mut Fields, beside: &Beside) -> Decoded {
    let words = Choice(&[("udp", Word::Udp), ("tcp", Word::Tcp), ("tls", Word::Tls)]);
    let word = fields.or("type", words, Word::Udp, "udp", "how messages are sent");
    let local = "127.0.0.1";
    let address = fields.or("address", Host, local.to_owned(), local, "host name or IP address of the peer");
    let port = fields.or("port", PORT, 514, 514, "port of the peer");
    let template = fields.or("template", Text, TEMPLATE.to_owned(), TEMPLATE, "template of a message");
    let app_name = fields.or("app_name", Text, "vmetric".to_owned(), "vmetric", "application name");
    let priority = fields.or("priority", Whole(0..=191), 14, 14, "facility * 8 + severity");
    let timeout = decode_timeout(fields);
    let framing = TargetFraming::decode(fields);
    let (status, tls) = ClientTls::decode(fields, false);
    let transport = match (word, status) {
        (Word::Udp, true) => {
            fields.wrong("tls", "set type: tls, since there is no TLS over udp");
            SyslogTargetTransport::Udp
        }
        (Word::Udp, false) => SyslogTargetTransport::Udp,
        (Word::Tcp, false) => SyslogTargetTransport::Tcp { framing, tls: None },
        (Word::Tcp, true) | (Word::Tls, _) => SyslogTargetTransport::Tcp { framing, tls: Some(tls) },
    };
    let endpoint = Endpoint { address, port };
    let kind =
        TargetKind::Syslog(SyslogTarget { endpoint, transport, template, app_name, priority, timeout });
    decoded(fields, beside, kind)
}
