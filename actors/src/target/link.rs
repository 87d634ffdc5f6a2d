//! A TCP connection to a receiver, plain or with TLS, that knows which bytes the receiver's kernel has.
//!
//! What is counted are bytes of the payload. With TLS a payload byte is acknowledged when the ciphertext is that holds
//! it: the session runs over our own buffer, so that for each portion it is known where its ciphertext ends.
//!
//! ```text
//!  payload ─send─▶ [ session ─▶ ciphertext ] ─▶ socket ─▶ peer's kernel ─┐
//!                    mark: payload end ↔ ciphertext end  ◀── TCP_INFO ───┘
//! ```

use super::tcp_info::acknowledged_bytes;
use super::tls_layer::TlsLayer;
use rustls::pki_types::ServerName;
use socket2::SockRef;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;

/// Reads of what a receiver says before something else gets its turn.
const MAX_READS: usize = 64;
/// The first wait for the last acknowledgements; doubles up to [`LAST_LOOK_AT_MOST`].
const LAST_LOOK_FIRST: Duration = Duration::from_millis(1);
const LAST_LOOK_AT_MOST: Duration = Duration::from_millis(16);

/// A connection.
pub(super) struct Link {
    socket: TcpStream,
    /// What the kernel counted as acknowledged when the connection was made: the SYN.
    baseline: u64,
    tls: Option<Box<TlsLayer>>,
    taken: u64,
    acknowledged: u64,
}

impl Link {
    /// Connects to `host:port`, and shakes hands where TLS is asked for.
    pub(super) async fn open(
        endpoint: &str,
        tls: Option<(Arc<rustls::ClientConfig>, ServerName<'static>)>,
    ) -> io::Result<Self> {
        let socket = TcpStream::connect(endpoint).await?;
        socket.set_nodelay(true)?;
        // Without it a connection on which nothing is sent would not notice that the peer vanished.
        SockRef::from(&socket).set_keepalive(true)?;
        let baseline = acknowledged_bytes(&socket)?;
        let tls = match tls {
            Some((config, name)) => Some(Box::new(TlsLayer::shake_hands(&socket, config, name).await?)),
            None => None,
        };
        Ok(Self { socket, baseline, tls, taken: 0, acknowledged: 0 })
    }

    /// Bytes of the payload that were taken.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Bytes of the payload that the peer's kernel had when [`look`](Self::look) looked the last time.
    pub(super) fn acknowledged(&self) -> u64 {
        self.acknowledged
    }

    /// Asks the kernel for acknowledgements; true when there are new ones.
    pub(super) fn look(&mut self) -> io::Result<bool> {
        if self.acknowledged == self.taken {
            return Ok(false);
        }
        let bytes = acknowledged_bytes(&self.socket)?.saturating_sub(self.baseline);
        let before = self.acknowledged;
        self.acknowledged = match &mut self.tls {
            Some(tls) => tls.acknowledged(bytes),
            None => bytes.min(self.taken),
        };
        Ok(self.acknowledged > before)
    }

    /// Takes as much of the payload as there is room for; `WouldBlock` when there is none.
    pub(super) fn send(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        let taken = match &mut self.tls {
            Some(tls) => tls.send(&self.socket, slices, self.taken)?,
            None => self.socket.try_write_vectored(slices)?,
        };
        self.taken += taken as u64;
        Ok(taken)
    }

    /// Hands everything that was taken to the kernel; `WouldBlock` when there is no room.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.flush(&self.socket),
            None => Ok(()),
        }
    }

    /// Hears what the receiver says. Fails when it has closed its side: it will not take more for long.
    pub(super) fn hear(&mut self) -> io::Result<()> {
        let mut heard = [0; 4096];
        for _ in 0..MAX_READS {
            match self.socket.try_read(&mut heard) {
                Ok(0) => return Err(closed()),
                // What a receiver says is of no interest, except to the TLS session.
                Ok(n) => {
                    if let Some(tls) = &mut self.tls {
                        tls.hear(&heard[..n])?;
                    }
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e),
            }
        }
        Ok(())
    }

    /// Waits until there is room, the receiver closes, or nothing happened for too long.
    pub(super) async fn writable(&mut self, limit: Duration) -> io::Result<()> {
        let mut deadline = pin!(tokio::time::sleep(limit));
        loop {
            tokio::select! {
                biased;
                heard = self.socket.readable() => heard?,
                writable = self.socket.writable() => return writable,
                () = &mut deadline => return Err(stalled()),
            }
            self.hear()?;
        }
    }

    /// Ends the connection in an orderly way: sends the rest of an event that was begun, says that no more will come
    /// and waits until all of it is acknowledged, the connection breaks, or for `limit`.
    pub(super) async fn end(&mut self, rest: &[u8], limit: Duration) {
        // However it ends: what is acknowledged then counts, the rest is sent again.
        let _ = tokio::time::timeout(limit, self.finish(rest)).await;
        let _ = self.look();
    }

    /// Gives the connection up: what the kernel still holds of it will be sent again on another, so it must not be sent
    /// by this one as well, whenever the receiver goes on reading.
    pub(super) fn abort(self) {
        // A socket that is broken already needs nothing.
        let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
    }

    async fn finish(&mut self, mut rest: &[u8]) -> io::Result<()> {
        loop {
            let sent = match rest.is_empty() {
                true => self.flush().map(|()| 0),
                false => self.send(&[IoSlice::new(rest)]),
            };
            match sent {
                Ok(0) => break,
                Ok(n) => rest = &rest[n..],
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => self.socket.writable().await?,
                Err(e) => return Err(e),
            }
        }
        if let Some(tls) = &mut self.tls {
            tls.say_goodbye(&self.socket);
        }
        SockRef::from(&self.socket).shutdown(Shutdown::Write)?;
        let mut wait = LAST_LOOK_FIRST;
        loop {
            self.look()?;
            if self.acknowledged == self.taken {
                return Ok(());
            }
            if let Some(broken) = self.socket.take_error()? {
                return Err(broken);
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(LAST_LOOK_AT_MOST);
        }
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if self.acknowledged == self.taken
            && let Some(tls) = &mut self.tls
        {
            tls.say_goodbye(&self.socket);
        }
    }
}

/// The receiver closed its side.
pub(super) fn closed() -> io::Error {
    io::Error::new(io::ErrorKind::UnexpectedEof, "the receiver closed the connection")
}

/// The receiver takes nothing.
pub(super) fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the receiver takes no more data")
}
