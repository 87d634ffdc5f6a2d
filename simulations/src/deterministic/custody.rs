//! Ledger, journal and backlog together, over several lives of a process: what was acknowledged is delivered, whatever happened.
//!
//! ```text
//!   peers ─▶ sources ─▶ book ─▶ router ─▶ two targets          what a life has not settled,
//!                        │ notes                                the next one reads back and goes on with
//!                        ▼
//!                     custody ─▶ journal on the simulated disk ─▶ backlog
//! ```
//!
//! Every event has a number. The world remembers which were acknowledged and which a target got; at the end each that was
//! acknowledged has to be at both. In between there are writes and syncs that fail, a full disk, targets that die, and ends of
//! the process at any moment: by a kill, or, where that is promised to be survived, by a power cut.

use super::bugs::Bug;
use super::records::{Mailbox, batch_of, number};
use super::trace::{Trace, note};
use super::world::{Kept, World, promise};
use actors::data::lane::Lanes;
use actors::journal::backlog::Next;
use actors::journal::index::Found;
use actors::journal::keys::key;
use actors::journal::{Backlog, BranchKeys, Custody, Level, Opened};
use event::ledger::{ROUTER, Work};
use event::{Batch, Book, BranchId, Budget, Claim, DeviceFlow, Ledger, PlaceId, Settled, Share};
use journal::{Environment, Options};
use seams::{Operation, Rng, SimulatedClock, SimulatedDisk};
use std::collections::{BTreeSet, VecDeque};
use std::io::ErrorKind;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const SEGMENT: u64 = 16 << 10;
const SOURCES: usize = 3;
const TARGETS: usize = 2;
const NAMES: [&str; TARGETS] = ["out", "late"];
/// Room for what is read back.
const BACKLOG_BYTES: u64 = 8 << 10;

/// See the module.
pub struct CustodyWorld {
    disk: SimulatedDisk,
    time: SimulatedClock,
    chance: Rng,
    /// What is promised; what the product is told is the same but for a mistake.
    promised: Level,
    life: Option<Life>,
    budget: Budget,
    share: Share,
    /// By number.
    events: Vec<Event>,
    bug: Option<Bug>,
}

/// An event as its peer and the targets know it.
#[derive(Clone, Copy, Default)]
struct Event {
    acknowledged: bool,
    got: [bool; TARGETS],
}

/// What one process has.
struct Life {
    lanes: Lanes,
    custody: Custody,
    router: Arc<Mailbox>,
    targets: Vec<Target>,
    sources: Vec<Source>,
    backlog: Backlog,
    /// Read back, and waiting for room.
    read: VecDeque<Next>,
}

struct Target {
    place: PlaceId,
    branch: BranchId,
    mailbox: Arc<Mailbox>,
    tenure: u64,
    hands: VecDeque<(Batch, Claim)>,
    /// What it got since it, or the process, began.
    got: BTreeSet<u64>,
}

struct Source {
    ledger: Ledger,
    acknowledged: watch::Receiver<u64>,
    next_seq: u64,
    /// Not acknowledged: number behind the last record, and the events.
    waiting: VecDeque<(u64, Range<u64>)>,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Step {
    /// A source hands over so many events.
    Sends {
        /// Which one.
        source: u64,
        /// How many.
        events: u64,
    },
    /// The router routes all that is there.
    Routes,
    /// A target delivers so many records of what comes next.
    Delivers {
        /// Which one.
        target: u64,
        /// How many.
        records: u32,
    },
    /// A target dies, and another takes its place.
    Dies(u64),
    /// The writer writes.
    Writes,
    /// The syncer syncs.
    Syncs,
    /// The upkeep looks after the segments.
    LooksAfter,
    /// Some of what an earlier process left is read back.
    ReadsBack,
    /// One of the next calls to the disk fails.
    Fails(u64),
    /// The next syncs fail.
    FailsToSync(u64),
    /// The disk has room for so many more segments.
    Room(u64),
    /// The machine stops in one of the next calls.
    Stops(u64),
    /// The process ends, and another begins.
    Crashes {
        /// By a power cut, where that is to be survived.
        power: bool,
    },
}

impl CustodyWorld {
    fn open(&mut self) -> Option<Life> {
        let environment = Environment {
            disk: Arc::new(self.disk.clone()),
            clock: self.time.clock(),
            rng: self.chance.fork("custody"),
        };
        let options = Options {
            segment_bytes: SEGMENT,
            quota_bytes: 32 * SEGMENT,
            floor_bytes: 0,
            ..Options::default()
        };
        let level = match self.bug {
            Some(Bug::AcknowledgesTheWritten) => Level::Written,
            _ => self.promised,
        };
        let keys = BranchKeys::default();
        let opened = Custody::open(environment, Path::new("/journal"), options, level, keys.clone());
        let Opened { custody, found, .. } = opened.ok()?;
        let lanes = Lanes::start(1).ok()?;
        Some(self.furnish(lanes, custody, found, &keys))
    }

