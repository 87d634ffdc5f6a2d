//! A connection of an HTTP device: one stream, one request after the other.
//!
//! A request is answered when the ledger has acknowledged its events. When its actor dies, the connection is
//! reset; whoever sent the request has no answer and sends it again.

use super::gate::admit;
use super::intake::{Received, Source, read};
use super::refusal::Refusal;
use super::settings::HttpSettings;
use crate::child::actor::Next;
use crate::child::{Child, Me};
use crate::data::device::Device;
use crate::data::lane::{Berth, Lane};
use crate::device::wire::{Hangup, Wire};
use bytes::Bytes;
use event::Ledger;
use http::header::{CONTENT_TYPE, EXPECT};
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use seams::Clock;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// When the device stops, requests that wait for their acknowledgement have this much longer.
const STOPPING_GRACE: Duration = Duration::from_secs(4);

/// So much of a refused request's body is read, so that its sender sees the answer: more than bodies usually have.
const DISCARD_BYTES: usize = 32 << 20;
/// For so long at most.
const DISCARD_WITHIN: Duration = Duration::from_secs(1);

/// What a connection is made of.
pub struct Call {
    /// The socket, not yet watched by a runtime.
    pub socket: std::net::TcpStream,
    /// Its peer.
    pub peer: SocketAddr,
    /// TLS, if it is spoken.
    pub tls: Option<Arc<rustls::ServerConfig>>,
}

/// The actor of a connection.
pub struct HttpConnection {
    call: Option<Call>,
    /// Who ends the connection when this actor can't.
    hangup: Weak<Hangup>,
    device: Arc<Device>,
    lane: Arc<Lane>,
    settings: Arc<HttpSettings>,
    _berth: Berth,
}

/// What answers requests.
struct Desk {
    device: Arc<Device>,
    settings: Arc<HttpSettings>,
    peer: SocketAddr,
    ledger: Ledger,
    next_seq: AtomicU64,
    clock: Clock,
    stopping: CancellationToken,
}

impl HttpConnection {
    /// The actor for a fresh connection.
    pub fn new(
        call: Call,
        hangup: Weak<Hangup>,
        device: Arc<Device>,
        lane: Arc<Lane>,
        settings: Arc<HttpSettings>,
    ) -> Self {
        device.meters.open.up();
        device.meters.opened.add(1);
        Self { call: Some(call), hangup, device, _berth: lane.berth(), lane, settings }
    }

    fn desk(&self, me: &Me<()>, peer: SocketAddr) -> Desk {
        Desk {
            device: Arc::clone(&self.device),
            settings: Arc::clone(&self.settings),
            peer,
            ledger: self.lane.open_stream(Arc::clone(&self.device.flow)),
            next_seq: AtomicU64::new(0),
            clock: me.context.common.clock.clone(),
            stopping: me.context.stopping.clone(),
        }
    }
}

impl Drop for HttpConnection {
    fn drop(&mut self) {
        self.device.meters.open.down();
    }
}

impl Child for HttpConnection {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        self.live(me).await
    }
}

impl HttpConnection {
    async fn live(&mut self, me: &Me<()>) -> anyhow::Result<Next> {
        let Some(Call { socket, peer, tls }) = self.call.take() else { return Ok(Next::Done) };
        let desk = self.desk(me, peer);
        // Answers are small and complete.
        let _ = socket.set_nodelay(true);
        let socket = Wire::new(socket)?;
        if let Some(hangup) = self.hangup.upgrade() {
            hangup.watch(&socket);
        }
        let ended = match tls {
            None => desk.serve(me, socket).await,
            Some(config) => {
                let handshake = TlsAcceptor::from(config).accept(socket);
                let limit = self.settings.limits.handshake;
                match me.waiting(tokio::time::timeout(limit, handshake)).await {
                    Ok(Ok(stream)) => desk.serve(me, stream).await,
                    Ok(Err(_)) => "tls",
                    Err(_) => "idle",
                }
            }
        };
        self.device.meters.ended.add(ended);
        Ok(Next::Done)
    }
}

