//! Scenarios: a world, a load, what goes wrong when, and what has to hold.
//!
//! ```text
//!  scenario.yml ── read ──▶ Scenario ─┬─ world ──▶ installation, endpoints, links
//!                                     ├─ plan ───▶ faults with their times (drawn from the seed where random)
//!                                     └─ run ────▶ Rehearsal ── judge ──▶ Report (text, JSON, page)
//! ```
//!
//! Read in this order: [`Scenario`], [`read`], [`rewrite`] (a configuration that talks to stand-ins), [`world`], [`plan`],
//! [`run`], [`judge`], [`report`], [`page`].

pub mod judge;
pub mod page;
pub mod plan;
pub mod read;
mod receiving;
pub mod report;
pub mod rewrite;
pub mod run;
pub mod samples;
mod strike;
pub mod world;
mod yaml_text;

use crate::endpoints::mood::EndpointFault;
use crate::links::LinkFault;
use crate::subject::{self, Expectation};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A bad day.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// What surrounds the Director, and its configuration.
    pub world: WorldSource,
    /// What comes in.
    pub load: Load,
    /// What goes wrong, and when.
    pub faults: Vec<Planned>,
    /// What goes wrong by chance.
    pub random: Option<Random>,
    /// What has to hold.
    pub expect: Expect,
    /// Its short version.
    pub short: Option<Short>,
}

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub enum WorldSource {
    /// The one that is named on the command line.
    Given,
    /// This file.
    File(PathBuf),
    /// It stands in the scenario.
    Inline(config::Node),
}

/// What comes in.
#[derive(Clone, Debug)]
pub struct Load {
    /// For how long.
    pub length: Duration,
    /// Events a second, of all sources together.
    pub rate: f64,
    /// Events are at least so long.
    pub size: usize,
    /// What they say.
    pub mix: String,
    /// Or the lines of this file, as they are.
    pub recorded: Option<PathBuf>,
    /// Shares of single sources, by device; others have 1.
    pub shares: BTreeMap<String, f64>,
    /// After the load everything that is held has so long to be delivered.
    pub settle: Duration,
}

/// A fault with its time.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// From the beginning of the load.
    pub at: Duration,
    /// How long it lasts; faults that are over at once, with `every`: for how long they come again.
    pub length: Duration,
    /// It comes again and again so far apart.
    pub every: Option<Duration>,
    /// What goes wrong.
    pub fault: AnyFault,
}

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum AnyFault {
    /// On links to these endpoints.
    Link {
        /// Device or target; `*` stands for any text.
        to: String,
        /// What.
        fault: LinkFault,
    },
    /// At these endpoints.
    Endpoint {
        /// Device or target; `*` stands for any text.
        of: String,
        /// What.
        fault: EndpointFault,
    },
    /// In or around the Director.
    Director(subject::Fault),
}

/// Faults by chance.
#[derive(Clone, Debug)]
pub struct Random {
    /// How many; none: one in three seconds.
    pub count: Option<usize>,
    /// The longest of them.
    pub longest: Duration,
    /// How often each comes, against the others; by name.
    pub weights: BTreeMap<String, f64>,
}

/// What has to hold.
#[derive(Clone, Debug, Default)]
pub struct Expect {
    /// Most events that were promised and did not come.
    pub lost: u64,
    /// Most events that were not promised and did not come; none: any number.
    pub unpromised: Option<u64>,
    /// Most repeats; none: any number.
    pub repeated: Option<u64>,
    /// Order holds within each stream.
    pub in_order: bool,
    /// Each fault that the scenario names strikes somebody.
    pub strikes: bool,
    /// Longest time from the end of a fault until everything that waits is delivered; none: any.
    pub recovery: Option<Duration>,
    /// Most resident memory in bytes; none: any.
    pub memory_bytes: Option<u64>,
    /// Most starts of the process; none: as many as faults ask for.
    pub starts: Option<u32>,
    /// At the end nothing waits anywhere.
    pub drained: bool,
    /// What has to hold of the tree at the end.
    pub tree: Vec<Expectation>,
}

/// A version of a scenario that takes less time.
#[derive(Clone, Copy, Debug)]
pub struct Short {
    /// Of the load; times of faults shrink with it.
    pub length: Duration,
    /// Events a second.
    pub rate: Option<f64>,
}

// === impl Scenario ===

impl Scenario {
    /// The short version, of which nobody asks how fast it recovers, nor whether each fault struck somebody in its few
    /// seconds; the scenario itself if it has none.
    pub fn shortened(mut self) -> Self {
        let Some(short) = self.short else { return self };
        let factor = short.length.as_secs_f64() / self.load.length.as_secs_f64();
        self.load.length = short.length;
        self.load.rate = short.rate.unwrap_or(self.load.rate);
        for planned in &mut self.faults {
            planned.at = planned.at.mul_f64(factor);
            planned.length = planned.length.mul_f64(factor);
            planned.every = planned.every.map(|every| every.mul_f64(factor));
        }
        // Tests run on machines that do other things, too.
        self.expect.recovery = None;
        self.expect.strikes = false;
        self
    }
}

impl AnyFault {
    /// How it is called in a scenario.
    pub fn name(&self) -> String {
        let value = match self {
            Self::Link { fault, .. } => serde_json::to_value(fault),
            Self::Endpoint { fault, .. } => serde_json::to_value(fault),
            Self::Director(fault) => return fault.name().to_owned(),
        };
        value.ok().and_then(|value| Some(value.get("what")?.as_str()?.to_owned())).unwrap_or_default()
    }

    /// Whether it is over as soon as it has begun.
    pub fn is_instant(&self) -> bool {
        match self {
            Self::Link { fault, .. } => fault.is_instant(),
            Self::Endpoint { fault, .. } => fault.is_instant(),
            Self::Director(fault) => matches!(
                fault,
                subject::Fault::ActorPanics(_)
                    | subject::Fault::ActorErrors(_)
                    | subject::Fault::ActorHangs(_)
            ),
        }
    }

    /// The endpoints that it is about; none: it is about the Director.
    pub fn endpoints(&self) -> Option<&str> {
        match self {
            Self::Link { to, .. } => Some(to),
            Self::Endpoint { of, .. } => Some(of),
            Self::Director(_) => None,
        }
    }
}
