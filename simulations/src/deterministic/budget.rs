//! The budget with its waits: connections that read messages, some in many pieces, from few bytes of memory.
//!
//! A connection does with its share what the product's connections do: it takes room when its peer has sent something,
//! reads, hands on what is whole, and keeps what the rest takes. Waits are real futures, polled in the order of the plan
//! and only when they were woken.

use super::bugs::Bug;
use super::executor::Executor;
use super::trace::{Trace, note};
use super::world::{Kept, World, index, promise};
use event::{Budget, Hold, Share};
use seams::Rng;

const CAPACITY: u64 = 10_000;
/// What is read at least.
const SLAB: u32 = 1000;
/// No message is longer: it would be cut.
const MAX_MESSAGE: u32 = 4000;
const DEVICES: u64 = 3;
const CONNECTIONS: usize = 8;

/// See the module.
pub struct BudgetWorld {
    budget: Budget,
    executor: Executor<Hold>,
    connections: Vec<Connection>,
    /// Batches on their way.
    flights: Vec<Flight>,
    bug: Option<Bug>,
}

struct Connection {
    share: Share,
    /// Bytes of a message that is not complete, and what they hold.
    rest: u32,
    hold: Hold,
    waits: Option<Wait>,
}

struct Wait {
    task: u64,
    room: u32,
    incomplete: bool,
    arrival: Arrival,
}

/// What the peer has sent: bytes of a message, and whether these complete it.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    bytes: u32,
    whole: bool,
}

struct Flight {
    hold: Hold,
    /// What its copies take.
    copies: Vec<Hold>,
    /// What it believes to hold.
    bytes: u64,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Step {
    /// A peer sends bytes, which complete its message or not.
    Sends {
        /// Which one.
        connection: u64,
        /// How many.
        bytes: u32,
        /// Whether that is all of the message.
        whole: bool,
    },
    /// One of the woken tasks goes on.
    Poll(u64),
    /// A batch is delivered.
    Settle(u64),
    /// A copy of a batch is made.
    Copy(u64, u32),
    /// A peer goes away.
    Closes(u64),
}

impl BudgetWorld {
    fn sends(&mut self, n: usize, arrival: Arrival, trace: &mut Trace) {
        let connection = &mut self.connections[n];
        if connection.waits.is_some() {
            return note!(trace, "it waits");
        }
        let incomplete = connection.rest > 0;
        let room = (connection.rest * 2).max(SLAB);
        if let Some(hold) = connection.share.try_take(room) {
            return self.reads(n, hold, arrival, trace);
        }
        let (share, overdraws) = (connection.share.clone(), connection.hold.overdraws());
        let task = self.executor.spawn(async move {
            match incomplete {
                true => share.take_for_incomplete(room, overdraws).await,
                false => share.take(room).await,
            }
        });
        note!(trace, "waits for {room}");
        self.connections[n].waits = Some(Wait { task, room, incomplete, arrival });
    }

    /// What the product's connections do with what they have got.
    fn reads(&mut self, n: usize, mut hold: Hold, arrival: Arrival, trace: &mut Trace) {
        let connection = &mut self.connections[n];
        let room = hold.bytes() as u32;
        hold.merge(std::mem::replace(&mut connection.hold, connection.share.nothing()));
        let filled = connection.rest + arrival.bytes.min(room - connection.rest);
        let whole = arrival.whole || filled >= MAX_MESSAGE;
        if !whole {
            connection.rest = filled;
            connection.hold = hold.split(filled);
            return note!(trace, "has {filled} bytes of a message");
        }
        let batch = hold.split(filled.max(1));
        connection.rest = 0;
        connection.hold = hold.split(0);
        drop(hold);
        let bytes = batch.bytes();
        note!(trace, "hands on {bytes}");
        let copies = Vec::new();
        match self.bug {
            Some(Bug::GivesBackTwice) => {
                drop(batch);
                let hold = self.connections[n].share.nothing();
                self.flights.push(Flight { hold, copies, bytes });
            }
            _ => self.flights.push(Flight { hold: batch, copies, bytes }),
        }
    }

    fn poll(&mut self, pick: u64, trace: &mut Trace) {
        let ready = self.executor.ready();
        let Some(at) = index(pick, ready.len()) else { return note!(trace, "nobody is woken") };
        let task = ready[at];
        if self.bug == Some(Bug::LosesAWakeUp) && task % 5 == 4 && pick.is_multiple_of(2) {
            return self.executor.forget_wake_up(task);
        }
        let Some(hold) = self.executor.poll(task) else { return note!(trace, "task {task} waits") };
        let of_task = |connection: &Connection| connection.waits.as_ref().is_some_and(|w| w.task == task);
        if let Some(n) = self.connections.iter().position(of_task)
            && let Some(wait) = self.connections[n].waits.take()
        {
            note!(trace, "connection {n} goes on");
            self.reads(n, hold, wait.arrival, trace);
        }
    }

