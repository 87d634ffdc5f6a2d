//! A target's spool: a peer that comes and goes, a sender that dies, a disk that fails, and ends of the process at any moment.
//!
//! The source has a checkpoint, as a followed file has: after a crash it begins again behind what was acknowledged, which is
//! what was delivered or is in the spool. So the peer has to get every event in order and without a gap; once, and where the process
//! crashed at least once.

use super::bugs::Bug;
use super::records::{Mailbox, batch, number};
use super::trace::{Trace, note};
use super::world::{Kept, World, promise};
use actors::data::delivery::{Delivery, Door, Payload};
use actors::data::target::Target;
use actors::target::events::Events;
use actors::target::spool::{Spool, SpoolSettings, WhenSpoolFull};
use event::ledger::ROUTER;
use event::{Book, BranchId, Budget, Ledger, PlaceId, Settled, Share, StreamId};
use journal::Environment;
use parking_lot::Mutex;
use seams::{Operation, Rng, SimulatedClock, SimulatedDisk};
use std::collections::VecDeque;
use std::io::ErrorKind;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

const SEGMENT: u64 = 32 << 10;
/// Memory for what is read back; each spool has a little of its own beside it.
const READ_BACK_BYTES: u64 = 32 << 10;

/// See the module.
pub struct SpoolWorld {
    disk: SimulatedDisk,
    time: SimulatedClock,
    chance: Rng,
    settings: SpoolSettings,
    life: Life,
    up: bool,
    /// Events that there are.
    sent: u64,
    /// What the peer got: the next that it never had, and the last.
    next: u64,
    last: Option<u64>,
    /// After a power cut: events from here on were not acknowledged.
    early_from: Option<u64>,
    /// How often it may go back.
    backs: u32,
    bug: Option<Bug>,
}

/// What one process has.
struct Life {
    target: Arc<Target>,
    spool: Arc<Spool>,
    sender: Arc<Sender>,
    source: Source,
}

/// A file that is read from its checkpoint on.
struct Source {
    book: Arc<Book>,
    ledger: Ledger,
    acknowledged: watch::Receiver<u64>,
    branch: BranchId,
    router: Arc<Mailbox>,
    gate: Arc<Mailbox>,
    share: Share,
    /// Where it began, and what it reads next.
    began: u64,
    next: u64,
}

/// A sender: what it was given.
#[derive(Default)]
struct Sender(Mutex<SenderState>);

impl Drop for Source {
    fn drop(&mut self) {
        self.router.end();
        self.gate.end();
    }
}

#[derive(Default)]
struct SenderState {
    inbox: VecDeque<Delivery>,
    life: u64,
    gone: bool,
}

impl Door for Sender {
    fn deliver(&self, delivery: Delivery) -> Result<(), Box<Delivery>> {
        let mut state = self.0.lock();
        if state.gone {
            return Err(Box::new(delivery));
        }
        state.inbox.push_back(delivery);
        Ok(())
    }

    fn place(&self, _: &Arc<Book>) -> Option<PlaceId> {
        None
    }

    fn outstanding(&self) -> u64 {
        self.0.lock().inbox.len() as u64
    }

    fn life(&self) -> Option<u64> {
        let state = self.0.lock();
        (!state.gone).then_some(state.life)
    }

    fn recall(&self) {
        let unbegun = std::mem::take(&mut self.0.lock().inbox);
        drop(unbegun);
    }
}

impl Sender {
    fn next(&self) -> Option<Delivery> {
        self.0.lock().inbox.pop_front()
    }

