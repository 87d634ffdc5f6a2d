//! How events go through processors, handlers, groups and pipelines, and what is counted.

use event::model::Keys;
use pipeline::{Form, Input, Library, Node, Origin, Output, Program, Scratch, StepId};
use serde_json::{Value, json};
use std::path::Path;

struct Ran {
    out: Output,
    program: Program,
}

/// Runs the pipelines of these names, one after the other, on these events.
fn run_all(pipelines: Value, names: &[&str], events: &[Value]) -> Ran {
    let keys = Keys::default();
    let mut library = Library::default();
    for (name, pipeline) in pipelines.as_object().expect("pipelines") {
        let pipeline = if pipeline.is_array() { json!({ "processors": pipeline }) } else { pipeline.clone() };
        library.add(name, Node::from_json(Path::new("test.yml"), &pipeline));
    }
    let program = Program::compile(&keys, &library, names).expect("the pipelines are right");
    let events: Vec<String> = events.iter().map(Value::to_string).collect();
    let origin = Origin::default();
    let input = |(at, event): (usize, &String)| (at as u32, event.clone().into_bytes());
    let records: Vec<(u32, Vec<u8>)> = events.iter().enumerate().map(input).collect();
    let mut out = Output::default();
    let inputs = records.iter().map(|(record, bytes)| Input {
        record: *record,
        bytes,
        form: Form::Event,
        origin: &origin,
    });
    program.run(&mut Scratch::new(&keys), inputs, 0, &mut out);
    Ran { out, program }
}

fn run(pipelines: Value, event: Value) -> Ran {
    run_all(pipelines, &["main"], &[event])
}

impl Ran {
    /// The only event that is left.
    fn event(&self) -> Value {
        assert_eq!(self.out.kept.len(), 1, "{:?}", self.out);
        serde_json::from_slice(self.out.json(0)).expect("json")
    }

    fn failure(&self) -> String {
        assert!(self.out.kept.is_empty(), "{:?}", self.out);
        self.out.failed.first().map(|failed| failed.cause.to_string()).unwrap_or_default()
    }

    /// Processor, how often it ran, failed, dropped.
    fn counts(&self) -> Vec<(&'static str, u64, u64, u64)> {
        let one = |(at, step): (usize, &pipeline::StepInfo)| {
            let counts = self.program.counts(StepId(at as u32));
            (step.kind, counts.executed, counts.failed, counts.dropped)
        };
        self.program.steps().iter().enumerate().map(one).collect()
    }
}

fn set(field: &str) -> Value {
    json!({"set": {"field": field, "value": true}})
}

fn fail() -> Value {
    json!({"fail": {"message": "broken"}})
}

#[test]
fn a_failure_goes_to_the_processor_s_handler_and_the_flow_goes_on() {
    let ran = run(
        json!({"main": [{"fail": {"message": "broken", "on_failure": [set("handled")]}}, set("after")]}),
        json!({}),
    );
    assert_eq!(ran.event(), json!({"handled": true, "after": true}));
}

#[test]
fn without_one_it_goes_to_the_pipeline_s_handler_and_the_rest_is_left_out() {
    let main = json!({"processors": [fail(), set("after")], "on_failure": [set("handled")]});
    assert_eq!(run(json!({"main": main}), json!({})).event(), json!({"handled": true}));
}

#[test]
fn without_that_it_goes_to_the_caller_and_its_pipelines_up_to_the_first_handler() {
    let pipelines = |middle: Value| {
        json!({
            "main": {"processors": [{"pipeline": {"name": "middle"}}, set("after")], "on_failure": [set("main")]},
            "middle": middle,
            "inner": [fail()],
        })
    };
    let plain = json!([{"pipeline": {"name": "inner"}}, set("skipped")]);
    assert_eq!(run(pipelines(plain), json!({})).event(), json!({"main": true}));
    let at_the_call = json!([{"pipeline": {"name": "inner", "on_failure": [set("call")]}}, set("middle")]);
    let expected = json!({"call": true, "middle": true, "after": true});
    assert_eq!(run(pipelines(at_the_call), json!({})).event(), expected);
}

#[test]
fn without_any_handler_the_event_fails_alone_and_is_counted_at_its_processor() {
    let strict = json!([set("seen"), {"rename": {"field": "a", "target_field": "b"}}]);
    let ran = run_all(json!({"main": strict}), &["main"], &[json!({"a": 1}), json!({}), json!({"a": 2})]);
    assert_eq!(ran.out.kept.iter().map(|kept| kept.record).collect::<Vec<_>>(), [0, 2]);
    let failed = &ran.out.failed[0];
    assert_eq!((failed.record, failed.step), (1, Some(StepId(1))));
    assert_eq!(ran.counts(), [("set", 3, 0, 0), ("rename", 3, 1, 0)]);
}

