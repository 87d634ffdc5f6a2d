//! The reference of the processors, made from what they say about themselves: `docs/processors.md` and a page for each.
//!
//! `cargo run -q -p pipeline --example reference` writes it; a test fails while the files differ from what is made here.

use crate::compile::spec::COMMON;
use crate::compile::{Example, OptionDoc, Outcome, Spec};
use crate::limits::{self, Limit};
use crate::processors::{ABSENT, ALL};
use std::fmt::Write;

/// A file of the reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Where it belongs below `docs/`.
    pub path: String,
    /// What is in it, Markdown.
    pub text: String,
}

const MADE_BY: &str =
    "<!-- Made by `cargo run -q -p pipeline --example reference`; change the source instead. -->\n\n";

/// All files, the index first.
pub fn pages() -> Vec<Page> {
    let mut pages = vec![Page { path: "processors.md".to_owned(), text: index() }];
    pages.extend(
        ALL.iter().map(|spec| Page { path: format!("processors/{}.md", spec.name), text: page(spec) }),
    );
    pages
}

// Writing to a string does not fail, hence the results that are not looked at.

fn index() -> String {
    let mut text = format!(
        "{MADE_BY}# Processors\n\nA pipeline is a list of processors, run one after the other on each event; [pipelines](pipelines.md) \
         says how, with conditions, templates, failure handling and limits. There are {}.\n",
        ALL.len()
    );
    let mut families: Vec<&str> = ALL.iter().map(|spec| spec.family).collect();
    families.sort_unstable();
    families.dedup();
    for family in families {
        let _ = write!(text, "\n## {family}\n\n| processor | what it does |\n|---|---|\n");
        let mut members: Vec<&&Spec> = ALL.iter().filter(|spec| spec.family == family).collect();
        members.sort_unstable_by_key(|spec| spec.name);
        for spec in members {
            let _ = writeln!(text, "| [`{0}`](processors/{0}.md) | {1} |", spec.name, cell(spec.summary));
        }
    }
    text.push_str("\n## Options of all processors\n\n");
    options(COMMON.iter(), &mut text);
    text.push_str("\n## Limits\n\nWhat exceeds one is said in the log and counted; nothing hangs or takes more memory.\n\n");
    text.push_str("| on | at most | beyond it |\n|---|---|---|\n");
    for Limit { on, value, unit, beyond } in limits::ALL {
        let _ = writeln!(text, "| {on} | {value} {unit} | {} |", beyond.text());
    }
    text.push_str("\n## Not available\n\nThese names are refused, and the message says why.\n\n| why | processors |\n|---|---|\n");
    for (why, names) in ABSENT.iter().filter(|(_, names)| !names.is_empty()) {
        let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        let _ = writeln!(text, "| {why} | {} |", names.join(" "));
    }
    text
}

fn page(spec: &Spec) -> String {
    let mut text = format!("{MADE_BY}# {}\n\n{}\n", spec.name, spec.summary);
    if !spec.details.is_empty() {
        let _ = write!(text, "\n{}\n", spec.details);
    }
    text.push_str("\n## Options\n\n");
    if spec.options.is_empty() {
        text.push_str("It has no options of its own");
    } else {
        options(spec.options.iter(), &mut text);
        text.push_str("\nBeside them");
    }
    text.push_str(" there are the [options of all processors](../processors.md#options-of-all-processors).\n\n## Examples\n");
    for example in spec.examples {
        shown(example, &mut text);
    }
    text
}

fn options<'o>(options: impl Iterator<Item = &'o OptionDoc>, text: &mut String) {
    text.push_str("| option | default | meaning |\n|---|---|---|\n");
    for option in options {
        let default = match (option.required, option.default) {
            (true, _) => "required",
            (false, "") => "–",
            (false, default) => default,
        };
        let _ = writeln!(text, "| `{}` | {} | {} |", option.name, cell(default), cell(option.text));
    }
}

fn shown(example: &Example, text: &mut String) {
    let Example { title, event, processors, outcome } = example;
    let _ = write!(text, "\n### {title}\n\n```yaml\n{processors}\n```\n\n```json\n{event}\n```\n\n");
    let _ = match outcome {
        Outcome::Event(event) => write!(text, "becomes\n\n```json\n{event}\n```\n"),
        Outcome::Dropped => writeln!(text, "is dropped."),
        Outcome::Fails(why) => writeln!(text, "fails: “{why}”."),
    };
}

/// A text within a table.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
