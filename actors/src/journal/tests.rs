//! The journal's side by hand, on a simulated disk: every step is a call, so thousands of ends take seconds.

mod random;

use super::backlog::Backlog;
use super::index::Found;
use super::keys::{BranchKeys, key};
use super::{Custody, Level, Opened};
use crate::data::lane::Lanes;
use bytes::Bytes;
use event::ledger::{Head, ROUTER, Work};
use event::{
    Batch, Book, BranchId, Budget, Claim, DeviceFlow, DeviceId, Layout, Ledger, Origin, Parts, Record,
    RecordFlags, Settled,
};
use journal::{Environment, Options};
use parking_lot::Mutex;
use seams::{Clock, Operation, Rng, SimulatedDisk};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const SEGMENT: u64 = 64 << 10;

/// A mailbox that a test empties by hand.
#[derive(Default)]
struct Mailbox(Mutex<VecDeque<Work>>);

impl Head for Mailbox {
    fn send(&self, work: Work) -> Result<(), Box<Work>> {
        self.0.lock().push_back(work);
        Ok(())
    }
}

impl Mailbox {
    fn claims(&self) -> Vec<Claim> {
        std::mem::take(&mut *self.0.lock()).into_iter().flat_map(|work| work.claims).collect()
    }
}

/// A lane, two targets, and the journal.
struct House {
    lanes: Lanes,
    custody: Custody,
    device: Arc<DeviceFlow>,
    router: Arc<Mailbox>,
    targets: Vec<(BranchId, Arc<Mailbox>)>,
    budget: Budget,
}

fn open(disk: &SimulatedDisk, level: Level, targets: &[&str]) -> (House, Found) {
    let keys = BranchKeys::default();
    let environment =
        Environment { disk: Arc::new(disk.clone()), clock: Clock::system(), rng: Rng::from_system() };
    let options =
        Options { segment_bytes: SEGMENT, quota_bytes: 32 * SEGMENT, floor_bytes: 0, ..Options::default() };
    let opened = Custody::open(environment, Path::new("/journal"), options, level, keys.clone());
    let Opened { custody, found, .. } = opened.expect("opened");
    let lanes = Lanes::start(1).expect("a thread");
    let book = &lanes.all()[0].book;
    custody.keep(0, book);
    let router = Arc::<Mailbox>::default();
    book.occupy(ROUTER, Some(router.clone()));
    let target = |name: &&str| {
        let (place, mailbox) = (book.add_place(), Arc::<Mailbox>::default());
        let branch = book.add_branch([place], None);
        book.occupy(place, Some(mailbox.clone()));
        keys.add(&key("all", name, ""), &[branch]);
        (branch, mailbox)
    };
    let targets = targets.iter().map(target).collect();
    (House { custody, device: Arc::default(), router, targets, budget: Budget::new(1 << 30), lanes }, found)
}

impl House {
    fn book(&self) -> &Arc<Book> {
        &self.lanes.all()[0].book
    }

    fn stream(&self) -> Ledger {
        self.lanes.all()[0].open_stream(Arc::clone(&self.device))
    }

    fn batch(&self, ledger: &Ledger, first_seq: u64, records: u32, record_bytes: u32) -> Batch {
        let stride = record_bytes + 1;
        let record =
            |n| Record { offset: n * stride, len: record_bytes, origin: 0, flags: RecordFlags::default() };
        Batch::seal(Parts {
            slab: Bytes::from(("x".repeat(record_bytes as usize) + "\n").repeat(records as usize)),
            records: (0..records).map(record).collect(),
            origins: vec![Origin { device: DeviceId(1), peer: None, received: 5 }],
            stream: ledger.stream(),
            first_seq,
            layout: Layout::Delimited(b'\n'),
            hold: self.budget.share().nothing(),
        })
    }

    fn route(&self) {
        let branches: Vec<BranchId> = self.targets.iter().map(|(branch, _)| *branch).collect();
        for claim in self.router.claims() {
            claim.route(&branches);
        }
    }

    fn write(&self) -> Result<(), journal::AppendError> {
        self.custody.write(Duration::ZERO)
    }

