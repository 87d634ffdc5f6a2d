//! A listener for byte streams: accepts connections and has each of them adopted as a child of its own.
//!
//! A port that can't be bound, or a certificate that can't be read, is a condition, not a failure: the listener says
//! what is wrong and tries again. A connection from an address that is not allowed, or one too many, is closed
//! at once and counted. Connections go to the lane with the fewest streams, whichever of a device's sockets they
//! came through.

use super::accept::accept;
use super::bind::{Obstacle, until_bound};
use super::connection::{Call, Connection, Seat};
use super::transport::{Encrypted, Plain, Transport};
use crate::child::actor::Next;
use crate::child::{Child, ChildSpec, Condition, Home, Me, Restart};
use crate::data::device::Device;
use crate::data::lane::Lanes;
use crate::data::sockets::One;
use protocol::framing::{Framer, Framing, Limits};
use security::access::AccessList;
use security::tls::ServerTls;
use std::io::Read;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener as Listener, TcpStream};

/// What a stream listener does.
#[derive(Clone, Debug)]
pub struct TcpSettings {
    /// Where it listens.
    pub address: SocketAddr,
    /// Which of the device's sockets it is.
    pub one: One,
    /// Who may connect.
    pub access: AccessList,
    /// TLS, where connections are encrypted; shared by all sockets of the device.
    pub tls: Option<Arc<ServerTls>>,
    /// How messages are told apart.
    pub framing: Framing,
    /// Longest message, in bytes.
    pub max_message_bytes: u32,
    /// Most connections at a time, of all sockets of the device.
    pub max_connections: usize,
    /// A connection on which nothing comes for so long is closed.
    pub idle_timeout: Duration,
}

/// The listener.
pub struct TcpListener {
    device: Arc<Device>,
    lanes: Lanes,
    settings: TcpSettings,
    /// What is reported as trouble with the certificate at present.
    tls_trouble: Option<String>,
    /// The last connection was one too many.
    full: bool,
}

impl TcpListener {
    /// A listener of this device.
    pub fn new(device: Arc<Device>, lanes: Lanes, settings: TcpSettings) -> Self {
        Self { device, lanes, settings, tls_trouble: None, full: false }
    }

    /// Reads the certificate and binds; else says why that can't be done.
    fn try_listen(&self, me: &Me<()>) -> Result<Listener, Obstacle> {
        let TcpSettings { address, one, tls, .. } = &self.settings;
        if let Some(tls) = tls {
            tls.current().map_err(|e| Obstacle::Other(e.to_string()))?;
        }
        let socket = me.context.common.sockets.tcp_one(*address, *one).and_then(Listener::from_std);
        socket.map_err(|e| Obstacle::Bind(*address, e))
    }

    /// Listens, however often that has to be tried.
    async fn listen(&self, me: &Me<()>) -> Listener {
        let device = &*self.device.name;
        let listener = until_bound(me, Some(device), || self.try_listen(me)).await;
        let address = listener.local_addr().unwrap_or(self.settings.address);
        tracing::info!(device, %address, "listener is started");
        me.report(Condition::Note(format!("listening on {address}")));
        listener
    }

    fn take_in(&mut self, me: &Me<()>, socket: TcpStream, peer: SocketAddr) {
        if !self.settings.access.allows(peer.ip()) {
            self.device.meters.denied.add(1);
            return;
        }
        if self.device.meters.open.get() >= self.settings.max_connections as i64 {
            self.device.meters.refused.add(1);
            self.note_full(peer);
            turn_away(socket);
            return;
        }
        self.full = false;
        // Without it an idle connection whose peer vanished would stay until the time-out.
        let _ = socket2::SockRef::from(&socket).set_keepalive(true);
        let Ok(socket) = socket.into_std() else { return };
        match self.settings.tls.clone() {
            None => self.adopt(me, socket, peer, Plain),
            Some(tls) => {
                let current = tls.current();
                self.note_tls(me, tls.trouble());
                // It was read before the first connection, and what was read stays in use.
                let Ok(config) = current else { return };
                self.adopt(me, socket, peer, Encrypted::new(config));
            }
        }
    }

    fn adopt<T: Transport>(&self, me: &Me<()>, socket: std::net::TcpStream, peer: SocketAddr, transport: T) {
        let limits = Limits { max_message_bytes: self.settings.max_message_bytes };
        let framer = Framer::new(self.settings.framing.clone(), limits);
        let lane = Arc::clone(self.lanes.least_loaded());
        let home = Home::Lane(Arc::clone(&lane));
        let call = Call::new(peer, Arc::clone(&self.device), lane, framer, self.settings.idle_timeout);
        // A listener that is replaced must not give a name a second time: that would replace the connection.
        let name = format!("connection-{}", call.stream());
        let seat = Seat::<T::Socket>::new(socket, call);
        let make = move || Ok(Connection::new(seat.clone(), transport.clone()));
        me.context.nursery.adopt(ChildSpec::new(name, "connection", home, make).restart(Restart::OnFailure));
    }

    /// Says once that there are too many connections.
    fn note_full(&mut self, peer: SocketAddr) {
        if !std::mem::replace(&mut self.full, true) {
            let (device, max_connections) = (&*self.device.name, self.settings.max_connections);
            tracing::warn!(device, %peer, max_connections, "connection refused; raise max_connections");
        }
    }

    /// Reports trouble with a changed certificate when it appears, and its end.
    fn note_tls(&mut self, me: &Me<()>, trouble: Option<String>) {
        if trouble == self.tls_trouble {
            return;
        }
        me.report(match &trouble {
            Some(text) => Condition::Trouble(text.clone()),
            None => Condition::Note(format!("listening on {}", self.settings.address)),
        });
        self.tls_trouble = trouble;
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
        while let Some((connection, peer)) = accept(me, &self.device.name, &listener).await {
            self.take_in(me, connection, peer);
        }
        Ok(Next::Done)
    }
}

/// Closes a connection so that its peer sees an orderly end: one that is closed with unread bytes is reset instead.
fn turn_away(socket: TcpStream) {
    let Ok(mut socket) = socket.into_std() else { return };
    // Both fail only where the peer is gone already.
    let _ = socket.shutdown(Shutdown::Write);
    let _ = socket.read(&mut [0; 4096]);
}
