//! The handle through which lanes put events aside, and what they are told.

use super::entry::{DeviceName, Entry, Meta, UNKNOWN_ROUTE, WayLabel};
use super::selection::Selection;
use super::store::{Store, ToKeep, Written, folder};
use arc_swap::ArcSwap;
use event::flow::Counter;
use event::{BranchId, DeviceId, RecordFlags, StreamId};
use journal::{Environment, Recovery};
use parking_lot::Mutex;
use seams::{Clock, Disk, Rng};
use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, mpsc, oneshot};

/// Whoever puts events aside waits so long for the disk; then they are dropped.
pub const KEEP_WITHIN: Duration = Duration::from_secs(10);
/// After that has happened, others wait only so long until the disk answers again.
const STUCK_WITHIN: Duration = Duration::from_millis(100);
/// So many stages and senders hand over at the same time; more wait in line.
const DESK_PLACES: usize = 64;

/// The quarantine of a Director; clones share it.
#[derive(Clone)]
pub struct Quarantine(Arc<Shared>);

/// Where it is and how large it may become.
#[derive(Clone, Debug)]
pub struct QuarantineSettings {
    /// The installation's root.
    pub root: PathBuf,
    /// Disk that it may take.
    pub quota_bytes: u64,
}

struct Shared {
    settings: QuarantineSettings,
    folder: PathBuf,
    environment: Environment,
    desk: mpsc::Sender<Request>,
    /// Only the keeper takes from it.
    inbox: tokio::sync::Mutex<mpsc::Receiver<Request>>,
    /// Locked by blocking threads alone. Opened when the first event comes, or at the start if there are any.
    store: Mutex<Option<Store>>,
    labels: ArcSwap<Labels>,
    replays: Mutex<HashMap<StreamId, Arc<Replays>>>,
    /// The disk did not answer in time.
    stuck: AtomicBool,
    /// Somebody decided about events.
    decided: Notify,
    meters: QuarantineMeters,
}

/// What is counted.
#[derive(Debug, Default)]
pub struct QuarantineMeters {
    /// Events that were put aside.
    pub kept: Counter,
    /// Events that could not be, and were dropped.
    pub not_kept: Counter,
    /// Events that made room for newer ones before anybody had decided about them.
    pub overwritten: Counter,
    /// Events in it.
    pub events: AtomicU64,
    /// Of these, not replayed.
    pub waiting: AtomicU64,
    /// Disk that it takes.
    pub disk_bytes: AtomicU64,
}

/// What things are called that lanes know by number.
#[derive(Clone, Debug, Default)]
pub struct Labels {
    /// By lane and branch.
    pub ways: HashMap<(usize, BranchId), WayLabel>,
    /// By device.
    pub devices: HashMap<DeviceId, DeviceName>,
}

/// Events of a stream that came from the quarantine: number and replays of each, in the order of their sequence.
#[derive(Debug, Default)]
pub struct Replays {
    origins: Mutex<Vec<(u64, u32)>>,
    again: Counter,
}

/// Events to be kept, and who wants to know.
pub(super) struct Request {
    entries: Arc<[Entry]>,
    answer: oneshot::Sender<usize>,
}

impl Quarantine {
    /// A quarantine; nothing is on disk before it is needed.
    pub fn new(settings: QuarantineSettings, disk: Arc<dyn Disk>, clock: Clock, rng: Rng) -> Self {
        let (desk, inbox) = mpsc::channel(DESK_PLACES);
        Self(Arc::new(Shared {
            folder: folder(&settings.root),
            settings,
            environment: Environment { disk, clock, rng },
            desk,
            inbox: tokio::sync::Mutex::new(inbox),
            store: Mutex::default(),
            labels: ArcSwap::default(),
            replays: Mutex::default(),
            stuck: AtomicBool::new(false),
            decided: Notify::new(),
            meters: QuarantineMeters::default(),
        }))
    }

    /// Puts events aside and waits until they are on disk. Returns how many of the first are: they end as quarantined,
    /// the others as dropped.
    pub async fn keep(&self, entries: Vec<Entry>) -> usize {
        if entries.is_empty() {
            return 0;
        }
        let entries: Arc<[Entry]> = entries.into();
        let patience = if self.0.stuck.load(Relaxed) { STUCK_WITHIN } else { KEEP_WITHIN };
        let answered = tokio::time::timeout(patience, self.ask(&entries)).await;
        let stuck = answered.is_err();
        if stuck && !self.0.stuck.swap(stuck, Relaxed) {
            tracing::error!(
                folder = %self.0.folder.display(),
                "the disk did not take events into quarantine for {KEEP_WITHIN:?}: they are dropped and counted until it does"
            );
        }
        let kept = answered.unwrap_or(0);
        self.0.meters.not_kept.add((entries.len() - kept) as u64);
        kept
    }

