//! What an actor is doing at this moment, cheap enough to say for each batch.
//!
//! Only *working* beyond a limit is a hang; waiting is not, however long. One relaxed store a change.

use seams::Clock;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// What an actor is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// Nothing is asked of it.
    Idle,
    /// It computes, or waits for something that must not take long.
    Working,
    /// It waits for somebody else: a peer, the disk, budget.
    Waiting,
}

/// The pulse of one actor; clones share it.
#[derive(Clone, Debug)]
pub struct Pulse(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    began: Instant,
    /// Milliseconds since `began`, times four, plus the activity.
    state: AtomicU64,
}

impl Pulse {
    /// A pulse that starts idle.
    pub fn new(clock: Clock) -> Self {
        let began = clock.now();
        Self(Arc::new(Inner { clock, began, state: AtomicU64::new(0) }))
    }

    /// From now on it does this.
    pub fn set(&self, activity: Activity) {
        let millis = self.0.clock.now().duration_since(self.0.began).as_millis() as u64;
        self.0.state.store(millis << 2 | activity as u64, Relaxed);
    }

    /// What it does, and for how long.
    pub fn read(&self) -> (Activity, Duration) {
        let state = self.0.state.load(Relaxed);
        let activity = match state & 3 {
            0 => Activity::Idle,
            1 => Activity::Working,
            _ => Activity::Waiting,
        };
        let now = self.0.clock.now().duration_since(self.0.began);
        (activity, now.saturating_sub(Duration::from_millis(state >> 2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use seams::SimulatedClock;

    #[test]
    fn it_tells_what_and_since_when() {
        let time = SimulatedClock::new();
        let pulse = Pulse::new(time.clock());
        time.advance(Duration::from_secs(1));
        pulse.set(Activity::Working);
        time.advance(Duration::from_secs(5));
        assert_eq!(pulse.read(), (Activity::Working, Duration::from_secs(5)));
        pulse.set(Activity::Waiting);
        assert_eq!(pulse.read(), (Activity::Waiting, Duration::ZERO));
    }
}
