//! Event logs: channels whose records have numbers, grow, are cleared, and may be denied.

use super::events;
use super::xpath::Expression;
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::sync::watch;

/// All event logs of a host.
#[derive(Debug)]
pub struct Logs {
    computer: String,
    channels: Mutex<BTreeMap<String, Channel>>,
    /// Counts what was written, so that waiting Pulls wake up.
    written: watch::Sender<u64>,
}

#[derive(Debug)]
struct Channel {
    records: VecDeque<Record>,
    next: u64,
    /// The oldest go when there are more.
    capacity: usize,
    denied: bool,
}

/// An event as it is stored.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) id: u64,
    pub(super) event_id: u32,
    pub(super) level: u8,
    pub(super) written_ms: u64,
    pub(super) xml: Arc<str>,
}

/// Why a channel can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    Denied,
    Unknown,
}

impl Unreadable {
    pub(super) fn code(self) -> u32 {
        match self {
            Self::Denied => 5,
            Self::Unknown => 15_007,
        }
    }
}

impl Logs {
    pub(super) fn new(computer: &str, channels: &[String]) -> Self {
        let channel = |name: &String| {
            let records = VecDeque::new();
            (name.clone(), Channel { records, next: 1, capacity: 1_000_000, denied: false })
        };
        let channels = Mutex::new(channels.iter().map(channel).collect());
        Self { computer: computer.to_owned(), channels, written: watch::channel(0).0 }
    }

    /// Writes so many logon events; returns the number of the last.
    pub fn write(&self, channel: &str, count: u64) -> u64 {
        self.write_with(channel, count, |id, computer| (4624, 0, events::logon(channel, computer, id)))
    }

    /// Writes an event of this id and level.
    pub fn write_event(&self, channel: &str, event_id: u32, level: u8) -> u64 {
        self.write_with(channel, 1, |id, computer| {
            (event_id, level, events::plain(channel, computer, id, event_id, level))
        })
    }

    /// Writes an event with this XML, which gets no number of its own.
    pub fn write_xml(&self, channel: &str, event_id: u32, xml: &str) -> u64 {
        self.write_with(channel, 1, |_, _| (event_id, 0, xml.to_owned()))
    }

    fn write_with(&self, channel: &str, count: u64, make: impl Fn(u64, &str) -> (u32, u8, String)) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let written_ms = since.as_millis() as u64;
        let mut channels = self.channels.lock();
        let Some(log) = channels.get_mut(channel) else { return 0 };
        for _ in 0..count {
            let id = log.next;
            let (event_id, level, xml) = make(id, &self.computer);
            log.records.push_back(Record { id, event_id, level, written_ms, xml: xml.into() });
            log.next += 1;
            if log.records.len() > log.capacity {
                log.records.pop_front();
            }
        }
        let last = log.next - 1;
        drop(channels);
        self.written.send_modify(|n| *n += 1);
        last
    }

    /// A log keeps so many records; older ones are overwritten.
    pub fn set_capacity(&self, channel: &str, records: usize) {
        if let Some(log) = self.channels.lock().get_mut(channel) {
            log.capacity = records;
            while log.records.len() > records {
                log.records.pop_front();
            }
        }
    }

    /// A log is cleared. Windows numbers on from 1.
    pub fn clear(&self, channel: &str) {
        if let Some(log) = self.channels.lock().get_mut(channel) {
            log.records.clear();
            log.next = 1;
        }
    }

    /// A channel may (not) be read.
    pub fn deny(&self, channel: &str, denied: bool) {
        if let Some(log) = self.channels.lock().get_mut(channel) {
            log.denied = denied;
        }
    }

    pub(super) fn check(&self, channel: &str) -> Result<(), Unreadable> {
        match self.channels.lock().get(channel) {
            None => Err(Unreadable::Unknown),
            Some(log) if log.denied => Err(Unreadable::Denied),
            Some(_) => Ok(()),
        }
    }

    /// The number of the newest record; 0 for an empty log.
    pub(super) fn newest(&self, channel: &str) -> u64 {
        self.channels.lock().get(channel).map_or(0, |log| log.next - 1)
    }

    /// Whether a bookmark at this record still means something: the record, or the one behind it, is there.
    pub(super) fn holds(&self, channel: &str, record: u64) -> bool {
        let channels = self.channels.lock();
        let Some(log) = channels.get(channel) else { return true };
        let oldest = log.records.front().map_or(log.next, |record| record.id);
        record < log.next && record + 1 >= oldest
    }

    /// Calls `each` with records behind `after` that match, oldest first, until it says that it is enough.
    /// Returns the last number that was looked at.
    pub(super) fn read(
        &self,
        channel: &str,
        after: u64,
        query: &[Expression],
        suppressed: &[Expression],
        mut each: impl FnMut(&Record) -> bool,
    ) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = since.as_millis() as u64;
        let channels = self.channels.lock();
        let Some(log) = channels.get(channel) else { return after };
        // Who reads a log that is cleared goes on with its first record.
        let after = if after >= log.next { 0 } else { after };
        let first = log.records.partition_point(|record| record.id <= after);
        let mut looked_at = after;
        for record in log.records.range(first..) {
            let wanted = query.iter().any(|one| one.matches(record, now));
            let wanted = wanted && !suppressed.iter().any(|one| one.matches(record, now));
            if wanted && !each(record) {
                break;
            }
            looked_at = record.id;
        }
        looked_at
    }

    /// Changes whenever something is written.
    pub(super) fn written(&self) -> watch::Receiver<u64> {
        self.written.subscribe()
    }
}