#[test]
fn a_handler_that_fails_is_a_failure_of_what_it_handles() {
    let main = json!({
        "processors": [{"fail": {"message": "first", "on_failure": [{"fail": {"message": "second"}}]}}, set("after")],
        "on_failure": [{"set": {"field": "why", "value": "{{_ingest.on_failure_message}}"}}],
    });
    assert_eq!(run(json!({"main": main}), json!({})).event(), json!({"why": "second"}));
}

#[test]
fn recover_ends_the_failure_and_the_rest_of_the_handler() {
    let main = json!([{"fail": {"message": "broken", "on_failure": [set("a"), {"recover": {}}, fail()]}}, set("after")]);
    assert_eq!(run(json!({"main": main}), json!({})).event(), json!({"a": true, "after": true}));
    let inner = json!({"processors": [fail()], "on_failure": [{"recover": {}}]});
    let outer =
        json!({"processors": [{"pipeline": {"name": "inner"}}, set("after")], "on_failure": [set("outer")]});
    assert_eq!(run(json!({"main": outer, "inner": inner}), json!({})).event(), json!({"after": true}));
}

#[test]
fn ignore_failure_keeps_what_was_done_and_goes_on() {
    let group =
        json!({"group": {"name": "g", "ignore_failure": true, "processors": [set("a"), fail(), set("b")]}});
    assert_eq!(
        run(json!({"main": [group, set("after")]}), json!({})).event(),
        json!({"a": true, "after": true})
    );
}

#[test]
fn on_success_runs_after_success_alone_and_its_failure_counts() {
    let yes = json!({"set": {"field": "a", "value": 1, "on_success": [set("b")]}});
    let no = json!({"fail": {"message": "broken", "ignore_failure": true, "on_success": [set("c")]}});
    assert_eq!(run(json!({"main": [yes, no]}), json!({})).event(), json!({"a": 1, "b": true}));
    let broken = json!({"set": {"field": "a", "value": 1, "on_success": [fail()]}});
    assert_eq!(run(json!({"main": [broken]}), json!({})).failure(), "broken");
}

#[test]
fn metadata_of_a_failure_is_there_in_the_handler_and_gone_afterwards() {
    let copy =
        |from: &str| json!({"set": {"field": from, "value": format!("{{{{_ingest.on_failure_{from}}}}}")}});
    let handler = json!([copy("message"), copy("processor_type"), copy("processor_tag"), copy("pipeline")]);
    let main = json!([
        {"fail": {"message": "broken", "tag": "t", "on_failure": handler}},
        {"set": {"field": "left", "value": true, "if": "_ingest.on_failure_message != nil"}},
    ]);
    let expected =
        json!({"message": "broken", "processor_type": "fail", "processor_tag": "t", "pipeline": "main"});
    assert_eq!(run(json!({"main": main}), json!({})).event(), expected);
}

#[test]
fn a_group_runs_only_if_its_parent_was_the_last_one_to_succeed() {
    let group = |name: &str, parent: Option<&str>, condition: &str| json!({"group": {"name": name, "parent_group": parent, "if": condition, "processors": [set(name)]}});
    let chain = json!([
        group("a", None, "true"),
        group("b", Some("a"), "x == 1"),
        group("c", Some("b"), "true"),
        group("d", Some("a"), "true"),
    ]);
    assert_eq!(
        run(json!({"main": chain}), json!({"x": 1})).event(),
        json!({"x": 1, "a": true, "b": true, "c": true})
    );
    assert_eq!(run(json!({"main": chain}), json!({"x": 2})).event(), json!({"x": 2, "a": true, "d": true}));
}

#[test]
fn a_group_that_failed_is_no_parent() {
    let first = json!({"group": {"name": "a", "ignore_failure": true, "processors": [fail()]}});
    let second = json!({"group": {"name": "b", "parent_group": "a", "processors": [set("b")]}});
    assert_eq!(run(json!({"main": [first, second]}), json!({})).event(), json!({}));
}

#[test]
fn return_leaves_the_group_the_pipeline_or_the_element_and_final_everything() {
    let group = json!({"group": {"name": "g", "processors": [{"return": {}}, set("in")]}});
    assert_eq!(run(json!({"main": [group, set("after")]}), json!({})).event(), json!({"after": true}));
    let call = json!({"pipeline": {"name": "inner"}});
    let inner = |leave: &str| json!([{leave: {}}, set("in")]);
    assert_eq!(
        run(json!({"main": [call, set("after")], "inner": inner("return")}), json!({})).event(),
        json!({"after": true})
    );
    let ran = run_all(
        json!({"main": [call, set("after")], "inner": inner("final"), "next": [set("next")]}),
        &["main", "next"],
        &[json!({})],
    );
    assert_eq!(ran.event(), json!({}));
}

