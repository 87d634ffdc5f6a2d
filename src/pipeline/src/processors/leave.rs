//! `return`, `continue`, `final`: leaving blocks of processors early.

use crate::compile::{Example, Outcome, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

pub(super) static RETURN: Spec = Spec {
    name: "return",
    family: "flow",
    summary: "Leaves the current group, pipeline or element of a loop.",
    details: "",
    options: &[],
    examples: &[Example {
        title: "out of a group",
        event: "{}",
        processors: "- group:\n    name: g\n    processors:\n      - return: {}\n      - set: {field: a, value: 1}\n- set: {field: b, value: 2}",
        outcome: Outcome::Event(r#"{"b": 2}"#),
    }],
    compile: |_| Ok(Box::new(Leave(Flow::Return))),
};

pub(super) static CONTINUE: Spec = Spec {
    name: "continue",
    family: "flow",
    summary: "Goes on with the next element of a `foreach`; elsewhere it leaves the current block.",
    details: "",
    options: &[],
    examples: &[Example {
        title: "elements that are left out",
        event: r#"{"l": [1, 2]}"#,
        processors: "- foreach:\n    field: l\n    processor:\n      - continue: {if: _ingest._value == 1}\n      - set: {field: _ingest._value, value: 0}",
        outcome: Outcome::Event(r#"{"l": [1, 0]}"#),
    }],
    compile: |_| Ok(Box::new(Leave(Flow::Continue))),
};

pub(super) static FINAL: Spec = Spec {
    name: "final",
    family: "flow",
    summary: "Ends all processing of the event, in every pipeline, and keeps it.",
    details: "",
    options: &[],
    examples: &[Example {
        title: "nothing more",
        event: "{}",
        processors: "- final: {}\n- set: {field: a, value: 1}",
        outcome: Outcome::Event("{}"),
    }],
    compile: |_| Ok(Box::new(Leave(Flow::Final))),
};

struct Leave(Flow);

impl Processor for Leave {
    fn run(&self, _: &mut Context<'_>) -> Ran {
        Ok(self.0)
    }
}
