//! The spool against a sender and a disk that do as a seed says. No threads, no time: every step is a call.

use super::reader::Step;
use super::settings::{SpoolSettings, WhenSpoolFull};
use super::spool::Spool;
use crate::data::delivery::{Delivery, Door};
use crate::data::target::Target;
use crate::target::events::Events;
use crate::target::rig::Rig;
use event::{Book, Budget, Cause, Hold, PlaceId, Settled};
use journal::Environment;
use parking_lot::Mutex;
use seams::{Rng, SimulatedClock, SimulatedDisk};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const SEGMENT: u64 = 64 << 10;

/// A sender: what it was given, and whether its peer is there.
#[derive(Default)]
struct Sender {
    inbox: Mutex<VecDeque<Delivery>>,
    life: AtomicU64,
    gone: AtomicBool,
    got: Mutex<Vec<Vec<u8>>>,
}

impl Door for Sender {
    fn deliver(&self, delivery: Delivery) -> Result<(), Box<Delivery>> {
        if self.gone.load(Relaxed) {
            return Err(Box::new(delivery));
        }
        self.inbox.lock().push_back(delivery);
        Ok(())
    }

    fn place(&self, _: &Arc<Book>) -> Option<PlaceId> {
        None
    }

    fn outstanding(&self) -> u64 {
        0
    }

    fn life(&self) -> Option<u64> {
        (!self.gone.load(Relaxed)).then(|| self.life.load(Relaxed))
    }

    fn recall(&self) {
        let unbegun = std::mem::take(&mut *self.inbox.lock());
        drop(unbegun);
    }
}

impl Sender {
    /// Delivers so many deliveries whole, and so many records of the next.
    fn deliver_some(&self, whole: usize, records: u32) {
        for n in 0..=whole {
            let Some(mut delivery) = self.inbox.lock().pop_front() else { return };
            if !delivery.claim.is_current() {
                continue;
            }
            let first = delivery.claim.first();
            let upto = if n < whole { delivery.claim.records() } else { first + records };
            let upto = upto.min(delivery.claim.records());
            for event in Events::new(&delivery.payload, first).take_while(|event| event.record < upto) {
                self.got.lock().push(event.bytes.to_vec());
            }
            if upto > first {
                delivery.claim.settle_to(upto, Settled::Delivered);
            }
            if upto < delivery.claim.records() {
                self.inbox.lock().push_front(delivery);
            }
        }
    }

    fn got(&self) -> Vec<u64> {
        let got = self.got.lock();
        got.iter().map(|event| std::str::from_utf8(event).unwrap().trim().parse().unwrap()).collect()
    }

    /// It ends, with all it has, and another takes its place.
    fn restart(&self) {
        self.gone.store(true, Relaxed);
        let lost = std::mem::take(&mut *self.inbox.lock());
        drop(lost);
        self.life.fetch_add(1, Relaxed);
        self.gone.store(false, Relaxed);
    }
}

struct House {
    rig: Rig,
    hand: SimulatedClock,
    disk: SimulatedDisk,
    rng: Rng,
    settings: SpoolSettings,
    target: Arc<Target>,
    sender: Arc<Sender>,
    spool: Arc<Spool>,
    memory: Budget,
    /// What the reader waits for.
    waits: Mutex<Option<Wait>>,
    sent: u64,
}

type Wait = Pin<Box<dyn Future<Output = Hold>>>;

impl House {
    fn new(seed: u64) -> Self {
        Self::with(seed, |_| {})
    }

    fn with(seed: u64, change: impl FnOnce(&mut SpoolSettings)) -> Self {
        Self::within(&Budget::new(24 << 20), seed, change)
    }

