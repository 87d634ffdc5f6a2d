//! [`Backlog`]: what an earlier process left owed, on its way into this one.
//!
//! It is read and dispatched in the order in which it was received, within the budget of all that is read back (R5): what
//! does not fit stays on disk until something of it was delivered.

use super::custody::Custody;
use super::index::{Found, Owed};
use super::keys::describe;
use super::record::{self, Identity, Stored};
use super::work::Letter;
use crate::data::lane::Lanes;
use event::{Batch, BranchId, Budget, DeviceFlow, DeviceId, Hold, Ledger, Parts, Share};
use journal::{Position, Read, ReadError, Reader};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::watch;

/// So much is read from disk at once.
const READ_AT_ONCE: usize = 1 << 20;

/// Finds the counters of a device by its id and the name it had.
pub type FlowOf = Arc<dyn Fn(DeviceId, &str) -> Arc<DeviceFlow> + Send + Sync>;

/// How far the backlog has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It is being dispatched.
    Going,
    /// It waits for what was dispatched to be delivered.
    Waiting,
    /// All of it was dispatched.
    Done,
}

/// What is left of it; clones share it.
#[derive(Clone)]
pub struct Backlog(Arc<Inner>);

struct Inner {
    custody: Custody,
    lanes: Lanes,
    flow_of: FlowOf,
    share: Share,
    left: Mutex<Left>,
    progress: watch::Sender<Progress>,
}

struct Left {
    owed: VecDeque<Owed>,
    reader: Option<Reader>,
    streams: HashMap<Identity, Resumed>,
    /// Deliveries that nobody makes any more, by branch.
    orphans: BTreeMap<String, u64>,
    batches: u64,
    events: u64,
}

/// A stream that goes on.
struct Resumed {
    lane: usize,
    ledger: Ledger,
}

/// A batch that was read and is to be dispatched.
pub struct Next {
    owed: Owed,
    stored: Stored,
}

/// What has become of a backlog.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Summary {
    /// Batches that were dispatched.
    pub batches: u64,
    /// Events in them.
    pub events: u64,
    /// Deliveries that nobody makes any more, by what owed them.
    pub orphans: Vec<(String, u64)>,
}

impl Backlog {
    /// What was found, to be dispatched to these lanes within this memory, which it shares with the spools' readers.
    pub fn new(custody: Custody, found: Found, lanes: Lanes, read_back: &Budget, flow_of: FlowOf) -> Self {
        let progress = if found.owed.is_empty() { Progress::Done } else { Progress::Going };
        let left = Left {
            owed: found.owed,
            reader: None,
            streams: HashMap::new(),
            orphans: BTreeMap::new(),
            batches: 0,
            events: 0,
        };
        Self(Arc::new(Inner {
            custody,
            lanes,
            flow_of,
            share: read_back.share(),
            left: Mutex::new(left),
            progress: watch::Sender::new(progress),
        }))
    }

    /// How far it has come.
    pub fn progress(&self) -> watch::Receiver<Progress> {
        self.0.progress.subscribe()
    }

    pub(super) fn set_progress(&self, progress: Progress) {
        self.0.progress.send_replace(progress);
    }

    /// How many batches are still to be read.
    pub fn len(&self) -> usize {
        self.0.left.lock().owed.len()
    }

    /// Whether all of it was dispatched.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The budget that what is read takes.
    pub fn share(&self) -> &Share {
        &self.0.share
    }

    /// Reads some of what comes next; nothing at the end. What is read is still to be [dispatched](Self::dispatch).
    /// Blocks.
    pub fn read(&self) -> Result<Vec<Next>, ReadError> {
        let mut left = self.0.left.lock();
        let (mut read, mut bytes) = (Vec::new(), 0);
        let wanted: Vec<Owed> = left.owed.iter().take(256).cloned().collect();
        for owed in wanted {
            let position = Position(owed.position);
            let mut reader = match left.reader.take() {
                Some(reader) if reader.position() <= position => reader,
                _ => self.0.custody.0.journal.read_from(position),
            };
            let stored = find(&mut reader, position);
            left.reader = Some(reader);
            match stored? {
                Some(stored) => {
                    bytes += stored.slab.len();
                    read.push(Next { owed, stored });
                }
                // Those before it are dispatched first.
                None if !read.is_empty() => break,
                None => self.pass_over(&mut left, &owed),
            }
            if bytes >= READ_AT_ONCE {
                break;
            }
        }
        Ok(read)
    }

