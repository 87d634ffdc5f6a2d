//! [`Custody`]: what the actors of the journal share, and what outlives them.

use super::index::{Found, read_index};
use super::keys::BranchKeys;
use super::work::{Letter, Urgency, Work};
use event::ledger::{Note, Scribe};
use event::{Book, DeviceId};
use journal::{CursorId, Environment, Journal, Options, Position, Recovery, StartAt};
use parking_lot::{Condvar, Mutex, RwLock};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use tokio::sync::{Notify, oneshot, watch};

/// The one cursor: what no branch owes any more.
const CURSOR: &str = "settled";

/// When a batch is acknowledged to its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// When it is written: it survives the end of the process.
    Written,
    /// When it is synced: it survives a power cut.
    Synced,
}

/// What the actors of the journal share; clones share it.
#[derive(Clone)]
pub struct Custody(pub(super) Arc<Inner>);

pub(super) struct Inner {
    pub(super) journal: Journal,
    pub(super) cursor: CursorId,
    pub(super) level: Level,
    /// Tells the streams of this process from those of others.
    pub(super) life: u64,
    pub(super) keys: BranchKeys,
    pub(super) names: RwLock<HashMap<DeviceId, Arc<str>>>,
    inbox: Mutex<Inbox>,
    arrived: Condvar,
    /// Whose turn it is to write.
    pub(super) turn: Mutex<()>,
    pub(super) work: Mutex<Work>,
    pub(super) unsynced: Mutex<Unsynced>,
    pub(super) appended: Condvar,
    /// There may be segments to give back or to lay out.
    pub(super) moved_on: Notify,
    pub(super) meters: Meters,
}

/// What lanes put aside for the writer.
#[derive(Default)]
struct Inbox {
    letters: Vec<Letter>,
    /// Whether one of them is to be written at once, or some soon.
    at_once: bool,
    soon: bool,
    waits: Waits,
    /// The writer is to look, whatever there is.
    woken: bool,
}

/// What the writer does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Waits {
    /// It works.
    #[default]
    Not,
    /// It gathers letters for a moment; only what is to be written at once wakes it.
    Gathers,
    /// Nothing came for a while; any letter that is to be written wakes it.
    Sleeps,
}

/// So long letters are gathered for which nobody waits. To wake a thread for each batch costs its lane some microseconds
/// before it delivers the batch, and a core more where there is one for both.
const GATHER: Duration = Duration::from_millis(2);
/// After so long without letters the writer sleeps until one comes.
const LULL: Duration = Duration::from_millis(20);
/// So many letters are enough: some twenty batches.
const MANY_LETTERS: usize = 64;

/// What is written and not synced, in the order of positions.
#[derive(Default)]
pub(super) struct Unsynced {
    pub(super) acknowledgements: VecDeque<Acknowledgement>,
    /// Somebody waits for one of them.
    pub(super) waited_for: bool,
    /// Records were lost in a sync: nothing is acknowledged until the writer has written them again.
    pub(super) held: bool,
}

/// To be sent when everything before a position is durable.
pub(super) struct Acknowledgement {
    pub(super) before: Position,
    pub(super) what: Acknowledge,
}

/// Somebody who waits to hear that something is kept.
pub(super) enum Acknowledge {
    /// The source of a stream: everything before this number is.
    Stream(watch::Sender<u64>, u64),
    /// Somebody who asked when all of it is.
    Barrier(oneshot::Sender<()>),
}

/// What is counted in one life of the process, and what was seen last.
#[derive(Default)]
pub(super) struct Meters {
    pub(super) stats: Mutex<journal::Stats>,
    /// Batches that came.
    pub(super) submitted: AtomicU64,
    /// Of these, batches that were written, or are too large for it.
    pub(super) written: AtomicU64,
    pub(super) waiting_bytes: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) unkept: AtomicU64,
    pub(super) orphaned: AtomicU64,
    pub(super) damaged: AtomicU64,
    pub(super) resumed: AtomicU64,
    pub(super) moved: AtomicU64,
}

