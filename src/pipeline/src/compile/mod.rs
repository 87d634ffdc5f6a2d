//! From pipelines as written to a program: every mistake is noted, with its place, and none stops the search for
//! others.

mod options;
pub(crate) mod spec;

pub use options::{Options, Reported};
use spec::COMMON;
pub use spec::{Example, OptionDoc, Outcome, Spec};

use crate::condition::Condition;
use crate::files::{Files, UsedFile};
use crate::processors;
use crate::program::{Program, StepId, StepInfo, Uses};
use crate::source::{Diagnostic, Entry, Node, Value};
use crate::step::{Block, FailureNames, Handler, Pipeline, Step};
use crate::suggest::closest;
use crate::watch::Watched;
use event::model::{KeyId, Keys, Path};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How deep `on_failure`, `on_success`, `group`, `foreach` and called pipelines may be in each other.
pub const MAX_BLOCK_DEPTH: usize = 32;
/// How many steps a program may have.
pub const MAX_PROGRAM_STEPS: usize = 20_000;

/// All pipelines of a configuration, by name.
#[derive(Clone, Debug, Default)]
pub struct Library {
    pipelines: BTreeMap<String, Node>,
    files: Files,
}

impl Library {
    /// No pipelines yet; their processors look things up in `files`.
    pub fn with_files(files: Files) -> Self {
        Self { files, ..Self::default() }
    }

    /// Adds a pipeline: the whole object with its `processors`.
    pub fn add(&mut self, name: impl Into<String>, node: Node) {
        self.pipelines.insert(name.into(), node);
    }

    /// The pipeline of this name; `.yml` or `.yaml` behind it may be left out.
    pub fn get(&self, name: &str) -> Option<(&str, &Node)> {
        let bare = name.strip_suffix(".yml").or_else(|| name.strip_suffix(".yaml")).unwrap_or(name);
        [name, bare]
            .iter()
            .find_map(|name| self.pipelines.get_key_value(*name))
            .map(|(name, node)| (&**name, node))
    }

    fn mentions(&self, word: &str) -> bool {
        self.pipelines.values().any(|node| mentions(node, word))
    }

    /// The names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.pipelines.keys().map(String::as_str)
    }
}

/// What pipelines have beside their processors.
const PIPELINE_KEYS: [&str; 8] =
    ["name", "description", "tags", "processors", "if", "on_failure", "ignore_failure", "quarantine"];

/// What every processor understands.
pub(crate) const COMMON_OPTIONS: [&str; COMMON.len()] = {
    let mut names = [""; COMMON.len()];
    let mut at = 0;
    while at < COMMON.len() {
        names[at] = COMMON[at].name;
        at += 1;
    }
    names
};

/// Compiles one program.
pub struct Compiler<'c> {
    keys: &'c Keys,
    library: &'c Library,
    problems: Vec<Diagnostic>,
    steps: Vec<StepInfo>,
    /// Pipelines that are compiled, or being compiled: none.
    pipelines: BTreeMap<String, Option<Arc<Pipeline>>>,
    /// The pipeline that is being compiled.
    current: Arc<str>,
    /// Whether it says that what fails in it is to be kept.
    quarantine: bool,
    labels: BTreeMap<String, Label>,
    /// Numbers differ between pipelines, so that a jump never lands in another one's step.
    next_label: u32,
    jumps: Vec<(String, Diagnostic)>,
    groups: BTreeMap<String, u32>,
    names: Arc<FailureNames>,
    depth: usize,
    uses: Uses,
    files: Vec<UsedFile>,
    /// Where pipelines put their name, if one of the library looks there.
    announced: Option<Path>,
    /// Whether the program notes what its steps do.
    is_watched: bool,
}

/// What `go_to` jumps to.
#[derive(Clone, Copy, Debug)]
struct Label {
    id: u32,
    /// Whether a processor has the tag; a `go_to` may stand before it.
    is_defined: bool,
}

