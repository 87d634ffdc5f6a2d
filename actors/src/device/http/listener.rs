//! The listener of an HTTP device: accepts connections and has each of them adopted as a child of its own.
//!
//! A port that can't be bound, or a certificate that can't be read, is a condition, not a failure.

use super::connection::{Call, HttpConnection};
use super::settings::HttpSettings;
use crate::child::actor::Next;
use crate::child::{Child, ChildSpec, Condition, Home, Me, Restart};
use crate::data::device::Device;
use crate::data::lane::Lanes;
use crate::data::sockets::One;
use crate::device::accept::accept;
use crate::device::bind::{Obstacle, until_bound};
use crate::device::wire::Hangup;
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::{TcpListener as Socket, TcpStream};

/// The listener.
pub struct HttpListener {
    device: Arc<Device>,
    lanes: Lanes,
    settings: Arc<HttpSettings>,
    /// Which of the device's sockets it is.
    one: One,
    taken: u64,
}

impl HttpListener {
    /// A listener of this device.
    pub fn new(device: Arc<Device>, lanes: Lanes, settings: Arc<HttpSettings>, one: One) -> Self {
        Self { device, lanes, settings, one, taken: 0 }
    }

    fn try_listen(&self, me: &Me<()>) -> Result<Socket, Obstacle> {
        if let Some(tls) = &self.settings.tls {
            tls.current().map_err(|e| Obstacle::Other(e.to_string()))?;
        }
        let address = self.settings.address;
        let socket = me.context.common.sockets.tcp_one(address, self.one).and_then(Socket::from_std);
        socket.map_err(|e| Obstacle::Bind(address, e))
    }

    /// Listens, however often that has to be tried.
    async fn listen(&self, me: &Me<()>) -> Socket {
        let device = &*self.device.name;
        let socket = until_bound(me, Some(device), || self.try_listen(me)).await;
        let address = socket.local_addr().unwrap_or(self.settings.address);
        tracing::info!(device, %address, "listener is started");
        me.report(Condition::Note(format!("listening on {address}")));
        socket
    }

    fn take_in(&mut self, me: &Me<()>, socket: TcpStream, peer: SocketAddr) {
        let meters = &self.device.meters;
        if !self.settings.access.allows(peer.ip()) {
            meters.denied.add(1);
            return;
        }
        if meters.open.get() >= self.settings.max_connections as i64 {
            meters.refused.add(1);
            return;
        }
        let tls = match &self.settings.tls {
            None => None,
            Some(tls) => match tls.current() {
                Ok(config) => Some(config),
                // It was read before the first connection, and what was read stays in use.
                Err(_) => return,
            },
        };
        // Without it an idle connection whose peer vanished would stay until the time-out.
        let _ = socket2::SockRef::from(&socket).set_keepalive(true);
        let Ok(socket) = socket.into_std() else { return };
        let lane = Arc::clone(self.lanes.least_loaded());
        let name = format!("connection-{}-{}", me.context.generation, self.taken);
        self.taken += 1;
        let home = Home::Lane(Arc::clone(&lane));
        let (device, settings) = (Arc::clone(&self.device), Arc::clone(&self.settings));
        // It has one life: what was read of a request dies with its actor.
        let hangup = Arc::<Hangup>::default();
        let call = Mutex::new(Some(Call { socket, peer, tls }));
        let make = move || {
            let Some(call) = call.lock().take() else { anyhow::bail!("its socket is gone") };
            // Kept here, that is as long as the supervisor knows the connection, and no longer.
            let hangup = Arc::downgrade(&hangup);
            let (device, lane, settings) = (Arc::clone(&device), Arc::clone(&lane), Arc::clone(&settings));
            Ok(HttpConnection::new(call, hangup, device, lane, settings))
        };
        me.context.nursery.adopt(ChildSpec::new(name, "connection", home, make).restart(Restart::Never));
    }
}

impl Child for HttpListener {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let socket = tokio::select! {
            () = me.stopping() => return Ok(Next::Done),
            socket = self.listen(me) => socket,
        };
        while let Some((connection, peer)) = accept(me, &self.device.name, &socket).await {
            self.take_in(me, connection, peer);
        }
        Ok(Next::Done)
    }
}
