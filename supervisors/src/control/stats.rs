//! All counters at one moment, for `/stats`, `/metrics` and the command line.
//!
//! The equations `accepted = settled + held` and `due = delivered + spooled + dropped + quarantined + held` hold in
//! every picture: one side is the sum, or the difference, of what was read for the other.

use super::process::ProcessStats;
use super::view::View;
use crate::step_counters::StepKey;
use actors::child::State;
use actors::data::device::{ByName, Device};
use actors::data::target::{SpoolMeters, Target};
use actors::journal::Status;
use actors::quarantine::QuarantineMeters;
use event::flow::ByCause;
use event::{Cause, Latency};
use pipeline::StepCounts;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering::Relaxed;

/// Counters by cause or name; those that are 0 are left out.
pub type Named = BTreeMap<String, u64>;

/// All counters at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stats {
    /// Milliseconds since the Unix epoch.
    pub at_ms: u64,
    /// The node's name.
    pub node: String,
    /// The program's version.
    pub version: String,
    /// How long the Director runs.
    pub uptime_seconds: f64,
    /// By name; those that were in the configuration once, too.
    pub devices: Vec<DeviceStats>,
    /// By name; those that were in the configuration once, too.
    pub targets: Vec<TargetStats>,
    /// By pipeline, and in it as they are written; those that were in the configuration once, too.
    #[serde(default)]
    pub processors: Vec<ProcessorStats>,
    /// Memory for received data.
    pub budget: BudgetStats,
    /// The journal; none without persistent storage.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub journal: Option<JournalStats>,
    /// Events that nobody could take.
    #[serde(default)]
    pub quarantine: QuarantineStats,
    /// The process.
    pub process: ProcessStats,
    /// How many actors there are in each state.
    pub actors: Named,
    /// How many of them say that they are in trouble.
    pub troubled: u64,
    /// For each actor that was ever started again, how often; connections together by device.
    pub restarts: Named,
}

/// Events that nobody could take.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuarantineStats {
    /// In quarantine.
    pub events: u64,
    /// Of these, not replayed.
    pub waiting: u64,
    /// Put there since the start.
    pub kept: u64,
    /// Dropped since the start because they could not be.
    pub not_kept: u64,
    /// Made room for newer ones since the start, before anybody had decided about them.
    pub overwritten: u64,
    /// Disk that it takes.
    pub disk_bytes: u64,
}

/// Memory for received data, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BudgetStats {
    /// Taken.
    pub used: u64,
    /// In all.
    pub capacity: u64,
}

/// The journal's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JournalStats {
    /// Records written: batches, and what was noted of them.
    pub records: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Bytes written, with headers.
    pub written_bytes: u64,
    /// Syncs that succeeded.
    pub syncs: u64,
    /// Syncs that failed.
    pub sync_failures: u64,
    /// Records that are written and not synced.
    pub unsynced: u64,
    /// Batches that wait to be written.
    pub waiting: u64,
    /// Bytes of these.
    pub waiting_bytes: u64,
    /// Batches that some branch owes.
    pub unsettled: u64,
    /// Bytes of disk: segments and spare ones.
    pub disk_bytes: u64,
    /// Segments in use.
    pub segments: u64,
    /// Batches that an earlier process left and this one went on with.
    pub resumed: u64,
    /// Batches written once more, so that older segments could be given back.
    pub moved: u64,
    /// Batches that were too large to be kept.
    pub unkept: u64,
    /// Deliveries that an earlier process owed to what is no longer configured.
    pub orphaned: u64,
    /// Records that could not be read back, were lost in a sync, or dropped because of their age.
    pub lost: u64,
}

