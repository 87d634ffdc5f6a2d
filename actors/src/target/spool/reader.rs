//! The spool's reader: reads records back and hands them to senders, as many as these keep up with.

use super::record::Incoming;
use super::spool::Spool;
use super::store::Store;
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::target::trouble::Patience;
use anyhow::Context;
use bytes::Bytes;
use event::{Cause, Hold, Settled};
use journal::{Gap, GapCause, Position, Read, ReadError, Record};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// How often the reader looks although nobody called.
const LOOK: Duration = Duration::from_millis(200);
/// A step reads so many bytes at most.
const STEP_BYTES: u64 = 1 << 20;
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_AT_MOST: Duration = Duration::from_secs(2);
/// So often in a row the same bytes are asked for before they are set aside as unreadable.
const ATTEMPTS: u32 = 5;

/// What of the reader outlives its actor.
#[derive(Default)]
pub(super) struct Reading {
    reader: Option<journal::Reader>,
    /// It was read, and there was no memory for it.
    kept: Option<Record>,
    /// Memory that was waited for.
    granted: Option<Hold>,
}

/// What came of a step.
pub enum Step {
    /// There is no more to be read at present, or there is, and it is the next step's.
    Read,
    /// A record of so many bytes waits for memory.
    Waits(u32),
}

/// The reader's note to itself: begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin;

/// The reader.
pub struct SpoolReader {
    spool: Arc<Spool>,
    patience: Patience,
    failures: u32,
}

impl SpoolReader {
    /// The reader of this spool.
    pub fn new(spool: Arc<Spool>) -> Self {
        Self { spool, patience: Patience::new(RETRY_FIRST, RETRY_AT_MOST), failures: 0 }
    }

    /// Reads what there is room for, and waits for memory where it has to; says how long to wait after a failure.
    async fn step(&mut self, me: &Me<Begin>) -> anyhow::Result<Option<Duration>> {
        let (spool, set_aside) = (Arc::clone(&self.spool), self.failures >= ATTEMPTS);
        let step = tokio::task::spawn_blocking(move || spool.read_back(set_aside));
        let error = match me.waiting(step).await.context("the reading thread failed")? {
            Err(error) => error,
            Ok(step) => {
                self.failures = 0;
                if self.patience.succeeded() {
                    me.report(Condition::Well);
                }
                if let Step::Waits(bytes) = step {
                    me.waiting(self.wait_for_memory(me, bytes)).await;
                }
                return Ok(None);
            }
        };
        self.failures += 1;
        let wait = self.patience.failed();
        let text = format!("cannot read the spool: {error}; see what the system's log says of the disk");
        if self.failures == 1 {
            tracing::error!(target = &*self.spool.target.name, "{text}");
        }
        me.report(Condition::Trouble(format!("{text}; trying again in {wait:?}")));
        Ok(Some(wait))
    }

    /// Waits for memory in turn with the other readers, as long as it is wanted.
    async fn wait_for_memory(&self, me: &Me<Begin>, bytes: u32) {
        let spool = &self.spool;
        let mut memory = pin!(spool.memory.take(bytes));
        loop {
            tokio::select! {
                biased;
                () = me.stopping() => return,
                hold = &mut memory => {
                    spool.grant(hold);
                    return;
                }
                () = spool.read.notified() => {}
                () = tokio::time::sleep(LOOK) => {}
            }
            if !spool.waits_for_memory() {
                return;
            }
        }
    }
}

impl Spool {
    /// Whether something is to be read now. Otherwise moves on what waits for the reader to be done.
    fn wants_reading(self: &Arc<Self>) -> bool {
        let now = self.environment.clock.now();
        self.with(|state, aside| {
            let wanted = state.room().is_some();
            if !wanted {
                self.come_back(state, now, aside);
            }
            wanted && self.store.get().is_some()
        })
    }

