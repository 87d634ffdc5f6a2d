//! `lowercase`, `uppercase`, `trim`.

use super::target::Target;
use crate::compile::spec::{IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, OptionDoc, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

const OPTIONS: &[OptionDoc] = &[
    optional("field", "", "The field: a text, or a list of texts."),
    TARGET_FIELD,
    optional("fields", "", "Several fields, each changed in its place."),
    optional("exclude", "", "Fields of `fields` that stay as they are."),
    IGNORE_MISSING,
];

macro_rules! spec {
    ($name:literal, $summary:literal, $before:literal, $after:literal, $change:expr) => {
        Spec {
            name: $name,
            family: "text",
            summary: $summary,
            details: "Lists are changed element by element.",
            options: OPTIONS,
            examples: &[Example {
                title: "a list",
                event: $before,
                processors: concat!("- ", $name, ": {field: a}"),
                outcome: Outcome::Event($after),
            }],
            compile: |options| compile(options, $change),
        }
    };
}

pub(super) static LOWERCASE: Spec =
    spec!("lowercase", "Makes letters small.", r#"{"a": ["Ab", "ÄÖ"]}"#, r#"{"a": ["ab", "äö"]}"#, lower);
pub(super) static UPPERCASE: Spec =
    spec!("uppercase", "Makes letters capital.", r#"{"a": ["Ab", "äö"]}"#, r#"{"a": ["AB", "ÄÖ"]}"#, upper);
pub(super) static TRIM: Spec =
    spec!("trim", "Removes blanks at both ends.", r#"{"a": [" b ", "c"]}"#, r#"{"a": ["b", "c"]}"#, trim);

type Change = fn(&[u8], &mut Vec<u8>);

struct TextCase {
    targets: Vec<Target>,
    change: Change,
}

fn compile(options: &mut Options<'_, '_>, change: Change) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(TextCase { targets: Target::read_several(options)?, change }))
}

impl Processor for TextCase {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        for target in &self.targets {
            target.change_texts(cx, self.change)?;
        }
        Ok(Flow::Next)
    }
}

fn lower(text: &[u8], out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend(text.iter().map(u8::to_ascii_lowercase));
    } else {
        out.extend_from_slice(String::from_utf8_lossy(text).to_lowercase().as_bytes());
    }
}

fn upper(text: &[u8], out: &mut Vec<u8>) {
    if text.is_ascii() {
        out.extend(text.iter().map(u8::to_ascii_uppercase));
    } else {
        out.extend_from_slice(String::from_utf8_lossy(text).to_uppercase().as_bytes());
    }
}

fn trim(text: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(text) {
        Ok(text) => out.extend_from_slice(text.trim().as_bytes()),
        Err(_) => out.extend_from_slice(text.trim_ascii()),
    }
}
