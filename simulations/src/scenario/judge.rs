//! What a rehearsal is worth: whether expectations hold, and whether the Director's own counters agree with what was seen
//! outside of it.

use super::run::{Arrived, Happened, Rehearsal};
use super::samples::Sample;
use super::{AnyFault, Expect, Scenario};
use crate::account::Fate;
use crate::subject::{Life, Metrics};
use serde::Serialize;
use std::collections::BTreeMap;

/// Whether something holds.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// What was expected.
    pub expected: String,
    /// What was found instead; none: it holds.
    pub found: Option<String>,
}

/// How long it took after a fault.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Recovery {
    /// Everything that waited was delivered so many seconds after its end.
    After(f64),
    /// The next fault began before.
    Unseen,
    /// It never was.
    Never,
}

/// All findings.
pub fn findings(scenario: &Scenario, rehearsal: &Rehearsal) -> Vec<Finding> {
    let mut all = events(&scenario.expect, rehearsal);
    all.extend(process(&scenario.expect, rehearsal));
    all.extend(happened(rehearsal));
    let (before, after) = &rehearsal.trees;
    for expectation in &scenario.expect.tree {
        let found = expectation.check(before, after).err().map(|unmet| unmet.to_string());
        all.push(Finding { expected: format!("in the tree: {expectation}"), found });
    }
    all.extend(agreement(rehearsal));
    all
}

fn finding(expected: impl Into<String>, wrong: bool, found: impl FnOnce() -> String) -> Finding {
    Finding { expected: expected.into(), found: wrong.then(found) }
}

/// All fates together.
pub fn total(rehearsal: &Rehearsal) -> Fate {
    let mut total = Fate::default();
    rehearsal.fates.values().for_each(|fate| total.add(fate));
    total
}

fn events(expect: &Expect, rehearsal: &Rehearsal) -> Vec<Finding> {
    let total = total(rehearsal);
    // A corrupted byte costs the event that it was in, and may make it look like another one.
    let lost = expect.lost + 2 * rehearsal.corrupted;
    let at = |count: fn(&Fate) -> u64| -> String {
        let some = rehearsal.fates.iter().filter(|(_, fate)| count(fate) > 0);
        let shown: Vec<String> =
            some.map(|((from, to), fate)| format!("{} from {from} to {to}", count(fate))).collect();
        shown.join(", ")
    };
    let expected = match expect.lost {
        0 => "nothing that was acknowledged is lost".to_owned(),
        most => format!("at most {most} acknowledged events are lost"),
    };
    let mut all = vec![finding(expected, total.lost > lost, || at(|fate| fate.lost))];
    if let Some(most) = expect.unpromised {
        let wrong = total.unpromised > most;
        let expected = format!("at most {most} events that nobody promised are lost");
        all.push(finding(expected, wrong, || at(|fate| fate.unpromised)));
    }
    if let Some(most) = expect.repeated {
        let wrong = total.repeated > most;
        all.push(finding(format!("at most {most} repeats"), wrong, || at(|fate| fate.repeated)));
    }
    if expect.in_order {
        let expected = "order holds within each stream";
        all.push(finding(expected, total.out_of_order > 0, || at(|fate| fate.out_of_order)));
    }
    if expect.drained {
        let expected = "in the end nothing waits in the Director";
        all.push(finding(expected, !rehearsal.drained, || {
            let waiting = rehearsal.kept.samples.iter().rev().find_map(|sample| sample.waiting);
            match waiting {
                Some((memory, disk)) => format!("{memory} events in memory, {disk} on disk"),
                None => "it did not answer".to_owned(),
            }
        }));
    }
    if let Some(longest) = expect.recovery {
        let seconds = longest.as_secs_f64();
        let slow = rehearsal.faults.iter().filter_map(|happened| {
            let name = happened.planned.fault.name();
            match recovery(happened, rehearsal) {
                Recovery::After(took) if took > seconds => Some(format!("{took:.1} s after {name}")),
                Recovery::Never => Some(format!("never after {name}")),
                Recovery::After(_) | Recovery::Unseen => None,
            }
        });
        let slow: Vec<String> = slow.collect();
        all.push(finding(format!("recovered within {seconds} s"), !slow.is_empty(), || slow.join(", ")));
    }
    all
}

