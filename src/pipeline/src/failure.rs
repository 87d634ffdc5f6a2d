//! Why a processor failed on an event.

use crate::program::StepId;
use event::model::{Obstacle, Path};
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// A failure; making one with a fixed text does not allocate, so that an ignored failure costs little.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    what: Cow<'static, str>,
    field: Option<Arc<str>>,
    /// The processor it happened in, once it is known.
    pub(crate) step: Option<StepId>,
    /// A limit was exceeded: no handler may go on with the event.
    pub(crate) is_final: bool,
}

impl Failure {
    /// A failure with a text that is known beforehand.
    pub fn fixed(what: &'static str) -> Self {
        Self { what: Cow::Borrowed(what), field: None, step: None, is_final: false }
    }

    /// A failure with a text made for the occasion.
    #[cold]
    pub fn text(what: impl Into<String>) -> Self {
        Self { what: Cow::Owned(what.into()), field: None, step: None, is_final: false }
    }

    /// A limit was exceeded: the event fails whatever its handlers say.
    #[cold]
    pub(crate) fn limit(what: impl Into<String>) -> Self {
        Self { is_final: true, ..Self::text(what) }
    }

    /// The failure of a field that is not there.
    pub fn missing(path: &Path) -> Self {
        Self::fixed("is missing").at(path)
    }

    /// Whether a limit was exceeded: the event takes more than any pipeline may take for one.
    pub fn is_limit(&self) -> bool {
        self.is_final
    }

    /// Names the field.
    #[must_use]
    pub fn at(mut self, path: &Path) -> Self {
        self.field = Some(Arc::clone(path.text()));
        self
    }
}

impl From<Obstacle> for Failure {
    fn from(obstacle: Obstacle) -> Self {
        match obstacle {
            Obstacle::NotAMap => Self::fixed("a part of the path exists and is not an object"),
            Obstacle::OutsideList => Self::fixed("the path names an element outside the list"),
            Obstacle::TooManyNodes | Obstacle::TooManyNames | Obstacle::TooLarge | Obstacle::TooDeep => {
                Self::limit(obstacle.to_string())
            }
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "field [{field}] {}", self.what),
            None => f.write_str(&self.what),
        }
    }
}

impl std::error::Error for Failure {}
