//! A device's rate limit: a bucket of one second's worth of events.
//!
//! Whoever can drop asks before ([`RateLimit::grant`]); whoever can wait takes first and waits off the debt
//! ([`RateLimit::charge`]). Cost: an uncontended lock for each batch, or each datagram; nothing without a limit.

use parking_lot::Mutex;
use std::time::{Duration, Instant};

/// What an event costs: credit is counted in billionths of an event, so that a nanosecond earns the rate exactly.
const EVENT: i128 = 1_000_000_000;

/// The rate limit of a device, shared by all of its connections and sockets.
#[derive(Debug)]
pub struct RateLimit {
    per_second: i128,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// At most one second's worth; below zero what was taken in advance.
    credit: i128,
    since: Option<Instant>,
}

impl RateLimit {
    /// So many events a second; none for 0, which means no limit.
    pub fn new(per_second: u32) -> Option<Self> {
        let per_second = i128::from(per_second);
        let state = State { credit: per_second * EVENT, since: None };
        (per_second > 0).then(|| Self { per_second, state: Mutex::new(state) })
    }

    /// Takes as many of `events` as there is credit for, and returns how many these are.
    pub fn grant(&self, events: u64, now: Instant) -> u64 {
        let mut state = self.earned(now);
        let affordable = u64::try_from(state.credit.max(0) / EVENT).unwrap_or(u64::MAX);
        let granted = events.min(affordable);
        state.credit -= i128::from(granted) * EVENT;
        granted
    }

    /// Takes all of `events`, and returns how long to wait before taking more.
    pub fn charge(&self, events: u64, now: Instant) -> Duration {
        let mut state = self.earned(now);
        state.credit -= i128::from(events) * EVENT;
        let debt = (-state.credit).max(0);
        // Rounded up, so that the debt is paid after the wait.
        let nanos = (debt + self.per_second - 1) / self.per_second;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn earned(&self, now: Instant) -> parking_lot::MutexGuard<'_, State> {
        let mut state = self.state.lock();
        let since = state.since.replace(now).unwrap_or(now);
        let nanos = now.saturating_duration_since(since).as_nanos();
        let earned = i128::try_from(nanos).unwrap_or(i128::MAX).saturating_mul(self.per_second);
        state.credit = state.credit.saturating_add(earned).min(self.per_second * EVENT);
        state
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_than_the_rate_is_granted_after_one_second_s_worth() {
        let (limit, begin) = (RateLimit::new(100).expect("a limit"), Instant::now());
        assert_eq!(limit.grant(150, begin), 100);
        assert_eq!(limit.grant(1, begin), 0);
        assert_eq!(limit.grant(50, begin + Duration::from_millis(250)), 25);
        let later = begin + Duration::from_secs(3600);
        assert_eq!(limit.grant(1000, later), 100, "an hour of silence earns no more than a second");
    }

    #[test]
    fn who_takes_in_advance_waits_until_it_is_paid() {
        let (limit, begin) = (RateLimit::new(1000).expect("a limit"), Instant::now());
        assert_eq!(limit.charge(1000, begin), Duration::ZERO);
        let wait = limit.charge(500, begin);
        assert_eq!(wait, Duration::from_millis(500));
        assert_eq!(limit.charge(0, begin + wait), Duration::ZERO);
    }

    #[test]
    fn zero_is_no_limit() {
        assert!(RateLimit::new(0).is_none());
    }
}