impl<'c> Compiler<'c> {
    pub(crate) fn new(keys: &'c Keys, library: &'c Library) -> Self {
        let path = |name: &str| Path::of_names(keys, &["_ingest", name]);
        let names = FailureNames {
            ingest: KeyId::INGEST,
            message: path("on_failure_message"),
            kind: path("on_failure_processor_type"),
            tag: path("on_failure_processor_tag"),
            pipeline: path("on_failure_pipeline"),
        };
        Self {
            keys,
            library,
            problems: Vec::new(),
            steps: Vec::new(),
            pipelines: BTreeMap::new(),
            current: "".into(),
            quarantine: false,
            labels: BTreeMap::new(),
            next_label: 0,
            jumps: Vec::new(),
            groups: BTreeMap::new(),
            names: Arc::new(names),
            depth: 0,
            uses: Uses::default(),
            files: Vec::new(),
            announced: library.mentions("_ingest.pipeline").then(|| path("pipeline")),
            is_watched: false,
        }
    }

    /// The steps of its program note what they do.
    pub(crate) fn watched(mut self) -> Self {
        self.is_watched = true;
        self
    }

    pub(crate) fn program(mut self, names: &[&str]) -> Result<Program, Vec<Diagnostic>> {
        let mut pipelines = Vec::new();
        for name in names {
            match self.library.get(name) {
                Some((name, node)) => pipelines.extend(self.pipeline(name, node)),
                None => self.problems.push(Diagnostic {
                    file: std::path::Path::new("").into(),
                    line: 0,
                    column: 0,
                    what: format!("there is no pipeline {name:?}{}", closest(name, self.library.names())),
                    fix: "define it below `pipelines:`".to_owned(),
                }),
            }
        }
        if self.problems.is_empty() {
            Ok(Program::new(self.keys, pipelines, self.steps, self.uses, self.files))
        } else {
            Err(self.problems)
        }
    }

    /// The compiled pipeline; none if it is wrong, which is noted, or calls itself, which the caller notes.
    pub(crate) fn pipeline(&mut self, name: &str, node: &Node) -> Option<Arc<Pipeline>> {
        if let Some(known) = self.pipelines.get(name) {
            return known.clone();
        }
        self.pipelines.insert(name.to_owned(), None);
        let outer = std::mem::replace(&mut self.current, name.into());
        let quarantine = node.get("quarantine").and_then(|node| self.flag(node)).unwrap_or(false);
        let outer_quarantine = std::mem::replace(&mut self.quarantine, quarantine);
        let outer_labels = std::mem::take(&mut self.labels);
        let outer_jumps = std::mem::take(&mut self.jumps);
        self.uses.metadata |= mentions(node, "_vmetric");
        self.uses.run_time |= mentions(node, "_ingest.timestamp");
        for entry in node.entries().iter().filter(|entry| !PIPELINE_KEYS.contains(&entry.key.as_str())) {
            let fix = closest(&entry.key, PIPELINE_KEYS.into_iter());
            let what = format!("a pipeline has no option {:?}{fix}", entry.key);
            self.problems.push(entry.key_at.error(what, format!("there are {}", PIPELINE_KEYS.join(", "))));
        }
        let condition = node.get("if").and_then(|node| self.condition(node));
        let ignore_failure = node.get("ignore_failure").and_then(|node| self.flag(node)).unwrap_or(false);
        let block = match node.get("processors") {
            Some(processors) => self.block(processors),
            None => {
                self.problems.push(node.at.error(
                    format!("the pipeline {name:?} has no processors"),
                    "add `processors:` with a list, which may be empty: []",
                ));
                Block::default()
            }
        };
        let on_failure = node.get("on_failure").map(|node| self.handler(node));
        self.check_jumps();
        self.labels = outer_labels;
        self.jumps = outer_jumps;
        let name_of = std::mem::replace(&mut self.current, outer);
        self.quarantine = outer_quarantine;
        let pipeline = Arc::new(Pipeline {
            name: name_of,
            condition,
            ignore_failure,
            block,
            on_failure,
            quarantine,
            announced: self.announced.clone(),
        });
        self.pipelines.insert(name.to_owned(), Some(Arc::clone(&pipeline)));
        Some(pipeline)
    }

