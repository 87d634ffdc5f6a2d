//! Where test messages go out: UDP datagrams, lines over TCP, or lines in HTTP requests.

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use std::str::FromStr;
use tokio::io::{AsyncWriteExt, BufWriter};
use tokio::net::{TcpStream, UdpSocket};

/// A request has so many lines at most.
const LINES_A_REQUEST: u64 = 1000;

/// How messages are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Protocol {
    /// A UDP datagram each.
    Syslog,
    /// A line each over TCP.
    Tcp,
    /// Lines in HTTP requests.
    Http,
}

impl FromStr for Protocol {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        match name.to_ascii_lowercase().as_str() {
            "syslog" | "udp" => Ok(Self::Syslog),
            "tcp" => Ok(Self::Tcp),
            "http" => Ok(Self::Http),
            _ => Err(()),
        }
    }
}

/// An open way to the peer.
#[derive(Debug)]
pub(super) enum Outlet {
    /// For [`Protocol::Syslog`].
    Udp(UdpSocket),
    /// For [`Protocol::Tcp`].
    Tcp(BufWriter<TcpStream>),
    /// For [`Protocol::Http`].
    Http(Requests),
}

/// A connection for requests, with the lines that wait for the next one.
#[derive(Debug)]
pub(super) struct Requests {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    path: String,
    waiting: String,
    lines_waiting: u64,
}

impl Outlet {
    /// Opens the way to `address`: `host:port`, for HTTP perhaps with `http://` before and a path behind it.
    pub(super) async fn open(protocol: Protocol, address: &str) -> anyhow::Result<Self> {
        let unreachable = || format!("cannot reach {address}");
        Ok(match protocol {
            Protocol::Syslog => {
                let target = tokio::net::lookup_host(address).await.with_context(unreachable)?.next();
                let target = target.with_context(unreachable)?;
                let local = if target.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
                let socket = UdpSocket::bind(local).await?;
                socket.connect(target).await.with_context(unreachable)?;
                Self::Udp(socket)
            }
            Protocol::Tcp => {
                Self::Tcp(BufWriter::new(TcpStream::connect(address).await.with_context(unreachable)?))
            }
            Protocol::Http => {
                let plain = address.strip_prefix("http://").unwrap_or(address);
                let (host, path) = plain.split_once('/').unwrap_or((plain, ""));
                let peer = TcpStream::connect(host).await.with_context(unreachable)?;
                let (sender, connection) = handshake(TokioIo::new(peer)).await?;
                tokio::spawn(connection);
                let (host, path) = (host.to_owned(), format!("/{path}"));
                Self::Http(Requests { sender, host, path, waiting: String::new(), lines_waiting: 0 })
            }
        })
    }

    /// Sends a message, perhaps together with later ones.
    pub(super) async fn send(&mut self, message: &str) -> anyhow::Result<()> {
        match self {
            Self::Udp(socket) => {
                socket.send(message.as_bytes()).await?;
            }
            Self::Tcp(peer) => {
                peer.write_all(message.as_bytes()).await?;
                peer.write_all(b"\n").await?;
            }
            Self::Http(requests) => {
                requests.waiting.push_str(message);
                requests.waiting.push('\n');
                requests.lines_waiting += 1;
                if requests.lines_waiting >= LINES_A_REQUEST {
                    requests.post().await?;
                }
            }
        }
        Ok(())
    }

    /// Sends what waits for later messages.
    pub(super) async fn flush(&mut self) -> anyhow::Result<()> {
        match self {
            Self::Udp(_) => {}
            Self::Tcp(peer) => peer.flush().await?,
            Self::Http(requests) if requests.lines_waiting > 0 => requests.post().await?,
            Self::Http(_) => {}
        }
        Ok(())
    }

    /// Of so many messages, how many went out for all that is known.
    pub(super) fn settled(&self, messages: u64) -> u64 {
        match self {
            Self::Http(requests) => messages.saturating_sub(requests.lines_waiting),
            Self::Udp(_) | Self::Tcp(_) => messages,
        }
    }

    /// Ends in an orderly way.
    pub(super) async fn close(self) {
        if let Self::Tcp(mut peer) = self {
            // What was flushed is with the kernel already.
            let _ = peer.shutdown().await;
        }
    }
}

impl Requests {
    async fn post(&mut self) -> anyhow::Result<()> {
        let body = Bytes::from(std::mem::take(&mut self.waiting));
        let request = Request::builder().method(Method::POST).uri(&self.path).header("host", &self.host);
        let request = request.header("content-type", "text/plain").body(Full::new(body))?;
        self.sender.ready().await.context("the peer closed the connection")?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let text = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            let text = String::from_utf8_lossy(&text);
            anyhow::bail!("the peer answered {status}: {}", text.trim());
        }
        self.lines_waiting = 0;
        Ok(())
    }
}
