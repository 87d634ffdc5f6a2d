//! What the writer has before it, and the one append that carries it out.
//!
//! All of it outlives the writer: an append that fails, or in which the writer dies, changes nothing, and the next one
//! does the same again.

mod append;

use super::custody::{Acknowledge, Custody};
use super::record::Identity;
use event::ledger::Note;
use event::{Batch, BranchId};
use journal::{AppendError, Gap};
use smallvec::SmallVec;
use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use tokio::sync::oneshot;

/// An append takes so many batches at most: each is two slices of the system call, which takes 1 024.
const GROUP_BATCHES: usize = 256;
/// After so many bytes segments may be given back.
const UPKEEP_BYTES: u64 = 8 << 20;

/// A batch of a lane's book.
type EntryKey = (usize, u64);

/// What is put into the inbox.
pub(super) enum Letter {
    /// A lane's book tells.
    Note(usize, Note),
    /// Nobody owes the batch at this position, which was not read back.
    Forget(u64),
    /// The batch at this position is about to be resumed; it is a part of this.
    Known(u64, Identity),
    /// Records were lost in a sync.
    Lost(Gap),
    /// Somebody wants to know when everything before is kept.
    Barrier(oneshot::Sender<()>),
}

/// What the writer has before it.
#[derive(Default)]
pub(super) struct Work {
    /// What was taken out of the inbox: a writer that dies loses none.
    letters: VecDeque<Letter>,
    /// What is to be written, in order.
    waiting: VecDeque<Waiting>,
    waiting_bytes: u64,
    open: HashMap<EntryKey, Open>,
    /// Batches of which something is to be noted.
    changed: Vec<EntryKey>,
    /// Positions that nobody owes, to be noted.
    forgotten: Vec<u64>,
    /// What batches that are being resumed are a part of.
    known: HashMap<u64, Identity>,
    /// Bytes written when upkeep was told the last time.
    upkeep_told: u64,
    heads: Vec<u8>,
}

/// Something to be written, or to be done after what comes before is.
enum Waiting {
    Batch {
        entry: EntryKey,
        batch: Batch,
        acknowledge: Option<Acknowledge>,
    },
    /// A batch that is written already, to another position.
    Again {
        entry: EntryKey,
    },
    Acknowledge(Acknowledge),
}

/// A batch that is under way.
struct Open {
    identity: Identity,
    batch: Batch,
    place: Place,
    /// Nothing where it was not routed yet.
    owed: SmallVec<[(BranchId, u32); 2]>,
    /// It is among the changed.
    changed: bool,
    closed: bool,
}

/// Where a batch is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// It waits to be written.
    Nowhere,
    /// At this position; so many bytes had been written by this process before it.
    At { position: u64, written: u64 },
    /// It is too large for the journal.
    Unkept,
}

/// When a letter is to be looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Somebody waits for it.
    AtOnce,
    /// Within some milliseconds.
    Soon,
    /// With the next one. Routing is followed by delivery, which is soon.
    Never,
}

impl Letter {
    pub(super) fn urgency(&self) -> Urgency {
        match self {
            Letter::Note(_, Note::Submitted { acknowledged, .. }) => {
                // TCP and UDP know no acknowledgement: nobody listens.
                if acknowledged.receiver_count() > 0 { Urgency::AtOnce } else { Urgency::Soon }
            }
            Letter::Note(_, Note::Routed { .. }) | Letter::Known(..) => Urgency::Never,
            Letter::Note(..) | Letter::Forget(_) => Urgency::Soon,
            Letter::Lost(_) | Letter::Barrier(_) => Urgency::AtOnce,
        }
    }
}

impl Custody {
    /// Takes in what came, waiting for it at most so long, and writes until nothing is left. Blocks.
    pub fn write(&self, wait: Duration) -> Result<(), AppendError> {
        // A writer that was given up may still be at it: letters stay in order.
        let _turn = self.0.turn.lock();
        let letters = self.letters(wait);
        let mut work = self.0.work.lock();
        work.letters.extend(letters);
        let outcome = work.take_in_and_write(self);
        work.measure(self);
        outcome
    }

    /// Whether everything that came was written.
    pub(super) fn is_idle(&self) -> bool {
        self.inbox_is_empty() && self.0.work.lock().is_done()
    }

