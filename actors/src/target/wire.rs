//! Deliveries as bytes of an outgoing stream, with the borders of their events.
//!
//! Records that lie in their slab just as they are to be written are not copied, nor is what a pipeline encoded so.
//! Everything else is, once, and the copy is charged to the budget.

use super::events::{Event, Events};
use super::rendering::Rendering;
use crate::data::delivery::{Delivery, Payload};
use bytes::Bytes;
use event::{Claim, Hold, Settled};

/// How events are told apart on an outgoing stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WireFraming {
    /// Each event is followed by these bytes.
    Delimiter(Bytes),
    /// Each event is preceded by its length and a space (RFC 6587 §3.4.1).
    Octet,
}

/// What is written for an event, and how events are told apart.
#[derive(Clone, Debug)]
pub struct WireFormat {
    /// What is written for an event.
    pub rendering: Rendering,
    /// How events are told apart.
    pub framing: WireFraming,
}

/// A delivery as it goes over the wire.
#[derive(Debug)]
pub struct Wire {
    bytes: Bytes,
    borders: Borders,
    claim: Claim,
    payload: Payload,
    /// The budget of copied bytes.
    _copy: Option<Hold>,
}

/// Where events end.
#[derive(Debug)]
enum Borders {
    /// As they lie in the batch's slab, with a delimiter of one byte.
    Slab {
        /// The first record that is written.
        first: u32,
    },
    /// For each event: the record it was made from, and where it ends.
    Listed(Vec<(u32, u32)>),
}

impl Wire {
    /// The bytes for a delivery.
    pub fn new(delivery: Delivery, format: &WireFormat) -> Self {
        let Delivery { payload, claim } = delivery;
        let first = claim.first();
        if let Some((bytes, borders)) = in_place(&payload, first, format) {
            return Self { bytes, borders, claim, payload, _copy: None };
        }
        let (bytes, ends) = format.copy(Events::new(&payload, first));
        let copy = payload.batch().charge(bytes.len() as u32);
        Self { bytes: bytes.into(), borders: Borders::Listed(ends), claim, payload, _copy: Some(copy) }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether the claim still counts; if not, its events were dispatched again.
    pub fn is_current(&self) -> bool {
        self.claim.is_current()
    }

    /// Everything arrived.
    pub fn delivered(self) {
        self.claim.settle(Settled::Delivered);
    }

    /// Only the first `acknowledged` bytes arrived: settles the events that are complete in them and returns
    /// the number of bytes that are done with. The rest is to be written again from there.
    pub fn delivered_up_to(&mut self, acknowledged: usize) -> usize {
        match &self.borders {
            Borders::Slab { first } => {
                let (first, mut done) = (*first, self.claim.first());
                let before = done;
                while done < self.payload.batch().len() && self.end_in_slab(first, done) <= acknowledged {
                    done += 1;
                }
                if done > before {
                    self.claim.settle_to(done, Settled::Delivered);
                }
                if done == first { 0 } else { self.end_in_slab(first, done - 1) }
            }
            Borders::Listed(ends) => {
                let count = ends.partition_point(|(_, end)| *end as usize <= acknowledged);
                let Some(&(record, end)) = count.checked_sub(1).and_then(|n| ends.get(n)) else { return 0 };
                // Several events may come from one record, which is settled with the last of them.
                let split = ends.get(count).is_some_and(|(next, _)| *next == record);
                let upto = if split { record } else { record + 1 };
                if upto > self.claim.first() {
                    self.claim.settle_to(upto, Settled::Delivered);
                }
                end as usize
            }
        }
    }

    /// Where the event ends of which the byte before `written` is a part; `written` itself between two events.
    pub fn end_of_event(&self, written: usize) -> usize {
        if written == 0 {
            return 0;
        }
        match &self.borders {
            Borders::Slab { first } => {
                let batch = self.payload.batch();
                let ends = (*first..batch.len()).map(|record| self.end_in_slab(*first, record));
                ends.into_iter().find(|end| *end >= written).unwrap_or(written)
            }
            Borders::Listed(ends) => {
                let at = ends.partition_point(|(_, end)| (*end as usize) < written);
                ends.get(at).map_or(written, |(_, end)| *end as usize)
            }
        }
    }

    fn end_in_slab(&self, first: u32, record: u32) -> usize {
        let records = self.payload.batch().records();
        let record = &records[record as usize];
        record.offset as usize + record.len as usize + 1 - records[first as usize].offset as usize
    }
}

/// The bytes as they lie where they were received or encoded, if they lie there as they are to be written.
fn in_place(payload: &Payload, first: u32, format: &WireFormat) -> Option<(Bytes, Borders)> {
    let WireFraming::Delimiter(delimiter) = &format.framing else { return None };
    let [delimiter] = **delimiter else { return None };
    match (payload, &format.rendering) {
        (Payload::Raw(batch), Rendering::Unchanged) => {
            let slice = batch.delimited(first..batch.len(), delimiter)?;
            Some((batch.slab().slice_ref(slice), Borders::Slab { first }))
        }
        (Payload::Encoded(encoded), Rendering::Unchanged | Rendering::Json)
            if encoded.json || matches!(format.rendering, Rendering::Unchanged) =>
        {
            let (bytes, ends) = encoded.delimited_from(first, delimiter)?;
            Some((bytes, Borders::Listed(ends)))
        }
        _ => None,
    }
}

impl WireFormat {
    /// Unchanged events, each followed by a newline.
    pub fn lines() -> Self {
        let framing = WireFraming::Delimiter(Bytes::from_static(b"\n"));
        Self { rendering: Rendering::Unchanged, framing }
    }

