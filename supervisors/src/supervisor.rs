//! The supervisor: a ractor actor that starts children, watches them, and starts them again by their policy.
//!
//! A supervisor is itself a child of another one. Faults do not climb: whatever happens to a child, its
//! supervisor goes on. When a supervisor dies nevertheless, its children go with it (ractor terminates
//! them), and the one above starts the whole subtree anew.

use crate::policy::{Action, Policy};
use actors::child::spec::Common;
use actors::child::{
    Activity, ChildName, ChildSpec, Exit, Home, Kind, Nursery, Order, Pulse, Restart, StartContext,
    StartError, StartFn, Started, State,
};
use ractor::{Actor, ActorCell, ActorId, ActorProcessingErr, ActorRef, SupervisionEvent};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How often the pulses of children are looked at.
const LOOK: Duration = Duration::from_secs(1);
/// A killed child that is not gone after this runs on a thread that is stuck.
const KILL_WITHIN: Duration = Duration::from_secs(2);

/// A child that is replaced by another has so long for an orderly end.
const REPLACE_WITHIN: Duration = Duration::from_secs(2);

/// In which order children are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StopOrder {
    /// All at once.
    Together,
    /// The last one first, each when the one after it is gone.
    Reverse,
}

/// A supervisor; see the module.
#[derive(Debug)]
pub struct Supervisor;

/// What a supervisor is started with.
#[derive(Clone)]
pub struct Charge {
    /// Its path; empty for the root.
    pub path: Arc<str>,
    /// What all actors share.
    pub common: Arc<Common>,
    /// How it stops its children.
    pub stop_order: StopOrder,
    /// Children it starts with.
    pub children: Vec<ChildSpec>,
    /// Where it says how children are asked for, once it is up.
    pub announce: Announce,
}

/// The nursery of a supervisor, for others to ask for children; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Announce(Arc<watch::Sender<Option<Nursery>>>);

impl Announce {
    /// The nursery, as soon as the supervisor is up.
    pub async fn nursery(&self) -> Nursery {
        let mut nursery = self.0.subscribe();
        let up = nursery.wait_for(Option::is_some).await;
        // The sender is in `self`, and what was waited for is there.
        up.expect("the sender lives").clone().expect("waited for")
    }

    /// The nursery, if the supervisor is up.
    pub fn present(&self) -> Option<Nursery> {
        self.0.borrow().clone()
    }
}

/// A supervisor's state.
pub struct Ward {
    me: ActorRef<Order>,
    charge: Charge,
    /// In the order in which they were adopted.
    children: BTreeMap<Seat, Box<ChildState>>,
    seats: HashMap<ChildName, Seat>,
    by_actor: HashMap<ActorId, Seat>,
    /// Children that ended before [`Order::StartEnded`] told which actor they are.
    ended_early: HashMap<ActorId, Exit>,
    adopted: u64,
    /// Lives begun so far: the number of the next one. No two share a number, so that an order that comes late
    /// (a time limit above all) never meets a child of the same name that took the place.
    lives: u32,
    stopping_all: bool,
}

/// A child's number among all that a supervisor ever had.
type Seat = u64;

struct ChildState {
    spec: ChildSpec,
    path: Arc<str>,
    policy: Policy,
    generation: u32,
    pulse: Pulse,
    phase: Phase,
    /// Somebody wants it gone.
    leaving: bool,
    /// To be adopted when it is gone.
    successor: Option<Box<ChildSpec>>,
    wanted_gone: Vec<oneshot::Sender<()>>,
    lane_generation: u64,
}

enum Phase {
    Starting,
    Up(Started),
    /// Killed because of a hang that lasted so long.
    Killed(Started, Duration),
    Down,
}

/// A subtree as a child.
pub fn subtree(
    name: impl Into<ChildName>,
    kind: Kind,
    charge: impl Fn(&StartContext) -> Charge + Send + Sync + 'static,
) -> ChildSpec {
    let start: StartFn = Arc::new(move |context: StartContext| {
        let charge = charge(&context);
        Box::pin(async move {
            let supervisor = context.nursery.supervisor();
            let (actor, _) = Actor::spawn_linked(None, Supervisor, charge, supervisor).await?;
            let cell = actor.get_cell();
            let stop = Box::new(move || {
                // One that is gone needs no order.
                let _ = actor.cast(Order::StopAll);
            });
            Ok(Started { cell, stop })
        })
    });
    // A subtree's own children have their limits; it has theirs and some more.
    ChildSpec::with_start(name, kind, Home::Control, start).stop_within(Duration::from_secs(40))
}