    fn furnish(&self, lanes: Lanes, custody: Custody, found: Found, keys: &BranchKeys) -> Life {
        let (lane, router) = (Arc::clone(&lanes.all()[0]), Arc::<Mailbox>::default());
        custody.keep(0, &lane.book);
        lane.book.occupy(ROUTER, Some(router.clone()));
        let target = |name: &&str| {
            let (place, mailbox) = (lane.book.add_place(), Arc::<Mailbox>::default());
            let branch = lane.book.add_branch([place], None);
            keys.add(&key("all", name, ""), &[branch]);
            let tenure = lane.book.occupy(place, Some(mailbox.clone()));
            Target { place, branch, mailbox, tenure, hands: VecDeque::new(), got: BTreeSet::new() }
        };
        let targets = NAMES.iter().map(target).collect();
        let source = |_| {
            let ledger = lane.open_stream(Arc::default());
            Source { acknowledged: ledger.acknowledged(), ledger, next_seq: 0, waiting: VecDeque::new() }
        };
        let sources = (0..SOURCES).map(source).collect();
        let flow = Arc::<DeviceFlow>::default();
        let flow_of = Arc::new(move |_, _: &str| Arc::clone(&flow));
        let memory = Budget::new(BACKLOG_BYTES);
        let backlog = Backlog::new(custody.clone(), found, lanes.clone(), &memory, flow_of);
        Life { lanes, custody, router, targets, sources, backlog, read: VecDeque::new() }
    }

    fn sends(&mut self, source: usize, events: u64, trace: &mut Trace) {
        let (Some(life), Some(hold)) = (&mut self.life, self.share.try_take(events as u32 * 24)) else {
            return note!(trace, "no room in memory");
        };
        let first = self.events.len() as u64;
        self.events.resize(self.events.len() + events as usize, Event::default());
        let source = &mut life.sources[source];
        let batch = batch_of(source.ledger.stream(), source.next_seq, first..first + events, 20, hold);
        source.next_seq = batch.next_seq();
        source.waiting.push_back((source.next_seq, first..first + events));
        source.ledger.submit(batch);
        note!(trace, "{first} and up");
    }

    fn delivers(&mut self, n: usize, records: u32, trace: &mut Trace) -> Kept {
        let Some(life) = &mut self.life else { return Ok(()) };
        let target = &mut life.targets[n];
        target.take();
        while target.hands.pop_front_if(|(_, claim)| !claim.is_current()).is_some() {}
        let Some((batch, mut claim)) = target.hands.pop_front() else { return Ok(()) };
        let (first, upto) = (claim.first(), claim.first().saturating_add(records).min(batch.len()));
        for record in first..upto {
            let event = number(batch.bytes(record)).unwrap_or(u64::MAX);
            let known = self.events.get_mut(event as usize);
            promise!("nothing is invented", known.is_some(), "target {n} got {event}");
            promise!(
                "twice only after a loss",
                target.got.insert(event),
                "target {n} got {event} twice, and nothing was lost"
            );
            known.into_iter().for_each(|known| known.got[n] = true);
        }
        claim.settle_to(upto, Settled::Delivered);
        if let Some(stream) = (self.bug == Some(Bug::SettlesForOthers)).then(|| batch.stream()) {
            let other = &mut life.targets[(n + 1) % TARGETS];
            other.take();
            let same = |(b, _): &(Batch, Claim)| b.stream() == stream && b.first_seq() == batch.first_seq();
            if let Some(at) = other.hands.iter().position(same)
                && let Some((_, claim)) = other.hands.remove(at)
            {
                claim.settle(Settled::Delivered);
            }
        }
        note!(trace, "{} records", upto - first);
        if upto < batch.len() {
            life.targets[n].hands.push_front((batch, claim));
        }
        Ok(())
    }

