//! The supervision policy: three siblings that fail as a plan says, on a simulated clock.
//!
//! The rule is told a second time here, in the numbers of the design and in other words: five failures in ten minutes
//! park a child, which is tried every two minutes; otherwise it begins again after 200 ms, doubling to 60 s, of which
//! jitter takes away a quarter at most, anew after a quiet minute. What one child does is nothing to the others.

use super::bugs::Bug;
use super::trace::{Trace, note};
use super::world::{Kept, World, promise};
use actors::child::{ChildSpec, Exit, Home, Restart, StartError, StartFn};
use seams::{Rng, SimulatedClock};
use std::sync::Arc;
use std::time::{Duration, Instant};
use supervisors::policy::{Action, Policy};

const CHILDREN: usize = 3;
const TEN_MINUTES: Duration = Duration::from_secs(600);
const QUIET: Duration = Duration::from_secs(60);
const PARKED_FOR: Duration = Duration::from_secs(120);

/// See the module.
#[derive(Debug)]
pub struct PolicyWorld {
    time: SimulatedClock,
    began: Instant,
    jitter: Rng,
    children: Vec<Child>,
    bug: Option<Bug>,
}

#[derive(Debug)]
struct Child {
    policy: Policy,
    life: Life,
    rule: Rule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Runs(Instant),
    BeginsAt(Instant),
    Left,
}

/// What the rule remembers of a child.
#[derive(Debug)]
struct Rule {
    restart: Restart,
    failures: Vec<Instant>,
    doublings: u32,
}

/// How a child ends.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// In order.
    Done,
    /// By a panic.
    Panic,
    /// With an error.
    Error,
    /// By a hang.
    Hang,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Step {
    /// A child, when it runs, ends after so many milliseconds more.
    Ends {
        /// Which one.
        child: u64,
        /// How.
        how: Ending,
        /// When.
        after_ms: u64,
    },
    /// So many seconds pass.
    Passes(u64),
}

impl Rule {
    /// When the child is started again, at the earliest and at the latest, and whether it is parked; none: it is left.
    fn judge(&mut self, now: Instant, lived: Duration, failed: bool) -> Option<(Duration, Duration, bool)> {
        if lived >= QUIET {
            self.doublings = 0;
        }
        match self.restart {
            Restart::Never => return None,
            Restart::OnFailure if !failed => return None,
            Restart::OnFailure | Restart::Always => {}
        }
        if failed {
            self.failures.push(now);
        }
        if self.failures.iter().filter(|at| now - **at < TEN_MINUTES).count() >= 5 {
            return Some((PARKED_FOR, PARKED_FOR, true));
        }
        let longest = Duration::from_millis(200 << self.doublings.min(20)).min(QUIET);
        self.doublings += 1;
        Some((longest * 3 / 4, longest, false))
    }
}

impl PolicyWorld {
    fn now(&self) -> Instant {
        self.time.clock().now()
    }

    /// Time passes up to a moment; children whose time has come begin.
    fn pass_until(&mut self, then: Instant) {
        loop {
            let due = |child: &Child| match child.life {
                Life::BeginsAt(at) => Some(at),
                _ => None,
            };
            let next = (0..self.children.len())
                .filter_map(|n| due(&self.children[n]).map(|at| (at, n)))
                .min()
                .filter(|(at, _)| *at <= then);
            let Some((at, n)) = next else { break };
            self.time.advance(at.saturating_duration_since(self.now()));
            let now = self.now();
            let child = &mut self.children[n];
            child.life = Life::Runs(now);
            if self.bug != Some(Bug::NeverResets) {
                child.policy.started(now);
            }
        }
        self.time.advance(then.saturating_duration_since(self.now()));
    }