/// A device's counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DeviceStats {
    /// Its name.
    pub name: String,
    /// Its `id`.
    pub id: u64,
    /// Events taken over from peers.
    pub accepted: u64,
    /// Of these, events of which every branch is settled.
    pub settled: u64,
    /// Of these, events that are under way.
    pub held: u64,
    /// Bytes of accepted events.
    pub bytes: u64,
    /// Of the settled ones, dropped before any branch, by cause.
    pub dropped: Named,
    /// Events that were never accepted, by cause.
    pub lost: Named,
    /// Connections that are open, or files that are followed.
    pub open: i64,
    /// Connections ever taken.
    pub opened: u64,
    /// Connections refused because there were too many.
    pub refused: u64,
    /// Connections and datagrams refused because of their address.
    pub denied: u64,
    /// Events that were cut at the longest length.
    pub truncated: u64,
    /// Bytes that were cut off.
    pub discarded_bytes: u64,
    /// Messages without a byte in them.
    pub empty: u64,
    /// Pieces of a stream without a valid length.
    pub resynchronised: u64,
    /// How connections ended, by cause.
    pub ended: Named,
    /// Seconds since the last event; none if there never was one.
    pub silent_seconds: Option<f64>,
    /// Bytes of the budget that the device holds.
    pub budget_used: u64,
}

/// A target's counters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetStats {
    /// Its name.
    pub name: String,
    /// Deliveries owed: an event counts once for each branch that leads here.
    pub due: u64,
    /// Of these, made.
    pub delivered: u64,
    /// Of these, handed to the spool.
    pub spooled: u64,
    /// Of these, dropped, by cause.
    pub dropped: Named,
    /// Of these, put aside, by cause.
    pub quarantined: Named,
    /// Of these, under way.
    pub held: u64,
    /// Dispatched again after a claim got lost.
    pub repeated: u64,
    /// Connections that are up, or files that are open.
    pub connected: i64,
    /// Bytes written.
    pub bytes: u64,
    /// Requests or writes.
    pub requests: u64,
    /// Failed attempts, by cause.
    pub troubles: Named,
    /// How long batches took until they were delivered.
    pub latency: LatencyStats,
    /// What went through its spool.
    pub spool: SpoolStats,
}

/// A spool's counters; what an earlier run left in it is counted, too.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SpoolStats {
    /// Whether deliveries go through it at present.
    pub in_use: bool,
    /// Deliveries that wait on disk.
    pub held: u64,
    /// Bytes of disk that these take.
    pub bytes: u64,
    /// Deliveries made from it.
    pub delivered: u64,
    /// Deliveries dropped, by cause.
    pub dropped: Named,
    /// Events put aside, by cause.
    pub quarantined: Named,
    /// How often the target was found down or slow.
    pub diverted: u64,
    /// Bytes a second that it shrinks by.
    pub bytes_per_second: u64,
    /// Until it is empty; none if it does not shrink.
    pub seconds_left: Option<u64>,
}

/// What a processor did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessorStats {
    /// The pipeline it stands in.
    pub pipeline: String,
    /// Which of its processors, from 1.
    pub step: u32,
    /// The processor's name.
    pub processor: String,
    /// Its tag; may be empty.
    pub tag: String,
    /// How often it ran.
    pub executed: u64,
    /// How often it failed, whether or not a handler took it.
    pub failed: u64,
    /// Events that it dropped.
    pub dropped: u64,
    /// The time it took, with all processors inside it.
    pub seconds: f64,
}

/// How long batches took, as a histogram.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct LatencyStats {
    /// How many took at most so many seconds, and longer than those before; the last has no limit.
    pub buckets: Vec<(Option<f64>, u64)>,
    /// All of them together.
    pub sum_seconds: f64,
}