    fn reads_back(&mut self, trace: &mut Trace) {
        let Some(life) = &mut self.life else { return };
        if life.read.is_empty() {
            match life.backlog.read() {
                Ok(read) => life.read.extend(read),
                Err(_) => note!(trace, "failed"),
            }
        }
        let mut dispatched = 0;
        while let Some(next) = life.read.front() {
            let Some(hold) = life.backlog.share().try_take(next.bytes()) else { break };
            let Some(next) = life.read.pop_front() else { break };
            life.backlog.dispatch(next, hold);
            dispatched += 1;
        }
        note!(trace, "{dispatched} batches");
    }

    /// What sources heard.
    fn hear(&mut self) {
        let Some(life) = &mut self.life else { return };
        for source in &mut life.sources {
            let upto = *source.acknowledged.borrow();
            while let Some((_, events)) = source.waiting.pop_front_if(|(next, _)| *next <= upto) {
                for event in events {
                    self.events[event as usize].acknowledged = true;
                }
            }
        }
    }

    fn crashes(&mut self, power: bool, trace: &mut Trace) -> Kept {
        let power = power && self.promised == Level::Synced;
        // The old process goes on into the void; nothing of it reaches the disk any more.
        let killed = self.disk.process_killed();
        self.life = None;
        self.disk = if power { killed.power_cut() } else { killed };
        note!(trace, "{}", if power { "power cut" } else { "killed" });
        self.life = self.open();
        if self.life.is_none() {
            // A full disk may keep it from being opened, and nothing else.
            self.disk.set_capacity(1 << 30);
            self.life = self.open();
            promise!("damage is no reason not to open", self.life.is_some(), "it can't be opened");
        }
        let left = self.life.as_ref().map_or(0, |life| life.backlog.len());
        note!(trace, "{left} batches are owed");
        Ok(())
    }

    fn book(&self) -> Option<&Arc<Book>> {
        self.life.as_ref().map(|life| &life.lanes.all()[0].book)
    }
}

impl Target {
    /// Moves what lies in the mailbox into its hands.
    fn take(&mut self) {
        while let Some(Work { batch, claims }) = self.mailbox.next() {
            claims.into_iter().for_each(|claim| self.hands.push_back((batch.clone(), claim)));
        }
    }
}

impl Life {
    fn routes(&self) {
        let branches: Vec<BranchId> = self.targets.iter().map(|target| target.branch).collect();
        while let Some(work) = self.router.next() {
            work.claims.into_iter().for_each(|claim| claim.route(&branches));
        }
    }

    fn dies(&mut self, n: usize) {
        let (book, target) = (&self.lanes.all()[0].book, &mut self.targets[n]);
        book.vacate(target.place, target.tenure);
        target.hands.clear();
        target.mailbox.throw_away();
        target.got.clear();
        target.tenure = book.occupy(target.place, Some(target.mailbox.clone()));
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        self.router.end();
        for target in &mut self.targets {
            target.mailbox.end();
            target.hands.clear();
        }
        self.lanes.all().iter().for_each(|lane| lane.book.keep_no_more());
    }
}

impl World for CustodyWorld {
    const NAME: &'static str = "custody";
    const ABOUT: &'static str = "ledger and journal over several lives: what was acknowledged is delivered";
    const KINDS: &'static [u64] = &[12, 8, 12, 1, 8, 6, 3, 6, 2, 1, 1, 1, 2];
    const MOST_STEPS: u64 = 160;
    type Step = Step;

