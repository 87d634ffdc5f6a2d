//! The query of a subscription, and where it begins.

use super::place::Place;
use super::settings::{Channel, Selection, WindowsSettings};
use protocol::winevent::query::{self, ChannelQuery, EventFilter, Filter, QueryError};
use protocol::winrm::wsman::request::Start;
use std::time::Duration;

/// Clocks tick and requests take time: a channel without a bookmark is asked for so much more than the time since it is
/// read.
const MARGIN: Duration = Duration::from_secs(5);

/// A query, and where it begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// A `QueryList`.
    pub query: String,
    /// Where it begins.
    pub start: Start,
}

/// What to ask for, of the channels that `reads` says yes to; `now` in seconds since the Unix epoch, `first` where this host
/// was never read before.
///
/// # Errors
/// When no such query can be made.
pub fn ask(
    settings: &WindowsSettings,
    place: &Place,
    now: u64,
    first: bool,
    reads: impl Fn(&str) -> bool,
) -> Result<Asked, QueryError> {
    let channels = match &settings.selection {
        Selection::Query(list) => {
            query::channels(list)?;
            let start = match place.bookmark() {
                Some(bookmark) => Start::Behind(bookmark.to_owned()),
                None if settings.from_oldest => Start::Earliest,
                None => Start::New,
            };
            return Ok(Asked { query: list.clone(), start });
        }
        Selection::Channels(channels) => channels,
    };
    let channels: Vec<&Channel> = channels.iter().filter(|c| reads(&c.query.channel)).collect();
    // An expression of the user's can't be narrowed to what is new.
    let narrowable = channels.iter().all(|c| matches!(c.query.filter, Filter::Events(_)));
    let start = match place.bookmark() {
        Some(bookmark) => Start::Behind(bookmark.to_owned()),
        None if settings.from_oldest => Start::Earliest,
        None if !first && narrowable => Start::Earliest,
        None => Start::New,
    };
    let narrow = !settings.from_oldest && start != Start::New;
    let queries: Vec<ChannelQuery> = channels
        .iter()
        .map(|c| match narrow && place.record(&c.query.channel).is_none() {
            true => narrowed(&c.query, place, now),
            false => c.query.clone(),
        })
        .collect();
    Ok(Asked { query: query::build(&queries)?, start })
}

/// The query of one channel alone, behind its last record where there is one.
///
/// # Errors
/// When no such query can be made.
pub fn ask_for_one(channel: &ChannelQuery, place: &Place) -> Result<Asked, QueryError> {
    let start = match place.record(&channel.channel) {
        None => Start::New,
        Some(record_id) => {
            let channel = channel.channel.clone();
            let bookmark = query_bookmark(channel, record_id);
            Start::Behind(bookmark)
        }
    };
    Ok(Asked { query: query::build(std::slice::from_ref(channel))?, start })
}

fn query_bookmark(channel: String, record_id: u64) -> String {
    use protocol::winevent::bookmark::{Bookmark, build};
    build(&[Bookmark { channel, record_id, is_current: true }])
}

/// Nothing older than the time since the channel is read: measured by the host's own clock.
fn narrowed(query: &ChannelQuery, place: &Place, now: u64) -> ChannelQuery {
    let Filter::Events(filter) = &query.filter else { return query.clone() };
    let began = place.began(&query.channel).unwrap_or(now);
    if began == 0 {
        return query.clone();
    }
    let age = Duration::from_secs(now.saturating_sub(began)) + MARGIN;
    let newer_than = Some(filter.newer_than.map_or(age, |asked| asked.min(age)));
    let filter = Filter::Events(EventFilter { newer_than, ..filter.clone() });
    ChannelQuery { channel: query.channel.clone(), filter }
}

#[cfg(test)]
mod tests {
    use super::super::settings::{Collection, Pace, SignIn};
    use super::*;
    use protocol::winrm::credentials::Credentials;

    fn settings(names: &[&str], from_oldest: bool) -> WindowsSettings {
        let channel = |name: &&str| Channel {
            query: ChannelQuery {
                channel: (*name).to_owned(),
                filter: Filter::Events(EventFilter::default()),
            },
            optional: false,
        };
        WindowsSettings {
            host: "h".into(),
            port: 5985,
            sign_in: SignIn::Negotiate(Credentials::new("u", "p")),
            tls: None,
            timeout: Duration::from_secs(1),
            collection: Collection::Auto,
            selection: Selection::Channels(names.iter().map(channel).collect()),
            from_oldest,
            rendered: false,
            facts_interval: None,
            max_event_bytes: 1 << 20,
            pace: Pace::default(),
        }
    }

    fn place(settings: &WindowsSettings, began: u64, read: &[(&str, u64)]) -> Place {
        let mut place = Place::default();
        place.arrange(&settings.channels(), began);
        read.iter().for_each(|(channel, record)| place.set_record(channel, *record));
        place
    }

    #[test]
    fn a_host_that_was_never_read_begins_as_it_is_told() {
        for (from_oldest, start) in [(false, Start::New), (true, Start::Earliest)] {
            let settings = settings(&["System"], from_oldest);
            let asked = ask(&settings, &place(&settings, 100, &[]), 100, true, |_| true).unwrap();
            assert_eq!(asked.start, start);
            assert!(!asked.query.contains("TimeCreated"));
        }
    }

    #[test]
    fn a_channel_that_was_quiet_is_not_sent_from_its_first_record() {
        let settings = settings(&["Security", "System"], false);
        let asked = ask(&settings, &place(&settings, 100, &[("Security", 9)]), 160, false, |_| true).unwrap();
        assert!(matches!(&asked.start, Start::Behind(list) if list.contains("RecordId=\"9\"")));
        let (security, system) = asked.query.split_once("</Query>").unwrap();
        assert!(!security.contains("TimeCreated") && system.contains("timediff(@SystemTime)&lt;=65000"));
        let quiet = ask(&settings, &place(&settings, 100, &[]), 160, false, |_| true).unwrap();
        assert_eq!(
            (quiet.start, quiet.query.matches("<=65000").count() + quiet.query.matches("&lt;=65000").count()),
            (Start::Earliest, 2)
        );
    }

    #[test]
    fn what_was_cleared_is_read_from_its_beginning() {
        let settings = settings(&["Security", "System"], false);
        let mut place = place(&settings, 100, &[("Security", 9), ("System", 5)]);
        place.lose("Security");
        let asked = ask(&settings, &place, 160, false, |_| true).unwrap();
        assert!(matches!(&asked.start, Start::Behind(list) if !list.contains("Security")));
        assert!(!asked.query.contains("TimeCreated"));
        let one = ask(&settings, &place, 160, false, |channel| channel == "System").unwrap();
        assert!(!one.query.contains("Security"));
    }
}
