//! A link for connections.

use super::pump::{self, Ending};
use super::{Faults, State, Way};
use parking_lot::Mutex;
use seams::Rng;
use socket2::{Domain, SockAddr, SockFilter, SockRef, Socket, Type};
use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// A link for connections; it goes when it is dropped.
#[derive(Debug)]
pub struct TcpLink {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

/// What a link's tasks have in common.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) way: Way,
    to: SocketAddr,
    pub(super) faults: Faults,
    /// Dialers whose way leads all the way to the other end.
    through: Mutex<HashSet<SocketAddr>>,
    through_changed: watch::Sender<()>,
    /// Holds the port while nobody listens there.
    #[expect(dead_code, reason = "its being bound is what counts")]
    holder: Socket,
}

/// Refuses every packet (classic BPF: `ret #0`).
const NOTHING: [SockFilter; 1] = [SockFilter::new(0x06, 0, 0, 0)];
/// As many connections wait to be accepted.
const BACKLOG: i32 = 1024;

impl TcpLink {
    /// A link from an address to another; `rng` draws jitter.
    ///
    /// # Errors
    /// When the address can't be bound.
    pub fn start(way: Way, at: SocketAddr, to: SocketAddr, rng: Rng) -> io::Result<Self> {
        let holder = socket(at)?;
        let listener = listen(at)?;
        let shared = Arc::new(Shared {
            way,
            to,
            faults: Faults::new(rng),
            through: Mutex::default(),
            through_changed: watch::channel(()).0,
            holder,
        });
        let task = tokio::spawn(accept(Arc::clone(&shared), at, listener)).abort_handle();
        Ok(Self { address: at, shared, task })
    }

    /// Where it is dialed.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Dials; done when the far end has answered.
    ///
    /// # Errors
    /// When the link, or what is behind it, refuses.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let stream = TcpStream::connect(self.address).await?;
        let me = stream.local_addr()?;
        let mut changed = self.shared.through_changed.subscribe();
        loop {
            if self.shared.through.lock().remove(&me) {
                return Ok(stream);
            }
            tokio::select! {
                _ = changed.changed() => {}
                // It breaks when the far end refuses.
                _ = stream.readable() => match stream.try_read(&mut [0; 1]) {
                    Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                    Err(e) => return Err(e),
                    Ok(_) => return Err(io::ErrorKind::ConnectionRefused.into()),
                },
            }
        }
    }

    pub(super) fn faults(&self) -> &Faults {
        &self.shared.faults
    }
}

impl Drop for TcpLink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    pub(super) fn state(&self) -> watch::Receiver<State> {
        self.faults.state.subscribe()
    }
}

/// A socket that may share its port with others of its kind.
fn socket(at: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), None)?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.bind(&SockAddr::from(at))?;
    Ok(socket)
}

fn listen(at: SocketAddr) -> io::Result<TcpListener> {
    let socket = socket(at)?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// Keeps every further packet out, so that the peer's bytes are not acknowledged any more.
pub(super) fn deafen(stream: &TcpStream) {
    // The kernel refuses this only to sockets that are closed.
    let _ = SockRef::from(stream).attach_filter(&NOTHING);
}

pub(super) fn hear(stream: &TcpStream) {
    let _ = SockRef::from(stream).detach_filter();
}

async fn accept(shared: Arc<Shared>, at: SocketAddr, listener: TcpListener) {
    let mut state = shared.state();
    let mut connections = JoinSet::new();
    let mut listener = Some(listener);
    loop {
        let now = state.borrow_and_update().clone();
        match (&listener, now.refusing) {
            (Some(_), true) => listener = None,
            (None, false) => listener = listen(at).ok(),
            (Some(_), false) | (None, true) => {}
        }
        if let Some(listener) = &listener {
            match now.silent {
                true => _ = SockRef::from(listener).attach_filter(&NOTHING),
                false => _ = SockRef::from(listener).detach_filter(),
            }
        }
        let next = async {
            match &listener {
                Some(listener) if !now.silent => listener.accept().await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = state.changed() => {}
            _ = connections.join_next(), if !connections.is_empty() => {}
            accepted = next => match accepted {
                Ok((stream, peer)) => _ = connections.spawn(connection(Arc::clone(&shared), stream, peer)),
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await, // out of descriptors
            },
        }
    }
}

/// A connection from its beginning to its end.
async fn connection(shared: Arc<Shared>, dialer: TcpStream, peer: SocketAddr) {
    let far = tokio::time::timeout(Duration::from_secs(10), TcpStream::connect(shared.to)).await;
    let Ok(Ok(far)) = far else { return reset(&dialer) };
    let _ = (dialer.set_nodelay(true), far.set_nodelay(true));
    shared.through.lock().insert(peer);
    shared.through_changed.send_replace(());
    let mut state = shared.state();
    let (resets, cuts) = {
        let now = state.borrow_and_update();
        (now.resets, now.cuts)
    };
    let (ending, _) = watch::channel(Ending::Not);
    let both = pump::both(&shared, &dialer, &far, &ending);
    tokio::pin!(both);
    let mut silent = false;
    loop {
        let now = state.borrow_and_update().clone();
        if now.silent != silent {
            silent = now.silent;
            match silent {
                true => [&dialer, &far].map(deafen),
                false => [&dialer, &far].map(hear),
            };
        }
        if now.resets != resets {
            ending.send_replace(Ending::Reset);
        } else if now.cuts != cuts {
            ending.send_replace(Ending::Cut);
        }
        tokio::select! {
            () = &mut both => break,
            changed = state.changed() => if changed.is_err() { break },
        }
    }
    shared.through.lock().remove(&peer);
    let ended = *ending.borrow();
    match (ended, shared.way) {
        (Ending::Not | Ending::Cut, _) => {}
        (Ending::Reset, Way::ToDirector | Way::Collected) => {
            reset(&far);
            reset(&dialer);
        }
        (Ending::Reset, Way::FromDirector) => reset(&dialer), // the receiver still reads what it has
    }
}

/// When it is dropped, it closes with a reset.
fn reset(stream: &TcpStream) {
    let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
}
