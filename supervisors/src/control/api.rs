//! Which request gets which answer.
//!
//! What only looks is there for whoever reaches the HTTP address; what changes or reveals (`/stop`, `/reload`, `/tap`,
//! `/log`, `/purge`, `/purge-spool`, `/replay`, `/replay-journal`) is there on the control socket alone, which only its owner can open.

use super::health::{Health, Readiness};
use super::stats::Stats;
use super::view::View;
use super::{FollowLog, Request, metrics, tap};
use crate::replay;
use actors::quarantine::Selection;
use bytes::Bytes;
use futures_util::StreamExt;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE};
use hyper::{Method, Response, StatusCode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::convert::Infallible;
use tokio::sync::mpsc;

/// An answer's body: a page, or lines as they come.
pub(super) type Body = BoxBody<Bytes, Infallible>;

/// So many lines wait for whoever follows.
const LINES_WAITING: usize = 64;
/// Longest body of a request: the name of a device, or a level.
const MAX_REQUEST_BYTES: usize = 4096;

/// What may be asked through an entrance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rights {
    /// How things are.
    Look,
    /// Also what changes or reveals.
    All,
}

/// The API behind an entrance.
#[derive(Clone)]
pub struct Api {
    /// What can be known.
    pub view: View,
    /// Where requests to the program go.
    pub requests: mpsc::Sender<Request>,
    /// The log.
    pub follow_log: FollowLog,
    /// What may be asked here.
    pub rights: Rights,
}

impl Api {
    /// Answers a request.
    pub(super) async fn answer(&self, request: hyper::Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let looks = matches!(*request.method(), Method::GET | Method::HEAD);
        if let Some(page) = self.page(&path) {
            return if looks { page } else { refuse_method("GET") };
        }
        match (path.as_str(), self.rights) {
            (
                "/stop" | "/reload" | "/tap" | "/log" | "/purge" | "/purge-spool" | "/replay"
                | "/replay-journal",
                Rights::Look,
            ) => {
                let text = "this is answered on the control socket alone: storage/control.sock\n";
                plain(StatusCode::FORBIDDEN, text)
            }
            (
                "/stop" | "/reload" | "/tap" | "/log" | "/purge" | "/purge-spool" | "/replay"
                | "/replay-journal",
                Rights::All,
            ) if request.method() != Method::POST => refuse_method("POST"),
            ("/stop", Rights::All) => self.pass_on(Request::Stop("the control socket")).await,
            ("/reload", Rights::All) => self.pass_on(Request::Reload("the control socket")).await,
            ("/tap", Rights::All) => self.tap(request).await,
            ("/log", Rights::All) => self.log(request).await,
            ("/purge", Rights::All) => self.purge(request).await,
            ("/purge-spool", Rights::All) => self.purge_spool(request).await,
            ("/replay", Rights::All) => self.replay(request, replay::quarantine::start).await,
            ("/replay-journal", Rights::All) => self.replay(request, replay::journal::start).await,
            _ => {
                let text = "not found; there are /health /ready /metrics /stats /tree /activity\n";
                plain(StatusCode::NOT_FOUND, text)
            }
        }
    }

    /// What can be looked at.
    fn page(&self, path: &str) -> Option<Response<Body>> {
        let view = &self.view;
        Some(match path {
            "/health" => json(StatusCode::OK, &Health::now(view)),
            "/ready" => {
                let readiness = Readiness::now(view);
                let status = if readiness.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
                json(status, &readiness)
            }
            "/metrics" => {
                let page = metrics::render(&Stats::now(view));
                answer(StatusCode::OK, metrics::CONTENT_TYPE, whole(page))
            }
            "/stats" => json(StatusCode::OK, &Stats::now(view)),
            "/tree" => json(StatusCode::OK, &view.tree().nodes()),
            "/activity" => json(StatusCode::OK, &view.tree().activity()),
            _ => return None,
        })
    }

    async fn pass_on(&self, request: Request) -> Response<Body> {
        match self.requests.send(request).await {
            Ok(()) => plain(StatusCode::ACCEPTED, "accepted\n"),
            Err(_) => plain(StatusCode::SERVICE_UNAVAILABLE, "the Director is stopping\n"),
        }
    }

    /// Live events of the device, route or target that the body names.
    async fn tap(&self, request: hyper::Request<Incoming>) -> Response<Body> {
        let name = match text(request).await {
            Ok(name) => name,
            Err(refusal) => return refusal,
        };
        if let Err(unknown) = self.view.tap(&name) {
            return plain(StatusCode::NOT_FOUND, format!("{unknown}\n"));
        }
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        tokio::spawn(tap::stream(self.view.clone(), name, sender));
        answer(StatusCode::OK, "text/plain; charset=utf-8", live(lines))
    }

