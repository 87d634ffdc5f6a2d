//! How far a host's event logs were read: bookmarks as Windows gave them, and since when channels are read.
//!
//! A channel that is in a subscription's query but not in its bookmark is sent from its first record. So that a channel that
//! was quiet since it was first read does not come as a whole, its query asks for nothing older than that
//! ([`super::selection`]); for this the place knows when reading began.

use protocol::winevent::bookmark::{self, Bookmark};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far a host's event logs were read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// A `BookmarkList`, as it came where nothing had to be changed in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    bookmark: Option<String>,
    /// Since when channels are read, in seconds since the Unix epoch.
    #[serde(default)]
    began: BTreeMap<String, u64>,
}

impl Place {
    /// Reads what [`text`](Self::text) wrote; what can't be read is no place.
    pub fn read(text: &str) -> Self {
        serde_json::from_str(text).unwrap_or_default()
    }

    /// As a text, to be kept.
    pub fn text(&self) -> String {
        // Maps of texts always become JSON.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The list to go on with.
    pub fn bookmark(&self) -> Option<&str> {
        self.bookmark.as_deref()
    }

    /// Whether nothing was read yet.
    pub fn is_new(&self) -> bool {
        self.bookmark.is_none() && self.began.is_empty()
    }

    /// Since when a channel is read.
    pub fn began(&self, channel: &str) -> Option<u64> {
        self.began.iter().find(|(name, _)| name.eq_ignore_ascii_case(channel)).map(|(_, at)| *at)
    }

    /// The last record that was read of a channel.
    pub fn record(&self, channel: &str) -> Option<u64> {
        let list = self.bookmarks();
        list.iter().find(|b| b.channel.eq_ignore_ascii_case(channel)).map(|b| b.record_id)
    }

    /// All last records.
    pub fn bookmarks(&self) -> Vec<Bookmark> {
        self.bookmark.as_deref().and_then(|list| bookmark::parse(list).ok()).unwrap_or_default()
    }

    /// These channels are read now: new ones begin, others are forgotten.
    pub fn arrange(&mut self, channels: &[String], now: u64) {
        let read = |name: &str| channels.iter().any(|channel| channel.eq_ignore_ascii_case(name));
        self.began.retain(|name, _| read(name));
        for channel in channels {
            if self.began(channel).is_none() {
                self.began.insert(channel.clone(), now);
            }
        }
        let list = self.bookmarks();
        if list.iter().any(|bookmark| !read(&bookmark.channel)) {
            self.set(list.into_iter().filter(|bookmark| read(&bookmark.channel)).collect());
        }
    }

    /// A list came with events. What it does not name was not read meanwhile, and stays where it was.
    pub fn advance(&mut self, list: &str) {
        let named = bookmark::parse(list).unwrap_or_default();
        let mut all = self.bookmarks();
        all.retain(|old| !named.iter().any(|new| new.channel.eq_ignore_ascii_case(&old.channel)));
        if all.is_empty() {
            self.bookmark = Some(list.to_owned());
            return;
        }
        all.iter_mut().for_each(|old| old.is_current = false);
        all.extend(named);
        self.set(all);
    }

    /// A record was read where there is no list.
    pub fn set_record(&mut self, channel: &str, record_id: u64) {
        let mut list = self.bookmarks();
        list.retain(|bookmark| !bookmark.channel.eq_ignore_ascii_case(channel));
        list.iter_mut().for_each(|bookmark| bookmark.is_current = false);
        list.push(Bookmark { channel: channel.to_owned(), record_id, is_current: true });
        self.set(list);
    }

    /// The log does not hold the last record any more: what it holds is read from its beginning.
    pub fn lose(&mut self, channel: &str) {
        let mut list = self.bookmarks();
        list.retain(|bookmark| !bookmark.channel.eq_ignore_ascii_case(channel));
        self.set(list);
        self.began.retain(|name, _| !name.eq_ignore_ascii_case(channel));
        self.began.insert(channel.to_owned(), 0);
    }

    fn set(&mut self, mut list: Vec<Bookmark>) {
        let has_current = list.iter().any(|bookmark| bookmark.is_current);
        if let Some(last) = list.last_mut().filter(|_| !has_current) {
            last.is_current = true;
        }
        self.bookmark = (!list.is_empty()).then(|| bookmark::build(&list));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "<BookmarkList><Bookmark Channel=\"System\" RecordId=\"7\"/>\
        <Bookmark Channel=\"Security\" RecordId=\"9\" IsCurrent=\"true\"/></BookmarkList>";

    #[test]
    fn a_list_is_kept_as_it_came_and_survives_as_text() {
        let mut place = Place::default();
        assert!(place.is_new());
        place.arrange(&["Security".to_owned(), "System".to_owned()], 100);
        place.advance(BOTH);
        assert_eq!(place.bookmark(), Some(BOTH));
        assert_eq!((place.record("security"), place.began("SYSTEM")), (Some(9), Some(100)));
        assert_eq!(Place::read(&place.text()), place);
        assert_eq!(Place::read("{"), Place::default());
    }

    #[test]
    fn channels_come_and_go_without_moving_the_others() {
        let mut place = Place::default();
        place.arrange(&["Security".to_owned(), "System".to_owned()], 100);
        place.advance(BOTH);
        place.arrange(&["System".to_owned(), "Application".to_owned()], 200);
        assert_eq!((place.record("Security"), place.record("System")), (None, Some(7)));
        assert_eq!((place.began("System"), place.began("Application")), (Some(100), Some(200)));
        place.advance("<BookmarkList><Bookmark Channel=\"Application\" RecordId=\"1\" IsCurrent=\"true\"/></BookmarkList>");
        assert_eq!((place.record("System"), place.record("Application")), (Some(7), Some(1)));
        place.lose("System");
        assert_eq!((place.record("System"), place.began("System")), (None, Some(0)));
        place.set_record("System", 3);
        let current: Vec<bool> = place.bookmarks().iter().map(|bookmark| bookmark.is_current).collect();
        assert_eq!(current, [false, true]);
    }
}
