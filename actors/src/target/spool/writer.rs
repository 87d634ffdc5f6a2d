//! The spool's writer: appends what is to go to disk, in groups, and keeps house.
//!
//! Blocking happens on a thread of its own; what comes meanwhile is the next group. A disk without space or with
//! errors is a condition: nothing is settled then, so the sources wait, until it is tried again.

use super::record::{Outgoing, Stamp};
use super::spool::Spool;
use super::state::Mode;
use super::store::{Contents, Store};
use crate::child::actor::Next;
use crate::child::{Child, Condition, Me};
use crate::target::trouble::Patience;
use anyhow::Context;
use event::{Cause, Settled};
use journal::{AppendError, DiskError, Dropped, OpenError, Position, ReadError, Recovery, SyncError};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// How often the spool looks at the time, and makes its cursor durable when something was settled.
const TICK: Duration = Duration::from_millis(100);
/// What comes within this time is appended together.
const GATHER: Duration = Duration::from_millis(1);
/// One write takes so many bytes.
const GROUP_BYTES: u64 = 4 << 20;
/// How often old deliveries are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);
/// How often progress is shown, and how often it is logged.
const SHOW_EVERY: Duration = Duration::from_secs(1);
const LOG_EVERY: Duration = Duration::from_secs(10);
const RETRY_FIRST: Duration = Duration::from_millis(200);
const RETRY_AT_MOST: Duration = Duration::from_secs(5);

/// The writer's note to itself: begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Begin;

/// What of the writer outlives its actor.
#[derive(Default)]
pub(super) struct Writing {
    /// Records that are written and not synced: they become known when they are.
    unsynced: Option<Unsynced>,
    expired_at: Option<Instant>,
    persisted_at: Option<Instant>,
    unpersisted: bool,
}

struct Unsynced {
    first: Position,
    /// Deliveries and bytes of each.
    records: Vec<(u32, u64)>,
}

impl Writing {
    /// Whether it is time to look for old deliveries.
    fn expires(&self, now: Instant) -> bool {
        self.expired_at.is_none_or(|at| now.saturating_duration_since(at) >= EXPIRE_EVERY)
    }

    /// Whether the cursor may be made durable again.
    fn persists(&self, now: Instant) -> bool {
        self.persisted_at.is_none_or(|at| now.saturating_duration_since(at) >= TICK)
    }
}

/// Why something can't be done at present.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Append(#[from] AppendError),
    #[error(transparent)]
    Sync(#[from] SyncError),
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error(transparent)]
    Disk(#[from] DiskError),
}

/// The writer.
pub struct SpoolWriter {
    spool: Arc<Spool>,
    patience: Patience,
    retry_at: Option<Instant>,
    progress: Progress,
    in_trouble: bool,
}

/// What is said of catching up.
#[derive(Default)]
struct Progress {
    shown_at: Option<Instant>,
    logged_at: Option<Instant>,
    bytes: u64,
    text: String,
    in_use: bool,
}

impl SpoolWriter {
    /// The writer of this spool.
    pub fn new(spool: Arc<Spool>) -> Self {
        let patience = Patience::new(RETRY_FIRST, RETRY_AT_MOST);
        Self { spool, patience, retry_at: None, progress: Progress::default(), in_trouble: false }
    }

    async fn step(&mut self, me: &Me<Begin>, last: bool) -> anyhow::Result<()> {
        self.spool.tick();
        let now = self.spool.environment.clock.now();
        if self.retry_at.is_none_or(|at| at <= now) || last {
            let spool = Arc::clone(&self.spool);
            let work = spool.has_work() || last;
            if work {
                let step = tokio::task::spawn_blocking(move || spool.work(last));
                let result = me.waiting(step).await.context("the writing thread failed")?;
                self.judge(me, result);
                self.spool.prepare();
            }
        }
        self.show(me, now);
        Ok(())
    }

    fn judge(&mut self, me: &Me<Begin>, result: Result<(), Trouble>) {
        let name = &*self.spool.target.name;
        let Err(trouble) = result else {
            self.retry_at = None;
            if self.patience.succeeded() {
                tracing::info!(target = name, "the spool is written to again");
                self.in_trouble = false;
                me.report(Condition::Note("written to again".to_owned()));
            }
            return;
        };
        let first = !self.patience.is_tried();
        let wait = self.patience.failed();
        self.retry_at = Some(self.spool.environment.clock.now() + wait);
        let text = format!("{trouble}; its sources wait, trying again in {wait:?}");
        if first {
            tracing::error!(target = name, "cannot spool: {text}");
        }
        self.in_trouble = true;
        me.report(Condition::Trouble(text));
    }