    /// Ends, with all that it has; another takes its place, at once or later.
    fn ends(&self, gone: bool) {
        self.0.lock().gone = true;
        self.recall();
        let mut state = self.0.lock();
        (state.life, state.gone) = (state.life + 1, gone);
    }
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Step {
    /// So many events come in, in one batch.
    Sends(u32),
    /// The sender, where the peer is there, delivers so many deliveries whole and so many records of the next.
    Delivers {
        /// Whole deliveries.
        whole: u64,
        /// Records of the next.
        records: u32,
    },
    /// The peer goes, or comes back.
    Turns,
    /// The sender dies; another takes its place at once, or when the peer turns.
    Dies {
        /// At once.
        at_once: bool,
    },
    /// Milliseconds pass; then writer and reader do what they have to.
    Passes(u64),
    /// One of the next calls to the disk fails.
    Fails(u64),
    /// The next syncs fail.
    FailsToSync(u64),
    /// The disk has room for so many more segments.
    Room(u64),
    /// The process ends in order, and another begins.
    Restarts,
    /// The process ends, and another begins.
    Crashes {
        /// By a power cut, where that is to be survived.
        power: bool,
    },
}

impl Source {
    fn new(target: &Target, from: u64) -> Self {
        let (book, router, gate) = (Book::new(), Arc::<Mailbox>::default(), Arc::<Mailbox>::default());
        let place = book.add_place();
        book.occupy(ROUTER, Some(router.clone()));
        book.occupy(place, Some(gate.clone()));
        let branch = book.add_branch([place], Some(Arc::clone(&target.flow)));
        let ledger = book.open_stream(StreamId(1), Arc::default());
        let (acknowledged, share) = (ledger.acknowledged(), Budget::new(1 << 30).share());
        Self { book, acknowledged, ledger, branch, router, gate, share, began: from, next: from }
    }

    /// The next events, on their way to the spool.
    fn read(&mut self, events: u32) -> Vec<Delivery> {
        let hold = self.share.nothing();
        self.ledger.submit(batch(StreamId(1), self.next, events, 40, hold));
        self.next += u64::from(events);
        while let Some(work) = self.router.next() {
            work.claims.into_iter().for_each(|claim| claim.route(&[self.branch]));
        }
        self.deliveries()
    }

    /// What the book has dispatched to the gate.
    fn deliveries(&self) -> Vec<Delivery> {
        let mut deliveries = Vec::new();
        while let Some(work) = self.gate.next() {
            let delivery = |claim| Delivery { payload: Payload::Raw(work.batch.clone()), claim };
            deliveries.extend(work.claims.into_iter().map(delivery));
        }
        deliveries
    }
}

impl SpoolWorld {
    /// A process begins, whose source goes on behind this event.
    fn live(
        settings: &SpoolSettings,
        disk: &SimulatedDisk,
        time: &SimulatedClock,
        chance: &Rng,
        from: u64,
    ) -> Life {
        let environment = Environment {
            disk: Arc::new(disk.clone()),
            clock: time.clock(),
            rng: chance.fork(&format!("life from {from}")),
        };
        let target = Target::new("out");
        let memory = Budget::new(READ_BACK_BYTES);
        let spool = Spool::new(Arc::clone(&target), settings.clone(), environment, &memory);
        let (sender, source) = (Arc::<Sender>::default(), Source::new(&target, from));
        spool.bind(0, 1, Arc::clone(&sender) as Arc<dyn Door>);
        Life { target, spool, sender, source }
    }

    /// The peer gets an event.
    fn gets(&mut self, event: u64) -> Kept {
        // What was written and not synced survives a power cut record by record; the source sends it again in its turn.
        if event > self.next && self.early_from.is_some_and(|from| event >= from) {
            return Ok(());
        }
        promise!(
            "P1: order holds, and nothing is left out",
            event <= self.next,
            "the peer got {event}, and never {}",
            self.next
        );
        let goes_on = self.last.map_or(event == self.next, |last| event == last + 1);
        if !goes_on {
            promise!(
                "twice only after a loss",
                self.backs > 0,
                "the peer got {event} after {:?}, and nothing had crashed",
                self.last
            );
            self.backs -= 1;
        }
        (self.last, self.next) = (Some(event), self.next.max(event + 1));
        Ok(())
    }

