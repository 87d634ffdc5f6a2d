//! Which faults happen when: those of the scenario, and those that a seed draws.
//!
//! Drawn faults share the time of the load: each begins in a part of its own, so that the recovery from it can be seen;
//! faults of links and endpoints may last into the next part, faults of the process may not.

use super::read::any_fault;
use super::world::{Host, World};
use super::{Planned, Random, Scenario};
use config::TargetKind;
use seams::Rng;
use serde_json::{Map, Value as Json, json};
use std::time::Duration;

/// The names of faults that can be drawn.
pub const DRAWN: &[&str] = &[
    "link_reset",
    "link_cut",
    "link_down",
    "link_silent",
    "link_delay",
    "link_throttle",
    "answers",
    "host_rebooted",
    "actor_panics",
    "actor_errors",
    "actor_hangs",
    "process_killed",
    "process_paused",
    "process_terminated",
    "power_cut",
    "disk_full",
    "disk_slow",
    "syncs_fail",
    "writes_fail",
    "configuration_broken",
    "reload_storm",
    "clock_jumps",
];

/// How often each comes against the others when a scenario does not say. What is not here comes when it is asked for: a
/// power cut needs another disk, and threads that hang add up until the process ends itself.
const USUAL: &[(&str, f64)] = &[
    ("link_reset", 3.0),
    ("link_cut", 3.0),
    ("link_down", 3.0),
    ("link_silent", 1.0),
    ("link_delay", 1.0),
    ("link_throttle", 1.0),
    ("answers", 2.0),
    ("host_rebooted", 1.0),
    ("actor_panics", 3.0),
    ("actor_errors", 2.0),
    ("process_killed", 1.0),
    ("process_paused", 1.0),
    ("process_terminated", 1.0),
    ("disk_slow", 1.0),
    ("configuration_broken", 1.0),
    ("reload_storm", 1.0),
    ("clock_jumps", 1.0),
];

/// Of the load's time, this share at its end is free of drawn faults.
const QUIET_END: f64 = 0.15;
/// One fault in so long, when a scenario does not say how many.
const EACH: Duration = Duration::from_secs(2);

/// What a fault may hit.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    /// Devices and targets behind links.
    pub linked: Vec<String>,
    /// Targets that are sent requests.
    pub intakes: Vec<String>,
    /// Devices that are hosts.
    pub hosts: Vec<String>,
}

impl Reach {
    /// In a world.
    pub fn of(world: &World) -> Self {
        let intakes = world.snapshot.targets.iter().filter(|target| {
            matches!(target.kind, TargetKind::Http(_) | TargetKind::Elastic(_) | TargetKind::Splunk(_))
        });
        let hosts = world.sources.iter().filter(|source| !matches!(source.host, Host::None));
        Self {
            linked: world.links.keys().cloned().collect(),
            intakes: intakes.filter(|target| target.status).map(|target| target.name.clone()).collect(),
            hosts: hosts.map(|source| source.device.clone()).collect(),
        }
    }
}

/// All faults of a run, in the order of their beginnings.
pub fn all(scenario: &Scenario, reach: &Reach, seed: u64) -> Vec<Planned> {
    let mut plan = scenario.faults.clone();
    if let Some(random) = &scenario.random {
        plan.extend(drawn(random, scenario.load.length, reach, &Rng::seeded(seed).fork("plan")));
    }
    plan.sort_by_key(|planned| planned.at);
    plan
}

fn drawn(random: &Random, length: Duration, reach: &Reach, rng: &Rng) -> Vec<Planned> {
    let time = length.mul_f64(1.0 - QUIET_END);
    let usual = (time.as_secs_f64() / EACH.as_secs_f64()).floor() as usize;
    let count = random.count.unwrap_or(usual.max(1));
    let part = time / count.max(1) as u32;
    let weights: Vec<(&str, f64)> = match random.weights.is_empty() {
        true => USUAL.to_vec(),
        false => random.weights.iter().map(|(name, weight)| (name.as_str(), *weight)).collect(),
    };
    let mut plan = Vec::new();
    for number in 0..count {
        let begin = part * number as u32 + share(part, 0.0, 0.3, rng);
        let name = chosen(&weights, rng);
        let within = part * (number as u32 + 1) - begin;
        let Some(settings) = settings(name, reach, rng) else { continue };
        let Ok(fault) = any_fault(name, settings) else { continue };
        let stops = matches!(&fault, super::AnyFault::Director(fault) if fault.stops_the_process());
        let most = if stops { within.mul_f64(0.7).min(random.longest) } else { random.longest };
        let most = most.min(time.saturating_sub(begin));
        let length = if fault.is_instant() { Duration::ZERO } else { share(most, 0.3, 1.0, rng) };
        plan.push(Planned { at: begin, length, every: None, fault });
    }
    plan
}