    /// One that shares this memory.
    fn within(memory: &Budget, seed: u64, change: impl FnOnce(&mut SpoolSettings)) -> Self {
        let rng = Rng::seeded(seed);
        let mut settings = SpoolSettings {
            folder: PathBuf::from("/spool/out"),
            synced: seed.is_multiple_of(2),
            segment_bytes: SEGMENT,
            quota_bytes: 1 << 30,
            floor_bytes: 0,
            max_age: Duration::from_secs(3600),
            when_full: WhenSpoolFull::Block,
            patience: Duration::from_secs(1),
            most_bytes: 1 << 20,
            scheduled: false,
        };
        change(&mut settings);
        let (rig, hand, disk) = (Rig::new(), SimulatedClock::new(), SimulatedDisk::new(rng.fork("disk")));
        let (target, sender) = (Arc::clone(&rig.target), Arc::<Sender>::default());
        let memory = memory.clone();
        let spool = open(&target, &settings, &disk, &hand, &rng, &memory);
        let waits = Mutex::default();
        let house = Self { rig, hand, disk, rng, settings, target, sender, spool, memory, waits, sent: 0 };
        house.bind();
        house
    }

    fn bind(&self) {
        self.spool.bind(0, 1, Arc::clone(&self.sender) as Arc<dyn Door>);
    }

    /// So many events in one batch.
    fn send(&mut self, events: u64) {
        self.send_by(0, events);
    }

    /// The same by way of this port.
    fn send_by(&mut self, port: usize, events: u64) {
        let texts: Vec<String> = (self.sent..self.sent + events).map(|n| format!("{n:>40}")).collect();
        let records: Vec<&[u8]> = texts.iter().map(|text| text.as_bytes()).collect();
        self.sent += events;
        let delivery = self.rig.deliver(&records);
        self.spool.offer(port, [delivery]);
    }

    /// Time passes, and writer and reader do what they have to.
    fn step(&self, time: Duration) {
        self.hand.advance(time);
        self.spool.tick();
        let _ = self.spool.work(false);
        self.read();
        self.spool.tick();
    }

    /// What the reader does in its turn: it waits for memory, or reads.
    fn read(&self) {
        let mut waits = self.waits.lock();
        let mut context = Context::from_waker(Waker::noop());
        if let Some(wait) = &mut *waits {
            match wait.as_mut().poll(&mut context) {
                Poll::Ready(hold) => self.spool.grant(hold),
                Poll::Pending if self.spool.waits_for_memory() => return,
                Poll::Pending => {}
            }
            *waits = None;
        }
        // Where the disk fails it is tried again with the next step.
        if let Ok(Step::Waits(bytes)) = self.spool.read_back(false) {
            let spool = Arc::clone(&self.spool);
            let mut wait: Wait = Box::pin(async move { spool.memory.take(bytes).await });
            match wait.as_mut().poll(&mut context) {
                Poll::Ready(hold) => self.spool.grant(hold),
                Poll::Pending => *waits = Some(wait),
            }
        }
    }

    /// The peer is there until nothing is left.
    fn finish(&self) {
        for _ in 0..10_000 {
            self.sender.deliver_some(usize::MAX - 1, 0);
            self.step(Duration::from_millis(50));
            let settled = self.target.flow.held() == 0;
            if settled && self.spool.is_empty() && self.sender.inbox.lock().is_empty() {
                return;
            }
        }
        panic!("it never ends: {:?} {:?}", self.target.flow, self.target.spool);
    }

    /// An orderly end and a new beginning.
    fn restart(&mut self) {
        self.spool.begin_to_close();
        while !self.spool.is_closed() {
            self.step(Duration::from_millis(100));
        }
        self.sender.restart();
        self.spool.work(true).unwrap();
        self.begin_again(self.disk.clone());
    }

    fn begin_again(&mut self, disk: SimulatedDisk) {
        self.sender.restart();
        *self.waits.lock() = None;
        let before = Arc::downgrade(&self.spool);
        let other = SimulatedDisk::new(self.rng.fork("none"));
        self.spool = open(&self.target, &self.settings, &other, &self.hand, &self.rng, &self.memory);
        assert!(before.upgrade().is_none(), "somebody holds the old spool");
        self.disk = disk;
        // What waited is counted anew when it is opened.
        let waited = self.target.spool.flow.held();
        self.target.spool.flow.settle(waited, Settled::NotMine);
        self.spool = open(&self.target, &self.settings, &self.disk, &self.hand, &self.rng, &self.memory);
        self.bind();
    }

