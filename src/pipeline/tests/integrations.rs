//! Events of real devices through the pipelines of Elastic's integration packages.

mod vectors;

use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use vectors::ingest::{Ended, run_case};
use vectors::{Report, difference};

#[test]
fn pipelines_of_integration_packages_give_the_published_documents() {
    let Some(cases) = vectors::lines("integrations/cases.jsonl") else { return };
    let mut report = Report::new("integrations/cases.jsonl");
    let mut absent: BTreeMap<String, usize> = BTreeMap::new();
    for case in &cases {
        let name = case["name"].as_str().expect("named");
        let set = case["pipeline_set"].as_str().expect("text");
        let path = vectors::folder().join("integrations/pipelines").join(format!("{set}.json"));
        let set: Value = serde_json::from_str(&std::fs::read_to_string(path).expect("there")).expect("json");
        let entry = set["entry"].as_str().unwrap_or("default").to_owned();
        let pipelines = set.get("pipelines").unwrap_or(&set).clone();
        let ended = run_case(&json!({"pipelines": pipelines, "entry": entry, "doc": case["input"]}));
        if let Ended::Refused(why) = &ended
            && why.contains("is not available")
        {
            for part in why.split(" | ").filter(|part| part.contains("is not available")) {
                let name = part.split('"').nth(1).unwrap_or_default();
                *absent.entry(name.to_owned()).or_default() += 1;
            }
            report.skip(name, "a processor is not available");
            continue;
        }
        let difference = match (&ended, case["dropped"] == json!(true)) {
            (Ended::Dropped, true) => String::new(),
            (Ended::Kept(got, _), false) => {
                difference(&comparable(case, &case["expected"]), &comparable(case, got))
            }
            _ => format!("{ended:?}"),
        };
        report.check(name, difference.is_empty(), || difference);
    }
    println!("not available: {absent:?}");
    report.finish(376);
}

/// Without what the README of the vectors says to ignore.
fn comparable(case: &Value, document: &Value) -> Value {
    fn walk(case: &Value, value: &Value, path: &str) -> Value {
        let Value::Object(fields) = value else { return value.clone() };
        let mut kept = Map::new();
        for (name, value) in fields {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            let is_ignored = case["dynamic_fields"].get(&path).is_some()
                || path == "event.ingested"
                || path.starts_with("user_agent")
                || path.ends_with(".geo")
                || path.ends_with(".as")
                || path.starts_with("_");
            if !is_ignored {
                kept.insert(name.clone(), walk(case, value, &path));
            }
        }
        Value::Object(kept)
    }
    walk(case, document, "")
}
