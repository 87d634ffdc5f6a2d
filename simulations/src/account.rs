//! Every event of a rehearsal by origin and number: sent, acknowledged, delivered, repeated, out of order, lost.
//!
//! An event carries its *mark*, `~origin.stream.number~`, all of it in hexadecimal digits, in its text; a receiver
//! finds marks wherever a target put the text: in a line, in a JSON document, behind a pipeline. An *origin* is a
//! source; a *stream* of it is a connection, so that order is asked for only where it is promised.
//!
//! Cost: a byte for each event of an origin, and one more for each target; one lock for each origin and target, taken
//! once for each batch of marks.

mod marks;
mod verdict;

pub use marks::{Mark, Marks};
pub use verdict::{Fate, Promise};

use parking_lot::{Mutex, MutexGuard};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};

/// All origins and targets of a rehearsal.
#[derive(Debug, Default)]
pub struct Accounts {
    origins: Mutex<Vec<Arc<Origin>>>,
    targets: Mutex<Vec<Arc<Deliveries>>>,
}

/// What a source sent.
#[derive(Debug)]
pub struct Origin {
    /// Its number in marks.
    pub number: u16,
    /// The name of the device.
    pub name: String,
    /// What its sources promise.
    pub promise: Promise,
    /// How many texts its events have, in turn.
    pub texts: usize,
    sent: Mutex<Sent>,
    total: AtomicU64,
}

/// The events of an origin.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// For each event, whether its receipt was confirmed.
    pub(crate) acknowledged: Vec<bool>,
    /// In the order in which they were opened.
    pub(crate) streams: Vec<Stream>,
}

/// A connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stream {
    /// Its first event.
    pub(crate) first: u64,
    /// The first event after its last one.
    pub(crate) end: u64,
    /// How it ended.
    pub(crate) state: StreamState,
}

/// How a stream ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamState {
    /// It did not.
    Open,
    /// The peer took everything: it closed after we had.
    Taken,
    /// It broke; nobody knows how much the peer took.
    Broken,
}

/// What came at a target.
#[derive(Debug)]
pub struct Deliveries {
    /// The name of the target.
    pub name: String,
    came: Mutex<Came>,
    distinct: AtomicU64,
    total: AtomicU64,
    connections: AtomicU32,
    unmarked: AtomicU64,
}

/// The events that came.
#[derive(Debug, Default)]
pub(crate) struct Came {
    /// How often each event of an origin came.
    pub(crate) times: BTreeMap<u16, Vec<u8>>,
    /// The last event of a stream that came for the first time, by the connection on which it came: what two
    /// connections bring is read at the same time.
    last: BTreeMap<(u32, u16, u32), u64>,
    /// Events that came after a later one of their stream.
    pub(crate) out_of_order: BTreeMap<u16, u64>,
    /// Marks of nobody: what a corrupted byte made of one.
    pub(crate) strange: u64,
}

// === impl Accounts ===

impl Accounts {
    /// A new origin; `texts` is how many texts its events have, in turn.
    pub fn origin(&self, name: &str, promise: Promise, texts: usize) -> Arc<Origin> {
        let mut origins = self.origins.lock();
        let number = u16::try_from(origins.len()).unwrap_or(u16::MAX);
        let origin = Arc::new(Origin {
            number,
            name: name.to_owned(),
            promise,
            texts: texts.max(1),
            sent: Mutex::default(),
            total: AtomicU64::new(0),
        });
        origins.push(Arc::clone(&origin));
        origin
    }

    /// A new target.
    pub fn target(&self, name: &str) -> Arc<Deliveries> {
        let target = Arc::new(Deliveries {
            name: name.to_owned(),
            came: Mutex::default(),
            distinct: AtomicU64::new(0),
            total: AtomicU64::new(0),
            connections: AtomicU32::new(0),
            unmarked: AtomicU64::new(0),
        });
        self.targets.lock().push(Arc::clone(&target));
        target
    }

    /// All origins.
    pub fn origins(&self) -> Vec<Arc<Origin>> {
        self.origins.lock().clone()
    }

