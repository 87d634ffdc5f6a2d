//! The control group: how a Director is seen and told what to do from outside.
//!
//! ```text
//!   GET /health /ready /metrics /tree /activity ── api-http   ─┐
//!   the same and POST /tap /log /stop /reload   ── api-socket ─┼─ Api ── View ── tree, inventory, budget
//!   vmetric.yml, config/**                      ── watcher ────┴─ Request ── the program's main loop
//! ```
//!
//! Read in this order: [`view`] (what can be known), [`stats`], [`health`] and [`metrics`] (how it is told), [`tap`],
//! [`api`] (which request gets what), [`server`] and [`watcher`] (the actors). The group starts first and
//! stops last, so that `/health` and `/ready` tell the truth all the way. It runs on the control runtime and touches
//! no lane: a look costs a lane nothing but the one load for each batch of `actors::tap`.

pub mod api;
pub mod health;
pub mod metrics;
mod process;
pub mod server;
pub mod stats;
pub mod tap;
pub mod view;
pub mod watcher;

pub(crate) use view::OnDisk;
pub use view::{Phase, View};

use actors::child::{ChildSpec, Home};
use api::Api;
use bytes::Bytes;
use server::{ApiServer, Entrance};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;
use watcher::{Known, Watcher};

/// What the control group asks of the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Load the configuration again; why.
    Reload(&'static str),
    /// Stop in an orderly way; who wants it.
    Stop(&'static str),
}

/// Gives the lines of the log from now on, as detailed as asked for (1 to 5).
pub type FollowLog = Arc<dyn Fn(u8) -> mpsc::Receiver<Bytes> + Send + Sync>;

/// What the control group needs of the program.
#[derive(Clone)]
pub struct Control {
    /// Where the control socket is to be.
    pub socket: PathBuf,
    /// Where the configuration is.
    pub source: config::Source,
    /// What its files looked like before they were loaded.
    pub known: Known,
    /// Where requests go.
    pub requests: mpsc::Sender<Request>,
    /// The log.
    pub follow_log: FollowLog,
}

impl fmt::Debug for Control {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Control({}, {:?})", self.socket.display(), self.source)
    }
}

/// The children of the control group; `http` says where the HTTP API listens, if it is on.
pub(crate) fn children(control: &Control, view: &View, http: Option<SocketAddr>) -> Vec<ChildSpec> {
    let api = |rights| {
        let (requests, follow_log) = (control.requests.clone(), Arc::clone(&control.follow_log));
        Api { view: view.clone(), requests, follow_log, rights }
    };
    let socket = (Entrance::Socket(control.socket.clone()), api(api::Rights::All));
    let server = |name, (entrance, api): (Entrance, Api)| {
        let make = move || Ok(ApiServer::new(entrance.clone(), api.clone()));
        ChildSpec::new(name, "api", Home::Control, make)
    };
    let mut children = vec![server("api-socket", socket)];
    if let Some(address) = http {
        children.push(server("api-http", (Entrance::Http(address), api(api::Rights::Look))));
    }
    let (source, requests, known) = (control.source.clone(), control.requests.clone(), control.known.clone());
    let make = move || Ok(Watcher::new(source.clone(), requests.clone(), known.clone()));
    children.push(ChildSpec::new("watcher", "watcher", Home::Control, make));
    children
}
