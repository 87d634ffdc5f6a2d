//! How a target's stand-in receives.

use crate::endpoints::requests::Intake;
use crate::endpoints::stream_sender::Framing;
use config::TargetKind;
use config::target::{SyslogTargetTransport, TargetFraming};

/// How a target is received.
pub(super) enum Receiving {
    /// Over TCP, with TLS or not.
    Stream(Framing, bool),
    /// Requests, with TLS or not.
    Requests(Intake, bool),
    /// Over UDP.
    Datagrams,
}

impl Receiving {
    /// None: it is not received over a network.
    pub(super) fn of(kind: &TargetKind) -> Option<Self> {
        let framing = |framing: &TargetFraming| match framing {
            TargetFraming::Delimiter(delimiter) => Framing::Delimiter(delimiter.clone()),
            TargetFraming::Octet => Framing::Octet,
        };
        Some(match kind {
            TargetKind::Tcp(tcp) => Self::Stream(framing(&tcp.framing), tcp.tls.is_some()),
            TargetKind::Udp(_) => Self::Datagrams,
            TargetKind::Syslog(syslog) => match &syslog.transport {
                SyslogTargetTransport::Udp => Self::Datagrams,
                SyslogTargetTransport::Tcp { framing: by, tls } => Self::Stream(framing(by), tls.is_some()),
            },
            TargetKind::Http(http) => Self::Requests(Intake::Http, http.url.starts_with("https")),
            TargetKind::Elastic(elastic) => {
                let tls = elastic.endpoints.iter().any(|endpoint| endpoint.url.starts_with("https"));
                Self::Requests(Intake::Elastic, tls)
            }
            TargetKind::Splunk(splunk) => {
                Self::Requests(Intake::Splunk, splunk.endpoints.iter().any(|url| url.starts_with("https")))
            }
            TargetKind::Console | TargetKind::Discard | TargetKind::File(_) => return None,
        })
    }
}
