//! For tests of senders: deliveries with real claims, without actors.

use crate::data::delivery::{Delivery, Encoded, EncodedEvent, Payload};
use crate::data::target::Target;
use event::batch::Parts;
use event::ids::StreamId;
use event::ledger::{Head, ROUTER, Work};
use event::{Batch, Book, BranchId, Budget, DeviceFlow, DeviceId, Layout, Ledger, Origin, PlaceId, Record};
use parking_lot::Mutex;
use std::collections::VecDeque;
use std::sync::Arc;

/// 2023-11-14 22:13:20 UTC
pub(crate) const RECEIVED: u64 = 1_700_000_000_000_000_000;

/// A book with a stream and a branch to one target.
pub(crate) struct Rig {
    pub(crate) target: Arc<Target>,
    pub(crate) device: Arc<DeviceFlow>,
    book: Arc<Book>,
    place: PlaceId,
    ledger: Ledger,
    branch: BranchId,
    budget: Budget,
    to_router: Arc<Inbox>,
    to_sender: Arc<Inbox>,
    next_seq: u64,
}

#[derive(Default)]
struct Inbox(Mutex<VecDeque<Work>>);

impl Head for Inbox {
    fn send(&self, work: Work) -> Result<(), Box<Work>> {
        self.0.lock().push_back(work);
        Ok(())
    }
}

impl Rig {
    pub(crate) fn new() -> Self {
        let (book, target, device) = (Book::new(), Target::new("out"), Arc::<DeviceFlow>::default());
        let (to_router, to_sender) = (Arc::<Inbox>::default(), Arc::<Inbox>::default());
        let place = book.add_place();
        book.occupy(ROUTER, Some(to_router.clone()));
        book.occupy(place, Some(to_sender.clone()));
        let branch = book.add_branch([place], Some(Arc::clone(&target.flow)));
        let ledger = book.open_stream(StreamId(1), Arc::clone(&device));
        let budget = Budget::new(1 << 30);
        Self { target, device, book, place, ledger, branch, budget, to_router, to_sender, next_seq: 0 }
    }

    /// A batch with these records, on its way to the sender.
    pub(crate) fn deliver(&mut self, records: &[&[u8]]) -> Delivery {
        let mut slab = Vec::new();
        let record = |bytes: &&[u8]| {
            let (offset, len) = (slab.len() as u32, bytes.len() as u32);
            slab.extend_from_slice(bytes);
            slab.push(b'\n');
            Record { offset, len, origin: 0, flags: Default::default() }
        };
        let records: Vec<Record> = records.iter().map(record).collect();
        let batch = Batch::seal(Parts {
            records,
            origins: vec![Origin { device: DeviceId(1), peer: None, received: RECEIVED }],
            stream: StreamId(1),
            first_seq: self.next_seq,
            layout: Layout::Delimited(b'\n'),
            slab: slab.into(),
            hold: self.budget.share().nothing(),
        });
        self.next_seq = batch.next_seq();
        self.ledger.submit(batch);
        let work = self.to_router.0.lock().pop_front().expect("the router got it");
        for claim in work.claims {
            claim.route(&[self.branch]);
        }
        self.dispatched().expect("the sender got it")
    }

    /// What lies in the sender's mailbox.
    pub(crate) fn dispatched(&self) -> Option<Delivery> {
        let work = self.to_sender.0.lock().pop_front()?;
        let claim = work.claims.into_iter().next().expect("work has a claim");
        Some(Delivery { payload: Payload::Raw(work.batch), claim })
    }

    /// As [`deliver`](Self::deliver), after a pipeline that made these events of the records.
    pub(crate) fn deliver_encoded(&mut self, records: &[&[u8]], events: &[(u32, &[u8])]) -> Delivery {
        let Delivery { payload, claim } = self.deliver(records);
        let (batch, mut bytes, mut spans) = (payload.batch().clone(), Vec::new(), Vec::new());
        for (record, event) in events {
            let start = bytes.len() as u32;
            bytes.extend_from_slice(event);
            spans.push(EncodedEvent { record: *record, start, end: bytes.len() as u32 });
            bytes.push(b'\n');
        }
        let hold = Arc::new(batch.charge(bytes.len() as u32));
        let (bytes, events) = (bytes.into(), spans.into());
        Delivery {
            payload: Payload::Encoded(Encoded { batch, bytes, json: true, delimiter: b'\n', events, hold }),
            claim,
        }
    }

    /// The sender is gone and another is there: what was not settled is dispatched again.
    pub(crate) fn replace_sender(&self) {
        self.to_sender.0.lock().clear();
        self.book.occupy(self.place, Some(self.to_sender.clone()));
    }

    pub(crate) fn delivered(&self) -> u64 {
        self.target.flow.delivered.get()
    }
}
