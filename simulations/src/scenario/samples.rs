//! What a rehearsal looked like over time: every tenth of a second what was sent, what came, what waits, what it costs.

use super::world::World;
use crate::account::{Deliveries, Origin};
use crate::subject::{Metrics, Subject};
use parking_lot::Mutex;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::AbortHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// A moment.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sample {
    /// From the beginning of the load.
    pub seconds: f64,
    /// Events sent, by all sources.
    pub sent: u64,
    /// Different events that came, by target.
    pub delivered: Vec<u64>,
    /// Events that the Director says wait: in memory, and on disk. None: it did not answer.
    pub waiting: Option<(u64, u64)>,
    /// Resident memory.
    pub resident_bytes: u64,
    /// Actors that were started again, in this process.
    pub restarts: u64,
    /// Which process it is.
    pub life: u32,
}

/// Takes samples until it is dropped.
#[derive(Debug)]
pub struct Sampler {
    kept: Arc<Mutex<Kept>>,
    task: AbortHandle,
}

/// What was sampled.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// All samples.
    pub samples: Vec<Sample>,
    /// The last counters that each process told.
    pub metrics: BTreeMap<u32, Metrics>,
    /// The most memory that any process had.
    pub peak_bytes: u64,
}

const EACH: Duration = Duration::from_millis(100);

impl Sampler {
    /// Of a world; times count from `began`.
    pub fn start(world: &World, began: Instant) -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let origins: Vec<_> = world.sources.iter().map(|source| Arc::clone(&source.origin)).collect();
        let sinks: Vec<_> = world.sinks.iter().map(|sink| Arc::clone(&sink.deliveries)).collect();
        let (subject, shared) = (world.subject.clone(), Arc::clone(&kept));
        let task = tokio::spawn(async move {
            let mut every = interval(EACH);
            every.set_missed_tick_behavior(MissedTickBehavior::Delay);
            loop {
                every.tick().await;
                let (sample, metrics) = sample(&subject, &origins, &sinks, began).await;
                let mut kept = shared.lock();
                kept.peak_bytes = kept.peak_bytes.max(subject.usage().resident_peak_bytes);
                if let Some(metrics) = metrics {
                    kept.metrics.insert(sample.life, metrics);
                }
                kept.samples.push(sample);
            }
        });
        Self { kept, task: task.abort_handle() }
    }

    /// So far.
    pub fn kept(&self) -> Kept {
        self.kept.lock().clone()
    }
}

impl Drop for Sampler {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn sample(
    subject: &Subject,
    origins: &[Arc<Origin>],
    sinks: &[Arc<Deliveries>],
    began: Instant,
) -> (Sample, Option<Metrics>) {
    let life = subject.lives().last().map_or(0, |life| life.number);
    let metrics = tokio::time::timeout(EACH * 5, subject.metrics()).await.ok().and_then(Result::ok);
    // The process may have become another one in between.
    let metrics = metrics.filter(|_| subject.lives().last().is_some_and(|now| now.number == life));
    let sample = Sample {
        seconds: began.elapsed().as_secs_f64(),
        sent: origins.iter().map(|origin| origin.sent()).sum(),
        delivered: sinks.iter().map(|sink| sink.distinct()).collect(),
        waiting: metrics.as_ref().map(waiting),
        resident_bytes: subject.usage().resident_bytes,
        restarts: metrics.as_ref().map_or(0, |metrics| metrics.sum("vmetric_actor_restarts", &[]) as u64),
        life,
    };
    (sample, metrics)
}

/// Events that wait, in memory and on disk.
pub fn waiting(metrics: &Metrics) -> (u64, u64) {
    let sum = |name| metrics.sum(name, &[]) as u64;
    (sum("vmetric_device_held").max(sum("vmetric_target_held")), sum("vmetric_target_spool_held"))
}