impl Actor for Supervisor {
    type Msg = Order;
    type State = Ward;
    type Arguments = Charge;

    async fn pre_start(&self, me: ActorRef<Order>, charge: Charge) -> Result<Ward, ActorProcessingErr> {
        Ok(Ward {
            me,
            charge,
            children: BTreeMap::new(),
            seats: HashMap::new(),
            by_actor: HashMap::new(),
            ended_early: HashMap::new(),
            adopted: 0,
            lives: 0,
            stopping_all: false,
        })
    }

    async fn post_start(&self, me: ActorRef<Order>, ward: &mut Ward) -> Result<(), ActorProcessingErr> {
        for spec in std::mem::take(&mut ward.charge.children) {
            ward.adopt(Box::new(spec));
        }
        ward.charge.announce.0.send_replace(Some(Nursery::new(me.clone())));
        me.send_interval(LOOK, || Order::Look);
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<Order>,
        order: Order,
        ward: &mut Ward,
    ) -> Result<(), ActorProcessingErr> {
        match order {
            Order::Adopt(spec) => ward.adopt(spec),
            Order::Remove(name, done) => ward.remove(&name, done),
            Order::StopAll => ward.stop_all(),
            Order::StartEnded { name, generation, result } => ward.start_ended(&name, generation, *result),
            Order::Restart { name, generation } => ward.restart(&name, generation),
            Order::Overdue { name, generation } => ward.overdue(&name, generation),
            Order::Look => ward.look(),
        }
        if ward.stopping_all && ward.children.is_empty() {
            me.stop(None);
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<Order>,
        event: SupervisionEvent,
        ward: &mut Ward,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(cell, state, reason) => {
                // What the child still held goes back to the book before anybody takes its place.
                drop(state);
                let killed = reason.is_some_and(|r| r.contains("kill"));
                ward.ended(&cell, if killed { Exit::Killed } else { Exit::Done });
            }
            SupervisionEvent::ActorFailed(cell, error) => ward.ended(&cell, error.into()),
            SupervisionEvent::ActorStarted(_) | SupervisionEvent::ProcessGroupChanged(_) => {}
        }
        if ward.stopping_all && ward.children.is_empty() {
            me.stop(None);
        }
        Ok(())
    }
}

impl Ward {
    fn adopt(&mut self, mut spec: Box<ChildSpec>) {
        if self.stopping_all {
            return;
        }
        if let Some(&seat) = self.seats.get(&spec.name) {
            if let Some(child) = self.children.get_mut(&seat) {
                child.successor = Some(spec);
            }
            self.begin_stop(seat);
            return;
        }
        let path: Arc<str> = match &*self.charge.path {
            "" => (*spec.name).into(),
            above => format!("{above}/{}", spec.name).into(),
        };
        self.charge.common.tree.add(&path, spec.kind);
        if self.charge.common.faults.are_restarts_off() {
            spec = Box::new(spec.restart(Restart::Never));
        }
        self.adopted += 1;
        let generation = next_life(&mut self.lives);
        self.seats.insert(Arc::clone(&spec.name), self.adopted);
        let child = ChildState {
            policy: Policy::new(&spec),
            spec: *spec,
            path,
            generation,
            pulse: Pulse::new(self.charge.common.clock.clone()),
            phase: Phase::Down,
            leaving: false,
            successor: None,
            wanted_gone: Vec::new(),
            lane_generation: 0,
        };
        self.children.insert(self.adopted, Box::new(child));
        self.start(self.adopted);
    }

    fn start(&mut self, seat: Seat) {
        let Some(child) = self.children.get_mut(&seat) else { return };
        let common = &self.charge.common;
        child.pulse = Pulse::new(common.clock.clone());
        child.phase = Phase::Starting;
        if let Home::Lane(lane) = &child.spec.home {
            child.lane_generation = lane.generation();
        }
        let context = StartContext {
            path: Arc::clone(&child.path),
            nursery: Nursery::new(self.me.clone()),
            pulse: child.pulse.clone(),
            generation: child.generation,
            common: Arc::clone(common),
            stopping: CancellationToken::new(),
            home: child.spec.home.clone(),
        };
        common.tree.set_state(&child.path, State::Starting);
        common.tree.set_pulse(&child.path, child.pulse.clone());
        let (name, generation) = (Arc::clone(&child.spec.name), child.generation);
        let starting = (child.spec.start)(context);
        let me = self.me.clone();
        tokio::spawn(async move {
            let result = Box::new(starting.await);
            // When this supervisor is gone, the child it is linked to is, too.
            let _ = me.cast(Order::StartEnded { name, generation, result });
        });
    }

