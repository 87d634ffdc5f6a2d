//! Watching a program at work: what each processor did with an event, for those who test pipelines.
//!
//! A program compiled by [`Program::compile_watched`](crate::Program::compile_watched) has its processors wrapped; other
//! programs know nothing of this and pay nothing for it. A watched step costs two copies of the whole event as JSON.

use crate::context::Context;
use crate::failure::Failure;
use crate::program::StepId;
use crate::step::{Flow, Processor, Ran};
use event::model::json_write;
use serde_json::Value;
use std::time::{Duration, Instant};

/// So many steps of an event are noted; a loop that takes more is cut off.
pub const MAX_NOTED_STEPS: usize = 10_000;

/// What a step did.
#[derive(Clone, Debug)]
pub struct Did {
    /// Which.
    pub step: StepId,
    /// In how many groups, loops, pipelines and handlers it stands.
    pub depth: u32,
    /// What came of it.
    pub what: What,
    /// What it changed; nothing for a step whose inner steps are noted, which changed it.
    pub changes: Vec<Change>,
    /// How long it took, with the steps inside it.
    pub took: Duration,
}

/// What came of a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// It did its work.
    Completed,
    /// It failed, and why; a handler may have taken it.
    Failed(String),
    /// Its condition does not hold.
    Skipped,
    /// It dropped the event.
    Dropped,
    /// It left the pipeline, group or element.
    Returned,
}

/// A field that a step changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// Its path.
    pub field: String,
    /// What it was; none if it was not there.
    pub before: Option<Value>,
    /// What it is; none if it is gone.
    pub after: Option<Value>,
}

/// A processor that is watched.
pub(crate) struct Watched {
    pub(crate) step: StepId,
    pub(crate) inner: Box<dyn Processor>,
}

impl Processor for Watched {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let at = cx.room.noted.len();
        if at >= MAX_NOTED_STEPS {
            return self.inner.run(cx);
        }
        let depth = cx.progress.depth;
        let (what, changes, took) = (What::Completed, Vec::new(), Duration::ZERO);
        cx.room.noted.push(Did { step: self.step, depth, what, changes, took });
        let before = picture(cx);
        let start = Instant::now();
        let result = self.inner.run(cx);
        let took = start.elapsed();
        let has_inner_steps = cx.room.noted.len() > at + 1;
        let mut changes = Vec::new();
        if !has_inner_steps {
            compare(&before, &picture(cx), &mut String::new(), &mut changes);
        }
        let did = &mut cx.room.noted[at];
        did.changes = changes;
        did.took = took;
        did.what = what_of(&result);
        result
    }
}

/// Notes a step whose condition does not hold.
#[cold]
pub(crate) fn note_skipped(step: StepId, cx: &mut Context<'_>) {
    note(step, What::Skipped, cx);
}

/// Notes a step whose condition can't be evaluated.
#[cold]
pub(crate) fn note_failed(step: StepId, failure: &Failure, cx: &mut Context<'_>) {
    note(step, What::Failed(failure.to_string()), cx);
}

fn note(step: StepId, what: What, cx: &mut Context<'_>) {
    if cx.room.noted.len() < MAX_NOTED_STEPS {
        let (depth, took) = (cx.progress.depth, Duration::ZERO);
        cx.room.noted.push(Did { step, depth, what, changes: Vec::new(), took });
    }
}

fn what_of(result: &Ran) -> What {
    match result {
        Err(failure) => What::Failed(failure.to_string()),
        Ok(Flow::Drop) => What::Dropped,
        Ok(Flow::Return | Flow::Final | Flow::Continue) => What::Returned,
        Ok(Flow::Next | Flow::GoTo(_)) => What::Completed,
    }
}

/// The event as it is, with its metadata.
fn picture(cx: &Context<'_>) -> Value {
    let mut json = Vec::new();
    match json_write::write_event_with_metadata(&cx.event, &mut json) {
        Ok(()) => serde_json::from_slice(&json).unwrap_or(Value::Null),
        Err(_) => Value::Null, // nested too deep, as whoever writes it will say
    }
}