    /// Shows how far catching up is.
    fn show(&mut self, me: &Me<Begin>, now: Instant) {
        let (progress, meters) = (&mut self.progress, &self.spool.target.spool);
        let name = &*self.spool.target.name;
        let in_use = meters.in_use.load(Relaxed);
        let changed = in_use != progress.in_use;
        let since = progress.shown_at.map_or(SHOW_EVERY, |at| now.saturating_duration_since(at));
        if since < SHOW_EVERY && !changed {
            return;
        }
        let bytes = meters.bytes.load(Relaxed);
        let shrunk = progress.bytes.saturating_sub(bytes) as f64 / since.as_secs_f64().max(0.001);
        let smooth = (meters.shrinks_by.load(Relaxed) as f64 * 0.7 + shrunk * 0.3) as u64;
        meters.shrinks_by.store(if in_use && bytes > 0 { smooth } else { 0 }, Relaxed);
        (progress.bytes, progress.shown_at) = (bytes, Some(now));
        let waiting = meters.flow.held();
        let text = match (in_use, meters.seconds_left()) {
            (false, _) => "empty; deliveries go to the target from memory".to_owned(),
            (true, None) => format!("{waiting} deliveries ({}) wait on disk", readable(bytes)),
            (true, Some(left)) => format!(
                "{waiting} deliveries ({}) wait on disk, {}/s less, done in {left} s",
                readable(bytes),
                readable(smooth)
            ),
        };
        let due = progress.logged_at.is_none_or(|at| now.saturating_duration_since(at) >= LOG_EVERY);
        match (changed, in_use) {
            (true, true) => {
                tracing::info!(target = name, waiting, bytes, "deliveries go through the spool");
                progress.logged_at = Some(now);
            }
            (true, false) => {
                tracing::info!(target = name, "the spool is empty; delivering from memory again")
            }
            (false, true) if due && bytes > 0 => {
                tracing::info!(target = name, "{text}");
                progress.logged_at = Some(now);
            }
            _ => {}
        }
        progress.in_use = in_use;
        if progress.text != text && !self.in_trouble {
            me.report(Condition::Note(text.clone()));
            progress.text = text;
        }
    }
}

/// Bytes in the unit that people read.
fn readable(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "kB", "MB", "GB"];
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1000.0 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} B") } else { format!("{value:.1} {}", UNITS[unit]) }
}

// === where blocking is allowed ===

impl Spool {
    /// Whether there is something for [`work`](Self::work) to do.
    fn has_work(&self) -> bool {
        let (mode, wants) = self.with(|state, _| (state.mode, state.wants_disk()));
        if self.store.get().is_none() {
            return mode != Mode::Direct;
        }
        let writing = self.writing.lock();
        let now = self.environment.clock.now();
        let persists = (wants.settle || writing.unpersisted) && writing.persists(now);
        wants.append || persists || writing.expires(now) || writing.unsynced.is_some()
    }

    /// Appends what is to be on disk, and keeps house. `last`: nothing comes after it.
    pub(super) fn work(self: &Arc<Self>, last: bool) -> Result<(), Trouble> {
        // One at a time: an actor that died may have left a step behind.
        let mut writing = self.writing.lock();
        let store = match self.store.get() {
            Some(store) => store,
            None => match self.open()? {
                Some(store) => store,
                None => return Ok(()),
            },
        };
        let appended = self.append_all(store, &mut writing);
        // Also where there is no space: what was delivered makes room.
        let kept = self.keep_house(store, &mut writing, last);
        appended.and(kept)
    }

