//! A rehearsal from its beginning to its end.
//!
//! First each source sends each of its texts once, with nothing wrong: where they arrive is where such events are due from
//! then on, whatever routes, conditions and pipelines say. Then comes the load, with the faults; then time to settle; then
//! the Director stops, and its last counters are compared with what was seen outside.

use super::plan::{self, Reach};
use super::samples::{Kept, Sampler, waiting};
use super::strike::Fault;
use super::world::{Host, Means, Source, World};
use super::{AnyFault, Planned, Scenario};
use crate::account::{Deliveries, Fate, Promise};
use crate::subject::{Life, Tree};
use actors::child::faults::matches;
use anyhow::{Context, bail};
use config::{PersistentStorage, TargetKind};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::time::{Instant, sleep, timeout};

/// A rehearsal that is over.
#[derive(Debug)]
pub struct Rehearsal {
    /// The faults with what became of them.
    pub faults: Vec<Happened>,
    /// What became of the events, by device and target.
    pub fates: BTreeMap<(String, String), Fate>,
    /// Samples and counters.
    pub kept: Kept,
    /// All processes of the Director.
    pub lives: Vec<Life>,
    /// The tree of the last process at its beginning and at the end.
    pub trees: (Tree, Tree),
    /// Bytes that links corrupted.
    pub corrupted: u64,
    /// What the receivers counted.
    pub came: Vec<Arrived>,
    /// What the sources counted: device, sent, acknowledged.
    pub sent: Vec<(String, u64, u64)>,
    /// Targets that keep one of several events with the same id.
    pub keyed: Vec<String>,
    /// What is worth knowing.
    pub notes: Vec<String>,
    /// Whether nothing waited at the end.
    pub drained: bool,
    /// How long the load was, and how long it took to settle.
    pub took: (Duration, Duration),
    /// The end of the Director's log.
    pub log: String,
}

/// What a receiver counted.
#[derive(Clone, Debug)]
pub struct Arrived {
    /// The target.
    pub target: String,
    /// Different events.
    pub distinct: u64,
    /// All of them.
    pub total: u64,
    /// Records without a mark.
    pub unmarked: u64,
}

impl Arrived {
    fn of(target: &str, deliveries: &Deliveries) -> Self {
        let (distinct, total) = (deliveries.distinct(), deliveries.total());
        Self { target: target.to_owned(), distinct, total, unmarked: deliveries.unmarked() }
    }
}

/// A fault that happened.
#[derive(Clone, Debug)]
pub struct Happened {
    /// As it was planned.
    pub planned: Planned,
    /// Seconds from the beginning of the load.
    pub began: f64,
    /// The same.
    pub ended: f64,
    /// How often it struck, where that is known.
    pub struck: Option<u64>,
    /// Why it did not happen, or not as planned.
    pub trouble: Option<String>,
}

/// How far a rehearsal is.
#[derive(Clone, Debug)]
pub struct Progress {
    /// What is going on.
    pub phase: &'static str,
    /// Since the phase began, and how long it takes at most.
    pub time: (Duration, Duration),
    /// Sent and delivered.
    pub events: (u64, u64),
    /// Faults that are in force.
    pub faults: Vec<String>,
}

/// Each source sends each of its texts once within this time, and they arrive.
const FIRST: Duration = Duration::from_secs(40);
/// Nothing moves any more when nothing did for so long.
const STILL: Duration = Duration::from_millis(400);
/// The same for events that nobody may ever read: a host is asked again after a while.
const LONG_STILL: Duration = Duration::from_secs(5);
/// Sources end within this time.
const ENDING: Duration = Duration::from_secs(90);
const LOOK: Duration = Duration::from_millis(50);

/// Rehearses a scenario; `plan` is drawn from the seed where it is not given.
///
/// # Errors
/// When the rehearsal can't begin or go on; a Director that does not keep its promises is no error.
pub async fn run(
    scenario: &Scenario,
    means: &Means,
    plan: Option<Vec<Planned>>,
    show: Arc<dyn Fn(&Progress) + Send + Sync>,
) -> anyhow::Result<Rehearsal> {
    let world = Arc::new(World::build(scenario, means).await?);
    let plan = plan.unwrap_or_else(|| plan::all(scenario, &Reach::of(&world), means.seed));
    refuse_unreachable(&plan, &world)?;
    world.subject.start().await.context("the Director under test does not start")?;
    let mut run = Run { world, scenario, show, active: Arc::default(), keys: Arc::default() };
    let routed = run.first().await?;
    run.load(&plan, routed).await
}

