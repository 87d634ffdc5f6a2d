//! `regex_filter`: drops events that match.

use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::pattern::Pattern;
use crate::step::{Flow, Processor, Ran};
use crate::template::write_plain;
use event::model::Path;

pub(super) static SPEC: Spec = Spec {
    name: "regex_filter",
    family: "flow",
    summary: "Discards the event when a field matches any of several regular expressions.",
    details: "",
    options: &[
        FIELD,
        optional("regex", "", "The regular expression."),
        optional("regexes", "", "Several."),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "health checks",
        event: r#"{"path": "/healthz"}"#,
        processors: "- regex_filter: {field: path, regexes: ['^/health', '^/ready']}",
        outcome: Outcome::Dropped,
    }],
    compile,
};

struct RegexFilter {
    field: Path,
    patterns: Vec<Pattern>,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let mut patterns = Vec::new();
    for name in ["regex", "regexes"] {
        let at = options.place_of(name);
        for text in options.texts(name)? {
            patterns.push(options.pattern_of(&at, &text)?);
        }
    }
    if patterns.is_empty() {
        if let Some(node) = options.node("regexes") {
            return Err(options.error(&node.at, "there is no expression", "write it like ['^/health']"));
        }
        options.required("regex")?;
    }
    Ok(Box::new(RegexFilter { field, patterns, ignore_missing: options.flag("ignore_missing", false)? }))
}

impl Processor for RegexFilter {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(slot) = cx.value(&self.field) else {
            if self.ignore_missing {
                return Ok(Flow::Next);
            }
            return Err(Failure::missing(&self.field));
        };
        cx.with_buffer(|cx, buffer| {
            write_plain(&cx.event, slot, buffer)?;
            for pattern in &self.patterns {
                if pattern.is_match(buffer)? {
                    return Ok(Flow::Drop);
                }
            }
            Ok(Flow::Next)
        })
    }
}