    /// Opens the journal, if there is one or it is needed.
    fn open(self: &Arc<Self>) -> Result<Option<&Store>, Trouble> {
        let settings = self.settings.lock().clone();
        let there = self.environment.disk.list(&settings.folder).is_ok_and(|entries| !entries.is_empty());
        let needed = settings.scheduled || self.with(|state, _| state.mode == Mode::Spooling);
        if !there && !needed {
            self.begin(Contents::default(), false);
            return Ok(None);
        }
        if !there {
            let disk = &self.environment.disk;
            disk.create_folder(&settings.folder)
                .map_err(|source| OpenError::NotWritable { folder: settings.folder.clone(), source })?;
        }
        let (store, recovery) = Store::open(self.environment.clone(), &settings)?;
        self.tell(&recovery);
        let contents = store.contents()?;
        let waiting = contents.done.map_or(0, |done| contents.sums.0.saturating_sub(done.0));
        let bytes = contents.done.map_or(0, |done| contents.sums.1.saturating_sub(done.1));
        if contents.watermark < contents.end {
            let name = &*self.target.name;
            tracing::info!(target = name, waiting, bytes, "the spool holds deliveries of an earlier run");
        }
        self.target.spool.flow.open(waiting);
        self.target.spool.bytes.store(bytes, Relaxed);
        let _ = self.store.set(store);
        self.begin(contents, settings.scheduled);
        Ok(self.store.get())
    }

    /// It is known what waits on disk.
    fn begin(self: &Arc<Self>, contents: Contents, scheduled: bool) {
        let now = self.environment.clock.now();
        self.with(|state, aside| {
            let opening = state.mode == Mode::Opening;
            (state.end, state.read_to) = (contents.end, contents.watermark);
            state.expected = (contents.watermark, contents.done);
            state.sums = contents.sums;
            if !opening {
                return;
            }
            if scheduled || contents.watermark < contents.end {
                state.divert(aside);
            } else {
                state.mode = Mode::Direct;
                state.release_held(now);
                self.hand_all(state, aside);
            }
        });
        self.read.notify_one();
    }

    fn tell(&self, recovery: &Recovery) {
        let target = &*self.target.name;
        if recovery.torn_bytes > 0 || recovery.damaged_records > 0 {
            let (torn, damaged) = (recovery.torn_bytes, recovery.damaged_records);
            tracing::warn!(
                target,
                torn,
                damaged,
                "the spool's end was damaged; what was not whole is set aside"
            );
        }
        if recovery.cursors_damaged || recovery.cursors_lowered > 0 {
            tracing::warn!(target, "the spool's cursor was lost; what it had delivered is delivered again");
        }
    }

    fn append_all(&self, store: &Store, writing: &mut Writing) -> Result<(), Trouble> {
        loop {
            if writing.unsynced.is_none() && !self.append(store, writing)? {
                return Ok(());
            }
            if self.settings.lock().synced {
                store.journal.sync()?;
            }
            let Some(Unsynced { first, records }) = writing.unsynced.take() else { continue };
            let claims = self.with(|state, _| {
                let of = |(n, (deliveries, bytes)): (usize, &(u32, u64))| {
                    state.appended(&self.target, Position(first.0 + n as u64), *deliveries, *bytes)
                };
                records.iter().enumerate().map(of).collect::<Vec<_>>()
            });
            claims.into_iter().flatten().for_each(|claim| claim.settle(Settled::Spooled));
            self.read.notify_one();
        }
    }