/// A part of a time.
fn share(of: Duration, least: f64, most: f64, rng: &Rng) -> Duration {
    of.mul_f64(least + (most - least) * rng.below(1000) as f64 / 1000.0)
}

fn chosen<'a>(weights: &[(&'a str, f64)], rng: &Rng) -> &'a str {
    let all: f64 = weights.iter().map(|(_, weight)| weight).sum();
    let mut at = all * rng.below(1_000_000) as f64 / 1e6;
    for (name, weight) in weights {
        at -= weight;
        if at < 0.0 {
            return name;
        }
    }
    weights.last().map_or("link_reset", |(name, _)| name)
}

/// The settings of a fault, drawn; none when there is nothing that it could hit.
fn settings(name: &str, reach: &Reach, rng: &Rng) -> Option<Map<String, Json>> {
    let one = |of: &[String]| Some(of.get(rng.below(of.len() as u64) as usize)?.clone());
    let actors = [
        "targets/*/sender-*",
        "targets/*/writer",
        "lanes/*/router",
        "lanes/*/stage-*",
        "devices/*",
        "devices/*/connection-*",
    ];
    let json = match name {
        "link_delay" => json!({"where": one(&reach.linked)?, "by": "50ms", "jitter": "100ms"}),
        "link_throttle" => json!({"where": one(&reach.linked)?, "bytes_per_second": 200_000}),
        "answers" => {
            let status = [429, 500, 503][rng.below(3) as usize];
            json!({"where": one(&reach.intakes)?, "status": status})
        }
        "host_rebooted" => json!({"where": one(&reach.hosts)?}),
        "actor_panics" | "actor_errors" | "actor_hangs" => {
            json!({"where": actors[rng.below(actors.len() as u64) as usize]})
        }
        "disk_slow" => json!({"each": "20ms"}),
        "disk_full" => json!({"after_bytes": rng.below(10_000_000)}),
        "syncs_fail" | "writes_fail" => json!({"one_in": 1 + rng.below(5)}),
        "reload_storm" => json!({"per_second": 2.0}),
        "clock_jumps" => json!({"by": (["-1h", "1h", "-1d", "1d"][rng.below(4) as usize])}),
        "link_reset" | "link_cut" | "link_down" | "link_silent" => json!({"where": one(&reach.linked)?}),
        _ => json!({}),
    };
    let Json::Object(mut settings) = json else { return None };
    settings.insert("what".to_owned(), name.into());
    Some(settings)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn reach() -> Reach {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Reach { linked: names(&["in", "out"]), intakes: names(&["out"]), hosts: names(&["web"]) }
    }

    fn draw(count: usize, weights: BTreeMap<String, f64>, seed: u64) -> Vec<Planned> {
        let random = Random { count: Some(count), longest: Duration::from_secs(5), weights };
        drawn(&random, Duration::from_secs(60), &reach(), &Rng::seeded(seed))
    }

    #[test]
    fn a_seed_draws_the_same_plan_again_and_another_seed_another() {
        assert_eq!(draw(20, BTreeMap::new(), 7), draw(20, BTreeMap::new(), 7));
        assert_ne!(draw(20, BTreeMap::new(), 7), draw(20, BTreeMap::new(), 8));
    }

    #[test]
    fn every_fault_can_be_drawn_and_all_end_before_the_load_does() {
        let weights: BTreeMap<String, f64> = DRAWN.iter().map(|name| ((*name).to_owned(), 1.0)).collect();
        let plan = draw(1000, weights, 1);
        let seen: BTreeSet<String> = plan.iter().map(|planned| planned.fault.name()).collect();
        assert_eq!(seen.len(), DRAWN.len(), "{seen:?}");
        assert!(plan.iter().all(|planned| planned.at + planned.length < Duration::from_secs(60)));
    }
}
