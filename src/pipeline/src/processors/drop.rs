//! `drop`: discards the event.

use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

pub(super) static SPEC: Spec = Spec {
    name: "drop",
    family: "flow",
    summary: "Discards the event; it is counted as dropped on purpose.",
    details: "",
    options: &[],
    examples: &[Example {
        title: "debug records",
        event: r#"{"level": "debug"}"#,
        processors: "- drop: {if: level == 'debug'}",
        outcome: Outcome::Dropped,
    }],
    compile,
};

struct Drop;

fn compile(_: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(Drop))
}

impl Processor for Drop {
    fn run(&self, _: &mut Context<'_>) -> Ran {
        Ok(Flow::Drop)
    }
}
