//! The client's end of a TLS session over a buffer of our own, so that it is known where in the ciphertext a byte of
//! the payload lies.
//!
//! Cost beside the encryption: one copy of the ciphertext, and at most [`MAX_PORTION_BYTES`] of it for a connection.

use super::link::closed;
use rustls::client::ResolvesClientCert;
use rustls::pki_types::ServerName;
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, ClientConnection, ProtocolVersion, SignatureScheme};
use std::collections::VecDeque;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::Duration;
use tokio::net::TcpStream;

/// Most payload that is encrypted at a time.
const MAX_PORTION_BYTES: usize = 64 << 10;
/// How long a server that asked for our certificate may take to object to it. With TLS 1.3 a client is done before
/// the server has looked at the certificate (RFC 8446 §4.4.4); what was sent by then would be acknowledged by the
/// kernel and read by nobody. Servers that agree mostly say so with a session ticket, which ends the wait.
const OBJECTION_WITHIN: Duration = Duration::from_millis(500);

/// A session.
pub(super) struct TlsLayer {
    session: ClientConnection,
    /// Ciphertext that is not written yet, from `written` on.
    cipher: Vec<u8>,
    written: usize,
    /// Bytes of ciphertext that were ever made, the handshake included.
    made: u64,
    marks: VecDeque<Mark>,
    acknowledged: u64,
}

/// A portion of the payload ends here.
#[derive(Clone, Copy)]
struct Mark {
    cipher_end: u64,
    payload_end: u64,
}

impl TlsLayer {
    /// Shakes hands over a fresh connection.
    pub(super) async fn shake_hands(
        socket: &TcpStream,
        config: Arc<ClientConfig>,
        name: ServerName<'static>,
    ) -> io::Result<Self> {
        let mut config = ClientConfig::clone(&config);
        let asked = Arc::new(AtomicBool::new(false));
        let inner = Arc::clone(&config.client_auth_cert_resolver);
        config.client_auth_cert_resolver = Arc::new(Noticing { inner, asked: Arc::clone(&asked) });
        let mut session = ClientConnection::new(Arc::new(config), name).map_err(refused)?;
        session.set_buffer_limit(Some(MAX_PORTION_BYTES));
        let mut layer = Self {
            session,
            cipher: Vec::new(),
            written: 0,
            made: 0,
            marks: VecDeque::new(),
            acknowledged: 0,
        };
        while layer.session.is_handshaking() || layer.has_unwritten() {
            layer.converse(socket).await?;
        }
        let early = layer.session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        if early && asked.load(Relaxed) {
            let answer = tokio::time::timeout(OBJECTION_WITHIN, layer.listen(socket)).await;
            answer.unwrap_or(Ok(()))?;
        }
        Ok(layer)
    }

    /// A step of the handshake.
    async fn converse(&mut self, socket: &TcpStream) -> io::Result<()> {
        self.encrypted()?;
        match self.flush(socket) {
            Ok(()) => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return socket.writable().await,
            Err(e) => return Err(e),
        }
        if !self.session.is_handshaking() {
            return Ok(());
        }
        let result = self.listen(socket).await;
        if result.is_err() {
            // The alert that tells the peer why.
            let _ = self.encrypted().and_then(|()| self.flush(socket));
        }
        result
    }

    /// Waits for the peer to say something.
    async fn listen(&mut self, socket: &TcpStream) -> io::Result<()> {
        let mut heard = [0; 4096];
        loop {
            socket.readable().await?;
            match socket.try_read(&mut heard) {
                Ok(0) => return Err(closed()),
                Ok(n) => return self.hear(&heard[..n]),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Takes what the peer sent. Fails when it closes the session.
    pub(super) fn hear(&mut self, mut heard: &[u8]) -> io::Result<()> {
        let mut unwanted = [0; 4096];
        while !heard.is_empty() {
            self.session.read_tls(&mut heard)?;
            let state = self.session.process_new_packets().map_err(refused)?;
            if state.peer_has_closed() {
                return Err(closed());
            }
            // What a receiver says is of no interest.
            while self.session.reader().read(&mut unwanted).is_ok_and(|n| n > 0) {}
        }
        // Answers, to a key update for instance, go with the next write.
        self.encrypted()
    }

    /// Encrypts as much of the payload as there is room for. `taken` is what was taken before.
    pub(super) fn send(
        &mut self,
        socket: &TcpStream,
        slices: &[IoSlice<'_>],
        taken: u64,
    ) -> io::Result<usize> {
        self.flush(socket)?;
        let portion = self.session.writer().write_vectored(slices)?;
        self.encrypted()?;
        self.marks.push_back(Mark { cipher_end: self.made, payload_end: taken + portion as u64 });
        // The portion is taken whatever comes of this; what is wrong shows with the next call.
        let _ = self.flush(socket);
        Ok(portion)
    }

    /// Moves what the session has encrypted into the buffer.
    fn encrypted(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.made += self.session.write_tls(&mut self.cipher)? as u64;
        }
        Ok(())
    }

    /// Writes the buffer to the socket.
    pub(super) fn flush(&mut self, socket: &TcpStream) -> io::Result<()> {
        while self.has_unwritten() {
            self.written += socket.try_write(&self.cipher[self.written..])?;
        }
        self.cipher.clear();
        self.written = 0;
        Ok(())
    }

    fn has_unwritten(&self) -> bool {
        self.written < self.cipher.len()
    }

    /// Bytes of the payload that have arrived when so many bytes of ciphertext have.
    pub(super) fn acknowledged(&mut self, cipher_bytes: u64) -> u64 {
        while let Some(mark) = self.marks.pop_front_if(|mark| mark.cipher_end <= cipher_bytes) {
            self.acknowledged = mark.payload_end;
        }
        self.acknowledged
    }

    /// Says that no more will come, if there is room.
    pub(super) fn say_goodbye(&mut self, socket: &TcpStream) {
        self.session.send_close_notify();
        let _ = self.encrypted().and_then(|()| self.flush(socket));
    }
}

/// A refusal by the TLS layer, of the peer or by it.
fn refused(e: rustls::Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("tls: {e}"))
}

/// Notices that the server asks for a certificate.
#[derive(Debug)]
struct Noticing {
    inner: Arc<dyn ResolvesClientCert>,
    asked: Arc<AtomicBool>,
}

impl ResolvesClientCert for Noticing {
    fn resolve(&self, authorities: &[&[u8]], schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        self.asked.store(true, Relaxed);
        self.inner.resolve(authorities, schemes)
    }

    fn has_certs(&self) -> bool {
        self.inner.has_certs()
    }
}