    /// What can't be read is owed no more: counted and told.
    fn pass_over(&self, left: &mut Left, owed: &Owed) {
        let custody = &self.0.custody;
        tracing::error!(position = owed.position, "a batch of the journal can't be read; it is lost");
        custody.0.meters.damaged.fetch_add(1, Relaxed);
        custody.post(Letter::Forget(owed.position));
        left.owed.pop_front();
    }

    /// Goes on with a batch, which takes this of the budget.
    pub fn dispatch(&self, next: Next, hold: Hold) {
        let Inner { custody, lanes, flow_of, .. } = &*self.0;
        let Next { owed, stored } = next;
        let mut left = self.0.left.lock();
        let Left { streams, orphans, .. } = &mut *left;
        let fewest = streams.len() % lanes.all().len();
        let resumed = streams.entry(stored.identity).or_insert_with(|| {
            let flow = flow_of(stored.device, &stored.name);
            let name = || Arc::from(&*stored.name);
            custody.0.names.write().entry(stored.device).or_insert_with(name);
            Resumed { lane: fewest, ledger: lanes.all()[fewest].open_stream(flow) }
        });
        let len = stored.records.len() as u32;
        let mut branches: Vec<(BranchId, u32)> = Vec::new();
        for (key, from) in owed.by.iter().flatten() {
            match custody.keys().branch(key, resumed.lane) {
                // Two that were different may be the same now.
                Some(branch) => match branches.iter_mut().find(|(known, _)| *known == branch) {
                    Some((_, known)) => *known = from.min(known).to_owned(),
                    None => branches.push((branch, *from)),
                },
                None if *from < len => *orphans.entry(describe(key)).or_default() += u64::from(len - from),
                None => {}
            }
        }
        let identity = stored.identity;
        let batch = seal(stored, resumed.ledger.stream(), hold);
        if owed.by.is_some() && branches.iter().all(|(_, from)| *from >= len) {
            custody.post(Letter::Forget(owed.position));
        } else {
            custody.post(Letter::Known(owed.position, identity));
            let by = owed.by.is_some().then_some(&branches[..]);
            resumed.ledger.resume(batch, owed.position, by);
            custody.0.meters.resumed.fetch_add(1, Relaxed);
            left.batches += 1;
            left.events += u64::from(len);
        }
        left.owed.pop_front();
    }

    /// All of it was dispatched; what became of it.
    pub fn finish(&self) -> Summary {
        let mut left = self.0.left.lock();
        left.streams.clear();
        left.reader = None;
        let orphans: Vec<(String, u64)> = std::mem::take(&mut left.orphans).into_iter().collect();
        let orphaned = orphans.iter().map(|(_, events)| events).sum();
        self.0.custody.0.meters.orphaned.fetch_add(orphaned, Relaxed);
        Summary { batches: left.batches, events: left.events, orphans }
    }
}

impl Next {
    /// Memory that it takes.
    pub fn bytes(&self) -> u32 {
        let records = self.stored.records.len() * size_of::<event::Record>();
        u32::try_from(self.stored.slab.len() + records).unwrap_or(u32::MAX)
    }
}

/// The batch at a position; none if it is damaged.
fn find(reader: &mut Reader, position: Position) -> Result<Option<Stored>, ReadError> {
    while reader.position() <= position {
        match reader.next()? {
            Read::Record(record) if record.position == position => {
                let Ok(stored) = record::decode(&record.payload) else { return Ok(None) };
                // Its own bytes, not a slice of a block that is much larger.
                let slab = bytes::Bytes::copy_from_slice(&stored.slab);
                return Ok(Some(Stored { slab, ..stored }));
            }
            Read::Record(_) | Read::Gap(_) => {}
            Read::CaughtUp => break,
        }
    }
    Ok(None)
}

fn seal(stored: Stored, stream: event::StreamId, hold: Hold) -> Batch {
    let Stored { first_seq, layout, records, origins, slab, .. } = stored;
    Batch::seal(Parts { slab, records, origins, stream, first_seq, layout, hold })
}

impl fmt::Debug for Backlog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Backlog({} batches to be read)", self.len())
    }
}
