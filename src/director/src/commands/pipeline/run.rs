//! Runs the pipeline, event by event.

use super::input::Record;
use event::model::Keys;
use pipeline::watch::{Change, Did, What};
use pipeline::{Form, Input, Library, Origin, Output, Program, Scratch};
use serde_json::{Map, Value, json};
use std::time::{Duration, SystemTime};

/// What became of an input.
#[derive(Debug)]
pub(super) struct Outcome {
    /// How it ended.
    pub(super) ended: Ended,
    /// The events that are left: one, or several after `reroute` with `clone` or `staging`.
    pub(super) events: Vec<Left>,
    /// Why it failed.
    pub(super) error: Option<String>,
    /// What each processor did, if that was asked for.
    pub(super) steps: Vec<Taken>,
}

/// How an input ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is left.
    Kept,
    /// A processor dropped it.
    Dropped,
    /// A processor failed, and nothing handled that.
    Failed,
}

/// An event that is left.
#[derive(Debug)]
pub(super) struct Left {
    /// As it is written.
    pub(super) json: String,
    /// The target that the pipeline named.
    pub(super) target: Option<String>,
}

/// A step that was taken.
#[derive(Debug)]
pub(super) struct Taken {
    /// The processor's name.
    pub(super) processor: &'static str,
    /// Its tag.
    pub(super) tag: Option<String>,
    /// The pipeline it stands in.
    pub(super) pipeline: String,
    /// Where it is written.
    pub(super) at: String,
    /// In how many others it stands.
    pub(super) depth: u32,
    /// What came of it.
    pub(super) what: What,
    /// What it changed.
    pub(super) changes: Vec<Change>,
    /// How long it took.
    pub(super) took: Duration,
}

/// Runs the pipeline of this name on each record; with `watched` its steps are noted.
pub(super) fn run(
    library: &Library,
    name: &str,
    records: &[Record],
    watched: bool,
) -> Result<Vec<Outcome>, String> {
    let keys = Keys::default();
    let program = match watched {
        true => Program::compile_watched(&keys, library, &[name]),
        false => Program::compile(&keys, library, &[name]),
    };
    let program = program.map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        lines.join("\n")
    })?;
    let (mut scratch, mut output) = (Scratch::new(&keys), Output::default());
    Ok(records.iter().map(|record| outcome(&program, record, &mut scratch, &mut output)).collect())
}

fn outcome(program: &Program, record: &Record, scratch: &mut Scratch, output: &mut Output) -> Outcome {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_nanos();
    let origin = Origin { received: now as u64, ..Origin::default() };
    let (bytes, form) = match record {
        Record::Event(bytes) => (bytes, Form::Event),
        Record::Line(bytes) => (bytes, Form::Message),
    };
    output.clear();
    program.run(scratch, [Input { record: 0, bytes, form, origin: &origin }], now as i64, output);
    let left = |at: usize| {
        let routing = output.kept[at].routing.map(|routing| &output.routings[routing as usize]);
        let target = routing.and_then(|routing| routing.destination.as_deref()).map(str::to_owned);
        Left { json: String::from_utf8_lossy(output.json(at)).into_owned(), target }
    };
    let failed = output.failed.first();
    let ended = match (failed, output.dropped.first()) {
        (Some(_), _) => Ended::Failed,
        (None, Some(_)) => Ended::Dropped,
        (None, None) => Ended::Kept,
    };
    let error = failed.map(|failed| {
        let step = failed.step.map(|step| &program.steps()[step.0 as usize]);
        let place = step.map_or_else(String::new, |step| {
            format!("{} at {}:{}: ", step.kind, step.at.file.display(), step.at.line)
        });
        format!("{place}{}", failed.cause)
    });
    let steps = scratch.take_noted().into_iter().map(|did| taken(program, did)).collect();
    Outcome { ended, events: (0..output.kept.len()).map(left).collect(), error, steps }
}

fn taken(program: &Program, did: Did) -> Taken {
    let step = &program.steps()[did.step.0 as usize];
    Taken {
        processor: step.kind,
        tag: step.tag.as_deref().map(str::to_owned),
        pipeline: step.pipeline.to_string(),
        at: format!("{}:{}", step.at.file.display(), step.at.line),
        depth: did.depth,
        what: did.what,
        changes: did.changes,
        took: did.took,
    }
}

impl Left {
    /// As a value.
    pub(super) fn value(&self) -> Value {
        serde_json::from_str(&self.json).unwrap_or(Value::Null) // what the pipeline writes is JSON
    }
}

impl Ended {
    /// The word for it.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Dropped => "dropped",
            Self::Failed => "failed",
        }
    }
}

impl Outcome {
    /// As `-extended` has it. `event` and `target` are those of the event itself; copies that were sent before it are
    /// in `copies`.
    pub(super) fn to_json(&self) -> Value {
        let (last, copies) = match self.events.split_last() {
            Some((last, copies)) => (Some(last), copies),
            None => (None, &[][..]),
        };
        let mut line = json!({
            "outcome": self.ended.word(),
            "event": last.map(Left::value),
            "target": last.and_then(|left| left.target.as_deref()),
            "error": self.error,
        });
        if !copies.is_empty() {
            let copy = |left: &Left| json!({"event": left.value(), "target": left.target});
            line["copies"] = copies.iter().map(copy).collect();
        }
        line["steps"] = self.steps.iter().map(Taken::to_json).collect();
        line
    }
}

impl Taken {
    /// What it did, in a word, and why it failed.
    pub(super) fn did(&self) -> (&'static str, Option<&str>) {
        match &self.what {
            What::Completed => ("completed", None),
            What::Failed(why) => ("failed", Some(why)),
            What::Skipped => ("skipped", None),
            What::Dropped => ("dropped", None),
            What::Returned => ("returned", None),
        }
    }

    fn to_json(&self) -> Value {
        let (did, error) = self.did();
        let mut step = Map::new();
        step.insert("processor".to_owned(), json!(self.processor));
        if let Some(tag) = &self.tag {
            step.insert("tag".to_owned(), json!(tag));
        }
        step.insert("pipeline".to_owned(), json!(self.pipeline));
        step.insert("at".to_owned(), json!(self.at));
        step.insert("depth".to_owned(), json!(self.depth));
        step.insert("did".to_owned(), json!(did));
        if let Some(error) = error {
            step.insert("error".to_owned(), json!(error));
        }
        if !self.changes.is_empty() {
            step.insert("changed".to_owned(), self.changes.iter().map(change).collect());
        }
        step.insert("took_ns".to_owned(), json!(self.took.as_nanos() as u64));
        Value::Object(step)
    }
}

/// `before` is left out for a field that is new, `after` for one that is gone.
fn change(change: &Change) -> (String, Value) {
    let mut sides = Map::new();
    for (name, side) in [("before", &change.before), ("after", &change.after)] {
        if let Some(value) = side {
            sides.insert(name.to_owned(), value.clone());
        }
    }
    (change.field.clone(), Value::Object(sides))
}