fn process(expect: &Expect, rehearsal: &Rehearsal) -> Vec<Finding> {
    let mut all = Vec::new();
    if let Some(most) = expect.memory_bytes {
        let peak = peak(rehearsal);
        let expected = format!("resident memory stays below {} MB", most / 1_000_000);
        all.push(finding(expected, peak > most, || format!("{} MB", peak / 1_000_000)));
    }
    let asked: u32 = rehearsal.faults.iter().map(starts_asked).sum();
    let most = expect.starts.unwrap_or(asked + 1);
    let starts = rehearsal.lives.len() as u32;
    let expected = match asked {
        0 => "the process does not end by itself".to_owned(),
        _ => format!("the process starts {most} times, as faults ask for"),
    };
    all.push(finding(expected, starts > most, || format!("it started {starts} times")));
    all
}

/// How often a fault makes the process start again.
fn starts_asked(happened: &Happened) -> u32 {
    let AnyFault::Director(fault) = &happened.planned.fault else { return 0 };
    let stops = fault.stops_the_process() && fault.name() != "process_paused";
    // One that the kernel gives no memory ends, too.
    let may = stops || fault.name() == "memory_limited" || fault.name() == "actor_hangs";
    let times = happened
        .planned
        .every
        .map_or(1.0, |every| (happened.planned.length.as_secs_f64() / every.as_secs_f64()).ceil());
    if may { times as u32 } else { 0 }
}

fn happened(rehearsal: &Rehearsal) -> Vec<Finding> {
    let failed = rehearsal.faults.iter().filter_map(|happened| {
        let trouble = happened.trouble.as_ref()?;
        Some(format!("{} at {:.1} s: {trouble}", happened.planned.fault.name(), happened.began))
    });
    let failed: Vec<String> = failed.collect();
    if rehearsal.faults.is_empty() {
        return Vec::new();
    }
    vec![finding("every fault happened as planned", !failed.is_empty(), || failed.join("; "))]
}

/// The most memory that any process had.
pub fn peak(rehearsal: &Rehearsal) -> u64 {
    let ends = rehearsal.lives.iter().filter_map(|life| life.end.as_ref());
    ends.map(|end| end.usage.resident_peak_bytes).max().unwrap_or(0).max(rehearsal.kept.peak_bytes)
}

// === recovery ===

/// How long after a fault everything that waited was delivered: what is on its way is no more than what a second brings.
pub fn recovery(happened: &Happened, rehearsal: &Rehearsal) -> Recovery {
    let ended = happened.ended;
    let next = rehearsal.faults.iter().map(|other| other.began).filter(|began| *began > happened.began);
    let next = next.fold(f64::INFINITY, f64::min);
    let missing = Missing::of(rehearsal);
    for (number, sample) in rehearsal.kept.samples.iter().enumerate() {
        if sample.seconds < ended {
            continue;
        }
        if sample.seconds > next.max(ended) && next > ended {
            return Recovery::Unseen;
        }
        if next <= ended {
            return Recovery::Unseen;
        }
        if missing.is_recovered(number, &rehearsal.kept.samples) {
            return Recovery::After(sample.seconds - ended);
        }
    }
    Recovery::Never
}

/// What never came, by target.
struct Missing {
    /// Events due of each one that is sent, by target.
    due: Vec<f64>,
    /// Of the due ones, those that never came.
    never: Vec<f64>,
}

impl Missing {
    fn of(rehearsal: &Rehearsal) -> Self {
        let sent: u64 = rehearsal.sent.iter().map(|(_, sent, _)| sent).sum();
        let (mut due, mut never) = (Vec::new(), Vec::new());
        for Arrived { target, .. } in &rehearsal.came {
            let mut fate = Fate::default();
            let there = rehearsal.fates.iter().filter(|((_, to), _)| to == target);
            there.for_each(|(_, of)| fate.add(of));
            due.push(fate.due as f64 / sent.max(1) as f64);
            never.push((fate.lost + fate.unpromised) as f64);
        }
        Self { due, never }
    }

    fn is_recovered(&self, number: usize, samples: &[Sample]) -> bool {
        let sample = &samples[number];
        // What was sent a second ago has to be there.
        let before = samples[..=number].iter().rev().find(|before| before.seconds <= sample.seconds - 1.0);
        let sent = before.map_or(0, |before| before.sent) as f64;
        let all = self.due.iter().zip(&self.never).zip(&sample.delivered);
        all.into_iter().all(|((due, never), delivered)| *delivered as f64 + never + 1.0 >= sent * due)
    }
}

// === the Director's own counters ===