impl Desk {
    /// Answers requests until either side ends the connection; says how it ended.
    async fn serve(&self, me: &Me<()>, io: impl AsyncRead + AsyncWrite + Unpin) -> &'static str {
        let service = service_fn(|request| async move { Ok::<_, Infallible>(self.answer(request).await) });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.settings.limits.head)
            .serve_connection(TokioIo::new(io), service);
        let mut connection = pin!(connection);
        let served = tokio::select! {
            biased;
            served = me.waiting(connection.as_mut()) => served,
            () = me.stopping() => {
                connection.as_mut().graceful_shutdown();
                return match me.waiting(connection).await {
                    Ok(()) => "stopped",
                    Err(e) => ended(&e),
                };
            }
        };
        served.map_or_else(|e| ended(&e), |()| "closed")
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, mut body) = request.into_parts();
        let taken = match self.within_rate().and_then(|()| admit(&head, &self.settings)) {
            Ok(admitted) => match read(&mut body, admitted, &self.device.share, &self.settings).await {
                Ok(received) => self.take_in(received).await,
                Err(refusal) => Err(refusal),
            },
            Err(refusal) => Err(refusal),
        };
        match taken {
            Ok(()) => {
                self.device.meters.answers.add("ok");
                self.accepted()
            }
            Err(refusal) => {
                self.device.meters.answers.add(refusal.name());
                if !head.headers.contains_key(EXPECT) {
                    discard(&mut body).await;
                }
                refusal.answer(body.is_end_stream())
            }
        }
    }

    /// Whether the device's rate limit lets another request in: what earlier ones took in advance is paid off first.
    fn within_rate(&self) -> Result<(), Refusal> {
        match self.charge(0) {
            Duration::ZERO => Ok(()),
            wait => Err(Refusal::Rate(wait)),
        }
    }

    fn charge(&self, events: u64) -> Duration {
        let profile = self.device.profile.load();
        profile.rate.as_ref().map_or(Duration::ZERO, |rate| rate.charge(events, self.clock.now()))
    }

    /// Submits events and waits until they are settled.
    async fn take_in(&self, received: Received) -> Result<(), Refusal> {
        let now = self.clock.unix_nanos();
        let source = Source { device: &self.device, peer: self.peer, stream: self.ledger.stream() };
        let mut acknowledged = self.ledger.acknowledged();
        let mut next = self.next_seq.load(Relaxed);
        for batch in received.batches(source, next, now) {
            next = batch.next_seq();
            self.device.submit(&self.ledger, batch);
        }
        // Requests of a connection come one after the other (HTTP/1.1), so nobody else counts.
        let first = self.next_seq.swap(next, Relaxed);
        self.charge(next - first);
        self.device.touch(now);
        let settled = acknowledged.wait_for(|upto| *upto >= next);
        let stopping = async {
            self.stopping.cancelled().await;
            tokio::time::sleep(STOPPING_GRACE).await;
        };
        tokio::select! {
            biased;
            settled = settled => settled.map(drop).map_err(|_| Refusal::NotYet),
            () = tokio::time::sleep(self.settings.limits.acknowledge) => Err(Refusal::NotYet),
            () = stopping => Err(Refusal::NotYet),
        }
    }

    fn accepted(&self) -> Response<Full<Bytes>> {
        let super::Response { code, body, content_type } = &self.settings.response;
        let mut response = Response::new(Full::new(body.clone()));
        *response.status_mut() = *code;
        response.headers_mut().insert(CONTENT_TYPE, content_type.clone());
        response
    }
}

/// Reads on a little when a request is refused: a connection that is closed with unread bytes is reset, and on some
/// systems the answer is lost with it (RFC 9112 §9.6).
async fn discard(body: &mut Incoming) {
    let read = async {
        let mut left = DISCARD_BYTES;
        while let Some(Ok(frame)) = body.frame().await {
            match left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
                Some(less) => left = less,
                None => return,
            }
        }
    };
    // Whoever sends no more at present may as well be answered.
    let _ = tokio::time::timeout(DISCARD_WITHIN, read).await;
}

/// How a connection ended with an error; the names are those of the metrics.
fn ended(e: &hyper::Error) -> &'static str {
    if e.is_timeout() {
        "idle"
    } else if e.is_parse() {
        "protocol"
    } else {
        "reset"
    }
}
