//! `go_to`: jumps to a processor.

use crate::compile::spec::optional;
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

pub(super) static SPEC: Spec = Spec {
    name: "go_to",
    family: "flow",
    summary: "Goes on at the first processor of the pipeline that has a tag.",
    details: "Backwards makes a loop; the steps that one event may take are limited. The target stands beside the jump or \
              further out, not inside another group, loop or handler.",
    options: &[optional("target_tag", "", "The tag to jump to; it must be there.")],
    examples: &[Example {
        title: "over a processor",
        event: "{}",
        processors: "- go_to: {target_tag: end}\n- set: {field: a, value: 1}\n- set: {field: b, value: 2, tag: end}",
        outcome: Outcome::Event(r#"{"b": 2}"#),
    }],
    compile,
};

struct GoTo(u32);

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let tag = options.required_text("target_tag")?;
    let at = options.place_of("target_tag");
    let missing = at.error(
        format!("go_to: the option \"target_tag\": no processor of this pipeline has the tag {tag:?}"),
        "give the target this `tag:`",
    );
    Ok(Box::new(GoTo(options.compiler().jump(&tag, missing))))
}

impl Processor for GoTo {
    fn run(&self, _: &mut Context<'_>) -> Ran {
        Ok(Flow::GoTo(self.0))
    }
}
