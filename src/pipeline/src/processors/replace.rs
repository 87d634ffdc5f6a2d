//! `replace`: literal replacement.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template};
use memchr::memmem;

pub(super) static SPEC: Spec = Spec {
    name: "replace",
    family: "manipulate",
    summary: "Replaces a literal text by another.",
    details: "",
    options: &[
        FIELD,
        required("pattern", "The text to look for; may have templates in it. An empty one is found nowhere."),
        required("replacement", "What comes in its place; may have templates in it."),
        TARGET_FIELD,
        optional("replace_all", "true", "Whether all are replaced, or the first alone."),
        optional("case_sensitive", "true", "Whether capital and small letters differ."),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "the first alone, in any case",
        event: r#"{"a": "Log log"}"#,
        processors: "- replace: {field: a, pattern: log, replacement: x, replace_all: false, case_sensitive: false}",
        outcome: Outcome::Event(r#"{"a": "x log"}"#),
    }],
    compile,
};

struct Replace {
    target: Target,
    pattern: Template,
    replacement: Template,
    all: bool,
    case_sensitive: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = Target::read(options)?;
    options.required("pattern")?;
    options.required("replacement")?;
    let pattern = options.template("pattern")?.ok_or(Reported)?;
    let replacement = options.template("replacement")?.ok_or(Reported)?;
    let all = options.flag("replace_all", true)?;
    let case_sensitive = options.flag("case_sensitive", true)?;
    Ok(Box::new(Replace { target, pattern, replacement, all, case_sensitive }))
}

impl Processor for Replace {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let (mut pattern, mut replacement) = (Vec::new(), Vec::new());
        self.pattern.write(cx, &mut pattern, Missing::IsEmpty)?;
        self.replacement.write(cx, &mut replacement, Missing::IsEmpty)?;
        if !self.case_sensitive {
            pattern.make_ascii_lowercase();
        }
        let finder = memmem::Finder::new(&pattern);
        self.target.change_texts(cx, |text, out| {
            let folded = if self.case_sensitive { None } else { Some(text.to_ascii_lowercase()) };
            let searched = folded.as_deref().unwrap_or(text);
            let mut from = 0;
            while let Some(at) = finder.find(&searched[from..]).filter(|_| !pattern.is_empty()) {
                out.extend_from_slice(&text[from..from + at]);
                out.extend_from_slice(&replacement);
                from += at + pattern.len();
                if !self.all {
                    break;
                }
            }
            out.extend_from_slice(&text[from..]);
        })?;
        Ok(Flow::Next)
    }
}
