//! `tcp` and `udp`: records as they are.

use std::time::Duration;

use super::{
    Batch, Beside, ClientTls, Decoded, Endpoint, Retry, STREAM_BATCH, TargetFraming, TargetKind, format,
};
use crate::fields::Fields;
use crate::readers::Seconds;

/// Properties of a `tcp` target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpTarget {
    /// Peers, at least one: the first that answers gets the data.
    pub endpoints: Vec<Endpoint>,
    /// How records are told apart.
    pub framing: TargetFraming,
    /// Longest wait for a connection, and for a write to make progress.
    pub timeout: Duration,
    /// TLS, if `tls.status`.
    pub tls: Option<ClientTls>,
}

/// Properties of a `udp` target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpTarget {
    /// Peers, at least one: the first that resolves gets the data.
    pub endpoints: Vec<Endpoint>,
}

pub(super) fn decode_tcp(fields: &mut Fields, beside: &Beside) -> Decoded {
    let endpoints = Endpoint::decode_several(fields);
    let framing = TargetFraming::decode(fields);
    let timeout = decode_timeout(fields);
    let (status, tls) = ClientTls::decode(fields, true);
    let kind = TargetKind::Tcp(TcpTarget { endpoints, framing, timeout, tls: status.then_some(tls) });
    decoded(fields, beside, kind)
}

pub(super) fn decode_udp(fields: &mut Fields, beside: &Beside) -> Decoded {
    let kind = TargetKind::Udp(UdpTarget { endpoints: Endpoint::decode_several(fields) });
    decoded(fields, beside, kind)
}

/// `timeout` of a connection.
pub(super) fn decode_timeout(fields: &mut Fields) -> Duration {
    let about = "longest wait for a connection, and for a write to make progress, in seconds";
    fields.or("timeout", Seconds(1..=3600), Duration::from_secs(30), 30, about)
}

/// The settings that all streams share.
pub(super) fn decoded(fields: &mut Fields, beside: &Beside, kind: TargetKind) -> Decoded {
    let batch = Batch::decode(fields, beside, STREAM_BATCH);
    Decoded { kind, batch, format: format(fields, beside), retry: Retry::decode(fields) }
}