fn compare(before: &Value, after: &Value, path: &mut String, changes: &mut Vec<Change>) {
    let (Value::Object(was), Value::Object(is)) = (before, after) else {
        if before != after {
            let (before, after) = (Some(before.clone()), Some(after.clone()));
            changes.push(Change { field: path.clone(), before, after });
        }
        return;
    };
    let length = path.len();
    let mut below = |name: &str, before: Option<&Value>, after: Option<&Value>| {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(name);
        match (before, after) {
            (Some(before), Some(after)) => compare(before, after, path, changes),
            (before, after) => {
                let field = path.clone();
                changes.push(Change { field, before: before.cloned(), after: after.cloned() });
            }
        }
        path.truncate(length);
    };
    for (name, before) in was {
        below(name, Some(before), is.get(name));
    }
    for (name, after) in is.iter().filter(|(name, _)| !was.contains_key(*name)) {
        below(name, None, Some(after));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Form, Input, Library, Node, Origin, Output, Program, Scratch};
    use event::model::Keys;
    use serde_json::json;

    /// What each step did, and what it changed.
    fn watch(processors: Value, event: &Value) -> Vec<(&'static str, u32, What, Vec<String>)> {
        let keys = Keys::default();
        let mut library = Library::default();
        let pipeline = Node::from_json(std::path::Path::new("test"), &json!({ "processors": processors }));
        library.add("main", pipeline);
        let program = Program::compile_watched(&keys, &library, &["main"]).expect("the pipeline is right");
        let (mut scratch, mut out, origin) = (Scratch::new(&keys), Output::default(), Origin::default());
        let event = event.to_string();
        let input = Input { record: 0, bytes: event.as_bytes(), form: Form::Event, origin: &origin };
        program.run(&mut scratch, [input], 0, &mut out);
        let shown = |change: Change| {
            let show = |value: Option<Value>| value.map_or("-".to_owned(), |value| value.to_string());
            format!("{}: {} > {}", change.field, show(change.before), show(change.after))
        };
        let did = scratch.take_noted().into_iter();
        did.map(|did| {
            let changes = did.changes.into_iter().map(shown).collect();
            (program.steps()[did.step.0 as usize].kind, did.depth, did.what, changes)
        })
        .collect()
    }

    #[test]
    fn each_step_says_what_it_did_and_what_it_changed() {
        let processors = json!([
            {"set": {"field": "a.b", "value": 2}},
            {"remove": {"field": "c"}},
            {"set": {"field": "x", "value": 1, "if": "a.b == 3"}},
            {"rename": {"field": "no", "target_field": "n", "on_failure": [{"set": {"field": "why", "value": "f"}}]}},
            {"drop": {}},
        ]);
        let did = watch(processors, &json!({"a": {"b": 1}, "c": [1]}));
        let failed = What::Failed("field [no] is missing".to_owned());
        let none = Vec::new;
        assert_eq!(
            did,
            [
                ("set", 0, What::Completed, vec!["a.b: 1 > 2".to_owned()]),
                ("remove", 0, What::Completed, vec!["c: [1] > -".to_owned()]),
                ("set", 0, What::Skipped, none()),
                ("rename", 0, failed, none()),
                ("set", 1, What::Completed, vec!["why: - > \"f\"".to_owned()]),
                ("drop", 0, What::Dropped, none()),
            ]
        );
    }

    #[test]
    fn what_inner_steps_change_is_said_of_them_alone() {
        let inner = json!([{"set": {"field": "a", "value": 1}}, {"return": {}}]);
        let did = watch(json!([{"group": {"name": "g", "processors": inner}}]), &json!({}));
        assert_eq!(
            did,
            [
                ("group", 0, What::Completed, Vec::new()),
                ("set", 1, What::Completed, vec!["a: - > 1".to_owned()]),
                ("return", 1, What::Returned, Vec::new()),
            ]
        );
    }

    #[test]
    fn an_endless_loop_is_noted_up_to_the_limit() {
        let processors =
            json!([{"set": {"field": "a", "value": 1, "tag": "t"}}, {"go_to": {"target_tag": "t"}}]);
        assert_eq!(watch(processors, &json!({})).len(), MAX_NOTED_STEPS);
    }
}
