//! Limits end events, mistakes end configurations, and nothing panics.

use event::model::Keys;
use pipeline::condition::Condition;
use pipeline::limits::{self, Beyond};
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

/// Pipelines and an event that exceed a limit, the first pipeline being `main`.
fn beyond(on: &str) -> (Value, String) {
    let nested = |inner: Value, levels: usize| {
        (0..levels).fold(inner, |inner, _| json!({"group": {"name": "g", "processors": [inner]}}))
    };
    let call = |name: &str| json!({"pipeline": {"name": name}});
    let one = |processor: Value| json!({"main": [processor]});
    let if_ = |condition: String| one(json!({"drop": {"if": condition}}));
    let grok = |definitions: Value| {
        one(json!({"grok": {"field": "m", "patterns": ["%{A99:x}"], "pattern_definitions": definitions}}))
    };
    let defined = |pattern: &dyn Fn(usize) -> String, from: usize| -> Value {
        (from..100).map(|n| (format!("A{n}"), json!(pattern(n)))).collect()
    };
    let names = |count: usize, length: usize| -> String {
        let field = |n: usize| format!("\"{n:0length$}\":1");
        format!("{{{}}}", (0..count).map(field).collect::<Vec<_>>().join(","))
    };
    let again = |processor: Value| json!({"main": [{"comment": {"tag": "again"}}, processor, {"go_to": {"target_tag": "again"}}]});
    let empty = "{}".to_owned();
    match on {
        "processors of all pipelines on the way of an event" => {
            (json!({"main": vec![json!({"comment": {}}); 20_001]}), empty)
        }
        "processors written in each other, with the pipelines they call" => {
            (one(nested(json!({"comment": {}}), 33)), empty)
        }
        "length of a condition" => (if_(format!("a == '{}'", "x".repeat(64 * 1024))), empty),
        "nesting of a condition" => (if_(format!("{}a{}", "(".repeat(65), ")".repeat(65))), empty),
        "compiled size of a regular expression" => (if_("a matches '(\\\\w{200}){20}'".to_owned()), empty),
        "grok patterns in each other" => {
            (grok(defined(&|n| if n == 50 { "x".to_owned() } else { format!("%{{A{}}}", n - 1) }, 50)), empty)
        }
        "expanded size of a grok expression" => {
            let doubled = |n: usize| match n {
                80 => "x".to_owned(),
                n => format!("%{{A{0}}}%{{A{0}}}", n - 1),
            };
            (grok(defined(&doubled, 80)), empty)
        }
        "pipelines, groups, loops and handlers in each other" => {
            // Each is flat enough by itself.
            let pipelines = json!({
                "p0": [nested(json!({"comment": {}}), 25)],
                "p1": [nested(call("p0"), 25)],
                "p2": [nested(call("p1"), 25)],
                "main": [call("p0"), call("p1"), call("p2")],
            });
            (pipelines, empty)
        }
        "steps of one event, jumps by `go_to` included" => (again(json!({"comment": {}})), empty),
        "elements that `foreach` goes over" => {
            let all = json!({"foreach": {"field": "m", "processor": {"comment": {}}}});
            (one(all), json!({"m": vec![0; 100_001]}).to_string())
        }
        "elements of a list that a condition makes" => (if_("len(1..100001) == 0".to_owned()), empty),
        "steps of a regular expression with look-around" => {
            let pattern =
                json!({"gsub": {"field": "m", "pattern": "^(?:(x+)(?=x|y))+y$", "replacement": ""}});
            (one(pattern), json!({"m": "x".repeat(100)}).to_string())
        }
        "nesting of an event" => {
            let wrap = json!({"set": {"field": "x", "value": {"y": "{{x}}"}, "ignore_empty_value": true}});
            (again(wrap), r#"{"x": {"y": 1}}"#.to_owned())
        }
        "fields and list elements of an event" => {
            (json!({"main": []}), json!({"m": vec![0; 256 * 1024]}).to_string())
        }
        "what processors make of an event" => {
            (again(json!({"set": {"field": "m", "value": "{{m}}{{m}}"}})), json!({"m": "text"}).to_string())
        }
        "names that only one event has" => (json!({"main": []}), names(4097, 129)),
        "names of fields that are kept, in the whole process" => (json!({"main": []}), names(66_000, 6)),
        "length of a name that is kept" => (json!({"main": []}), names(1, 129)),
        _ => panic!("no test exceeds the limit on {on}"),
    }
}

/// The processors of `main` in a group whose failure is ignored.
fn ignoring(pipelines: &Value) -> Value {
    let mut pipelines = pipelines.clone();
    let inner = pipelines["main"].take();
    pipelines["main"] = json!([{"group": {"name": "all", "processors": inner, "ignore_failure": true}}]);
    pipelines
}

#[test]
fn every_limit_of_the_reference_holds_and_says_so() {
    for limit in limits::ALL {
        let (pipelines, event) = beyond(limit.on);
        let said = match limit.beyond {
            Beyond::Refused => refused(&pipelines).join(" | "),
            Beyond::Fails => {
                let out = run(&ignoring(&pipelines), &event);
                out.failed.first().map(|failed| failed.cause.to_string()).unwrap_or_default()
            }
            Beyond::StepFails => {
                assert_eq!(run(&ignoring(&pipelines), &event).kept.len(), 1, "{}", limit.on);
                let out = run(&pipelines, &event);
                out.failed.first().map(|failed| failed.cause.to_string()).unwrap_or_default()
            }
            Beyond::Slower => {
                let out = run(&pipelines, &event);
                assert_eq!(out.json(0), event.as_bytes(), "{}", limit.on);
                limit.value.to_string()
            }
        };
        assert!(said.contains(&limit.value.to_string()), "{}: {said:?}", limit.on);
    }
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
