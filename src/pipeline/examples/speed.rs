//! Nanoseconds per event of typical pipelines, 256-byte records in, JSON out; single thread, best of rounds.
//!
//! `cargo run --release -p pipeline --example speed`

use event::model::Keys;
use pipeline::{Form, Input, Library, Node, Origin, Output, Program, Scratch};
use serde_json::json;
use std::path::Path;
use std::time::{Duration, Instant};

/// Records of a batch, as a full slab has them.
const RECORDS: usize = 512;
const ROUNDS: usize = 7;

fn main() {
    let syslog = json!({"syslog": {"field": "message", "ignore_missing": true, "ignore_failure": true}});
    let mark = json!({"set": {
        "if": "log?.syslog?.severity?.name == \"Debug\"", "field": "dropped", "value": true, "ignore_failure": true,
    }});
    let shapes = [
        ("no processor", json!([]), records(Shape::Raw)),
        ("set_field", json!([{"set": {"field": "processed_by", "value": "pipeline"}}]), records(Shape::Raw)),
        ("syslog_parsing", json!([syslog]), records(Shape::Syslog)),
        ("real_world_1", json!([syslog, mark]), records(Shape::Syslog)),
        (
            "regex_mask",
            json!([{"gsub": {"field": "message", "pattern": "CONN=[0-9]+", "replacement": "CONN=***", "ignore_missing": true}}]),
            records(Shape::Raw),
        ),
        (
            "wrapped_json",
            json!([{"json": {"field": "message", "add_to_root": true, "ignore_missing": true, "ignore_failure": true}}]),
            records(Shape::Json),
        ),
    ];
    for (name, processors, records) in shapes {
        println!("{name:16} {:7.1} ns/event", measure(&processors, &records));
    }
}

enum Shape {
    Raw,
    Syslog,
    Json,
}

fn records(shape: Shape) -> Vec<Vec<u8>> {
    let mut seed = 1u64;
    let mut letter = || {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 "[(seed >> 33) as usize % 63]
    };
    let record = |at: usize| {
        let tag = format!("CONN=003 SEQ={at:012} ");
        let (head, tail) = match shape {
            Shape::Raw => (tag, ""),
            Shape::Syslog => {
                let priority = [11, 12, 13, 14, 15, 29, 30, 86][at % 8];
                (format!("<{priority}>2026-01-31T08:05:09Z myhost myprog[1234]: {tag}"), "")
            }
            Shape::Json => (format!("{{\"ts\":1790000000000,\"level\":\"info\",\"msg\":\"{tag}"), "\"}"),
        };
        let mut record = head.into_bytes();
        while record.len() < 256 - tail.len() {
            record.push(letter());
        }
        record.extend_from_slice(tail.as_bytes());
        record
    };
    (0..RECORDS).map(record).collect()
}

fn measure(processors: &serde_json::Value, records: &[Vec<u8>]) -> f64 {
    let keys = Keys::default();
    let mut library = Library::default();
    library.add("work", Node::from_json(Path::new("speed"), &json!({ "processors": processors })));
    let program = Program::compile(&keys, &library, &["work"]).expect("the pipeline is right");
    let (mut scratch, mut out) = (Scratch::new(&keys), Output::default());
    let origin = Origin::default();
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut events = 0;
        while start.elapsed() < Duration::from_millis(200) {
            out.clear();
            let inputs = records.iter().enumerate().map(|(at, bytes)| Input {
                record: at as u32,
                bytes,
                form: Form::Message,
                origin: &origin,
            });
            program.run(&mut scratch, inputs, 0, &mut out);
            assert_eq!(out.kept.len(), records.len());
            events += records.len();
        }
        best = best.min(start.elapsed().as_nanos() as f64 / events as f64);
    }
    best
}
