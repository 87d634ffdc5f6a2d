//! Events of the quarantine are sent once more.

use super::feed::{Again, Feed};
use super::{DeviceWays, Order, PresentWay};
use crate::control::View;
use crate::wiring::Way;
use actors::data::{Device, Lane};
use actors::quarantine::{Kept, Quarantine, Selection, WayLabel, look};
use actors::router::RouteTable;
use anyhow::Context;
use bytes::Bytes;
use event::{BranchId, DeviceId};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{OwnedMutexGuard, mpsc};

/// Events that are read ahead.
const READ_AHEAD: usize = 16;
/// How often it is looked what is settled.
const LOOK: Duration = Duration::from_millis(100);
/// How often it is told how it goes, in looks.
const TELL: u32 = 10;

/// A replay under way.
struct Course {
    view: View,
    target: Option<String>,
    lane: Arc<Lane>,
    table: RouteTable,
    device: Arc<Device>,
    feeds: HashMap<(DeviceId, Vec<BranchId>), Feed>,
    /// The ways of each device, as long as the configuration stays the same.
    ways: HashMap<String, Option<DeviceWays>>,
    generation: u64,
    settled: u64,
    marked: Instant,
    /// Why events were not sent, and how many.
    left_out: BTreeMap<&'static str, u64>,
    lines: mpsc::Sender<Bytes>,
    _turn: OwnedMutexGuard<()>,
}

/// Begins a replay; lines tell how it goes. When nobody wants to know any more no further events are sent, and those that
/// were are still marked when they are settled.
///
/// # Errors
/// When the order is not understood, or a replay is under way.
pub fn start(view: &View, order: Order, lines: mpsc::Sender<Bytes>) -> anyhow::Result<()> {
    let selection: Selection = order.which.parse()?;
    if let Some(target) = &order.target {
        let known = view.snapshot().is_some_and(|snapshot| snapshot.target(target).is_some());
        anyhow::ensure!(known, "there is no target \"{target}\" in the configuration");
    }
    let replayer = view.replayer().clone();
    let turn = replayer
        .turn
        .clone()
        .try_lock_owned()
        .context("another replay is under way; wait until its events are settled")?;
    let lane = Arc::clone(replayer.lanes.least_loaded());
    let course = Course {
        table: view.tables()[lane.index].clone(),
        device: view.inventory().replay_device(&replayer.budget),
        target: order.target,
        lane,
        feeds: HashMap::new(),
        ways: HashMap::new(),
        generation: 0,
        settled: 0,
        marked: Instant::now(),
        left_out: BTreeMap::new(),
        lines,
        view: view.clone(),
        _turn: turn,
    };
    tokio::spawn(course.run(selection));
    Ok(())
}

impl Course {
    async fn run(mut self, selection: Selection) {
        let (sender, mut events) = mpsc::channel(READ_AHEAD);
        let (quarantine, now) = (self.view.quarantine().clone(), self.view.clock().unix_nanos());
        let reader = tokio::task::spawn_blocking(move || read(&quarantine, &selection, now, &sender));
        while let Some(kept) = events.recv().await {
            if self.lines.is_closed() {
                break;
            }
            self.send(kept).await;
            if self.marked.elapsed() >= LOOK {
                self.mark().await;
            }
        }
        drop(events);
        let share = self.view.replayer().share.clone();
        for feed in self.feeds.values_mut() {
            feed.flush(&share).await;
        }
        if let Ok(Err(e)) = reader.await {
            self.say(format!("not all events could be read: {e:#}")).await;
        }
        let mut looks = 0;
        while !self.feeds.values().all(Feed::is_done) {
            tokio::time::sleep(LOOK).await;
            self.mark().await;
            looks += 1;
            if looks % TELL == 0 {
                self.say(self.progress()).await;
            }
        }
        let text = self.result();
        tracing::info!("{text}");
        // The next one may begin as soon as this one says that it is over.
        let lines = self.lines.clone();
        drop(self);
        let _ = lines.send(format!("{text}\n").into()).await;
    }

    async fn send(&mut self, kept: Kept) {
        let generation = self.view.config().generation;
        if self.generation != generation {
            self.generation = generation;
            self.ways.clear();
        }
        let name = &kept.meta.device.name;
        let ways = self.ways.entry(name.clone()).or_insert_with(|| self.view.ways_of(name));
        let Some(DeviceWays { id: device, ways }) = ways else {
            *self.left_out.entry("their device is no longer in the configuration").or_default() += 1;
            return;
        };
        let device = *device;
        let branches = branches(ways, &kept.meta.ways, self.target.as_deref(), self.lane.index);
        if branches.is_empty() {
            *self.left_out.entry("no route of their device leads to the target").or_default() += 1;
            return;
        }
        let replayer = self.view.replayer();
        let feed = self.feeds.entry((device, branches)).or_insert_with_key(|(device, branches)| {
            let flow = Arc::clone(&self.device.flow);
            Feed::open(&self.lane, &self.table, replayer.quarantine(), flow, *device, branches)
        });
        let again = Again {
            id: kept.id,
            replays: kept.meta.replays,
            peer: kept.meta.peer,
            received: kept.meta.received,
            truncated: kept.meta.truncated,
            event: kept.event,
        };
        let share = replayer.share.clone();
        feed.push(&share, again).await;
    }