    /// Whether a pipeline is being compiled right now, so that calling it would be a circle.
    pub(crate) fn is_open(&self, name: &str) -> bool {
        matches!(self.pipelines.get(name), Some(None))
    }

    /// Notes each `go_to` whose tag no processor of its pipeline has.
    fn check_jumps(&mut self) {
        for (tag, diagnostic) in std::mem::take(&mut self.jumps) {
            if !self.labels.get(&tag).is_some_and(|label| label.is_defined) {
                self.problems.push(diagnostic);
            }
        }
    }

    /// The label of a tag that a `go_to` names; the diagnostic is for the case that there is no such tag.
    pub(crate) fn jump(&mut self, tag: &str, diagnostic: Diagnostic) -> u32 {
        self.jumps.push((tag.to_owned(), diagnostic));
        self.label(tag).id
    }

    fn label(&mut self, tag: &str) -> &mut Label {
        let next = self.next_label;
        let label = self.labels.entry(tag.to_owned()).or_insert(Label { id: next, is_defined: false });
        self.next_label = next.max(label.id + 1);
        label
    }

    pub(crate) fn group(&mut self, name: &str) -> u32 {
        let next = self.groups.len() as u32;
        *self.groups.entry(name.to_owned()).or_insert(next)
    }

    /// Several processors, or a single one.
    pub(crate) fn block(&mut self, node: &Node) -> Block {
        if self.depth >= MAX_BLOCK_DEPTH {
            let what = format!(
                "processors, with the pipelines they call, are more than {MAX_BLOCK_DEPTH} levels deep in each other"
            );
            self.problems.push(node.at.error(what, "move some of them to a pipeline of their own"));
            return Block::default();
        }
        self.depth += 1;
        let mut steps = Vec::new();
        match &node.value {
            Value::List(items) => {
                for item in items {
                    steps.extend(self.step(item));
                }
            }
            Value::Map(_) => steps.extend(self.step(node)),
            Value::Null => {}
            _ => self.problems.push(node.at.error(
                format!("processors are a list and not {}", node.kind()),
                "write them as `- set: {field: a, value: b}`",
            )),
        }
        self.depth -= 1;
        Block { steps: steps.into() }
    }

    pub(crate) fn handler(&mut self, node: &Node) -> Handler {
        if matches!(&node.value, Value::List(items) if items.is_empty()) {
            self.problems.push(node.at.error(
                "on_failure has no processors, so that it would handle nothing",
                "remove it, or write `ignore_failure: true`",
            ));
        }
        Handler { block: self.block(node), names: Arc::clone(&self.names) }
    }

