//! Levels, by the product's numbers and names.

use tracing::level_filters::LevelFilter;

/// How detailed a line is; `debug.level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Level {
    /// Something does not work.
    Error = 1,
    /// Something may not work.
    Warning = 2,
    /// What happens.
    Information = 3,
    /// Details.
    Debug = 4,
    /// Everything.
    Verbose = 5,
}

impl Level {
    /// By number; what is out of range is the nearest.
    pub(crate) fn from_number(number: u8) -> Self {
        match number {
            0 | 1 => Self::Error,
            2 => Self::Warning,
            3 => Self::Information,
            4 => Self::Debug,
            _ => Self::Verbose,
        }
    }

    /// Its name in the log.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Error => "Error",
            Self::Warning => "Warning",
            Self::Information => "Information",
            Self::Debug => "Debug",
            Self::Verbose => "Verbose",
        }
    }
}

impl From<tracing::Level> for Level {
    fn from(level: tracing::Level) -> Self {
        match level {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warning,
            tracing::Level::INFO => Self::Information,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::TRACE => Self::Verbose,
        }
    }
}

impl From<Level> for LevelFilter {
    fn from(level: Level) -> Self {
        match level {
            Level::Error => Self::ERROR,
            Level::Warning => Self::WARN,
            Level::Information => Self::INFO,
            Level::Debug => Self::DEBUG,
            Level::Verbose => Self::TRACE,
        }
    }
}

/// The Director's own packages.
const OWN: [&str; 11] = [
    "vmetric_director",
    "supervisors",
    "actors",
    "event",
    "journal",
    "pipeline",
    "protocol",
    "config",
    "security",
    "seams",
    "simulations",
];

/// The most detailed that is wanted of a module: libraries only warn. Of ractor nothing: what befalls an actor is
/// logged by its supervisor, in the Director's words.
pub(super) fn most_of(module: &str) -> Option<Level> {
    let package = module.split("::").next().unwrap_or(module);
    match package {
        own if OWN.contains(&own) => Some(Level::Verbose),
        "ractor" => None,
        _ => Some(Level::Warning),
    }
}
