//! The events of a delivery, one after the other, whichever way they came.

use crate::data::delivery::Payload;
use event::{Batch, Origin, RecordFlags};

/// An event that is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    /// The record of the batch that it was made from.
    pub record: u32,
    /// Its bytes.
    pub bytes: &'a [u8],
    /// Where it came from.
    pub origin: &'a Origin,
    /// Whether a pipeline or a collector made its bytes, so that they are JSON already.
    pub encoded: bool,
}

/// The events of a payload, in order.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    payload: &'a Payload,
    next: usize,
}

impl<'a> Events<'a> {
    /// The events of all records from `first` on.
    pub fn new(payload: &'a Payload, first: u32) -> Self {
        let next = match payload {
            Payload::Raw(_) => first as usize,
            Payload::Encoded(encoded) => encoded.events.partition_point(|event| event.record < first),
        };
        Self { payload, next }
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Event<'a>;

    fn next(&mut self) -> Option<Event<'a>> {
        match self.payload {
            Payload::Raw(batch) => {
                let record = self.next as u32;
                if record >= batch.len() {
                    return None;
                }
                self.next += 1;
                let (bytes, origin) = (batch.bytes(record), batch.origin(record));
                Some(Event { record, bytes, origin, encoded: is_event(batch, record) })
            }
            Payload::Encoded(encoded) => {
                let event = encoded.events.get(self.next)?;
                self.next += 1;
                let bytes = &encoded.bytes[event.start as usize..event.end as usize];
                let record = event.record;
                let origin = encoded.batch.origin(record);
                let is_json = encoded.json || is_event(&encoded.batch, record);
                Some(Event { record, bytes, origin, encoded: is_json })
            }
        }
    }
}

fn is_event(batch: &Batch, record: u32) -> bool {
    batch.records()[record as usize].flags.contains(RecordFlags::EVENT)
}
