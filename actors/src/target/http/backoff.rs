//! How long to wait after failures.

use super::settings::RetryPolicy;
use std::time::Duration;

/// With `retry_delay: 0` a target that refuses would be asked without a pause; so much is waited for in any case.
const LEAST: Duration = Duration::from_millis(50);
/// A `Retry-After` beyond this is taken for a mistake.
const MOST_ASKED_FOR: Duration = Duration::from_secs(3600);

/// The wait after the failure with that number, from 1, which doubles with each; and at least as long as the peer asks for.
pub fn wait(policy: RetryPolicy, failures: u32, asked_for: Option<Duration>) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let own = policy.first.max(LEAST).saturating_mul(1 << doublings).min(policy.most.max(LEAST));
    own.max(asked_for.unwrap_or_default().min(MOST_ASKED_FOR))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_follow_the_peer() {
        let seconds = Duration::from_secs;
        let policy = RetryPolicy { at_once: 1, first: seconds(1), most: seconds(5) };
        let waits: Vec<u64> = (1..6).map(|n| wait(policy, n, None).as_secs()).collect();
        assert_eq!(waits, [1, 2, 4, 5, 5]);
        assert_eq!(wait(policy, 1, Some(seconds(30))), seconds(30));
        assert_eq!(wait(policy, 1, Some(seconds(1_000_000))), seconds(3600));
        assert_eq!(wait(RetryPolicy { first: seconds(0), ..policy }, 1, None), LEAST);
    }
}
