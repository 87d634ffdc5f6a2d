//! `recover`: ends a failure.

use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

pub(super) static SPEC: Spec = Spec {
    name: "recover",
    family: "flow",
    summary: "Inside `on_failure`: the failure is over; the rest of the handler is left out and the flow goes on.",
    details: "Elsewhere it does nothing.",
    options: &[],
    examples: &[Example {
        title: "in a handler",
        event: "{}",
        processors: "- set:\n    field: user\n    value: '{{invalid.field}}'\n    on_failure:\n      - set: {field: user, value: unknown}\n      - recover: {}\n      - fail: {message: never}",
        outcome: Outcome::Event(r#"{"user": "unknown"}"#),
    }],
    compile,
};

struct Recover;

fn compile(_: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(Recover))
}

impl Processor for Recover {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        cx.progress.recovered = cx.progress.handlers > 0;
        Ok(Flow::Next)
    }
}
