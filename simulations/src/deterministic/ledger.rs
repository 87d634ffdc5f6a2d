//! A lane's book: streams, a router, a stage and three targets, all of which die, come back, and let go of claims.
//!
//! ```text
//!   streams ── router ──┬──────────▶ target 0      branch direct; branch forked, which the stage chooses on the way
//!                       ├── stage ─▶ target 1      branch staged
//!                       └── stage ─▶ target 2      branch other
//! ```
//!
//! The world knows of each batch which branches owe it and how far each is, and so what the next delivery of a branch has
//! to be: the first record of its stream that is not settled, nothing else.

mod house;

use super::bugs::Bug;
use super::records::batch;
use super::trace::{Trace, note};
use super::world::{Kept, World, index, promise};
use event::ledger::{ROUTER, Work};
use event::{Batch, Book, BranchId, Budget, Cause, Claim, DeviceFlow, Settled, Share, StreamId, TargetFlow};
use house::{Count, Known, Seat, Stream, Target};
use seams::Rng;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

const STREAMS: usize = 3;
const TARGETS: usize = 3;
const BRANCHES: usize = 4;
/// Of the branches: which target each leads to.
const LEADS_TO: [usize; BRANCHES] = [0, 1, 2, 0];
const FORKED: usize = 3;

/// See the module.
pub struct LedgerWorld {
    book: Arc<Book>,
    budget: Budget,
    share: Share,
    router: Seat,
    stage: Seat,
    targets: Vec<Target>,
    branches: [BranchId; BRANCHES],
    /// Of each branch what the product counts, and what has to be counted.
    flows: [Arc<TargetFlow>; BRANCHES],
    counts: [Count; BRANCHES],
    streams: Vec<Stream>,
    opened: u64,
    /// What actors that are no more still have in their hands.
    ghosts: Vec<Claim>,
    bug: Option<Bug>,
}

/// How a delivery ends.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// It is made.
    Delivered,
    /// The target refuses it.
    Refused,
    /// It is put aside.
    Quarantined,
}

/// Who is meant.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    /// The router.
    Router,
    /// The stage.
    Stage,
    /// A target.
    Target(u64),
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Step {
    /// A source hands over a batch.
    Submits {
        /// Of which stream.
        stream: u64,
        /// So many records.
        records: u32,
    },
    /// The router routes its next batch.
    Routes,
    /// The stage works on its next batch.
    Stages,
    /// A target settles records of its next delivery.
    Settles {
        /// Which target.
        target: u64,
        /// So many records; all if it has fewer.
        records: u32,
        /// How.
        end: End,
        /// The first of them ends otherwise.
        but_the_first: bool,
    },
    /// A target lets go of a delivery and lives on.
    LetsGo {
        /// Which target.
        target: u64,
        /// Which of its deliveries.
        delivery: u64,
    },
    /// Somebody dies: what is in the mailbox goes with it, and what was in hand stays with a thread that is stuck.
    Dies {
        /// Who.
        who: Who,
        /// Its mailbox refuses for a while before anybody notices.
        unnoticed: bool,
    },
    /// Somebody takes the place again, or anew.
    Returns(Who),
    /// An actor that is no more settles what it still had.
    Haunts(u64),
    /// A branch is purged.
    Purges(u64),
    /// A stream ends, and another begins.
    Closes(u64),
}

impl LedgerWorld {
    fn open_stream(&mut self, n: usize) {
        self.opened += 1;
        let (id, flow) = (StreamId(self.opened), Arc::<DeviceFlow>::default());
        let ledger = self.book.open_stream(id, Arc::clone(&flow));
        let acknowledged = ledger.acknowledged();
        let (next_seq, batches) = (0, Vec::new());
        let stream = Stream { ledger, id, next_seq, flow, acknowledged, batches };
        match self.streams.get_mut(n) {
            Some(place) => *place = stream,
            None => self.streams.push(stream),
        }
    }

    fn known(&mut self, batch: &Batch) -> Option<&mut Known> {
        let stream = self.streams.iter_mut().find(|stream| stream.id == batch.stream())?;
        stream.batches.iter_mut().find(|known| known.first == batch.first_seq())
    }

    /// The branches that a batch is routed to: always the same.
    fn route_of(batch: &Batch) -> Vec<usize> {
        match (batch.stream().0 + batch.first_seq() / 2) % 5 {
            0 => vec![0],
            1 => vec![0, 1],
            2 => vec![1, 2],
            3 if batch.first_seq().is_multiple_of(3) => vec![],
            _ => vec![0, 1, 2],
        }
    }

    /// A branch owes a batch from this record on.
    fn owes(&mut self, batch: &Batch, branch: usize, from: u32) {
        self.counts[branch].due += u64::from(batch.len() - from);
        if let Some(known) = self.known(batch) {
            known.settled.insert(branch, from);
        }
    }

