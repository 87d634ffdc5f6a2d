//! The deterministic level: every world keeps its promises for some hundred seeds, the same seed gives the same trace in
//! every process, and mistakes that are made on purpose are caught.

use simulations::deterministic::soak;
use simulations::deterministic::{Bug, WORLDS, WorldEntry, play};
use std::process::Command;

/// Seeds that each world is played with; `soak` plays more.
const SEEDS: u64 = 150;
/// Within so many seeds each mistake has to be caught.
const WITHIN: u64 = 300;

fn world(name: &str) -> &'static WorldEntry {
    play::world(name).expect("a world of that name")
}

#[test]
fn promises_are_kept_in_every_world() {
    for world in &WORLDS {
        for seed in 1..=SEEDS {
            let outcome = (world.play)(seed, None, None);
            if outcome.verdict.is_err() {
                panic!("{}", soak::examine(world, seed, &outcome, None));
            }
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for world in &WORLDS {
        for seed in 1..=10 {
            let (one, two) = ((world.play)(seed, None, None), (world.play)(seed, None, None));
            assert_eq!(one.trace.text(), two.trace.text(), "{} seed {seed}", world.name);
            assert_ne!(one.trace, (world.play)(seed + 1000, None, None).trace, "{} seed {seed}", world.name);
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_trace_in_another_process() {
    for world in &WORLDS {
        for seed in 1..=5 {
            let here = (world.play)(seed, None, None);
            let soak = Command::new(env!("CARGO_BIN_EXE_soak"))
                .args([world.name, "-seed", &seed.to_string(), "-trace"])
                .output()
                .expect("soak runs");
            let there = String::from_utf8(soak.stdout).expect("text");
            assert!(there.starts_with(here.trace.text()), "{} seed {seed}:\n{there}", world.name);
            assert!(soak.status.success());
        }
    }
}

#[test]
fn every_mistake_is_caught_and_by_its_own_world() {
    let mut lines = Vec::new();
    for bug in Bug::ALL {
        let world = world(bug.world());
        let fails = |seed: &u64| (world.play)(*seed, None, Some(bug)).verdict.is_err();
        let caught = (1..=WITHIN).find(fails);
        let seed = caught.unwrap_or_else(|| panic!("{} is not caught within {WITHIN} seeds", bug.name()));
        let outcome = (world.play)(seed, None, Some(bug));
        let failure = soak::examine(world, seed, &outcome, Some(bug));
        assert!(failure.smallest.verdict.is_err(), "what is left fails, too");
        let promise = failure.smallest.verdict.expect_err("it fails").promise;
        lines.push(format!(
            "| `{}` | {} | {seed} | {} of {} | {promise} |",
            bug.name(),
            world.name,
            failure.keep.len(),
            failure.steps
        ));
    }
    println!("{}", lines.join("\n"));
}

#[test]
fn a_broken_promise_ends_soak_with_a_short_plan_and_the_command_that_repeats_it() {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let run = |line: &str, out: &mut Vec<u8>, err: &mut Vec<u8>| {
        soak::run(line.split_whitespace().map(str::to_owned), out, err)
    };
    assert_eq!(run("-bug gives-back-twice -runs 300", &mut out, &mut err), 1);
    let told = String::from_utf8(out).expect("text");
    let command =
        told.lines().last().and_then(|line| line.strip_prefix("to repeat it: soak ")).expect("a command");
    let mut again = Vec::new();
    assert_eq!(run(command, &mut again, &mut err), 1);
    let again = String::from_utf8(again).expect("text");
    assert!(again.lines().any(|line| line.starts_with("broken: R1")), "{again}");
    assert_eq!(run("budget -runs 5", &mut again.into_bytes(), &mut err), 0);
    assert_eq!(run("no-such-world", &mut Vec::new(), &mut err), 2);
    assert_eq!(run("budget -seed x", &mut Vec::new(), &mut err), 2);
}