    fn assert_each_once_in_order(&self) {
        let got = self.sender.got();
        let wrong = got.iter().copied().zip(0..).find(|(line, n)| line != n);
        assert_eq!(wrong, None, "an event, and the one that should be there");
        assert_eq!(got.len() as u64, self.sent);
    }

    fn segments(&self) -> Vec<PathBuf> {
        use seams::Disk;
        let entries = self.disk.list(&self.settings.folder).unwrap();
        let names = entries
            .into_iter()
            .map(|entry| entry.name)
            .filter(|name| name.contains('-') && !name.contains("delivered"));
        let mut files: Vec<PathBuf> = names.map(|name| self.settings.folder.join(name)).collect();
        files.sort();
        files
    }
}

fn open(
    target: &Arc<Target>,
    settings: &SpoolSettings,
    disk: &SimulatedDisk,
    hand: &SimulatedClock,
    rng: &Rng,
    memory: &Budget,
) -> Arc<Spool> {
    let environment =
        Environment { disk: Arc::new(disk.clone()), clock: hand.clock(), rng: rng.fork("spool") };
    Spool::new(Arc::clone(target), settings.clone(), environment, memory)
}

#[test]
fn each_event_comes_once_and_in_order_however_the_peer_comes_and_goes() {
    let seeds = std::env::var("SPOOL_SEEDS").ok().and_then(|n| n.parse().ok()).unwrap_or(150);
    let (mut diverted, mut from_disk) = (0, 0);
    for seed in 0..seeds {
        let mut house = House::new(seed);
        let rng = house.rng.fork("what happens");
        let mut up = true;
        for _ in 0..rng.below(150) {
            match rng.below(20) {
                0 | 1 => up = !up,
                2 => house.sender.restart(),
                3 if rng.chance(1, 4) => house.restart(),
                4 => house.step(Duration::from_millis(rng.below(3000))),
                5..=9 => house.send(1 + rng.below(200)),
                10..=15 if up => {
                    house.sender.deliver_some(rng.below(5) as usize, rng.below(100) as u32);
                }
                _ => house.step(Duration::from_millis(rng.below(400))),
            }
        }
        house.finish();
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| house.assert_each_once_in_order()))
            .map_err(|panic| {
                eprintln!("seed {seed}");
                std::panic::resume_unwind(panic)
            });
        let flow = &house.target.flow;
        assert_eq!(flow.spooled.get() + flow.delivered.get(), house.sent, "seed {seed}");
        assert_eq!(house.target.spool.flow.held(), 0, "seed {seed}");
        assert_eq!(house.target.spool.bytes.load(Relaxed), 0, "seed {seed}");
        diverted += house.target.spool.diverted.get();
        from_disk += flow.spooled.get();
    }
    assert!(diverted > seeds && from_disk > 10 * seeds, "hardly anything went through the spool");
}

#[test]
fn after_a_kill_everything_comes_at_least_once_and_what_is_repeated_is_in_order() {
    for seed in 0..50 {
        let mut house = House::new(seed);
        (0..20).for_each(|_| house.send(50));
        house.step(Duration::from_secs(2));
        house.step(Duration::from_secs(2));
        assert_eq!(house.target.flow.spooled.get(), 1000);
        house.sender.deliver_some(house.rng.below(20) as usize, house.rng.below(50) as u32);
        if house.rng.chance(1, 2) {
            house.step(Duration::from_millis(1));
        }
        let disk = house.disk.process_killed();
        house.begin_again(disk);
        house.finish();
        let got = house.sender.got();
        let repeats = got.windows(2).filter(|pair| pair[0] + 1 != pair[1]).count();
        assert!(repeats <= 1, "seed {seed}: it goes back once");
        let distinct: std::collections::BTreeSet<u64> = got.into_iter().collect();
        assert_eq!(distinct.len(), 1000, "seed {seed}");
    }
}

