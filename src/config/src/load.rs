//! From files to a snapshot.

use std::path::PathBuf;

use crate::{Diagnostic, Snapshot, Source};

/// What came of a load.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; none if there is any error among the diagnostics.
    pub snapshot: Option<Snapshot>,
    /// All errors and warnings, by file and position.
    pub diagnostics: Vec<Diagnostic>,
    /// All files that were read or tried, for a watcher; new files appear below `config/`.
    pub files: Vec<PathBuf>,
}
