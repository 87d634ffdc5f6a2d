//! The ways in which a child ends.

use std::fmt;
use std::time::Duration;

/// Why a child is no longer running.
#[derive(Debug)]
pub enum Exit {
    /// Its work is done, or it was asked to stop.
    Done,
    /// It gave up with an error.
    Error(anyhow::Error),
    /// It panicked, with this message.
    Panic(String),
    /// It worked for so long on one thing that it was given up.
    Hung(Duration),
    /// It was killed because it did not stop in time.
    Killed,
    /// It never ran.
    StartFailed(StartError),
}

impl Exit {
    /// Whether the child failed, in the sense of its restart rule.
    pub fn is_failure(&self) -> bool {
        !matches!(self, Exit::Done)
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Done => f.write_str("done"),
            Exit::Error(e) => write!(f, "{e:#}"),
            Exit::Panic(message) => write!(f, "panic: {message}"),
            Exit::Hung(time) => write!(f, "hung for {time:?}"),
            Exit::Killed => f.write_str("killed, it did not stop in time"),
            Exit::StartFailed(e) => write!(f, "cannot start: {e}"),
        }
    }
}

/// Why a child could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// ractor could not spawn it.
    #[error("{0}")]
    Spawn(#[from] ractor::SpawnErr),
    /// Its home did not take it in time.
    #[error("its runtime did not start it within {0:?}")]
    TimedOut(Duration),
    /// What it needs is not there.
    #[error("{0:#}")]
    Unfit(anyhow::Error),
}

/// An error with which a child ends itself, as opposed to a panic: how a supervisor tells them apart.
#[derive(Debug)]
pub struct Failure(pub anyhow::Error);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#}", self.0)
    }
}

impl std::error::Error for Failure {}

impl From<ractor::ActorProcessingErr> for Exit {
    fn from(error: ractor::ActorProcessingErr) -> Self {
        match error.downcast::<Failure>() {
            Ok(failure) => Exit::Error(failure.0),
            Err(panic) => Exit::Panic(panic.to_string()),
        }
    }
}