    fn routes(&mut self, trace: &mut Trace) {
        let Some(work) = self.router.mailbox.next() else { return note!(trace, "nothing to route") };
        let route = Self::route_of(&work.batch);
        let branches: Vec<BranchId> = route.iter().map(|n| self.branches[*n]).collect();
        note!(trace, "{} of stream {} to {route:?}", work.batch.first_seq(), work.batch.stream());
        for claim in work.claims {
            if claim.is_current() {
                for n in &route {
                    self.owes(&work.batch, *n, 0);
                }
                if let Some(known) = self.known(&work.batch) {
                    known.routed = true;
                }
            }
            claim.route(&branches);
        }
    }

    fn stages(&mut self, trace: &mut Trace) {
        let Some(Work { batch, claims }) = self.stage.mailbox.next() else {
            return note!(trace, "nothing to work on");
        };
        for claim in claims {
            let branch = self.branch(&claim);
            if branch == 1 && batch.first_seq().is_multiple_of(4) && claim.is_current() {
                let before = self.book.outstanding(self.branches[FORKED]);
                let fork = claim.fork(self.branches[FORKED], claim.first());
                if self.book.outstanding(self.branches[FORKED]) > before {
                    self.owes(&batch, FORKED, claim.first());
                }
                if let Some(fork) = fork {
                    fork.advance();
                    self.hand(LEADS_TO[FORKED], batch.clone(), fork);
                    note!(trace, "forks {}", batch.first_seq());
                }
            }
            if claim.advance() {
                self.hand(LEADS_TO[branch], batch.clone(), claim);
            }
        }
    }

    fn branch(&self, claim: &Claim) -> usize {
        self.branches.iter().position(|branch| *branch == claim.branch()).unwrap_or(0)
    }

    /// Moves what lies in a target's mailbox into its hands.
    fn take(&mut self, target: usize) {
        let target = &mut self.targets[target];
        while let Some(Work { batch, claims }) = target.seat.mailbox.next() {
            claims.into_iter().for_each(|claim| target.hands.push_back((batch.clone(), claim)));
        }
    }

    fn settles(&mut self, n: usize, records: u32, end: End, but_the_first: bool, trace: &mut Trace) -> Kept {
        self.take(n);
        let sends_stale = self.bug == Some(Bug::SendsStaleClaims);
        let (batch, mut claim) = loop {
            let Some((batch, claim)) = self.targets[n].hands.pop_front() else {
                note!(trace, "nothing to deliver");
                return Ok(());
            };
            if sends_stale || claim.is_current() {
                break (batch, claim);
            }
        };
        let (branch, first) = (self.branch(&claim), claim.first());
        let (seq, stream) = (batch.first_seq() + u64::from(first), batch.stream());
        note!(trace, "stream {stream} branch {branch} from {seq}");
        let expected = self.streams.iter().find(|s| s.id == stream).and_then(|stream| {
            let owed = stream.batches.iter().filter_map(|known| Some((known, *known.settled.get(&branch)?)));
            let mut open = owed.filter(|(known, upto)| *upto < known.len);
            open.next().map(|(known, upto)| known.first + u64::from(upto))
        });
        promise!(
            "order holds: what a branch gets next is what is not settled",
            expected == Some(seq),
            "stream {stream} branch {branch}: {seq} instead of {expected:?}"
        );
        let upto = first.saturating_add(records).min(batch.len());
        let settled = match end {
            End::Delivered => Settled::Delivered,
            End::Refused => Settled::Dropped(Cause::Refused),
            End::Quarantined => Settled::Quarantined(Cause::Poison),
        };
        let mut rest = u64::from(upto - first);
        if but_the_first {
            claim.except(first, Settled::Dropped(Cause::TooLarge));
            self.counts[branch].dropped += 1;
            rest -= 1;
        }
        self.counts[branch].add(end, rest);
        claim.settle_to(upto, settled);
        if let Some(known) = self.known(&batch) {
            known.settled.insert(branch, upto);
        }
        if upto < batch.len() {
            self.targets[n].hands.push_front((batch, claim));
        }
        Ok(())
    }

    fn lets_go(&mut self, n: usize, delivery: u64, trace: &mut Trace) {
        self.take(n);
        let Some(at) = index(delivery, self.targets[n].hands.len()) else { return };
        let Some((batch, claim)) = self.targets[n].hands.remove(at) else { return };
        note!(trace, "of {} of stream {}", batch.first_seq(), batch.stream());
        match self.bug {
            Some(Bug::ForgetsALostClaim) => std::mem::forget(claim),
            _ => drop(claim),
        }
    }

