//! LEEF lines against AxoSyslog's parser.

mod vectors;

use serde_json::{Value, json};
use vectors::Report;
use vectors::ingest::{Ended, run_case};

/// AxoSyslog's names of header fields, and ours.
const NAMES: [(&str, &str); 6] = [
    ("leef_version", "leefVersion"),
    ("vendor_name", "deviceVendor"),
    ("product_name", "deviceProduct"),
    ("product_version", "deviceVersion"),
    ("event_id", "deviceEventClassId"),
    ("leef_delimiter", "leefDelimiter"),
];

#[test]
fn lines_give_what_axosyslog_gives() {
    let Some(cases) = vectors::lines("leef/axosyslog.jsonl") else { return };
    let mut report = Report::new("leef/axosyslog.jsonl");
    for case in &cases {
        let name = case["name"].as_str().expect("named");
        if case["options"].get("pair_separator").is_some() {
            report.skip(name, "D.5: leef has the options field and target_field, no separator of its own");
            continue;
        }
        let ended = run_case(&json!({"processors": [{"leef": {"field": "m"}}], "doc": {"m": case["input"]}}));
        let passed = match (&ended, case.get("expected").and_then(Value::as_object)) {
            (Ended::Failed(_), None) => true,
            (Ended::Kept(got, _), Some(expected)) => {
                let extensions = expected.get("extensions").and_then(Value::as_object);
                let fields = expected.iter().chain(extensions.into_iter().flatten());
                fields.filter(|(key, _)| *key != "extensions").all(|(key, value)| {
                    let ours =
                        NAMES.iter().find(|(theirs, _)| theirs == key).map_or(key.as_str(), |(_, ours)| ours);
                    // Attributes that are numbers are texts in AxoSyslog.
                    let got = &got["leef"][ours];
                    got == value || (got.is_number() && value.as_str() == Some(&got.to_string()))
                })
            }
            _ => false,
        };
        report.check(name, passed, || format!("{ended:?}; {case}"));
    }
    report.finish(16);
}