#[test]
fn a_dropped_event_is_no_failure_and_is_counted_at_the_processor_that_dropped_it() {
    let pipelines = json!({"main": [{"pipeline": {"name": "inner"}}, set("after")], "inner": [{"drop": {"if": "x == 1"}}]});
    let ran = run_all(pipelines, &["main"], &[json!({"x": 1}), json!({"x": 2})]);
    assert_eq!(ran.event(), json!({"x": 2, "after": true}));
    assert!(ran.out.failed.is_empty());
    assert_eq!(ran.out.dropped[0].record, 0);
    let dropped: Vec<u64> = ran.counts().iter().map(|(_, _, _, dropped)| *dropped).collect();
    assert_eq!(
        (dropped.iter().sum::<u64>(), ran.program.steps()[ran.out.dropped[0].step.0 as usize].kind),
        (1, "drop")
    );
}

#[test]
fn counters_are_exact_over_batches_and_a_false_condition_is_no_run() {
    let keys = Keys::default();
    let mut library = Library::default();
    let processors = json!([{"set": {"field": "a", "value": 1, "if": "message == 'x'"}}, {"lowercase": {"field": "message"}}]);
    library.add("main", Node::from_json(Path::new("test.yml"), &json!({ "processors": processors })));
    let program = Program::compile(&keys, &library, &["main"]).expect("right");
    let (mut scratch, origin) = (Scratch::new(&keys), Origin::default());
    for _ in 0..3 {
        let records: [&[u8]; 4] = [b"x", b"Y", b"x", b"Z"];
        let input = |bytes: &&'static [u8]| Input { record: 0, bytes, form: Form::Message, origin: &origin };
        program.run(&mut scratch, records.iter().map(input), 0, &mut Output::default());
    }
    let counts = [program.counts(StepId(0)), program.counts(StepId(1))];
    assert_eq!(counts.map(|counts| (counts.executed, counts.failed)), [(6, 0), (12, 0)]);
    assert!(counts.iter().all(|counts| counts.nanos > 0));
}

#[test]
fn what_is_staged_is_sent_as_it_was_and_the_last_version_for_each_target_wins() {
    let stage = |target: &str| json!({"reroute": {"destination": target, "staging": true}});
    let main = json!([
        {"set": {"field": "v", "value": 1}}, stage("a"),
        {"set": {"field": "v", "value": 2}}, stage("a"), stage("b"),
        {"commit": {"destination": "b"}},
        {"set": {"field": "v", "value": 3}},
    ]);
    let ran = run(json!({"main": main}), json!({}));
    let sent: Vec<(String, Value)> = (0..ran.out.kept.len())
        .map(|at| {
            let routing = &ran.out.routings[ran.out.kept[at].routing.expect("rerouted") as usize];
            let event = serde_json::from_slice(ran.out.json(at)).expect("json");
            (routing.destination.as_deref().expect("a target").to_owned(), event)
        })
        .collect();
    assert_eq!(sent, [("b".to_owned(), json!({"v": 2})), ("a".to_owned(), json!({"v": 2}))]);
}

#[test]
fn a_clone_is_sent_as_it_is_and_the_event_goes_on() {
    let main = json!([{"reroute": {"destination": "copy", "clone": true}}, set("after")]);
    let ran = run(json!({"main": main}), json!({"a": 1}));
    assert_eq!((ran.out.json(0), ran.out.json(1)), (&br#"{"a":1}"#[..], &br#"{"a":1,"after":true}"#[..]));
    assert_eq!(ran.out.kept.iter().map(|kept| kept.routing.is_some()).collect::<Vec<_>>(), [true, false]);
}

#[test]
fn what_was_staged_for_an_event_that_fails_is_not_sent_with_the_next_one() {
    let main = json!([
        {"reroute": {"destination": "a", "staging": true, "if": "x == 1"}},
        {"fail": {"message": "broken", "if": "x == 1"}},
    ]);
    let ran = run_all(json!({"main": main}), &["main"], &[json!({"x": 1}), json!({"x": 2})]);
    assert_eq!(ran.event(), json!({"x": 2}));
    assert!(ran.out.kept[0].routing.is_none() && ran.out.routings.is_empty());
}

#[test]
fn continue_goes_to_the_next_element() {
    let block =
        json!([{"continue": {"if": "_ingest._value == 'b'"}}, {"uppercase": {"field": "_ingest._value"}}]);
    let main = json!([{"foreach": {"field": "l", "processor": {"pipeline": block}}}]);
    assert_eq!(
        run(json!({"main": main}), json!({"l": ["a", "b", "c"]})).event(),
        json!({"l": ["A", "b", "C"]})
    );
}

#[test]
fn a_pipeline_is_called_by_its_bare_name_with_yml_behind_it_or_as_a_template() {
    for name in ["inner", "inner.yml", "{{ IngestPipeline \"inner\" }}", "{{which}}"] {
        let ran = run(
            json!({"main": [{"pipeline": {"name": name}}], "inner": [set("in")]}),
            json!({"which": "inner"}),
        );
        assert_eq!(ran.event()["in"], json!(true), "{name}");
    }
}
