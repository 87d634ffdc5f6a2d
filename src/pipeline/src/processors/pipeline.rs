//! `pipeline`: runs another pipeline.

use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Pipeline, Processor, Ran, nested};
use crate::suggest::closest;
use crate::template::{Missing, Template};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(super) static SPEC: Spec = Spec {
    name: "pipeline",
    family: "flow",
    summary: "Runs another pipeline on the event.",
    details: "The name may be written bare or as `{{ IngestPipeline \"name\" }}`; a `.yml` behind it may be left out. Pipelines \
              that call each other in a circle are refused. A name with fields in it is looked up for each event.",
    options: &[
        required("name", "The pipeline."),
        optional("ignore_missing_pipeline", "false", "Do nothing when there is no pipeline of this name."),
    ],
    examples: &[Example {
        title: "one that may not exist",
        event: r#"{"a": 1}"#,
        processors: "- pipeline: {name: optional, ignore_missing_pipeline: true}",
        outcome: Outcome::Event(r#"{"a": 1}"#),
    }],
    compile,
};

enum Call {
    Fixed(Option<Arc<Pipeline>>),
    Dynamic { name: Template, pipelines: BTreeMap<String, Arc<Pipeline>>, ignore_missing: bool },
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let text = options.required_text("name")?;
    let at = options.place_of("name");
    let ignore_missing = options.flag("ignore_missing_pipeline", false)?;
    let name = bare_name(&text);
    if name.contains("{{") {
        let template = options.template_of(&at, name)?;
        let library = options.library();
        let mut pipelines = BTreeMap::new();
        for name in library.names() {
            // A pipeline that is being compiled would be a circle; calling it fails at run time.
            if !options.compiler().is_open(name)
                && let Some((name, node)) = library.get(name)
                && let Some(pipeline) = options.compiler().pipeline(name, node)
            {
                pipelines.insert(name.to_owned(), pipeline);
            }
        }
        return Ok(Box::new(Call::Dynamic { name: template, pipelines, ignore_missing }));
    }
    let library = options.library();
    let Some((name, node)) = library.get(name) else {
        if ignore_missing {
            return Ok(Box::new(Call::Fixed(None)));
        }
        let hint = closest(name, library.names());
        return Err(options.error(
            &at,
            format!("there is no pipeline {name:?}{hint}"),
            "define it below `pipelines:`, or set ignore_missing_pipeline: true",
        ));
    };
    if options.compiler().is_open(name) {
        let what = format!("the pipeline {name:?} calls itself, here or by way of others");
        return Err(options.error(&at, what, "break the circle"));
    }
    let callee = options.compiler().pipeline(name, node);
    Ok(Box::new(Call::Fixed(Some(callee.ok_or(Reported)?))))
}

/// `{{ IngestPipeline "name" }}` and `name` mean the same.
fn bare_name(text: &str) -> &str {
    let text = text.trim();
    let inner = text.strip_prefix("{{").and_then(|text| text.strip_suffix("}}")).unwrap_or(text).trim();
    match inner.strip_prefix("IngestPipeline") {
        Some(name) => name.trim().trim_matches(['"', '\'']),
        None => text,
    }
}

impl Processor for Call {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let callee = match self {
            Call::Fixed(callee) => callee.as_ref(),
            Call::Dynamic { name, pipelines, ignore_missing } => {
                let name = name.render(cx, Missing::Fails)?;
                let callee = pipelines.get(&name);
                if callee.is_none() && !ignore_missing {
                    return Err(Failure::text(format!(
                        "there is no pipeline {name:?} that can be called here"
                    )));
                }
                callee
            }
        };
        let Some(callee) = callee else { return Ok(Flow::Next) };
        let flow = nested(cx, |cx| callee.run(cx))?;
        // Outside a loop, `continue` leaves the pipeline it stands in.
        Ok(if flow == Flow::Continue && cx.progress.loops == 0 { Flow::Next } else { flow })
    }
}