#[test]
fn what_was_on_disk_takes_the_sender_that_its_stream_has_anyway() {
    for port in [0, 1] {
        let mut house = House::new(2);
        let senders = [Arc::clone(&house.sender), Arc::default()];
        for (n, sender) in senders.iter().enumerate() {
            house.spool.bind(n, 2, Arc::clone(sender) as Arc<dyn Door>);
        }
        (0..4).for_each(|_| house.send_by(port, 50));
        (0..2).for_each(|_| house.step(Duration::from_secs(2)));
        (0..4).for_each(|_| house.send_by(port, 50));
        for _ in 0..100 {
            house.step(Duration::from_millis(50));
            senders[port].deliver_some(usize::MAX - 1, 0);
        }
        assert_eq!(house.target.flow.spooled.get(), 400);
        assert_eq!(senders[port].got(), (0..400).collect::<Vec<u64>>());
        assert!(senders[1 - port].inbox.lock().is_empty());
    }
}

#[test]
fn a_disk_that_fails_at_the_start_is_not_taken_for_an_empty_spool() {
    let mut house = House::new(2);
    (0..4).for_each(|_| house.send(50));
    house.restart();
    assert_eq!(house.target.flow.spooled.get(), 200);
    house.disk.fail_next(seams::Operation::List, 1, std::io::ErrorKind::Other);
    house.step(Duration::from_millis(50));
    house.send(10);
    house.finish();
    house.assert_each_once_in_order();
}

#[test]
fn a_read_that_fails_after_a_sender_lost_something_is_made_again() {
    let mut house = House::new(1);
    house.send(50);
    house.step(Duration::from_secs(2));
    house.step(Duration::from_secs(2));
    house.sender.restart();
    house.disk.fail_next(seams::Operation::Open, 1, std::io::ErrorKind::Other);
    house.finish();
    house.assert_each_once_in_order();
}

#[test]
fn a_power_cut_loses_nothing_that_counts_as_spooled_when_that_means_synced() {
    for seed in (0..100).step_by(2) {
        let mut house = House::new(seed);
        let (batches, moment) = (house.rng.below(30), house.rng.below(6));
        (0..=batches).for_each(|_| house.send(50));
        (0..moment).for_each(|_| house.step(Duration::from_millis(400)));
        let (spooled, delivered) = (house.target.flow.spooled.get(), house.sender.got().len() as u64);
        let disk = house.disk.power_cut();
        house.begin_again(disk);
        // What is not spooled is its source's to send again; here it stays in the hands of the book.
        for _ in 0..200 {
            house.sender.deliver_some(usize::MAX - 1, 0);
            house.step(Duration::from_millis(50));
        }
        let got: std::collections::BTreeSet<u64> = house.sender.got().into_iter().collect();
        assert!((0..spooled).all(|n| got.contains(&n)), "seed {seed}: {delivered} before, {spooled} spooled");
    }
}

#[test]
fn a_disk_that_is_full_in_any_one_call_delays_and_loses_nothing() {
    let mut failed = 0;
    for call in 0..120 {
        let mut house = House::new(call);
        house.disk.fail_at(call, std::io::ErrorKind::StorageFull);
        let before = house.disk.operations();
        for _ in 0..30 {
            house.send(50);
            house.step(Duration::from_millis(200));
        }
        failed += u64::from(before <= call && call < house.disk.operations());
        house.finish();
        house.assert_each_once_in_order();
    }
    assert!(failed > 60, "only {failed} calls failed");
}

#[test]
fn a_disk_that_can_only_be_read_makes_sources_wait_and_goes_on_by_itself() {
    let mut house = House::new(8);
    house.sender.gone.store(true, Relaxed);
    house.disk.set_read_only(true);
    (0..20).for_each(|_| house.send(50));
    (0..5).for_each(|_| house.step(Duration::from_secs(1)));
    assert_eq!((house.target.flow.spooled.get(), house.target.flow.held()), (0, 1000));
    let trouble = house.spool.work(false).unwrap_err().to_string();
    assert!(trouble.contains("/spool/out") && trouble.contains("write access"), "{trouble}");
    house.disk.set_read_only(false);
    house.sender.restart();
    house.finish();
    house.assert_each_once_in_order();
}