    /// What is left goes out; returns what each target gets: first sequence number, first record owed.
    fn resume(&self, found: Found) -> (Vec<Vec<(u64, u32)>>, super::backlog::Summary) {
        let flow = Arc::clone(&self.device);
        let flow_of = Arc::new(move |_, _: &str| Arc::clone(&flow));
        let backlog =
            Backlog::new(self.custody.clone(), found, self.lanes.clone(), &Budget::new(1 << 30), flow_of);
        while !backlog.is_empty() {
            for next in backlog.read().expect("read") {
                let hold = backlog.share().try_take(next.bytes()).expect("there is room");
                backlog.dispatch(next, hold);
            }
        }
        self.route();
        let summary = backlog.finish();
        let got = |(_, mailbox): &(BranchId, Arc<Mailbox>)| {
            let works = std::mem::take(&mut *mailbox.0.lock());
            let each = works.into_iter().flat_map(|work| {
                let first_seq = work.batch.first_seq();
                work.claims.into_iter().map(move |claim| {
                    let first = claim.first();
                    claim.settle(Settled::Delivered);
                    (first_seq, first)
                })
            });
            each.collect()
        };
        (self.targets.iter().map(got).collect(), summary)
    }
}

/// A source as a test sees it.
struct Source {
    ledger: Ledger,
    acknowledged: watch::Receiver<u64>,
    next_seq: u64,
}

impl Source {
    fn new(house: &House) -> Self {
        let ledger = house.stream();
        Self { acknowledged: ledger.acknowledged(), ledger, next_seq: 0 }
    }

    fn send(&mut self, house: &House, records: u32) {
        let batch = house.batch(&self.ledger, self.next_seq, records, 20);
        self.next_seq = batch.next_seq();
        self.ledger.submit(batch);
    }

    fn acknowledged(&self) -> u64 {
        *self.acknowledged.borrow()
    }
}

#[test]
fn a_source_is_acknowledged_when_its_level_says_so() {
    for level in [Level::Written, Level::Synced] {
        let (house, _) = open(&SimulatedDisk::new(Rng::seeded(1)), level, &["out"]);
        let mut source = Source::new(&house);
        source.send(&house, 10);
        house.route();
        for claim in house.targets[0].1.claims() {
            claim.settle(Settled::Delivered);
        }
        assert_eq!(source.acknowledged(), 0, "it is delivered, and not written");
        house.write().expect("written");
        assert_eq!(source.acknowledged(), if level == Level::Written { 10 } else { 0 });
        house.custody.sync_and_acknowledge().expect("synced");
        assert_eq!(source.acknowledged(), 10);
    }
}

#[test]
fn a_batch_of_which_a_part_is_settled_goes_on_with_the_rest() {
    let disk = SimulatedDisk::new(Rng::seeded(1));
    let (house, _) = open(&disk, Level::Written, &["out", "late"]);
    let mut source = Source::new(&house);
    source.send(&house, 10);
    source.send(&house, 10);
    house.route();
    let mut claims = house.targets[0].1.claims();
    claims[0].settle_to(7, Settled::Delivered);
    house.write().expect("written");
    let (house, found) = open(&disk.process_killed(), Level::Written, &["late", "out"]);
    let (got, _) = house.resume(found);
    assert_eq!(got, [vec![(0, 0), (10, 0)], vec![(0, 7), (10, 0)]]);
    house.write().expect("written");
    assert_eq!(house.custody.status().unsettled, 0);
}

#[test]
fn what_was_resumed_and_is_resumed_once_more_is_owed_to_the_same() {
    let disk = SimulatedDisk::new(Rng::seeded(1));
    let (house, _) = open(&disk, Level::Written, &["out", "late"]);
    Source::new(&house).send(&house, 10);
    house.route();
    house.targets[0].1.claims().remove(0).settle(Settled::Delivered);
    house.write().expect("written");
    let mut disk = disk;
    for _ in 0..3 {
        disk = disk.process_killed();
        let (house, found) = open(&disk, Level::Written, &["out", "late"]);
        assert_eq!(found.owed.len(), 1);
        let flow_of = Arc::new(|_, _: &str| Arc::default());
        let backlog =
            Backlog::new(house.custody.clone(), found, house.lanes.clone(), &Budget::new(1 << 30), flow_of);
        for next in backlog.read().expect("read") {
            let hold = backlog.share().try_take(next.bytes()).expect("there is room");
            backlog.dispatch(next, hold);
        }
        house.write().expect("written");
    }
    let (house, found) = open(&disk.process_killed(), Level::Written, &["out", "late"]);
    assert_eq!(house.resume(found).0, [vec![], vec![(0, 0)]]);
}