/// Faults that could never happen.
fn refuse_unreachable(plan: &[Planned], world: &World) -> anyhow::Result<()> {
    for planned in plan {
        let Some(pattern) = planned.fault.endpoints() else { continue };
        let (names, name) = (world.endpoints(), planned.fault.name());
        if !names.iter().any(|endpoint| matches(pattern, endpoint)) {
            bail!(
                "the fault {name} is about {pattern:?}, which is no device or target; there are {}",
                names.join(", ")
            );
        }
        let needs_link = matches!(planned.fault, AnyFault::Link { .. });
        if needs_link && !world.links.keys().any(|endpoint| matches(pattern, endpoint)) {
            bail!(
                "the fault {name} is about {pattern:?}, which has no link: files are on the Director's own disk"
            );
        }
    }
    Ok(())
}

struct Run<'a> {
    world: Arc<World>,
    scenario: &'a Scenario,
    show: Arc<dyn Fn(&Progress) + Send + Sync>,
    active: Arc<Mutex<Vec<String>>>,
    keys: Arc<AtomicU64>,
}

/// For each device and target, how often each text is due there.
type Routed = BTreeMap<(String, String), Vec<u8>>;

impl Run<'_> {
    // === the first events ===

    async fn first(&mut self) -> anyhow::Result<Routed> {
        let world = &self.world;
        for source in &world.sources {
            source.quota.add(source.origin.texts as u64);
        }
        let until = Instant::now() + FIRST;
        let mut still = Still::default();
        let accepted = |name: &str, metrics: &crate::subject::Metrics| {
            metrics.count("vmetric_device_accepted_total", &[("device", name)])
        };
        loop {
            self.progress("first events", FIRST.saturating_sub(until - Instant::now()), FIRST);
            let metrics = world.subject.metrics().await?;
            let missing: Vec<&str> = world
                .sources
                .iter()
                .filter(|source| {
                    let texts = source.origin.texts as u64;
                    let confirmed = source.origin.promise != Promise::Confirmed || sent(source).2 >= texts;
                    accepted(&source.device, &metrics) < texts || !confirmed
                })
                .map(|source| source.device.as_str())
                .collect();
            let still = still.is(self.totals(), STILL);
            if missing.is_empty() && waiting(&metrics) == (0, 0) && still {
                break;
            }
            if Instant::now() > until {
                let what = match missing.as_slice() {
                    [] => format!("{:?} events wait (in memory, on disk)", waiting(&metrics)),
                    missing => {
                        format!(
                            "these devices took in, or confirmed, less than they were sent: {}",
                            missing.join(", ")
                        )
                    }
                };
                bail!(
                    "the first events did not arrive, with nothing wrong yet: {what}\n{}{}",
                    trouble(&world.subject.tree().await.unwrap_or_default()),
                    tail(&world.subject.log())
                );
            }
            sleep(LOOK).await;
        }
        let mut routed = Routed::new();
        for source in &world.sources {
            for sink in &world.sinks {
                let by_text = sink.deliveries.lock().by_text(&source.origin, 0, source.origin.texts as u64);
                routed.insert((source.device.clone(), sink.target.clone()), by_text);
            }
        }
        Ok(routed)
    }

    // === the load ===

    async fn load(&mut self, plan: &[Planned], routed: Routed) -> anyhow::Result<Rehearsal> {
        let (world, load) = (Arc::clone(&self.world), &self.scenario.load);
        let mut notes = world.notes.clone();
        notes.extend(unrouted(&world, &routed));
        let mut first_trees = BTreeMap::new();
        first_trees.insert(life(&world), world.subject.tree().await?);
        let began = Instant::now();
        let sampler = Sampler::start(&world, began);
        let shares: f64 = world.sources.iter().map(|source| self.share(source)).sum();
        let mut feeding = Vec::new();
        for source in &world.sources {
            let (quota, origin) = (source.quota.clone(), Arc::clone(&source.origin));
            let (rate, length) =
                (load.rate * self.share(source) / shares.max(f64::MIN_POSITIVE), load.length);
            feeding.push(tokio::spawn(async move { quota.run(rate, length, || origin.sent()).await }));
        }
        let mut happening = Vec::new();
        let alone = Arc::default();
        for planned in plan {
            let fault = Fault {
                world: Arc::clone(&world),
                planned: planned.clone(),
                began,
                active: Arc::clone(&self.active),
                keys: Arc::clone(&self.keys),
                written: self.scenario.expect.strikes && self.scenario.faults.contains(planned),
                alone: Arc::clone(&alone),
            };
            happening.push(tokio::spawn(fault.happen()));
        }
        while feeding.iter().any(|task| !task.is_finished())
            || happening.iter().any(|task| !task.is_finished())
        {
            self.progress("load", began.elapsed(), load.length);
            self.picture(&mut first_trees).await;
            sleep(LOOK * 2).await;
        }
        let mut faults = Vec::new();
        for task in happening {
            faults.push(task.await.context("a fault's task ended")?);
        }
        let loaded = began.elapsed();
        if !world.subject.is_alive() {
            bail!("the Director ended and nothing started it again\n{}", tail(&world.subject.log()));
        }
        self.picture(&mut first_trees).await;
        for source in &world.sources {
            source.quota.finish();
        }
        let ending = Instant::now();
        while world.sources.iter().any(|source| !source.task.is_finished()) && ending.elapsed() < ENDING {
            self.progress("sources end", ending.elapsed(), ENDING);
            sleep(LOOK).await;
        }
        let holes = self.holes(&faults);
        let drained = self.settle(&routed, holes).await;
        let settled = ending.elapsed();
        let last_tree = world.subject.tree().await.unwrap_or_default();
        let kept = sampler.kept();
        drop(sampler);
        if let Err(e) = world.subject.terminate().await {
            notes.push(format!("the Director did not stop: {e}"));
        }
        let before = first_trees.remove(&life(&world)).unwrap_or_default();
        Ok(Rehearsal {
            faults,
            fates: self.fates(&routed, holes),
            kept,
            lives: world.subject.lives(),
            trees: (before, last_tree),
            corrupted: world.links.values().map(|link| link.corrupted()).sum(),
            came: world.sinks.iter().map(|sink| Arrived::of(&sink.target, &sink.deliveries)).collect(),
            sent: world.sources.iter().map(sent).collect(),
            keyed: keyed(&world),
            notes,
            drained,
            took: (loaded, settled),
            log: tail(&world.subject.log()),
        })
    }

    fn share(&self, source: &Source) -> f64 {
        let shares = &self.scenario.load.shares;
        // Copies of a device have its share.
        let base = source.device.rsplit_once('-').map(|(base, _)| base);
        let found = shares.get(&source.device).or_else(|| shares.get(base?));
        found.copied().unwrap_or(1.0)
    }

    /// Keeps the first picture of each process.
    async fn picture(&self, first: &mut BTreeMap<u32, Tree>) {
        let number = life(&self.world);
        if first.contains_key(&number) {
            return;
        }
        let ready = timeout(LOOK * 10, self.world.subject.get("/ready")).await;
        if !matches!(ready, Ok(Ok((200, _)))) {
            return;
        }
        if let Ok(Ok(tree)) = timeout(LOOK * 10, self.world.subject.tree()).await {
            first.insert(number, tree);
        }
    }

    /// Waits until everything that was promised came and nothing waits; whether nothing does.
    async fn settle(&self, routed: &Routed, holes: Holes) -> bool {
        let (began, limit) = (Instant::now(), self.scenario.load.settle);
        let mut still = Still::default();
        let pulled = self.world.sources.iter().any(|source| !matches!(source.host, Host::None));
        loop {
            self.progress("settling", began.elapsed(), limit);
            let metrics = timeout(Duration::from_secs(2), self.world.subject.metrics()).await;
            let empty = matches!(&metrics, Ok(Ok(metrics)) if waiting(metrics) == (0, 0));
            let totals = self.totals();
            if empty && still.is(totals, STILL) {
                let missing = self.fates(routed, holes).values().any(|fate| fate.lost > 0);
                if !missing || (!pulled && still.is(totals, LONG_STILL)) {
                    return true;
                }
            }
            if began.elapsed() > limit {
                return empty;
            }
            sleep(LOOK).await;
        }
    }

    fn fates(&self, routed: &Routed, holes: Holes) -> BTreeMap<(String, String), Fate> {
        let mut fates = BTreeMap::new();
        for source in &self.world.sources {
            for sink in &self.world.sinks {
                let key = (source.device.clone(), sink.target.clone());
                let Some(by_text) = routed.get(&key).filter(|by_text| by_text.iter().any(|times| *times > 0))
                else {
                    continue;
                };
                let fate = Fate::of(&source.origin, &sink.deliveries, by_text, holes == Holes::AreLosses);
                fates.insert(key, fate);
            }
        }
        fates
    }

    /// Whether what is missing before something that came was promised: a process that is killed loses what it held in
    /// memory, also where a later event was faster.
    fn holes(&self, faults: &[Happened]) -> Holes {
        let kept = self.world.snapshot.service.persistent_storage != PersistentStorage::Off;
        let name = |happened: &Happened| happened.planned.fault.name();
        let killed = self.world.subject.lives().iter().filter(|life| life.end.is_some()).count() > 0;
        let cut = faults.iter().any(|happened| name(happened) == "power_cut");
        if killed && (!kept || cut) { Holes::MayBe } else { Holes::AreLosses }
    }

    /// What was sent and what came, to see whether anything moves.
    fn totals(&self) -> (u64, u64) {
        let sent = self.world.sources.iter().map(|source| source.origin.sent()).sum();
        (sent, self.world.sinks.iter().map(|sink| sink.deliveries.total()).sum())
    }

    fn progress(&self, phase: &'static str, done: Duration, all: Duration) {
        let sent = self.world.sources.iter().map(|source| source.origin.sent()).sum();
        let came = self.world.sinks.iter().map(|sink| sink.deliveries.distinct()).sum();
        let faults = self.active.lock().clone();
        (self.show)(&Progress { phase, time: (done, all), events: (sent, came), faults });
    }
}

