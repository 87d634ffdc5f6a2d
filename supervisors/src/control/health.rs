//! Whether a Director is well, and if not, what is wrong.

use super::view::{ConfigStatus, Phase, View};
use actors::child::{NodeView, State};
use serde::Serialize;

/// The answer of `/health`.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// In a word.
    pub status: Status,
    /// Where it is in its life.
    pub phase: Phase,
    /// The node's name.
    pub node: String,
    /// The program's version.
    pub version: &'static str,
    /// How long it runs.
    pub uptime_seconds: u64,
    /// The configuration.
    pub config: ConfigStatus,
    /// Events that were accepted and are not settled.
    pub held: u64,
    /// Who is not well.
    pub troubled: Vec<Troubled>,
}

/// A Director's health in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Everything works.
    Ok,
    /// It works, but something does not, or a new configuration was refused.
    Degraded,
}

/// Somebody who is not well.
#[derive(Clone, Debug, Serialize)]
pub struct Troubled {
    /// Who.
    pub path: String,
    /// What its supervisor says.
    pub state: State,
    /// What is wrong.
    pub why: String,
}

/// The answer of `/ready`: ready when nobody is waited for.
#[derive(Clone, Debug, Serialize)]
pub struct Readiness {
    /// Whether it takes everything in that it should.
    pub ready: bool,
    /// Where it is in its life.
    pub phase: Phase,
    /// Entrances that are not open.
    pub waiting_for: Vec<Troubled>,
}

impl Health {
    /// At present.
    pub fn now(view: &View) -> Self {
        let nodes = view.tree().nodes();
        let troubled: Vec<Troubled> = nodes.into_iter().filter_map(trouble).collect();
        let config = view.config();
        let well = troubled.is_empty() && config.errors.is_empty();
        Self {
            status: if well { Status::Ok } else { Status::Degraded },
            phase: view.phase(),
            node: view.snapshot().map(|snapshot| snapshot.service.node_name.clone()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: view.uptime().as_secs(),
            config,
            held: view.inventory().held(),
            troubled,
        }
    }
}

impl Readiness {
    /// At present.
    pub fn now(view: &View) -> Self {
        let (phase, nodes) = (view.phase(), view.tree().nodes());
        let mut waiting_for: Vec<Troubled> = absent(view, &nodes);
        let devices = nodes.into_iter().filter(|node| node.path.starts_with("devices/"));
        waiting_for.extend(devices.filter_map(not_open));
        Self { ready: phase == Phase::Running && waiting_for.is_empty(), phase, waiting_for }
    }
}

/// What is wrong with a node, if anything is.
fn trouble(node: NodeView) -> Option<Troubled> {
    let failing = matches!(node.state, State::Restarting | State::Parked);
    if !failing && !node.trouble {
        return None;
    }
    let why = if node.trouble { node.condition } else { node.last_error };
    Some(Troubled { path: node.path, state: node.state, why: why.unwrap_or_default() })
}

/// Devices whose entrance is not in the tree yet.
fn absent(view: &View, nodes: &[NodeView]) -> Vec<Troubled> {
    let Some(snapshot) = view.snapshot() else { return Vec::new() };
    let paths = snapshot.devices.iter().filter(|device| device.status).map(|d| format!("devices/{}", d.name));
    let is_absent = |path: &String| {
        let inside =
            |node: &NodeView| node.path.strip_prefix(&**path).is_some_and(|rest| rest.starts_with('/'));
        !nodes.iter().any(inside)
    };
    let absent = paths.filter(is_absent);
    absent.map(|path| Troubled { path, state: State::Starting, why: "not up yet".to_owned() }).collect()
}

/// Why an entrance does not take in what it should, if so.
fn not_open(node: NodeView) -> Option<Troubled> {
    // A listener says where it listens as soon as it does.
    let silent = node.kind == "listener" && node.condition.is_none();
    if matches!(node.state, State::Starting) || silent {
        let why = node.last_error.unwrap_or_else(|| "not up yet".to_owned());
        return Some(Troubled { path: node.path, state: node.state, why });
    }
    match node.kind {
        // A connection in trouble is its peer's; the device is open to others.
        "connection" => None,
        // A host that is away, or a folder that is not there yet, is no reason to send nobody here.
        "collector" if !matches!(node.state, State::Restarting | State::Parked) => None,
        _ => trouble(node),
    }
}
