//! `-validate`.

use super::say;
use crate::configuration::load;
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use config::Diagnostic;
use std::fmt::Write;

/// Checks the configuration, and prints all mistakes at once.
pub(super) fn validate(place: &Place) -> Result<Exit, Failed> {
    let loaded = load(place);
    let mut text = loaded.report();
    let errors = loaded.diagnostics.iter().filter(|diagnostic| diagnostic.is_error()).count();
    let _ = writeln!(text, "{}", verdict(errors, loaded.diagnostics.len() - errors, &loaded.diagnostics));
    say(&text)?;
    Ok(if errors == 0 { Exit::Ok } else { Exit::Configuration })
}

fn verdict(errors: usize, warnings: usize, all: &[Diagnostic]) -> String {
    match (errors, warnings) {
        (0, 0) => "[OK] No issues found.".to_owned(),
        (0, warnings) => format!("[OK] No errors found, warnings: {warnings}."),
        (errors, warnings) => {
            let mut files: Vec<_> = all.iter().map(|diagnostic| &diagnostic.file).collect();
            files.dedup();
            format!("[FAILED] Errors: {errors}, warnings: {warnings}, files: {}.", files.len())
        }
    }
}
