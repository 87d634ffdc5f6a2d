//! A sender of records over TCP or TLS: one connection at a time, dialed again when it breaks, nothing sent twice.

use super::quota::Share;
use super::texts::Texts;
use crate::account::{Mark, Origin, StreamState};
use crate::links::Link;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::io;
use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// How records are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// By what stands behind each.
    Delimiter(Vec<u8>),
    /// By the length before each (RFC 6587 3.4.1).
    Octet,
}

/// Where a sender dials.
#[derive(Clone, Debug)]
pub enum Dial {
    /// The Director.
    Straight(SocketAddr),
    /// A link that leads to it.
    Link(Arc<Link>),
}

/// What a sender is like.
#[derive(Clone, Debug)]
pub struct StreamSender {
    /// Where it dials.
    pub dial: Dial,
    /// How its records are told apart.
    pub framing: Framing,
    /// TLS, if it uses that.
    pub tls: Option<Arc<ClientConfig>>,
    /// What it says.
    pub texts: Arc<Texts>,
}

/// Between two attempts to connect.
const PAUSE: Duration = Duration::from_millis(100);
/// At its end a sender waits so long for the Director to take everything.
const LAST_WAIT: Duration = Duration::from_secs(60);

impl Dial {
    /// Connects.
    ///
    /// # Errors
    /// When nobody answers there.
    pub async fn connect(&self) -> io::Result<TcpStream> {
        let stream = match self {
            Self::Straight(address) => TcpStream::connect(*address).await?,
            Self::Link(link) => link.connect().await?,
        };
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl StreamSender {
    /// Sends what is due until it is told to end.
    pub async fn run(self, origin: Arc<Origin>, mut share: Share) {
        let mut ended = share.clone();
        loop {
            let connected = tokio::select! {
                connected = self.dial.connect() => connected,
                () = ended.finished() => return,
            };
            let Ok(stream) = connected else {
                tokio::time::sleep(PAUSE).await;
                continue;
            };
            let state = match &self.tls {
                None => self.converse(stream, &origin, &mut share).await,
                Some(config) => {
                    let name = ServerName::from(SocketAddr::ip(&self.dial.address()));
                    match TlsConnector::from(Arc::clone(config)).connect(name, stream).await {
                        Ok(stream) => self.converse(stream, &origin, &mut share).await,
                        Err(_) => {
                            tokio::time::sleep(PAUSE).await;
                            continue;
                        }
                    }
                }
            };
            origin.close(state);
            if share.is_finished() {
                return;
            }
        }
    }

    /// A connection to its end.
    async fn converse(
        &self,
        stream: impl AsyncRead + AsyncWrite,
        origin: &Origin,
        share: &mut Share,
    ) -> StreamState {
        let (mut reader, mut writer) = tokio::io::split(stream);
        let number = origin.open();
        let mut answer = [0; 256];
        let mut bytes = Vec::new();
        loop {
            let count = tokio::select! {
                count = share.next() => count,
                // It has nothing to say: it closes.
                _ = reader.read(&mut answer) => return StreamState::Broken,
            };
            let Some(count) = count else { break };
            bytes.clear();
            let first = origin.send(count);
            self.write(Mark { origin: origin.number, stream: number, number: first }, count, &mut bytes);
            let written = async {
                writer.write_all(&bytes).await?;
                writer.flush().await
            };
            let written = tokio::select! {
                written = written => written.is_ok(),
                _ = reader.read(&mut answer) => false,
            };
            if !written {
                return StreamState::Broken;
            }
        }
        if writer.shutdown().await.is_err() {
            return StreamState::Broken;
        }
        // The Director closes when it has read everything.
        let end = tokio::time::timeout(LAST_WAIT, reader.read(&mut answer)).await;
        match end {
            Ok(Ok(0)) => StreamState::Taken,
            // With TLS: it closed without a farewell, after it had ours.
            Ok(Err(e)) if e.kind() == io::ErrorKind::UnexpectedEof => StreamState::Taken,
            Ok(_) | Err(_) => StreamState::Broken,
        }
    }

    fn write(&self, first: Mark, count: u64, out: &mut Vec<u8>) {
        let now = Timestamp::now();
        let mut record = Vec::new();
        for number in first.number..first.number + count {
            let mark = Mark { number, ..first };
            match &self.framing {
                Framing::Delimiter(delimiter) => {
                    self.texts.write(mark, now, out);
                    out.extend_from_slice(delimiter);
                }
                Framing::Octet => {
                    record.clear();
                    self.texts.write(mark, now, &mut record);
                    // Writing to a vector does not fail.
                    let _ = write!(out, "{} ", record.len());
                    out.extend_from_slice(&record);
                }
            }
        }
    }
}

impl Dial {
    fn address(&self) -> SocketAddr {
        match self {
            Self::Straight(address) => *address,
            Self::Link(link) => link.address(),
        }
    }
}
