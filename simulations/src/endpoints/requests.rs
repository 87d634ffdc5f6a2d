//! A receiver of requests: any HTTP intake, Elasticsearch's `_bulk`, Splunk's event collector.

use super::mood::{Answer, Mood};
use crate::account::{Deliveries, Mark, Marks};
use bytes::Bytes;
use flate2::read::GzDecoder;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// What it stands in for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intake {
    /// Any HTTP server.
    Http,
    /// Elasticsearch: a document whose id is there already is there once.
    Elastic,
    /// Splunk's HTTP event collector.
    Splunk,
}

/// Receives until it is dropped.
///
/// # Errors
/// When the address can't be bound.
pub async fn run(
    at: SocketAddr,
    intake: Intake,
    mood: Arc<Mood>,
    deliveries: Arc<Deliveries>,
) -> io::Result<()> {
    let listener = TcpListener::bind(at).await?;
    let service = Arc::new(Service { intake, mood, deliveries, ids: Mutex::default() });
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(_) => continue, // it went before it was accepted
            },
            _ = connections.join_next(), if !connections.is_empty() => continue,
        };
        let (service, acceptor) = (Arc::clone(&service), service.mood.acceptor());
        let _ = stream.set_nodelay(true);
        connections.spawn(async move {
            match acceptor {
                None => service.serve(stream).await,
                Some(acceptor) => {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        service.serve(stream).await;
                    }
                }
            }
        });
    }
}

struct Service {
    intake: Intake,
    mood: Arc<Mood>,
    deliveries: Arc<Deliveries>,
    /// Of documents.
    ids: Mutex<HashSet<Box<[u8]>>>,
}

impl Service {
    async fn serve(&self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        if self.mood.answer() == Answer::Garbage {
            let _ = stream.write_all(b"220 this is no HTTP\r\n\r\n").await;
            let _ = stream.shutdown().await;
            return;
        }
        let answer = service_fn(|request| self.answer(request));
        // What goes wrong on a connection shows in what did not arrive.
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
    }

    async fn answer(&self, request: Request<Incoming>) -> io::Result<Response<Full<Bytes>>> {
        let zipped = request.headers().get("content-encoding").is_some_and(|value| value == "gzip");
        let body = request.into_body().collect().await.map_err(io::Error::other)?.to_bytes();
        let status = match self.mood.answer() {
            Answer::Garbage => return Err(io::ErrorKind::ConnectionReset.into()),
            Answer::Status(status) => StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            Answer::Fine => StatusCode::OK,
        };
        if !status.is_success() {
            let refusal = Response::builder().status(status).header("retry-after", "1");
            return refusal.body(Full::new(Bytes::from("not now"))).map_err(io::Error::other);
        }
        let body = match zipped {
            true => {
                let mut plain = Vec::new();
                GzDecoder::new(&*body).read_to_end(&mut plain)?;
                plain.into()
            }
            false => body,
        };
        let text = match self.intake {
            Intake::Http => {
                self.lines(&body);
                "{}"
            }
            Intake::Elastic => {
                self.documents(&body);
                "{\"errors\":false,\"took\":1,\"items\":[]}"
            }
            Intake::Splunk => {
                self.lines(&body);
                "{\"text\":\"Success\",\"code\":0}"
            }
        };
        let answer = Response::builder().header("content-type", "application/json");
        answer.body(Full::new(Bytes::from(text))).map_err(io::Error::other)
    }

    fn lines(&self, body: &[u8]) {
        let mut found = Vec::new();
        for line in body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            let before = found.len();
            Marks::default().find(line, &mut found);
            self.deliveries.note_unmarked(u64::from(found.len() == before));
        }
        self.deliveries.note(0, &found);
    }

    /// An action line with an id, then a document, for each event.
    fn documents(&self, body: &[u8]) {
        let mut found: Vec<Mark> = Vec::new();
        let mut ids = self.ids.lock();
        let mut fresh = true;
        for line in body.split(|byte| *byte == b'\n') {
            let id = memchr::memmem::find(line, b"\"_id\":\"").map(|at| &line[at + 7..]);
            let is_action = line.len() < 400 && memchr::memmem::find(line, b"\"_index\"").is_some();
            match id {
                Some(id) if is_action => {
                    let end = memchr::memchr(b'"', id).unwrap_or(id.len());
                    fresh = ids.insert(id[..end].into());
                }
                Some(_) | None if fresh && !line.is_empty() => {
                    let before = found.len();
                    Marks::default().find(line, &mut found);
                    self.deliveries.note_unmarked(u64::from(found.len() == before));
                }
                Some(_) | None => {}
            }
        }
        drop(ids);
        self.deliveries.note(0, &found);
    }
}