#[test]
fn a_clock_that_jumps_by_a_day_drops_nothing() {
    for day in [-1_i64, 1] {
        let mut house = House::with(9, |settings| settings.max_age = Duration::from_secs(3600));
        house.sender.gone.store(true, Relaxed);
        for n in 0..100 {
            house.send(50);
            house.step(Duration::from_secs(1));
            if n == 50 {
                let seconds = seams::SimulatedClock::START_SECONDS.saturating_add_signed(day * 86_400);
                house.hand.set_wall(std::time::UNIX_EPOCH + Duration::from_secs(seconds));
            }
        }
        (0..30).for_each(|_| house.step(Duration::from_secs(1)));
        assert!(house.segments().len() > 3, "there was something to drop");
        house.sender.restart();
        house.finish();
        house.assert_each_once_in_order();
    }
}

#[test]
fn what_is_purged_is_dropped_and_counted_and_what_comes_later_is_delivered() {
    for seed in 0..30 {
        let mut house = House::new(seed);
        (0..100).for_each(|_| house.send(50));
        (0..3).for_each(|_| house.step(Duration::from_secs(2)));
        house.sender.deliver_some(house.rng.below(20) as usize, house.rng.below(50) as u32);
        let (before, files) = (house.sender.got().len() as u64, house.segments().len());
        let purged = house.spool.purge().unwrap();
        let flow = &house.target.spool.flow;
        assert_eq!(purged.deliveries + before, 5000, "seed {seed}");
        assert_eq!((flow.held(), flow.dropped.get(Cause::Purged)), (0, purged.deliveries));
        assert_eq!(house.target.spool.bytes.load(Relaxed), 0);
        assert!(house.spool.is_empty() && house.segments().len() < files, "its disk is given back");
        assert_eq!(house.spool.purge().unwrap(), Default::default(), "there is no more");
        if house.rng.chance(1, 2) {
            house.restart();
        }
        house.send(50);
        house.finish();
        let got = house.sender.got();
        assert_eq!(got[before as usize..], (5000..5050).collect::<Vec<u64>>(), "seed {seed}");
    }
}

#[test]
fn spools_stay_within_the_memory_that_they_share_for_what_is_read_back() {
    const CAPACITY: u64 = 512 << 10;
    let memory = Budget::new(CAPACITY);
    let wide = |settings: &mut SpoolSettings| settings.segment_bytes = 1 << 20;
    let mut houses: Vec<House> = (0..12).map(|n| House::within(&memory, 2 * n + 1, wide)).collect();
    for house in &mut houses {
        (0..200).for_each(|_| house.send(50));
        (0..2).for_each(|_| house.step(Duration::from_secs(2)));
        assert_eq!(house.target.flow.spooled.get(), 10_000);
    }
    // All want all of it, and nobody takes anything.
    for _ in 0..200 {
        houses.iter().for_each(|house| house.step(Duration::from_millis(100)));
        assert!(memory.used() <= CAPACITY, "{}", memory.used());
    }
}

#[test]
fn a_lost_cursor_repeats_and_never_blocks() {
    use seams::Disk;
    let mut house = House::new(1);
    (0..10).for_each(|_| house.send(50));
    house.step(Duration::from_secs(2));
    house.step(Duration::from_secs(2));
    house.sender.deliver_some(5, 0);
    house.restart();
    house.disk.remove(&house.settings.folder.join("cursors")).unwrap();
    house.finish();
    let got = house.sender.got();
    assert_eq!(got, (0..250).chain(0..500).collect::<Vec<u64>>());
}

#[test]
fn damaged_bytes_are_set_aside_and_counted_and_the_rest_is_delivered() {
    for seed in 0..30 {
        let mut house = House::new(seed);
        (0..40).for_each(|_| house.send(50));
        house.sender.gone.store(true, Relaxed);
        house.step(Duration::from_secs(2));
        house.step(Duration::from_secs(2));
        assert_eq!(house.target.flow.spooled.get(), 2000);
        let files = house.segments();
        for _ in 0..house.rng.below(4) {
            let file = &files[house.rng.below(files.len() as u64) as usize];
            house.disk.flip_bit(file, 4096 + house.rng.below(SEGMENT - 4096), 3);
        }
        house.sender.restart();
        house.finish();
        let (got, damaged) = (house.sender.got(), house.target.spool.flow.dropped.get(Cause::Damaged));
        assert!(got.is_sorted(), "seed {seed}");
        assert_eq!(got.len() as u64 + damaged, 2000, "seed {seed}");
        assert_eq!(house.target.spool.flow.delivered.get(), got.len() as u64);
    }
}