    /// One processor; none if it is disabled or wrong.
    fn step(&mut self, node: &Node) -> Option<Step> {
        let inline;
        let entry = match node.entries() {
            [entry] => entry,
            // `- trim:` with its options beside instead of below it, as the product's documentation has it.
            [name, options @ ..] if matches!(name.value.value, Value::Null) => {
                let value = Node { at: node.at.clone(), value: Value::Map(options.to_vec()) };
                inline = Entry { value, ..name.clone() };
                &inline
            }
            _ => {
                let what = match node.entries().len() {
                    0 => format!("a processor is a map with one key and not {}", node.kind()),
                    _ => "a processor has one key, its name; its options belong below it".to_owned(),
                };
                self.problems.push(node.at.error(what, "write `- set: {field: a, value: b}`"));
                return None;
            }
        };
        let Some(spec) = processors::find(&entry.key) else {
            self.unknown(entry);
            return None;
        };
        if self.steps.len() >= MAX_PROGRAM_STEPS {
            let what = format!("the pipelines have more than {MAX_PROGRAM_STEPS} processors together");
            self.problems.push(node.at.error(what, "split the work between routes"));
            return None;
        }
        let options = &entry.value;
        if options.get("disabled").and_then(|node| self.flag(node)) == Some(true) {
            return None;
        }
        let tag = options.get("tag").and_then(|node| self.word("tag", node));
        if let Some(node) = options.get("description") {
            self.word("description", node);
        }
        let id = StepId(self.steps.len() as u32);
        self.steps.push(StepInfo {
            pipeline: Arc::clone(&self.current),
            quarantine: self.quarantine,
            kind: spec.name,
            tag: tag.as_deref().map(Arc::from),
            at: entry.key_at.clone(),
        });
        let label = tag.map(|tag| {
            let label = self.label(&tag);
            label.is_defined = true;
            label.id
        });
        let condition = options.get("if").and_then(|node| self.condition(node));
        let ignore_failure = options.get("ignore_failure").and_then(|node| self.flag(node)).unwrap_or(false);
        let processor = Options::new(self, spec, entry).compile();
        let on_failure = options.get("on_failure").map(|node| self.handler(node));
        let on_success = options.get("on_success").map(|node| self.block(node));
        let mut processor = processor.ok()?;
        let is_watched = self.is_watched;
        if is_watched {
            processor = Box::new(Watched { step: id, inner: processor });
        }
        Some(Step { id, label, condition, ignore_failure, on_failure, on_success, processor, is_watched })
    }

    fn unknown(&mut self, entry: &Entry) {
        let name = &entry.key;
        let problem = match processors::absent(name) {
            Some(why) => {
                entry.key_at.error(format!("the processor {name:?} is not available: {why}"), ABSENT_FIX)
            }
            None => {
                let fix = closest(name, processors::names());
                entry.key_at.error(format!("there is no processor {name:?}{fix}"), "see docs/processors.md")
            }
        };
        self.problems.push(problem);
    }

    pub(crate) fn condition(&mut self, node: &Node) -> Option<Condition> {
        let text = match &node.value {
            Value::Text(text) => text.clone(),
            Value::Bool(truth) => truth.to_string(),
            _ => {
                let what = format!("a condition is a text and not {}", node.kind());
                self.problems.push(node.at.error(what, "write it like `event.code == 4625`"));
                return None;
            }
        };
        match Condition::compile(self.keys, &text) {
            Ok(condition) => Some(condition),
            Err(why) => {
                self.problems.push(node.at.error(why.to_string(), "write it like `event.code == 4625`"));
                None
            }
        }
    }

    /// A text that means nothing to the program itself.
    fn word(&mut self, option: &str, node: &Node) -> Option<String> {
        match &node.value {
            Value::Text(text) => Some(text.clone()),
            Value::Int(number) => Some(number.to_string()),
            Value::Float(number) => Some(number.to_string()),
            Value::Bool(truth) => Some(truth.to_string()),
            Value::Null => None,
            _ => {
                let what = format!("the option {option:?} is a text and not {}", node.kind());
                self.problems.push(node.at.error(what, format!("write it like `{option}: parse-time`")));
                None
            }
        }
    }

    pub(crate) fn flag(&mut self, node: &Node) -> Option<bool> {
        match &node.value {
            Value::Bool(truth) => Some(*truth),
            Value::Text(text) if text == "true" => Some(true),
            Value::Text(text) if text == "false" => Some(false),
            Value::Null => None,
            _ => {
                let what = format!("this is true or false and not {}", node.kind());
                self.problems.push(node.at.error(what, "write true or false"));
                None
            }
        }
    }
}

const ABSENT_FIX: &str = "remove it, or disable it with `disabled: true`";

fn mentions(node: &Node, word: &str) -> bool {
    match &node.value {
        Value::Text(text) => text.contains(word),
        Value::List(items) => items.iter().any(|item| mentions(item, word)),
        Value::Map(entries) => entries.iter().any(|e| e.key.contains(word) || mentions(&e.value, word)),
        _ => false,
    }
}