    fn dies(&mut self, who: Who, unnoticed: bool) {
        let book = Arc::clone(&self.book);
        let mut in_hand = VecDeque::new();
        let seat = match who {
            Who::Router => &mut self.router,
            Who::Stage => &mut self.stage,
            Who::Target(n) => {
                let target = &mut self.targets[n as usize % TARGETS];
                in_hand = std::mem::take(&mut target.hands);
                &mut target.seat
            }
        };
        seat.mailbox.refuse(true);
        if unnoticed {
            // What lay there is lost before anybody says that the place is free.
            seat.mailbox.throw_away();
            return;
        }
        seat.vacate(&book);
        seat.mailbox.throw_away();
        self.ghosts.extend(in_hand.into_iter().map(|(_, claim)| claim));
    }

    fn returns(&mut self, who: Who) {
        let book = Arc::clone(&self.book);
        let seat = match who {
            Who::Router => &mut self.router,
            Who::Stage => &mut self.stage,
            Who::Target(n) => &mut self.targets[n as usize % TARGETS].seat,
        };
        seat.vacate(&book);
        seat.mailbox.throw_away();
        seat.occupy(&book);
    }

    fn purges(&mut self, branch: usize) {
        self.book.purge(self.branches[branch], Cause::Purged);
        for known in self.streams.iter_mut().flat_map(|stream| &mut stream.batches) {
            if let Some(upto) = known.settled.get_mut(&branch) {
                self.counts[branch].dropped += u64::from(known.len - *upto);
                *upto = known.len;
            }
        }
    }

    /// Hands a delivery to a target; what nobody takes is let go of.
    fn hand(&mut self, target: usize, batch: Batch, claim: Claim) {
        let target = &mut self.targets[target];
        if target.seat.tenure.is_some() && !target.seat.mailbox.is_refusing() {
            target.hands.push_back((batch, claim));
        }
    }

    fn check_stream(&self, stream: &Stream) -> Kept {
        let settled = stream.batches.iter().take_while(|known| known.is_settled()).last();
        let settled = settled.map_or(0, Known::next);
        let told = match self.bug {
            Some(Bug::WatermarkJumpsAHole) => {
                stream.batches.iter().rfind(|known| known.is_settled()).map_or(0, Known::next)
            }
            _ => *stream.acknowledged.borrow(),
        };
        promise!(
            "P1: the watermark is where the first that is not settled begins",
            told == settled,
            "stream {}: {told} instead of {settled}",
            stream.id
        );
        let sum = |of: &dyn Fn(&&Known) -> bool| {
            stream.batches.iter().filter(of).map(|known| u64::from(known.len)).sum::<u64>()
        };
        let (accepted, done) = (sum(&|_| true), sum(&|known| known.is_settled()));
        promise!(
            "accepted = settled + held",
            (stream.flow.accepted.get(), stream.flow.settled.get()) == (accepted, done),
            "stream {}: {} and {} instead of {accepted} and {done}",
            stream.id,
            stream.flow.accepted.get(),
            stream.flow.settled.get()
        );
        Ok(())
    }
}

impl World for LedgerWorld {
    const NAME: &'static str = "ledger";
    const ABOUT: &'static str =
        "book, claims and counters: nothing is lost, order holds, the watermark has no holes";
    const KINDS: &'static [u64] = &[12, 14, 10, 14, 4, 3, 5, 2, 1, 1];
    const MOST_STEPS: u64 = 200;
    type Step = Step;

    fn draw(kind: usize, rng: &Rng) -> Step {
        let who = || match rng.below(5) {
            0 => Who::Router,
            1 => Who::Stage,
            target => Who::Target(target - 2),
        };
        let target = rng.below(TARGETS as u64);
        match kind {
            0 => Step::Submits { stream: rng.below(STREAMS as u64), records: 1 + rng.below(5) as u32 },
            1 => Step::Routes,
            2 => Step::Stages,
            3 => Step::Settles {
                target,
                records: 1 + rng.below(5) as u32,
                end: [End::Delivered, End::Delivered, End::Refused, End::Quarantined][rng.below(4) as usize],
                but_the_first: rng.chance(1, 8),
            },
            4 => Step::LetsGo { target, delivery: rng.below(4) },
            5 => Step::Dies { who: who(), unnoticed: rng.chance(1, 4) },
            6 => Step::Returns(who()),
            7 => Step::Haunts(rng.below(8)),
            8 => Step::Purges(rng.below(BRANCHES as u64)),
            _ => Step::Closes(rng.below(STREAMS as u64)),
        }
    }