/// The last known counters of each process, and whether they are its last ones.
fn counters(rehearsal: &Rehearsal) -> Vec<(&Life, Option<&Metrics>, bool)> {
    let of = |life: &'_ Life| -> Option<Metrics> { life.end.as_ref()?.metrics.clone() };
    rehearsal
        .lives
        .iter()
        .map(|life| match of(life).is_some() {
            true => (life, life.end.as_ref().and_then(|end| end.metrics.as_ref()), true),
            false => (life, rehearsal.kept.metrics.get(&life.number), false),
        })
        .collect()
}

fn agreement(rehearsal: &Rehearsal) -> Vec<Finding> {
    let counters = counters(rehearsal);
    let mut wrong = Vec::new();
    for (life, metrics, last) in &counters {
        if let Some(metrics) = metrics {
            wrong.extend(balanced(life.number, metrics, *last));
        }
    }
    let mut all =
        vec![finding("the counters of each process balance", !wrong.is_empty(), || wrong.join("; "))];
    let complete = counters.iter().all(|(_, _, last)| *last);
    let sum = |name: &str, label: &str, of: &str| -> u64 {
        let known = counters.iter().filter_map(|(_, metrics, _)| *metrics);
        known.map(|metrics| metrics.count(name, &[(label, of)])).sum()
    };
    let mut wrong = Vec::new();
    for Arrived { target, distinct, total, unmarked } in &rehearsal.came {
        let made = sum("vmetric_target_delivered_total", "target", target)
            + sum("vmetric_target_spool_delivered_total", "target", target);
        if complete && made < *distinct {
            wrong.push(format!(
                "{target} got {distinct} different events, the Director counted {made} deliveries"
            ));
        }
        if made > total + unmarked && rehearsal.corrupted == 0 && !dedups(rehearsal, target) {
            wrong.push(format!(
                "{target} got {total} events and {unmarked} fragments, the Director counted {made} deliveries"
            ));
        }
    }
    let expected = "deliveries that the Director counted are those that receivers saw";
    all.push(finding(expected, !wrong.is_empty(), || wrong.join("; ")));
    let mut wrong = Vec::new();
    let acknowledged: BTreeMap<&str, (u64, u64)> =
        rehearsal.sent.iter().map(|(device, sent, acked)| (device.as_str(), (*sent, *acked))).collect();
    for (device, (sent, acknowledged)) in acknowledged {
        let taken = sum("vmetric_device_accepted_total", "device", device);
        if complete && taken < acknowledged {
            wrong.push(format!("{device} was sent {acknowledged} events for certain and counted {taken}"));
        }
        let calm = rehearsal.faults.is_empty() && rehearsal.lives.len() == 1;
        if calm && taken > sent {
            wrong.push(format!("{device} was sent {sent} events and counted {taken}"));
        }
    }
    let expected = "events that the Director counted are those that sources sent";
    all.push(finding(expected, !wrong.is_empty(), || wrong.join("; ")));
    all
}

/// Elasticsearch keeps one of several documents with the same id: repeats can't be seen.
fn dedups(rehearsal: &Rehearsal, target: &str) -> bool {
    rehearsal.keyed.iter().any(|keyed| keyed == target)
}

/// `accepted = settled + held` for devices, `due = delivered + spooled + dropped + quarantined + held` for targets. In a
/// picture of a process that was killed later they are read one after the other, so they may be a few apart.
fn balanced(life: u32, metrics: &Metrics, last: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let near = |one: u64, other: u64| if last { one == other } else { one.abs_diff(other) <= 100_000 };
    for (series, accepted) in metrics.of("vmetric_device_accepted_total") {
        let Some(device) = series.labels.get("device") else { continue };
        let of = |name| metrics.count(name, &[("device", device)]);
        let (settled, held) = (of("vmetric_device_settled_total"), of("vmetric_device_held"));
        if !near(accepted as u64, settled + held) {
            wrong.push(format!(
                "process {life}, device {device}: {accepted} accepted, {settled} settled, {held} held"
            ));
        }
    }
    for (series, due) in metrics.of("vmetric_target_due_total") {
        let Some(target) = series.labels.get("target") else { continue };
        let of = |name| metrics.sum(name, &[("target", target)]) as u64;
        let ended = of("vmetric_target_delivered_total")
            + of("vmetric_target_spooled_total")
            + of("vmetric_target_dropped_total")
            + of("vmetric_target_quarantined_total");
        let held = of("vmetric_target_held");
        if !near(due as u64, ended + held) {
            wrong.push(format!("process {life}, target {target}: {due} due, {ended} ended, {held} held"));
        }
    }
    wrong
}