    fn end(&mut self, n: usize, how: Ending, after: Duration, trace: &mut Trace) -> Kept {
        if let Life::BeginsAt(at) = self.children[n].life {
            self.pass_until(at);
        }
        if self.children[n].life == Life::Left {
            note!(trace, "it is gone");
            return Ok(());
        }
        self.pass_until(self.now() + after);
        let now = self.now();
        let exit = match how {
            Ending::Done => Exit::Done,
            Ending::Panic => Exit::Panic("simulated".to_owned()),
            Ending::Error => Exit::Error(anyhow::anyhow!("simulated")),
            Ending::Hang => Exit::Hung(Duration::from_secs(10)),
        };
        if self.bug == Some(Bug::FaultClimbs) {
            let sibling = (n + 1) % CHILDREN;
            self.children[sibling].policy.on_exit(now, &exit, &self.jitter);
        }
        let child = &mut self.children[n];
        let Life::Runs(since) = child.life else { return Ok(()) };
        let expected = child.rule.judge(now, now - since, exit.is_failure());
        let action = child.policy.on_exit(now, &exit, &self.jitter);
        let (at, parked) = match action {
            Action::Leave => {
                promise!(
                    "P2: a child is left only by its rule",
                    expected.is_none(),
                    "child {n} after {how:?}"
                );
                child.life = Life::Left;
                note!(trace, "left");
                return Ok(());
            }
            Action::RestartAt(at) => (at, false),
            Action::Park(at) => (at, true),
        };
        let delay = at - now;
        note!(
            trace,
            "{} {delay:?} at {:?}",
            if parked { "parked for" } else { "again in" },
            now - self.began
        );
        let Some((least, most, to_be_parked)) = expected else {
            promise!("P2: a child is left only by its rule", false, "child {n} begins again after {how:?}");
            return Ok(());
        };
        promise!(
            "P2: five failures in ten minutes park, and nothing else does",
            parked == to_be_parked && child.policy.is_parked() == to_be_parked,
            "child {n}: parked {parked}, by the rule {to_be_parked}"
        );
        promise!(
            "P2: delays double from 200 ms to 60 s, anew after a quiet minute",
            (least..=most).contains(&delay),
            "child {n}: {delay:?}, by the rule {least:?} to {most:?}"
        );
        child.life = Life::BeginsAt(at);
        Ok(())
    }
}

impl World for PolicyWorld {
    const NAME: &'static str = "policy";
    const ABOUT: &'static str = "the supervision policy: parks exactly by its rule, a fault never climbs";
    const KINDS: &'static [u64] = &[1, 4, 3, 2, 2];
    const MOST_STEPS: u64 = 60;
    type Step = Step;

    fn draw(kind: usize, rng: &Rng) -> Step {
        let how = [Ending::Done, Ending::Panic, Ending::Error, Ending::Hang];
        let after_ms = match rng.below(5) {
            0 => 0,
            1 => rng.below(1000),
            2 => rng.below(59_000),
            3 => 60_000,
            _ => rng.below(400_000),
        };
        match how.get(kind) {
            Some(how) => Step::Ends { child: rng.below(CHILDREN as u64), how: *how, after_ms },
            None => Step::Passes(rng.below(900)),
        }
    }

    fn begin(chance: &Rng, bug: Option<Bug>) -> Self {
        let time = SimulatedClock::new();
        let now = time.clock().now();
        let unfit = || StartError::Unfit(anyhow::anyhow!("never started by a simulation"));
        let start: StartFn = Arc::new(move |_| Box::pin(async move { Err(unfit()) }));
        let child = |_| {
            let restart = match chance.below(5) {
                0 => Restart::OnFailure,
                1 => Restart::Never,
                _ => Restart::Always,
            };
            let spec = ChildSpec::with_start("child", "simulated", Home::Control, Arc::clone(&start));
            let mut spec = spec.restart(restart);
            if bug == Some(Bug::ParksLate) {
                spec.rules_mut().intensity.failures += 1;
            }
            let mut policy = Policy::new(&spec);
            policy.started(now);
            Child {
                policy,
                life: Life::Runs(now),
                rule: Rule { restart, failures: Vec::new(), doublings: 0 },
            }
        };
        let children = (0..CHILDREN).map(child).collect();
        Self { time, began: now, jitter: chance.fork("jitter"), children, bug }
    }

    fn act(&mut self, step: &Step, trace: &mut Trace) -> Kept {
        match *step {
            Step::Ends { child, how, after_ms } => {
                self.end(child as usize % CHILDREN, how, Duration::from_millis(after_ms), trace)
            }
            Step::Passes(seconds) => {
                self.pass_until(self.now() + Duration::from_secs(seconds));
                Ok(())
            }
        }
    }

    /// After ten quiet minutes nothing is held against anybody.
    fn finish(&mut self, trace: &mut Trace) -> Kept {
        self.pass_until(self.now() + TEN_MINUTES + QUIET);
        for n in 0..CHILDREN {
            if self.children[n].life == Life::Left || self.children[n].rule.restart != Restart::Always {
                continue;
            }
            self.end(n, Ending::Panic, Duration::ZERO, trace)?;
            promise!(
                "P2: ten quiet minutes and all is forgiven",
                !self.children[n].policy.is_parked(),
                "child {n} is parked"
            );
        }
        Ok(())
    }
}