    /// Has batches that were written long ago written once more, so that the segments before can be given back: a branch
    /// that is stuck would hold all of them. `behind` are the bytes that lie after such a batch.
    pub(super) fn move_up(&self, behind: u64) {
        self.0.work.lock().move_up(self, behind);
        self.wake();
    }
}

impl Work {
    fn take_in_and_write(&mut self, custody: &Custody) -> Result<(), AppendError> {
        while let Some(letter) = self.letters.pop_front() {
            self.take_in(custody, letter);
        }
        match self.append_all(custody) {
            Err(AppendError::Full { .. }) => {
                // There is no room for batches. There is for settlements, and they may make some.
                while self.append(custody, 0)? {}
                custody.0.journal.release();
                self.append_all(custody)
            }
            Err(error @ AppendError::TooLarge { .. }) => self.append_one_by_one(custody, &error),
            outcome => outcome,
        }
    }

    fn append_all(&mut self, custody: &Custody) -> Result<(), AppendError> {
        while !self.is_done() && self.append(custody, GROUP_BATCHES)? {}
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.waiting.is_empty() && self.changed.is_empty() && self.forgotten.is_empty()
    }

    fn take_in(&mut self, custody: &Custody, letter: Letter) {
        match letter {
            Letter::Note(lane, note) => self.take_note(custody, lane, note),
            Letter::Forget(position) => self.forgotten.push(position),
            Letter::Known(position, identity) => _ = self.known.insert(position, identity),
            Letter::Lost(gap) => self.write_again(custody, gap),
            Letter::Barrier(asked) => {
                self.waiting.push_back(Waiting::Acknowledge(Acknowledge::Barrier(asked)));
            }
        }
    }

    fn take_note(&mut self, custody: &Custody, lane: usize, note: Note) {
        match note {
            Note::Submitted { entry, batch, acknowledged } => {
                let entry = (lane, entry);
                let identity = Identity { life: custody.0.life, stream: batch.stream().0 };
                let acknowledge = Some(Acknowledge::Stream(acknowledged, batch.next_seq()));
                self.waiting_bytes += batch.slab().len() as u64;
                self.open.insert(entry, Open::new(identity, batch.clone(), Place::Nowhere));
                self.waiting.push_back(Waiting::Batch { entry, batch, acknowledge });
            }
            Note::Resumed { entry, batch, at, owed } => {
                let of_this_life = Identity { life: custody.0.life, stream: batch.stream().0 };
                let identity = self.known.remove(&at).unwrap_or(of_this_life);
                let place = Place::At { position: at, written: 0 };
                // All of it, or the next settlement that is noted would let the others off.
                let open = Open { owed, ..Open::new(identity, batch, place) };
                self.open.insert((lane, entry), open);
            }
            Note::Routed { entry, branches } => self.change((lane, entry), |open| {
                open.owed = branches.iter().map(|branch| (*branch, 0)).collect();
            }),
            Note::Owed { entry, branch, from } => self.change((lane, entry), |open| {
                match open.owed.iter_mut().find(|(owing, _)| *owing == branch) {
                    Some((_, owed_from)) => *owed_from = from,
                    None => open.owed.push((branch, from)),
                }
            }),
            Note::Closed { entry } => self.change((lane, entry), |open| open.closed = true),
        }
    }

    fn change(&mut self, entry: EntryKey, change: impl FnOnce(&mut Open)) {
        let Some(open) = self.open.get_mut(&entry) else { return };
        change(open);
        if open.place == Place::Unkept {
            if open.closed {
                self.open.remove(&entry);
            }
        } else if !mem::replace(&mut open.changed, true) {
            self.changed.push(entry);
        }
    }

    /// The batch of the group that does not fit into a segment is delivered from memory only.
    fn append_one_by_one(&mut self, custody: &Custody, error: &AppendError) -> Result<(), AppendError> {
        while !self.is_done() {
            match self.append(custody, 1) {
                Err(AppendError::TooLarge { .. }) => self.pass_over(custody, error),
                appended => _ = appended?,
            }
        }
        Ok(())
    }

