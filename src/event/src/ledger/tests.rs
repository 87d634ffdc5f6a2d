//! What the ledger promises, step by step and under random failures.

use super::*;
use crate::batch::{Layout, Origin, Parts, Record, RecordFlags};
use crate::budget::Budget;
use crate::ids::DeviceId;
use bytes::Bytes;
use proptest::prelude::*;

mod kept;

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
    fn next(&self) -> Option<Work> {
        self.0.lock().pop_front()
    }
    fn empty(&self) {
        let all = mem::take(&mut *self.0.lock());
        drop(all);
    }
}

struct House {
    book: Arc<Book>,
    budget: Budget,
    router: Arc<Mailbox>,
    device: Arc<DeviceFlow>,
}

impl House {
    fn new() -> Self {
        let book = Book::new();
        let router = Arc::<Mailbox>::default();
        book.occupy(ROUTER, Some(router.clone()));
        Self { book, budget: Budget::new(1 << 30), router, device: Arc::default() }
    }

    fn ledger(&self, id: u64) -> Ledger {
        self.book.open_stream(StreamId(id), Arc::clone(&self.device))
    }

    fn batch(&self, stream: u64, first_seq: u64, records: u32) -> Batch {
        let record = |n| Record { offset: n * 2, len: 1, origin: 0, flags: RecordFlags::default() };
        Batch::seal(Parts {
            slab: Bytes::from("x\n".repeat(records as usize)),
            records: (0..records).map(record).collect(),
            origins: vec![Origin { device: DeviceId(1), peer: None, received: 0 }],
            stream: StreamId(stream),
            first_seq,
            layout: Layout::Delimited(b'\n'),
            hold: self.budget.share().nothing(),
        })
    }

    fn target(&self) -> (PlaceId, BranchId, Arc<TargetFlow>, Arc<Mailbox>) {
        let place = self.book.add_place();
        let flow = Arc::<TargetFlow>::default();
        let branch = self.book.add_branch([place], Some(flow.clone()));
        let mailbox = Arc::<Mailbox>::default();
        self.book.occupy(place, Some(mailbox.clone()));
        (place, branch, flow, mailbox)
    }

    fn route_all(&self, branches: &[BranchId]) {
        while let Some(work) = self.router.next() {
            for claim in work.claims {
                claim.route(branches);
            }
        }
    }
}

fn take(mailbox: &Mailbox) -> (Batch, Claim) {
    let mut work = mailbox.next().expect("work was sent");
    (work.batch, work.claims.pop().expect("work has a claim"))
}

#[test]
fn a_batch_is_freed_and_acknowledged_when_every_branch_is_settled() {
    let house = House::new();
    let ledger = house.ledger(1);
    let acknowledged = ledger.acknowledged();
    let (_, a, flow_a, box_a) = house.target();
    let (_, b, flow_b, box_b) = house.target();
    ledger.submit(house.batch(1, 0, 10));
    house.route_all(&[a, b]);
    take(&box_a).1.settle(Settled::Delivered);
    assert_eq!((*acknowledged.borrow(), house.device.held()), (0, 10));
    take(&box_b).1.settle(Settled::Dropped(Cause::Refused));
    assert_eq!((*acknowledged.borrow(), house.device.held()), (10, 0));
    assert_eq!(house.book.open_batches(), 0);
    assert_eq!((flow_a.delivered.get(), flow_b.dropped.get(Cause::Refused)), (10, 10));
}

#[test]
fn an_event_without_a_route_is_counted() {
    let house = House::new();
    let ledger = house.ledger(1);
    ledger.submit(house.batch(1, 0, 3));
    house.route_all(&[]);
    assert_eq!(house.device.dropped.get(Cause::NoRoute), 3);
    assert_eq!(house.device.held(), 0);
}

