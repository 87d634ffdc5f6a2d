//! An entrance to the API: the HTTP address or the control socket.
//!
//! An address that can't be bound is a condition, not a failure: it is tried again, and the rest of the Director runs.
//! A peer has ten seconds to send its request's head; at most [`MAX_CONNECTIONS`] are served at a time.

use super::api::Api;
use actors::child::actor::Next;
use actors::child::{Child, Condition, Me};
use actors::device::bind::{Obstacle, until_bound};
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;

/// Enough for some scrapers, dashboards and followers; the next one waits in the kernel's queue.
const MAX_CONNECTIONS: usize = 64;
/// How long a peer may take to send a request's head.
const HEAD_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait when accepting fails (no descriptors left, say).
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Where the API can be reached.
#[derive(Clone, Debug)]
pub enum Entrance {
    /// HTTP on this address.
    Http(SocketAddr),
    /// HTTP on a Unix socket that only its owner can open.
    Socket(PathBuf),
}

/// The actor.
pub struct ApiServer {
    entrance: Entrance,
    api: Api,
    connections: JoinSet<()>,
}

/// A bound entrance.
enum Listener {
    Http(TcpListener),
    Socket(UnixListener),
}

impl ApiServer {
    /// A server for this entrance.
    pub fn new(entrance: Entrance, api: Api) -> Self {
        Self { entrance, api, connections: JoinSet::new() }
    }

    /// Binds, however often that takes.
    async fn bind(&self, me: &Me<()>) -> Listener {
        until_bound(me, None, || match &self.entrance {
            Entrance::Http(address) => {
                let bound = bind_http(me, *address).map_err(|e| Obstacle::Bind(*address, e));
                bound.map(|(listener, address)| {
                    tracing::info!(%address, "health, metrics and tree are served over HTTP");
                    me.report(Condition::Note(format!("listening on {address}")));
                    Listener::Http(listener)
                })
            }
            Entrance::Socket(path) => match bind_socket(path) {
                Ok(listener) => {
                    me.report(Condition::Note(format!("listening on {}", path.display())));
                    Ok(Listener::Socket(listener))
                }
                Err(e) => {
                    let path = path.display();
                    Err(Obstacle::Other(format!(
                        "cannot create the control socket {path}: {e}; {}",
                        advice(&e)
                    )))
                }
            },
        })
        .await
    }

    fn serve(&mut self, peer: impl AsyncRead + AsyncWrite + Send + Unpin + 'static) {
        let api = self.api.clone();
        self.connections.spawn(async move {
            let answer = service_fn(move |request| {
                let api = api.clone();
                async move { Ok::<_, Infallible>(api.answer(request).await) }
            });
            let mut http = hyper::server::conn::http1::Builder::new();
            http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN);
            if let Err(e) = http.serve_connection(TokioIo::new(peer), answer).await {
                tracing::debug!(error = %e, "a connection to the API ended early");
            }
        });
    }

    /// Takes the next peer in, or learns that one has left.
    async fn step(&mut self, me: &Me<()>, listener: &Listener) {
        if self.connections.len() >= MAX_CONNECTIONS {
            me.waiting(self.connections.join_next()).await;
            return;
        }
        let accepted = match listener {
            Listener::Http(listener) => me.waiting(listener.accept()).await.map(|(peer, _)| self.serve(peer)),
            Listener::Socket(listener) => {
                me.waiting(listener.accept()).await.map(|(peer, _)| self.serve(peer))
            }
        };
        if let Err(e) = accepted {
            tracing::warn!(error = %e, "cannot accept a connection to the API; trying again");
            me.waiting(tokio::time::sleep(ACCEPT_AGAIN)).await;
        }
        while self.connections.try_join_next().is_some() {}
    }
}

impl Child for ApiServer {
    type Message = ();

    fn start(&mut self, me: &Me<()>) -> anyhow::Result<()> {
        me.note(());
        Ok(())
    }

    async fn handle(&mut self, me: &Me<()>, (): ()) -> anyhow::Result<Next> {
        let listener = tokio::select! {
            () = me.stopping() => return Ok(Next::Done),
            listener = self.bind(me) => listener,
        };
        loop {
            tokio::select! {
                () = me.stopping() => break,
                () = self.step(me, &listener) => {}
            }
        }
        if let Entrance::Socket(path) = &self.entrance {
            // Whoever asks next finds nobody; what is left lying is replaced at the next start.
            let _ = std::fs::remove_file(path);
        }
        Ok(Next::Done)
    }
}

fn bind_http(me: &Me<()>, address: SocketAddr) -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::from_std(me.context.common.sockets.tcp(address)?)?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

fn bind_socket(path: &Path) -> io::Result<UnixListener> {
    // What is there is of an earlier life: whoever runs here holds the lock on the storage folder.
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn advice(e: &io::Error) -> &'static str {
    match e.kind() {
        // sun_path in sockaddr_un has 108 bytes.
        io::ErrorKind::InvalidInput => {
            "choose a shorter -path: a socket's path has at most 107 bytes; retrying"
        }
        io::ErrorKind::PermissionDenied => "let the Director's user write there; retrying",
        _ => "see the error; retrying",
    }
}
