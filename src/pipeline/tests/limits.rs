//! Limits end events, mistakes end configurations, and nothing panics.

use event::model::Keys;
use pipeline::condition::Condition;
use pipeline::limits::{self, Beyond};
use pipeline::template::Template;
use pipeline::{Files, Form, Input, Library, Node, Origin, Output, Program, Scratch};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::LazyLock;

fn library(pipelines: &Value) -> Library {
    let mut library = Library::with_files(Files::below(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files")));
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

#[test]
fn a_section_of_a_template_stands_only_where_its_field_has_a_value() {
    let greet = json!({"main": [{"set": {"field": "m", "value": "hello{{#who}} {{who}}{{/who}}{{^who}} nobody{{/who}}"}}]});
    assert_eq!(run(&greet, r#"{"who":"ann"}"#).json(0), br#"{"who":"ann","m":"hello ann"}"#);
    assert_eq!(run(&greet, r#"{"who":""}"#).json(0), br#"{"who":"","m":"hello nobody"}"#);
    let open = json!({"main": [{"set": {"field": "m", "value": "{{#who}} {{who}}"}}]});
    assert!(refused(&open)[0].contains("has no end"), "{:?}", refused(&open));
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
    fn any_text_is_a_template_or_refused(text in "[{}a.x#^/ é\"]{0,40}") {
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

    #[test]
    fn processors_that_look_things_up_take_or_refuse_any_event(
        values in prop::collection::vec(any_value(), 3),
    ) {
        let doc = json!({"m": values[0], "n": values[1], "o": {"p": values[2]}, "message": values[0]});
        let (keys, program) = &*LOOKUPS;
        let (origin, doc) = (Origin::default(), doc.to_string());
        let input = Input { record: 0, bytes: doc.as_bytes(), form: Form::Event, origin: &origin };
        let mut out = Output::default();
        program.run(&mut Scratch::new(keys), [input], 0, &mut out);
        prop_assert_eq!(out.kept.len() + out.dropped.len(), 1, "{:?}", out.failed);
        if out.kept.len() == 1 {
            prop_assert!(serde_json::from_slice::<Value>(out.json(0)).is_ok());
        }
    }
}

/// Compiled once: reading tables and databases takes longer than running.
static LOOKUPS: LazyLock<(Keys, Program)> = LazyLock::new(|| {
    let keys = Keys::default();
    let program = Program::compile(&keys, &library(&lookups()), &["main"]).expect("the pipelines are right");
    (keys, program)
});

/// A value of any kind, among them what processors look for.
fn any_value() -> impl Strategy<Value = Value> {
    let texts = prop::sample::select(vec![
        "S-1-5-21-1-2-3-500",
        "O:BAG:SYD:(A;;FA;;;SY)",
        "0x80070005",
        "192.168.1.1",
        "2001:db8::1",
        "tcp",
        "sn4ph",
        "4/8/5",
        "CIRCLE (30 10 40)",
        "www.example.co.uk",
        "https://a.b/c",
        "404.13",
        "CORP\\ann",
        "2026-01-31T08:05:09Z",
        "a@b.c",
    ]);
    let scalar = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[ -~é()/.:;|-]{0,40}".prop_map(Value::from),
        texts.prop_map(Value::from),
    ];
    scalar.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec(("[a-z.]{1,6}", inner), 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// Each processor of the kinds enrich, security, decode, network and analytics, failures ignored.
fn lookups() -> Value {
    let roles = json!([{"lookup_field": "role", "event_field": "out.role"}]);
    let key = "6B58703273357638792F423F4528482B";
    let mut processors = json!([
        {"lookup": {"lookup_file": "roles.csv", "lookup_fields": [{"event_field": "m", "lookup_field": "user"}], "output_fields": roles}},
        {"lookup": {"lookup_file": "zones.csv", "match_mode": "cidr", "lookup_fields": [{"event_field": "m", "lookup_field": "network"}], "output_fields": [{"lookup_field": "zone"}]}},
        {"lookup": {"lookup_file": "patterns.csv", "match_mode": "regex", "match_type": "all", "lookup_fields": [{"event_field": "m", "lookup_field": "department"}], "output_fields": [{"lookup_field": "permissions"}]}},
        {"community_id": {"source_ip": "m", "destination_ip": "n", "transport": "o.p", "source_port": "m", "destination_port": "n", "ignore_missing": false}},
        {"network_direction": {"source_ip": "m", "destination_ip": "n", "internal_networks_field": "o.p"}},
        {"windows_user_type": {"username_field": "m", "sid_field": "n", "target_field": "out.w"}},
        {"fingerprint": {"fields": ["m", "n", "o"], "method": "MurmurHash3", "target_field": "out.f"}},
        {"mask": {"target_fields": ["n"], "masking_rules": [{"match_regex": "\\d*", "keep_first": 1, "keep_last": 1}]}},
        {"redact": {"field": "m", "patterns": ["%{IP:ip}", "%{WORD:w}"]}},
        {"cpid": {"hostname_field": "m", "process_id_field": "n", "time_field": "o.p", "target_field": "out.cpid"}},
        {"circle": {"field": "m", "error_distance": 1, "shape_type": "geo_shape", "target_field": "out.circle"}},
        {"geo_grid": {"field": "m", "tile_type": "geohash", "target_field": "out.hash", "children_field": "out.children"}},
        {"geo_grid": {"field": "m", "tile_type": "geotile", "target_field": "out.tile", "parent_field": "out.parent"}},
        {"encrypt": {"field": "o.p", "iv_field": "out.iv", "encryption_key": key, "with_compression": true}},
        {"decrypt": {"field": "o.p", "iv_field": "out.iv", "encryption_key": key, "with_compression": true}},
        {"decrypt": {"field": "m", "iv_field": "n", "encryption_key": key, "algorithm": "AES-256-CFB"}},
        {"checksum": {"field": "o", "algorithm": "fnv128", "target_field": "out.sum", "output_format": "decimal"}},
        {"score": {"identifier": "x", "rules": [
            {"type": "regex", "points": 1, "field": "m", "pattern": "(a)|b", "capture_groups": {"1": 2}},
            {"type": "csv", "points": 1, "field": "m"},
            {"type": "structure", "points": 1, "field": "m", "format": "json"},
            {"type": "kv_fields", "points": 1, "fields": ["a", "b"]},
            {"type": "processor", "points": 1, "processors": [{"rename": {"field": "m", "target_field": "out.moved"}}]},
        ]}},
        {"confidence": {"output_field": "out.confidence"}},
        {"confidence": {"score_field": "m", "output_field": "out.confidence"}},
        {"check_schema": {"schema": "ecs", "target_field": "out.ecs", "validate_optional": true}},
        {"enrich": {"query": "SELECT _ingest.*, m AS again FROM _ingest"}},
        {"dynamic_sample": {"sample_group_key": "{{m}}", "minimum_events": 1}},
        {"sample": {"rules": [{"filter": "m == 1", "sampling_rate": 2}]}},
        {"normalize": {"source_format": "ecs", "target_format": "asim"}},
    ]);
    let list = processors.as_array_mut().expect("a list");
    let plain = [
        "geoip",
        "ip_type",
        "network_protocol",
        "icmp_type",
        "dns_query_type",
        "dns_response_code",
        "http_status",
        "aad_errcode",
        "username_type",
        "registered_domain",
        "kerberos_decode",
        "sid_decode",
        "acl_decode",
        "error_code",
    ];
    for (at, name) in plain.iter().enumerate() {
        list.insert(at, json!({*name: {"field": "m", "target_field": format!("out.{name}")}}));
    }
    for processor in list {
        let options = processor.as_object_mut().and_then(|map| map.values_mut().next()).expect("options");
        options["ignore_failure"] = json!(true);
    }
    json!({ "main": processors })
}
