//! The configuration with all its mistakes: those of its files and those of its pipelines.

use crate::place::Place;
use config::{Diagnostic, Severity, Snapshot};
use std::fmt::Write;

/// What came of a load.
pub(crate) struct Loaded {
    /// The configuration; none if it has mistakes.
    pub(crate) snapshot: Option<Snapshot>,
    /// Mistakes and warnings.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Reads and checks a configuration; blocks for as long as files and compiling take.
pub(crate) fn load(place: &Place) -> Loaded {
    let config::Loaded { mut snapshot, mut diagnostics, .. } =
        config::load(&place.source, &|name| std::env::var(name).ok());
    let mistakes = snapshot
        .as_ref()
        .map(|snapshot| supervisors::programs::check(place.root(), snapshot))
        .unwrap_or_default();
    if mistakes.iter().any(Diagnostic::is_error) {
        snapshot = None;
    }
    diagnostics.extend(mistakes);
    Loaded { snapshot, diagnostics }
}

impl Loaded {
    /// Mistakes and warnings, one a line.
    pub(crate) fn report(&self) -> String {
        let mut text = String::new();
        for diagnostic in &self.diagnostics {
            let severity = match diagnostic.severity {
                Severity::Error => "error",
                Severity::Warning => "warning",
            };
            // Writing to a string does not fail.
            let _ = writeln!(text, "{severity}: {diagnostic}");
        }
        text
    }
}
