//! Troubles of a target: their names in the metrics, and how long to wait after one.

use std::io;
use std::time::Duration;

/// The name of a trouble in the metrics.
pub fn trouble_name(e: &io::Error) -> &'static str {
    use io::ErrorKind::*;
    match e.kind() {
        ConnectionRefused => "refused",
        ConnectionReset | BrokenPipe | ConnectionAborted => "reset",
        UnexpectedEof => "closed",
        TimedOut => "timed_out",
        HostUnreachable | NetworkUnreachable => "unreachable",
        NotFound => "unknown_host",
        InvalidData => "protocol",
        PermissionDenied | ReadOnlyFilesystem => "denied",
        StorageFull | QuotaExceeded => "disk_full",
        _ => "other",
    }
}

/// Waits between attempts: each twice as long as the one before, up to a limit, until one succeeds.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    first: Duration,
    most: Duration,
    failures: u32,
}

impl Patience {
    /// Waits from `first` to `most`.
    pub fn new(first: Duration, most: Duration) -> Self {
        Self { first, most, failures: 0 }
    }

    /// Whether the last attempt failed.
    pub fn is_tried(&self) -> bool {
        self.failures > 0
    }

    /// An attempt failed: how long to wait before the next.
    pub fn failed(&mut self) -> Duration {
        let wait = self.first.saturating_mul(1 << self.failures.min(16)).min(self.most);
        self.failures += 1;
        wait
    }

    /// An attempt succeeded; true when the one before had failed.
    pub fn succeeded(&mut self) -> bool {
        std::mem::take(&mut self.failures) > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_limit_and_begin_anew_after_a_success() {
        let mut patience = Patience::new(Duration::from_millis(200), Duration::from_millis(500));
        let waits: Vec<u128> = (0..3).map(|_| patience.failed().as_millis()).collect();
        assert_eq!(waits, [200, 400, 500]);
        assert!(patience.succeeded() && !patience.succeeded());
        assert_eq!(patience.failed().as_millis(), 200);
    }
}
