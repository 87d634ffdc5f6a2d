//! What the writer does where blocking is allowed: appends what is to go to disk, in groups, and keeps house.

use super::record::{Outgoing, Stamp};
use super::spool::Spool;
use super::state::Mode;
use super::store::{Contents, Store};
use super::writer::TICK;
use event::{Cause, Settled};
use journal::{AppendError, DiskError, Dropped, OpenError, Position, ReadError, Recovery, SyncError};
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

/// One write takes so many bytes.
const GROUP_BYTES: u64 = 4 << 20;
/// How often old deliveries are looked for.
const EXPIRE_EVERY: Duration = Duration::from_secs(10);

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
pub enum Trouble {
    /// The journal can't be opened.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It takes nothing.
    #[error(transparent)]
    Append(#[from] AppendError),
    /// It can't be synced.
    #[error(transparent)]
    Sync(#[from] SyncError),
    /// It can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file operation failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}

impl Spool {
    /// Whether there is something for [`work`](Self::work) to do.
    pub(super) fn has_work(&self) -> bool {
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
    pub fn work(self: &Arc<Self>, last: bool) -> Result<(), Trouble> {
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
        let there = match self.environment.disk.list(&settings.folder) {
            Ok(entries) => !entries.is_empty(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => false,
            // What is there must not be overtaken: until that is known, deliveries are held.
            Err(source) => {
                let path = settings.folder.clone();
                return Err(DiskError { action: "list", path, source }.into());
            }
        };
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
        self.announce(format!("a delivery is dropped: it cannot be spooled: {error}"));
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
    pub(super) fn prepare(self: &Arc<Self>) {
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
        self.announce(format!(
            "{deliveries} spooled deliveries ({bytes} bytes) are dropped, which frees {} bytes: {why}",
            dropped.bytes
        ));
    }
}