/// What a hole in what came means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holes {
    AreLosses,
    MayBe,
}

/// Notices when something has not changed for a while.
#[derive(Default)]
struct Still {
    last: (u64, u64),
    since: Option<Instant>,
}

impl Still {
    fn is(&mut self, now: (u64, u64), long: Duration) -> bool {
        let since = match self.since {
            Some(since) if self.last == now => since,
            Some(_) | None => {
                (self.last, self.since) = (now, Some(Instant::now()));
                return false;
            }
        };
        since.elapsed() >= long
    }
}

fn life(world: &World) -> u32 {
    world.subject.lives().last().map_or(0, |life| life.number)
}

fn sent(source: &Source) -> (String, u64, u64) {
    let acknowledged = source.origin.lock().acknowledged.iter().filter(|yes| **yes).count() as u64;
    (source.device.clone(), source.origin.sent(), acknowledged)
}

fn keyed(world: &World) -> Vec<String> {
    let keyed = world.snapshot.targets.iter().filter(|target| matches!(target.kind, TargetKind::Elastic(_)));
    keyed.map(|target| target.name.clone()).collect()
}

fn unrouted(world: &World, routed: &Routed) -> Vec<String> {
    let leads =
        |device: &str| routed.iter().any(|((from, _), by)| from == device && by.iter().any(|n| *n > 0));
    let without = world.sources.iter().filter(|source| !leads(&source.device));
    without.map(|source| format!("events of {} arrive nowhere that can be seen", source.device)).collect()
}

/// Who says that they are in trouble.
fn trouble(tree: &Tree) -> String {
    let troubled = tree.nodes.iter().filter(|node| node.trouble);
    troubled
        .map(|node| format!("{}: {}\n", node.path, node.condition.as_deref().unwrap_or_default()))
        .collect()
}

/// The end of a log.
fn tail(log: &str) -> String {
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(40)..].join("\n")
}
