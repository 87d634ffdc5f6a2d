//! Kept events are sent once more, through the configuration that is in force.
//!
//! ```text
//!  quarantine ── reader's thread ──▶ course ──▶ Feed (a stream, a detour) ── ledger ──▶ router ─▶ stages, senders
//!                                      │                                       │
//!                                      └── ways that the event was on ◀──┘     └─ settled: marked as replayed
//! ```
//!
//! An event takes the ways on which it was set aside, and no other: those that took it the first time do not get it
//! twice. What is set aside again is there under a new number, with a count. An event is marked as replayed when all its
//! ways are settled; if the process ends before, it is not, and may be sent twice.
//!
//! Cost: replayed bytes have a budget of their own (R5), so that nothing that comes in waits for them.

mod course;
mod feed;
pub mod journal;
pub mod quarantine;

use crate::wiring::Way;
use actors::data::Lanes;
use actors::quarantine::Quarantine;
use event::{BranchId, Budget, DeviceId, Share};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::Mutex;

/// Bytes that may be under way once more.
const BUDGET_BYTES: u64 = 4 << 20;

/// What events are sent once more with; clones share it.
#[derive(Clone)]
pub struct Replayer {
    quarantine: Quarantine,
    lanes: Lanes,
    budget: Budget,
    share: Share,
    /// One at a time, so that nobody sends what another one is sending.
    turn: Arc<Mutex<()>>,
}

/// What is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// Which events, in words.
    pub which: String,
    /// Only to this target, by the ways that lead there now.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target: Option<String>,
}

/// The ways that events of a device take now.
pub(crate) struct DeviceWays {
    /// The device.
    pub(crate) id: DeviceId,
    /// Its ways.
    pub(crate) ways: Vec<PresentWay>,
}

/// A way in force.
pub(crate) struct PresentWay {
    /// The way.
    pub(crate) way: Way,
    /// Its branch in each lane.
    pub(crate) branches: Vec<BranchId>,
}

/// A span of the kept journal that is asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpanOrder {
    /// From here on.
    pub from: Bound,
    /// Up to here, which is not part of it.
    pub to: Bound,
    /// To this target, by the ways that lead there now.
    pub target: String,
    /// Only events of this device.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub device: Option<String>,
}

/// An end of a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// As far as there is something.
    #[default]
    Open,
    /// A position in a journal.
    Position(u64),
    /// A time, in nanoseconds since the Unix epoch.
    Time(u64),
}

impl Bound {
    /// Whether a time does not lie before this.
    pub fn admits_after(self, at: u64) -> bool {
        !matches!(self, Self::Time(from) if at < from)
    }

    /// Whether a time lies before this.
    pub fn admits_before(self, at: u64) -> bool {
        !matches!(self, Self::Time(to) if at >= to)
    }
}

impl Replayer {
    /// Where the journal is, if there is one.
    pub(crate) fn journal(&self) -> PathBuf {
        self.quarantine.folder().with_file_name("journal")
    }

    pub(crate) fn new(quarantine: Quarantine, lanes: Lanes) -> Self {
        let budget = Budget::new(BUDGET_BYTES);
        Self { quarantine, lanes, share: budget.share(), budget, turn: Arc::default() }
    }

    pub(crate) fn quarantine(&self) -> &Quarantine {
        &self.quarantine
    }
}

impl fmt::Debug for Replayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Replayer({} bytes under way)", self.budget.used())
    }
}
