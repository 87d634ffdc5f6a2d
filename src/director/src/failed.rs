//! Why the program did not do what was asked.

use crate::exit::Exit;

/// An error with the exit code it leads to.
#[derive(Debug)]
pub(crate) struct Failed {
    /// How the program ends.
    pub(crate) exit: Exit,
    /// What went wrong, and what to do.
    pub(crate) error: anyhow::Error,
}

impl Failed {
    /// An error that leads to this exit code.
    pub(crate) fn new(exit: Exit, error: anyhow::Error) -> Self {
        Self { exit, error }
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self::new(Exit::Failure, error.into())
    }
}
