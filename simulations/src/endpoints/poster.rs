//! A poster of events over HTTP: one request at a time, sent again until it is answered with success.

use super::quota::Share;
use super::stream_sender::Dial;
use super::texts::Texts;
use crate::account::{Mark, Origin};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::TlsConnector;

/// What a body holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Body {
    /// One event.
    Event,
    /// An event a line.
    Lines,
    /// A JSON array of events.
    Array,
}

/// What a poster is like.
#[derive(Clone, Debug)]
pub struct Poster {
    /// Where it dials.
    pub dial: Dial,
    /// The name of its peer, for TLS.
    pub ip: IpAddr,
    /// TLS, if it uses that.
    pub tls: Option<Arc<ClientConfig>>,
    /// Path of its requests.
    pub path: String,
    /// Headers of its requests.
    pub headers: Vec<(String, String)>,
    /// What a body holds.
    pub body: Body,
    /// What events say.
    pub texts: Arc<Texts>,
}

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(100);
/// An answer takes so long at most: the Director says 503 after ten seconds.
const ANSWER: Duration = Duration::from_secs(30);
/// At its end a poster tries so long to get its last request answered.
const LAST_WAIT: Duration = Duration::from_secs(60);

impl Poster {
    /// Posts what is due until it is told to end.
    pub async fn run(self, origin: Arc<Origin>, mut share: Share) {
        let mut stream = origin.open();
        let mut connection: Option<SendRequest<Full<Bytes>>> = None;
        while let Some(mut count) = share.next().await {
            while count > 0 {
                let now = if self.body == Body::Event { 1 } else { count };
                count -= now;
                if connection.as_ref().is_none_or(SendRequest::is_closed) {
                    stream = origin.open();
                }
                let first = origin.send(now);
                let body = self.write(Mark { origin: origin.number, stream, number: first }, now);
                let mut ended = share.clone();
                let too_late = async {
                    ended.finished().await;
                    tokio::time::sleep(LAST_WAIT).await;
                };
                tokio::select! {
                    () = self.post(&mut connection, body) => origin.acknowledge(first, now),
                    () = too_late => return,
                }
            }
        }
    }

    /// Done when the request was answered with success.
    async fn post(&self, connection: &mut Option<SendRequest<Full<Bytes>>>, body: Bytes) {
        loop {
            if connection.as_ref().is_none_or(SendRequest::is_closed) {
                *connection = self.connect().await.ok();
            }
            if let Some(sender) = connection {
                match tokio::time::timeout(ANSWER, self.ask(sender, body.clone())).await {
                    Ok(Ok(true)) => return,
                    Ok(Ok(false)) => {} // later
                    Ok(Err(_)) | Err(_) => *connection = None,
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn connect(&self) -> anyhow::Result<SendRequest<Full<Bytes>>> {
        let stream = self.dial.connect().await?;
        let Some(config) = &self.tls else {
            let (sender, connection) = handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            return Ok(sender);
        };
        let name = ServerName::from(self.ip);
        let stream = TlsConnector::from(Arc::clone(config)).connect(name, stream).await?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connection);
        Ok(sender)
    }

    /// Whether the answer is success.
    async fn ask(&self, sender: &mut SendRequest<Full<Bytes>>, body: Bytes) -> anyhow::Result<bool> {
        let mut request = Request::builder().method(Method::POST).uri(&self.path).header("host", "director");
        for (name, value) in &self.headers {
            request = request.header(name, value);
        }
        sender.ready().await?;
        let answer = sender.send_request(request.body(Full::new(body))?).await?;
        let success = answer.status().is_success();
        answer.into_body().collect().await?;
        Ok(success)
    }

    fn write(&self, first: Mark, count: u64) -> Bytes {
        let now = Timestamp::now();
        let mut out = Vec::new();
        let (open, between, close) = match self.body {
            Body::Event => ("", "", ""),
            Body::Lines => ("", "\n", "\n"),
            Body::Array => ("[", ",", "]"),
        };
        out.extend_from_slice(open.as_bytes());
        for number in first.number..first.number + count {
            if number > first.number {
                out.extend_from_slice(between.as_bytes());
            }
            self.texts.write(Mark { number, ..first }, now, &mut out);
        }
        out.extend_from_slice(close.as_bytes());
        out.into()
    }
}
