//! [`Spool`]: what gates, senders, writer and reader of a target share. It outlives all of them.

use super::append::Writing;
use super::memory::Memory;
use super::reader::Reading;
use super::settings::SpoolSettings;
use super::state::{Aside, Mode, State};
use super::store::Store;
use crate::data::delivery::{Delivery, Door};
use crate::data::target::Target;
use event::{Budget, Cause, Claim, Keeper, Settled};
use journal::{Environment, Position};
use parking_lot::Mutex;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// How often a gate that is to go looks whether it may.
const LOOK: Duration = Duration::from_millis(10);

/// A target's spool.
pub struct Spool {
    pub(super) target: Arc<Target>,
    pub(super) environment: Environment,
    pub(super) settings: Mutex<SpoolSettings>,
    /// What may be held of what was read back.
    pub(super) memory: Memory,
    /// Tells this process's streams from those of others.
    pub(super) process: u64,
    pub(super) store: OnceLock<Store>,
    /// There is something to append, or to look after.
    pub(super) write: Notify,
    /// There may be something to read.
    pub(super) read: Notify,
    /// Somebody wants a run: what is on disk is delivered, then its schedule goes on.
    pub(super) ran: Notify,
    /// What was logged and is to be in the list of activities, too.
    pub(super) news: Mutex<Vec<String>>,
    /// Whether segments are being laid out.
    pub(super) preparing: AtomicBool,
    /// What of the writer outlives its actor.
    pub(super) writing: Mutex<Writing>,
    /// What of the reader outlives its actor.
    pub(super) reading: Mutex<Reading>,
    state: Mutex<State>,
}

impl Spool {
    /// A spool of this target, closed yet. What it reads back is held within `read_back`, which all spools share.
    pub fn new(
        target: Arc<Target>,
        settings: SpoolSettings,
        environment: Environment,
        read_back: &Budget,
    ) -> Arc<Self> {
        let process = environment.rng.next_u64();
        let spool = Self {
            target,
            settings: Mutex::new(settings.clone()),
            memory: Memory::within(read_back),
            process,
            store: OnceLock::new(),
            write: Notify::new(),
            read: Notify::new(),
            ran: Notify::new(),
            news: Mutex::default(),
            preparing: AtomicBool::new(false),
            writing: Mutex::default(),
            reading: Mutex::default(),
            state: Mutex::new(State::new(1, environment.clock.now())),
            environment,
        };
        let spool = Arc::new(spool);
        spool.change(settings);
        spool
    }

    /// Puts other settings into force. Limits of the disk hold from the next start on.
    pub fn change(self: &Arc<Self>, settings: SpoolSettings) {
        self.with(|state, aside| {
            (state.patience, state.most_bytes) = (settings.patience, settings.most_bytes);
            if state.scheduled != settings.scheduled {
                (state.scheduled, state.running) = (settings.scheduled, !settings.scheduled);
            }
            if state.scheduled && state.mode == Mode::Direct {
                state.divert(aside);
            }
        });
        *self.settings.lock() = settings;
        self.write.notify_one();
        self.read.notify_one();
    }

    /// Whether nothing waits in it.
    pub fn is_empty(&self) -> bool {
        let state = self.state.lock();
        state.is_drained() && state.mode != Mode::Opening
    }

    /// The target.
    pub fn target(&self) -> &Arc<Target> {
        &self.target
    }

    /// Delivers what waits for the schedule; returns when that is done.
    pub async fn run(self: &Arc<Self>) {
        self.begin_run();
        loop {
            let ran = self.ran.notified();
            if !self.state.lock().running {
                return;
            }
            ran.await;
        }
    }

    pub(super) fn begin_run(&self) {
        self.with(|state, _| state.running = true);
        self.read.notify_one();
    }

    // === for gates ===

    /// A gate was started for a sender, one of so many.
    pub fn bind(self: &Arc<Self>, port: usize, ports: usize, door: Arc<dyn Door>) {
        self.with(|state, aside| state.bind(port, ports, door, aside));
        self.read.notify_one();
    }

    /// Deliveries for a sender.
    pub fn offer(self: &Arc<Self>, port: usize, deliveries: impl IntoIterator<Item = Delivery>) {
        let now = self.environment.clock.now();
        let to_disk = self.with(|state, aside| {
            for delivery in deliveries {
                if let Some(ticket) = state.offer(port, delivery, now)
                    && let Some(door) = state.door(port).cloned()
                {
                    self.hand(state, ticket, &door, aside);
                }
            }
            self.hand_all(state, aside);
            if state.mode == Mode::Direct && state.is_slow(now) {
                self.divert(state, aside);
            }
            state.mode == Mode::Spooling
        });
        if to_disk {
            self.write.notify_one();
        }
    }