/// The journal as others see it.
#[derive(Clone, Copy, Debug)]
pub struct Status {
    /// When sources are acknowledged.
    pub level: Level,
    /// What the journal holds and has done.
    pub stats: journal::Stats,
    /// Batches that wait to be written.
    pub waiting: u64,
    /// Their bytes.
    pub waiting_bytes: u64,
    /// Batches that some branch owes.
    pub unsettled: u64,
    /// Batches too large to be kept, which are in memory only.
    pub unkept: u64,
    /// Deliveries that were owed by branches that are no longer configured; they are not made.
    pub orphaned: u64,
    /// Batches that could not be read back.
    pub damaged: u64,
    /// Batches that were read back.
    pub resumed: u64,
    /// Batches that were written once more, so that older segments can be given back.
    pub moved: u64,
}

/// An opened journal.
pub struct Opened {
    /// What the actors share.
    pub custody: Custody,
    /// What had to be repaired.
    pub recovery: Recovery,
    /// What is still owed.
    pub found: Found,
}

impl Custody {
    /// Opens the journal in a folder and finds what is not settled. Blocks.
    ///
    /// # Errors
    /// When another process has it open, it can't be written to, or it is of another version.
    pub fn open(
        environment: Environment,
        folder: &Path,
        options: Options,
        level: Level,
        keys: BranchKeys,
    ) -> anyhow::Result<Opened> {
        let chance = environment.rng.next_u64() ^ environment.clock.unix_nanos().rotate_left(20);
        let (journal, recovery) = Journal::open(environment, folder, options)?;
        let cursor = journal.open_cursor(CURSOR, StartAt::Oldest)?;
        let found = read_index(&journal, cursor)?;
        // Different in each life, also in a simulation whose chance and clock begin anew.
        let life = chance ^ journal.records().end.0.rotate_left(40);
        let meters = Meters::default();
        *meters.stats.lock() = journal.stats();
        meters.damaged.store(found.damaged, Relaxed);
        let custody = Self(Arc::new(Inner {
            journal,
            cursor,
            level,
            life,
            keys,
            names: RwLock::default(),
            inbox: Mutex::default(),
            arrived: Condvar::new(),
            turn: Mutex::default(),
            work: Mutex::default(),
            unsynced: Mutex::default(),
            appended: Condvar::new(),
            moved_on: Notify::new(),
            meters,
        }));
        Ok(Opened { custody, recovery, found })
    }

    /// From now on the batches of a lane's book are kept here.
    pub fn keep(&self, lane: usize, book: &Book) {
        book.keep_with(Arc::new(LaneScribe { lane, custody: self.clone() }));
    }

    /// What a device is called, for its batches.
    pub fn name_device(&self, device: DeviceId, name: &Arc<str>) {
        self.0.names.write().insert(device, Arc::clone(name));
    }

    /// When sources are acknowledged.
    pub fn level(&self) -> Level {
        self.0.level
    }

    /// The branches' keys.
    pub fn keys(&self) -> &BranchKeys {
        &self.0.keys
    }

    /// Returns when everything that was noted before is written (and synced, where that is the level), and acknowledged.
    pub async fn caught_up(&self) {
        let (told, hear) = oneshot::channel();
        self.post(Letter::Barrier(told));
        // The sender is dropped only with the whole custody.
        let _ = hear.await;
    }

    /// Syncs what is written: what was acknowledged then survives a power cut. Blocks.
    ///
    /// # Errors
    /// When that fails.
    pub fn sync(&self) -> Result<(), journal::SyncError> {
        self.0.journal.sync().map(drop)
    }

