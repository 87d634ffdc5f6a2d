//! When collectors begin and when they try again: hosts that refuse, break off and mend, on a simulated clock.
//!
//! What a host must not suffer: to be asked again and again while it fails (seven attempts in a minute are the most that
//! delays which double allow), and to have an account locked by a password that it refused (the third attempt comes
//! twelve minutes after the second at the earliest).

use super::bugs::Bug;
use super::trace::{Trace, note};
use super::world::{Kept, World, index, promise};
use actors::device::spread::Spread;
use actors::device::windows::Pace;
use actors::device::windows::standing::Standing;
use actors::device::windows::trouble::{Again, Trouble};
use actors::target::trouble::Patience;
use seams::{Rng, SimulatedClock};
use std::time::{Duration, Instant};

const HOSTS: usize = 4;
const MINUTE: Duration = Duration::from_secs(60);
/// Attempts that may fall into a minute in which none works: 0, 0, and after 1.6, 3.2, 6.4, 12.8, 25.6 s.
const MOST_IN_A_MINUTE: usize = 7;
const BETWEEN_REFUSALS: Duration = Duration::from_secs(12 * 60);

/// See the module.
#[derive(Debug)]
pub struct PaceWorld {
    time: SimulatedClock,
    chance: Rng,
    pace: Pace,
    hosts: Vec<Host>,
    spread: Spread,
    crowd: Option<(Instant, u64)>,
    patience: Patience,
    /// Failures of the sender in a row.
    failures: u32,
    bug: Option<Bug>,
}

#[derive(Debug, Default)]
struct Host {
    standing: Standing,
    /// Attempts since it worked.
    attempts: Vec<Instant>,
    refusals: Vec<Instant>,
}

/// What can happen.
#[derive(Clone, Debug)]
pub enum Step {
    /// A host is tried as soon as it may be, and works.
    Works(u64),
    /// A host is tried as soon as it may be, and does not work.
    Fails(u64, Again),
    /// So many collectors begin for the first time.
    Arrive(u64),
    /// A sender fails, or succeeds.
    Sends(bool),
    /// Milliseconds pass.
    Passes(u64),
}

impl PaceWorld {
    fn now(&self) -> Instant {
        self.time.clock().now()
    }

    fn attempt(&mut self, n: usize) {
        if let Some(then) = self.hosts[n].standing.not_before()
            && self.bug != Some(Bug::StormsTheHost)
        {
            self.time.advance(then.saturating_duration_since(self.now()));
        }
        let now = self.now();
        self.hosts[n].attempts.push(now);
    }

    fn fails(&mut self, n: usize, again: Again, trace: &mut Trace) -> Kept {
        let now = self.now();
        let host = &mut self.hosts[n];
        let failures = host.attempts.len() as u32;
        let wait = host.standing.fails(&Trouble::new(again, "simulated"), &self.pace, now, &self.chance);
        note!(trace, "again in {wait:?}");
        let seconds = Duration::from_secs;
        let growing = seconds(1 << (failures - 1).min(6)).min(MINUTE);
        let most = match again {
            Again::AtOnce if failures == 1 => Duration::ZERO,
            Again::AtOnce | Again::Soon => growing,
            Again::NextMinute => MINUTE,
            Again::WhenMended => seconds(300),
            Again::Late if host.refusals.is_empty() => seconds(30),
            Again::Late => seconds(900),
        };
        promise!(
            "a host is tried again by its pace, a fifth earlier at most",
            wait <= most && wait >= most * 4 / 5,
            "host {n}, failure {failures} in a row, {again:?}: {wait:?} of {most:?}"
        );
        if again == Again::Late {
            host.refusals.push(now);
        }
        Ok(())
    }
}

impl World for PaceWorld {
    const NAME: &'static str = "pace";
    const ABOUT: &'static str = "when collectors try again and begin: no host is stormed, no account locked";
    const KINDS: &'static [u64] = &[2, 6, 1, 1, 3];
    const MOST_STEPS: u64 = 80;
    type Step = Step;

