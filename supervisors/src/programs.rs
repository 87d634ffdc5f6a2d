//! From pipelines as configured to compiled programs, one for each sequence of pipelines that is in use.

use config::{Diagnostic, Resolved, Severity, Snapshot};
use event::model::Keys;
use pipeline::source::{Entry, Place, Value};
use pipeline::{Library, Node, Program};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Pipelines that run one after the other: of the device, of the route, of the target.
pub type Sequence = Vec<String>;

/// All programs of a configuration.
#[derive(Default)]
pub struct Programs {
    keys: Keys,
    programs: HashMap<Sequence, Arc<Program>>,
}

impl Programs {
    /// The interned names that all programs share.
    pub fn keys(&self) -> &Keys {
        &self.keys
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
        let library = library(new);
        let mut problems = check_unused(&self.keys, &library, new);
        let mut programs = HashMap::new();
        for sequence in sequences(new) {
            if let Some(program) = self.programs.get(&sequence).filter(|p| is_same(p, &sequence, old, new)) {
                programs.insert(sequence, Arc::clone(program));
                continue;
            }
            let names: Vec<&str> = sequence.iter().map(String::as_str).collect();
            match Program::compile(&self.keys, &library, &names) {
                Ok(program) => {
                    programs.insert(sequence, Arc::new(program));
                }
                Err(mistakes) => problems.extend(mistakes.into_iter().map(diagnostic)),
            }
        }
        if problems.is_empty() {
            return Ok(Self { keys: self.keys.clone(), programs });
        }
        let place = |d: &Diagnostic| (d.file.clone(), d.line, d.column, d.what.clone());
        problems.sort_by_key(place);
        problems.dedup_by_key(|d| place(d));
        Err(problems)
    }
}

/// All mistakes in the pipelines of a configuration.
pub fn check(snapshot: &Snapshot) -> Vec<Diagnostic> {
    // Nothing is kept from an earlier one, so there is no earlier one to compare with.
    Programs::default().next(snapshot, snapshot).err().unwrap_or_default()
}

/// All sequences of pipelines that events of a configuration go through.
fn sequences(snapshot: &Snapshot) -> BTreeSet<Sequence> {
    let mut sequences = BTreeSet::new();
    for way in crate::wiring::ways(snapshot) {
        if !way.sequence.is_empty() {
            sequences.insert(way.sequence);
        }
    }
    sequences
}

/// Whether a program would be compiled to the same again.
fn is_same(program: &Program, sequence: &Sequence, old: &Snapshot, new: &Snapshot) -> bool {
    let called = program.steps().iter().map(|step| &*step.pipeline);
    let mut used = called.chain(sequence.iter().map(String::as_str));
    used.all(|name| match (old.pipeline(name), new.pipeline(name)) {
        (Some(old), Some(new)) => old == new,
        _ => false,
    })
}

fn library(snapshot: &Snapshot) -> Library {
    let mut library = Library::default();
    for pipeline in &snapshot.pipelines {
        library.add(pipeline.name.clone(), node(&pipeline.node));
    }
    library
}

/// Mistakes in single pipelines, whoever uses them.
fn check_unused(keys: &Keys, library: &Library, snapshot: &Snapshot) -> Vec<Diagnostic> {
    let mut problems = Vec::new();
    for pipeline in &snapshot.pipelines {
        if let Err(mistakes) = Program::compile(keys, library, &[&pipeline.name]) {
            problems.extend(mistakes.into_iter().map(diagnostic));
        }
    }
    problems
}

fn diagnostic(mistake: pipeline::Diagnostic) -> Diagnostic {
    let pipeline::Diagnostic { file, line, column, what, fix } = mistake;
    Diagnostic { file: file.to_path_buf(), line, column, what, fix, severity: Severity::Error }
}

fn place(at: &config::Position) -> Place {
    Place { file: Arc::clone(at.file()), line: at.line(), column: at.column() }
}

/// A tree of the configuration as pipelines read it.
fn node(tree: &config::Node) -> Node {
    let value = match &tree.value {
        config::Value::Map(map) => Value::Map(map.entries().iter().map(entry).collect()),
        config::Value::List(items) => Value::List(items.iter().map(node).collect()),
        config::Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => Value::Null,
            Resolved::Bool(truth) => Value::Bool(truth),
            Resolved::Int(number) => Value::Int(number),
            Resolved::Float(number) => Value::Float(number),
            Resolved::Text(text) => Value::Text(text.to_owned()),
        },
    };
    Node { at: place(&tree.at), value }
}

fn entry(entry: &config::Entry) -> Entry {
    Entry { key: entry.key.clone(), key_at: place(&entry.key_at), value: node(&entry.value) }
}