    /// Marks what is settled.
    async fn mark(&mut self) {
        self.marked = Instant::now();
        let settled: Vec<u64> = self.feeds.values_mut().flat_map(Feed::settled).collect();
        if settled.is_empty() {
            return;
        }
        self.settled += settled.len() as u64;
        let quarantine = self.view.quarantine().clone();
        let marked = tokio::task::spawn_blocking(move || quarantine.mark_replayed(settled)).await;
        if let Ok(Err(e)) = marked {
            let text = format!("replayed events can't be marked, they are listed as waiting: {e:#}");
            tracing::error!("{text}");
            self.say(text).await;
        }
    }

    fn counts(&self) -> (u64, u64) {
        self.feeds.values().map(Feed::counts).fold((0, 0), |(a, b), (c, d)| (a + c, b + d))
    }

    fn progress(&self) -> String {
        let (sent, _) = self.counts();
        format!("{sent} events sent, {} of them settled; waiting for the others", self.settled)
    }

    fn result(&self) -> String {
        let (sent, again) = self.counts();
        let mut text = format!("{sent} events replayed, {again} of them are in quarantine again");
        for (why, events) in &self.left_out {
            let _ = write!(text, "; {events} not sent: {why}");
        }
        text
    }

    async fn say(&self, text: String) {
        // It fails only when nobody listens.
        let _ = self.lines.send(format!("{text}\n").into()).await;
    }
}

/// Reads what is meant and was there at the beginning: what is set aside again meanwhile is not sent again. Blocks.
fn read(
    quarantine: &Quarantine,
    selection: &Selection,
    now: u64,
    to: &mpsc::Sender<Kept>,
) -> anyhow::Result<()> {
    let end = quarantine.end();
    look(&**quarantine.disk(), quarantine.folder(), |mut kept, marks| {
        if kept.id >= end {
            return false;
        }
        let repeats = marks.replayed.contains(kept.id) && !selection.names_replayed();
        if repeats || !selection.takes(&kept, marks, now) {
            return true;
        }
        kept.payload = None;
        to.blocking_send(kept).is_ok()
    })?;
    Ok(())
}

/// The branches on which an event is sent once more.
fn branches(present: &[PresentWay], was_on: &[WayLabel], target: Option<&str>, lane: usize) -> Vec<BranchId> {
    let mut chosen = Vec::new();
    let mut choose = |takes: &dyn Fn(&Way) -> bool, most: usize| {
        let fitting = present.iter().filter(|present| takes(&present.way)).take(most);
        let before = chosen.len();
        chosen.extend(fitting.filter_map(|present| present.branches.get(lane).copied()));
        chosen.len() > before
    };
    if let Some(target) = target {
        choose(&|way| way.target == target, usize::MAX);
    } else if was_on.is_empty() {
        choose(&|_| true, usize::MAX);
    }
    for label in was_on.iter().filter(|_| target.is_none()) {
        let same_pipelines = |way: &Way| way.sequence.pipelines == label.pipelines;
        // Where pipelines chose the target, they do so again on any way that runs them.
        let found = match label.route.is_empty() {
            true => choose(&same_pipelines, 1),
            false => choose(
                &|way| way.route == label.route && same_pipelines(way) && way.target == label.target,
                1,
            ),
        };
        if !found {
            choose(&|way| way.target == label.target, usize::MAX);
        }
    }
    chosen.sort_unstable();
    chosen.dedup();
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::programs::Sequence;

    fn way(route: &str, pipelines: &[&str], target: &str, branch: u32) -> PresentWay {
        let pipelines = pipelines.iter().map(|p| (*p).to_owned()).collect();
        let sequence = Sequence { pipelines, guard: None };
        let way = Way { route: route.into(), sequence, target: target.into(), device: DeviceId(1) };
        PresentWay { way, branches: vec![BranchId(branch)] }
    }

    fn label(route: &str, pipelines: &[&str], target: &str) -> WayLabel {
        let pipelines = pipelines.iter().map(|p| (*p).to_owned()).collect();
        WayLabel { route: route.into(), pipelines, target: target.into() }
    }

    #[test]
    fn an_event_takes_the_ways_it_was_on() {
        let present = [
            way("a", &["p"], "x", 1),
            way("a", &["q"], "x", 2),
            way("b", &[], "y", 3),
            way("b", &[], "z", 4),
        ];
        let chosen = |was_on: &[WayLabel], target| {
            branches(&present, was_on, target, 0).iter().map(|branch| branch.0).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[label("a", &["q"], "x")], None), [2]);
        assert_eq!(chosen(&[label("b", &[], "y"), label("b", &[], "z")], None), [3, 4]);
        assert_eq!(chosen(&[label("", &["p"], "z")], None), [1], "its pipelines choose the target again");
        assert_eq!(chosen(&[label("gone", &["r"], "x")], None), [1, 2], "the route has another name now");
        assert_eq!(chosen(&[label("gone", &["r"], "gone")], None), [0; 0]);
        assert_eq!(chosen(&[label("a", &["q"], "x")], Some("y")), [3]);
        assert_eq!(chosen(&[], None), [1, 2, 3, 4]);
    }
}