    async fn ask(&self, entries: &Arc<[Entry]>) -> usize {
        loop {
            let (answer, kept) = oneshot::channel();
            let request = Request { entries: Arc::clone(entries), answer };
            if self.0.desk.send(request).await.is_err() {
                return 0; // the inbox lives as long as this handle
            }
            // Unanswered when the keeper failed meanwhile: the next one gets it.
            if let Ok(kept) = kept.await {
                return kept;
            }
        }
    }

    /// What things are called from now on. Names of what is gone are kept for what is still on its way.
    pub fn label(&self, labels: Labels) {
        let mut all = Labels::clone(&self.0.labels.load());
        all.ways.extend(labels.ways);
        all.devices.extend(labels.devices);
        self.0.labels.store(Arc::new(all));
    }

    /// A stream's events come from the quarantine, as `origins` will say; where they come back it is noted.
    pub fn replaying(&self, stream: StreamId) -> Arc<Replays> {
        Arc::clone(self.0.replays.lock().entry(stream).or_default())
    }

    /// A stream's replay is over.
    pub fn replay_ended(&self, stream: StreamId) {
        self.0.replays.lock().remove(&stream);
    }

    /// What is counted.
    pub fn meters(&self) -> &QuarantineMeters {
        &self.0.meters
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.0.folder
    }

    /// Its disk.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.0.environment.disk
    }

    pub(super) fn inbox(&self) -> &tokio::sync::Mutex<mpsc::Receiver<Request>> {
        &self.0.inbox
    }

    /// The number of the next event that is put aside. Blocks.
    pub fn end(&self) -> u64 {
        self.0.store.lock().as_ref().map_or(0, Store::end)
    }

    /// Removes events. Blocks.
    ///
    /// # Errors
    /// When they can't be read or marked.
    pub fn purge(&self, selection: &Selection) -> anyhow::Result<u64> {
        let now = self.0.environment.clock.unix_nanos();
        self.with_existing(|store| store.purge(selection, now)).unwrap_or(Ok(0))
    }

    /// Notes that events were replayed. Blocks.
    ///
    /// # Errors
    /// When that can't be written down.
    pub fn mark_replayed(&self, ids: impl IntoIterator<Item = u64>) -> anyhow::Result<()> {
        self.with_existing(|store| store.replayed(ids)).unwrap_or(Ok(()))
    }

    fn with_existing<T>(
        &self,
        work: impl FnOnce(&mut Store) -> anyhow::Result<T>,
    ) -> Option<anyhow::Result<T>> {
        let mut store = self.0.store.lock();
        let open = store.as_mut()?;
        let done = work(open);
        self.0.note_amount(open);
        self.0.decided.notify_one();
        Some(done)
    }

    /// Returns when somebody has decided about events.
    pub(super) async fn decided(&self) {
        self.0.decided.notified().await;
    }

    /// Opens what is there from earlier. Blocks.
    pub(super) fn open_present(&self) -> anyhow::Result<Option<Recovery>> {
        if self.0.environment.disk.list(&self.0.folder).is_err() {
            return Ok(None);
        }
        self.0.open(&mut self.0.store.lock())
    }

    /// Writes what was handed over, and answers. Blocks.
    pub(super) fn write(&self, requests: Vec<Request>) -> Vec<(Arc<[Entry]>, Written)> {
        let shared = &*self.0;
        let mut store = shared.store.lock();
        let opened = shared.open(&mut store).map_err(|e| format!("{e:#}"));
        let mut results = Vec::with_capacity(requests.len());
        for Request { entries, answer } in requests {
            // Whoever waited for too long has dropped them.
            if answer.is_closed() {
                continue;
            }
            let written = match (&opened, store.as_mut()) {
                (Ok(_), Some(open)) => open.keep(&shared.described(&entries)),
                (Err(e), _) => Written { trouble: Some(e.clone()), ..Written::default() },
                (Ok(_), None) => Written::default(),
            };
            shared.stuck.store(false, Relaxed);
            shared.meters.overwritten.add(written.overwritten);
            // Not taken any more: the little that is there twice then, dropped and kept, is no harm.
            if answer.send(written.kept).is_ok() {
                shared.meters.kept.add(written.kept as u64);
                shared.count_again(&entries[..written.kept]);
            }
            results.push((entries, written));
        }
        if let Some(open) = store.as_ref() {
            shared.note_amount(open);
        }
        results
    }

    /// Lays out disk space for what may come. Blocks.
    pub(super) fn prepare(&self) -> anyhow::Result<()> {
        self.0.store.lock().as_ref().map_or(Ok(()), Store::prepare)
    }

    /// What the first way of an event is called.
    pub(super) fn way(&self, entry: &Entry) -> Option<WayLabel> {
        self.0.labels.load().ways(entry).into_iter().next()
    }
}

