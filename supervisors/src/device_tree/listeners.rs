//! Devices that listen: `syslog`, `tcp` and `udp`.

use crate::tls_settings::server_tls;
use actors::child::{ChildSpec, Home};
use actors::data::sockets::One;
use actors::data::{Device, Lanes};
use actors::device::tcp_listener::{TcpListener, TcpSettings};
use actors::device::udp_listener::{UdpListener, UdpSeat, UdpSettings};
use config::device::{AllowedIps, Connections, Framing as Configured, Listen};
use protocol::framing::{Delimiter, Framing};
use security::access::AccessList;
use std::net::{IpAddr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;

/// Sockets that accept connections: one, or with `workers` so many, all on the control runtime.
pub(super) fn stream_sockets(
    device: &Arc<Device>,
    lanes: &Lanes,
    listen: &Listen,
    connections: &Connections,
    max_message_bytes: u64,
) -> anyhow::Result<Vec<ChildSpec>> {
    let of = stream_socket_count(listen);
    let settings = TcpSettings {
        address: address(listen),
        one: One::ALONE,
        access: access(listen),
        tls: connections.tls.as_ref().map(server_tls),
        framing: framing(&connections.framing)?,
        max_message_bytes: u32::try_from(max_message_bytes).unwrap_or(u32::MAX),
        max_connections: connections.max_connections as usize,
        idle_timeout: connections.idle_timeout,
    };
    let listener = |index| {
        let (device, lanes) = (Arc::clone(device), lanes.clone());
        let settings = TcpSettings { one: One { index, of }, ..settings.clone() };
        let make = move || Ok(TcpListener::new(Arc::clone(&device), lanes.clone(), settings.clone()));
        ChildSpec::new(socket_name("listener", One { index, of }), "listener", Home::Control, make)
    };
    Ok((0..of).map(listener).collect())
}

/// How many sockets accept connections. Accepting is so little work that one is enough where no number is given; the
/// lanes share the connections.
pub(super) fn stream_socket_count(listen: &Listen) -> usize {
    if listen.reuse { listen.workers.map_or(1, usize::from) } else { 1 }
}

/// Sockets that receive datagrams: with `reuse` one a lane or `workers`, else one.
pub(super) fn datagram_sockets(
    device: &Arc<Device>,
    lanes: &Lanes,
    listen: &Listen,
    longest: u64,
) -> Vec<ChildSpec> {
    let all = lanes.all();
    let of = if listen.reuse { listen.workers.map_or(all.len(), usize::from) } else { 1 };
    let access = access(listen);
    let socket = |index: usize| {
        let one = One { index, of };
        let longest = usize::try_from(longest).unwrap_or(usize::MAX);
        let settings = UdpSettings { address: address(listen), one, longest, access: access.clone() };
        let lane = if of == 1 { lanes.least_loaded() } else { &all[index % all.len()] };
        let (device, lane) = (Arc::clone(device), Arc::clone(lane));
        let home = Home::Lane(Arc::clone(&lane));
        let seat = UdpSeat::new(&device, &lane, longest);
        let make = move || {
            Ok(UdpListener::new(Arc::clone(&device), Arc::clone(&lane), settings.clone(), seat.clone()))
        };
        ChildSpec::new(socket_name("listener", one), "listener", home, make)
    };
    (0..of).map(socket).collect()
}

/// The address that a listener binds.
pub(super) fn address(listen: &Listen) -> SocketAddr {
    SocketAddr::new(listen.address, listen.port)
}

/// Whether connections go on when a listener is changed in this way.
pub(super) fn keeps_connections(
    (listen, connections): (&Listen, &Connections),
    (new_listen, new_connections): (&Listen, &Connections),
) -> bool {
    listen == new_listen && connections.tls == new_connections.tls
}

pub(super) fn socket_name(name: &str, One { index, of }: One) -> String {
    if of == 1 { name.to_owned() } else { format!("{name}-{index}") }
}

fn framing(configured: &Configured) -> anyhow::Result<Framing> {
    let delimited = |delimiter: &[u8]| match Delimiter::new(delimiter) {
        Some(delimiter) => Ok(Framing::Delimiter(delimiter)),
        None => anyhow::bail!("line_delimiter is empty; write what ends a record, such as \"\\n\""),
    };
    match configured {
        // Octet counts can be told from lines, but not from records that end with something else.
        Configured::Auto { delimiter } if delimiter == b"\n" => Ok(Framing::Detect),
        Configured::Auto { delimiter } | Configured::Delimiter { delimiter } => delimited(delimiter),
        Configured::Octet => Ok(Framing::Octet),
    }
}

pub(super) fn access(listen: &Listen) -> AccessList {
    AccessList::only(listen.allowed_ips.iter().map(range))
}

/// An entry of `allowed_ips` from its first to its last address.
fn range(entry: &AllowedIps) -> RangeInclusive<IpAddr> {
    match *entry {
        AllowedIps::Single(address) => address..=address,
        AllowedIps::Range(low, high) => low..=high,
        AllowedIps::Network { address: IpAddr::V4(address), prefix } => {
            let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            let bits = address.to_bits();
            IpAddr::V4((bits & !host).into())..=IpAddr::V4((bits | host).into())
        }
        AllowedIps::Network { address: IpAddr::V6(address), prefix } => {
            let host = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
            let bits = address.to_bits();
            IpAddr::V6((bits & !host).into())..=IpAddr::V6((bits | host).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_reaches_from_its_first_to_its_last_address() {
        let network = |address: &str, prefix| {
            let address = address.parse().expect("an address");
            let (low, high) = range(&AllowedIps::Network { address, prefix }).into_inner();
            format!("{low} {high}")
        };
        assert_eq!(network("10.1.2.3", 8), "10.0.0.0 10.255.255.255");
        assert_eq!(network("10.1.2.3", 32), "10.1.2.3 10.1.2.3");
        assert_eq!(network("10.1.2.3", 0), "0.0.0.0 255.255.255.255");
        assert_eq!(network("2001:db8::1", 126), "2001:db8:: 2001:db8::3");
        assert_eq!(network("::1", 128), "::1 ::1");
    }
}
