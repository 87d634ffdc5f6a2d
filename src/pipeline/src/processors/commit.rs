//! `commit`: sends what was staged.

use crate::compile::spec::optional;
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template};

pub(super) static SPEC: Spec = Spec {
    name: "commit",
    family: "flow",
    summary: "Sends now what `reroute` staged: all of it, or what is for one destination.",
    details: "A destination for which nothing was staged is an error; to commit nothing at all is not.",
    options: &[optional("destination", "all", "The target; may have templates in it.")],
    examples: &[Example {
        title: "nothing staged",
        event: r#"{"a": 1}"#,
        processors: "- commit: {}",
        outcome: Outcome::Event(r#"{"a": 1}"#),
    }],
    compile,
};

struct Commit(Option<Template>);

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(Commit(options.template("destination")?)))
}

impl Processor for Commit {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(destination) = &self.0 else {
            cx.commit(None);
            return Ok(Flow::Next);
        };
        let destination = destination.render(cx, Missing::Fails)?;
        if cx.staged.is_empty() || cx.commit(Some(&destination)) {
            return Ok(Flow::Next);
        }
        Err(Failure::text(format!("nothing is staged for the destination {destination:?}")))
    }
}
