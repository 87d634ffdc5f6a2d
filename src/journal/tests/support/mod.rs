//! What the tests of this folder share: a small journal on a simulated disk.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]
#![allow(dead_code, reason = "not every test file uses everything")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use journal::{Environment, Gap, Journal, Options, Position, Read, Reader, Recovery};
use seams::{Clock, Rng, SimulatedClock, SimulatedDisk};

/// Bytes that the records of a small segment have.
pub(crate) const SMALL_SEGMENT_BYTES: u64 = 8192;

pub(crate) fn folder() -> PathBuf {
    PathBuf::from("/data/journal")
}

pub(crate) fn small() -> Options {
    Options {
        segment_bytes: SMALL_SEGMENT_BYTES,
        quota_bytes: 40 * SMALL_SEGMENT_BYTES,
        floor_bytes: 0,
        read_bytes: 4096,
        ..Options::default()
    }
}

pub(crate) fn environment(disk: &SimulatedDisk, clock: &Clock) -> Environment {
    Environment { disk: Arc::new(disk.clone()), clock: clock.clone(), rng: Rng::seeded(99).fork("salt") }
}

/// A disk, a clock that stands still, and the journal that is opened on them.
pub(crate) struct Bench {
    pub(crate) disk: SimulatedDisk,
    pub(crate) hand: SimulatedClock,
    pub(crate) options: Options,
}

impl Bench {
    pub(crate) fn new(seed: u64) -> Self {
        let (disk, hand) = (SimulatedDisk::new(Rng::seeded(seed)), SimulatedClock::new());
        Self { disk, hand, options: small() }
    }

    pub(crate) fn try_open(&self) -> Result<(Journal, Recovery), journal::OpenError> {
        Journal::open(environment(&self.disk, &self.hand.clock()), &folder(), self.options.clone())
    }

    pub(crate) fn open(&self) -> (Journal, Recovery) {
        self.try_open().unwrap()
    }
}

pub(crate) fn append(journal: &Journal, payload: &[u8]) -> Position {
    journal.append(&[&[payload]]).unwrap().first
}

/// Everything that a reader has now: records by position, and gaps.
pub(crate) fn read_all(reader: &mut Reader) -> (BTreeMap<u64, Vec<u8>>, Vec<Gap>) {
    let (mut records, mut gaps) = (BTreeMap::new(), Vec::new());
    let mut next = reader.position();
    loop {
        match reader.next().unwrap() {
            Read::Record(record) => {
                assert_eq!(record.position, next, "records come in order and without gaps that are not told");
                next = record.position.next();
                records.insert(record.position.0, record.payload.to_vec());
            }
            Read::Gap(gap) => {
                assert!(gap.from == next && gap.to > gap.from, "{gap:?}");
                next = gap.to;
                gaps.push(gap);
            }
            Read::CaughtUp => return (records, gaps),
        }
    }
}

pub(crate) fn contents(journal: &Journal) -> (BTreeMap<u64, Vec<u8>>, Vec<Gap>) {
    read_all(&mut journal.read_from(journal.records().start))
}

/// Bytes that differ from record to record.
pub(crate) fn payload(rng: &Rng, number: u64, longest: u64) -> Vec<u8> {
    let mut bytes = vec![0; rng.below(longest + 1) as usize];
    rng.fill(&mut bytes);
    bytes.extend_from_slice(&number.to_le_bytes());
    bytes
}
