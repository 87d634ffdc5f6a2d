//! From pipelines as configured to compiled programs, one for each sequence of pipelines that is in use.

use crate::wiring::ways;
use config::{Diagnostic, Snapshot};
use event::model::Keys;
use pipeline::condition::Condition;
use pipeline::{Files, Guard, Library, Node, Program};
use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

/// What events go through on their way: pipelines of the device, of the route, of the target, one after the other, and
/// the condition of the route before its pipelines.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence {
    /// Names of the pipelines.
    pub pipelines: Vec<String>,
    /// The route's `if`, and how many of the pipelines come before it.
    pub guard: Option<(usize, String)>,
}

impl Sequence {
    /// Whether events are neither changed nor looked at.
    pub fn is_empty(&self) -> bool {
        self.pipelines.is_empty() && self.guard.is_none()
    }
}

/// All programs of a configuration.
#[derive(Default)]
pub struct Programs {
    keys: Keys,
    /// What pipelines look things up in; kept, so that a database is not read again for each change.
    files: Files,
    programs: HashMap<Sequence, Arc<Program>>,
}

impl Programs {
    /// None yet; pipelines look things up in files below this folder.
    pub fn below(root: &Path) -> Self {
        Self { files: Files::below(root), ..Self::default() }
    }

    /// The interned names that all programs share.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// All programs.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Program>> {
        self.programs.values()
    }

    /// The program of a sequence.
    pub fn get(&self, sequence: &Sequence) -> Option<&Arc<Program>> {
        self.programs.get(sequence)
    }

    /// The programs of a configuration; those of the present one are kept where nothing in them changed.
    ///
    /// # Errors
    /// All mistakes in pipelines, also in those that no route uses.
    pub fn next(&self, old: &Snapshot, new: &Snapshot) -> Result<Self, Vec<Diagnostic>> {
        let library = library(&self.files, new);
        let mut problems = check_unused(&self.keys, &library, new);
        problems.extend(check_conditions(&self.keys, new));
        let mut programs = HashMap::new();
        for sequence in sequences(new) {
            if let Some(program) = self.programs.get(&sequence).filter(|p| is_same(p, &sequence, old, new)) {
                programs.insert(sequence, Arc::clone(program));
                continue;
            }
            let names: Vec<&str> = sequence.pipelines.iter().map(String::as_str).collect();
            match Program::compile(&self.keys, &library, &names) {
                Ok(program) => {
                    let program = program.guarded(self.guard(&sequence));
                    programs.insert(sequence, Arc::new(program));
                }
                Err(mistakes) => problems.extend(mistakes.into_iter().map(Diagnostic::from)),
            }
        }
        if problems.is_empty() {
            return Ok(Self { keys: self.keys.clone(), files: self.files.clone(), programs });
        }
        let place = |d: &Diagnostic| (d.file.clone(), d.line, d.column, d.what.clone());
        problems.sort_by_key(place);
        problems.dedup_by_key(|d| place(d));
        Err(problems)
    }
}

impl Programs {
    /// The compiled condition; one with a mistake is reported by [`check_conditions`] and never comes into force.
    fn guard(&self, sequence: &Sequence) -> Option<Guard> {
        let (before, text) = sequence.guard.as_ref()?;
        let condition = Condition::compile(&self.keys, text).ok()?;
        Some(Guard { before: *before, condition })
    }
}

fn check_conditions(keys: &Keys, snapshot: &Snapshot) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for (text, at) in snapshot.routes.iter().filter_map(|route| route.condition.as_ref()) {
        if let Err(e) = Condition::compile(keys, text) {
            problems
                .push(at.error(format!("the condition can't be read: {e}"), "see the condition language"));
        }
    }
    problems
}

/// All mistakes in the pipelines and conditions of a configuration; pipelines look things up in files below `root`.
pub fn check(root: &Path, snapshot: &Snapshot) -> Vec<Diagnostic> {
    // Nothing is kept from an earlier one, so there is no earlier one to compare with.
    Programs::below(root).next(snapshot, snapshot).err().unwrap_or_default()
}

/// All sequences of pipelines that events of a configuration go through.
fn sequences(snapshot: &Snapshot) -> BTreeSet<Sequence> {
    let mut sequences = BTreeSet::new();
    for way in ways(snapshot) {
        if !way.sequence.is_empty() {
            sequences.insert(way.sequence);
        }
    }
    sequences
}

/// Whether a program would be compiled to the same again.
fn is_same(program: &Program, sequence: &Sequence, old: &Snapshot, new: &Snapshot) -> bool {
    let called = program.steps().iter().map(|step| &*step.pipeline);
    if program.is_stale() {
        return false;
    }
    let mut used = called.chain(sequence.pipelines.iter().map(String::as_str));
    used.all(|name| match (old.pipeline(name), new.pipeline(name)) {
        (Some(old), Some(new)) => old == new,
        _ => false,
    })
}

/// All pipelines of a configuration, with the files that they read.
pub fn library(files: &Files, snapshot: &Snapshot) -> Library {
    let mut library = Library::with_files(files.clone());
    for pipeline in &snapshot.pipelines {
        library.add(pipeline.name.clone(), Node::from(&pipeline.node));
    }
    library
}

/// Mistakes in single pipelines, whoever uses them.
fn check_unused(keys: &Keys, library: &Library, snapshot: &Snapshot) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for pipeline in &snapshot.pipelines {
        if let Err(mistakes) = Program::compile(keys, library, &[&pipeline.name]) {
            problems.extend(mistakes.into_iter().map(Diagnostic::from));
        }
    }
    problems
}