impl Stats {
    /// At present.
    pub fn now(view: &View) -> Self {
        let at = view.clock().unix_nanos();
        let snapshot = view.snapshot();
        let (actors, troubled, restarts) = count_actors(view);
        Self {
            at_ms: at / 1_000_000,
            node: snapshot.map(|snapshot| snapshot.service.node_name.clone()).unwrap_or_default(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            uptime_seconds: view.uptime().as_secs_f64(),
            devices: view.inventory().devices().iter().map(|device| DeviceStats::of(device, at)).collect(),
            targets: view.inventory().targets().iter().map(|target| TargetStats::of(target)).collect(),
            processors: view.steps().now().into_iter().map(ProcessorStats::of).collect(),
            budget: BudgetStats { used: view.budget().used(), capacity: view.budget().capacity() },
            journal: view.journal().as_ref().map(JournalStats::of),
            quarantine: QuarantineStats::of(view.quarantine().meters()),
            process: ProcessStats::now(),
            actors,
            troubled,
            restarts,
        }
    }
}

impl JournalStats {
    fn of(status: &Status) -> Self {
        let (stats, counters) = (&status.stats, &status.stats.counters);
        Self {
            records: counters.appended_records,
            bytes: counters.appended_bytes,
            written_bytes: counters.written_bytes,
            syncs: counters.syncs,
            sync_failures: counters.sync_failures,
            unsynced: stats.end.since(stats.durable),
            waiting: status.waiting,
            waiting_bytes: status.waiting_bytes,
            unsettled: status.unsettled,
            disk_bytes: stats.disk_bytes,
            segments: stats.segments,
            resumed: status.resumed,
            moved: status.moved,
            unkept: status.unkept,
            orphaned: status.orphaned,
            lost: status.damaged + counters.lost_in_sync + counters.dropped_for_age,
        }
    }
}

impl QuarantineStats {
    fn of(meters: &QuarantineMeters) -> Self {
        Self {
            events: meters.events.load(Relaxed),
            waiting: meters.waiting.load(Relaxed),
            kept: meters.kept.get(),
            not_kept: meters.not_kept.get(),
            overwritten: meters.overwritten.get(),
            disk_bytes: meters.disk_bytes.load(Relaxed),
        }
    }
}

impl DeviceStats {
    fn of(device: &Device, now: u64) -> Self {
        let (flow, meters) = (&device.flow, &device.meters);
        let settled = flow.settled.get();
        let accepted = flow.accepted.get().max(settled);
        let lost = [
            ("budget", meters.budget_drops.get()),
            ("kernel", meters.kernel_drops.get()),
            ("rate_limit", meters.rate_drops.get()),
        ];
        let last = meters.last_event.load(Relaxed);
        Self {
            name: device.name.to_string(),
            id: device.id.0,
            accepted,
            settled,
            held: accepted - settled,
            bytes: flow.accepted_bytes.get(),
            dropped: by_cause(&flow.dropped),
            lost: lost.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect(),
            open: meters.open.get(),
            opened: meters.opened.get(),
            refused: meters.refused.get(),
            denied: meters.denied.get(),
            truncated: meters.truncated.get(),
            discarded_bytes: meters.discarded_bytes.get(),
            empty: meters.empty.get(),
            resynchronised: meters.resynchronised.get(),
            ended: by_name(&meters.ended),
            silent_seconds: (last > 0).then(|| now.saturating_sub(last) as f64 / 1e9),
            budget_used: device.share.used(),
        }
    }
}

impl ProcessorStats {
    fn of((key, counts): (StepKey, StepCounts)) -> Self {
        Self {
            pipeline: key.pipeline.to_string(),
            step: key.number,
            processor: key.kind.to_owned(),
            tag: key.tag.to_string(),
            executed: counts.executed,
            failed: counts.failed,
            dropped: counts.dropped,
            seconds: counts.nanos as f64 / 1e9,
        }
    }
}

impl TargetStats {
    fn of(target: &Target) -> Self {
        let (flow, meters) = (&target.flow, &target.meters);
        // First, so that a delivery that ends meanwhile is there twice rather than not at all.
        let held = flow.held();
        let (delivered, spooled) = (flow.delivered.get(), flow.spooled.get());
        let (dropped, quarantined) = (by_cause(&flow.dropped), by_cause(&flow.quarantined));
        let ended = delivered + spooled + dropped.values().sum::<u64>() + quarantined.values().sum::<u64>();
        Self {
            name: target.name.to_string(),
            due: held + ended,
            delivered,
            spooled,
            dropped,
            quarantined,
            held,
            repeated: flow.repeated.get(),
            connected: meters.connected.get(),
            bytes: meters.bytes.get(),
            requests: meters.requests.get(),
            troubles: by_name(&meters.troubles),
            latency: LatencyStats::of(&flow.latency),
            spool: SpoolStats::of(&target.spool),
        }
    }
}

impl SpoolStats {
    fn of(spool: &SpoolMeters) -> Self {
        Self {
            in_use: spool.in_use.load(Relaxed),
            held: spool.flow.held(),
            bytes: spool.bytes.load(Relaxed),
            delivered: spool.flow.delivered.get(),
            dropped: by_cause(&spool.flow.dropped),
            quarantined: by_cause(&spool.flow.quarantined),
            diverted: spool.diverted.get(),
            bytes_per_second: spool.shrinks_by.load(Relaxed),
            seconds_left: spool.seconds_left(),
        }
    }
}

impl LatencyStats {
    fn of(latency: &Latency) -> Self {
        let counts = latency.counts().into_iter().enumerate();
        let bucket = |(n, count)| (Latency::limit(n).map(|limit| limit.as_secs_f64()), count);
        Self { buckets: counts.map(bucket).collect(), sum_seconds: latency.sum().as_secs_f64() }
    }