#[test]
fn a_full_disk_makes_sources_wait_and_goes_on_by_itself() {
    let mut house = House::new(3);
    house.disk.set_capacity(4 * SEGMENT);
    (0..300).for_each(|_| house.send(50));
    for _ in 0..10 {
        house.step(Duration::from_secs(1));
    }
    let (spooled, held) = (house.target.flow.spooled.get(), house.target.flow.held());
    assert!(spooled > 0 && held > 0 && spooled + held == 15_000, "{spooled} {held}");
    house.disk.set_capacity(1 << 30);
    house.step(Duration::from_secs(1));
    assert_eq!(house.target.flow.spooled.get(), 15_000);
    house.finish();
    house.assert_each_once_in_order();
}

#[test]
fn a_full_spool_drops_the_oldest_where_it_was_told_to_and_counts_them() {
    let mut house = House::with(4, |settings| {
        settings.quota_bytes = 4 * SEGMENT;
        settings.when_full = WhenSpoolFull::DropOldest;
    });
    house.sender.gone.store(true, Relaxed);
    for _ in 0..300 {
        house.send(50);
        house.step(Duration::from_millis(100));
    }
    house.step(Duration::from_secs(2));
    assert_eq!(house.target.flow.spooled.get(), 15_000, "nobody waits");
    house.sender.restart();
    house.finish();
    let (got, dropped) = (house.sender.got(), house.target.spool.flow.dropped.get(Cause::Quota));
    assert!(dropped > 0 && got.is_sorted());
    assert_eq!(got.len() as u64 + dropped, 15_000);
    assert_eq!(got.last(), Some(&14_999), "the newest are kept");
}

#[test]
fn what_is_too_old_is_dropped_and_counted() {
    let mut house = House::with(5, |settings| settings.max_age = Duration::from_secs(600));
    house.sender.gone.store(true, Relaxed);
    for _ in 0..300 {
        house.send(50);
        house.step(Duration::from_secs(10));
    }
    house.step(Duration::from_secs(20));
    let dropped = house.target.spool.flow.dropped.get(Cause::Age);
    assert!((7_000..14_000).contains(&dropped), "{dropped}");
    house.sender.restart();
    house.finish();
    let dropped = house.target.spool.flow.dropped.get(Cause::Age);
    assert_eq!(house.sender.got(), (dropped..15_000).collect::<Vec<u64>>());
}

#[test]
fn deliveries_wait_for_the_schedule_and_then_all_come() {
    let mut house = House::with(6, |settings| settings.scheduled = true);
    (0..10).for_each(|_| house.send(50));
    (0..10).for_each(|_| house.step(Duration::from_secs(1)));
    assert_eq!((house.target.flow.spooled.get(), house.sender.inbox.lock().len()), (500, 0));
    house.spool.begin_run();
    house.finish();
    house.assert_each_once_in_order();
    house.send(50);
    (0..10).for_each(|_| house.step(Duration::from_secs(1)));
    assert!(house.sender.inbox.lock().is_empty(), "the run is over");
    house.spool.begin_run();
    house.finish();
    house.assert_each_once_in_order();
}

#[test]
fn a_hundred_thousand_records_of_one_event_are_read_back_with_little_in_memory() {
    let mut house = House::with(7, |settings| settings.segment_bytes = 32 << 20);
    house.sender.gone.store(true, Relaxed);
    for n in 0..100_000 {
        house.send(1);
        if n % 1000 == 0 {
            house.step(Duration::from_millis(500));
        }
    }
    house.step(Duration::from_secs(2));
    assert_eq!(house.target.flow.spooled.get(), 100_000);
    house.sender.restart();
    let mut most = 0;
    while house.sender.got.lock().len() < 100_000 {
        house.step(Duration::from_millis(1));
        most = most.max(house.sender.inbox.lock().len());
        house.sender.deliver_some(500, 0);
    }
    assert!(most < 60_000, "{most} at once");
    house.finish();
    house.assert_each_once_in_order();
}