    /// Its gates are to go: nothing more is read, and what is in memory is delivered or written.
    pub(super) async fn close(self: &Arc<Self>) {
        self.begin_to_close();
        while !self.is_closed() {
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Begins what [`is_closed`](Self::is_closed) tells the end of.
    pub fn begin_to_close(&self) {
        self.with(|state, aside| {
            state.closing = true;
            if matches!(state.mode, Mode::Returning { .. }) {
                state.divert(aside);
            } else if state.mode == Mode::Spooling {
                state.recall(aside);
            }
        });
        self.write.notify_one();
    }

    /// Whether nothing is in memory only any more.
    pub fn is_closed(&self) -> bool {
        self.state.lock().is_closed(self.environment.clock.now())
    }

    // === for writer and reader ===

    /// Works on the state; what was put aside is dropped after the lock.
    pub(super) fn with<R>(&self, work: impl FnOnce(&mut State, &mut Aside) -> R) -> R {
        let mut aside = Aside::default();
        let result = work(&mut self.state.lock(), &mut aside);
        for door in &aside.recall {
            door.recall();
        }
        drop(aside);
        result
    }

    /// Hands all that waits for its sender to it.
    pub(super) fn hand_all(self: &Arc<Self>, state: &mut State, aside: &mut Aside) {
        for (ticket, door) in state.unhanded(aside) {
            self.hand(state, ticket, &door, aside);
        }
    }

    /// Hands a delivery to its sender. Nothing behind one that was refused is taken: the sender is gone.
    pub(super) fn hand(
        self: &Arc<Self>,
        state: &mut State,
        ticket: u64,
        door: &Arc<dyn Door>,
        aside: &mut Aside,
    ) -> bool {
        let Some((payload, branch, len, next)) = state.handing(ticket) else { return true };
        let keeper = Arc::clone(self) as Arc<dyn Keeper>;
        let claim = Claim::kept(keeper, ticket, branch, len, next);
        match door.deliver(Delivery { payload, claim }) {
            Ok(()) => true,
            Err(refused) => {
                state.lost(ticket, aside);
                aside.refused.push(*refused);
                false
            }
        }
    }

    /// From now on everything goes to disk.
    pub(super) fn divert(&self, state: &mut State, aside: &mut Aside) {
        state.divert(aside);
        self.target.spool.diverted.add(1);
    }

    /// Time passes.
    pub fn tick(self: &Arc<Self>) {
        let (now, scarce) = (self.environment.clock.now(), self.memory.is_scarce());
        self.with(|state, aside| {
            let before = state.mode;
            state.tick(now, scarce, aside);
            if before == Mode::Direct && state.mode == Mode::Spooling {
                self.target.spool.diverted.add(1);
            }
            self.hand_all(state, aside);
            self.come_back(state, now, aside);
            let in_use = !matches!(state.mode, Mode::Direct);
            self.target.spool.in_use.store(in_use, Relaxed);
        });
    }

    /// Feeds senders from memory again where that is possible, and ends a run of the schedule that is done.
    pub(super) fn come_back(self: &Arc<Self>, state: &mut State, now: Instant, aside: &mut Aside) {
        if state.come_back(now, aside) {
            self.hand_all(state, aside);
        }
        if state.scheduled && state.running && state.is_drained() {
            state.running = false;
            self.ran.notify_waiters();
        }
    }

    /// Says in the log and in the list of activities that something is gone.
    pub(super) fn announce(&self, text: String) {
        tracing::error!(target = &*self.target.name, "{text}");
        self.news.lock().push(text);
    }

    /// Deliveries that can't be read any more.
    pub(super) fn count_missing(&self, deliveries: u64, bytes: u64, cause: Cause) {
        let spool = &self.target.spool;
        let deliveries = deliveries.min(spool.flow.held());
        spool.flow.settle(deliveries, Settled::Dropped(cause));
        spool.bytes.store(spool.bytes.load(Relaxed).saturating_sub(bytes), Relaxed);
        spool.done_bytes.add(bytes);
    }

    /// Tells the journal what was settled since it was told the last time.
    pub(super) fn settle_cursor(&self) -> bool {
        let Some(store) = self.store.get() else { return false };
        // Under the lock: at no moment is a settled record unknown to both.
        self.with(|state, _| {
            let settled = std::mem::take(&mut state.settled);
            let any = !settled.is_empty();
            store.settle(settled);
            any
        })
    }

    /// Whether a record is settled, or in a sender's hands.
    pub(super) fn is_taken(&self, store: &Store, position: Position) -> bool {
        let (has, settled) = self.with(|state, _| (state.has(position), state.settled.contains(&position)));
        has || settled || store.journal.is_settled(store.cursor, position)
    }
}

impl Keeper for Spool {
    fn is_current(&self, number: u64) -> bool {
        self.state.lock().is_current(number)
    }

    fn settle(&self, number: u64, upto: u32, exceptions: &[(u32, Settled)], settled: Settled) {
        let now = self.environment.clock.now();
        let look = self.with(|state, _| {
            state.settle(&self.target, number, upto, exceptions, settled, now);
            state.mode != Mode::Direct
        });
        if look {
            self.read.notify_one();
        }
    }

    fn lost(&self, number: u64) {
        self.with(|state, aside| state.lost(number, aside));
        self.read.notify_one();
    }
}

impl fmt::Debug for Spool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Spool({})", self.target.name)
    }
}
