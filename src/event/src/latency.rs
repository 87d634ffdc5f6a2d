//! How long batches take, in buckets that double: three relaxed additions for each batch.

use crate::flow::Counter;
use std::time::Duration;

/// The first bucket takes what took at most so long.
const FIRST: Duration = Duration::from_micros(64);
/// So many buckets, each twice as wide as the one before; the last takes everything beyond 33 s, too.
pub const BUCKETS: usize = 21;

/// A histogram of durations.
#[derive(Debug, Default)]
pub struct Latency {
    buckets: [Counter; BUCKETS],
    nanos: Counter,
}

impl Latency {
    /// Counts a duration.
    pub fn add(&self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.buckets[bucket(nanos)].add(1);
        self.nanos.add(nanos);
    }

    /// How many durations each bucket has.
    pub fn counts(&self) -> [u64; BUCKETS] {
        std::array::from_fn(|n| self.buckets[n].get())
    }

    /// All durations together.
    pub fn sum(&self) -> Duration {
        Duration::from_nanos(self.nanos.get())
    }

    /// The longest duration that bucket `n` takes; none for the last, which has no limit.
    pub fn limit(n: usize) -> Option<Duration> {
        (n + 1 < BUCKETS).then(|| FIRST * (1 << n))
    }
}

fn bucket(nanos: u64) -> usize {
    let first = FIRST.as_nanos() as u64;
    let doublings = nanos.div_ceil(first).max(1).next_power_of_two().trailing_zeros() as usize;
    doublings.min(BUCKETS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_takes_it() {
        for n in 0..BUCKETS - 1 {
            let limit = Latency::limit(n).expect("limited").as_nanos() as u64;
            assert_eq!((bucket(limit), bucket(limit + 1)), (n, n + 1));
        }
        assert_eq!((bucket(0), bucket(u64::MAX >> 1)), (0, BUCKETS - 1));
        assert_eq!(Latency::limit(BUCKETS - 1), None);
    }
}
