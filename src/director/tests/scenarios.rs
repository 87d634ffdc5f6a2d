//! The scenarios of `configs/scenarios`, in their short versions: the real program, rehearsing with real endpoints.

mod support;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use support::{PROGRAM, repository};

/// So many at a time: they wait more than they work.
const AT_A_TIME: usize = 4;

/// Rehearsals, by what they are called: the program's flags.
struct Rehearsals(Mutex<VecDeque<(String, Vec<String>)>>);

impl Rehearsals {
    fn of(all: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        Self(Mutex::new(all.into_iter().collect()))
    }

    /// Runs them; panics with the reports of those that fail.
    fn run(self) {
        let failed = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..AT_A_TIME {
                scope.spawn(|| {
                    while let Some((name, flags)) = self.next() {
                        let mut command = Command::new(PROGRAM);
                        command.args(&flags).stdin(Stdio::null()).env("RUST_BACKTRACE", "0");
                        let output = command.output().expect("it runs");
                        if !output.status.success() {
                            let text = format!(
                                "== {name}\n{}{}",
                                support::stdout(&output),
                                support::stderr(&output)
                            );
                            failed.lock().expect("unpoisoned").push(text);
                        }
                    }
                });
            }
        });
        let failed = failed.into_inner().expect("unpoisoned");
        assert!(failed.is_empty(), "{}", failed.join("\n"));
    }

    fn next(&self) -> Option<(String, Vec<String>)> {
        self.0.lock().expect("unpoisoned").pop_front()
    }
}

fn scenario(path: &std::path::Path, seed: u64) -> Vec<String> {
    let words = ["-simulate", &path.to_string_lossy(), "-short", "-seed", &seed.to_string()];
    words.map(str::to_owned).to_vec()
}

fn scenarios() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository("configs/scenarios")).expect("scenarios");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths
}

const ANY_DAY: &str = "configs/scenarios/any_day.yml";

#[test]
fn every_bad_day_is_survived() {
    let all = scenarios().into_iter().filter(|path| !path.ends_with("any_day.yml"));
    let all: Vec<_> = all.map(|path| (path.display().to_string(), scenario(&path, 1))).collect();
    assert!(all.len() >= 12, "{}", all.len());
    Rehearsals::of(all).run();
}

#[test]
fn any_day_is_survived_with_configurations_of_any_kind() {
    let mut all = Vec::new();
    for configuration in ["configs/quickstart.yml", "configs/edge.yml", "configs/hub.yml"] {
        for seed in 1..=3 {
            let mut flags = scenario(&repository(ANY_DAY), seed);
            flags.extend([
                "-config-path".to_owned(),
                repository(configuration).to_string_lossy().into_owned(),
            ]);
            all.push((format!("{configuration}, seed {seed}"), flags));
        }
    }
    Rehearsals::of(all).run();
}

#[test]
fn a_scenario_with_mistakes_is_refused_with_their_places() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("day.yml");
    std::fs::write(&file, "world: {from_config: all}\nfaults:\n  - {what: link_dwn, where: out}\n")
        .expect("written");
    let output = Command::new(PROGRAM).arg("-simulate").arg(&file).output().expect("it runs");
    assert_eq!(output.status.code(), Some(3));
    let text = support::stderr(&output);
    assert!(text.contains("day.yml:3:5: the fault link_dwn is not understood; write what: one of"), "{text}");
}

/// A simulator that can't fail is worthless: each of these Directors lacks a defence, and the scenario notices.
#[test]
fn directors_without_a_defence_are_caught() {
    let folder = tempfile::tempdir().expect("a folder");
    let scenarios = repository("configs/scenarios");
    let mut all = Vec::new();
    for (defence, scenario) in CAUGHT_BY {
        let file = scenarios.join(format!("{scenario}.yml"));
        all.push((format!("without {defence}: {scenario}"), file, vec!["-without", defence]));
    }
    for (scenario, written, instead) in MISCONFIGURED {
        let text = std::fs::read_to_string(scenarios.join(format!("{scenario}.yml"))).expect("a scenario");
        assert!(text.contains(written), "{scenario} has no {written}");
        let file = folder.path().join(format!("{}.yml", all.len()));
        std::fs::write(&file, text.replace(written, instead)).expect("written");
        all.push((format!("{instead} for {written}: {scenario}"), file, vec![]));
    }
    let unnoticed = Mutex::new(Vec::new());
    let waiting = Mutex::new(all);
    let next = || waiting.lock().expect("unpoisoned").pop();
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                while let Some((name, file, flags)) = next() {
                    // A slow machine may have nothing in flight when the fault comes: then the next run shows it.
                    let caught = (1..=ATTEMPTS).any(|seed| {
                        let mut command = Command::new(PROGRAM);
                        command.args(scenario(&file, seed)).args(&flags).env("RUST_BACKTRACE", "0");
                        let output = command.stdin(Stdio::null()).output().expect("it runs");
                        output.status.code() == Some(1)
                    });
                    if !caught {
                        unnoticed.lock().expect("unpoisoned").push(name);
                    }
                }
            });
        }
    });
    let unnoticed = unnoticed.into_inner().expect("unpoisoned");
    assert!(unnoticed.is_empty(), "nobody noticed:\n{}", unnoticed.join("\n"));
}

/// One of so many runs notices.
const ATTEMPTS: u64 = 5;

/// Directors without a defence, and the scenario that catches each.
const CAUGHT_BY: [(&str, &str); 3] =
    [("restarts", "poison_event"), ("writes", "killed_in_mid_flight"), ("file_syncs", "power_cut")];

/// Configurations without one.
const MISCONFIGURED: [(&str, &str, &str); 1] =
    [("power_cut", "crash_resistance: true", "crash_resistance: false")];

/// The defence that a scenario tests is taken away by an expectation that can't hold: the run has to fail, with the command
/// that repeats it.
#[test]
fn a_rehearsal_that_loses_events_fails_and_says_how_to_repeat_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("day.yml");
    // Without persistent storage what a TCP sender got rid of dies with the process.
    let day = "world:\n  devices: [{id: 1, name: in, type: tcp}]\n  targets:\n    - {name: out, type: tcp}\n\
               \x20 routes: [{name: all, targets: [out]}]\nload: {length: 4s, rate: 500}\nfaults:\n\
               \x20 - {at: 1s, for: 2s, what: endpoint_down, where: out}\n\
               \x20 - {at: 2s, for: 500ms, what: process_killed}\nexpect: {unpromised: 0}\n";
    std::fs::write(&file, day).expect("written");
    let output =
        Command::new(PROGRAM).arg("-simulate").arg(&file).args(["-seed", "7"]).output().expect("it runs");
    let text = support::stdout(&output) + &support::stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("NOT   at most 0 events that nobody promised are lost"), "{text}");
    assert!(text.contains(" -seed 7"), "{text}");
}