    fn delivers(&mut self, whole: u64, records: u32, trace: &mut Trace) -> Kept {
        let (mut deliveries, before) = (0, self.next);
        while deliveries <= whole {
            let Some(mut delivery) = self.life.sender.next() else { break };
            if !delivery.claim.is_current() {
                continue;
            }
            let (first, len) = (delivery.claim.first(), delivery.claim.records());
            let upto = if deliveries < whole { len } else { first.saturating_add(records).min(len) };
            deliveries += 1;
            if self.bug == Some(Bug::SettlesWhenTaken) && self.chance.chance(1, 3) {
                // It is settled, and then the sender dies before it is sent.
                delivery.claim.settle(Settled::Delivered);
                self.life.sender.ends(false);
                break;
            }
            let events = Events::new(&delivery.payload, first).take_while(|event| event.record < upto);
            let numbers: Vec<u64> = events.map(|event| number(event.bytes).unwrap_or(u64::MAX)).collect();
            for event in numbers {
                self.gets(event)?;
            }
            if upto > first {
                delivery.claim.settle_to(upto, Settled::Delivered);
            }
            if upto < len {
                self.life.sender.0.lock().inbox.push_front(delivery);
            }
        }
        note!(trace, "{} new, next {}", self.next - before, self.next);
        Ok(())
    }

    /// Time passes, and writer and reader do what they have to.
    fn passes(&mut self, time: Duration) {
        self.time.advance(time);
        let spool = &self.life.spool;
        spool.tick();
        // What fails is tried again the next time.
        let _ = spool.work(false);
        let _ = spool.read_back(false);
        spool.tick();
        let again = self.life.source.deliveries();
        self.life.spool.offer(0, again);
    }

    fn acknowledged(&self) -> u64 {
        (*self.life.source.acknowledged.borrow()).max(self.life.source.began)
    }

    fn begin_again(&mut self, disk: SimulatedDisk, from: u64) {
        self.disk = disk;
        self.life.sender.ends(false);
        let life = Self::live(&self.settings, &self.disk, &self.time, &self.chance, from);
        self.life = life;
    }

    fn restarts(&mut self, trace: &mut Trace) -> Kept {
        self.disk.heal();
        self.disk.set_capacity(1 << 30);
        self.life.spool.begin_to_close();
        let mut rounds = 0;
        while !self.life.spool.is_closed() {
            self.passes(Duration::from_millis(100));
            rounds += 1;
            promise!("a spool comes to an orderly end", rounds < 1000, "it does not");
        }
        self.life.sender.ends(false);
        let ended = self.life.spool.work(true).is_ok();
        promise!("a spool comes to an orderly end", ended, "what is left can't be written");
        let from = self.acknowledged();
        note!(trace, "goes on behind {from}");
        promise!(
            "P1: an orderly end leaves nothing in memory only",
            from == self.life.source.next,
            "{from} of {}",
            self.life.source.next
        );
        // What was delivered is known, also in part: the next life goes on where this one was.
        self.last = None;
        self.begin_again(self.disk.process_killed(), from);
        Ok(())
    }

    fn crashes(&mut self, power: bool, trace: &mut Trace) {
        let power = power && self.settings.synced;
        let from = self.acknowledged();
        let killed = self.disk.process_killed();
        note!(trace, "{}, goes on behind {from}", if power { "power cut" } else { "killed" });
        self.begin_again(if power { killed.power_cut() } else { killed }, from);
        // To where the cursor was; and from what is in the spool and was not acknowledged to what the source sends.
        (self.backs, self.last) = (2, None);
        self.early_from = power.then_some(from);
    }
}

impl World for SpoolWorld {
    const NAME: &'static str = "spool";
    const ABOUT: &'static str =
        "a target's spool: in order and without a gap, once, after a crash at least once";
    const KINDS: &'static [u64] = &[8, 10, 2, 1, 8, 1, 1, 1, 1, 1];
    const MOST_STEPS: u64 = 120;
    type Step = Step;

