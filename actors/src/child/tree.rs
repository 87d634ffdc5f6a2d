//! The live picture of the supervision tree: path, kind, state, since when, restarts, last error.
//!
//! Supervisors write it, everybody reads it: the control API, the command line, tests. Each change of
//! state is a log line and an entry of the activity list.

use super::pulse::{Activity, Pulse};
use parking_lot::Mutex;
use seams::Clock;
use serde::Serialize;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};
use tokio::sync::watch;

/// How many activity entries are kept.
pub const MAX_ACTIVITY: usize = 1000;

/// What a supervisor says of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Asked to start.
    Starting,
    /// Up.
    Running,
    /// It failed and is started again soon.
    Restarting,
    /// It failed too often; tried again every two minutes.
    Parked,
    /// Asked to stop.
    Stopping,
    /// Out of the configuration, delivering what it still holds.
    Retired,
}

/// What an actor says of itself: expected trouble is a condition, not a failure.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Condition {
    /// Nothing to report.
    #[default]
    Well,
    /// It does what it should, and this is worth knowing.
    Note(String),
    /// It can't do its work at present; the text says what, why and what to do.
    Trouble(String),
}

/// The tree; clones share it.
#[derive(Clone, Debug)]
pub struct Tree(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    /// Boxed: half of a map's room is empty when its keys come in order.
    nodes: Mutex<BTreeMap<Arc<str>, Box<Node>>>,
    activity: Mutex<VecDeque<Entry>>,
    changes: watch::Sender<u64>,
    restarts: AtomicU64,
}

#[derive(Debug)]
struct Node {
    kind: &'static str,
    state: State,
    since: SystemTime,
    restarts: u64,
    last_error: Option<String>,
    condition: Condition,
    pulse: Option<Pulse>,
}

/// One node as others see it.
#[derive(Clone, Debug, Serialize)]
pub struct NodeView {
    /// From the root, with slashes.
    pub path: String,
    /// What it is.
    pub kind: &'static str,
    /// What its supervisor says.
    pub state: State,
    /// Since when, in seconds since the Unix epoch.
    pub since: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// Why it failed the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whether that is trouble.
    pub trouble: bool,
    /// `idle`, `working` or `waiting`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub activity: Option<&'static str>,
}

/// A line of the activity list.
#[derive(Clone, Debug, Serialize)]
pub struct Entry {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// Whose state changed; empty for the whole Director.
    pub path: String,
    /// What happened.
    pub what: String,
}

impl Tree {
    /// An empty tree.
    pub fn new(clock: Clock) -> Self {
        let (changes, _) = watch::channel(0);
        let (nodes, activity) = (Mutex::default(), Mutex::default());
        Self(Arc::new(Inner { clock, nodes, activity, changes, restarts: AtomicU64::new(0) }))
    }

    /// A child appears, starting.
    pub fn add(&self, path: &Arc<str>, kind: &'static str) {
        let node = Box::new(Node {
            kind,
            state: State::Starting,
            since: self.0.clock.wall(),
            restarts: 0,
            last_error: None,
            condition: Condition::Well,
            pulse: None,
        });
        self.0.nodes.lock().insert(Arc::clone(path), node);
        self.changed();
    }

    /// A child is gone for good, and all below it.
    pub fn remove(&self, path: &str) {
        let below: Arc<str> = format!("{path}/").into();
        let mut nodes = self.0.nodes.lock();
        nodes.remove(path);
        while let Some(child) = nodes.range(Arc::clone(&below)..).next().map(|(path, _)| Arc::clone(path))
            && child.starts_with(&*below)
        {
            nodes.remove(&child);
        }
        drop(nodes);
        self.changed();
    }

    /// A child's state changed.
    pub fn set_state(&self, path: &str, state: State) {
        self.with(path, |node, now| {
            if node.state != state {
                (node.state, node.since) = (state, now);
            }
        });
    }

    /// A child failed.
    pub fn failed(&self, path: &str, error: &str) {
        self.with(path, |node, _| node.last_error = Some(error.to_owned()));
        self.log(path, error.to_owned());
    }

    /// A child is started once more.
    pub fn restarted(&self, path: &str) {
        self.0.restarts.fetch_add(1, Relaxed);
        self.with(path, |node, _| node.restarts += 1);
    }

    /// How often anybody was started again, those included who are gone.
    pub fn restarts(&self) -> u64 {
        self.0.restarts.load(Relaxed)
    }

    /// The pulse of the child's present life.
    pub fn set_pulse(&self, path: &str, pulse: Pulse) {
        self.with(path, |node, _| {
            (node.pulse, node.condition) = (Some(pulse), Condition::Well);
        });
    }

    /// What a child says of itself. A change is logged by who says it.
    pub fn set_condition(&self, path: &str, condition: Condition) {
        if let Condition::Trouble(text) = &condition {
            self.log(path, text.clone());
        }
        self.with(path, |node, _| node.condition = condition);
    }

    /// Adds an entry to the activity list.
    pub fn log(&self, path: &str, what: String) {
        let at = self.0.clock.unix_nanos() / 1_000_000;
        let mut activity = self.0.activity.lock();
        if activity.len() == MAX_ACTIVITY {
            activity.pop_front();
        }
        activity.push_back(Entry { at_ms: at, path: path.to_owned(), what });
    }

    fn with(&self, path: &str, change: impl FnOnce(&mut Node, SystemTime)) {
        let now = self.0.clock.wall();
        if let Some(node) = self.0.nodes.lock().get_mut(path) {
            change(node, now);
        }
        self.changed();
    }

    fn changed(&self) {
        self.0.changes.send_modify(|n| *n += 1);
    }

    /// Changes with every change of the tree.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changes.subscribe()
    }

    /// All nodes in the order of their paths.
    pub fn nodes(&self) -> Vec<NodeView> {
        self.0.nodes.lock().iter().map(|(path, node)| node.view(path)).collect()
    }

    /// One node.
    pub fn node(&self, path: &str) -> Option<NodeView> {
        self.0.nodes.lock().get(path).map(|node| node.view(path))
    }

    /// The last activity entries, oldest first.
    pub fn activity(&self) -> Vec<Entry> {
        self.0.activity.lock().iter().cloned().collect()
    }

    /// Waits until the tree looks as asked for. For tests and orderly starts; `None` after `limit`.
    pub async fn wait_until<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&Tree) -> Option<T>,
    ) -> Option<T> {
        let mut changes = self.changes();
        let search = async {
            loop {
                if let Some(found) = look(self) {
                    return Some(found);
                }
                if changes.changed().await.is_err() {
                    return None;
                }
            }
        };
        tokio::time::timeout(limit, search).await.ok().flatten()
    }
}

impl Node {
    fn view(&self, path: &str) -> NodeView {
        let (condition, trouble) = match &self.condition {
            Condition::Well => (None, false),
            Condition::Note(text) => (Some(text.clone()), false),
            Condition::Trouble(text) => (Some(text.clone()), true),
        };
        NodeView {
            path: path.to_owned(),
            kind: self.kind,
            state: self.state,
            since: self.since.duration_since(SystemTime::UNIX_EPOCH).map_or(0, |d| d.as_secs()),
            restarts: self.restarts,
            last_error: self.last_error.clone(),
            condition,
            trouble,
            activity: self.pulse.as_ref().map(|p| match p.read().0 {
                Activity::Idle => "idle",
                Activity::Working => "working",
                Activity::Waiting => "waiting",
            }),
        }
    }
}