    /// All targets.
    pub fn targets(&self) -> Vec<Arc<Deliveries>> {
        self.targets.lock().clone()
    }
}

// === impl Origin ===

impl Origin {
    /// Opens a stream; returns its number.
    pub fn open(&self) -> u32 {
        let mut sent = self.sent.lock();
        let first = sent.acknowledged.len() as u64;
        sent.streams.push(Stream { first, end: first, state: StreamState::Open });
        (sent.streams.len() - 1) as u32
    }

    /// The next so many events are written to the last stream; returns the number of the first.
    pub fn send(&self, count: u64) -> u64 {
        let mut sent = self.sent.lock();
        let first = sent.acknowledged.len() as u64;
        sent.acknowledged.resize((first + count) as usize, false);
        if let Some(stream) = sent.streams.last_mut() {
            stream.end = first + count;
        }
        self.total.store(first + count, Relaxed);
        first
    }

    /// The receipt of these events was confirmed.
    pub fn acknowledge(&self, first: u64, count: u64) {
        let mut sent = self.sent.lock();
        let end = ((first + count) as usize).min(sent.acknowledged.len());
        sent.acknowledged[first as usize..end].fill(true);
    }

    /// The receipt of the last so many events does not count: they were taken away before anybody had to read them.
    pub fn withdraw_last(&self, count: u64) {
        let mut sent = self.sent.lock();
        let from = sent.acknowledged.len().saturating_sub(count as usize);
        sent.acknowledged[from..].fill(false);
    }

    /// The last stream ended.
    pub fn close(&self, state: StreamState) {
        let mut sent = self.sent.lock();
        let Some(stream) = sent.streams.last_mut() else { return };
        stream.state = state;
        let (first, end) = (stream.first as usize, stream.end as usize);
        if state == StreamState::Taken && self.promise == Promise::Stream {
            sent.acknowledged[first..end].fill(true);
        }
    }

    /// Events so far.
    pub fn sent(&self) -> u64 {
        self.total.load(Relaxed)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Sent> {
        self.sent.lock()
    }
}

// === impl Deliveries ===

impl Deliveries {
    /// The number of a new connection.
    pub fn connection(&self) -> u32 {
        self.connections.fetch_add(1, Relaxed)
    }

    /// Events that came on a connection.
    pub fn note(&self, connection: u32, marks: &[Mark]) {
        if marks.is_empty() {
            return;
        }
        let mut came = self.came.lock();
        let mut distinct = 0;
        for mark in marks {
            distinct += u64::from(came.note(connection, *mark));
        }
        self.distinct.fetch_add(distinct, Relaxed);
        self.total.fetch_add(marks.len() as u64, Relaxed);
    }

    /// So many records came that have no mark: what a cut left of an event, or what the Director said of itself.
    pub fn note_unmarked(&self, records: u64) {
        self.unmarked.fetch_add(records, Relaxed);
    }

    /// Records without a mark.
    pub fn unmarked(&self) -> u64 {
        self.unmarked.load(Relaxed)
    }

    /// Different events that came.
    pub fn distinct(&self) -> u64 {
        self.distinct.load(Relaxed)
    }

    /// Events that came, each as often as it did.
    pub fn total(&self) -> u64 {
        self.total.load(Relaxed)
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Came> {
        self.came.lock()
    }
}

/// Nobody sends more from one origin; a mark beyond it is a corrupted one.
const MOST_EVENTS: u64 = 1 << 28;

impl Came {
    /// Whether it is the first time.
    fn note(&mut self, connection: u32, mark: Mark) -> bool {
        if mark.number >= MOST_EVENTS {
            self.strange += 1;
            return false;
        }
        let times = self.times.entry(mark.origin).or_default();
        let at = mark.number as usize;
        if times.len() <= at {
            times.resize(at + 1, 0);
        }
        times[at] = times[at].saturating_add(1);
        if times[at] > 1 {
            return false;
        }
        let last = self.last.entry((connection, mark.origin, mark.stream)).or_insert(mark.number);
        if mark.number < *last {
            *self.out_of_order.entry(mark.origin).or_default() += 1;
        }
        *last = mark.number.max(*last);
        true
    }
}