    fn start_ended(&mut self, name: &str, generation: u32, result: Result<Started, StartError>) {
        let early = result.as_ref().ok().and_then(|started| self.ended_early.remove(&started.cell.get_id()));
        let seat = self.seats.get(name).copied();
        let child = seat.and_then(|seat| self.children.get_mut(&seat));
        let (Some(seat), Some(child)) = (seat, child.filter(|child| child.generation == generation)) else {
            if let Ok(started) = result {
                started.cell.kill();
            }
            return;
        };
        let started = match result {
            Ok(started) => started,
            Err(error) => return self.exited(seat, Exit::StartFailed(error)),
        };
        child.policy.started(self.charge.common.clock.now());
        if let Some(exit) = early {
            return self.exited(seat, exit);
        }
        self.by_actor.insert(started.cell.get_id(), seat);
        child.phase = Phase::Up(started);
        self.charge.common.tree.set_state(&child.path, State::Running);
        if child.leaving || child.successor.is_some() {
            self.begin_stop(seat);
        }
    }

    fn ended(&mut self, cell: &ActorCell, exit: Exit) {
        let id = cell.get_id();
        let Some(seat) = self.by_actor.remove(&id) else {
            self.ended_early.insert(id, exit);
            return;
        };
        let exit = match self.children.get(&seat).map(|child| &child.phase) {
            Some(Phase::Up(_)) => exit,
            Some(Phase::Killed(_, hung)) if hung.is_zero() => Exit::Killed,
            Some(Phase::Killed(_, hung)) => Exit::Hung(*hung),
            _ => return,
        };
        self.exited(seat, exit);
    }

    fn exited(&mut self, seat: Seat, exit: Exit) {
        let common = Arc::clone(&self.charge.common);
        let Some(child) = self.children.get_mut(&seat) else { return };
        child.phase = Phase::Down;
        if exit.is_failure() {
            let text = exit.to_string();
            common.tree.failed(&child.path, &text);
            tracing::error!(path = &*child.path, error = text, "failed");
        }
        if child.leaving || child.successor.is_some() {
            return self.forget(seat);
        }
        let now = common.clock.now();
        let (state, when) = match child.policy.on_exit(now, &exit, &common.rng) {
            Action::Leave => return self.forget(seat),
            Action::RestartAt(when) => (State::Restarting, when),
            Action::Park(when) => (State::Parked, when),
        };
        let delay = when.saturating_duration_since(now);
        if state == State::Parked {
            tracing::error!(path = &*child.path, next_in = ?delay, "parked: it failed too often");
            common.tree.log(&child.path, "parked".to_owned());
        }
        common.tree.set_state(&child.path, state);
        self.later(seat, delay, |name, generation| Order::Restart { name, generation });
    }

    fn later(
        &self,
        seat: Seat,
        delay: Duration,
        order: impl FnOnce(ChildName, u32) -> Order + Send + 'static,
    ) {
        let Some(child) = self.children.get(&seat) else { return };
        let (name, generation, me) = (Arc::clone(&child.spec.name), child.generation, self.me.clone());
        tokio::spawn(async move {
            tokio::time::sleep(delay).await;
            let _ = me.cast(order(name, generation));
        });
    }

    fn restart(&mut self, name: &str, generation: u32) {
        let Some(&seat) = self.seats.get(name) else { return };
        let Some(child) = self.children.get_mut(&seat) else { return };
        if child.generation != generation || !matches!(child.phase, Phase::Down) {
            return;
        }
        child.generation = next_life(&mut self.lives);
        self.charge.common.tree.restarted(&child.path);
        tracing::info!(path = &*child.path, generation = child.generation, "starting again");
        self.start(seat);
    }

    fn remove(&mut self, name: &str, done: Option<oneshot::Sender<()>>) {
        // Whoever asks for somebody unknown hears at once that it is gone: the dropped sender says so.
        let Some(&seat) = self.seats.get(name) else { return };
        let Some(child) = self.children.get_mut(&seat) else { return };
        child.successor = None;
        child.wanted_gone.extend(done);
        if !std::mem::replace(&mut child.leaving, true) {
            self.begin_stop(seat);
        }
    }

