//! A peer's socket as several hands may hold it: the connection that reads, and whoever has to take it over.
//!
//! A thread that is stuck keeps what lies on its stack. So that a connection survives its lane, the socket is shared,
//! and a new life of the lane registers it with its own runtime ([`Wire::again`]). Costs one allocation a connection.

use parking_lot::Mutex;
use socket2::SockRef;
use std::future::poll_fn;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

/// A shared TCP socket; clones share it.
#[derive(Clone, Debug)]
pub struct Wire(Arc<TcpStream>);

impl Wire {
    /// Registers a socket with the present runtime.
    pub fn new(socket: std::net::TcpStream) -> io::Result<Self> {
        TcpStream::from_std(socket).map(|socket| Self(Arc::new(socket)))
    }

    /// The same socket, registered with the present runtime; the former one may be stuck.
    pub fn again(&self) -> io::Result<Self> {
        Self::new(self.0.as_fd().try_clone_to_owned()?.into())
    }

    /// Returns when a read might give something. Only one may wait at a time: a later one takes the former one's place
    /// (which is why it costs each of thousands of connections nothing but a pointer).
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> + '_ {
        poll_fn(|cx| self.0.poll_read_ready(cx))
    }

    /// Ends the connection for its peer, whoever else holds the socket.
    pub fn close(&self) {
        // It fails only where the peer is gone already.
        let _ = SockRef::from(&*self.0).shutdown(Shutdown::Both);
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut read = 0;
        let outcome = self.0.try_io(Interest::READABLE, || {
            read = (&*SockRef::from(&*self.0)).read(buffer)?;
            // A short read took all there was. Said in these words, the runtime waits for news instead of asking once more.
            match read == 0 || read == buffer.len() {
                true => Ok(()),
                false => Err(io::ErrorKind::WouldBlock.into()),
            }
        });
        match outcome {
            Err(e) if read == 0 || e.kind() != io::ErrorKind::WouldBlock => Err(e),
            _ => Ok(read),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            ready!(self.0.poll_read_ready(cx))?;
            match self.try_read(buffer.initialize_unfilled()) {
                Ok(read) => {
                    buffer.advance(read);
                    return Poll::Ready(Ok(()));
                }
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return Poll::Ready(Err(e)),
            }
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        loop {
            ready!(self.0.poll_write_ready(cx))?;
            match self.0.try_write(bytes) {
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                written => return Poll::Ready(written),
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(SockRef::from(&*self.0).shutdown(Shutdown::Write))
    }
}

/// Ends a connection for its peer when it is dropped: kept by those who know when its actor is over, also when that
/// actor is stuck and keeps the socket.
#[derive(Debug, Default)]
pub struct Hangup(Mutex<Option<Wire>>);

impl Hangup {
    /// The socket, once it is open.
    pub fn watch(&self, wire: &Wire) {
        *self.0.lock() = Some(wire.clone());
    }
}

impl Drop for Hangup {
    fn drop(&mut self) {
        if let Some(wire) = self.0.get_mut() {
            wire.close();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    async fn pair() -> (Wire, TcpStream) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (socket, _) = listener.accept().await.unwrap();
        (Wire::new(socket.into_std().unwrap()).unwrap(), peer)
    }

    #[tokio::test]
    async fn a_short_read_loses_nothing_that_comes_later() {
        let (mut wire, mut peer) = pair().await;
        let mut buffer = [0; 16];
        for round in [&b"one"[..], b"two", b"three"] {
            peer.write_all(round).await.unwrap();
            wire.readable().await.unwrap();
            let read = wire.read(&mut buffer).await.unwrap();
            assert_eq!(&buffer[..read], round);
        }
        drop(peer);
        assert_eq!(wire.read(&mut buffer).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn another_runtime_reads_on_while_the_first_one_is_stuck() {
        let (wire, mut peer) = pair().await;
        peer.write_all(b"hello").await.unwrap();
        let read = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let mut again = wire.again().unwrap();
                let mut buffer = [0; 5];
                again.read_exact(&mut buffer).await.unwrap();
                again.close();
                buffer
            })
        });
        let mut end = Vec::new();
        peer.read_to_end(&mut end).await.unwrap();
        assert_eq!(&read.join().unwrap(), b"hello");
    }
}
