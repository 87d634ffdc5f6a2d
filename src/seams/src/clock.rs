//! [`Clock`]: what time it is, by the system or by a test's hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

/// Tells the time. Clones tell the same time.
///
/// Two clocks in one: [`now`](Self::now) only goes forward and is for durations and deadlines;
/// [`wall`](Self::wall) is what people and files see, and jumps when somebody sets it.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Simulated(SimulatedClock),
    Shifted(ShiftedClock),
}

/// The hand that moves a simulated [`Clock`]. Clones move the same clock.
#[derive(Clone, Debug)]
pub struct SimulatedClock(Arc<Mutex<Times>>);

/// The hand that shifts the wall time of a [`Clock`] that otherwise is the system's. Clones shift the same clock.
#[derive(Clone, Debug, Default)]
pub struct ShiftedClock(Arc<AtomicI64>);

#[derive(Debug)]
struct Times {
    now: Instant,
    wall: SystemTime,
}

// === impl Clock ===

impl Clock {
    /// The clock of the operating system.
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// Monotonic time: never goes back, not even when the wall clock is set.
    pub fn now(&self) -> Instant {
        match &self.0 {
            Source::System | Source::Shifted(_) => Instant::now(),
            Source::Simulated(clock) => clock.0.lock().now,
        }
    }

    /// The time of day. May jump either way between two calls.
    pub fn wall(&self) -> SystemTime {
        match &self.0 {
            Source::System => SystemTime::now(),
            Source::Simulated(clock) => clock.0.lock().wall,
            Source::Shifted(clock) => clock.wall(),
        }
    }

    /// [`wall`](Self::wall) as nanoseconds since 1970 UTC; 0 for times before.
    pub fn unix_nanos(&self) -> u64 {
        let since = self.wall().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        // Saturates in the year 2554.
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::system()
    }
}

// === impl SimulatedClock ===

impl SimulatedClock {
    /// 2023-11-14 22:13:20 UTC, the wall time at which every simulated clock starts.
    pub const START_SECONDS: u64 = 1_700_000_000;

    /// A clock that stands still until it is told to move.
    pub fn new() -> Self {
        let wall = UNIX_EPOCH + Duration::from_secs(Self::START_SECONDS);
        // The instant itself carries no meaning, only differences do: runs stay comparable.
        Self(Arc::new(Mutex::new(Times { now: Instant::now(), wall })))
    }

    /// The clock that this hand moves.
    pub fn clock(&self) -> Clock {
        Clock(Source::Simulated(self.clone()))
    }

    /// Lets time pass: both clocks go forward.
    pub fn advance(&self, by: Duration) {
        let mut times = self.0.lock();
        times.now += by;
        times.wall += by;
    }

    /// Sets the wall clock, as an administrator or NTP does; monotonic time does not notice.
    pub fn set_wall(&self, wall: SystemTime) {
        self.0.lock().wall = wall;
    }
}

// === impl ShiftedClock ===

impl ShiftedClock {
    /// A clock that is not off.
    pub fn new() -> Self {
        Self::default()
    }

    /// The clock that this hand shifts.
    pub fn clock(&self) -> Clock {
        Clock(Source::Shifted(self.clone()))
    }

    /// Lets the wall clock be off by so many milliseconds from now on, as if somebody had set it; negative: behind.
    pub fn set_off_by(&self, millis: i64) {
        self.0.store(millis, Relaxed);
    }

    fn wall(&self) -> SystemTime {
        let (now, millis) = (SystemTime::now(), self.0.load(Relaxed));
        let shift = Duration::from_millis(millis.unsigned_abs());
        let shifted = if millis < 0 { now.checked_sub(shift) } else { now.checked_add(shift) };
        shifted.unwrap_or(now)
    }
}

impl Default for SimulatedClock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_simulated_clock_stands_still_until_it_is_advanced() {
        let hand = SimulatedClock::new();
        let clock = hand.clock();
        let (now, wall) = (clock.now(), clock.wall());
        assert_eq!((clock.now(), clock.wall()), (now, wall));
        hand.advance(Duration::from_secs(5));
        assert_eq!(clock.now() - now, Duration::from_secs(5));
        assert_eq!(clock.wall(), wall + Duration::from_secs(5));
        assert_eq!(clock.unix_nanos(), (SimulatedClock::START_SECONDS + 5) * 1_000_000_000);
    }

    #[test]
    fn a_wall_clock_that_is_set_leaves_monotonic_time_alone() {
        let hand = SimulatedClock::new();
        let clock = hand.clock();
        let now = clock.now();
        hand.set_wall(UNIX_EPOCH);
        assert_eq!(clock.now(), now);
        assert_eq!(clock.unix_nanos(), 0);
    }

    #[test]
    fn a_shifted_clock_is_off_by_what_it_is_told_and_only_in_its_wall_time() {
        let hand = ShiftedClock::new();
        let clock = hand.clock();
        for millis in [-3_600_000, 3_600_000, 0] {
            let (now, wall) = (Instant::now(), SystemTime::now());
            hand.set_off_by(millis);
            let shift = Duration::from_millis(millis.unsigned_abs());
            let least = if millis < 0 { wall - shift } else { wall + shift };
            let (shown, passed) = (clock.wall(), clock.now() - now);
            let some = Duration::from_secs(1800);
            assert!(shown.duration_since(least).is_ok_and(|off| off < some) && passed < some);
        }
    }

    #[test]
    fn a_wall_clock_before_1970_reads_as_zero() {
        let hand = SimulatedClock::new();
        hand.set_wall(UNIX_EPOCH - Duration::from_secs(1));
        assert_eq!(hand.clock().unix_nanos(), 0);
    }
}
