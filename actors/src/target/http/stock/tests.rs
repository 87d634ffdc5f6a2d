//! Requests are cut to size, and whatever order they end in, each event ends once.

use super::*;
use crate::data::delivery::{Encoded, EncodedEvent, Payload};
use bytes::Bytes;
use event::batch::Parts;
use event::flow::TargetFlow;
use event::ledger::{Head, ROUTER, Work};
use event::{
    Batch, Book, BranchId, Budget, Cause, DeviceFlow, DeviceId, Layout, Ledger, Origin, Record, RecordFlags,
    StreamId,
};
use parking_lot::Mutex;

/// A ledger with one target, whose work is taken out by hand.
struct House {
    book: Arc<Book>,
    budget: Budget,
    ledger: Ledger,
    branch: BranchId,
    flow: Arc<TargetFlow>,
    router: Arc<Inbox>,
    target: Arc<Inbox>,
    sent: u64,
}

#[derive(Default)]
struct Inbox(Mutex<Vec<Work>>);

impl Head for Inbox {
    fn send(&self, work: Work) -> Result<(), Box<Work>> {
        self.0.lock().push(work);
        Ok(())
    }
}

impl House {
    fn new() -> Self {
        let (book, flow) = (Book::new(), Arc::<TargetFlow>::default());
        let (router, target) = (Arc::<Inbox>::default(), Arc::<Inbox>::default());
        let place = book.add_place();
        let branch = book.add_branch([place], Some(Arc::clone(&flow)));
        book.occupy(ROUTER, Some(router.clone()));
        book.occupy(place, Some(target.clone()));
        let ledger = book.open_stream(StreamId(7), Arc::new(DeviceFlow::default()));
        Self { book, budget: Budget::new(1 << 20), ledger, branch, flow, router, target, sent: 0 }
    }

    /// A delivery of lines of nine bytes each.
    fn lines(&mut self, count: u64) -> Delivery {
        let text: String = (self.sent..self.sent + count).map(|n| format!("line {n:04}\n")).collect();
        let record =
            |n: u64| Record { offset: n as u32 * 10, len: 9, origin: 0, flags: RecordFlags::default() };
        let batch = Batch::seal(Parts {
            slab: Bytes::from(text),
            records: (0..count).map(record).collect(),
            origins: vec![Origin { device: DeviceId(1), peer: None, received: 0 }],
            stream: StreamId(7),
            first_seq: self.sent,
            layout: Layout::Delimited(b'\n'),
            hold: self.budget.share().nothing(),
        });
        self.sent += count;
        self.ledger.submit(batch);
        for work in self.router.0.lock().drain(..) {
            work.claims.into_iter().for_each(|claim| claim.route(&[self.branch]));
        }
        let mut work = self.target.0.lock().pop().expect("routed");
        Delivery { payload: Payload::Raw(work.batch), claim: work.claims.pop().expect("a claim") }
    }
}

const SIZE: Size = Size { events: 4, bytes: 1000, overhead: 1 };

fn texts(request: &Request) -> Vec<String> {
    let events = request.pieces.iter().flat_map(|p| p.events.clone().map(|e| p.content.event(e)));
    events.map(|event| String::from_utf8_lossy(event).into_owned()).collect()
}

#[test]
fn requests_take_parts_of_deliveries_up_to_either_limit() {
    let mut house = House::new();
    let mut stock = Stock::default();
    stock.take_in(house.lines(3), Instant::now());
    assert!(!stock.fills(SIZE));
    stock.take_in(house.lines(3), Instant::now());
    assert!(stock.fills(SIZE));
    let first = stock.cut(SIZE).expect("events wait");
    assert_eq!(texts(&first), ["line 0000", "line 0001", "line 0002", "line 0003"]);
    // Two lines with their overhead have twenty bytes.
    let small = Size { bytes: 19, ..SIZE };
    assert_eq!(texts(&stock.cut(small).expect("events wait")), ["line 0004"]);
    let tiny = Size { bytes: 1, ..SIZE };
    assert_eq!(texts(&stock.cut(tiny).expect("events wait")), ["line 0005"], "one goes in any case");
    assert!(stock.cut(SIZE).is_none());
    assert!(stock.is_empty());
}

#[test]
fn what_ends_out_of_order_is_settled_in_order() {
    let mut house = House::new();
    let mut stock = Stock::default();
    stock.take_in(house.lines(10), Instant::now());
    let requests: Vec<Request> = std::iter::from_fn(|| stock.cut(SIZE)).collect();
    assert_eq!(requests.len(), 3);
    stock.delivered(&requests[2]);
    assert_eq!(house.flow.delivered.get(), 0, "those before are open");
    stock.refused(&requests[0].only([1, 3]), Settled::Dropped(Cause::Refused));
    stock.delivered(&requests[0].only([0, 2]));
    assert_eq!((house.flow.delivered.get(), house.flow.dropped.get(Cause::Refused)), (2, 2));
    stock.delivered(&requests[1]);
    assert_eq!((house.flow.delivered.get(), house.flow.held()), (8, 0));
    assert_eq!(house.book.open_batches(), 0);
    assert!(stock.parcels.is_empty());
}

#[test]
fn a_request_is_split_where_asked() {
    let mut house = House::new();
    let mut stock = Stock::default();
    stock.take_in(house.lines(2), Instant::now());
    stock.take_in(house.lines(2), Instant::now());
    for at in 0..=4 {
        let mut front = stock.waiting.iter().fold(Request::default(), |mut all, (id, _)| {
            let content = Arc::clone(stock.parcels[id].content());
            all.pieces.push(Piece { parcel: *id, content, events: 0..2 });
            all
        });
        let whole = texts(&front);
        let back = front.split_off(at);
        assert_eq!(front.events(), at);
        assert_eq!([texts(&front), texts(&back)].concat(), whole);
    }
}

#[test]
fn events_of_one_record_settle_it_together_and_keep_their_ids_apart() {
    let mut house = House::new();
    let Delivery { payload, claim } = house.lines(3);
    let Payload::Raw(batch) = payload else { unreachable!("lines are raw") };
    // Nothing was made from record 0; two events from record 1.
    let event = |record, start| EncodedEvent { record, start, end: start + 1 };
    let events = [event(1, 0), event(1, 2), event(2, 4)].into();
    let hold = Arc::new(house.budget.share().nothing());
    let bytes = Bytes::from_static(b"a\nb\nc\n");
    let encoded = Encoded { batch, bytes, json: true, delimiter: b'\n', events, hold };
    let mut stock = Stock::default();
    stock.take_in(Delivery { payload: Payload::Encoded(encoded), claim }, Instant::now());
    let request = stock.cut(SIZE).expect("events wait");
    let content = &request.pieces[0].content;
    assert_eq!(content.delimited(1..3, b'\n').as_deref(), Some(&b"b\nc\n"[..]));
    let (a, b) = (content.id(0), content.id(1));
    assert_eq!((a.sequence, a.part, b.sequence, b.part), (1, 0, 1, 1));
    stock.delivered(&request.only([0]));
    assert_eq!(house.flow.delivered.get(), 1, "record 0 has nothing to wait for");
    stock.refused(&request.only([1]), Settled::Dropped(Cause::Refused));
    stock.delivered(&request.only([2]));
    assert_eq!((house.flow.delivered.get(), house.flow.dropped.get(Cause::Refused)), (2, 1));
    assert_eq!(house.flow.held(), 0);
}
