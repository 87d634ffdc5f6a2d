//! First runs of collectors, spread over time.
//!
//! A device that is added alone is read at once. When more than twenty appear within a moment (a start, a
//! large new file), the further ones begin within the next twenty seconds: sign-ins cost their
//! hosts, domain controllers and this process more than anything that follows.

use parking_lot::Mutex;
use seams::{Clock, Rng};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// So many begin at once.
const AT_ONCE: u32 = 20;
/// Devices that appear within this time appear together.
const TOGETHER: Duration = Duration::from_secs(2);
/// The rest begins within this time.
const WITHIN: Duration = Duration::from_secs(20);

/// Who begins when; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Spread(Arc<Mutex<Crowd>>);

#[derive(Debug, Default)]
struct Crowd {
    since: Option<Instant>,
    arrived: u32,
}

impl Spread {
    /// A collector begins for the first time: how long it waits before.
    pub fn arrive(&self, clock: &Clock, rng: &Rng) -> Duration {
        let now = clock.now();
        let mut crowd = self.0.lock();
        if crowd.since.is_none_or(|since| now.duration_since(since) > TOGETHER) {
            *crowd = Crowd { since: Some(now), arrived: 0 };
        }
        crowd.arrived += 1;
        match crowd.arrived {
            ..=AT_ONCE => Duration::ZERO,
            _ => Duration::from_millis(rng.below(WITHIN.as_millis() as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seams::SimulatedClock;

    #[test]
    fn few_begin_at_once_many_one_after_the_other() {
        let (spread, time, rng) = (Spread::default(), SimulatedClock::new(), Rng::seeded(1));
        let waits: Vec<Duration> = (0..1000).map(|_| spread.arrive(&time.clock(), &rng)).collect();
        assert!(waits[..20].iter().all(Duration::is_zero));
        assert!(waits.iter().all(|wait| *wait < WITHIN));
        assert!(waits.iter().filter(|wait| **wait > WITHIN / 2).count() > 300);
        time.advance(TOGETHER * 2);
        assert!(spread.arrive(&time.clock(), &rng).is_zero(), "a single new one begins at once");
    }
}
