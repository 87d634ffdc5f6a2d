//! An address of loopback for each rehearsal, so that many of them at a time never meet on a port.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering::Relaxed};

/// An address below 127/8 of its own, and the ports that it gave out.
#[derive(Debug)]
pub struct Loopback {
    ip: Ipv4Addr,
    next: AtomicU16,
}

/// Below the ports that systems choose by themselves (Linux: 32768, IANA: 49152).
const FIRST_PORT: u16 = 20_000;
const LAST_PORT: u16 = 32_000;

static HOW_MANY: AtomicU32 = AtomicU32::new(0);

impl Default for Loopback {
    fn default() -> Self {
        // Process ids have at most 22 bits on Linux; those that run at the same time rarely share the lower 16.
        let number = std::process::id().wrapping_add(HOW_MANY.fetch_add(1, Relaxed).wrapping_mul(7919));
        let [_, _, third, fourth] = number.to_be_bytes();
        let ip = Ipv4Addr::new(127, 1 + (number >> 16 & 0x3f) as u8, third, fourth.clamp(1, 254));
        Self { ip, next: AtomicU16::new(FIRST_PORT) }
    }
}

impl Loopback {
    /// The address.
    pub fn ip(&self) -> IpAddr {
        self.ip.into()
    }

    /// A port that nobody uses, for TCP and UDP alike.
    ///
    /// # Errors
    /// When there is none.
    pub fn port(&self) -> io::Result<SocketAddr> {
        loop {
            let port = self.next.fetch_add(1, Relaxed);
            if port > LAST_PORT {
                return Err(io::Error::new(io::ErrorKind::AddrInUse, "no free port is left on loopback"));
            }
            let address = SocketAddr::from((self.ip, port));
            if TcpListener::bind(address).is_ok() && UdpSocket::bind(address).is_ok() {
                return Ok(address);
            }
        }
    }
}