    /// Reads as much as there is room for, in steps.
    pub fn read_back(self: &Arc<Self>, set_aside: bool) -> Result<Step, ReadError> {
        // One at a time: an actor that died may have left a step behind.
        let mut reading = self.reading.lock();
        let Reading { reader: open, kept, granted } = &mut *reading;
        // What is not used now is for others.
        let mut granted = granted.take();
        let Some(store) = self.store.get() else { return Ok(Step::Read) };
        self.settle_cursor();
        let mut bytes = 0;
        while bytes < STEP_BYTES {
            let next = self.with(|state, aside| {
                // What a sender's earlier life had comes again, before anything is handed to the present one.
                state.look_for_new_lives(aside);
                state.room()?;
                // What is still to be read comes anyway.
                let rewind = state.rewind.take().filter(|position| *position < state.read_to);
                // Now, not when it was read: if that fails, it is still to be read.
                state.read_to = rewind.unwrap_or(state.read_to);
                Some((rewind, state.read_to, state.end))
            });
            let Some((rewind, from, end)) = next else { break };
            let reader = match rewind {
                Some(position) => {
                    *kept = None;
                    open.insert(store.journal.read_from(position))
                }
                None => open.get_or_insert_with(|| store.journal.read_from(from)),
            };
            if set_aside {
                reader.set_aside_unreadable();
            }
            if kept.is_none() && reader.position() >= end {
                self.with(|state, _| state.read_to = end);
                break;
            }
            let next = kept.take().map_or_else(|| reader.next(), |record| Ok(Read::Record(record)));
            match next? {
                Read::Record(mut record) => {
                    let taken = self.is_taken(store, record.position);
                    let hold = match taken {
                        true => Some(self.memory.nothing()),
                        false => self.memory_for(&mut record, granted.take()),
                    };
                    let Some(hold) = hold else {
                        let waits = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
                        record.payload = Bytes::copy_from_slice(&record.payload);
                        *kept = Some(record);
                        self.with(|state, _| state.rewind = state.rewind.into_iter().chain(rewind).min());
                        return Ok(Step::Waits(waits));
                    };
                    bytes += self.take_record(store, &record, hold, taken);
                }
                Read::Gap(gap) => self.pass_gap(store, &gap),
                Read::CaughtUp => {}
            }
            let position = reader.position();
            self.with(|state, _| state.read_to = position);
        }
        self.look_for_missing_end();
        Ok(Step::Read)
    }

    /// Whether a record that waits for memory still has to, and is wanted.
    pub(super) fn waits_for_memory(self: &Arc<Self>) -> bool {
        !self.memory.has_own() && self.wants_reading()
    }

    /// There is memory for the record that waited for it.
    pub(super) fn grant(&self, hold: Hold) {
        self.reading.lock().granted = Some(hold);
    }

    /// Lets go of the block that was read last.
    fn rest(&self) {
        // Where a step is under way it is needed.
        if let Some(Reading { reader: Some(reader), .. }) = self.reading.try_lock().as_deref_mut() {
            reader.rest();
        }
    }

    /// Memory for a record; none if it has to be waited for.
    fn memory_for(&self, record: &mut Record, granted: Option<Hold>) -> Option<Hold> {
        let bytes = u32::try_from(record.payload.len()).unwrap_or(u32::MAX);
        if let Some(mut hold) = granted {
            // It was waited for another one, where reading went back.
            let held = u32::try_from(hold.bytes()).unwrap_or(u32::MAX);
            hold.grow(bytes.saturating_sub(held));
            hold.give_back(held.saturating_sub(bytes));
            return Some(hold);
        }
        let (hold, is_own) = self.memory.try_take(bytes)?;
        if is_own {
            // It may be held for long: its own bytes, not a part of a block that is much larger.
            record.payload = Bytes::copy_from_slice(&record.payload);
        }
        Some(hold)
    }