impl Shared {
    fn open(&self, store: &mut Option<Store>) -> anyhow::Result<Option<Recovery>> {
        if store.is_some() {
            return Ok(None);
        }
        let (open, recovery) =
            Store::open(self.environment.clone(), &self.folder, self.settings.quota_bytes)?;
        self.note_amount(&open);
        *store = Some(open);
        Ok(Some(recovery))
    }

    fn note_amount(&self, store: &Store) {
        let amount = store.amount();
        self.meters.events.store(amount.events, Relaxed);
        self.meters.waiting.store(amount.waiting, Relaxed);
        self.meters.disk_bytes.store(amount.disk_bytes, Relaxed);
    }

    fn described(&self, entries: &[Entry]) -> Vec<ToKeep> {
        let labels = self.labels.load();
        let describe = |entry: &Entry| {
            let (batch, record) = (&entry.batch, entry.record);
            let (origin, sequence) = (batch.origin(record), batch.first_seq() + u64::from(record));
            let replayed =
                self.replays.lock().get(&batch.stream()).and_then(|replays| replays.origin(sequence));
            let unnamed = || DeviceName { id: origin.device.0, ..DeviceName::default() };
            let meta = Meta {
                cause: entry.cause.name().to_owned(),
                why: entry.why.to_string(),
                at: entry.at.to_string(),
                ways: labels.ways(entry),
                device: labels.devices.get(&origin.device).cloned().unwrap_or_else(unnamed),
                stream: batch.stream().0,
                sequence,
                peer: origin.peer,
                received: origin.received,
                truncated: batch.records()[record as usize].flags.contains(RecordFlags::TRUNCATED),
                replays: replayed.map_or(0, |(_, before)| before + 1),
                replay_of: replayed.map(|(id, _)| id),
            };
            let event = batch.slab().slice_ref(batch.bytes(record));
            ToKeep { meta, event, payload: entry.payload.clone() }
        };
        entries.iter().map(describe).collect()
    }

    fn count_again(&self, entries: &[Entry]) {
        let replays = self.replays.lock();
        if replays.is_empty() {
            return;
        }
        for entry in entries {
            if let Some(replays) = replays.get(&entry.batch.stream()) {
                replays.again.add(1);
            }
        }
    }
}

impl Labels {
    /// What the ways of an event are called.
    fn ways(&self, entry: &Entry) -> Vec<WayLabel> {
        let labels = entry.branches.iter().filter_map(|branch| self.ways.get(&(entry.lane, *branch)));
        let Some(target) = &entry.target else { return labels.cloned().collect() };
        let own: Vec<WayLabel> = labels.filter(|way| *way.target == **target).cloned().collect();
        if !own.is_empty() {
            return own;
        }
        vec![WayLabel { route: UNKNOWN_ROUTE.to_owned(), pipelines: Vec::new(), target: target.to_string() }]
    }
}

impl Replays {
    /// The next event of the stream: its number, and how often it was replayed before.
    pub fn push(&self, id: u64, replays: u32) {
        self.origins.lock().push((id, replays));
    }

    /// How many of the stream's events are in quarantine again.
    pub fn again(&self) -> u64 {
        self.again.get()
    }

    fn origin(&self, sequence: u64) -> Option<(u64, u32)> {
        self.origins.lock().get(usize::try_from(sequence).ok()?).copied()
    }
}

impl fmt::Debug for Quarantine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Quarantine({})", self.0.folder.display())
    }
}
