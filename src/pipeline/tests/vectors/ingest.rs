//! Running the cases of `ingest/*.jsonl`.

use super::{Report, lines, same, same_instant, subset};
use event::model::Keys;
use pipeline::{Files, Form, Input, Library, Node, Origin, Output, Program, Scratch};
use serde_json::{Value, json};
use std::path::Path;

/// What became of a case's document.
#[derive(Debug)]
pub enum Ended {
    Kept(Value, Option<String>),
    Dropped,
    Failed(String),
    Refused(String),
}

/// Runs all cases of a file; `skipped` names those that contradict the product's facts, with the sentence.
pub fn run_file(file: &str, skipped: &[(&str, &str)], floor: usize) {
    let Some(cases) = lines(file) else { return };
    let mut report = Report::new(file);
    for case in &cases {
        let name = case["name"].as_str().expect("named");
        if let Some((_, why)) = skipped.iter().find(|(prefix, _)| *prefix == name) {
            report.skip(name, why);
            continue;
        }
        let ended = run_case(case);
        if let Ended::Refused(why) = &ended
            && why.contains("is not available")
        {
            report.skip(name, why);
            continue;
        }
        report.check(name, is_as_expected(case, &ended), || format!("{ended:?}; {case}"));
    }
    report.finish(floor);
}

fn library(case: &Value) -> (Library, String) {
    let file = Path::new("case");
    let mut library = Library::with_files(Files::below(super::files()));
    if let Some(pipelines) = case["pipelines"].as_object() {
        for (name, pipeline) in pipelines {
            let pipeline =
                if pipeline.is_array() { json!({ "processors": pipeline }) } else { pipeline.clone() };
            library.add(name, Node::from_json(file, &pipeline));
        }
        return (library, case["entry"].as_str().expect("an entry").to_owned());
    }
    let mut pipeline = json!({ "processors": case["processors"] });
    // Metadata is not put out, hence the copies.
    for (n, path) in case["meta"].as_object().into_iter().flat_map(|meta| meta.keys()).enumerate() {
        let copy = json!({"set": {"field": format!("copied_meta_{n}"), "copy_from": path}});
        pipeline["processors"].as_array_mut().expect("a list").push(copy);
    }
    // Metadata is not put out: a field of another name shows it.
    if case["expected"].get("_index").is_some()
        && let Some(processors) = pipeline["processors"].as_array_mut()
    {
        processors.push(json!({"set": {"field": "the_index", "copy_from": "_index"}}));
    }
    if let Some(on_failure) = case.get("on_failure") {
        pipeline["on_failure"] = on_failure.clone();
    }
    library.add("case", Node::from_json(file, &pipeline));
    (library, "case".to_owned())
}

/// Processors under the product's names, where a case has others.
fn renamed(case: &Value) -> Value {
    let mut text = case.to_string().replace("{\"urldecode\":", "{\"url_decode\":");
    if let Some(own) = case["reference_name"].as_str() {
        text = text.replace("{\"terminate\":", &format!("{{\"{own}\":"));
    }
    serde_json::from_str(&text).expect("json")
}

pub fn run_case(case: &Value) -> Ended {
    let case = &renamed(case);
    let keys = Keys::default();
    let (library, entry) = library(case);
    let program = match Program::compile(&keys, &library, &[&entry]) {
        Ok(program) => program,
        Err(problems) => {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            return Ended::Refused(texts.join(" | "));
        }
    };
    let doc = case["doc"].to_string();
    let origin = Origin::default();
    let input = Input { record: 0, bytes: doc.as_bytes(), form: Form::Event, origin: &origin };
    let mut out = Output::default();
    program.run(&mut Scratch::new(&keys), [input], 1_700_000_000_000_000_000, &mut out);
    if let Some(failed) = out.failed.first() {
        return Ended::Failed(failed.cause.to_string());
    }
    match out.kept.first() {
        None => Ended::Dropped,
        Some(kept) => {
            let json = serde_json::from_slice(out.json(0)).expect("the output is json");
            let routing = kept.routing.map(|at| &out.routings[at as usize]);
            Ended::Kept(json, routing.and_then(|routing| routing.destination.as_deref().map(str::to_owned)))
        }
    }
}

fn is_as_expected(case: &Value, ended: &Ended) -> bool {
    if case.get("config_error").is_some() {
        return matches!(ended, Ended::Refused(_));
    }
    if case.get("error").is_some() {
        return matches!(ended, Ended::Failed(_) | Ended::Refused(_));
    }
    if case["dropped"] == json!(true) {
        return matches!(ended, Ended::Dropped);
    }
    let Ended::Kept(got, _) = ended else { return false };
    let mut got = got.clone();
    if let Some(index) = got.as_object_mut().and_then(|fields| fields.remove("the_index")) {
        got["_index"] = index;
    }
    let got = &got;
    let whole = match (case.get("expected"), case["match"].as_str()) {
        (None, _) => true,
        (Some(expected), Some("exact")) => same(expected, got),
        (Some(expected), _) => subset(expected, got),
    };
    let paths = case["paths"].as_object().into_iter().flatten().all(|(path, expected)| {
        let found = at_path(got, path).unwrap_or(&Value::Null);
        match (case["compare"].as_str(), expected, found) {
            (Some("instant"), Value::String(a), Value::String(b)) => same_instant(a, b),
            _ => same(expected, found),
        }
    });
    let stated = case["meta"].as_object().into_iter().flat_map(|meta| meta.values()).enumerate();
    let meta = stated
        .into_iter()
        .all(|(n, expected)| same(expected, got.get(format!("copied_meta_{n}")).unwrap_or(&Value::Null)));
    let texts = |key: &str| case[key].as_array().cloned().unwrap_or_default();
    let absent = texts("absent").iter().all(|path| at_path(got, path.as_str().unwrap_or_default()).is_none());
    let present =
        texts("present").iter().all(|path| at_path(got, path.as_str().unwrap_or_default()).is_some());
    whole && meta && paths && absent && present
}

fn at_path<'v>(value: &'v Value, path: &str) -> Option<&'v Value> {
    if let Some(found) = value.get(path) {
        return Some(found);
    }
    path.split('.').try_fold(value, |value, part| match value {
        Value::Array(items) => items.get(part.parse::<usize>().ok()?),
        _ => value.get(part),
    })
}