    fn begin(_: &Rng, bug: Option<Bug>) -> Self {
        let (book, budget) = (Book::new(), Budget::new(1 << 20));
        let mut router = Seat::new(ROUTER);
        let mut stage = Seat::new(book.add_place());
        let mut targets: Vec<Target> = (0..TARGETS)
            .map(|_| Target { seat: Seat::new(book.add_place()), hands: VecDeque::new() })
            .collect();
        let flows: [Arc<TargetFlow>; BRANCHES] = Default::default();
        let branch = |n: usize| {
            let target = targets[LEADS_TO[n]].seat.place;
            let flow = Some(Arc::clone(&flows[n]));
            match n {
                0 => book.add_branch([target], flow),
                _ => book.add_branch([stage.place, target], flow),
            }
        };
        let branches = std::array::from_fn(branch);
        router.occupy(&book);
        stage.occupy(&book);
        targets.iter_mut().for_each(|target| target.seat.occupy(&book));
        let share = budget.share();
        let (streams, ghosts, counts) = (Vec::new(), Vec::new(), Default::default());
        let mut world = Self {
            book,
            budget,
            share,
            router,
            stage,
            targets,
            branches,
            flows,
            counts,
            streams,
            opened: 0,
            ghosts,
            bug,
        };
        (0..STREAMS).for_each(|n| world.open_stream(n));
        world
    }

    fn act(&mut self, step: &Step, trace: &mut Trace) -> Kept {
        match *step {
            Step::Submits { stream, records } => {
                let stream = &mut self.streams[stream as usize % STREAMS];
                let hold = self.share.try_take(records * 10);
                let Some(hold) = hold else { return Ok(()) };
                let first = stream.next_seq;
                stream.next_seq += u64::from(records);
                let (routed, settled) = (false, BTreeMap::new());
                stream.batches.push(Known { first, len: records, routed, settled });
                stream.ledger.submit(batch(stream.id, first, records, 8, hold));
            }
            Step::Routes => self.routes(trace),
            Step::Stages => self.stages(trace),
            Step::Settles { target, records, end, but_the_first } => {
                return self.settles(target as usize % TARGETS, records, end, but_the_first, trace);
            }
            Step::LetsGo { target, delivery } => self.lets_go(target as usize % TARGETS, delivery, trace),
            Step::Dies { who, unnoticed } => self.dies(who, unnoticed),
            Step::Returns(who) => self.returns(who),
            Step::Haunts(ghost) => {
                if let Some(n) = index(ghost, self.ghosts.len()) {
                    self.ghosts.remove(n).settle(Settled::Delivered);
                }
            }
            Step::Purges(branch) => self.purges(branch as usize % BRANCHES),
            Step::Closes(stream) => {
                // What it has under way comes to its end; the world looks at it until then.
                let n = stream as usize % STREAMS;
                if self.streams[n].batches.iter().all(Known::is_settled) {
                    self.open_stream(n);
                }
            }
        }
        Ok(())
    }

    fn check(&mut self) -> Kept {
        for stream in &self.streams {
            self.check_stream(stream)?;
        }
        for (n, flow) in self.flows.iter().enumerate() {
            promise!(
                "every claim ends once",
                Count::of(flow) == self.counts[n],
                "branch {n}: {:?} instead of {:?}",
                Count::of(flow),
                self.counts[n]
            );
        }
        Ok(())
    }

    /// Everybody returns and works until nothing is left.
    fn finish(&mut self, trace: &mut Trace) -> Kept {
        let all = [Who::Router, Who::Stage, Who::Target(0), Who::Target(1), Who::Target(2)];
        for who in all {
            let is_there = match who {
                Who::Router => &self.router,
                Who::Stage => &self.stage,
                Who::Target(n) => &self.targets[n as usize].seat,
            };
            if is_there.tenure.is_none() || is_there.mailbox.is_refusing() {
                self.returns(who);
            }
        }
        for _ in 0..2000 {
            self.routes(&mut Trace::default());
            self.stages(&mut Trace::default());
            for target in 0..TARGETS {
                self.settles(target, u32::MAX / 2, End::Delivered, false, &mut Trace::default())?;
                self.check()?;
            }
            if self.book.open_batches() == 0 {
                break;
            }
        }
        self.ghosts.drain(..).for_each(|ghost| ghost.settle(Settled::Delivered));
        for n in 0..TARGETS {
            // What was purged, or dispatched again since, may still lie there.
            self.take(n);
            self.targets[n].hands.clear();
        }
        self.stage.mailbox.throw_away();
        self.check()?;
        let (open, used) = (self.book.open_batches(), self.budget.used());
        note!(trace, "{open} open, {used} bytes held");
        promise!("P1: everything comes to its end", open == 0, "{open} batches are open though all are well");
        promise!("R1: all is given back", used == 0, "{used} bytes are held at the end");
        Ok(())
    }
}