    fn draw(kind: usize, rng: &Rng) -> Step {
        match kind {
            0 => Step::Sends(1 + rng.below(120) as u32),
            1 => Step::Delivers { whole: rng.below(5), records: rng.below(100) as u32 },
            2 => Step::Turns,
            3 => Step::Dies { at_once: rng.chance(2, 3) },
            4 => Step::Passes(rng.below(if rng.chance(1, 4) { 3000 } else { 400 })),
            5 => Step::Fails(rng.below(4)),
            6 => Step::FailsToSync(1 + rng.below(3)),
            7 => Step::Room(rng.below(4)),
            8 => Step::Restarts,
            _ => Step::Crashes { power: rng.chance(1, 2) },
        }
    }

    fn begin(chance: &Rng, bug: Option<Bug>) -> Self {
        let settings = SpoolSettings {
            folder: PathBuf::from("/spool/out"),
            synced: chance.chance(1, 2),
            segment_bytes: SEGMENT,
            quota_bytes: 1 << 30,
            floor_bytes: 0,
            max_age: Duration::from_secs(86_400),
            when_full: WhenSpoolFull::Block,
            patience: Duration::from_secs(1),
            most_bytes: 1 << 20,
            scheduled: false,
        };
        let (disk, time) = (SimulatedDisk::new(chance.fork("disk")), SimulatedClock::new());
        let chance = chance.fork("lives");
        let life = Self::live(&settings, &disk, &time, &chance, 0);
        let (sent, next, last) = (0, 0, None);
        Self {
            disk,
            time,
            chance,
            settings,
            life,
            up: true,
            sent,
            next,
            last,
            early_from: None,
            backs: 0,
            bug,
        }
    }

    fn act(&mut self, step: &Step, trace: &mut Trace) -> Kept {
        match *step {
            Step::Sends(events) => {
                let deliveries = self.life.source.read(events);
                self.sent = self.sent.max(self.life.source.next);
                self.life.spool.offer(0, deliveries);
            }
            Step::Delivers { whole, records } if self.up => return self.delivers(whole, records, trace),
            Step::Delivers { .. } => note!(trace, "the peer is away"),
            Step::Turns => {
                self.up = !self.up;
                if self.life.sender.life().is_none() {
                    self.life.sender.ends(false);
                }
            }
            Step::Dies { at_once } => self.life.sender.ends(!at_once),
            Step::Passes(ms) => self.passes(Duration::from_millis(ms)),
            Step::Fails(call) => self.disk.fail_at(self.disk.operations() + call, ErrorKind::Other),
            Step::FailsToSync(times) => self.disk.fail_next(Operation::SyncData, times, ErrorKind::Other),
            Step::Room(segments) => self.disk.set_capacity(self.disk.used_bytes() + segments * SEGMENT),
            Step::Restarts => return self.restarts(trace),
            Step::Crashes { power } => self.crashes(power, trace),
        }
        Ok(())
    }

    /// The peer is there, the disk is well, and time passes until nothing is left.
    fn finish(&mut self, trace: &mut Trace) -> Kept {
        self.disk.heal();
        self.disk.set_capacity(1 << 30);
        if self.life.sender.life().is_none() {
            self.life.sender.ends(false);
        }
        // What was sent and not acknowledged before a crash is sent again.
        while self.life.source.next < self.sent {
            let events = (self.sent - self.life.source.next).min(100) as u32;
            let deliveries = self.life.source.read(events);
            self.life.spool.offer(0, deliveries);
        }
        let mut rounds = 0;
        while self.life.source.book.open_batches() > 0 || !self.life.spool.is_empty() {
            self.delivers(u64::MAX, 0, &mut Trace::default())?;
            self.passes(Duration::from_millis(50));
            rounds += 1;
            promise!("P1: everything comes to its end", rounds < 5000, "the peer waits for {}", self.next);
        }
        note!(trace, "the peer has {}", self.next);
        let (has, sent) = (self.next, self.sent);
        promise!("P1: everything comes to its end", has == sent, "the peer has {has} of {sent} events");
        let spool = &self.life.target.spool;
        let held = (self.life.target.flow.held(), spool.flow.held());
        promise!("due = delivered + dropped + held", held == (0, 0), "{held:?} are held at the end");
        Ok(())
    }
}
