//! The live tree of the Director under test, as `/tree` shows it.

use actors::child::faults::matches;
use serde::{Deserialize, Serialize};

/// All nodes, in the order of their paths.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Tree {
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// From the root, with slashes.
    pub path: String,
    /// What it is.
    pub kind: String,
    /// What its supervisor says.
    pub state: State,
    /// Since when, in seconds since the Unix epoch.
    pub since: u64,
    /// How often it was started again.
    pub restarts: u64,
    /// Why it failed the last time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// What it says of itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// Whether that is trouble.
    #[serde(default)]
    pub trouble: bool,
    /// `idle`, `working` or `waiting`; none for those that only supervise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activity: Option<String>,
}

/// What a supervisor says of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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

impl Tree {
    /// The node with this path.
    pub fn node(&self, path: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.path == path)
    }

    /// The nodes whose path matches; `*` stands for any text.
    pub fn matching<'a>(&'a self, pattern: &'a str) -> impl Iterator<Item = &'a Node> {
        self.nodes.iter().filter(move |node| matches(pattern, &node.path))
    }

    /// How often those that match were started again, together.
    pub fn restarts(&self, pattern: &str) -> u64 {
        self.matching(pattern).map(|node| node.restarts).sum()
    }
}