#[test]
fn a_lost_claim_goes_out_again_to_its_branch_only_from_the_first_unsettled_record() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (place, a, flow, box_a) = house.target();
    let (_, b, _, box_b) = house.target();
    ledger.submit(house.batch(1, 0, 10));
    house.route_all(&[a, b]);
    let (_, mut claim) = take(&box_a);
    claim.settle_to(4, Settled::Delivered);
    house.book.vacate(place, 1);
    drop(claim);
    assert!(box_a.next().is_none(), "nobody is there");
    house.book.occupy(place, Some(box_a.clone()));
    let (_, claim) = take(&box_a);
    assert_eq!(claim.first(), 4);
    claim.settle(Settled::Delivered);
    assert_eq!((flow.delivered.get(), flow.repeated.get()), (10, 6));
    take(&box_b).1.settle(Settled::Delivered);
    assert!(box_b.next().is_none());
    assert_eq!(house.book.open_batches(), 0);
}

#[test]
fn a_stale_claim_counts_for_nothing() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (place, a, flow, box_a) = house.target();
    ledger.submit(house.batch(1, 0, 10));
    house.route_all(&[a]);
    let (_, stale) = take(&box_a);
    house.book.vacate(place, 1);
    house.book.occupy(place, Some(box_a.clone()));
    assert!(!stale.is_current());
    stale.settle(Settled::Delivered);
    assert_eq!(flow.delivered.get(), 0);
    take(&box_a).1.settle(Settled::Delivered);
    assert_eq!(flow.delivered.get(), 10);
}

#[test]
fn what_came_while_an_actor_was_away_follows_what_it_lost() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (place, a, _, box_a) = house.target();
    ledger.submit(house.batch(1, 0, 1));
    ledger.submit(house.batch(1, 1, 1));
    house.route_all(&[a]);
    house.book.vacate(place, 1);
    ledger.submit(house.batch(1, 2, 1));
    house.route_all(&[a]);
    box_a.empty();
    house.book.occupy(place, Some(box_a.clone()));
    let order: Vec<u64> = (0..3)
        .map(|_| take(&box_a))
        .map(|(b, c)| {
            c.settle(Settled::Delivered);
            b.first_seq()
        })
        .collect();
    assert_eq!(order, [0, 1, 2]);
}

#[test]
fn a_claim_that_is_dropped_in_place_does_not_let_later_ones_overtake() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (_, a, _, box_a) = house.target();
    for seq in 0..3 {
        ledger.submit(house.batch(1, seq, 1));
    }
    house.route_all(&[a]);
    drop(take(&box_a));
    let mut order = Vec::new();
    while let Some(mut work) = box_a.next() {
        let claim = work.claims.pop().expect("work has a claim");
        if claim.is_current() {
            order.push(work.batch.first_seq());
            claim.settle(Settled::Delivered);
        }
    }
    assert_eq!(order, [0, 1, 2]);
}

#[test]
fn a_claim_that_is_dropped_while_a_place_before_is_empty_is_not_overtaken() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (stage, sender) = (house.book.add_place(), house.book.add_place());
    let branch = house.book.add_branch([stage, sender], None);
    let mailbox = Arc::<Mailbox>::default();
    house.book.occupy(sender, None);
    house.book.occupy(stage, Some(mailbox.clone()));
    ledger.submit(house.batch(1, 0, 1));
    ledger.submit(house.batch(1, 1, 1));
    house.route_all(&[branch]);
    let (first, second) = (take(&mailbox).1, take(&mailbox).1);
    assert!(first.advance() && second.advance());
    house.book.vacate(stage, 1);
    drop(first);
    assert!(!second.is_current(), "it would overtake the first");
    house.book.occupy(stage, Some(mailbox.clone()));
    assert_eq!([take(&mailbox), take(&mailbox)].map(|(batch, _)| batch.first_seq()), [0, 1]);
}

#[test]
fn a_predecessor_that_leaves_late_vacates_nothing() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (place, a, _, box_a) = house.target();
    house.book.occupy(place, Some(box_a.clone()));
    house.book.vacate(place, 1);
    ledger.submit(house.batch(1, 0, 1));
    house.route_all(&[a]);
    take(&box_a).1.settle(Settled::Delivered);
}

