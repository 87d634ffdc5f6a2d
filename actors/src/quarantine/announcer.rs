//! What is said of events that were set aside: the first at once, what follows summed up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// What happens again and again is summed up so often.
pub const SUM_UP: Duration = Duration::from_secs(10);
/// So many different kinds are told apart in one sum; the rest is one kind.
const MOST_KINDS: usize = 20;

/// The keeper's voice.
#[derive(Debug, Default)]
pub(super) struct Announcer {
    kinds: BTreeMap<Kind, Told>,
    said: Option<Instant>,
}

/// What is summed up together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Kind {
    pub(super) cause: &'static str,
    /// The pipeline or target.
    pub(super) place: String,
    pub(super) what: What,
}

/// What happened to events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum What {
    /// They are in quarantine.
    Kept,
    /// They could not be kept there.
    Dropped,
    /// They made room for others.
    Overwritten,
}

#[derive(Debug, Default)]
struct Told {
    events: u64,
    /// Of the first of them.
    why: String,
}

impl Announcer {
    /// The oldest events made room.
    pub(super) fn overwrote(&mut self, events: u64) {
        if events > 0 {
            let kind = Kind { cause: "quota", place: String::new(), what: What::Overwritten };
            self.kinds.entry(kind).or_default().events += events;
        }
    }

    /// An event was set aside, or could not be.
    pub(super) fn note(&mut self, kind: Kind, why: &str) {
        let known = self.kinds.contains_key(&kind) || self.kinds.len() < MOST_KINDS;
        let kind = if known { kind } else { Kind { place: "others".to_owned(), ..kind } };
        let told = self.kinds.entry(kind).or_default();
        told.events += 1;
        if told.events == 1 {
            why.clone_into(&mut told.why);
        }
    }

    /// When there is something to say.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        let at = self.said.map_or(now, |said| said + SUM_UP);
        (!self.kinds.is_empty()).then_some(at)
    }

    /// What is to be said now, if it is time.
    pub(super) fn sentences(&mut self, now: Instant) -> Vec<(Kind, String)> {
        if self.due(now).is_none_or(|due| due > now) {
            return Vec::new();
        }
        self.said = Some(now);
        let sentence = |(kind, told): (Kind, Told)| {
            let (Told { events, why }, Kind { cause, place, what }) = (&told, &kind);
            let text = match what {
                What::Kept => {
                    format!(
                        "{events} events of {place} were put into quarantine ({cause}), one of them because: {why}"
                    )
                }
                What::Dropped => format!(
                    "{events} events of {place} ({cause}) could not be kept in quarantine and were dropped; {why}"
                ),
                What::Overwritten => format!(
                    "the quarantine is full: its {events} oldest events made room; purge or replay some, or raise \
                     quarantine.max_size"
                ),
            };
            (kind, text)
        };
        std::mem::take(&mut self.kinds).into_iter().map(sentence).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(place: &str) -> Kind {
        Kind { cause: "poison", place: place.to_owned(), what: What::Kept }
    }

    #[test]
    fn the_first_is_said_at_once_and_a_storm_is_summed_up() {
        let (mut announcer, now) = (Announcer::default(), Instant::now());
        assert!(announcer.sentences(now).is_empty());
        announcer.note(kind("p"), "panic");
        assert_eq!(announcer.sentences(Instant::now()).len(), 1);
        for n in 0..10_000 {
            announcer.note(kind(&format!("p{}", n % 100)), "panic");
        }
        assert!(announcer.sentences(now + Duration::from_secs(5)).is_empty());
        let said = announcer.sentences(now + 2 * SUM_UP);
        assert_eq!(said.len(), MOST_KINDS + 1);
        assert!(said.iter().any(|(_, text)| text.starts_with("8000 events of others")), "{said:?}");
        assert_eq!(announcer.due(now), None);
    }
}
