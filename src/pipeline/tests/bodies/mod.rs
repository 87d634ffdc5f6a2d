//! What fuzzing runs, and a bounded number of times the tests: whatever the bytes, nothing panics, and every event ends
//! as valid JSON, dropped, or failed.

#![allow(unreachable_pub)] // it is part of other programs

use event::model::{Document, Keys};
use pipeline::condition::Condition;
use pipeline::template::Template;
use pipeline::{Form, Input, Library, Node, Origin, Output, Program, Scratch};
use serde_json::{Value, json};
use std::cell::RefCell;
use std::collections::HashMap;
use std::path::Path;

/// All bodies.
pub const ALL: [&str; 15] = [
    "syslog",
    "cef",
    "leef",
    "json",
    "kv",
    "csv",
    "xml",
    "date",
    "fixed_grok",
    "dissect",
    "grok",
    "condition",
    "template",
    "schema",
    "event",
];

/// Runs a body on bytes. One whose processor is not there does nothing.
pub fn run(body: &str, data: &[u8]) {
    match body {
        "condition" => condition(data),
        "template" => template(data),
        "schema" => schema(data),
        "dissect" => {
            with_pattern(data, |pattern| json!({"dissect": {"field": "message", "pattern": pattern}}))
        }
        "grok" => with_pattern(data, |pattern| json!({"grok": {"field": "message", "patterns": [pattern]}})),
        "event" => known(
            "event",
            json!([{"set": {"field": "a.b", "value": 1, "ignore_failure": true}}]),
            data,
            Form::Event,
        ),
        parser => known(parser, json!([processor(parser)]), data, Form::Message),
    }
}

fn processor(name: &str) -> Value {
    let mut options = json!({"field": "message", "ignore_failure": true});
    let more = match name {
        "kv" => json!({"field_split": " ", "value_split": "=", "trim_value": "\"", "strip_brackets": true}),
        "csv" => json!({"target_fields": ["a", "b", "c"]}),
        "json" => json!({"add_to_root": true}),
        "xml" | "syslog" | "cef" | "leef" => json!({"target_field": "parsed"}),
        "fixed_grok" => {
            json!({"patterns": ["%{COMBINEDAPACHELOG}", "%{IP:ip} %{NUMBER:n:int} (?=x)%{GREEDYDATA:rest}"]})
        }
        _ => json!({}),
    };
    for (key, value) in more.as_object().into_iter().flatten() {
        options[key] = value.clone();
    }
    json!({name.trim_start_matches("fixed_"): options})
}

/// Keys, scratch and a program; none where a processor is not there.
struct Bench {
    keys: Keys,
    scratch: Scratch,
    program: Option<Program>,
}

fn bench(processors: &Value) -> Bench {
    let keys = Keys::default();
    let mut library = Library::default();
    library.add("main", Node::from_json(Path::new("fuzz"), &json!({ "processors": processors })));
    let program = Program::compile(&keys, &library, &["main"]).ok();
    Bench { scratch: Scratch::new(&keys), keys, program }
}

thread_local! {
    static KNOWN: RefCell<HashMap<String, Bench>> = RefCell::default();
}

fn known(name: &str, processors: Value, data: &[u8], form: Form) {
    KNOWN.with_borrow_mut(|known| {
        let bench = known.entry(name.to_owned()).or_insert_with(|| bench(&processors));
        check(bench, data, form);
        if bench.keys.len() > 50_000 {
            known.clear(); // names of fields are kept; a fuzzer brings new ones for ever
        }
    });
}

fn with_pattern(data: &[u8], processor: impl Fn(&str) -> Value) {
    let (pattern, text) = halves(data);
    let Ok(pattern) = std::str::from_utf8(pattern) else { return };
    let mut processor = processor(pattern);
    if let Some(options) = processor.as_object_mut().and_then(|map| map.values_mut().next()) {
        options["ignore_failure"] = json!(true);
    }
    check(&mut bench(&json!([processor])), text, Form::Message);
}

fn condition(data: &[u8]) {
    let (text, record) = halves(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    let keys = Keys::default();
    let Ok(condition) = Condition::compile(&keys, text) else { return };
    let mut document = Document::new(&keys);
    let mut event = document.start(record);
    let _ = condition.value(&mut event, &Origin::default());
    let _ = condition.holds(&event, &Origin::default());
}

fn template(data: &[u8]) {
    let (text, record) = halves(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    if Template::compile(&Keys::default(), text).is_err() {
        return;
    }
    let processors = json!([{"set": {"field": "a", "value": text, "ignore_failure": true}}]);
    check(&mut bench(&processors), record, Form::Message);
}

/// A schema of either kind, as a text, and an event that is to become as it says.
fn schema(data: &[u8]) {
    let (text, event) = halves(data);
    let Ok(text) = std::str::from_utf8(text) else { return };
    for kind in ["avro", "parquet"] {
        let options = json!({"schema": text, "schema_type": kind, "ignore_failure": true});
        let processors = json!([
            {"json": {"field": "message", "add_to_root": true, "ignore_failure": true}},
            {"enforce_schema": options},
        ]);
        check(&mut bench(&processors), event, Form::Message);
    }
}

fn check(bench: &mut Bench, data: &[u8], form: Form) {
    let Some(program) = &bench.program else { return };
    let origin = Origin::default();
    let mut out = Output::default();
    program.run(&mut bench.scratch, [Input { record: 0, bytes: data, form, origin: &origin }], 0, &mut out);
    assert_eq!(out.kept.len() + out.failed.len() + out.dropped.len(), 1, "an event ends once");
    assert!(form == Form::Event || out.failed.is_empty(), "{:?}", out.failed);
    if !out.kept.is_empty() {
        serde_json::from_slice::<Value>(out.json(0)).expect("the output is JSON");
    }
}

/// What stands before the first zero byte, and behind it.
fn halves(data: &[u8]) -> (&[u8], &[u8]) {
    match data.iter().position(|byte| *byte == 0) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, b"10.0.0.1 17 a=b c"),
    }
}
