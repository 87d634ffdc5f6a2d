//! One seed in one world: the plan, the history, the verdict; and the smallest plan that fails in the same way.

use super::bugs::Bug;
use super::trace::Trace;
use super::world::{Broken, Kept, Mix, World};
use super::{budget, custody, eventlog, ledger, pace, policy, segments, spool};
use crate::shrink;
use seams::Rng;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::mem::ManuallyDrop;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// A world as the command line knows it.
#[derive(Clone, Copy)]
pub struct WorldEntry {
    /// Its name.
    pub name: &'static str,
    /// What is tested in it.
    pub about: &'static str,
    /// Plays a seed, or of its plan only the steps with these numbers.
    pub play: fn(seed: u64, keep: Option<&[usize]>, bug: Option<Bug>) -> Outcome,
    /// The numbers of the steps of the smallest plan that fails as the whole one does.
    pub shrink: fn(seed: u64, bug: Option<Bug>) -> Vec<usize>,
}

/// All worlds.
pub const WORLDS: [WorldEntry; 8] = [
    entry::<policy::PolicyWorld>(),
    entry::<pace::PaceWorld>(),
    entry::<budget::BudgetWorld>(),
    entry::<ledger::LedgerWorld>(),
    entry::<segments::SegmentsWorld>(),
    entry::<custody::CustodyWorld>(),
    entry::<spool::SpoolWorld>(),
    entry::<eventlog::EventLogWorld>(),
];

const fn entry<W: World>() -> WorldEntry {
    WorldEntry { name: W::NAME, about: W::ABOUT, play: play_seed::<W>, shrink: shrink_seed::<W> }
}

/// The world of a name.
pub fn world(name: &str) -> Option<&'static WorldEntry> {
    WORLDS.iter().find(|world| world.name == name)
}

/// What came of a plan.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Steps of the plan.
    pub steps: usize,
    /// What happened.
    pub trace: Trace,
    /// Whether every promise was kept.
    pub verdict: Kept,
}

type Plan<W> = Vec<(usize, <W as World>::Step)>;

fn plan_of<W: World>(seed: u64) -> Plan<W> {
    let rng = Rng::seeded(seed).fork("plan");
    let mix = Mix::of(W::KINDS, &rng);
    let steps = 1 + rng.below(W::MOST_STEPS);
    (0..steps as usize).map(|number| (number, W::draw(mix.pick(&rng), &rng))).collect()
}

fn play_seed<W: World>(seed: u64, keep: Option<&[usize]>, bug: Option<Bug>) -> Outcome {
    let mut plan = plan_of::<W>(seed);
    if let Some(keep) = keep {
        plan.retain(|(number, _)| keep.contains(number));
    }
    play::<W>(seed, &plan, bug)
}

fn shrink_seed<W: World>(seed: u64, bug: Option<Bug>) -> Vec<usize> {
    let plan = plan_of::<W>(seed);
    let Err(Broken { promise, .. }) = play::<W>(seed, &plan, bug).verdict else { return Vec::new() };
    let same = |plan: &[(usize, W::Step)]| {
        play::<W>(seed, plan, bug).verdict.is_err_and(|broken| broken.promise == promise)
    };
    shrink::smallest(&plan, same).into_iter().map(|(number, _)| number).collect()
}

fn play<W: World>(seed: u64, plan: &[(usize, W::Step)], bug: Option<Bug>) -> Outcome {
    let mut trace = Trace::default();
    let chance = Rng::seeded(seed).fork("chance");
    let history = || -> Kept {
        // What panicked is in any state: it is left as it is, since dropping it may panic again.
        let mut world = ManuallyDrop::new(W::begin(&chance, bug));
        for (number, step) in plan {
            trace.step(*number, step);
            world.act(step, &mut trace)?;
            world.check()?;
        }
        trace.step(plan.len(), &format_args!("the faults are over"));
        world.finish(&mut trace)?;
        drop(ManuallyDrop::into_inner(world));
        Ok(())
    };
    let verdict = quietly(history).unwrap_or_else(|how| Err(Broken { promise: "no panic", how }));
    Outcome { steps: plan.len(), trace, verdict }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
    static LAST_PANIC: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs something; a panic in it is told, not printed.
fn quietly<R>(run: impl FnOnce() -> R) -> Result<R, String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| match QUIET.get() {
            true => LAST_PANIC.set(panic.to_string()),
            false => usual(panic),
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(AssertUnwindSafe(run));
    QUIET.set(false);
    result.map_err(|_| LAST_PANIC.take().replace('\n', " "))
}

impl fmt::Debug for WorldEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
