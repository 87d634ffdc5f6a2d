//! Deliveries as bytes of an outgoing stream, with the borders of their events.

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

/// A delivery as it goes over the wire.
#[derive(Debug)]
pub struct Wire {
    bytes: Bytes,
    borders: Borders,
    claim: Claim,
    payload: Payload,
    /// The budget that copied bytes take.
    _copied: Option<Hold>,
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
    /// The bytes for a delivery. Records that lie in their slab just as they are to be written are not copied.
    pub fn new(delivery: Delivery, framing: &WireFraming) -> Self {
        let Delivery { mut payload, claim } = delivery;
        let first = claim.first();
        let mut copied = None;
        let (bytes, borders) = match &mut payload {
            Payload::Raw(batch) => {
                let slab = match framing {
                    WireFraming::Delimiter(d) if d.len() == 1 => batch.delimited(first..batch.len(), d[0]),
                    _ => None,
                };
                match slab {
                    Some(slice) => (batch.slab().slice_ref(slice), Borders::Slab { first }),
                    None => {
                        let events = (first..batch.len()).map(|n| (n, batch.bytes(n)));
                        let (bytes, ends) = frame(events, framing);
                        (bytes, Borders::Listed(ends))
                    }
                }
            }
            Payload::Encoded(encoded) => {
                let as_is = match framing {
                    WireFraming::Delimiter(d) if d.len() == 1 => encoded.delimited_from(first, d[0]),
                    _ => None,
                };
                let (bytes, ends) = as_is.unwrap_or_else(|| {
                    let (bytes, ends) = frame(encoded.events_from(first), framing);
                    copied = Some(encoded.batch.charge(bytes.len() as u32));
                    (bytes, ends)
                });
                (bytes, Borders::Listed(ends))
            }
        };
        Self { bytes, borders, claim, payload, _copied: copied }
    }

    /// All bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
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
                let batch = self.payload.batch();
                let base = batch.records()[*first as usize].offset as usize;
                let end = |n: u32| {
                    let record = &batch.records()[n as usize];
                    record.offset as usize + record.len as usize + 1 - base
                };
                let mut done = self.claim.first();
                let before = done;
                while done < batch.len() && end(done) <= acknowledged {
                    done += 1;
                }
                if done == before {
                    return if done == *first { 0 } else { end(done - 1) };
                }
                self.claim.settle_to(done, Settled::Delivered);
                end(done - 1)
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
}

fn frame<'a>(
    events: impl Iterator<Item = (u32, &'a [u8])>,
    framing: &WireFraming,
) -> (Bytes, Vec<(u32, u32)>) {
    let (mut bytes, mut ends) = (Vec::new(), Vec::new());
    for (record, event) in events {
        match framing {
            WireFraming::Delimiter(delimiter) => {
                bytes.extend_from_slice(event);
                bytes.extend_from_slice(delimiter);
            }
            WireFraming::Octet => {
                bytes.extend_from_slice(event.len().to_string().as_bytes());
                bytes.push(b' ');
                bytes.extend_from_slice(event);
            }
        }
        ends.push((record, bytes.len() as u32));
    }
    (bytes.into(), ends)
}
