//! How a host stands with us: when to try again. It outlives the actors, so that none of them storms a host.

use super::settings::Pace;
use super::trouble::{Again, Trouble};
use parking_lot::Mutex;
use seams::Rng;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// Waits are shortened by up to this part, so that hosts that failed together do not come back together.
const JITTER: u32 = 5;

/// How a host stands with us.
#[derive(Debug)]
pub struct Standing {
    state: Mutex<State>,
    /// Whether its events are read at present.
    reading: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct State {
    begun: bool,
    not_before: Option<Instant>,
    /// In a row.
    failures: u32,
    /// Sign-ins refused in a row.
    refused: u32,
}

impl Default for Standing {
    fn default() -> Self {
        Self { state: Mutex::default(), reading: watch::channel(false).0 }
    }
}

impl Standing {
    /// The first run waits for its turn; says whether this is the first.
    pub fn begin(&self) -> bool {
        !std::mem::replace(&mut self.state.lock().begun, true)
    }

    /// The next attempt is not before this.
    pub fn not_before(&self) -> Option<Instant> {
        self.state.lock().not_before
    }

    /// Its events are about to be read: it may be asked other things, too.
    pub fn reads(&self) {
        self.reading.send_if_modified(|reading| !std::mem::replace(reading, true));
    }

    /// It has answered as it should, so what went wrong before is over. Not earlier than that: a host that lets us in and
    /// then breaks off each time would be stormed.
    pub fn works(&self) {
        let mut state = self.state.lock();
        (state.failures, state.refused, state.not_before) = (0, 0, None);
        drop(state);
        self.reads();
    }

    /// Whether the last attempt failed.
    pub fn is_failing(&self) -> bool {
        self.state.lock().failures > 0
    }

    /// It does not work; returns how long to wait.
    pub fn fails(&self, trouble: &Trouble, pace: &Pace, now: Instant, rng: &Rng) -> Duration {
        self.reading.send_if_modified(|reading| std::mem::replace(reading, false));
        let mut state = self.state.lock();
        state.failures += 1;
        let growing = pace.first.saturating_mul(1 << (state.failures - 1).min(16)).min(pace.most);
        let wait = match trouble.again {
            // Once; whoever breaks off again and again is left alone for longer each time.
            Again::AtOnce if state.failures == 1 => Duration::ZERO,
            Again::AtOnce | Again::Soon => growing,
            Again::NextMinute => pace.quota,
            Again::WhenMended => pace.act,
            Again::Late => {
                state.refused += 1;
                if state.refused == 1 { pace.refused } else { pace.locked }
            }
        };
        let spared = rng.below(u64::try_from((wait / JITTER).as_millis()).unwrap_or(0));
        let wait = wait.saturating_sub(Duration::from_millis(spared));
        state.not_before = Some(now + wait);
        wait
    }

    /// Whether events are read, and when that changes.
    pub fn reading(&self) -> watch::Receiver<bool> {
        self.reading.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_sign_ins_wait_long_and_a_broken_connection_does_not() {
        let (standing, pace, rng) = (Standing::default(), Pace::default(), Rng::seeded(1));
        let now = Instant::now();
        let wait = |again| standing.fails(&Trouble::new(again, ""), &pace, now, &rng);
        assert_eq!(wait(Again::AtOnce), Duration::ZERO);
        assert!(wait(Again::AtOnce) > Duration::ZERO, "not again and again");
        let within = |wait: Duration, most: Duration| wait <= most && wait >= most / JITTER * (JITTER - 1);
        assert!(within(wait(Again::Late), pace.refused));
        assert!(within(wait(Again::Late), pace.locked));
        assert!(within(wait(Again::Late), pace.locked));
        standing.works();
        assert!(within(wait(Again::Soon), pace.first));
        for _ in 0..20 {
            assert!(wait(Again::Soon) <= pace.most);
        }
    }
}
