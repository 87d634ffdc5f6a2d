//! What to read: channels with ids, levels and age, as XPath within what Windows takes.
//!
//! A `Select` holds some 22 conditions, a `QueryList` 256 channels. More conditions are spread over several
//! `Select`s of the same channel, whose results add up; exclusions are `Suppress`es.

use std::fmt::Write;
use std::time::Duration;

use crate::xml::{Scanner, Token, Writer};

/// How many conditions one `Select` may have.
pub const MAX_CONDITIONS: usize = 22;
/// How many channels one list may have.
pub const MAX_CHANNELS: usize = 256;

/// What to read of one channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChannelQuery {
    /// The channel.
    pub channel: String,
    /// Which of its events.
    pub filter: Filter,
}

/// Which events of a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter {
    /// By properties.
    Events(EventFilter),
    /// By an XPath expression of the user's, such as `*[System[EventID=4624]]`.
    XPath(String),
}

/// Which events, by properties; each that is empty matches all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Ids to read.
    pub ids: Vec<IdRange>,
    /// Ids not to read, even if they are in `ids`.
    pub excluded_ids: Vec<IdRange>,
    /// Levels to read.
    pub levels: Vec<Level>,
    /// Not older than this when the query starts.
    pub newer_than: Option<Duration>,
    /// Behind this record.
    pub after_record: Option<u64>,
}

/// Ids from the first to the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdRange {
    /// The first id.
    pub first: u32,
    /// The last id.
    pub last: u32,
}

/// A level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// 1.
    Critical,
    /// 2.
    Error,
    /// 3.
    Warning,
    /// 4, and 0, which is always logged.
    Information,
    /// 5.
    Verbose,
}

/// Why there can be no such query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QueryError {
    /// Nothing to read.
    #[error("no channel is named; name at least one")]
    Empty,
    /// More than [`MAX_CHANNELS`].
    #[error("{0} channels are named, windows takes {MAX_CHANNELS} in one subscription; use several devices")]
    TooManyChannels(usize),
    /// A range whose first id comes behind its last.
    #[error("event ids {0}-{1} are no range; the first has to be the smaller one")]
    Range(u32, u32),
    /// Not a well-formed `QueryList`.
    #[error("the query is no QueryList: {0}")]
    NotAQueryList(String),
}

// === impl IdRange ===

impl IdRange {
    /// A single id.
    pub fn one(id: u32) -> Self {
        Self { first: id, last: id }
    }

    fn conditions(self) -> usize {
        if self.first == self.last { 1 } else { 2 }
    }

    fn write(self, out: &mut String) {
        let Self { first, last } = self;
        // Writing to a string can't fail.
        let _ = match self.conditions() {
            1 => write!(out, "EventID={first}"),
            _ => write!(out, "(EventID>={first} and EventID<={last})"),
        };
    }
}

// === impl Level ===

impl Level {
    fn numbers(self) -> &'static [u8] {
        match self {
            Self::Critical => &[1],
            Self::Error => &[2],
            Self::Warning => &[3],
            Self::Information => &[4, 0],
            Self::Verbose => &[5],
        }
    }
}

// === impl EventFilter ===

impl EventFilter {
    /// XPath expressions whose results add up to what is to be read, but for exclusions.
    pub fn selects(&self) -> Vec<String> {
        let mut common = Vec::new();
        let mut used = 0;
        if !self.levels.is_empty() {
            let numbers = self.levels.iter().flat_map(|level| level.numbers());
            let levels: Vec<String> = numbers.map(|number| format!("Level={number}")).collect();
            used += levels.len();
            common.push(group(&levels));
        }
        if let Some(age) = self.newer_than {
            used += 1;
            common.push(format!("TimeCreated[timediff(@SystemTime)<={}]", age.as_millis()));
        }
        if let Some(record) = self.after_record {
            used += 1;
            common.push(format!("EventRecordID>{record}"));
        }
        let chunks = chunks(&self.ids, MAX_CONDITIONS - used);
        let selects = chunks.iter().map(|ids| {
            let mut all = Vec::new();
            if !ids.is_empty() {
                all.push(group(ids));
            }
            all.extend_from_slice(&common);
            if all.is_empty() { "*".to_owned() } else { format!("*[System[{}]]", all.join(" and ")) }
        });
        selects.collect()
    }

    /// XPath expressions of what is not to be read.
    pub fn suppresses(&self) -> Vec<String> {
        let chunks = chunks(&self.excluded_ids, MAX_CONDITIONS);
        let written = chunks.iter().filter(|ids| !ids.is_empty());
        written.map(|ids| format!("*[System[{}]]", group(ids))).collect()
    }

    /// Whether events of this level are read; 0 is always logged, and counts as information.
    pub fn takes_level(&self, level: Option<u8>) -> bool {
        let level = level.unwrap_or(0);
        self.levels.is_empty() || self.levels.iter().any(|wanted| wanted.numbers().contains(&level))
    }

    fn check(&self) -> Result<(), QueryError> {
        match self.ids.iter().chain(&self.excluded_ids).find(|range| range.first > range.last) {
            Some(range) => Err(QueryError::Range(range.first, range.last)),
            None => Ok(()),
        }
    }
}

/// A `QueryList` of everything.
///
/// # Errors
/// There is no channel, there are too many, or a range of ids is none.
pub fn build(queries: &[ChannelQuery]) -> Result<String, QueryError> {
    if queries.is_empty() {
        return Err(QueryError::Empty);
    }
    if queries.len() > MAX_CHANNELS {
        return Err(QueryError::TooManyChannels(queries.len()));
    }
    let mut xml = Writer::with_capacity(256 * queries.len());
    xml.open("QueryList", &[]);
    for (id, query) in queries.iter().enumerate() {
        let path = [("Path", query.channel.as_str())];
        xml.open("Query", &[("Id", &id.to_string()), path[0]]);
        match &query.filter {
            Filter::XPath(xpath) => xml.leaf("Select", &path, xpath),
            Filter::Events(filter) => {
                filter.check()?;
                filter.selects().iter().for_each(|select| xml.leaf("Select", &path, select));
                filter.suppresses().iter().for_each(|suppress| xml.leaf("Suppress", &path, suppress));
            }
        }
        xml.close("Query");
    }
    xml.close("QueryList");
    Ok(xml.finish())
}

