//! Which events of the quarantine are meant, in words: `all`, `12`, `12-20`, `cause=poison`, `device=in`, `older=7d` …
//!
//! Numbers and ranges are joined with *or*, everything else with *and*.

use super::entry::Kept;
use super::marks::Marks;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// Which events are meant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    ids: Vec<RangeInclusive<u64>>,
    cause: Option<String>,
    device: Option<String>,
    route: Option<String>,
    pipeline: Option<String>,
    target: Option<String>,
    older_seconds: Option<u64>,
    newer_seconds: Option<u64>,
    state: Option<State>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Waiting,
    Replayed,
}

/// A word that does not say which events are meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "\"{0}\" does not say which events are meant; write all, numbers (12 or 12-20), cause=, device=, route=, \
     pipeline=, target=NAME, older= or newer=TIME (90s, 15m, 36h, 7d), waiting or replayed"
)]
pub struct Unclear(String);

impl Selection {
    /// Whether events are named by their numbers: then they are meant whatever became of them.
    pub fn has_ids(&self) -> bool {
        !self.ids.is_empty()
    }

    /// Whether those that were replayed are named.
    pub fn names_replayed(&self) -> bool {
        self.has_ids() || self.state == Some(State::Replayed)
    }

    /// Whether an event is meant; `now` in nanoseconds since the Unix epoch. What was purged never is.
    pub fn takes(&self, kept: &Kept, marks: &Marks, now: u64) -> bool {
        let meta = &kept.meta;
        let is = |wanted: &Option<String>, name: &str| wanted.as_deref().is_none_or(|wanted| wanted == name);
        let age = now.saturating_sub(kept.at) / 1_000_000_000;
        let replayed = marks.replayed.contains(kept.id);
        !marks.purged.contains(kept.id)
            && (self.ids.is_empty() || self.ids.iter().any(|ids| ids.contains(&kept.id)))
            && is(&self.cause, &meta.cause)
            && is(&self.device, &meta.device.name)
            && any(&self.route, meta.ways.iter().map(|way| &way.route))
            && any(&self.target, meta.ways.iter().map(|way| &way.target))
            && any(&self.pipeline, meta.ways.iter().flat_map(|way| &way.pipelines))
            && self.older_seconds.is_none_or(|limit| age >= limit)
            && self.newer_seconds.is_none_or(|limit| age < limit)
            && self.state.is_none_or(|state| (state == State::Replayed) == replayed)
    }
}

impl FromStr for Selection {
    type Err = Unclear;

    fn from_str(words: &str) -> Result<Self, Unclear> {
        let mut selection = Self::default();
        for word in words.split([' ', ',']).filter(|word| !word.is_empty()) {
            let unclear = || Unclear(word.to_owned());
            match word.split_once('=') {
                Some((_, "")) => return Err(unclear()),
                Some((key, value)) => {
                    let text = || Some(value.to_owned());
                    match key {
                        "cause" => selection.cause = text(),
                        "device" => selection.device = text(),
                        "route" => selection.route = text(),
                        "pipeline" => selection.pipeline = text(),
                        "target" => selection.target = text(),
                        "older" => selection.older_seconds = Some(seconds(value).ok_or_else(unclear)?),
                        "newer" => selection.newer_seconds = Some(seconds(value).ok_or_else(unclear)?),
                        _ => return Err(unclear()),
                    }
                }
                None if word == "all" => {}
                None if word == "waiting" => selection.state = Some(State::Waiting),
                None if word == "replayed" => selection.state = Some(State::Replayed),
                None => selection.ids.push(ids(word).ok_or_else(unclear)?),
            }
        }
        Ok(selection)
    }
}

fn any<'n>(wanted: &Option<String>, mut names: impl Iterator<Item = &'n String>) -> bool {
    wanted.as_ref().is_none_or(|wanted| names.any(|name| name == wanted))
}

fn ids(word: &str) -> Option<RangeInclusive<u64>> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    Some(first.parse().ok()?..=last.parse().ok()?)
}

fn seconds(text: &str) -> Option<u64> {
    let (unit, each) = match text.chars().last()? {
        's' => (1, 1),
        'm' => (1, 60),
        'h' => (1, 3600),
        'd' => (1, 86_400),
        _ => (0, 1),
    };
    text[..text.len() - unit].parse::<u64>().ok()?.checked_mul(each)
}

#[cfg(test)]
mod tests {
    use super::super::entry::{DeviceName, Meta, WayLabel};
    use super::*;
    use bytes::Bytes;

    fn kept(id: u64, cause: &str, target: &str) -> Kept {
        let way = WayLabel { route: "r".into(), pipelines: vec!["p".into()], target: target.into() };
        let device = DeviceName { id: 1, name: "in".into(), kind: "tcp".into() };
        let meta = Meta {
            cause: cause.into(),
            why: String::new(),
            at: String::new(),
            ways: vec![way],
            device,
            stream: 1,
            sequence: id,
            peer: None,
            received: 0,
            truncated: false,
            replays: 0,
            replay_of: None,
        };
        Kept { id, at: id * 1_000_000_000, meta, event: Bytes::new(), payload: None }
    }

    fn chosen(words: &str) -> Vec<u64> {
        let selection: Selection = words.parse().expect(words);
        let all =
            (0..10).map(|n| kept(n, if n % 2 == 0 { "poison" } else { "refused" }, &format!("t{}", n % 3)));
        let mut marks = Marks::default();
        marks.purged.insert(9..10);
        marks.replayed.insert(0..3);
        all.filter(|kept| selection.takes(kept, &marks, 10_000_000_000)).map(|kept| kept.id).collect()
    }

    #[test]
    fn words_say_which_events_are_meant() {
        assert_eq!(chosen("all"), [0, 1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(chosen("1 5-6,8"), [1, 5, 6, 8]);
        assert_eq!(chosen("cause=poison target=t0"), [0, 6]);
        assert_eq!(chosen("waiting cause=refused"), [3, 5, 7]);
        assert_eq!(chosen("replayed"), [0, 1, 2]);
        assert_eq!(chosen("older=7s"), [0, 1, 2, 3]);
        assert_eq!(chosen("newer=7 route=r pipeline=p device=in"), [4, 5, 6, 7, 8]);
        assert_eq!(chosen("device=other"), [0; 0]);
    }

    #[test]
    fn other_words_are_refused() {
        for word in
            ["some", "cause=", "color=red", "older=soon", "older=", "5-", "-5", "older=99999999999999999d"]
        {
            assert!(word.parse::<Selection>().is_err(), "{word}");
        }
    }
}