    /// The journal at present; does not wait for the disk.
    pub fn status(&self) -> Status {
        let meters = &self.0.meters;
        Status {
            level: self.0.level,
            stats: *meters.stats.lock(),
            // Read in this order, a batch that is written meanwhile makes it larger, never negative.
            waiting: {
                let written = meters.written.load(Relaxed);
                meters.submitted.load(Relaxed).saturating_sub(written)
            },
            waiting_bytes: meters.waiting_bytes.load(Relaxed),
            unsettled: meters.open.load(Relaxed),
            unkept: meters.unkept.load(Relaxed),
            orphaned: meters.orphaned.load(Relaxed),
            damaged: meters.damaged.load(Relaxed),
            resumed: meters.resumed.load(Relaxed),
            moved: meters.moved.load(Relaxed),
        }
    }

    /// Looks at the journal for [`status`](Self::status). Waits for an append that is at it.
    pub(super) fn refresh(&self) {
        let stats = self.0.journal.stats();
        *self.0.meters.stats.lock() = stats;
    }

    /// Events that are under way and written, so that the next process goes on with them. Waits for an append that is at it.
    pub fn kept_events(&self) -> u64 {
        self.0.work.lock().kept_events()
    }

    /// Puts a letter into the inbox.
    pub(super) fn post(&self, letter: Letter) {
        let urgency = letter.urgency();
        let mut inbox = self.0.inbox.lock();
        inbox.letters.push(letter);
        inbox.soon |= urgency != Urgency::Never;
        inbox.at_once |= urgency == Urgency::AtOnce || inbox.letters.len() >= MANY_LETTERS;
        let wakes = match inbox.waits {
            Waits::Not => false,
            Waits::Gathers => inbox.at_once,
            Waits::Sleeps => inbox.soon,
        };
        if wakes {
            inbox.waits = Waits::Not;
            drop(inbox);
            self.0.arrived.notify_one();
        }
    }

    /// Everything in the inbox; waits for something at most so long if it is empty.
    pub(super) fn letters(&self, wait: Duration) -> Vec<Letter> {
        let mut inbox = self.0.inbox.lock();
        if !wait.is_zero() {
            let mut quiet = Duration::ZERO;
            while !inbox.woken && !inbox.at_once && quiet < LULL {
                inbox.waits = Waits::Gathers;
                self.0.arrived.wait_for(&mut inbox, GATHER);
                if inbox.soon {
                    break;
                }
                quiet += GATHER;
            }
            if !inbox.woken && !inbox.soon {
                inbox.waits = Waits::Sleeps;
                self.0.arrived.wait_for(&mut inbox, wait);
            }
        }
        std::mem::take(&mut *inbox).letters
    }

    pub(super) fn inbox_is_empty(&self) -> bool {
        self.0.inbox.lock().letters.is_empty()
    }

    /// Wakes the writer and the syncer, to look whether they shall end.
    pub(super) fn wake(&self) {
        let mut inbox = self.0.inbox.lock();
        inbox.woken = true;
        drop(inbox);
        self.0.arrived.notify_all();
        drop(self.0.unsynced.lock());
        self.0.appended.notify_all();
    }
}

impl Acknowledge {
    /// Whether somebody listens. Sources without acknowledgements do not.
    pub(super) fn is_waited_for(&self) -> bool {
        match self {
            Acknowledge::Stream(acknowledged, _) => acknowledged.receiver_count() > 0,
            Acknowledge::Barrier(_) => true,
        }
    }

    /// It is kept.
    pub(super) fn send(self) {
        match self {
            Acknowledge::Stream(acknowledged, next) => _ = acknowledged.send_replace(next),
            // Whoever asked may have given up.
            Acknowledge::Barrier(asked) => _ = asked.send(()),
        }
    }
}

/// A lane's way to the inbox.
struct LaneScribe {
    lane: usize,
    custody: Custody,
}

impl Scribe for LaneScribe {
    fn note(&self, note: Note) {
        if matches!(note, Note::Submitted { .. }) {
            self.custody.0.meters.submitted.fetch_add(1, Relaxed);
        }
        self.custody.post(Letter::Note(self.lane, note));
    }
}

impl fmt::Debug for Custody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Custody({:?}, {} unsettled)", self.0.level, self.status().unsettled)
    }
}
