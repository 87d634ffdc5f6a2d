//! A listener for byte streams: accepts connections and has each of them adopted as a child of its own.
//!
//! A port that can't be bound is a condition, not a failure: the listener says who holds the port and tries
//! again. When all connections are taken, the next one is closed at once and counted.

use super::connection::{Connection, Seat};
use crate::child::actor::Next;
use crate::child::{Child, ChildSpec, Condition, Home, Me, Restart};
use crate::data::device::Device;
use crate::data::lane::{Lane, Lanes};
use protocol::framing::{Framer, Framing, Limits};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener as Listener, TcpStream};

/// How often a port that is in use is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(2);
/// How long to wait when accepting fails (no descriptors left, say).
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What a stream listener does.
#[derive(Clone, Debug)]
pub struct TcpSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// How messages are told apart.
    pub framing: Framing,
    /// Longest message, in bytes.
    pub max_message_bytes: u32,
    /// Most connections at a time.
    pub max_connections: usize,
    /// A connection on which nothing comes for so long is closed.
    pub idle_timeout: Duration,
}

/// The listener.
pub struct TcpListener {
    device: Arc<Device>,
    lanes: Lanes,
    settings: TcpSettings,
    taken: u64,
}

impl TcpListener {
    /// A listener of this device.
    pub fn new(device: Arc<Device>, lanes: Lanes, settings: TcpSettings) -> Self {
        Self { device, lanes, settings, taken: 0 }
    }

    fn bind(&self, me: &Me<()>) -> io::Result<Listener> {
        let socket = me.context.common.sockets.tcp(self.settings.address)?;
        Listener::from_std(socket)
    }

    /// Binds, however often that takes.
    async fn listen(&self, me: &Me<()>) -> Listener {
        let mut reported = false;
        loop {
            let e = match self.bind(me) {
                Ok(listener) => {
                    let address = listener.local_addr().unwrap_or(self.settings.address);
                    tracing::info!(device = &*self.device.name, %address, "listener is started");
                    me.report(Condition::Note(format!("listening on {address}")));
                    return listener;
                }
                Err(e) => e,
            };
            if !reported {
                let (device, address) = (&*self.device.name, self.settings.address);
                let text = bind_trouble(address, &e);
                tracing::error!(device, "{text}");
                me.report(Condition::Trouble(text));
                reported = true;
            }
            me.waiting(tokio::time::sleep(BIND_AGAIN)).await;
        }
    }

    fn take_in(&mut self, me: &Me<()>, socket: TcpStream, peer: SocketAddr) {
        if self.device.meters.open.get() >= self.settings.max_connections as i64 {
            self.device.meters.refused.add(1);
            return;
        }
        // Without it an idle connection whose peer vanished would stay until the time-out.
        let _ = socket2::SockRef::from(&socket).set_keepalive(true);
        let Ok(socket) = socket.into_std() else { return };
        let lane = Arc::clone(self.lanes.least_loaded());
        let name = format!("connection-{}-{}", me.context.generation, self.taken);
        self.taken += 1;
        me.context.nursery.adopt(self.connection(name, lane, socket, peer));
    }

    fn connection(
        &self,
        name: String,
        lane: Arc<Lane>,
        socket: std::net::TcpStream,
        peer: SocketAddr,
    ) -> ChildSpec {
        let limits = Limits { max_message_bytes: self.settings.max_message_bytes };
        let framer = Framer::new(self.settings.framing.clone(), limits);
        let (device, timeout) = (Arc::clone(&self.device), self.settings.idle_timeout);
        let home = Home::Lane(Arc::clone(&lane));
        // The seat is made by the first life, on the lane, whose runtime then watches the socket.
        let unseated = parking_lot::Mutex::new(Some((socket, framer)));
        let seat = parking_lot::Mutex::new(None::<Seat<TcpStream>>);
        let make = move || {
            let mut seat = seat.lock();
            if let Some(seat) = &*seat {
                return Ok(Connection::new(seat.clone()));
            }
            let Some((socket, framer)) = unseated.lock().take() else {
                anyhow::bail!("its socket could not be watched");
            };
            let _watched_by = lane.runtime();
            let _watched_by = _watched_by.enter();
            let socket = TcpStream::from_std(socket)?;
            let fresh = Seat::new(socket, peer, Arc::clone(&device), Arc::clone(&lane), framer, timeout);
            *seat = Some(fresh.clone());
            Ok(Connection::new(fresh))
        };
        ChildSpec::new(name, "connection", home, make).restart(Restart::OnFailure)
    }
}

impl Child for TcpListener {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let listener = tokio::select! {
            () = me.stopping() => return Ok(Next::Done),
            listener = self.listen(me) => listener,
        };
        loop {
            let accepted = tokio::select! {
                () = me.stopping() => return Ok(Next::Done),
                accepted = me.waiting(listener.accept()) => accepted,
            };
            match accepted {
                Ok((socket, peer)) => self.take_in(me, socket, peer),
                Err(e) if is_of_one_connection(&e) => {}
                Err(e) => {
                    let text = format!("cannot accept connections: {e}; raise the limit of open files");
                    tracing::error!(device = &*self.device.name, "{text}");
                    me.report(Condition::Trouble(text));
                    me.waiting(tokio::time::sleep(ACCEPT_AGAIN)).await;
                }
            }
        }
    }
}

/// Errors of a peer that left before it was accepted (accept(2)).
fn is_of_one_connection(e: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(e.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

/// Why an address can't be bound, and what to do.
pub fn bind_trouble(address: SocketAddr, e: &io::Error) -> String {
    let advice = match e.kind() {
        io::ErrorKind::AddrInUse => match holder(address.port()) {
            Some(who) => format!("it is held by {who}; stop that program or choose another port"),
            None => "another program holds it; stop that program or choose another port".to_owned(),
        },
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE; the service unit grants it".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => "see the error".to_owned(),
    };
    format!("cannot bind {address}: {e}; {advice}; retrying every {} s", BIND_AGAIN.as_secs())
}

/// Who listens on a port, by name and process id, as far as `/proc` lets us see.
fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| sockets_on(&table, port))
        .collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let Ok(links) = std::fs::read_dir(process.path().join("fd")) else { continue };
        for link in links.flatten() {
            let Ok(to) = std::fs::read_link(link.path()) else { continue };
            let to = to.to_string_lossy();
            let Some(inode) = to.strip_prefix("socket:[").and_then(|t| t.strip_suffix(']')) else { continue };
            if inodes.iter().any(|i| i == inode) {
                let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                let id = process.file_name().to_string_lossy().into_owned();
                return Some(format!("{} (process {id})", name.trim()));
            }
        }
    }
    None
}

/// Inodes of the sockets in a `/proc/net` table that are bound to a port without a peer.
fn sockets_on(table: &str, port: u16) -> Vec<String> {
    let local = format!(":{port:04X}");
    let bound = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let at = fields.next().is_some_and(|address| address.ends_with(&local));
        at && fields.next().is_some_and(|peer| peer.ends_with(":0000"))
    };
    table.lines().filter(bound).filter_map(|l| l.split_whitespace().nth(9)).map(str::to_owned).collect()
}
