//! What may go wrong at a simulated Linux host, by switch.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The switches of one host.
#[derive(Debug, Default)]
pub struct Faults {
    /// Every sign-in is refused.
    pub refuse: AtomicBool,
    /// Connections are accepted and nothing is ever said.
    pub silent: AtomicBool,
    /// No session is opened (`MaxSessions`).
    pub no_sessions: AtomicBool,
    /// Commands never answer.
    pub hang: AtomicBool,
    /// Milliseconds before each answer.
    delay_ms: AtomicU64,
    /// The connection is cut once after so many bytes of answers; 0: never.
    cut_after: AtomicU64,
    /// Seconds by which the clock is wrong.
    pub clock_skew: AtomicI64,
    /// Answers are not what was asked for.
    pub nonsense: AtomicBool,
}

impl Faults {
    /// Every answer takes so long.
    pub fn slow(&self, delay: Duration) {
        self.delay_ms.store(delay.as_millis() as u64, Relaxed);
    }

    /// The connection is cut in the middle of an answer, once, after so many bytes.
    pub fn cut_after(&self, bytes: u64) {
        self.cut_after.store(bytes, Relaxed);
    }

    pub(super) fn delay(&self) -> Duration {
        Duration::from_millis(self.delay_ms.load(Relaxed))
    }

    /// How much of an answer still goes out; none: all of it.
    pub(super) fn cut(&self, bytes: u64) -> Option<u64> {
        let left = self.cut_after.load(Relaxed);
        if left == 0 {
            return None;
        }
        if left <= bytes {
            self.cut_after.store(0, Relaxed);
            return Some(left - 1);
        }
        self.cut_after.store(left - bytes, Relaxed);
        None
    }
}