    fn copy<'a>(&self, events: impl Iterator<Item = Event<'a>>) -> (Vec<u8>, Vec<(u32, u32)>) {
        let (mut bytes, mut ends, mut scratch) = (Vec::new(), Vec::new(), Vec::new());
        for event in events {
            match &self.framing {
                WireFraming::Delimiter(delimiter) => {
                    self.rendering.write(&event, &mut bytes);
                    bytes.extend_from_slice(delimiter);
                }
                WireFraming::Octet if self.rendering.is_unchanged() => {
                    protocol::syslog::format::octet_counted(event.bytes, &mut bytes);
                }
                WireFraming::Octet => {
                    scratch.clear();
                    self.rendering.write(&event, &mut scratch);
                    protocol::syslog::format::octet_counted(&scratch, &mut bytes);
                }
            }
            ends.push((event.record, bytes.len() as u32));
        }
        (bytes, ends)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::rig::Rig;

    fn octet() -> WireFormat {
        WireFormat { framing: WireFraming::Octet, ..WireFormat::lines() }
    }

    #[test]
    fn records_that_lie_as_they_are_to_be_written_are_not_copied() {
        let delivery = Rig::new().deliver(&[b"one", b"two"]);
        let slab = delivery.payload.batch().slab().clone();
        let wire = Wire::new(delivery, &WireFormat::lines());
        assert_eq!(wire.bytes(), b"one\ntwo\n");
        assert_eq!(wire.bytes().as_ptr(), slab.as_ptr());
    }

    #[test]
    fn a_part_that_arrived_settles_whole_events_only() {
        for format in [WireFormat::lines(), octet()] {
            let mut rig = Rig::new();
            let mut wire = Wire::new(rig.deliver(&[b"11", b"22", b"33"]), &format);
            let each = wire.bytes().len() / 3;
            assert_eq!(wire.delivered_up_to(each - 1), 0);
            assert_eq!(rig.delivered(), 0);
            assert_eq!(wire.delivered_up_to(2 * each + 1), 2 * each);
            assert_eq!(rig.delivered(), 2);
            assert_eq!(wire.delivered_up_to(2 * each), 2 * each, "asked again after another break");
            wire.delivered();
            assert_eq!((rig.delivered(), rig.target.flow.held()), (3, 0));
        }
    }

    #[test]
    fn what_is_left_after_a_part_begins_with_the_next_event() {
        let mut rig = Rig::new();
        let mut wire = Wire::new(rig.deliver(&[b"11", b"22", b"33"]), &WireFormat::lines());
        wire.delivered_up_to(3);
        rig.replace_sender();
        let again = Wire::new(rig.dispatched().expect("again"), &WireFormat::lines());
        assert_eq!(again.bytes(), b"22\n33\n");
        assert!(!wire.is_current() && again.is_current());
    }

    #[test]
    fn a_record_is_settled_with_the_last_event_that_was_made_of_it() {
        let mut rig = Rig::new();
        let delivery = rig.deliver_encoded(&[b"a", b"b", b"c"], &[(0, b"1"), (1, b"2"), (1, b"3")]);
        let mut wire = Wire::new(delivery, &WireFormat::lines());
        assert_eq!(wire.bytes(), b"1\n2\n3\n");
        assert_eq!((wire.delivered_up_to(4), rig.delivered()), (4, 1));
        assert_eq!((wire.delivered_up_to(6), rig.delivered()), (6, 2));
        wire.delivered();
        assert_eq!((rig.delivered(), rig.target.flow.held()), (3, 0));
    }

    #[test]
    fn the_end_of_an_event_is_found_from_within_it() {
        for format in [WireFormat::lines(), octet()] {
            let wire = Wire::new(Rig::new().deliver(&[b"11", b"22"]), &format);
            let each = wire.bytes().len() / 2;
            for (written, end) in
                [(0, 0), (1, each), (each, each), (each + 1, 2 * each), (2 * each, 2 * each)]
            {
                assert_eq!(wire.end_of_event(written), end, "{written} of {format:?}");
            }
        }
    }
}
