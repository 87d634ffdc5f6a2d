//! What is wrong in a configuration, where, and what would be right.

use std::fmt;
use std::path::PathBuf;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// The configuration is refused.
    Error,
    /// The configuration is taken, but something in it does not do what its author may think.
    Warning,
}

/// One mistake. Displays as `file:line:column: what; fix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file it is in.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong; lower case, no full stop.
    pub what: String,
    /// What would be right.
    pub fix: String,
    /// Error or warning.
    pub severity: Severity,
}

impl Diagnostic {
    /// Whether it keeps the configuration from being used.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, line, column, what, fix, .. } = self;
        write!(f, "{}:{line}:{column}: {what}; {fix}", file.display())
    }
}

impl std::error::Error for Diagnostic {}