#[test]
fn what_is_owed_to_what_is_gone_is_counted_and_settled() {
    let disk = SimulatedDisk::new(Rng::seeded(1));
    let (house, _) = open(&disk, Level::Written, &["out", "gone"]);
    Source::new(&house).send(&house, 10);
    house.route();
    house.write().expect("written");
    let disk = disk.process_killed();
    let (house, found) = open(&disk, Level::Written, &["out"]);
    let (got, summary) = house.resume(found);
    assert_eq!(got, [vec![(0, 0)]]);
    assert_eq!(summary.orphans, [("route \"all\" to target \"gone\"".to_owned(), 10)]);
    house.write().expect("written");
    assert!(open(&disk.process_killed(), Level::Written, &["out"]).1.owed.is_empty());
}

#[test]
fn what_is_stuck_is_written_once_more_and_holds_no_segments() {
    let disk = SimulatedDisk::new(Rng::seeded(1));
    let (house, _) = open(&disk, Level::Written, &["out"]);
    let (mut stuck, mut busy) = (Source::new(&house), Source::new(&house));
    for _ in 0..3 {
        stuck.send(&house, 2);
    }
    house.route();
    let held = house.targets[0].1.claims();
    for _ in 0..500 {
        busy.send(&house, 200);
        house.route();
        for claim in house.targets[0].1.claims() {
            claim.settle(Settled::Delivered);
        }
        house.write().expect("written");
        house.custody.look_after(SEGMENT);
    }
    house.write().expect("written");
    let status = house.custody.status();
    assert!(status.moved >= 9 && status.stats.segments <= 12, "{status:?}");
    assert_eq!((held.len(), status.unsettled), (3, 3));
    let (house, found) = open(&disk.process_killed(), Level::Written, &["out"]);
    assert_eq!(house.resume(found).0, [vec![(0, 0), (2, 0), (4, 0)]]);
}

#[test]
fn a_full_journal_gets_room_when_something_is_settled() {
    let disk = SimulatedDisk::new(Rng::seeded(1));
    let (house, _) = open(&disk, Level::Written, &["out"]);
    let mut source = Source::new(&house);
    let mut sent = 0;
    let full = loop {
        source.send(&house, 500);
        sent += 500;
        house.route();
        if let Err(error) = house.write() {
            break error.to_string();
        }
        house.custody.look_after(SEGMENT);
    };
    assert!(full.contains("is full: its quota"), "{full}");
    assert!(source.acknowledged() < sent);
    for claim in house.targets[0].1.claims() {
        claim.settle(Settled::Delivered);
    }
    house.write().expect("there is room again");
    assert_eq!(source.acknowledged(), sent);
}

#[test]
fn a_batch_larger_than_a_segment_is_delivered_from_memory_and_keeps_nobody_waiting() {
    let (house, _) = open(&SimulatedDisk::new(Rng::seeded(1)), Level::Written, &["out"]);
    let mut source = Source::new(&house);
    source.send(&house, 10);
    let large = house.batch(&source.ledger, 10, 2, SEGMENT as u32);
    source.ledger.submit(large);
    source.next_seq = 12;
    source.send(&house, 10);
    house.route();
    house.write().expect("written");
    assert_eq!((source.acknowledged(), house.custody.status().unkept), (22, 1));
    for claim in house.targets[0].1.claims() {
        claim.settle(Settled::Delivered);
    }
    house.write().expect("written");
    assert_eq!(house.custody.status().unsettled, 0);
    assert_eq!(house.book().open_batches(), 0);
}

#[test]
fn a_sync_that_fails_acknowledges_nothing_until_the_records_are_durable_elsewhere() {
    let disk = SimulatedDisk::new(Rng::seeded(1));
    let (house, _) = open(&disk, Level::Synced, &["out"]);
    let mut source = Source::new(&house);
    source.send(&house, 10);
    house.route();
    house.write().expect("written");
    disk.fail_next(Operation::SyncData, 1, ErrorKind::Other);
    house.custody.sync_and_acknowledge().expect_err("the disk fails");
    assert_eq!(source.acknowledged(), 0);
    source.send(&house, 10);
    house.write().expect("written");
    for _ in 0..3 {
        let _ = house.custody.sync_and_acknowledge();
        house.write().expect("written");
    }
    assert_eq!(source.acknowledged(), 20);
    let (house, found) = open(&disk.power_cut(), Level::Synced, &["out"]);
    assert_eq!(house.resume(found).0, [vec![(0, 0), (10, 0)]]);
}
