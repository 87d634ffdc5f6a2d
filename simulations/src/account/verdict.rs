//! What became of the events of an origin at a target.

use super::{Came, Deliveries, Origin, Sent, StreamState};
use std::collections::BTreeMap;

/// What a kind of source is promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Promise {
    /// Each event whose receipt was confirmed arrives: HTTP posters, files, hosts.
    Confirmed,
    /// What was sent on a connection that the Director closed after the sender had arrives. Of a connection that
    /// broke, the events up to the last one that arrived do; of those behind it nobody knows whether the Director
    /// ever read them.
    Stream,
    /// Nothing: datagrams.
    Nothing,
}

/// What became of the events of an origin at a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fate {
    /// Sent to the Director.
    pub sent: u64,
    /// Of these, those that its routes lead to the target.
    pub due: u64,
    /// Of the due ones, acknowledged.
    pub acknowledged: u64,
    /// Different ones that came.
    pub delivered: u64,
    /// Further arrivals of the same ones.
    pub repeated: u64,
    /// Arrivals after a later event of the same stream on the same connection.
    pub out_of_order: u64,
    /// Promised, and did not come.
    pub lost: u64,
    /// Not promised, and did not come.
    pub unpromised: u64,
}

impl Fate {
    /// Of these events at this target. `routed` says for each text how often its events are due there; `holes`, whether
    /// what is missing on a broken stream before something that came is a loss.
    pub fn of(origin: &Origin, target: &Deliveries, routed: &[u8], holes: bool) -> Self {
        let (sent, came) = (origin.lock(), target.lock());
        let none = Vec::new();
        let times = came.times.get(&origin.number).unwrap_or(&none);
        let mut fate = Self {
            sent: sent.acknowledged.len() as u64,
            out_of_order: came.out_of_order.get(&origin.number).copied().unwrap_or(0),
            ..Self::default()
        };
        let due = |number: usize| routed.get(number % origin.texts).copied().unwrap_or(0);
        let delivered = |number: usize| times.get(number).copied().unwrap_or(0);
        let certain = match holes {
            true => Certain::of(origin, &sent, &delivered),
            false => Certain { before: BTreeMap::new() },
        };
        for (number, acknowledged) in sent.acknowledged.iter().enumerate() {
            let (due, delivered) = (due(number), delivered(number));
            fate.due += u64::from(due > 0);
            fate.acknowledged += u64::from(due > 0 && *acknowledged);
            fate.delivered += u64::from(delivered > 0);
            fate.repeated += u64::from(delivered.saturating_sub(due.max(1)));
            match (delivered < due, certain.is(number, *acknowledged)) {
                (true, true) => fate.lost += 1,
                (true, false) => fate.unpromised += 1,
                (false, _) => {}
            }
        }
        fate
    }

    /// Adds another one.
    pub fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.due += other.due;
        self.acknowledged += other.acknowledged;
        self.delivered += other.delivered;
        self.repeated += other.repeated;
        self.out_of_order += other.out_of_order;
        self.lost += other.lost;
        self.unpromised += other.unpromised;
    }
}

/// Which events have to come.
struct Certain {
    /// Of broken streams: from the first event to the one after the last that came.
    before: BTreeMap<usize, usize>,
}

impl Certain {
    fn of(origin: &Origin, sent: &Sent, delivered: &dyn Fn(usize) -> u8) -> Self {
        let mut before = BTreeMap::new();
        if origin.promise != Promise::Stream {
            return Self { before };
        }
        for stream in sent.streams.iter().filter(|stream| stream.state != StreamState::Taken) {
            let (first, end) = (stream.first as usize, stream.end as usize);
            if let Some(last) = (first..end).rev().find(|number| delivered(*number) > 0) {
                before.insert(first, last + 1);
            }
        }
        Self { before }
    }

    fn is(&self, number: usize, acknowledged: bool) -> bool {
        acknowledged || self.before.range(..=number).next_back().is_some_and(|(_, end)| number < *end)
    }
}

impl Came {
    /// How often events with each text came; of this origin, from this event on.
    pub(crate) fn by_text(&self, origin: &Origin, from: u64, to: u64) -> Vec<u8> {
        let mut most = vec![0; origin.texts];
        let times = self.times.get(&origin.number).map(Vec::as_slice).unwrap_or_default();
        for number in from..to {
            let text = number as usize % origin.texts;
            let came = times.get(number as usize).copied().unwrap_or(0);
            most[text] = most[text].max(came);
        }
        most
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Accounts, Mark};
    use super::*;

    fn came(target: &Deliveries, origin: &Origin, stream: u32, numbers: impl IntoIterator<Item = u64>) {
        let marks: Vec<Mark> =
            numbers.into_iter().map(|number| Mark { origin: origin.number, stream, number }).collect();
        target.note(0, &marks);
    }

    #[test]
    fn an_acknowledged_event_that_does_not_come_is_lost() {
        let accounts = Accounts::default();
        let (origin, target) = (accounts.origin("in", Promise::Confirmed, 1), accounts.target("out"));
        origin.open();
        origin.send(10);
        origin.acknowledge(0, 5);
        came(&target, &origin, 0, [0, 1, 3, 4, 4, 7]);
        let fate = Fate::of(&origin, &target, &[1], true);
        let expected = Fate {
            sent: 10,
            due: 10,
            acknowledged: 5,
            delivered: 5,
            repeated: 1,
            out_of_order: 0,
            lost: 1,
            unpromised: 4,
        };
        assert_eq!(fate, expected);
    }

    #[test]
    fn of_a_broken_stream_the_tail_is_not_promised_and_a_hole_is_a_loss() {
        let accounts = Accounts::default();
        let (origin, target) = (accounts.origin("in", Promise::Stream, 1), accounts.target("out"));
        origin.open();
        origin.send(10);
        origin.close(StreamState::Broken);
        origin.open();
        origin.send(10);
        origin.close(StreamState::Taken);
        came(&target, &origin, 0, [0, 1, 2, 4, 5]);
        came(&target, &origin, 1, 10..19);
        let fate = Fate::of(&origin, &target, &[1], true);
        assert_eq!((fate.lost, fate.unpromised), (2, 4), "number 3, and the end of what was taken: {fate:?}");
    }

    #[test]
    fn order_is_asked_for_within_a_stream_and_a_repeat_breaks_none() {
        let accounts = Accounts::default();
        let (origin, target) = (accounts.origin("in", Promise::Stream, 1), accounts.target("out"));
        came(&target, &origin, 0, [5, 6]);
        came(&target, &origin, 1, [2, 3, 2, 3]);
        came(&target, &origin, 0, [4]);
        assert_eq!(Fate::of(&origin, &target, &[1], true).out_of_order, 1);
    }

    #[test]
    fn texts_that_no_route_leads_there_are_not_due() {
        let accounts = Accounts::default();
        let (origin, target) = (accounts.origin("in", Promise::Confirmed, 2), accounts.target("out"));
        origin.open();
        origin.send(4);
        origin.acknowledge(0, 4);
        came(&target, &origin, 0, [0, 2]);
        let fate = Fate::of(&origin, &target, &[1, 0], true);
        assert_eq!((fate.due, fate.delivered, fate.lost), (2, 2, 0));
    }
}
