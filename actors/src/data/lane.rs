//! A lane: a thread with its own single-threaded runtime, on which streams live.
//!
//! Reading, routing, stages and encoding of a stream run on one lane without crossing threads. A lane
//! has several lives: when its thread is stuck in something that never yields, that thread is
//! abandoned and another one takes over the lane's book.

use super::address::Address;
use crate::router::RouterMessage;
use event::ids::StreamId;
use event::ledger::ROUTER;
use event::{Book, DeviceFlow, Ledger, SlabPool};
use parking_lot::Mutex;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// Unused slabs that a lane keeps: what a batch for each of sixteen busy connections needs.
const SLABS_KEPT: usize = 32;

/// How often a lane shows that it lives.
const BEAT: Duration = Duration::from_millis(500);

/// A lane.
pub struct Lane {
    /// Its number, from 0.
    pub index: usize,
    /// Who still owes what. It outlives threads.
    pub book: Arc<Book>,
    /// Receive buffers.
    pub slabs: SlabPool,
    /// The lane's router.
    pub router: Arc<Address<RouterMessage>>,
    streams: AtomicUsize,
    life: Mutex<Life>,
    generation: AtomicU64,
    next_stream: Arc<AtomicU64>,
}

struct Life {
    runtime: Handle,
    alive: Arc<Alive>,
    /// Dropping it ends the thread, if it still listens.
    _end: oneshot::Sender<()>,
}

#[derive(Debug, Default)]
struct Alive {
    beats: AtomicU64,
    ended: AtomicBool,
}

/// All lanes of a Director; clones share them.
#[derive(Clone, Debug)]
pub struct Lanes(Arc<[Arc<Lane>]>);

/// A stream's place in a lane's load; dropping it makes the lane less loaded.
pub struct Berth(Arc<Lane>);

impl Lanes {
    /// Starts so many lanes.
    pub fn start(count: usize) -> std::io::Result<Self> {
        let next_stream = Arc::new(AtomicU64::new(1));
        let lanes = (0..count.max(1)).map(|index| Lane::start(index, Arc::clone(&next_stream)));
        Ok(Self(lanes.collect::<std::io::Result<_>>()?))
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Lane>] {
        &self.0
    }

    /// The one with the fewest streams.
    pub fn least_loaded(&self) -> &Arc<Lane> {
        let load = |lane: &&Arc<Lane>| lane.streams.load(Relaxed);
        self.0.iter().min_by_key(load).unwrap_or(&self.0[0])
    }
}

impl Lane {
    fn start(index: usize, next_stream: Arc<AtomicU64>) -> std::io::Result<Arc<Self>> {
        let book = Book::new();
        Ok(Arc::new(Self {
            index,
            router: Address::at(vec![(Arc::clone(&book), ROUTER)]),
            book,
            slabs: SlabPool::new(SLABS_KEPT),
            streams: AtomicUsize::new(0),
            life: Mutex::new(Life::begin(index)?),
            generation: AtomicU64::new(0),
            next_stream,
        }))
    }

    /// The runtime of its present life.
    pub fn runtime(&self) -> Handle {
        self.life.lock().runtime.clone()
    }

    /// Which life this is.
    pub fn generation(&self) -> u64 {
        self.generation.load(Relaxed)
    }

    /// A number that grows as long as the lane's thread runs its tasks.
    pub fn beats(&self) -> u64 {
        self.life.lock().alive.beats.load(Relaxed)
    }

    /// Gives up the present thread and starts another. What ran there is dead for everybody else.
    pub fn abandon(&self) -> std::io::Result<()> {
        let mut life = self.life.lock();
        *life = Life::begin(self.index)?;
        self.generation.fetch_add(1, Relaxed);
        Ok(())
    }

    /// Begins a stream here.
    pub fn open_stream(&self, device: Arc<DeviceFlow>) -> Ledger {
        let id = StreamId(self.next_stream.fetch_add(1, Relaxed));
        self.book.open_stream(id, device)
    }

    /// Counts a stream as load of this lane.
    pub fn berth(self: &Arc<Self>) -> Berth {
        self.streams.fetch_add(1, Relaxed);
        Berth(Arc::clone(self))
    }
}

impl Life {
    fn begin(index: usize) -> std::io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        let (end, ended) = oneshot::channel::<()>();
        let alive = Arc::<Alive>::default();
        let pulse = Arc::clone(&alive);
        std::thread::Builder::new().name(format!("lane-{index}")).spawn(move || {
            let beat = async {
                let mut every = tokio::time::interval(BEAT);
                loop {
                    every.tick().await;
                    pulse.beats.fetch_add(1, Relaxed);
                }
            };
            runtime.block_on(async {
                tokio::select! {
                    () = beat => {}
                    _ = ended => {}
                }
            });
            pulse.ended.store(true, Relaxed);
            // Actors that are still there are dropped with the runtime, without waiting for blocking calls.
            runtime.shutdown_background();
        })?;
        Ok(Self { runtime: handle, alive, _end: end })
    }
}

impl Drop for Berth {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
    }
}

impl fmt::Debug for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Lane({}, {} streams)", self.index, self.streams.load(Relaxed))
    }
}
