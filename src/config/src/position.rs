//! A place in a file.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use crate::{Diagnostic, Severity};

/// A place in a configuration file.
///
/// **All positions are equal**: where a thing is written is not part of what it is. That is how two snapshots
/// compare equal after a comment was added, and how everything that holds a position can derive `PartialEq`.
#[derive(Clone)]
pub struct Position {
    file: Arc<Path>,
    line: u32,
    column: u32,
}

impl Position {
    /// The place in `file` at `line` and `column`, both counted from 1; columns are characters.
    pub fn new(file: Arc<Path>, line: u32, column: u32) -> Self {
        Self { file, line, column }
    }

    /// The file.
    pub fn file(&self) -> &Arc<Path> {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> u32 {
        self.column
    }

    /// An error at this place: `what` is wrong, and the `fix`.
    pub fn error(&self, what: impl Into<String>, fix: impl Into<String>) -> Diagnostic {
        self.diagnostic(what, fix, Severity::Error)
    }

    /// A warning at this place: `what` is odd, and the `fix`.
    pub fn warning(&self, what: impl Into<String>, fix: impl Into<String>) -> Diagnostic {
        self.diagnostic(what, fix, Severity::Warning)
    }

    fn diagnostic(&self, what: impl Into<String>, fix: impl Into<String>, severity: Severity) -> Diagnostic {
        Diagnostic {
            file: self.file.to_path_buf(),
            line: self.line,
            column: self.column,
            what: what.into(),
            fix: fix.into(),
            severity,
        }
    }
}

impl PartialEq for Position {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Position {}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl fmt::Debug for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
