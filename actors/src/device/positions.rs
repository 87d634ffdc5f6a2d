//! How far a collector has read each of its remote sources, and how far that is acknowledged.
//!
//! A source is what has a place of its own: a subscription, a channel, a remote file, a journal. Its place is a text that
//! only its collector understands (a bookmark, a cursor, an offset with an inode). Each batch leaves a mark; when
//! the ledger has acknowledged the batch, the place may be written down.
//!
//! ```text
//!   collector ── mark(source, boarding, seq, place) ──▶ Positions ── acknowledged ──▶ keeper ──▶ collector-<device>.json
//!       ▲                                                  │
//!       └──────────── read(source): where to go on ◀───────┘
//! ```
//!
//! In one process a collector goes on behind what it has *read* (batches under way are not lost when it dies); a new
//! process goes on behind what was *acknowledged*.

use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use tokio::sync::watch;

/// The places of one device's sources. It outlives the collector.
#[derive(Debug, Default)]
pub struct Positions(Mutex<Sources>);

#[derive(Debug, Default)]
struct Sources {
    loaded: bool,
    /// Something is to be written down.
    changed: bool,
    sources: BTreeMap<String, Source>,
}

#[derive(Debug, Default)]
struct Source {
    acknowledged: Option<String>,
    /// Behind the last batch; none while nothing was read.
    read: Option<String>,
    flights: VecDeque<Flight>,
    /// Counts who reads it; marks of an earlier reader count for nothing.
    boardings: u64,
}

/// The batches of one ledger stream that are under way.
#[derive(Debug)]
struct Flight {
    acknowledged: watch::Receiver<u64>,
    marks: VecDeque<(u64, String)>,
}

/// The right to mark a source's places: of the reader that boarded last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Boarding(u64);

impl Positions {
    /// Takes over what an earlier process wrote down, once. `load` is not called again.
    pub fn load_once(&self, load: impl FnOnce() -> BTreeMap<String, String>) {
        let mut sources = self.0.lock();
        if std::mem::replace(&mut sources.loaded, true) {
            return;
        }
        for (name, place) in load() {
            let source = Source { acknowledged: Some(place.clone()), read: Some(place), ..Source::default() };
            sources.sources.insert(name, source);
        }
    }

    /// The names of all sources.
    pub fn names(&self) -> Vec<String> {
        self.0.lock().sources.keys().cloned().collect()
    }

    /// Where to go on with a source; none where nothing was read of it.
    pub fn read(&self, source: &str) -> Option<String> {
        self.0.lock().sources.get(source)?.read.clone()
    }

    /// From now on this ledger stream reads a source. What earlier ones have under way stays in mind.
    pub fn board(&self, source: &str, acknowledged: watch::Receiver<u64>) -> Boarding {
        let mut sources = self.0.lock();
        let source = sources.sources.entry(source.to_owned()).or_default();
        source.flights.push_back(Flight { acknowledged, marks: VecDeque::new() });
        source.boardings += 1;
        Boarding(source.boardings)
    }

    /// Everything before `place` is in batches that end before record `seq` of the boarded stream.
    pub fn mark(&self, source: &str, boarding: Boarding, seq: u64, place: String) {
        let mut sources = self.0.lock();
        let Some(source) = sources.sources.get_mut(source).filter(|s| s.boardings == boarding.0) else {
            return;
        };
        if let Some(flight) = source.flights.back_mut() {
            // Places behind the same record replace each other.
            flight.marks.pop_back_if(|(last, _)| *last == seq);
            flight.marks.push_back((seq, place.clone()));
        }
        source.read = Some(place);
    }

    /// A source is no longer read: its place is given up.
    pub fn forget(&self, source: &str) {
        let mut sources = self.0.lock();
        if sources.sources.remove(source).is_some() {
            sources.changed = true;
        }
    }

    /// What is to be written down, if that has changed.
    pub fn save(&self) -> Option<BTreeMap<String, String>> {
        let mut sources = self.0.lock();
        let mut changed = std::mem::take(&mut sources.changed);
        for source in sources.sources.values_mut() {
            changed |= source.settle();
        }
        if !changed {
            return None;
        }
        let place = |(name, source): (&String, &Source)| Some((name.clone(), source.acknowledged.clone()?));
        Some(sources.sources.iter().filter_map(place).collect())
    }

    /// What was handed out by [`save`](Self::save) could not be written.
    pub fn not_saved(&self) {
        self.0.lock().changed = true;
    }
}

impl Source {
    /// Moves the acknowledged place as far as the ledger has come. Says whether it moved.
    fn settle(&mut self) -> bool {
        let mut moved = false;
        while let Some(flight) = self.flights.front_mut() {
            let acknowledged = *flight.acknowledged.borrow();
            while let Some((_, place)) = flight.marks.pop_front_if(|(seq, _)| *seq <= acknowledged) {
                moved |= self.acknowledged.as_ref() != Some(&place);
                self.acknowledged = Some(place);
            }
            // The last one may get further marks.
            if !flight.marks.is_empty() || self.flights.len() == 1 {
                break;
            }
            self.flights.pop_front();
        }
        moved
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_down_when_its_batch_is_acknowledged() {
        let positions = Positions::default();
        positions.load_once(|| BTreeMap::from([("a".to_owned(), "5".to_owned())]));
        assert_eq!(positions.read("a").as_deref(), Some("5"));
        let (ledger, acknowledged) = watch::channel(0);
        let boarding = positions.board("a", acknowledged);
        positions.mark("a", boarding, 3, "8".to_owned());
        positions.mark("a", boarding, 3, "9".to_owned());
        assert_eq!(positions.read("a").as_deref(), Some("9"), "reading goes on behind what is under way");
        assert_eq!(positions.save(), None);
        ledger.send_replace(3);
        assert_eq!(positions.save(), Some(BTreeMap::from([("a".to_owned(), "9".to_owned())])));
        assert_eq!(positions.save(), None);
        positions.forget("a");
        assert_eq!(positions.save(), Some(BTreeMap::new()));
    }

    #[test]
    fn what_an_earlier_stream_has_under_way_comes_first_and_its_reader_marks_no_more() {
        let positions = Positions::default();
        let (first, acknowledged) = watch::channel(0);
        let earlier = positions.board("a", acknowledged);
        positions.mark("a", earlier, 1, "1".to_owned());
        let (second, acknowledged) = watch::channel(0);
        let later = positions.board("a", acknowledged);
        positions.mark("a", earlier, 2, "stale".to_owned());
        positions.mark("a", later, 1, "2".to_owned());
        second.send_replace(1);
        assert_eq!(positions.save(), None);
        first.send_replace(1);
        assert_eq!(positions.save(), Some(BTreeMap::from([("a".to_owned(), "2".to_owned())])));
    }
}
