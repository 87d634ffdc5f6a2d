//! Bound sockets, which belong to no actor: a listener that restarts or changes refuses nobody.

use parking_lot::Mutex;
use rustix::net::sockopt;
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::HashMap;
use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

/// How many connections the kernel keeps waiting to be accepted.
const BACKLOG: i32 = 4096;

/// All bound sockets; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Sockets(Arc<Mutex<Bound>>);

#[derive(Debug, Default)]
struct Bound {
    tcp: HashMap<(SocketAddr, usize), TcpListener>,
    udp: HashMap<(SocketAddr, usize), Datagrams>,
}

/// Which of several sockets on one address: the kernel shares connections and datagrams out among them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct One {
    /// Its number, below `of`.
    pub index: usize,
    /// How many there are.
    pub of: usize,
}

impl One {
    /// The only one.
    pub const ALONE: Self = Self { index: 0, of: 1 };
}

/// A bound UDP socket.
#[derive(Debug)]
pub struct Datagrams {
    /// The socket, non-blocking.
    pub socket: UdpSocket,
    /// How many of the kernel's drops were counted so far; as long-lived as the socket.
    pub drops_counted: Arc<AtomicU32>,
}

impl Sockets {
    /// A listening TCP socket on this address, bound now or earlier. Non-blocking.
    pub fn tcp(&self, address: SocketAddr) -> io::Result<TcpListener> {
        self.tcp_one(address, One::ALONE)
    }

    /// One of several listening TCP sockets on this address, bound now or earlier. Non-blocking.
    pub fn tcp_one(&self, address: SocketAddr, one: One) -> io::Result<TcpListener> {
        let mut bound = self.0.lock();
        if let Some(socket) = bound.tcp.get(&(address, one.index)) {
            return socket.try_clone();
        }
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        // Connections of an earlier process that still linger must not keep the port.
        socket.set_reuse_address(true)?;
        socket.set_reuse_port(one.of > 1)?;
        socket.set_nonblocking(true)?;
        socket.bind(&address.into())?;
        socket.listen(BACKLOG)?;
        let socket = TcpListener::from(socket);
        let clone = socket.try_clone()?;
        if address.port() != 0 {
            bound.tcp.insert((address, one.index), socket);
        }
        Ok(clone)
    }

    /// One of several UDP sockets on this address, bound now or earlier, with a receive buffer of `receive_bytes` or
    /// as much of it as the system allows ([`Datagrams::receive_bytes`]).
    pub fn udp(&self, address: SocketAddr, one: One, receive_bytes: usize) -> io::Result<Datagrams> {
        let mut bound = self.0.lock();
        if let Some(datagrams) = bound.udp.get(&(address, one.index)) {
            return datagrams.try_clone();
        }
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        socket.set_reuse_port(one.of > 1)?;
        socket.set_nonblocking(true)?;
        // Beyond net.core.rmem_max only with CAP_NET_ADMIN.
        if sockopt::set_socket_recv_buffer_size_force(&socket, receive_bytes).is_err() {
            socket.set_recv_buffer_size(receive_bytes)?;
        }
        socket.bind(&address.into())?;
        let datagrams = Datagrams { socket: socket.into(), drops_counted: Arc::default() };
        let clone = datagrams.try_clone()?;
        if address.port() != 0 {
            bound.udp.insert((address, one.index), datagrams);
        }
        Ok(clone)
    }

    /// Closes all but the first `count` sockets of an address, once their users are gone too: nothing more is to come
    /// to them.
    pub fn keep(&self, address: SocketAddr, count: usize) {
        let mut bound = self.0.lock();
        bound.tcp.retain(|(a, index), _| *a != address || *index < count);
        bound.udp.retain(|(a, index), _| *a != address || *index < count);
    }

    /// Closes what is bound to an address, once its last user is gone too.
    pub fn release(&self, address: SocketAddr) {
        let mut bound = self.0.lock();
        bound.tcp.retain(|(a, _), _| *a != address);
        bound.udp.retain(|(a, _), _| *a != address);
    }
}

impl Datagrams {
    fn try_clone(&self) -> io::Result<Self> {
        Ok(Self { socket: self.socket.try_clone()?, drops_counted: Arc::clone(&self.drops_counted) })
    }

    /// The size of the receive buffer that the system allowed.
    pub fn receive_bytes(&self) -> io::Result<usize> {
        // The kernel doubles what was asked for, for its own bookkeeping (socket(7)).
        Ok(sockopt::socket_recv_buffer_size(&self.socket)? / 2)
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

    #[test]
    fn sockets_beyond_those_in_use_are_closed() {
        let sockets = Sockets::default();
        let free = UdpSocket::bind("127.0.0.1:0").and_then(|s| s.local_addr()).expect("loopback");
        for index in 0..3 {
            sockets.udp(free, One { index, of: 3 }, 1 << 16).expect("bound");
        }
        assert_eq!(sockets.0.lock().udp.len(), 3);
        sockets.keep(free, 2);
        assert_eq!(sockets.0.lock().udp.len(), 2);
        UdpSocket::bind(free).expect_err("it is still bound");
        sockets.release(free);
        UdpSocket::bind(free).expect("released");
    }
}
