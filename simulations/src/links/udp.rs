//! A link for datagrams, one way.

use super::{Faults, State};
use parking_lot::Mutex;
use seams::Rng;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

/// A link for datagrams; it goes when it is dropped.
#[derive(Debug)]
pub struct UdpLink {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

#[derive(Debug)]
struct Shared {
    faults: Faults,
    dropped: AtomicU64,
    /// A datagram that the next one overtakes.
    late: Mutex<Option<Vec<u8>>>,
}

/// The longest datagram.
const LONGEST: usize = 65_535;
/// An overtaken datagram does not wait longer for the next one.
const LATEST: Duration = Duration::from_millis(50);

impl UdpLink {
    /// A link from an address to another; `rng` decides which datagrams are dropped.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn start(at: SocketAddr, to: SocketAddr, rng: Rng) -> io::Result<Self> {
        let socket = std::net::UdpSocket::bind(at)?;
        socket.set_nonblocking(true)?;
        // The kernel's own drops would be faults that nobody asked for.
        let _ = socket2::SockRef::from(&socket).set_recv_buffer_size(8 << 20);
        let socket = UdpSocket::from_std(socket)?;
        let shared =
            Arc::new(Shared { faults: Faults::new(rng), dropped: AtomicU64::new(0), late: Mutex::default() });
        let task = tokio::spawn(carry(Arc::clone(&shared), socket, to)).abort_handle();
        Ok(Self { address: at, shared, task })
    }

    /// Where datagrams are sent to.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Datagrams that were dropped on purpose.
    pub fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.shared.faults
    }
}

impl Drop for UdpLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn carry(shared: Arc<Shared>, socket: UdpSocket, to: SocketAddr) {
    let socket = Arc::new(socket);
    let state = shared.faults.state.subscribe();
    let mut buffer = vec![0; LONGEST];
    loop {
        let received = tokio::time::timeout(LATEST, socket.recv_from(&mut buffer)).await;
        let Ok(received) = received else {
            let late = shared.late.lock().take();
            if let Some(late) = late {
                let _ = socket.send_to(&late, to).await;
            }
            continue;
        };
        // An ICMP error of an earlier datagram: the peer is not there.
        let Ok((length, _)) = received else { continue };
        let now = state.borrow().clone();
        if shared.drops(&now) {
            shared.dropped.fetch_add(1, Relaxed);
            continue;
        }
        let datagram = &mut buffer[..length];
        if shared.faults.corrupts() && length > 0 {
            datagram[length / 2] ^= 0x02;
        }
        shared.pass(&now, datagram, &socket, to).await;
    }
}

impl Shared {
    fn drops(&self, now: &State) -> bool {
        now.silent || now.refusing || self.faults.happens(now.drop)
    }

    async fn pass(&self, now: &State, datagram: &[u8], socket: &Arc<UdpSocket>, to: SocketAddr) {
        let overtaken = self.faults.happens(now.reorder);
        if overtaken && self.late.lock().is_none() {
            *self.late.lock() = Some(datagram.to_vec());
            return;
        }
        let late = self.late.lock().take();
        for bytes in [Some(datagram.to_vec()), late].into_iter().flatten() {
            if now.delay.is_zero() {
                let _ = socket.send_to(&bytes, to).await;
                continue;
            }
            let by = self.faults.lateness(now);
            let socket = Arc::clone(socket);
            tokio::spawn(async move {
                tokio::time::sleep(by).await;
                let _ = socket.send_to(&bytes, to).await;
            });
        }
    }
}