    /// A record was read. Returns its size.
    fn take_record(self: &Arc<Self>, store: &Store, record: &Record, hold: Hold, taken: bool) -> u64 {
        let (bytes, position) = (record.payload.len() as u64, record.position);
        let incoming = match Incoming::read(record.payload.clone(), self.process, hold) {
            Ok(incoming) => incoming,
            Err(error) => {
                let target = &*self.target.name;
                tracing::error!(target, %position, "a record of the spool is set aside: {error}");
                store.settle([position]);
                return bytes;
            }
        };
        let (before, deliveries) = (incoming.stamp, incoming.deliveries);
        let before = (before.deliveries_before, before.bytes_before);
        let first_time =
            self.follow(position, before, (deliveries, bytes), taken && position < store.own_from);
        if taken {
            return bytes;
        }
        store.note(record);
        let delivered = store.delivered_before(record);
        let now = self.environment.clock.now();
        self.with(|state, aside| {
            if state.has(position) {
                return;
            }
            if let Some(delivered) = delivered.filter(|_| first_time) {
                // An earlier process delivered these; they were counted as waiting.
                let done = super::record::deliveries(&incoming.payload, 0, delivered);
                self.target.spool.flow.settle(done.into(), Settled::NotMine);
                state.partial.insert(position, delivered);
            }
            let (ticket, door) = state.read(position, incoming, now);
            match door {
                Some(door) => {
                    self.hand(state, ticket, &door, aside);
                }
                None => state.lost(ticket, aside),
            }
        });
        bytes
    }

    /// Counts what is missing before a record that was read for the first time; whether it was.
    fn follow(&self, position: Position, before: (u64, u64), own: (u32, u64), done_earlier: bool) -> bool {
        let missing = self.with(|state, _| {
            let (expected, sums) = state.expected;
            if position < expected {
                return None;
            }
            state.expected = (position.next(), Some((before.0 + u64::from(own.0), before.1 + own.1)));
            let sums = sums.unwrap_or(before);
            Some((before.0.saturating_sub(sums.0), before.1.saturating_sub(sums.1)))
        });
        let Some((deliveries, bytes)) = missing else { return false };
        if deliveries > 0 {
            self.announce(format!(
                "{deliveries} spooled deliveries ({bytes} bytes) are lost: the spool's files are damaged"
            ));
            self.count_missing(deliveries, bytes, Cause::Damaged);
        }
        if done_earlier {
            // An earlier process delivered it; it was counted as waiting.
            let meters = &self.target.spool;
            meters.flow.settle(u64::from(own.0).min(meters.flow.held()), Settled::NotMine);
            self.count_missing(0, own.1, Cause::Damaged);
        }
        true
    }

    fn pass_gap(&self, store: &Store, gap: &Gap) {
        if gap.cause == GapCause::Damaged {
            let target = &*self.target.name;
            let (from, to) = (gap.from, gap.to);
            tracing::error!(target, %from, %to, bytes = gap.bytes, "records of the spool are damaged");
        }
        store.journal.settle(store.cursor, gap.from..gap.to);
    }

    /// Damage at the very end is followed by no record that would tell.
    fn look_for_missing_end(&self) {
        let missing = self.with(|state, _| {
            let (expected, sums) = state.expected;
            if !state.is_read() || expected >= state.end {
                return None;
            }
            state.expected = (state.end, Some(state.sums));
            let sums = sums.unwrap_or(state.sums);
            Some((state.sums.0.saturating_sub(sums.0), state.sums.1.saturating_sub(sums.1)))
        });
        if let Some((deliveries, bytes)) = missing.filter(|(deliveries, _)| *deliveries > 0) {
            self.announce(format!(
                "{deliveries} spooled deliveries ({bytes} bytes) are lost: the spool's files are damaged"
            ));
            self.count_missing(deliveries, bytes, Cause::Damaged);
        }
    }
}

impl Child for SpoolReader {
    type Message = Begin;

    fn start(&mut self, me: &Me<Begin>) -> anyhow::Result<()> {
        me.note(Begin);
        Ok(())
    }

    async fn handle(&mut self, me: &Me<Begin>, Begin: Begin) -> anyhow::Result<Next> {
        let spool = Arc::clone(&self.spool);
        loop {
            let mut wait = LOOK;
            if spool.wants_reading() {
                match self.step(me).await? {
                    Some(pause) => wait = pause,
                    None if me.is_stopping() => return Ok(Next::Continue),
                    None => continue,
                }
            }
            let wake = async {
                tokio::select! {
                    () = spool.read.notified(), if self.failures == 0 => true,
                    () = tokio::time::sleep(wait) => {
                        spool.rest();
                        true
                    }
                    () = me.stopping() => false,
                }
            };
            if !me.waiting(wake).await {
                return Ok(Next::Continue);
            }
        }
    }
}