/// The channels that a `QueryList` of the user's names, in order, each once.
///
/// # Errors
/// It is not well-formed, no `QueryList`, or names no channel, or too many.
pub fn channels(query_list: &str) -> Result<Vec<String>, QueryError> {
    let broken = |error: crate::xml::Error| QueryError::NotAQueryList(error.to_string());
    let mut scanner = Scanner::new(query_list.trim());
    match scanner.token().map_err(broken)? {
        Some(Token::Start(root)) if root.local_name() == "QueryList" => {}
        _ => return Err(QueryError::NotAQueryList("its element has another name".to_owned())),
    }
    let mut found: Vec<String> = Vec::new();
    let mut of_query = None;
    while let Some(token) = scanner.token().map_err(broken)? {
        let Token::Start(tag) = token else { continue };
        let path = tag.attribute("Path").map(std::borrow::Cow::into_owned);
        match tag.local_name() {
            "Query" => of_query = path,
            "Select" => {
                // A Select without a path reads that of its Query.
                let channel = path.or_else(|| of_query.clone());
                found.extend(channel.filter(|channel| !found.contains(channel)));
            }
            _ => {}
        }
    }
    match found.len() {
        0 => Err(QueryError::Empty),
        1..=MAX_CHANNELS => Ok(found),
        many => Err(QueryError::TooManyChannels(many)),
    }
}

/// Ids in groups of at most so many conditions; one empty group where there are none.
fn chunks(ids: &[IdRange], limit: usize) -> Vec<Vec<String>> {
    let mut chunks = vec![Vec::new()];
    let mut used = 0;
    for id in ids {
        if used + id.conditions() > limit {
            chunks.push(Vec::new());
            used = 0;
        }
        used += id.conditions();
        let mut text = String::new();
        id.write(&mut text);
        if let Some(last) = chunks.last_mut() {
            last.push(text);
        }
    }
    chunks
}

fn group(conditions: &[String]) -> String {
    match conditions {
        [one] => one.clone(),
        more => format!("({})", more.join(" or ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events(channel: &str, filter: EventFilter) -> ChannelQuery {
        ChannelQuery { channel: channel.into(), filter: Filter::Events(filter) }
    }

    #[test]
    fn a_list_names_channels_and_conditions() {
        let filter = EventFilter {
            ids: vec![IdRange::one(4624), IdRange { first: 4720, last: 4729 }],
            excluded_ids: vec![IdRange::one(4656)],
            levels: vec![Level::Error, Level::Information],
            newer_than: Some(Duration::from_secs(60)),
            after_record: Some(7),
        };
        let own = ChannelQuery { channel: "A&B".into(), filter: Filter::XPath("*[a<'b']".into()) };
        let list =
            build(&[events("System", EventFilter::default()), events("Security", filter), own]).unwrap();
        assert_eq!(
            list,
            "<QueryList><Query Id=\"0\" Path=\"System\"><Select Path=\"System\">*</Select></Query>\
             <Query Id=\"1\" Path=\"Security\"><Select Path=\"Security\">*[System[(EventID=4624 or \
             (EventID&gt;=4720 and EventID&lt;=4729)) and (Level=2 or Level=4 or Level=0) and \
             TimeCreated[timediff(@SystemTime)&lt;=60000] and EventRecordID&gt;7]]</Select>\
             <Suppress Path=\"Security\">*[System[EventID=4656]]</Suppress></Query>\
             <Query Id=\"2\" Path=\"A&amp;B\"><Select Path=\"A&amp;B\">*[a&lt;'b']</Select></Query></QueryList>"
        );
        assert_eq!(channels(&list).unwrap(), ["System", "Security", "A&B"]);
    }

    #[test]
    fn no_select_has_more_conditions_than_windows_takes() {
        let ids = (1..=150).map(|id| IdRange { first: id * 10, last: id * 10 + id % 2 }).collect();
        let filter = EventFilter { ids, levels: vec![Level::Information], ..EventFilter::default() };
        let selects = filter.selects();
        assert!(selects.len() > 10);
        for select in &selects {
            assert!(select.matches(['=', '<', '>']).count() <= 2 * MAX_CONDITIONS);
            let conditions = select.matches("EventID").count() + select.matches("Level").count();
            assert!(conditions <= MAX_CONDITIONS, "{select}");
        }
        assert_eq!(selects.iter().map(|select| select.matches("EventID").count()).sum::<usize>(), 225);
    }

    #[test]
    fn what_can_not_be_asked_is_an_error() {
        assert_eq!(build(&[]), Err(QueryError::Empty));
        let many = vec![events("System", EventFilter::default()); 257];
        assert_eq!(build(&many), Err(QueryError::TooManyChannels(257)));
        let ids = vec![IdRange { first: 2, last: 1 }];
        let wrong = events("System", EventFilter { ids, ..EventFilter::default() });
        assert_eq!(build(&[wrong]), Err(QueryError::Range(2, 1)));
        assert!(matches!(channels("<a/>"), Err(QueryError::NotAQueryList(_))));
        assert!(matches!(channels("<QueryList><Query>"), Err(QueryError::NotAQueryList(_))));
        assert_eq!(channels("<QueryList/>"), Err(QueryError::Empty));
    }
}