#[test]
fn the_router_may_die_too() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (_, a, flow, box_a) = house.target();
    ledger.submit(house.batch(1, 0, 5));
    house.book.vacate(ROUTER, 1);
    house.router.empty();
    ledger.submit(house.batch(1, 5, 5));
    assert!(house.router.next().is_none());
    house.book.occupy(ROUTER, Some(house.router.clone()));
    house.route_all(&[a]);
    while let Some(mut work) = box_a.next() {
        work.claims.pop().expect("work has a claim").settle(Settled::Delivered);
    }
    assert_eq!((flow.due(), flow.delivered.get()), (10, 10));
}

#[test]
fn exceptions_are_counted_once_and_by_their_own_cause() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (_, a, flow, box_a) = house.target();
    ledger.submit(house.batch(1, 0, 10));
    house.route_all(&[a]);
    let (_, mut claim) = take(&box_a);
    claim.except(2, Settled::Dropped(Cause::Failed));
    claim.except(7, Settled::Quarantined(Cause::Poison));
    claim.settle_to(5, Settled::Delivered);
    assert_eq!((flow.delivered.get(), flow.dropped.get(Cause::Failed)), (4, 1));
    claim.settle(Settled::Delivered);
    assert_eq!((flow.delivered.get(), flow.quarantined.get(Cause::Poison)), (8, 1));
    assert_eq!(flow.held(), 0);
}

#[test]
fn branches_with_the_same_head_get_one_work() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (stage, t1, t2) = (house.book.add_place(), house.book.add_place(), house.book.add_place());
    let a = house.book.add_branch([stage, t1], None);
    let b = house.book.add_branch([stage, t2], None);
    let mailbox = Arc::<Mailbox>::default();
    for (place, head) in [(t1, None), (t2, None), (stage, Some(mailbox.clone() as Arc<dyn Head>))] {
        house.book.occupy(place, head);
    }
    ledger.submit(house.batch(1, 0, 1));
    house.route_all(&[a, b]);
    let work = mailbox.next().expect("work was sent");
    assert_eq!(work.claims.len(), 2);
    assert!(mailbox.next().is_none());
    house.book.vacate(t2, 1);
    assert!(work.claims[0].is_current() && !work.claims[1].is_current());
}

#[test]
fn what_has_left_a_place_stays_valid_when_its_actor_goes() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (stage, sender) = (house.book.add_place(), house.book.add_place());
    let branch = house.book.add_branch([stage, sender], None);
    let mailbox = Arc::<Mailbox>::default();
    house.book.occupy(sender, None);
    house.book.occupy(stage, Some(mailbox.clone()));
    ledger.submit(house.batch(1, 0, 1));
    ledger.submit(house.batch(1, 1, 1));
    house.route_all(&[branch]);
    let (_, passed) = take(&mailbox);
    let (_, kept) = take(&mailbox);
    assert!(passed.advance());
    house.book.vacate(stage, 1);
    assert!(passed.is_current() && !kept.is_current());
    house.book.vacate(sender, 1);
    assert!(!passed.is_current());
}

#[test]
fn a_purged_branch_owes_nothing_any_more() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (_, a, flow, box_a) = house.target();
    ledger.submit(house.batch(1, 0, 4));
    house.route_all(&[a]);
    assert_eq!(house.book.outstanding(a), 1);
    assert_eq!(house.book.purge(a, Cause::Purged), 4);
    box_a.empty();
    assert_eq!((flow.dropped.get(Cause::Purged), flow.held()), (4, 0));
    assert_eq!(house.book.outstanding(a), 0);
}

#[test]
fn a_fork_is_granted_once_and_repeated_through_its_path() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (place, a, _, box_a) = house.target();
    let other = house.book.add_branch([place], None);
    ledger.submit(house.batch(1, 0, 2));
    house.route_all(&[a]);
    let (_, claim) = take(&box_a);
    let fork = claim.fork(other, 0).expect("the first who asks");
    assert!(claim.fork(other, 0).is_none());
    claim.settle(Settled::Delivered);
    drop(fork);
    let (_, again) = take(&box_a);
    assert_eq!(again.branch(), other);
    again.settle(Settled::Delivered);
    assert_eq!(house.book.open_batches(), 0);
}

