//! `tcp`: framed records over TCP or TLS.

use super::{Connections, Listen};

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
