//! `udp`: one event a datagram.

use super::Listen;

/// Properties of a `udp` device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UdpDevice {
    /// Where it binds.
    pub listen: Listen,
    /// `buffer_size`: longest datagram; the rest of a longer one is cut.
    pub buffer_bytes: u64,
}
