//! What is measured: typical pipelines on 256-byte records, by family.

use event::model::Keys;
use pipeline::{Files, Form, Input, Library, Node, Origin, Output, Program, Scratch};
use serde_json::{Value, json};
use std::path::Path;

/// Records of a batch, as a full slab has them.
pub(crate) const RECORDS: usize = 512;

/// A pipeline and what it runs on.
pub(crate) struct Workload {
    /// The family of its processors.
    pub(crate) family: &'static str,
    /// What it is called.
    pub(crate) name: &'static str,
    processors: Value,
    records: Vec<Vec<u8>>,
}

/// A workload that is ready to run.
pub(crate) struct Ready {
    program: Program,
    records: Vec<Vec<u8>>,
    scratch: Scratch,
    out: Output,
}

/// All workloads.
pub(crate) fn all() -> Vec<Workload> {
    let syslog = json!({"syslog": {"field": "message", "ignore_missing": true, "ignore_failure": true}});
    let mark = json!({"set": {
        "if": "log?.syslog?.severity?.name == \"Debug\"", "field": "dropped", "value": true, "ignore_failure": true,
    }});
    let mask = json!({"field": "message", "pattern": "CONN=[0-9]+", "replacement": "CONN=***", "ignore_missing": true});
    let json_to_root = json!({"field": "message", "add_to_root": true});
    let kv = json!({"field": "message", "field_split": " ", "value_split": "="});
    let csv = json!({"field": "message", "target_fields": ["a", "b", "c", "d"], "separator": " "});
    let date = json!({"field": "log.syslog.timestamp", "formats": ["ISO8601"]});
    let addresses = json!([
        {"set": {"field": "source.ip", "value": "10.1.2.3"}},
        {"set": {"field": "destination.ip", "value": "198.51.100.7"}},
        {"set": {"field": "source.port", "value": 40000}},
        {"set": {"field": "destination.port", "value": 443}},
        {"set": {"field": "network.transport", "value": "tcp"}},
    ]);
    let and = |first: &Value, more: Value| {
        let lists = [first, &more].map(|list| list.as_array().cloned().unwrap_or_default());
        Value::from(lists.concat())
    };
    let host = json!([{"set": {"field": "host", "value": "www.shop.example.co.uk"}}]);
    let workload =
        |family, name, processors, shape| Workload { family, name, processors, records: records(shape) };
    vec![
        workload("engine", "no processor", json!([]), Shape::Raw),
        workload("engine", "real_world_1", json!([syslog, mark]), Shape::Syslog),
        workload("engine", "a hundred processors", hundred(), Shape::Syslog),
        workload(
            "flow",
            "drop by condition",
            json!([{"drop": {"if": "message contains 'no such'"}}]),
            Shape::Raw,
        ),
        workload(
            "manipulate",
            "set_field",
            json!([{"set": {"field": "processed_by", "value": "pipeline"}}]),
            Shape::Raw,
        ),
        workload(
            "manipulate",
            "set template, rename, remove",
            json!([
                {"set": {"field": "a", "value": "x {{message}} y"}},
                {"rename": {"field": "a", "target_field": "b.c"}},
                {"remove": {"field": "message"}},
            ]),
            Shape::Raw,
        ),
        workload("parse", "syslog_parsing", json!([syslog]), Shape::Syslog),
        workload("parse", "wrapped_json", json!([{"json": json_to_root}]), Shape::Json),
        workload("parse", "kv", json!([{"kv": kv}]), Shape::Raw),
        workload("parse", "csv", json!([{"csv": csv}]), Shape::Raw),
        workload(
            "parse",
            "dissect",
            json!([{"dissect": {"field": "message", "pattern": "<%{pri}>%{time} %{host} %{prog}[%{pid}]: %{rest}"}}]),
            Shape::Syslog,
        ),
        workload(
            "parse",
            "grok",
            json!([{"grok": {"field": "message", "patterns": ["CONN=%{INT:conn:int} SEQ=%{INT:seq:int}%{GREEDYDATA:rest}"]}}]),
            Shape::Raw,
        ),
        workload("date", "date", json!([syslog, {"date": date}]), Shape::Syslog),
        workload("text", "regex_mask", json!([{"gsub": mask}]), Shape::Raw),
        workload("text", "lowercase", json!([{"lowercase": {"field": "message"}}]), Shape::Raw),
        workload(
            "arithmetic",
            "add",
            json!([{"add": {"field": "sum", "left_operand": 3, "right_operand": 4}}]),
            Shape::Raw,
        ),
        workload(
            "analytics",
            "score",
            json!([{"score": {"identifier": "x", "rules": [{"type": "regex", "points": 1, "field": "message", "pattern": "SEQ=0"}]}}]),
            Shape::Raw,
        ),
        workload("decode", "url_decode", json!([{"url_decode": {"field": "message"}}]), Shape::Raw),
        workload(
            "decode",
            "sid_decode",
            json!([
                {"set": {"field": "sid", "value": "S-1-5-21-1004336348-1177238915-682003330-512"}},
                {"sid_decode": {"field": "sid", "resolve_well_known": true}},
            ]),
            Shape::Raw,
        ),
        workload(
            "enrich",
            "registered_domain",
            and(&host, json!([{"registered_domain": {"field": "host", "target_field": "dns"}}])),
            Shape::Raw,
        ),
        workload(
            "enrich",
            "lookup",
            and(
                &host,
                json!([{"lookup": {
                    "lookup_file": "roles.csv",
                    "lookup_fields": [{"event_field": "host", "lookup_field": "user"}],
                    "output_fields": [{"lookup_field": "role", "event_field": "role", "default_value": "none"}],
                }}]),
            ),
            Shape::Raw,
        ),
        workload(
            "enrich",
            "geoip",
            json!([
                {"set": {"field": "ip", "value": "81.2.69.142"}},
                {"geoip": {"field": "ip", "database_file": "GeoLite2-City.mmdb"}},
            ]),
            Shape::Raw,
        ),
        workload(
            "parse",
            "user_agent",
            json!([
                {"set": {"field": "agent", "value": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"}},
                {"user_agent": {"field": "agent"}},
            ]),
            Shape::Raw,
        ),
        workload(
            "network",
            "network_direction",
            and(&addresses, json!([{"network_direction": {"internal_networks": ["private"]}}])),
            Shape::Raw,
        ),
        workload(
            "network",
            "ip_type",
            and(&addresses, json!([{"ip_type": {"field": "source.ip"}}])),
            Shape::Raw,
        ),
        workload(
            "security",
            "fingerprint (SHA-256)",
            json!([{"fingerprint": {"fields": ["message"], "method": "SHA-256"}}]),
            Shape::Raw,
        ),
        workload("security", "community_id", and(&addresses, json!([{"community_id": {}}])), Shape::Raw),
        workload(
            "security",
            "mask",
            json!([{"mask": {"masking_rules": [{"match_regex": "CONN=[0-9]+", "keep_first": 5}]}}]),
            Shape::Raw,
        ),
    ]
}

/// A pipeline of a hundred processors as people write them: a parser, then fields set, renamed, compared, converted and
/// removed; a third of them have a condition, of which every other one holds.
fn hundred() -> Value {
    let mut processors = vec![json!({"syslog": {"field": "message"}})];
    for n in 0..11 {
        let (new, list) = (format!("a{n}.new"), format!("a{n}.list"));
        let holds = n % 2 == 0;
        let condition =
            if holds { "log.syslog.appname == 'myprog'" } else { "log.syslog.appname == 'other'" };
        processors.extend([
            json!({"set": {"field": format!("a{n}.constant"), "value": "text"}}),
            json!({"set": {"field": format!("a{n}.copy"), "copy_from": "log.syslog.hostname"}}),
            json!({"set": {"field": format!("a{n}.template"), "value": "{{log.syslog.appname}}-{{log.syslog.pid}}", "if": condition}}),
            json!({"rename": {"field": format!("a{n}.constant"), "target_field": new}}),
            json!({"uppercase": {"field": new, "if": condition}}),
            json!({"convert": {"field": "log.syslog.pid", "target_field": format!("a{n}.text"), "type": "string"}}),
            json!({"append": {"field": list, "value": ["x", "y"]}}),
            json!({"set": {"field": format!("a{n}.kind"), "value": "y", "if": "log.syslog.severity.code < 4 && message contains 'CONN'"}}),
            json!({"remove": {"field": [format!("a{n}.copy"), list, format!("a{n}.text")]}}),
        ]);
    }
    json!(processors)
}

#[derive(Clone, Copy)]
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

impl Workload {
    /// Compiles it.
    pub(crate) fn ready(self) -> Ready {
        let keys = Keys::default();
        let files = Files::below(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files"));
        let mut library = Library::with_files(files);
        library
            .add("work", Node::from_json(Path::new("workload"), &json!({ "processors": self.processors })));
        let program = Program::compile(&keys, &library, &["work"]).expect("the pipeline is right");
        Ready { program, records: self.records, scratch: Scratch::new(&keys), out: Output::default() }
    }
}

impl Ready {
    /// Runs one batch.
    pub(crate) fn run(&mut self) {
        let origin = Origin::default();
        self.out.clear();
        let inputs = self.records.iter().enumerate().map(|(at, bytes)| Input {
            record: at as u32,
            bytes,
            form: Form::Message,
            origin: &origin,
        });
        self.program.run(&mut self.scratch, inputs, 0, &mut self.out);
        assert_eq!(self.out.kept.len(), RECORDS, "{:?}", self.out.failed.first());
    }
}
