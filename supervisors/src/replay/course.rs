//! A replay under way: which ways events take, on which feeds, and what is said of it.

use super::feed::{Again, Feed};
use super::{DeviceWays, PresentWay};
use crate::control::View;
use actors::data::{Device, Lane};
use actors::router::RouteTable;
use anyhow::Context;
use bytes::Bytes;
use event::{BranchId, DeviceId, Share};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedMutexGuard, mpsc};

/// How often it is looked what is settled.
pub(super) const LOOK: Duration = Duration::from_millis(100);
/// How often it is told how it goes.
pub(super) const TELL: Duration = Duration::from_secs(1);

/// A replay under way.
pub(super) struct Course {
    pub(super) view: View,
    lane: Arc<Lane>,
    table: RouteTable,
    device: Arc<Device>,
    share: Share,
    feeds: HashMap<(DeviceId, Vec<BranchId>), Feed>,
    /// The ways of each device, as long as the configuration stays the same.
    ways: HashMap<String, Option<DeviceWays>>,
    generation: u64,
    settled: u64,
    /// Why events were not sent, and how many.
    left_out: BTreeMap<&'static str, u64>,
    lines: mpsc::Sender<Bytes>,
    _turn: OwnedMutexGuard<()>,
}

impl Course {
    /// Begins, on the lane with the least to do.
    ///
    /// # Errors
    /// When the target is unknown, or another replay is under way.
    pub(super) fn begin(
        view: &View,
        target: Option<&str>,
        lines: mpsc::Sender<Bytes>,
    ) -> anyhow::Result<Self> {
        if let Some(target) = target {
            let known = view.snapshot().is_some_and(|snapshot| snapshot.target(target).is_some());
            anyhow::ensure!(known, "there is no target \"{target}\" in the configuration");
        }
        let replayer = view.replayer();
        let turn = Arc::clone(&replayer.turn).try_lock_owned();
        let lane = Arc::clone(replayer.lanes.least_loaded());
        Ok(Self {
            table: view.tables()[lane.index].clone(),
            device: view.inventory().replay_device(&replayer.budget),
            share: replayer.share.clone(),
            lane,
            feeds: HashMap::new(),
            ways: HashMap::new(),
            generation: 0,
            settled: 0,
            left_out: BTreeMap::new(),
            lines,
            view: view.clone(),
            _turn: turn.context("another replay is under way; wait until its events are settled")?,
        })
    }

    /// Whether nobody wants to know any more.
    pub(super) fn is_alone(&self) -> bool {
        self.lines.is_closed()
    }

    /// Sends an event of a device on those of its present ways that are chosen by their branches.
    pub(super) async fn send(
        &mut self,
        device: &str,
        again: Again,
        choose: impl FnOnce(&[PresentWay], usize) -> Vec<BranchId>,
    ) {
        let generation = self.view.config().generation;
        if self.generation != generation {
            self.generation = generation;
            self.ways.clear();
        }
        if !self.ways.contains_key(device) {
            self.ways.insert(device.to_owned(), self.view.ways_of(device));
        }
        let Some(DeviceWays { id, ways }) = self.ways.get(device).and_then(Option::as_ref) else {
            *self.left_out.entry("their device is not in the configuration").or_default() += 1;
            return;
        };
        let branches = choose(ways, self.lane.index);
        if branches.is_empty() {
            *self.left_out.entry("no route of their device leads to the target").or_default() += 1;
            return;
        }
        let feed = self.feeds.entry((*id, branches)).or_insert_with_key(|(device, branches)| {
            let flow = Arc::clone(&self.device.flow);
            Feed::open(&self.lane, &self.table, self.view.quarantine(), flow, *device, branches)
        });
        feed.push(&self.share, again).await;
    }

    /// Sends what was gathered.
    pub(super) async fn flush(&mut self) {
        for feed in self.feeds.values_mut() {
            feed.flush(&self.share).await;
        }
    }

    /// The numbers of the events that were settled since the last call.
    pub(super) fn newly_settled(&mut self) -> Vec<u64> {
        let settled: Vec<u64> = self.feeds.values_mut().flat_map(Feed::settled).collect();
        self.settled += settled.len() as u64;
        settled
    }

    /// Whether everything that was sent is settled.
    pub(super) fn is_done(&self) -> bool {
        self.feeds.values().all(Feed::is_done)
    }

    fn counts(&self) -> (u64, u64) {
        self.feeds.values().map(Feed::counts).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }

    /// How it goes.
    pub(super) fn progress(&self) -> String {
        let (sent, _) = self.counts();
        format!("{sent} events sent, {} of them settled", self.settled)
    }

    /// Says something to whoever listens.
    pub(super) async fn say(&self, text: String) {
        // It fails only when nobody listens.
        let _ = self.lines.send(format!("{text}\n").into()).await;
    }

    /// Says what came of it, and ends.
    pub(super) async fn end(self) {
        let (sent, again) = self.counts();
        let mut text = format!("{sent} events replayed, {again} of them are in quarantine again");
        for (why, events) in &self.left_out {
            let _ = write!(text, "; {events} not sent: {why}");
        }
        tracing::info!("{text}");
        // The next one may begin as soon as this one says that it is over.
        let lines = self.lines.clone();
        drop(self);
        let _ = lines.send(format!("{text}\n").into()).await;
    }
}
