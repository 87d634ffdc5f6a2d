//! `group`: several processors as one.

use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Block, Flow, Processor, Ran, nested};

pub(super) static SPEC: Spec = Spec {
    name: "group",
    family: "flow",
    summary: "Runs several processors as one, with one condition and one failure handling.",
    details: "",
    options: &[
        required("name", "What `parent_group` refers to."),
        required("processors", "The processors."),
        optional("parent_group", "", "Run only if this group was the last one to succeed."),
    ],
    examples: &[Example {
        title: "a chain",
        event: "{}",
        processors: "- group: {name: one, processors: [{set: {field: a, value: 1}}]}\n- group: {name: two, parent_group: one, processors: [{set: {field: b, value: 2}}]}\n- group: {name: three, parent_group: one, processors: [{set: {field: c, value: 3}}]}",
        outcome: Outcome::Event(r#"{"a": 1, "b": 2}"#),
    }],
    compile,
};

struct Group {
    number: u32,
    parent: Option<u32>,
    block: Block,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let name = options.required_text("name")?;
    let parent = options.text("parent_group")?;
    let processors = options.required("processors")?;
    let block = options.block(processors);
    let number = options.compiler().group(&name);
    let parent = parent.map(|parent| options.compiler().group(&parent));
    Ok(Box::new(Group { number, parent, block }))
}

impl Processor for Group {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        if self.parent.is_some() && self.parent != cx.progress.last_group {
            return Ok(Flow::Next);
        }
        let flow = nested(cx, |cx| self.block.run(cx))?;
        cx.progress.last_group = Some(self.number);
        Ok(if flow == Flow::Return { Flow::Next } else { flow })
    }
}