#[test]
fn a_fork_does_not_overtake_an_older_one_that_is_dispatched_again() {
    let house = House::new();
    let ledger = house.ledger(1);
    let (stage, target) = (house.book.add_place(), house.book.add_place());
    let (way, chosen) = (house.book.add_branch([stage], None), house.book.add_branch([stage, target], None));
    let mailbox = Arc::<Mailbox>::default();
    house.book.occupy(stage, Some(mailbox.clone()));
    ledger.submit(house.batch(1, 0, 1));
    ledger.submit(house.batch(1, 1, 1));
    house.route_all(&[way]);
    let (_, claim) = take(&mailbox);
    drop(claim.fork(chosen, 0).expect("the first who asks"));
    claim.settle(Settled::Delivered);
    house.book.occupy(target, None);
    let (_, claim) = take(&mailbox);
    assert!(claim.fork(chosen, 0).is_none(), "the older one goes first");
    claim.settle(Settled::Delivered);
    for seq in 0..2 {
        let (batch, claim) = take(&mailbox);
        assert_eq!((batch.first_seq(), claim.branch()), (seq, chosen));
        claim.settle(Settled::Delivered);
    }
    assert_eq!(house.book.open_batches(), 0);
}

proptest! {
    /// Whatever dies whenever: each record is delivered at least once, in order for each stream and
    /// branch when repeats are taken out, and the counters add up.
    #[test]
    fn nothing_is_lost_and_order_holds_under_random_failures(
        steps in prop::collection::vec((0u8..8, 0usize..3), 1..200),
    ) {
        let house = House::new();
        let ledgers = [house.ledger(0), house.ledger(1)];
        let targets = [house.target(), house.target()];
        let branches = [targets[0].1, targets[1].1];
        let mut up = [true, true];
        let mut router_up = true;
        let (mut tenure, mut router_tenure) = ([1, 1], 1);
        let mut sent = [0u64; 2];
        let mut seen = [[0u64; 2]; 2];
        let deliver = |n: usize, seen: &mut [[u64; 2]; 2]| {
            let Some(mut work) = targets[n].3.next() else { return false };
            let mut claim = work.claims.pop().expect("work has a claim");
            if !claim.is_current() { return true }
            let next = &mut seen[n][work.batch.stream().0 as usize];
            let first = work.batch.first_seq() + u64::from(claim.first());
            assert!(first <= *next, "a gap: {first} after {next}");
            let part = work.batch.len().div_ceil(2);
            claim.settle_to(part, Settled::Delivered);
            claim.settle(Settled::Delivered);
            *next = (*next).max(work.batch.next_seq());
            true
        };
        for (what, which) in steps {
            let (stream, n) = (which % 2, which % 2);
            match what {
                0 | 1 => {
                    ledgers[stream].submit(house.batch(stream as u64, sent[stream], 3));
                    sent[stream] += 3;
                }
                2 => if router_up { house.route_all(&branches) },
                3 => { if up[n] { deliver(n, &mut seen); } }
                4 => { house.book.vacate(targets[n].0, tenure[n]); targets[n].3.empty(); up[n] = false; }
                5 => if !up[n] {
                    tenure[n] = house.book.occupy(targets[n].0, Some(targets[n].3.clone()));
                    up[n] = true;
                },
                6 => { house.book.vacate(ROUTER, router_tenure); house.router.empty(); router_up = false; }
                _ => if !router_up {
                    router_tenure = house.book.occupy(ROUTER, Some(house.router.clone()));
                    router_up = true;
                },
            }
        }
        if !router_up { house.book.occupy(ROUTER, Some(house.router.clone())); }
        for n in 0..2 {
            if !up[n] { house.book.occupy(targets[n].0, Some(targets[n].3.clone())); }
        }
        house.route_all(&branches);
        for n in 0..2 { while deliver(n, &mut seen) {} }
        for n in 0..2 {
            prop_assert_eq!(seen[n], sent);
            prop_assert_eq!(targets[n].2.delivered.get(), sent[0] + sent[1]);
            prop_assert_eq!(targets[n].2.held(), 0);
        }
        prop_assert_eq!(house.device.held(), 0);
        prop_assert_eq!(house.book.open_batches(), 0);
    }
}
