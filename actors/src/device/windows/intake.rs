//! From a host's events to batches: each record is the event's fields as JSON, with its XML as `message`.

use super::place::Place;
use crate::data::device::Device;
use crate::device::positions::{Boarding, Positions};
use event::batch::{MAX_BATCH_BYTES, MAX_BATCH_RECORDS, Parts};
use event::model::json_write::write_text;
use event::{Batch, Hold, Layout, Ledger, Origin, Record, RecordFlags, UnixNanos};
use protocol::winevent::{self, fields};
use std::net::SocketAddr;
use std::sync::Arc;

/// What ends a record in its slab.
const DELIMITER: u8 = b'\n';

/// A collector's stream of events.
pub struct Intake {
    device: Arc<Device>,
    positions: Arc<Positions>,
    source: &'static str,
    ledger: Ledger,
    boarding: Boarding,
    next_seq: u64,
}

/// Events on their way into batches.
#[derive(Debug, Default)]
pub struct Events {
    full: Vec<(String, Vec<Record>)>,
    text: String,
    records: Vec<Record>,
    count: u64,
    truncated: u64,
    malformed: u64,
    /// When the last event was written, as its host wrote that.
    last_written: String,
}

/// What is known of an event that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its channel.
    pub channel: String,
    /// Its number there.
    pub record: Option<u64>,
}

impl Intake {
    /// A stream that goes on with this source.
    pub fn new(device: Arc<Device>, positions: Arc<Positions>, source: &'static str, ledger: Ledger) -> Self {
        let boarding = positions.board(source, ledger.acknowledged());
        Self { device, positions, source, ledger, boarding, next_seq: 0 }
    }

    /// Where to go on.
    pub fn place(&self) -> Place {
        self.positions.read(self.source).map(|text| Place::read(&text)).unwrap_or_default()
    }

    /// Keeps a place behind everything that was handed on so far.
    pub fn keep(&self, place: &Place) {
        self.positions.mark(self.source, self.boarding, self.next_seq, place.text());
    }

    /// Hands events on, and keeps the place behind them. Returns how many they were.
    pub fn submit(
        &mut self,
        mut events: Events,
        place: &Place,
        hold: Option<Hold>,
        peer: Option<SocketAddr>,
        now: UnixNanos,
    ) -> u64 {
        events.seal();
        let meters = &self.device.meters;
        meters.truncated.add(events.truncated);
        if events.malformed > 0 {
            let (device, count) = (&*self.device.name, events.malformed);
            tracing::warn!(device, count, "events that are no well-formed xml are passed on as they came");
        }
        let mut hold = hold.unwrap_or_else(|| self.device.share.nothing());
        for (text, records) in events.full {
            let bytes = (text.capacity() + records.len() * size_of::<Record>()) as u32;
            let missing = u64::from(bytes).saturating_sub(hold.bytes());
            hold.grow(u32::try_from(missing).unwrap_or(u32::MAX));
            let batch = Batch::seal(Parts {
                slab: text.into(),
                records,
                origins: vec![Origin { device: self.device.id, peer, received: now }],
                stream: self.ledger.stream(),
                first_seq: self.next_seq,
                layout: Layout::Delimited(DELIMITER),
                hold: hold.split(bytes),
            });
            self.next_seq = batch.next_seq();
            self.device.submit(&self.ledger, batch);
        }
        if events.count > 0 {
            self.device.touch(now);
        }
        self.keep(place);
        events.count
    }
}

impl Events {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// When the last event was written, by its host's clock.
    pub fn last_written(&self) -> Option<jiff::Timestamp> {
        self.last_written.parse().ok()
    }

    /// Takes an event's XML; what is no event is passed on as a message all the same.
    pub fn push(&mut self, xml: &str, max_bytes: usize) -> Option<Seen> {
        let cut = cut(xml, max_bytes);
        let flags = match cut.len() < xml.len() {
            true => RecordFlags(RecordFlags::EVENT.0 | RecordFlags::TRUNCATED.0),
            false => RecordFlags::EVENT,
        };
        self.truncated += u64::from(cut.len() < xml.len());
        let begin = self.text.len();
        let seen = match winevent::parse(xml) {
            Ok(event) => {
                fields::write_json(&event, Some(cut), &mut self.text);
                self.last_written.clear();
                self.last_written.push_str(event.time_created.as_deref().unwrap_or_default());
                Some(Seen { channel: event.channel.into_owned(), record: event.record_id })
            }
            Err(e) => {
                self.malformed += 1;
                self.write_malformed(cut, &e.to_string());
                None
            }
        };
        self.end(begin, flags);
        seen
    }

    /// Adds an event that is JSON already.
    pub fn push_json(&mut self, json: &str) {
        let begin = self.text.len();
        self.text.push_str(json);
        self.end(begin, RecordFlags::EVENT);
    }

    fn write_malformed(&mut self, xml: &str, why: &str) {
        let mut json = Vec::with_capacity(xml.len() + 64);
        json.extend_from_slice(b"{\"message\":");
        write_text(xml.as_bytes(), &mut json);
        json.extend_from_slice(b",\"error\":{\"message\":");
        write_text(why.as_bytes(), &mut json);
        json.extend_from_slice(b"}}");
        self.text.push_str(&String::from_utf8_lossy(&json));
    }

    fn end(&mut self, begin: usize, flags: RecordFlags) {
        let (offset, len) = (begin as u32, (self.text.len() - begin) as u32);
        self.records.push(Record { offset, len, origin: 0, flags });
        self.text.push(char::from(DELIMITER));
        self.count += 1;
        if self.records.len() == MAX_BATCH_RECORDS || self.text.len() >= MAX_BATCH_BYTES {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if !self.records.is_empty() {
            self.text.shrink_to_fit();
            self.full.push((std::mem::take(&mut self.text), std::mem::take(&mut self.records)));
        }
    }
}

/// The beginning of a text, at most so many bytes, not within a character.
fn cut(text: &str, max_bytes: usize) -> &str {
    if text.len() <= max_bytes {
        return text;
    }
    let end = (0..=max_bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_its_fields_and_its_xml_and_what_is_none_is_not_lost() {
        let mut events = Events::default();
        let xml = "<Event><System><EventID>7</EventID><EventRecordID>9</EventRecordID><Channel>System</Channel></System></Event>";
        let seen = events.push(xml, 1000).expect("an event");
        assert_eq!((seen.channel.as_str(), seen.record), ("System", Some(9)));
        assert_eq!(events.push("<Event><System>", 1000), None);
        assert!(events.push(xml, 10).is_some());
        let lines: Vec<serde_json::Value> =
            events.text.lines().map(|line| serde_json::from_str(line).expect("json")).collect();
        assert_eq!((&lines[0]["message"], &lines[0]["winlog"]["record_id"]), (&xml.into(), &9.into()));
        assert_eq!(lines[1]["message"], "<Event><System>");
        assert!(lines[1]["error"]["message"].as_str().is_some_and(|why| why.contains("cut")));
        assert_eq!(lines[2]["message"], "<Event><Sy");
        assert!(events.records[2].flags.contains(RecordFlags::TRUNCATED));
        assert_eq!((events.count, events.truncated, events.malformed), (3, 1, 1));
        assert_eq!(events.last_written(), None);
        events
            .push("<Event><System><TimeCreated SystemTime='1970-01-01T00:00:07.5Z'/></System></Event>", 1000);
        assert_eq!(events.last_written().map(jiff::Timestamp::as_second), Some(7));
    }
}
