//! A mistake in each place where one can be: its message has file, line, column, the option, and what is allowed.

use event::model::Keys;
use pipeline::{Library, Node, Program};
use std::path::Path;

/// Pipelines as they are written, with `§` where the mistake is, and what is said about it.
const MISTAKES: &[(&str, &str)] = &[
    // the pipeline
    (
        "§proccessors: []\nprocessors: []",
        "a pipeline has no option \"proccessors\"; did you mean \"processors\"",
    ),
    ("processors: §text", "processors are a list and not a text"),
    ("if: §'a =='\nprocessors: []", "a value is missing here"),
    ("if: §[a]\nprocessors: []", "a condition is a text and not a list"),
    ("ignore_failure: §maybe\nprocessors: []", "this is true or false and not a text; write true or false"),
    ("on_failure: §[]\nprocessors: []", "on_failure has no processors"),
    // the processor
    ("processors:\n  - §sett: {field: a, value: 1}", "there is no processor \"sett\"; did you mean \"set\""),
    ("processors:\n  - §script: {source: x}", "\"script\" is not available: scripts are not supported"),
    ("processors:\n  - §text", "a processor is a map with one key and not a text"),
    ("processors:\n  - §set: {field: a, value: 1}\n    drop: {}", "a processor has one key, its name"),
    ("processors:\n  - set: §text", "set: its options are a map and not a text"),
    // its options
    ("processors:\n  - §set: {value: 1}", "set: the option \"field\" is missing; add `field:`"),
    (
        "processors:\n  - set: {§feld: a, value: 1}",
        "set: there is no option \"feld\"; did you mean \"field\"",
    ),
    (
        "processors:\n  - set: {field: §a..b, value: 1}",
        "set: the option \"field\": a field path has an empty part",
    ),
    ("processors:\n  - trim: {field: §[a]}", "the option \"field\" is a field path and not a list"),
    ("processors:\n  - set: {field: a, value: §'{{}}'}", "a template has nothing between its braces"),
    (
        "processors:\n  - set: {field: a, value: §1, copy_from: b}",
        "there is `value` or `copy_from`, not both",
    ),
    (
        "processors:\n  - set: {field: a, value: 1, override: §soon}",
        "the option \"override\" is true or false and not a text",
    ),
    (
        "processors:\n  - gsub: {field: a, pattern: §'(', replacement: b}",
        "the regular expression is not valid",
    ),
    ("processors:\n  - grok: {field: a, patterns: §['%{NOPE:x}']}", "NOPE"),
    ("processors:\n  - dissect: {field: a, pattern: §'no keys'}", "dissect"),
    (
        "processors:\n  - convert: {field: a, type: §interger}",
        "has no value \"interger\"; did you mean \"integer\"",
    ),
    (
        "processors:\n  - go_to: {target_tag: §nowhere}",
        "no processor of this pipeline has the tag \"nowhere\"",
    ),
    ("processors:\n  - pipeline: {name: §mian}", "there is no pipeline \"mian\"; did you mean \"main\""),
    ("processors:\n  - pipeline: {name: §main}", "the pipeline \"main\" calls itself"),
    ("processors:\n  - date: {field: a, formats: [UNIX], timezone: §Mars/Base}", "Mars/Base"),
    // its common options
    ("processors:\n  - set: {field: a, value: 1, if: §a === 1}", "at character"),
    (
        "processors:\n  - set: {field: a, value: 1, ignore_failure: §2}",
        "this is true or false and not a number",
    ),
    ("processors:\n  - set: {field: a, value: 1, disabled: §2}", "this is true or false and not a number"),
    ("processors:\n  - set: {field: a, value: 1, on_failure: §[]}", "on_failure has no processors"),
    // processors in each other
    ("processors:\n  - set: {field: a, value: 1, on_success: [{§st: {}}]}", "there is no processor \"st\""),
    (
        "processors:\n  - set:\n      field: a\n      value: 1\n      on_failure:\n        - §sat: {}",
        "there is no processor \"sat\"",
    ),
    ("on_failure:\n  - §sat: {}\nprocessors: []", "there is no processor \"sat\""),
    ("processors:\n  - foreach: {field: a, processor: {§uper: {}}}", "there is no processor \"uper\""),
    ("processors:\n  - group: {name: g, processors: [{§sat: {}}]}", "there is no processor \"sat\""),
    ("processors:\n  - case: {field: a, cases: [{condition: §'b >', value: 1}]}", "at character"),
];

fn messages(text: &str) -> Vec<String> {
    let documents = config::parse(Path::new("pipelines/main.yml"), text).expect("yaml");
    let mut library = Library::default();
    library.add("main", Node::from(&documents[0]));
    match Program::compile(&Keys::default(), &library, &["main"]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn every_mistake_is_said_with_its_place_and_what_is_allowed() {
    let mut wrong = Vec::new();
    for (marked, what) in MISTAKES {
        let at = marked.find('§').expect("a mark");
        let line = marked[..at].matches('\n').count() + 1;
        let column = marked[..at].rfind('\n').map_or(at, |newline| at - newline - 1) + 1;
        let place = format!("pipelines/main.yml:{line}:{column}: ");
        let said = messages(&marked.replace('§', ""));
        if !said.iter().any(|message| message.starts_with(&place) && message.contains(what)) {
            wrong.push(format!("{marked}\n   {place}{what}\n   said: {said:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn secrets_are_not_in_messages() {
    for text in [
        "processors:\n  - set: {field: a, value: 1, override: hunter2}",
        "processors:\n  - trim: {field: [hunter2]}",
    ] {
        assert!(messages(text).iter().all(|message| !message.contains("hunter2")), "{:?}", messages(text));
    }
}
