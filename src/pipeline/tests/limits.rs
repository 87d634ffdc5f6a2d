//! Limits end events, mistakes end configurations, and nothing panics.

use event::model::Keys;
use pipeline::condition::Condition;
use pipeline::template::Template;
use pipeline::{Form, Input, Library, Node, Origin, Output, Program, Scratch};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;

fn library(pipelines: &Value) -> Library {
    let mut library = Library::default();
    for (name, processors) in pipelines.as_object().expect("pipelines") {
        library.add(name, Node::from_json(Path::new("test.yml"), &json!({ "processors": processors })));
    }
    library
}

/// What is wrong with pipelines, as texts.
fn refused(pipelines: &Value) -> Vec<String> {
    match Program::compile(&Keys::default(), &library(pipelines), &["main"]) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.iter().map(ToString::to_string).collect(),
    }
}

fn run(pipelines: &Value, doc: &str) -> Output {
    let keys = Keys::default();
    let program = Program::compile(&keys, &library(pipelines), &["main"]).expect("the pipelines are right");
    let origin = Origin::default();
    let input = Input { record: 0, bytes: doc.as_bytes(), form: Form::Event, origin: &origin };
    let mut out = Output::default();
    program.run(&mut Scratch::new(&keys), [input], 0, &mut out);
    out
}

#[test]
fn a_jump_that_never_ends_fails_its_event_whatever_its_handlers_say() {
    let jump = json!({"main": [
        {"set": {"field": "a", "value": 1, "tag": "again"}},
        {"go_to": {"target_tag": "again", "ignore_failure": true}},
    ]});
    let out = run(&jump, "{}");
    assert!(out.kept.is_empty());
    assert!(out.failed[0].cause.to_string().contains("took more steps"), "{}", out.failed[0].cause);
}

#[test]
fn an_event_that_wraps_itself_again_and_again_ends_at_the_depth_limit() {
    let wrap = json!({"main": [
        {"set": {"field": "x", "value": {"y": "{{x}}"}, "tag": "again", "ignore_empty_value": true}},
        {"go_to": {"target_tag": "again"}},
    ]});
    let out = run(&wrap, r#"{"x": {"y": 1}}"#);
    assert!(out.failed[0].cause.to_string().contains("nested deeper"), "{}", out.failed[0].cause);
}

#[test]
fn pipelines_that_call_each_other_in_a_circle_are_refused() {
    let circle = json!({"main": [{"pipeline": {"name": "b"}}], "b": [{"pipeline": {"name": "{{ IngestPipeline \"main\" }}"}}]});
    assert_eq!(refused(&circle).len(), 1);
    assert!(refused(&circle)[0].contains("calls itself"), "{:?}", refused(&circle));
}

#[test]
fn all_mistakes_come_at_once_each_with_what_may_be_meant() {
    let wrong = json!({"main": [
        {"sett": {"field": "a", "value": 1}},
        {"set": {"feld": "a", "value": 1}},
        {"set": {"field": "a", "value": 1, "if": "a =="}},
        {"gsub": {"field": "a", "pattern": "(", "replacement": ""}},
        {"go_to": {"target_tag": "nowhere"}},
        {"script": {"source": "x"}},
        {"pipeline": {"name": "man"}},
        {"set": {"field": "a..b", "value": 1}},
    ]});
    let problems = refused(&wrong);
    let expected = [
        "did you mean \"set\"",
        "did you mean \"field\"",
        "a value is missing here",
        "regular expression is not valid",
        "\"script\" is not available: scripts are not supported",
        "did you mean \"main\"",
        "an empty part",
        "has the tag \"nowhere\"",
    ];
    for text in expected {
        assert!(problems.iter().any(|problem| problem.contains(text)), "{text} in {problems:#?}");
    }
    assert!(problems.iter().all(|problem| problem.starts_with("test.yml:1:1: ")), "{problems:#?}");
}

#[test]
fn what_failed_is_said_to_its_handler_and_counted() {
    let handled = json!({"main": [{"rename": {
        "field": "a", "target_field": "b", "tag": "t",
        "on_failure": [{"set": {"field": "why", "value": "{{_ingest.on_failure_processor_type}} {{_ingest.on_failure_processor_tag}} {{_ingest.on_failure_pipeline}}: {{_ingest.on_failure_message}}"}}],
    }}]});
    let out = run(&handled, "{}");
    assert_eq!(out.json(0), br#"{"why":"rename t main: field [a] is missing"}"#);
}

proptest! {
    #[test]
    fn any_text_is_a_condition_or_refused(text in "[ -~é\n]{0,60}") {
        let _ = Condition::compile(&Keys::default(), &text);
    }

    #[test]
    fn any_text_of_the_language_s_words_is_a_condition_or_refused(
        words in prop::collection::vec(
            prop::sample::select(vec![
                "a", "b.c", "?.", "(", ")", "[", "]", "{", "}", "1", "'x'", "==", "in", "not", "&&", "||", "!", "??", "?", ":",
                "#", ".", "any", "filter", "len", ",", "..", "matches", "+", "-", "/", "=~", "nil", "contains",
            ]),
            0..16,
        ),
    ) {
        let keys = Keys::default();
        if let Ok(condition) = Condition::compile(&keys, &words.join(" ")) {
            let mut doc = event::model::Document::new(&keys);
            let mut event = doc.start(b"text");
            let _ = condition.value(&mut event, &Origin::default());
        }
    }

    #[test]
    fn any_text_is_a_template_or_refused(text in "[{}a.x# é\"]{0,40}") {
        let _ = Template::compile(&Keys::default(), &text);
    }

    #[test]
    fn parsers_take_or_refuse_any_text(text in "[ -~é\n\t]{0,80}") {
        let processors = json!({"main": [
            {"syslog": {"field": "m", "target_field": "s", "ignore_failure": true}},
            {"json": {"field": "m", "target_field": "j", "ignore_failure": true}},
            {"kv": {"field": "m", "target_field": "k", "field_split": " ", "value_split": "=", "ignore_failure": true}},
            {"csv": {"field": "m", "target_fields": ["c1", "c2"], "ignore_failure": true}},
            {"dissect": {"field": "m", "pattern": "%{a} %{b->} %{+a}", "ignore_failure": true}},
            {"grok": {"field": "m", "patterns": ["%{IP:g.ip} %{NUMBER:g.n:int}"], "ignore_failure": true}},
            {"date": {"field": "m", "ignore_failure": true}},
            {"split": {"field": "m", "separator": "", "target_field": "p", "ignore_failure": true}},
        ]});
        let out = run(&processors, &json!({"m": text}).to_string());
        prop_assert_eq!(out.kept.len(), 1);
        prop_assert!(serde_json::from_slice::<Value>(out.json(0)).is_ok());
    }
}
