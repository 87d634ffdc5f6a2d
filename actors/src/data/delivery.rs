//! What a target's sender is given.

use super::address::{Address, TakesWork};
use bytes::Bytes;
use event::ledger::Work;
use event::{Batch, Book, Claim, Hold, PlaceId};
use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

/// Something to deliver, with the claim on it.
#[derive(Debug)]
pub struct Delivery {
    /// What to write.
    pub payload: Payload,
    /// The duty to.
    pub claim: Claim,
}

/// What is to be written. Cloning it counts references.
#[derive(Clone, Debug)]
pub enum Payload {
    /// The records as they came in, from the claim's first on.
    Raw(Batch),
    /// Events as a pipeline left them.
    Encoded(Encoded),
}

/// Events as a stage left them. Targets of the same route share them.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// The batch they were made from.
    pub batch: Batch,
    /// Their bytes, and perhaps those of others.
    pub bytes: Bytes,
    /// Whether they are JSON objects that pipelines made; else they are records as they came in, some left out.
    pub json: bool,
    /// What stands behind each event in `bytes`.
    pub delimiter: u8,
    /// The events, in the order of their records.
    pub events: Arc<[EncodedEvent]>,
    /// The budget that the bytes take.
    pub hold: Arc<Hold>,
}

/// Where an encoded event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedEvent {
    /// The record it was made from; several events may come from one.
    pub record: u32,
    /// Its first byte.
    pub start: u32,
    /// Behind its last byte, where the delimiter is.
    pub end: u32,
}

impl Encoded {
    /// The events that were made from record `first` and those after it, with the number of their record.
    pub fn events_from(&self, first: u32) -> impl Iterator<Item = (u32, &[u8])> {
        let rest = &self.events[self.events.partition_point(|event| event.record < first)..];
        rest.iter().map(|event| (event.record, &self.bytes[event.start as usize..event.end as usize]))
    }

    /// The same events with their delimiters as one slice, and each one's end in it, if they lie so.
    pub fn delimited_from(&self, first: u32, delimiter: u8) -> Option<(Bytes, Vec<(u32, u32)>)> {
        let rest = &self.events[self.events.partition_point(|event| event.record < first)..];
        let (one, last) = (rest.first()?, rest.last()?);
        let gapless = rest.windows(2).all(|pair| pair[0].end + 1 == pair[1].start);
        if delimiter != self.delimiter || !gapless {
            return None;
        }
        let bytes = self.bytes.slice(one.start as usize..last.end as usize + 1);
        Some((bytes, rest.iter().map(|event| (event.record, event.end + 1 - one.start)).collect()))
    }
}

impl Payload {
    /// The batch that is delivered.
    pub fn batch(&self) -> &Batch {
        match self {
            Payload::Raw(batch) => batch,
            Payload::Encoded(encoded) => &encoded.batch,
        }
    }
}

/// What a sender's mailbox takes: work straight from the book, what pipelines made, and notes to itself.
#[derive(Debug)]
pub enum ToSender<N> {
    /// Batches without a pipeline on their way; a claim for each route that leads here.
    Direct(Work),
    /// What a pipeline made.
    Delivery(Delivery),
    /// The sender's own business.
    Note(N),
    /// Please drop deliveries of which nothing was sent: they go to disk, or come again from there.
    Recall,
}

impl<N> ToSender<N> {
    /// The deliveries in it that still count, or the note. A stale one was dispatched again since: written
    /// now, it would come before what is older.
    pub fn open(self) -> Result<SmallVec<[Delivery; 2]>, N> {
        let mut deliveries: SmallVec<[Delivery; 2]> = match self {
            ToSender::Direct(work) => {
                let deliver = |claim| Delivery { payload: Payload::Raw(work.batch.clone()), claim };
                work.claims.into_iter().map(deliver).collect()
            }
            ToSender::Delivery(delivery) => smallvec![delivery],
            ToSender::Note(note) => return Err(note),
            // A sender that keeps nothing waiting has nothing to do.
            ToSender::Recall => SmallVec::new(),
        };
        deliveries.retain(|delivery| delivery.claim.is_current());
        Ok(deliveries)
    }
}

/// A sender as stages see it, whatever its type.
pub trait Door: Send + Sync {
    /// Hands over what a pipeline made, or gives it back when nobody is there.
    fn deliver(&self, delivery: Delivery) -> Result<(), Box<Delivery>>;
    /// Its place in a book.
    fn place(&self, book: &Arc<Book>) -> Option<PlaceId>;
    /// Batches that are under way to it.
    fn outstanding(&self) -> u64;
    /// Which of its lives this is; none while nobody is there. What an earlier one was given is lost.
    fn life(&self) -> Option<u64>;
    /// Asks it to drop deliveries of which nothing was sent.
    fn recall(&self);
}

impl<N: Send + 'static> Door for Address<ToSender<N>> {
    fn deliver(&self, delivery: Delivery) -> Result<(), Box<Delivery>> {
        match self.send(ToSender::Delivery(delivery)) {
            Err(ToSender::Delivery(delivery)) => Err(Box::new(delivery)),
            _ => Ok(()),
        }
    }

    fn place(&self, book: &Arc<Book>) -> Option<PlaceId> {
        Address::place(self, book)
    }

    fn outstanding(&self) -> u64 {
        Address::outstanding(self)
    }

    fn life(&self) -> Option<u64> {
        Address::life(self)
    }

    fn recall(&self) {
        // Where nobody is, nothing is held.
        let _ = self.send(ToSender::Recall);
    }
}

impl<N: Send + 'static> TakesWork for ToSender<N> {
    fn from_work(work: Work) -> Self {
        ToSender::Direct(work)
    }

    fn into_work(self) -> Option<Work> {
        match self {
            ToSender::Direct(work) => Some(work),
            _ => None,
        }
    }
}
