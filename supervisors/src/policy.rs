//! What to do when a child ends: a pure function of its specification and its past.

use actors::child::{ChildSpec, Exit, Restart, Rules};
use seams::Rng;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Jitter takes away up to this part of a delay, so that what failed together does not return together.
const JITTER_PERCENT: u64 = 25;

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start it again then.
    RestartAt(Instant),
    /// It failed too often: show it as parked, and try again then.
    Park(Instant),
    /// Leave it; it is no longer a child.
    Leave,
}

/// The policy for one child, with its past.
#[derive(Clone, Debug)]
pub struct Policy {
    rules: Arc<Rules>,
    failures: VecDeque<Instant>,
    consecutive: u32,
    began: Option<Instant>,
    parked: bool,
}

impl Policy {
    /// The policy of a specification, without a past.
    pub fn new(spec: &ChildSpec) -> Self {
        Self {
            rules: Arc::clone(&spec.rules),
            failures: VecDeque::new(),
            consecutive: 0,
            began: None,
            parked: false,
        }
    }

    /// The child runs since now.
    pub fn started(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// Whether it ended so often that it is parked.
    pub fn is_parked(&self) -> bool {
        self.parked
    }

    /// The child ended.
    pub fn on_exit(&mut self, now: Instant, exit: &Exit, rng: &Rng) -> Action {
        let lived = self.began.take().map_or(Duration::ZERO, |began| now.saturating_duration_since(began));
        let Rules { restart, backoff, intensity, .. } = &*self.rules;
        if lived >= backoff.reset_after {
            self.consecutive = 0;
        }
        match restart {
            Restart::Never => return Action::Leave,
            Restart::OnFailure if !exit.is_failure() => return Action::Leave,
            Restart::OnFailure | Restart::Always => {}
        }
        if exit.is_failure() {
            self.failures.push_back(now);
        }
        let recent = |at: &Instant| now.saturating_duration_since(*at) < intensity.within;
        while self.failures.front().is_some_and(|at| !recent(at)) {
            self.failures.pop_front();
        }
        self.parked = self.failures.len() >= intensity.failures as usize;
        if self.parked {
            return Action::Park(now + intensity.retry_parked);
        }
        let delay = backoff.first.saturating_mul(1 << self.consecutive.min(20)).min(backoff.most);
        self.consecutive += 1;
        Action::RestartAt(now + jittered(delay, rng))
    }
}

fn jittered(delay: Duration, rng: &Rng) -> Duration {
    delay - delay * (rng.below(JITTER_PERCENT + 1) as u32) / 100
}

#[cfg(test)]
mod tests {
    use super::*;
    use actors::child::{Home, StartError};
    use seams::SimulatedClock;

    fn spec(restart: Restart) -> ChildSpec {
        let unfit = || StartError::Unfit(anyhow::anyhow!("never started in these tests"));
        let start = Arc::new(move |_| Box::pin(async move { Err(unfit()) }) as _);
        ChildSpec::with_start("child", "test", Home::Control, start).restart(restart)
    }

    fn failure() -> Exit {
        Exit::Panic("x".into())
    }

    fn delay_of(action: Action, now: Instant) -> Duration {
        let (Action::RestartAt(at) | Action::Park(at)) = action else { panic!("not started again") };
        at - now
    }

    #[test]
    fn delays_double_up_to_the_most_with_jitter_downwards() {
        let mut spec = spec(Restart::Always);
        spec.rules_mut().intensity.failures = 100;
        let (time, rng) = (SimulatedClock::new(), Rng::seeded(1));
        let mut policy = Policy::new(&spec);
        let now = time.clock().now();
        for n in 0..12u32 {
            policy.started(now);
            let full = Duration::from_millis(200 << n).min(Duration::from_secs(60));
            let delay = delay_of(policy.on_exit(now, &failure(), &rng), now);
            assert!(delay <= full && delay >= full * 3 / 4, "{n}: {delay:?}");
        }
    }

    #[test]
    fn a_quiet_minute_starts_the_count_anew() {
        let (time, rng) = (SimulatedClock::new(), Rng::seeded(1));
        let clock = time.clock();
        let mut policy = Policy::new(&spec(Restart::Always));
        for _ in 0..3 {
            policy.started(clock.now());
            policy.on_exit(clock.now(), &failure(), &rng);
        }
        policy.started(clock.now());
        time.advance(Duration::from_secs(60));
        let delay = delay_of(policy.on_exit(clock.now(), &failure(), &rng), clock.now());
        assert!(delay <= Duration::from_millis(200));
    }

    #[test]
    fn five_failures_in_ten_minutes_park_and_are_forgiven_later() {
        let (time, rng) = (SimulatedClock::new(), Rng::seeded(1));
        let clock = time.clock();
        let mut policy = Policy::new(&spec(Restart::Always));
        for n in 1..=5 {
            policy.started(clock.now());
            time.advance(Duration::from_secs(1));
            let action = policy.on_exit(clock.now(), &failure(), &rng);
            assert_eq!(matches!(action, Action::Park(_)), n == 5);
        }
        time.advance(Duration::from_secs(120));
        policy.started(clock.now());
        assert!(matches!(policy.on_exit(clock.now(), &failure(), &rng), Action::Park(_)));
        time.advance(Duration::from_secs(600));
        policy.started(clock.now());
        assert!(matches!(policy.on_exit(clock.now(), &failure(), &rng), Action::RestartAt(_)));
    }

    #[test]
    fn rules_decide_who_is_started_again() {
        let (now, rng) = (Instant::now(), Rng::seeded(1));
        let action = |restart, exit| Policy::new(&spec(restart)).on_exit(now, &exit, &rng);
        assert_eq!(action(Restart::Never, failure()), Action::Leave);
        assert_eq!(action(Restart::OnFailure, Exit::Done), Action::Leave);
        assert!(matches!(action(Restart::OnFailure, failure()), Action::RestartAt(_)));
        assert!(matches!(action(Restart::Always, Exit::Done), Action::RestartAt(_)));
    }
}
