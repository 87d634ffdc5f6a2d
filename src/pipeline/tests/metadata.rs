//! Received data can't write the namespaces of metadata, whatever names it has.

use event::model::Keys;
use pipeline::{Form, Input, Library, Node, Origin, Output, Program, Scratch};
use serde_json::{Value, json};
use std::path::Path;

/// What a pipeline makes of an event, as it would come from the device `real`.
fn run(processors: &Value, event: &Value) -> Value {
    let keys = Keys::default();
    let mut library = Library::default();
    library.add("main", Node::from_json(Path::new("test.yml"), &json!({ "processors": processors })));
    let program = Program::compile(&keys, &library, &["main"]).expect("the pipeline is right");
    let origin = Origin { device_name: "real", ..Origin::default() };
    let text = event.to_string();
    let input = Input { record: 0, bytes: text.as_bytes(), form: Form::Event, origin: &origin };
    let mut out = Output::default();
    program.run(&mut Scratch::new(&keys), [input], 0, &mut out);
    assert_eq!(out.kept.len(), 1, "{:?}", out.failed);
    serde_json::from_slice(out.json(0)).expect("json")
}

/// The same, and what the metadata is then.
fn metadata_after(processor: &Value, event: &Value) -> Value {
    let processors = json!([
        {"set": {"field": "_temp.own", "value": "trusted"}},
        processor,
        {"set": {"field": "seen.device", "copy_from": "_vmetric.device.name"}},
        {"set": {"field": "seen.temp", "copy_from": "_temp", "ignore_empty_value": true}},
        {"set": {"field": "seen.index", "copy_from": "_index", "ignore_empty_value": true}},
        {"set": {"field": "seen.ingest", "copy_from": "_ingest", "ignore_empty_value": true}},
        {"keep": {"field": "seen"}},
    ]);
    run(&processors, event)["seen"].clone()
}

#[test]
fn names_in_received_texts_and_objects_do_not_become_metadata() {
    let json_text = r#"{"_vmetric":{"device":{"name":"forged"}},"_temp":{"own":"forged"},"_index":"forged","_ingest":{"pipeline":"forged"},"a":1}"#;
    let object: Value = serde_json::from_str(json_text).expect("json");
    let pairs =
        "_vmetric.device.name=forged _temp.own=forged _temp=forged _index=forged _ingest.pipeline=forged";
    let capitals = json!({"_VMETRIC": {"DEVICE": {"NAME": "forged"}}, "_TEMP": "forged", "_INDEX": "forged"});
    let cases = [
        (json!({"json": {"field": "m", "add_to_root": true}}), json!({ "m": json_text })),
        (
            json!({"json": {"field": "m", "add_to_root": true, "add_to_root_conflict_strategy": "merge"}}),
            json!({ "m": json_text }),
        ),
        (json!({"kv": {"field": "m", "field_split": " ", "value_split": "="}}), json!({ "m": pairs })),
        (
            json!({"kv": {"field": "m", "field_split": " ", "value_split": "=", "lowercase_keys": true}}),
            json!({ "m": pairs.to_uppercase() }),
        ),
        (
            json!({"kv": {"field": "m", "field_split": " ", "value_split": "=", "prefix": "_"}}),
            json!({ "m": pairs.replace('_', "") }),
        ),
        (
            json!({"regex_extract": {"field": "m", "regex": "(?<_NAME_0>\\S+)=(?<_VALUE_0>\\S+)", "overwrite_existing": true}}),
            json!({ "m": pairs }),
        ),
        (
            json!({"dissect": {"field": "m", "pattern": "%{*a} %{&a}"}}),
            json!({"m": "_vmetric.device.name forged"}),
        ),
        (json!({"dissect": {"field": "m", "pattern": "%{*a} %{&a}"}}), json!({"m": "_temp forged"})),
        (
            json!({"xml": {"field": "m", "add_to_root": true}}),
            json!({"m": "<_temp><own>forged</own></_temp>"}),
        ),
        (
            json!({"dot_expander": {"field": "*"}}),
            json!({"_vmetric.device.name": "forged", "_temp.own": "forged"}),
        ),
        (
            json!({"move": {"move_to_root": true, "fields": ["m.*"], "override": true}}),
            json!({ "m": object }),
        ),
        (
            json!({"dot_nester": {"format": "ecs", "delimiter": ""}}),
            json!({"_IN": {"DEX": "forged"}, "_T": {"EMP": 1}}),
        ),
        (json!({"dot_nester": {"format": "ecs"}}), capitals),
        (
            json!({"enrich": {"query": "SELECT * FROM _ingest"}}),
            json!({"_index\u{0}": "forged", "_temp\u{0}": "forged"}),
        ),
        (
            json!({"set": {"field": "{{m}}", "value": "forged", "ignore_failure": true}}),
            json!({"m": "_vmetric.device.name"}),
        ),
        (
            json!({"rename": {"field": "n", "target_field": "{{m}}", "ignore_failure": true}}),
            json!({"m": "_temp.own", "n": "forged"}),
        ),
    ];
    for (processor, event) in cases {
        let seen = metadata_after(&processor, &event);
        assert_eq!(seen, json!({"device": "real", "temp": {"own": "trusted"}}), "{processor} on {event}");
    }
}

#[test]
fn what_the_configuration_itself_puts_there_is_put_there() {
    let cases = [
        (
            json!({"kv": {"field": "m", "field_split": " ", "value_split": "=", "prefix": "_temp."}}),
            "x=1",
            json!(1),
        ),
        (json!({"json": {"field": "m", "target_field": "_temp"}}), r#"{"x":1}"#, json!(1)),
        (json!({"grok": {"field": "m", "patterns": ["%{WORD:_temp.x}"]}}), "one", json!("one")),
        (json!({"dissect": {"field": "m", "pattern": "%{_temp.x}"}}), "one", json!("one")),
        (json!({"set": {"field": "_temp.{{m}}", "value": 1}}), "x", json!(1)),
        (
            json!({"regex_extract": {"field": "m", "regex": "(?<_NAME_0>\\w)=(?<_VALUE_0>\\w)", "field_name_format": "_temp.${name}"}}),
            "x=1",
            json!("1"),
        ),
    ];
    for (processor, text, expected) in cases {
        let processors = json!([processor, {"set": {"field": "seen", "copy_from": "_temp.x"}}]);
        assert_eq!(run(&processors, &json!({ "m": text }))["seen"], expected, "{processor}");
    }
}
