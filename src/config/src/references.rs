//! Names of components that stand in other components.

use std::collections::HashSet;

use serde_json::{Value as Json, json};

use crate::suggest::did_you_mean;
use crate::{Diagnostic, Position};

/// A name of a component in another one.
pub(crate) struct Reference {
    pub(crate) kind: ReferenceKind,
    pub(crate) to: String,
    pub(crate) at: Position,
    /// Which component it stands in: `route "a"`.
    pub(crate) from: String,
}

/// What a reference leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReferenceKind {
    Pipeline,
    Target,
}

impl ReferenceKind {
    fn noun(self) -> &'static str {
        match self {
            Self::Pipeline => "pipeline",
            Self::Target => "target",
        }
    }

    /// One name or several, bare or as `name: x`.
    pub(crate) fn schema() -> Json {
        let one = json!({"anyOf": [
            {"type": ["string", "number", "null"]},
            {
                "type": "object",
                "properties": {"name": {"type": ["string", "number", "null"]}},
                "required": ["name"],
                "additionalProperties": false,
            },
        ]});
        json!({"anyOf": [one, {"type": "array", "items": one}]})
    }
}

/// References that lead nowhere.
pub(crate) fn check(references: &[Reference], pipelines: &[&str], targets: &[&str]) -> Vec<Diagnostic> {
    let known_pipelines: HashSet<&str> = pipelines.iter().copied().collect();
    let known_targets: HashSet<&str> = targets.iter().copied().collect();
    let mut report = Vec::new();
    for Reference { kind, to, at, from } in references {
        let (known, all) = match kind {
            ReferenceKind::Pipeline => (&known_pipelines, pipelines),
            ReferenceKind::Target => (&known_targets, targets),
        };
        if !known.contains(to.as_str()) {
            let what = format!("{from} names {} {to:?}, which does not exist", kind.noun());
            report.push(at.error(what, did_you_mean(to, all.iter().copied())));
        }
    }
    report
}
