//! `reroute`: names another target, now or when the event is committed.

use crate::compile::spec::optional;
use crate::compile::{Example, OptionDoc, Options, Outcome, Reported, Spec};
use crate::condition::Condition;
use crate::context::{Context, Staged};
use crate::failure::Failure;
use crate::output::Routing;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template};
use std::sync::Arc;

const ATTRIBUTES: [&str; 11] = [
    "source",
    "table",
    "index",
    "schema",
    "bucket",
    "container",
    "stream",
    "topic",
    "log_type",
    "namespace",
    "dataset",
];

const fn attribute(name: &'static str) -> OptionDoc {
    optional(name, "", "Metadata for the target; may have templates in it.")
}

pub(super) static SPEC: Spec = Spec {
    name: "reroute",
    family: "flow",
    summary: "Sends the event to a named target instead of the route's, and sets metadata for the target.",
    details: "With `clone` a copy goes there as the event is now, and the event goes on. With `staging` the copy waits for \
              `commit` or the end; a later one for the same target replaces it.",
    options: &[
        optional("destination", "", "The target; may have templates in it."),
        optional("target", "", "Another name for `destination`."),
        attribute("source"),
        attribute("table"),
        attribute("index"),
        attribute("schema"),
        attribute("bucket"),
        attribute("container"),
        attribute("stream"),
        attribute("topic"),
        attribute("log_type"),
        attribute("namespace"),
        attribute("dataset"),
        optional("clone", "false", "Send a copy now and go on."),
        optional("staging", "false", "Keep a copy until `commit` or the end; true, false or a template."),
    ],
    examples: &[Example {
        title: "the event itself stays as it is",
        event: r#"{"a": 1}"#,
        processors: "- reroute: {destination: archive, table: '{{a}}'}",
        outcome: Outcome::Event(r#"{"a": 1}"#),
    }],
    compile,
};

struct Reroute {
    destination: Option<Template>,
    attributes: Vec<(&'static str, Template)>,
    mode: Mode,
}

enum Mode {
    Move,
    Clone,
    Stage,
    StageIf(Condition),
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let destination = match options.template("destination")? {
        Some(template) => Some(template),
        None => options.template("target")?,
    };
    let mut attributes = Vec::new();
    for name in ATTRIBUTES {
        if let Some(template) = options.template(name)? {
            attributes.push((name, template));
        }
    }
    if destination.is_none() && attributes.is_empty() {
        options.required("destination")?;
    }
    let mode = match options.node("staging") {
        Some(node) if node.as_text().is_some_and(|text| text.contains("{{")) => {
            let text = node.as_text().unwrap_or_default().trim().trim_matches(['{', '}']).trim();
            let condition = Condition::compile(options.keys(), text.trim_start_matches('.'));
            Mode::StageIf(condition.map_err(|why| {
                options.error(&node.at, why.to_string(), "write true, false, or `{{ event.code == 4625 }}`")
            })?)
        }
        Some(node) if !matches!(node.value, Value::Bool(false)) && options.flag("staging", false)? => {
            Mode::Stage
        }
        _ if options.flag("clone", false)? => Mode::Clone,
        _ => Mode::Move,
    };
    Ok(Box::new(Reroute { destination, attributes, mode }))
}

impl Processor for Reroute {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let mut routing = Routing::default();
        if let Some(destination) = &self.destination {
            let name = destination.render(cx, Missing::Fails)?;
            if name.is_empty() {
                return Err(Failure::fixed("reroute has an empty destination"));
            }
            routing.destination = Some(Arc::from(name));
        }
        for (name, template) in &self.attributes {
            let value = template.render(cx, Missing::IsEmpty)?;
            routing.attributes.push((name, Arc::from(value)));
        }
        let stages = match &self.mode {
            Mode::Stage => true,
            Mode::StageIf(condition) => condition.is_truthy(&cx.event, cx.origin)?,
            Mode::Move | Mode::Clone => false,
        };
        if stages {
            let (mut json, mut text) = (Vec::new(), Vec::new());
            cx.out.forms_for(Some(&routing)).write(&cx.event, &mut json, &mut text)?;
            cx.staged.retain(|other| other.routing.destination != routing.destination);
            cx.staged.push(Staged { routing, json, text });
        } else if matches!(self.mode, Mode::Clone) {
            cx.put_out(Some(&routing))?;
        } else {
            // What an earlier reroute said and this one does not, stays.
            if let Some(before) = cx.routing.take() {
                routing.destination = routing.destination.or(before.destination);
                for (name, value) in before.attributes {
                    if !routing.attributes.iter().any(|(other, _)| *other == name) {
                        routing.attributes.push((name, value));
                    }
                }
            }
            cx.routing = Some(routing);
        }
        Ok(Flow::Next)
    }
}