    fn pass_over(&mut self, custody: &Custody, error: &AppendError) {
        let is_batch = |waiting: &Waiting| matches!(waiting, Waiting::Batch { .. });
        let Some(at) = self.waiting.iter().position(is_batch) else { return };
        let Some(Waiting::Batch { entry, batch, acknowledge }) = self.waiting.remove(at) else { return };
        tracing::error!(error = %error, "a batch is in memory only until it is delivered");
        custody.0.meters.unkept.fetch_add(1, Relaxed);
        custody.0.meters.written.fetch_add(1, Relaxed);
        self.waiting_bytes -= batch.slab().len() as u64;
        self.changed.retain(|changed| *changed != entry);
        if let Some(open) = self.open.get_mut(&entry) {
            (open.place, open.changed) = (Place::Unkept, false);
            if open.closed {
                self.open.remove(&entry);
            }
        }
        if let Some(acknowledge) = acknowledge {
            self.waiting.insert(at, Waiting::Acknowledge(acknowledge));
        }
    }

    /// After a sync that lost records: those that are under way are written again. Nothing that was not durable is
    /// acknowledged before they are, since acknowledgements are in the order of streams.
    fn write_again(&mut self, custody: &Custody, gap: Gap) {
        let mut unsynced = custody.0.unsynced.lock();
        let held = mem::take(&mut unsynced.acknowledgements);
        (unsynced.held, unsynced.waited_for) = (false, true);
        drop(unsynced);
        let lost = |open: &Open| match open.place {
            Place::At { position, .. } => (gap.from.0..gap.to.0).contains(&position).then_some(position),
            _ => None,
        };
        let mut again: Vec<(u64, EntryKey)> = self
            .open
            .iter()
            .filter_map(|(entry, open)| lost(open).map(|position| (position, *entry)))
            .collect();
        again.sort_unstable();
        let acknowledge = held.into_iter().map(|held| Waiting::Acknowledge(held.what));
        let again = again.into_iter().map(|(_, entry)| Waiting::Again { entry });
        // All of these before all acknowledgements, and both before what is newer.
        let newer = mem::take(&mut self.waiting);
        self.waiting = again.chain(acknowledge).chain(newer).collect();
        // What was noted of others may be lost, too.
        let entries: Vec<EntryKey> = self.open.keys().copied().collect();
        for entry in entries {
            self.change(entry, |_| {});
        }
    }

    /// See [`Custody::move_up`]. Streams are moved from their first such batch on, so that positions stay in their order.
    fn move_up(&mut self, custody: &Custody, behind: u64) {
        if self.waiting.iter().any(|waiting| matches!(waiting, Waiting::Again { .. })) {
            return;
        }
        let now = custody.0.meters.stats.lock().counters.written_bytes;
        let at = |open: &Open| match open.place {
            Place::At { position, written } if !open.closed => Some((position, now.saturating_sub(written))),
            _ => None,
        };
        let old: HashSet<Identity> = self
            .open
            .values()
            .filter(|open| at(open).is_some_and(|(_, after)| after > behind))
            .map(|open| open.identity)
            .collect();
        let of_old = self.open.iter().filter(|(_, open)| old.contains(&open.identity));
        let mut again: Vec<(u64, EntryKey)> =
            of_old.filter_map(|(entry, open)| at(open).map(|(position, _)| (position, *entry))).collect();
        again.sort_unstable();
        custody.0.meters.moved.fetch_add(again.len() as u64, Relaxed);
        for (_, entry) in again {
            self.change(entry, |_| {});
            self.waiting.push_back(Waiting::Again { entry });
        }
    }

    fn measure(&mut self, custody: &Custody) {
        let meters = &custody.0.meters;
        custody.refresh();
        let stats = *meters.stats.lock();
        meters.waiting_bytes.store(self.waiting_bytes, Relaxed);
        meters.open.store(self.open.len() as u64, Relaxed);
        if stats.counters.written_bytes - self.upkeep_told > UPKEEP_BYTES {
            self.upkeep_told = stats.counters.written_bytes;
            custody.0.moved_on.notify_one();
        }
    }

    /// Events that are under way and written.
    pub(super) fn kept_events(&self) -> u64 {
        let kept = self.open.values().filter(|open| matches!(open.place, Place::At { .. }) && !open.closed);
        kept.map(|open| u64::from(open.batch.len())).sum()
    }
}

impl Open {
    fn new(identity: Identity, batch: Batch, place: Place) -> Self {
        Self { identity, batch, place, owed: SmallVec::new(), changed: false, closed: false }
    }
}