    /// Asks a child to stop; one that is down is forgotten at once, one that is starting when it is up.
    fn begin_stop(&mut self, seat: Seat) {
        let Some(child) = self.children.get(&seat) else { return };
        match &child.phase {
            Phase::Up(started) => {
                self.charge.common.tree.set_state(&child.path, State::Stopping);
                (started.stop)();
                // A successor is not kept waiting by a peer that takes nothing: it takes over what is left.
                let patience = if child.successor.is_some() { REPLACE_WITHIN } else { Duration::MAX };
                let limit = child.spec.rules.stop_within.min(patience);
                self.later(seat, limit, |name, generation| Order::Overdue { name, generation });
            }
            Phase::Down => self.forget(seat),
            Phase::Starting | Phase::Killed(..) => {}
        }
    }

    fn overdue(&mut self, name: &str, generation: u32) {
        let Some(&seat) = self.seats.get(name) else { return };
        let Some(child) = self.children.get(&seat).filter(|child| child.generation == generation) else {
            return;
        };
        if let Phase::Up(_) = child.phase {
            tracing::warn!(path = &*child.path, limit = ?child.spec.rules.stop_within, "did not stop in time; killed");
        }
        self.kill(seat, Duration::ZERO);
    }

    fn kill(&mut self, seat: Seat, hung: Duration) {
        let Some(child) = self.children.get_mut(&seat) else { return };
        match std::mem::replace(&mut child.phase, Phase::Down) {
            Phase::Up(started) => {
                started.cell.kill();
                child.phase = Phase::Killed(started, hung);
                self.later(seat, KILL_WITHIN, |name, generation| Order::Overdue { name, generation });
            }
            // Killed already, and still there: its thread is stuck, so no message of its end will come.
            Phase::Killed(started, hung) => {
                self.by_actor.remove(&started.cell.get_id());
                let exit = if hung.is_zero() { Exit::Killed } else { Exit::Hung(hung) };
                self.exited(seat, exit);
            }
            other => child.phase = other,
        }
    }

    /// Looks for children that hang, or whose lane has got a new life without them.
    fn look(&mut self) {
        let seats: Vec<Seat> = self.children.keys().copied().collect();
        for seat in seats {
            let Some(child) = self.children.get(&seat) else { continue };
            let Phase::Up(started) = &child.phase else { continue };
            let abandoned = match &child.spec.home {
                Home::Lane(lane) => lane.generation() != child.lane_generation,
                Home::Control => false,
            };
            let (activity, time) = child.pulse.read();
            if abandoned {
                self.by_actor.remove(&started.cell.get_id());
                self.exited(seat, Exit::Hung(time));
            } else if activity == Activity::Working && time > child.spec.rules.work_within {
                self.kill(seat, time);
            }
        }
    }

    fn forget(&mut self, seat: Seat) {
        let Some(child) = self.children.remove(&seat) else { return };
        self.seats.remove(&child.spec.name);
        self.charge.common.tree.remove(&child.path);
        for done in child.wanted_gone {
            // Whoever waited may have given up.
            let _ = done.send(());
        }
        if let Some(successor) = child.successor {
            self.adopt(successor);
        }
        if self.stopping_all && self.charge.stop_order == StopOrder::Reverse {
            self.stop_next();
        }
    }

    fn stop_all(&mut self) {
        self.stopping_all = true;
        for child in self.children.values_mut() {
            child.successor = None;
        }
        self.stop_next();
    }

    /// Asks whoever is next to stop.
    fn stop_next(&mut self) {
        let names: Vec<ChildName> = match self.charge.stop_order {
            StopOrder::Together => self.seats.keys().cloned().collect(),
            StopOrder::Reverse => {
                self.children.values().next_back().map(|c| c.spec.name.clone()).into_iter().collect()
            }
        };
        for name in names {
            self.remove(&name, None);
        }
    }
}

/// Starts a root supervisor: itself, to be given orders, and a handle that ends with it.
pub async fn start_root(charge: Charge) -> Result<(ActorRef<Order>, JoinHandle<()>), ractor::SpawnErr> {
    Actor::spawn(None, Supervisor, charge).await
}

/// The number of a life that begins now.
fn next_life(lives: &mut u32) -> u32 {
    let life = *lives;
    *lives = life.wrapping_add(1);
    life
}