    fn draw(kind: usize, rng: &Rng) -> Step {
        match kind {
            0 => Step::Sends { source: rng.below(SOURCES as u64), events: 1 + rng.below(60) },
            1 => Step::Routes,
            2 => Step::Delivers { target: rng.below(TARGETS as u64), records: 1 + rng.below(60) as u32 },
            3 => Step::Dies(rng.below(TARGETS as u64)),
            4 => Step::Writes,
            5 => Step::Syncs,
            6 => Step::LooksAfter,
            7 => Step::ReadsBack,
            8 => Step::Fails(rng.below(4)),
            9 => Step::FailsToSync(1 + rng.below(3)),
            10 => Step::Room(rng.below(4)),
            11 => Step::Stops(rng.below(20)),
            _ => Step::Crashes { power: rng.chance(1, 2) },
        }
    }

    fn begin(chance: &Rng, bug: Option<Bug>) -> Self {
        let promised = match bug {
            Some(Bug::AcknowledgesTheWritten) => Level::Synced,
            _ if chance.chance(1, 2) => Level::Synced,
            _ => Level::Written,
        };
        let (disk, budget) = (SimulatedDisk::new(chance.fork("disk")), Budget::new(256 << 10));
        let share = budget.share();
        let (time, chance) = (SimulatedClock::new(), chance.fork("lives"));
        let mut world =
            Self { disk, time, chance, promised, life: None, budget, share, events: Vec::new(), bug };
        world.life = world.open();
        world
    }

    fn act(&mut self, step: &Step, trace: &mut Trace) -> Kept {
        let Some(life) = &mut self.life else { return Ok(()) };
        match *step {
            Step::Sends { source, events } => self.sends(source as usize % SOURCES, events, trace),
            Step::Routes => life.routes(),
            Step::Delivers { target, records } => {
                return self.delivers(target as usize % TARGETS, records, trace);
            }
            Step::Dies(target) => life.dies(target as usize % TARGETS),
            Step::Writes => note!(trace, "{}", life.custody.write(Duration::ZERO).is_ok()),
            Step::Syncs => note!(trace, "{}", life.custody.sync_and_acknowledge().is_ok()),
            Step::LooksAfter => note!(trace, "{}", life.custody.look_after(SEGMENT).is_none()),
            Step::ReadsBack => self.reads_back(trace),
            Step::Fails(call) => self.disk.fail_at(self.disk.operations() + call, ErrorKind::Other),
            Step::FailsToSync(times) => self.disk.fail_next(Operation::SyncData, times, ErrorKind::Other),
            Step::Room(segments) => self.disk.set_capacity(self.disk.used_bytes() + segments * SEGMENT),
            Step::Stops(call) => self.disk.stop_at(self.disk.operations() + call),
            Step::Crashes { power } => return self.crashes(power, trace),
        }
        Ok(())
    }

    fn check(&mut self) -> Kept {
        self.hear();
        Ok(())
    }

    /// The process ends once more; then all goes well until nothing is owed.
    fn finish(&mut self, trace: &mut Trace) -> Kept {
        self.crashes(true, trace)?;
        self.disk.set_capacity(1 << 30);
        let quiet = &mut Trace::default();
        for _ in 0..2000 {
            self.reads_back(quiet);
            if let Some(life) = &self.life {
                life.routes();
            }
            for target in 0..TARGETS {
                self.delivers(target, u32::MAX / 2, quiet)?;
            }
            let Some(life) = &self.life else { break };
            let well =
                life.custody.write(Duration::ZERO).is_ok() && life.custody.sync_and_acknowledge().is_ok();
            promise!("a healthy journal takes records", well, "it does not");
            let open = self.book().map_or(0, |book| book.open_batches());
            if open == 0 && life.read.is_empty() && life.backlog.is_empty() {
                break;
            }
        }
        let lost: Vec<usize> = (0..self.events.len())
            .filter(|n| self.events[*n].acknowledged && self.events[*n].got != [true; TARGETS])
            .collect();
        promise!(
            "P1: what was acknowledged is delivered",
            lost.is_empty(),
            "{} of {} events are not at every target, the first is {:?}",
            lost.len(),
            self.events.len(),
            lost.first()
        );
        self.crashes(false, trace)?;
        let left = self.life.as_ref().map_or(0, |life| life.backlog.len());
        promise!("what is settled is not repeated", left == 0, "{left} batches are owed by nobody");
        self.life = None;
        let used = self.budget.used();
        promise!("R1: all is given back", used == 0, "{used} bytes are held at the end");
        Ok(())
    }
}
