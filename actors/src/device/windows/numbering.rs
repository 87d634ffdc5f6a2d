//! Record numbers of channels: what is missing between two of them, and where they begin anew.

use super::place::Place;
use std::collections::HashMap;

/// The last numbers that were seen.
#[derive(Debug, Default)]
pub struct Numbering(HashMap<String, u64>);

/// Numbers that do not follow each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Irregular {
    /// Records are missing: they were overwritten before they were read.
    Missing(u64),
    /// Numbers begin anew: the log was cleared, and what was not read by then is gone.
    BeginAnew,
}

impl Numbering {
    /// Goes on behind a place.
    pub fn behind(place: &Place) -> Self {
        let last = |bookmark: protocol::winevent::bookmark::Bookmark| (bookmark.channel, bookmark.record_id);
        Self(place.bookmarks().into_iter().map(last).collect())
    }

    /// Takes a record's number; `all` says whether every record of its channel is asked for.
    pub fn take(&mut self, channel: &str, record: u64, all: bool) -> Option<Irregular> {
        let Some(last) = self.0.get_mut(channel) else {
            self.0.insert(channel.to_owned(), record);
            return None;
        };
        let before = std::mem::replace(last, record);
        if record < before {
            return Some(Irregular::BeginAnew);
        }
        let missing = record.saturating_sub(before + 1);
        (all && missing > 0).then_some(Irregular::Missing(missing))
    }

    /// A channel is read from its beginning.
    pub fn forget(&mut self, channel: &str) {
        self.0.retain(|name, _| !name.eq_ignore_ascii_case(channel));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_noticed_where_every_record_is_asked_for() {
        let mut place = Place::default();
        place.set_record("Security", 10);
        let mut numbering = Numbering::behind(&place);
        assert_eq!(numbering.take("Security", 11, true), None);
        assert_eq!(numbering.take("Security", 15, true), Some(Irregular::Missing(3)));
        assert_eq!(numbering.take("Security", 90, false), None);
        assert_eq!(numbering.take("Security", 1, false), Some(Irregular::BeginAnew));
        assert_eq!(numbering.take("System", 700, true), None, "the first of a channel");
        numbering.forget("security");
        assert_eq!(numbering.take("Security", 500, true), None);
    }
}
