//! `fail`: raises an error.

use crate::compile::spec::required;
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Processor, Ran};
use crate::template::{Missing, Template};

pub(super) static SPEC: Spec = Spec {
    name: "fail",
    family: "flow",
    summary: "Raises an error with a message.",
    details: "",
    options: &[required("message", "What to say; may have templates in it.")],
    examples: &[Example {
        title: "a required field",
        event: r#"{"user": "ann"}"#,
        processors: "- fail: {message: 'no host for {{user}}', if: host == nil}",
        outcome: Outcome::Fails("no host for ann"),
    }],
    compile,
};

struct Fail(Template);

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("message")?;
    let message = options.template("message")?.ok_or(Reported)?;
    Ok(Box::new(Fail(message)))
}

impl Processor for Fail {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        Err(Failure::text(self.0.render(cx, Missing::IsEmpty)?))
    }
}
