//! `trim_first` and `trim_last`: cuts characters and known words off one end.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, OptionDoc, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

const OPTIONS: &[OptionDoc] = &[
    FIELD,
    optional("count", "0", "How many characters are cut."),
    optional("keywords", "", "Words of which the first that fits is cut afterwards."),
    TARGET_FIELD,
    IGNORE_MISSING,
];

pub(super) static FIRST: Spec = Spec {
    name: "trim_first",
    family: "text",
    summary: "Cuts characters, then a known word, off the start of a text.",
    details: "",
    options: OPTIONS,
    examples: &[Example {
        title: "both",
        event: r#"{"a": "123ERROR: x"}"#,
        processors: "- trim_first: {field: a, count: 3, keywords: ['ERROR: ']}",
        outcome: Outcome::Event(r#"{"a": "x"}"#),
    }],
    compile: |options| compile(options, true),
};

pub(super) static LAST: Spec = Spec {
    name: "trim_last",
    family: "text",
    summary: "Cuts characters, then a known word, off the end of a text.",
    details: "",
    options: OPTIONS,
    examples: &[Example {
        title: "endings",
        event: r#"{"a": ["x.zip", "y"]}"#,
        processors: "- trim_last: {field: a, keywords: [.gz, .zip]}",
        outcome: Outcome::Event(r#"{"a": ["x", "y"]}"#),
    }],
    compile: |options| compile(options, false),
};

struct TrimEnd {
    target: Target,
    at_start: bool,
    count: usize,
    keywords: Vec<String>,
}

fn compile(options: &mut Options<'_, '_>, at_start: bool) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(TrimEnd {
        target: Target::read(options)?,
        at_start,
        count: options.int("count", 0..=1_000_000_000)?.unwrap_or(0) as usize,
        keywords: options.texts("keywords")?,
    }))
}

impl Processor for TrimEnd {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_texts(cx, |text, out| {
            let text = String::from_utf8_lossy(text);
            out.extend_from_slice(self.cut(&text).as_bytes());
        })?;
        Ok(Flow::Next)
    }
}

impl TrimEnd {
    fn cut<'t>(&self, text: &'t str) -> &'t str {
        if self.at_start {
            let start = text.char_indices().nth(self.count).map_or(text.len(), |(at, _)| at);
            let rest = &text[start..];
            return self.keywords.iter().find_map(|word| rest.strip_prefix(word.as_str())).unwrap_or(rest);
        }
        let rest = match self.count {
            0 => text,
            count => text.char_indices().nth_back(count - 1).map_or("", |(at, _)| &text[..at]),
        };
        self.keywords.iter().find_map(|word| rest.strip_suffix(word.as_str())).unwrap_or(rest)
    }
}
