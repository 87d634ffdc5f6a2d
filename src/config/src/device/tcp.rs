//! `tcp`: framed records over TCP or TLS.

use super::definitions::Definitions;
use super::listen::{DEFAULT_MESSAGE_BYTES, FRAMINGS, MAX_MESSAGE_BYTES};
use super::{Connections, DeviceKind, Listen};
use crate::fields::Fields;
use crate::readers::{Bytes, Choice};

/// Properties of a `tcp` device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TcpDevice {
    /// Where it binds.
    pub listen: Listen,
    /// What it does with connections.
    pub connections: Connections,
    /// `max_message_size`: longest record.
    pub max_message_bytes: u64,
    /// `buffer_size`: read buffer.
    pub buffer_bytes: u64,
}

pub(super) fn decode(fields: &mut Fields, _: &Definitions) -> DeviceKind {
    fields.or("protocol", Choice(&[("tcp", ())]), (), "tcp", "only tcp");
    let listen = Listen::decode(fields);
    let connections = Connections::decode(fields, FRAMINGS);
    let sizes = Bytes(1..=MAX_MESSAGE_BYTES);
    let about = "longest record";
    let max_message_bytes =
        fields.or("max_message_size", sizes, DEFAULT_MESSAGE_BYTES, DEFAULT_MESSAGE_BYTES, about);
    let sizes = Bytes(512..=64 << 20);
    let buffer_bytes = fields.or("buffer_size", sizes, 1 << 20, 1 << 20, "read buffer");
    DeviceKind::Tcp(TcpDevice { listen, connections, max_message_bytes, buffer_bytes })
}