    /// How long all but one in `of` took at most since an earlier picture; none if nothing was delivered since, or
    /// there is no limit.
    pub fn all_but_one_in(&self, of: u64, before: Option<&Self>) -> Option<f64> {
        let was = |n: usize| before.and_then(|before| before.buckets.get(n)).map_or(0, |(_, count)| *count);
        let since = |n: usize, count: u64| count.saturating_sub(was(n));
        let total: u64 = self.buckets.iter().enumerate().map(|(n, (_, count))| since(n, *count)).sum();
        let mut left = total;
        for (n, (limit, count)) in self.buckets.iter().enumerate() {
            left -= since(n, *count);
            if total > 0 && left.saturating_mul(of) <= total {
                return *limit;
            }
        }
        None
    }
}

fn by_cause(counters: &ByCause) -> Named {
    let counted = Cause::ALL.into_iter().map(|cause| (cause.name().to_owned(), counters.get(cause)));
    counted.filter(|(_, n)| *n > 0).collect()
}

fn by_name(counters: &ByName) -> Named {
    counters.all().into_iter().map(|(name, n)| (name.to_owned(), n)).collect()
}

/// Actors by state, how many are in trouble, and restarts by path.
fn count_actors(view: &View) -> (Named, u64, Named) {
    let (mut states, mut troubled, mut restarts) = (Named::new(), 0, Named::new());
    for node in view.tree().nodes() {
        let state = match node.state {
            State::Starting => "starting",
            State::Running => "running",
            State::Restarting => "restarting",
            State::Parked => "parked",
            State::Stopping => "stopping",
            State::Retired => "retired",
        };
        *states.entry(state.to_owned()).or_default() += 1;
        troubled += u64::from(node.trouble);
        if node.restarts > 0 {
            let path = match node.path.rsplit_once('/') {
                Some((device, _)) if node.kind == "connection" => format!("{device}/connections"),
                _ => node.path,
            };
            *restarts.entry(path).or_default() += node.restarts;
        }
    }
    (states, troubled, restarts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_limit_of_its_bucket_and_may_be_of_a_time_span() {
        let histogram = |counts: [u64; 3]| LatencyStats {
            buckets: [Some(0.1), Some(0.2), None].into_iter().zip(counts).collect(),
            sum_seconds: 0.0,
        };
        let now = histogram([99, 1, 0]);
        assert_eq!((now.all_but_one_in(2, None), now.all_but_one_in(100, None)), (Some(0.1), Some(0.1)));
        assert_eq!(now.all_but_one_in(101, None), Some(0.2));
        assert_eq!(now.all_but_one_in(2, Some(&histogram([99, 0, 0]))), Some(0.2));
        assert_eq!(now.all_but_one_in(2, Some(&now)), None);
        assert_eq!(histogram([0, 0, 5]).all_but_one_in(2, None), None);
    }
}
