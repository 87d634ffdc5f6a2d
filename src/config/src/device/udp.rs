//! `udp`: one event a datagram.

use super::definitions::Definitions;
use super::{DeviceKind, Listen};
use crate::fields::Fields;
use crate::readers::Bytes;

/// Properties of a `udp` device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpDevice {
    /// Where it binds.
    pub listen: Listen,
    /// `buffer_size`: longest datagram; the rest of a longer one is cut.
    pub buffer_bytes: u64,
}

pub(super) fn decode(fields: &mut Fields, _: &Definitions) -> DeviceKind {
    let listen = Listen::decode(fields);
    let buffer_bytes = fields.or("buffer_size", Bytes(512..=64 << 20), 9000, 9000, "longest datagram");
    DeviceKind::Udp(UdpDevice { listen, buffer_bytes })
}
