//! `titlecase`: words with capital first letters.

use super::target::Target;
use crate::compile::spec::{IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

pub(super) static SPEC: Spec = Spec {
    name: "titlecase",
    family: "text",
    summary: "Words as in a Title: the First Letter Capital, the Rest Small.",
    details: "Words end at blanks and punctuation, which stay, but for `_`, which becomes a blank.",
    options: &[
        optional("field", "", "The field: a text, or a list of texts."),
        TARGET_FIELD,
        optional("fields", "", "Several fields, each changed in its place."),
        optional("exclude", "", "Fields of `fields` that stay as they are."),
        optional(
            "preserve_articles",
            "false",
            "Keep articles and short prepositions small, but for the first word.",
        ),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "words",
            event: r#"{"a": "USER-account_MANAGEMENT and Security"}"#,
            processors: "- titlecase: {field: a}",
            outcome: Outcome::Event(r#"{"a": "User-Account Management And Security"}"#),
        },
        Example {
            title: "articles",
            event: r#"{"a": "the art of data in the modern age"}"#,
            processors: "- titlecase: {field: a, preserve_articles: true}",
            outcome: Outcome::Event(r#"{"a": "The Art of Data in the Modern Age"}"#),
        },
    ],
    compile,
};

/// What stays small with `preserve_articles`.
const SMALL: [&str; 11] = ["a", "an", "the", "in", "on", "at", "by", "for", "of", "to", "up"];

struct TitleCase {
    targets: Vec<Target>,
    preserve_articles: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let targets = Target::read_several(options)?;
    Ok(Box::new(TitleCase { targets, preserve_articles: options.flag("preserve_articles", false)? }))
}

impl Processor for TitleCase {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        for target in &self.targets {
            target.change_texts(cx, |text, out| {
                let titled = titled(&String::from_utf8_lossy(text), self.preserve_articles);
                out.extend_from_slice(titled.as_bytes());
            })?;
        }
        Ok(Flow::Next)
    }
}

fn titled(text: &str, preserve_articles: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut word = String::new();
    let mut is_first = true;
    // The blank at the end ends the last word.
    for character in text.chars().chain([' ']) {
        if character.is_alphanumeric() || (character == '\'' && !word.is_empty()) {
            word.extend(character.to_lowercase());
            continue;
        }
        if preserve_articles && !is_first && SMALL.contains(&word.as_str()) {
            out.push_str(&word);
        } else {
            let mut letters = word.chars();
            out.extend(letters.next().into_iter().flat_map(char::to_uppercase));
            out.extend(letters);
        }
        is_first &= word.is_empty();
        word.clear();
        out.push(if character == '_' { ' ' } else { character });
    }
    out.pop();
    out
}