    /// Appends what waits, or a part of it; whether there was something.
    fn append(&self, store: &Store, writing: &mut Writing) -> Result<bool, Trouble> {
        let mut most = GROUP_BYTES.min(store.journal.max_batch_bytes() / 2);
        loop {
            let (group, mut sums) = self.with(|state, aside| (state.group(most, aside), state.sums));
            if group.parcels.is_empty() {
                return Ok(false);
            }
            let mut outgoing = Vec::with_capacity(group.parcels.len());
            for (payload, first, branch) in &group.parcels {
                let (deliveries_before, bytes_before) = sums;
                let stamp = Stamp { branch: *branch, deliveries_before, bytes_before, process: self.process };
                let record = Outgoing::new(payload, *first, &stamp);
                sums = (sums.0 + u64::from(record.deliveries), sums.1 + record.bytes());
                outgoing.push(record);
            }
            let slices: Vec<[&[u8]; 2]> =
                outgoing.iter().map(|record| [&record.head[..], &record.body[..]]).collect();
            let parts: Vec<&[&[u8]]> = slices.iter().map(|slices| &slices[..]).collect();
            match store.journal.append(&parts) {
                Ok(appended) => {
                    let records = outgoing.iter().map(|record| (record.deliveries, record.bytes())).collect();
                    writing.unsynced = Some(Unsynced { first: appended.first, records });
                    if let Some(dropped) = appended.dropped {
                        self.dropped(store, dropped, Cause::Quota);
                    }
                    return Ok(true);
                }
                Err(AppendError::TooLarge { .. }) if group.parcels.len() > 1 => most = 1,
                Err(error @ AppendError::TooLarge { .. }) => self.refuse_first(&error),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// What does not fit into a segment can't be kept.
    fn refuse_first(&self, error: &AppendError) {
        let target = &*self.target.name;
        tracing::error!(target, "deliveries dropped: they cannot be spooled: {error}");
        if let Some(claim) = self.with(|state, _| state.take_first()) {
            claim.settle(Settled::Dropped(Cause::TooLarge));
        }
    }

    fn keep_house(&self, store: &Store, writing: &mut Writing, last: bool) -> Result<(), Trouble> {
        writing.unpersisted |= self.settle_cursor();
        if last {
            let in_part = self.with(|state, _| state.in_part());
            store.store_in_part(&in_part).map_err(|source| DiskError {
                action: "write down what was delivered in part in",
                path: self.settings.lock().folder.clone(),
                source,
            })?;
        }
        let now = self.environment.clock.now();
        if writing.unpersisted && (last || writing.persists(now)) {
            store.journal.persist_cursors()?;
            (writing.unpersisted, writing.persisted_at) = (false, Some(now));
            store.journal.release();
        }
        if writing.expires(now) {
            writing.expired_at = Some(now);
            if let Some(dropped) = store.journal.expire()? {
                self.dropped(store, dropped, Cause::Age);
            }
        }
        Ok(())
    }

    /// Lays out segments ahead, beside everything else: overwriting what is laid out is what makes syncs cheap.
    fn prepare(self: &Arc<Self>) {
        let wanted = self.settings.lock().synced && self.target.spool.in_use.load(Relaxed);
        if !wanted || self.store.get().is_none() || self.preparing.swap(true, Relaxed) {
            return;
        }
        let spool = Arc::clone(self);
        tokio::task::spawn_blocking(move || {
            // Where it can't be, segments are made when they are needed, and that is where an error is told.
            let _ = spool.store.get().map(|store| store.journal.prepare());
            spool.preparing.store(false, Relaxed);
        });
    }

    /// Whole segments were dropped.
    fn dropped(&self, store: &Store, dropped: Dropped, cause: Cause) {
        let Some((start, sums)) = store.sums_at_start() else { return };
        let missing =
            self.with(|state, _| {
                let (expected, before) = state.expected;
                if start <= expected {
                    return None;
                }
                state.expected = (start, Some(sums));
                Some(before.map_or((0, 0), |before| {
                    (sums.0.saturating_sub(before.0), sums.1.saturating_sub(before.1))
                }))
            });
        let (deliveries, bytes) = missing.unwrap_or_default();
        self.count_missing(deliveries, bytes, cause);
        let why = match cause {
            Cause::Age => "they are older than queue.limit",
            _ => "the spool's quota, or the disk, is used up",
        };
        let target = &*self.target.name;
        tracing::error!(
            target,
            deliveries,
            bytes,
            freed = dropped.bytes,
            "spooled deliveries dropped: {why}"
        );
    }
}

impl Child for SpoolWriter {
    type Message = Begin;

    fn start(&mut self, me: &Me<Begin>) -> anyhow::Result<()> {
        me.note(Begin);
        Ok(())
    }

    async fn handle(&mut self, me: &Me<Begin>, Begin: Begin) -> anyhow::Result<Next> {
        let spool = Arc::clone(&self.spool);
        loop {
            self.step(me, false).await?;
            let wake = async {
                tokio::select! {
                    // What comes shortly after goes into the same write.
                    () = spool.write.notified() => tokio::time::sleep(GATHER).await,
                    () = tokio::time::sleep(TICK) => {}
                    () = me.stopping() => return false,
                }
                true
            };
            if !me.waiting(wake).await {
                return Ok(Next::Continue);
            }
        }
    }

    async fn finish(&mut self, me: &Me<Begin>) -> anyhow::Result<()> {
        self.step(me, true).await
    }
}