    /// What everybody believes to hold.
    fn believed(&self) -> u64 {
        let flights = self
            .flights
            .iter()
            .map(|flight| flight.bytes + flight.copies.iter().map(Hold::bytes).sum::<u64>());
        self.connections.iter().map(|c| c.hold.bytes()).chain(flights).sum()
    }

    fn copies(&self) -> u64 {
        self.flights.iter().flat_map(|flight| &flight.copies).map(Hold::bytes).sum()
    }

    fn settle_all(&mut self) {
        self.flights.clear();
    }
}

impl World for BudgetWorld {
    const NAME: &'static str = "budget";
    const ABOUT: &'static str =
        "the budget with its waits: R1-R4, bounded, nobody waits for ever, all is given back";
    const KINDS: &'static [u64] = &[8, 6, 3, 1, 1];
    const MOST_STEPS: u64 = 160;
    type Step = Step;

    fn draw(kind: usize, rng: &Rng) -> Step {
        let connection = rng.below(CONNECTIONS as u64);
        match kind {
            0 => Step::Sends {
                connection,
                bytes: 1 + rng.below(if rng.chance(1, 3) { 3000 } else { 300 }) as u32,
                whole: rng.chance(1, 2),
            },
            1 => Step::Poll(rng.below(1 << 20)),
            2 => Step::Settle(rng.below(1 << 20)),
            3 => Step::Copy(rng.below(1 << 20), 1 + rng.below(2000) as u32),
            _ => Step::Closes(connection),
        }
    }

    fn begin(_: &Rng, bug: Option<Bug>) -> Self {
        let budget = Budget::new(CAPACITY);
        let shares: Vec<Share> = (0..DEVICES).map(|_| budget.share()).collect();
        let connection = |n: usize| {
            let share = shares[n % shares.len()].clone();
            Connection { hold: share.nothing(), share, rest: 0, waits: None }
        };
        let connections = (0..CONNECTIONS).map(connection).collect();
        Self { budget, executor: Executor::default(), connections, flights: Vec::new(), bug }
    }

    fn act(&mut self, step: &Step, trace: &mut Trace) -> Kept {
        match *step {
            Step::Sends { connection, bytes, whole } => {
                self.sends(connection as usize % CONNECTIONS, Arrival { bytes, whole }, trace);
            }
            Step::Poll(pick) => self.poll(pick, trace),
            Step::Settle(pick) => {
                if let Some(n) = index(pick, self.flights.len()) {
                    self.flights.remove(n);
                }
            }
            Step::Copy(pick, bytes) => {
                if let Some(n) = index(pick, self.flights.len()) {
                    let copy = self.flights[n].hold.more(bytes);
                    self.flights[n].copies.push(copy);
                }
            }
            Step::Closes(connection) => {
                let connection = &mut self.connections[connection as usize % CONNECTIONS];
                if let Some(wait) = connection.waits.take() {
                    self.executor.give_up(wait.task);
                }
                (connection.rest, connection.hold) = (0, connection.share.nothing());
            }
        }
        note!(trace, "{} used", self.budget.used());
        Ok(())
    }

    fn check(&mut self) -> Kept {
        let (used, believed) = (self.budget.used(), self.believed());
        let on_their_way: u64 =
            self.connections.iter().filter_map(|c| c.waits.as_ref()).map(|wait| u64::from(wait.room)).sum();
        promise!(
            "R1: what is held is counted",
            (believed..=believed + on_their_way).contains(&used),
            "{used} bytes are counted, {believed} held, {on_their_way} waited for"
        );
        // Only copies, and one message that is not complete with the room to read on, may go beyond the budget.
        let most = CAPACITY + self.copies() + 3 * u64::from(MAX_MESSAGE);
        promise!("R4: one message at a time overdraws", used <= most, "{used} of {most}");
        Ok(())
    }

    /// Every batch is delivered, every peer completes its message: then nobody waits, and nothing is held.
    fn finish(&mut self, trace: &mut Trace) -> Kept {
        for _ in 0..10_000 {
            self.settle_all();
            if !self.executor.ready().is_empty() {
                self.poll(0, trace);
                continue;
            }
            let Some(n) = self.connections.iter().position(|c| c.rest > 0 && c.waits.is_none()) else {
                break;
            };
            // A message comes to its end in pieces.
            let left = MAX_MESSAGE - self.connections[n].rest.min(MAX_MESSAGE);
            self.sends(n, Arrival { bytes: left.min(SLAB), whole: left <= SLAB }, trace);
        }
        let waiting: Vec<String> = self
            .connections
            .iter()
            .enumerate()
            .filter_map(|(n, c)| c.waits.as_ref().map(|w| (n, c, w)))
            .map(|(n, c, w)| {
                format!("{n} (holds {}, wants {}, incomplete {})", c.hold.bytes(), w.room, w.incomplete)
            })
            .collect();
        promise!(
            "R4: nobody waits for ever",
            waiting.is_empty(),
            "{} of {CAPACITY} are used, nothing is on its way, and these wait: {}",
            self.budget.used(),
            waiting.join(", ")
        );
        let used = self.budget.used();
        promise!("R1: all is given back", used == 0, "{used} bytes are held at the end");
        Ok(())
    }
}