    /// Removes events from the quarantine; the body says which.
    async fn purge(&self, request: hyper::Request<Incoming>) -> Response<Body> {
        let words = match text(request).await {
            Ok(words) => words,
            Err(refusal) => return refusal,
        };
        let selection: Selection = match words.parse() {
            Ok(selection) => selection,
            Err(unclear) => return plain(StatusCode::BAD_REQUEST, format!("{unclear}\n")),
        };
        let quarantine = self.view.quarantine().clone();
        match tokio::task::spawn_blocking(move || quarantine.purge(&selection)).await {
            Ok(Ok(purged)) => {
                tracing::info!(purged, which = words, "events were purged from quarantine");
                plain(StatusCode::OK, format!("{purged} events purged\n"))
            }
            Ok(Err(e)) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("{e:#}\n")),
            Err(e) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("the purge failed: {e}\n")),
        }
    }

    /// Drops what waits in a spool; the body is its name.
    async fn purge_spool(&self, request: hyper::Request<Incoming>) -> Response<Body> {
        let name = match text(request).await {
            Ok(name) => name,
            Err(refusal) => return refusal,
        };
        let desk = self.view.spools().clone();
        match tokio::task::spawn_blocking(move || desk.purge(&name)).await {
            Ok(Ok(text)) => plain(StatusCode::OK, format!("{text}\n")),
            Ok(Err(e)) => plain(StatusCode::CONFLICT, format!("{e:#}\n")),
            Err(e) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("the purge failed: {e}\n")),
        }
    }

    /// Sends events once more, as the body says; lines tell how it goes.
    async fn replay<Order: DeserializeOwned>(
        &self,
        request: hyper::Request<Incoming>,
        start: impl FnOnce(&View, Order, mpsc::Sender<Bytes>) -> anyhow::Result<()>,
    ) -> Response<Body> {
        let body = match text(request).await {
            Ok(body) => body,
            Err(refusal) => return refusal,
        };
        let order = match serde_json::from_str(&body) {
            Ok(order) => order,
            Err(e) => return plain(StatusCode::BAD_REQUEST, format!("the request is not understood: {e}\n")),
        };
        let (sender, lines) = mpsc::channel(LINES_WAITING);
        match start(&self.view, order, sender) {
            Ok(()) => answer(StatusCode::OK, "text/plain; charset=utf-8", live(lines)),
            Err(refused) => plain(StatusCode::CONFLICT, format!("{refused:#}\n")),
        }
    }

    /// The log from now on; the body is the level.
    async fn log(&self, request: hyper::Request<Incoming>) -> Response<Body> {
        match text(request).await.map(|level| level.parse()) {
            Ok(Ok(level @ 1..=5)) => {
                answer(StatusCode::OK, "text/plain; charset=utf-8", live((self.follow_log)(level)))
            }
            Ok(_) => plain(StatusCode::BAD_REQUEST, "the body has to be a level from 1 to 5\n"),
            Err(refusal) => refusal,
        }
    }
}

async fn text(request: hyper::Request<Incoming>) -> Result<String, Response<Body>> {
    let body = Limited::new(request.into_body(), MAX_REQUEST_BYTES).collect().await;
    let Ok(body) = body else {
        return Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "the body is too long, or did not arrive\n"));
    };
    Ok(String::from_utf8_lossy(&body.to_bytes()).trim().to_owned())
}

fn whole(text: impl Into<Bytes>) -> Body {
    Full::new(text.into()).boxed()
}

fn live(mut lines: mpsc::Receiver<Bytes>) -> Body {
    let lines = futures_util::stream::poll_fn(move |context| lines.poll_recv(context));
    BodyExt::boxed(StreamBody::new(lines.map(|line| Ok::<_, Infallible>(Frame::data(line)))))
}

fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    match serde_json::to_vec(value) {
        Ok(mut text) => {
            text.push(b'\n');
            answer(status, "application/json", whole(text))
        }
        Err(e) => plain(StatusCode::INTERNAL_SERVER_ERROR, format!("cannot be written as JSON: {e}\n")),
    }
}

fn plain(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    answer(status, "text/plain; charset=utf-8", whole(text))
}

fn refuse_method(allowed: &'static str) -> Response<Body> {
    let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, format!("use {allowed}\n"));
    response.headers_mut().insert(ALLOW, hyper::header::HeaderValue::from_static(allowed));
    response
}

fn answer(status: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    headers.insert(CACHE_CONTROL, hyper::header::HeaderValue::from_static("no-store"));
    response
}