    fn draw(kind: usize, rng: &Rng) -> Step {
        let again = [Again::AtOnce, Again::Soon, Again::NextMinute, Again::Late, Again::WhenMended];
        match kind {
            0 => Step::Works(rng.below(HOSTS as u64)),
            1 => Step::Fails(rng.below(HOSTS as u64), again[rng.below(5) as usize]),
            2 => Step::Arrive(1 + rng.below(30)),
            3 => Step::Sends(rng.chance(1, 4)),
            _ => Step::Passes(rng.below(if rng.chance(1, 3) { 900_000 } else { 3000 })),
        }
    }

    fn begin(chance: &Rng, bug: Option<Bug>) -> Self {
        Self {
            time: SimulatedClock::new(),
            chance: chance.fork("jitter"),
            pace: Pace::default(),
            hosts: (0..HOSTS).map(|_| Host::default()).collect(),
            spread: Spread::default(),
            crowd: None,
            patience: Patience::new(Duration::from_millis(200), Duration::from_secs(2)),
            failures: 0,
            bug,
        }
    }

    fn act(&mut self, step: &Step, trace: &mut Trace) -> Kept {
        match *step {
            Step::Works(host) => {
                let Some(n) = index(host, HOSTS) else { return Ok(()) };
                self.attempt(n);
                self.hosts[n].standing.works();
                promise!(
                    "a host that works has no past",
                    self.hosts[n].standing.not_before().is_none(),
                    "host {n}"
                );
                (self.hosts[n].attempts, self.hosts[n].refusals) = (Vec::new(), Vec::new());
            }
            Step::Fails(host, again) => {
                let Some(n) = index(host, HOSTS) else { return Ok(()) };
                self.attempt(n);
                self.fails(n, again, trace)?;
            }
            Step::Arrive(count) => {
                for _ in 0..count {
                    let now = self.now();
                    let apart = |since: Instant| now - since > Duration::from_secs(2);
                    let (since, before) = self.crowd.filter(|(since, _)| !apart(*since)).unwrap_or((now, 0));
                    self.crowd = Some((since, before + 1));
                    let wait = self.spread.arrive(&self.time.clock(), &self.chance);
                    let at_once = before < 20;
                    promise!(
                        "twenty begin at once, the others within twenty seconds",
                        if at_once { wait.is_zero() } else { wait < Duration::from_secs(20) },
                        "number {} waits {wait:?}",
                        before + 1
                    );
                }
            }
            Step::Sends(true) => {
                let failed = self.patience.succeeded();
                promise!("a success is told from the first", failed == (self.failures > 0), "{failed}");
                self.failures = 0;
            }
            Step::Sends(false) => {
                let wait = self.patience.failed();
                let rule = Duration::from_millis(200 << self.failures.min(10)).min(Duration::from_secs(2));
                promise!("waits double up to a limit", wait == rule, "{wait:?}, by the rule {rule:?}");
                self.failures += 1;
            }
            Step::Passes(ms) => self.time.advance(Duration::from_millis(ms)),
        }
        Ok(())
    }

    fn check(&mut self) -> Kept {
        for (n, host) in self.hosts.iter().enumerate() {
            let crowded = host.attempts.windows(MOST_IN_A_MINUTE + 1).any(|some| {
                some.last().zip(some.first()).is_some_and(|(last, first)| *last - *first < MINUTE)
            });
            promise!(
                "no host is stormed",
                !crowded,
                "host {n}: {} attempts without success",
                host.attempts.len()
            );
            let early = host.refusals.windows(2).skip(1).any(|pair| pair[1] - pair[0] < BETWEEN_REFUSALS);
            promise!("no account is locked", !early, "host {n}: {} refusals", host.refusals.len());
        }
        Ok(())
    }

    fn finish(&mut self, trace: &mut Trace) -> Kept {
        for n in 0..HOSTS {
            self.attempt(n);
            self.hosts[n].standing.works();
        }
        note!(trace, "all work");
        Ok(())
    }
}
