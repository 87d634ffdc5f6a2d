//! How the bytes of a connection arrive: as they are, or through TLS.

use super::connection::Ended;
use super::wire::Wire;
use rustls::ServerConfig;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncRead;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How long a peer may take for the TLS handshake.
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// A peer's byte stream, as far as a connection needs to know.
pub trait Socket: AsyncRead + Unpin + Send + 'static {
    /// Whether a read may give something without news from the peer.
    fn has_more(&self) -> bool;

    /// Reads on from another registration of the same socket.
    fn rewire(&mut self, wire: Wire);

    /// Whether a read that did not fill its buffer has taken all there was.
    const SHORT_READ_IS_ALL: bool;
}

/// How an accepted connection becomes a byte stream.
pub trait Transport: Clone + Send + Sync + 'static {
    /// The byte stream.
    type Socket: Socket;

    /// Opens the byte stream, on the lane where it is read.
    fn open(
        &self,
        wire: Wire,
        device: &str,
        peer: SocketAddr,
    ) -> impl Future<Output = Result<Self::Socket, Ended>> + Send;
}

/// Bytes as they are.
#[derive(Clone, Copy, Debug)]
pub struct Plain;

/// Bytes through TLS, by the configuration that was in force when the connection was accepted.
#[derive(Clone, Debug)]
pub struct Encrypted(Arc<ServerConfig>);

impl Encrypted {
    /// TLS with this configuration.
    pub fn new(config: Arc<ServerConfig>) -> Self {
        Self(config)
    }
}

impl Transport for Plain {
    type Socket = Wire;

    async fn open(&self, wire: Wire, _: &str, _: SocketAddr) -> Result<Wire, Ended> {
        Ok(wire)
    }
}

impl Transport for Encrypted {
    // Most of a TLS session's kilobytes are there from the handshake on; boxed, they are moved only once.
    type Socket = Box<TlsStream<Wire>>;

    async fn open(&self, wire: Wire, device: &str, peer: SocketAddr) -> Result<Self::Socket, Ended> {
        let handshake = TlsAcceptor::from(Arc::clone(&self.0)).accept(wire);
        match tokio::time::timeout(HANDSHAKE_WITHIN, handshake).await {
            Ok(Ok(stream)) => Ok(Box::new(stream)),
            Ok(Err(e)) => {
                // Anybody can cause these; each is counted, and told to who looks closer.
                tracing::debug!(device, %peer, error = %e, "tls handshake failed");
                Err(ended_by(&e))
            }
            Err(_) => Err(Ended::Handshake),
        }
    }
}

impl Socket for Wire {
    fn has_more(&self) -> bool {
        false
    }

    fn rewire(&mut self, wire: Wire) {
        *self = wire;
    }

    const SHORT_READ_IS_ALL: bool = true;
}

impl Socket for Box<TlsStream<Wire>> {
    fn has_more(&self) -> bool {
        // What is decrypted already does not make the socket readable once more.
        !self.get_ref().1.wants_read()
    }

    fn rewire(&mut self, wire: Wire) {
        *self.get_mut().0 = wire;
    }

    const SHORT_READ_IS_ALL: bool = false;
}

/// How a connection ended that this error came from.
pub(super) fn ended_by(e: &io::Error) -> Ended {
    match e.kind() {
        // What rustls refuses.
        io::ErrorKind::InvalidData => Ended::Tls,
        // A peer that leaves without close_notify, as many do: the bytes that came are whole messages or marked as not.
        io::ErrorKind::UnexpectedEof => Ended::Closed,
        _ => Ended::Reset,
    }
}
