//! The limit of open files: raised as far as allowed, and checked against what the configuration may need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Descriptors that a Director needs besides its peers: journal, logs, timers, targets.
pub const RESERVE: u64 = 256;

/// The limit of open files that is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenFiles(u64);

impl OpenFiles {
    /// Raises the limit of this process to the highest that the system allows it, and returns what is in force then.
    /// Where it can't be raised it stays as it is.
    pub fn raise() -> Self {
        let limit = getrlimit(Resource::Nofile);
        let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
        match setrlimit(Resource::Nofile, wanted) {
            Ok(()) => Self::of(wanted.current),
            Err(error) => {
                let current = limit.current.unwrap_or(u64::MAX);
                tracing::warn!(%error, current, "the limit of open files can't be raised");
                Self(current)
            }
        }
    }

    /// The limit in force, unchanged.
    pub fn present() -> Self {
        Self::of(getrlimit(Resource::Nofile).current)
    }

    /// No limit is the highest number.
    fn of(limit: Option<u64>) -> Self {
        Self(limit.unwrap_or(u64::MAX))
    }

    /// How many files may be open.
    pub fn limit(self) -> u64 {
        self.0
    }

    /// What to tell whoever configured so many connections (the sum over all listeners), if the limit does not
    /// leave room for them.
    pub fn shortfall(self, connections: u64) -> Option<String> {
        let needed = connections.saturating_add(RESERVE);
        (self.0 < needed).then(|| {
            format!(
                "{connections} connections are configured but only {} files may be open; set LimitNOFILE={needed} \
                 in the service unit (or ulimit -n {needed}), or lower max_connections",
                self.0
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_raised_to_what_the_system_allows() {
        let hard = getrlimit(Resource::Nofile).maximum.unwrap_or(u64::MAX);
        assert_eq!(OpenFiles::raise().limit(), hard);
        assert_eq!(OpenFiles::present().limit(), hard);
    }

    #[test]
    fn too_many_connections_are_answered_with_what_to_do() {
        let limit = OpenFiles(1024);
        assert_eq!(limit.shortfall(1024 - RESERVE), None);
        let text = limit.shortfall(10_000).expect("too many");
        assert!(text.contains("LimitNOFILE=10256"), "{text}");
        assert_eq!(OpenFiles(u64::MAX).shortfall(u64::MAX), None);
    }
}
