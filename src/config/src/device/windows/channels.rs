//! Which events of a host: channels with ids and levels, a query of the user's, datasets.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::datasets;
use crate::Node;
use crate::device::definitions::Definitions;
use crate::fields::Fields;
use crate::readers::{Choice, List, Reader, Seconds, Text, Wrong};
use crate::suggest::did_you_mean;

/// Which events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Of these channels; at least one.
    Channels(Vec<Channel>),
    /// What a `QueryList` asks for.
    Query(String),
}

/// A channel, and which of its events. What is empty matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// `event_ids`: only these.
    pub ids: Vec<IdRange>,
    /// `exclude_event_ids`: not these.
    pub excluded_ids: Vec<IdRange>,
    /// `levels`: only these.
    pub levels: Vec<EventLevel>,
    /// `newer_than`: not older when reading begins.
    pub newer_than: Option<Duration>,
    /// `xpath`: instead of all that.
    pub xpath: Option<String>,
    /// It may be missing on the host.
    pub optional: bool,
}

/// Event ids from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first.
    pub first: u32,
    /// The last, not below the first.
    pub last: u32,
}

/// The level of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventLevel {
    /// 1
    Critical,
    /// 2
    Error,
    /// 3
    Warning,
    /// 4, and 0
    Information,
    /// 5
    Verbose,
}

impl Channel {
    /// All events of a channel.
    pub(super) fn all(name: &str) -> Self {
        Self { name: name.to_owned(), ..Self::default() }
    }
}

pub(super) fn decode(fields: &mut Fields, definitions: &Definitions) -> Selection {
    let own = fields.items("channels", "channel", "which channels, and which of their events", channel);
    let query = fields.optional("query", Text, "a QueryList, instead of channels");
    let mut channels: Vec<Channel> = Vec::new();
    for definition in &definitions.0 {
        match datasets::channels(&definition.name) {
            Some(more) => more.into_iter().for_each(|channel| join(&mut channels, channel)),
            None => {
                let what = format!("{} has the unknown definition {:?}", fields.subject(), definition.name);
                let fix = did_you_mean(&definition.name, datasets::names());
                fields.report(definition.at.error(what, fix));
            }
        }
    }
    for channel in own {
        // What is written for the channel itself counts.
        channels.retain(|other| !other.name.eq_ignore_ascii_case(&channel.name));
        channels.push(channel);
    }
    if let Some(query) = query {
        if !channels.is_empty() {
            fields.wrong("query", "leave it out, or channels and definitions");
        }
        return Selection::Query(query);
    }
    Selection::Channels(if channels.is_empty() { datasets::default_channels() } else { channels })
}

/// Adds a dataset's channel; of one that is there already both parts are read.
fn join(channels: &mut Vec<Channel>, channel: Channel) {
    let Some(there) = channels.iter_mut().find(|there| there.name.eq_ignore_ascii_case(&channel.name)) else {
        channels.push(channel);
        return;
    };
    if there.ids.is_empty() || channel.ids.is_empty() {
        there.ids.clear();
    } else {
        there.ids.extend(channel.ids);
    }
    there.excluded_ids.retain(|id| channel.excluded_ids.contains(id));
    if there.newer_than.is_none() || channel.newer_than.is_none() {
        there.newer_than = None;
    }
}

fn channel(fields: &mut Fields) -> Channel {
    let name = fields.required("name", Text, "name of the channel, such as Security");
    let ids = fields.optional("event_ids", List(Ids), "only these, such as [4624, 4720-4729]");
    let excluded = fields.optional("exclude_event_ids", List(Ids), "not these");
    let levels = List(Choice(&[
        ("critical", EventLevel::Critical),
        ("error", EventLevel::Error),
        ("warning", EventLevel::Warning),
        ("information", EventLevel::Information),
        ("verbose", EventLevel::Verbose),
    ]));
    let levels = fields.optional("levels", levels, "only these").unwrap_or_default();
    let newer_than =
        fields.optional("newer_than", Seconds(1..=365 * 86_400), "not older when reading begins");
    let xpath = fields.optional("xpath", Text, "an XPath expression, instead of all that");
    let (ids, excluded_ids) = (ids.unwrap_or_default(), excluded.unwrap_or_default());
    let others = !ids.is_empty() || !excluded_ids.is_empty() || !levels.is_empty() || newer_than.is_some();
    if xpath.is_some() && others {
        fields.wrong("xpath", "leave it out, or ids, levels and newer_than");
    }
    Channel { name, ids, excluded_ids, levels, newer_than, xpath, optional: false }
}

/// An event id, or a range `4720-4729`.
struct Ids;

impl Reader for Ids {
    type Value = IdRange;

    fn read(&self, node: &Node) -> Result<IdRange, Wrong> {
        let parse = |text: &str| {
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            let (first, last) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
            (first <= last).then_some(IdRange { first, last })
        };
        let found = node.as_text().and_then(parse);
        found.ok_or_else(|| Wrong::new(node, "write an event id such as 4624, or a range such as 4720-4729"))
    }

    fn placeholder(&self) -> IdRange {
        IdRange { first: 0, last: 0 }
    }

    fn schema(&self) -> Json {
        json!({"type": ["integer", "string"]})
    }
}
