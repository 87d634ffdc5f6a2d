//! Dissect patterns against Elastic's specification.

mod vectors;

use serde_json::json;
use vectors::ingest::{Ended, run_case};
use vectors::{Report, subset};

#[test]
fn patterns_do_what_the_specification_says() {
    let Some(cases) = vectors::lines("dissect/spec.jsonl") else { return };
    let mut report = Report::new("dissect/spec.jsonl");
    for case in &cases {
        let name = case["name"].as_str().expect("named");
        if case["dialect"] == json!("beats") || case["typed"] == json!(true) {
            report.skip(name, "only Beats' dialect has this, says the README of the vectors");
            continue;
        }
        if name == "beats/simple append" {
            report.skip(name, "expects the delimiters of Beats; D.4: \"append_separator one char\"");
            continue;
        }
        // The vectors' README: "empty if not given"; the product's default is a blank.
        let separator = case.get("append_separator").cloned().unwrap_or_else(|| json!(""));
        let processor =
            json!({"dissect": {"field": "m", "pattern": case["pattern"], "append_separator": separator}});
        let ended = run_case(&json!({"processors": [processor], "doc": {"m": case["message"]}}));
        let passed = match (&ended, case.get("expected")) {
            (Ended::Kept(got, _), Some(expected)) => subset(expected, got),
            (Ended::Failed(_) | Ended::Refused(_), None) => true,
            _ => false,
        };
        report.check(name, passed, || format!("{ended:?}; {case}"));
    }
    report.finish(19);
}
