//! Looking on while data passes a lane, without disturbing it: what devices take in and what goes to targets as it came,
//! at the router; what pipelines made, at their stage.
//!
//! Without anybody looking on it costs one relaxed load for each batch. An onlooker gets references to batches, a few
//! at a time; what it does not take in time it misses, and is told how much that was. It never slows anybody down.

use crate::data::delivery::{Encoded, Payload};
use event::{Batch, BranchId, DeviceId};
use parking_lot::RwLock;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use tokio::sync::mpsc;

/// So many batches wait for an onlooker; each may hold 128 KiB of the budget.
const BATCHES_WAITING: usize = 8;

/// What an onlooker wants to see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wants {
    /// What a device takes in.
    Device(DeviceId),
    /// What goes these ways.
    Ways {
        /// Ways without a stage: what goes there is as it came in.
        unchanged: HashSet<BranchId>,
        /// Ways through a stage: what goes there is what it left.
        staged: HashSet<BranchId>,
    },
}

/// The onlookers of a lane; clones share them.
#[derive(Clone, Debug, Default)]
pub struct Taps(Arc<Onlookers>);

#[derive(Debug, Default)]
struct Onlookers {
    count: AtomicUsize,
    list: RwLock<Vec<Onlooker>>,
}

#[derive(Debug)]
struct Onlooker {
    wants: Wants,
    seen: mpsc::Sender<Payload>,
    missed: Arc<AtomicU64>,
}

/// An onlooker's end. Dropping it ends the look.
#[derive(Debug)]
pub struct Tap {
    taps: Vec<Taps>,
    seen: mpsc::Receiver<Payload>,
    missed: Arc<AtomicU64>,
}

impl Taps {
    /// Shows a batch that takes these branches to whoever wants to see it.
    pub fn show(&self, batch: &Batch, branches: &[BranchId]) {
        if self.0.count.load(Relaxed) == 0 {
            return;
        }
        let device = batch.origin(0).device;
        for onlooker in self.0.list.read().iter() {
            let wanted = match &onlooker.wants {
                Wants::Device(wanted) => *wanted == device,
                Wants::Ways { unchanged, .. } => branches.iter().any(|branch| unchanged.contains(branch)),
            };
            if wanted && onlooker.seen.try_send(Payload::Raw(batch.clone())).is_err() {
                onlooker.missed.fetch_add(u64::from(batch.len()), Relaxed);
            }
        }
    }

    /// Shows what a stage left for a branch to whoever wants to see it.
    pub fn show_made(&self, made: &Encoded, branch: BranchId) {
        if self.0.count.load(Relaxed) == 0 {
            return;
        }
        for onlooker in self.0.list.read().iter() {
            let wanted = matches!(&onlooker.wants, Wants::Ways { staged, .. } if staged.contains(&branch));
            if wanted && onlooker.seen.try_send(Payload::Encoded(made.clone())).is_err() {
                onlooker.missed.fetch_add(made.events.len() as u64, Relaxed);
            }
        }
    }

    fn retain(&self, keep: impl Fn(&Onlooker) -> bool) {
        let mut list = self.0.list.write();
        list.retain(keep);
        self.0.count.store(list.len(), Relaxed);
    }
}

impl Tap {
    /// Looks on at several lanes at once, each with wants of its own.
    pub fn open(points: impl IntoIterator<Item = (Taps, Wants)>) -> Self {
        let (sender, seen) = mpsc::channel(BATCHES_WAITING);
        let missed = Arc::<AtomicU64>::default();
        let mut taps = Vec::new();
        for (point, wants) in points {
            let onlooker = Onlooker { wants, seen: sender.clone(), missed: Arc::clone(&missed) };
            let mut list = point.0.list.write();
            list.push(onlooker);
            point.0.count.store(list.len(), Relaxed);
            drop(list);
            taps.push(point);
        }
        Self { taps, seen, missed }
    }

    /// What passes next; never, when there is no lane to look at.
    pub async fn next(&mut self) -> Payload {
        match self.seen.recv().await {
            Some(seen) => seen,
            None => std::future::pending().await,
        }
    }

    /// Events missed since the last call.
    pub fn missed(&self) -> u64 {
        self.missed.swap(0, Relaxed)
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        for point in &self.taps {
            point.retain(|onlooker| !Arc::ptr_eq(&onlooker.missed, &self.missed));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use event::batch::Parts;
    use event::{Budget, Layout, Origin, Record, RecordFlags, StreamId};

    fn batch(device: u64) -> Batch {
        Batch::seal(Parts {
            slab: bytes::Bytes::from_static(b"x"),
            records: vec![Record { offset: 0, len: 1, origin: 0, flags: RecordFlags::default() }],
            origins: vec![Origin { device: DeviceId(device), peer: None, received: 0 }],
            stream: StreamId(1),
            first_seq: 0,
            layout: Layout::Scattered,
            hold: Budget::new(1 << 20).share().nothing(),
        })
    }

    #[test]
    fn an_onlooker_sees_what_it_wants_and_is_told_what_it_missed() {
        let taps = Taps::default();
        let mut device = Tap::open([(taps.clone(), Wants::Device(DeviceId(1)))]);
        let ways = Wants::Ways { unchanged: [BranchId(5)].into(), staged: [BranchId(6)].into() };
        let mut branch = Tap::open([(taps.clone(), ways)]);
        taps.show(&batch(1), &[BranchId(4)]);
        taps.show(&batch(2), &[BranchId(4), BranchId(5)]);
        // What a stage is given is not what it leaves.
        taps.show(&batch(3), &[BranchId(6)]);
        let seen = |tap: &mut Tap| tap.seen.try_recv().map(|seen| seen.batch().origin(0).device);
        assert_eq!(seen(&mut device), Ok(DeviceId(1)));
        assert_eq!(seen(&mut branch), Ok(DeviceId(2)));
        assert!(seen(&mut device).is_err() && seen(&mut branch).is_err());
        for _ in 0..BATCHES_WAITING + 3 {
            taps.show(&batch(1), &[]);
        }
        assert_eq!((device.missed(), device.missed()), (3, 0));
    }

    #[test]
    fn a_closed_tap_costs_nothing_more() {
        let taps = Taps::default();
        drop(Tap::open([(taps.clone(), Wants::Device(DeviceId(1)))]));
        assert_eq!(taps.0.count.load(Relaxed), 0);
    }
}
