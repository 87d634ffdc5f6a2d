//! Bound sockets, which belong to no actor: a listener that restarts or changes refuses nobody.

use parking_lot::Mutex;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;

/// How many connections the kernel keeps waiting to be accepted.
const BACKLOG: i32 = 4096;

/// All bound sockets; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Sockets(Arc<Mutex<Bound>>);

#[derive(Debug, Default)]
struct Bound {
    tcp: HashMap<SocketAddr, TcpListener>,
    udp: HashMap<(SocketAddr, usize), UdpSocket>,
}

impl Sockets {
    /// A listening TCP socket on this address, bound now or earlier. Non-blocking.
    pub fn tcp(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let mut bound = self.0.lock();
        if let Some(socket) = bound.tcp.get(&address) {
            return socket.try_clone();
        }
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of an earlier process that still linger must not keep the port.
        socket.set_reuse_address(true)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from(socket);
        let clone = socket.try_clone()?;
        if address.port() != 0 {
            bound.tcp.insert(address, socket);
        }
        Ok(clone)
    }

    /// UDP socket number `index` on this address, with a receive buffer of at least `receive_bytes` if the
    /// system allows it. Non-blocking. Sockets of one address share its datagrams.
    pub fn udp(&self, address: SocketAddr, index: usize, receive_bytes: usize) -> io::Result<UdpSocket> {
        let mut bound = self.0.lock();
        if let Some(socket) = bound.udp.get(&(address, index)) {
            return socket.try_clone();
        }
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_port(true)?;
        socket.set_nonblocking(true)?;
        socket.set_recv_buffer_size(receive_bytes)?;
        socket.bind(&address.into())?;
        let socket = UdpSocket::from(socket);
        let clone = socket.try_clone()?;
        if address.port() != 0 {
            bound.udp.insert((address, index), socket);
        }
        Ok(clone)
    }

    /// Closes what is bound to an address, once its last user is gone too.
    pub fn release(&self, address: SocketAddr) {
        let mut bound = self.0.lock();
        bound.tcp.remove(&address);
        bound.udp.retain(|(a, _), _| *a != address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_stays_bound_between_its_users() {
        let sockets = Sockets::default();
        let free = TcpListener::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("loopback");
        drop(sockets.tcp(free).expect("bound"));
        assert!(TcpListener::bind(free).is_err(), "it is still bound");
        drop(sockets.tcp(free).expect("bound"));
        sockets.release(free);
        drop(TcpListener::bind(free).expect("released"));
    }
}
