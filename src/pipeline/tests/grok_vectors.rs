//! Grok expressions against the cases of logstash-patterns-core, with its two dictionaries.

mod vectors;

use event::model::Keys;
use pipeline::grok::{Dictionary, Expression};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use vectors::{Report, same};

#[test]
fn patterns_capture_what_logstash_captures() {
    let Some(cases) = vectors::lines("grok/cases.jsonl") else { return };
    let mut report = Report::new("grok/cases.jsonl");
    let dictionaries: HashMap<&str, Dictionary> =
        ["legacy", "ecs-v1"].into_iter().map(|name| (name, dictionary(name))).collect();
    for case in &cases {
        let name = case["name"].as_str().expect("named");
        let result = capture(&dictionaries[case["dictionary"].as_str().expect("text")], case);
        let passed = match &result {
            Ok(Some(captures)) => case["matched"] == json!(true) && alike(&case["captures"], captures),
            Ok(None) => case["matched"] == json!(false),
            Err(_) => false,
        };
        report.check(name, passed, || format!("{result:?}; {case}"));
    }
    report.finish(252);
}

fn dictionary(name: &str) -> Dictionary {
    let mut dictionary = Dictionary::default();
    for file in std::fs::read_dir(vectors::folder().join("grok/patterns").join(name)).expect("there") {
        let path = file.expect("readable").path();
        dictionary.define_all(&std::fs::read_to_string(path).expect("text"));
    }
    dictionary
}

/// Each field with the list of its values; a number and its text are not told apart here, types are tested elsewhere.
fn alike(expected: &Value, got: &Value) -> bool {
    let texts = |value: &Value| -> Value {
        let field = |(name, values): (&String, &Value)| {
            let text = |value: &Value| match value {
                Value::String(text) => text.parse().map_or_else(|_| json!(text), |number: f64| json!(number)),
                other => other.clone(),
            };
            let values = values.as_array().map(|values| values.iter().map(text).collect::<Vec<_>>());
            (name.clone(), json!(values))
        };
        Value::Object(value.as_object().map(|map| map.iter().map(field).collect()).unwrap_or_default())
    };
    same(&texts(expected), &texts(got))
}

fn capture(dictionary: &Dictionary, case: &Value) -> Result<Option<Value>, String> {
    let text = case["pattern"].as_str().expect("text");
    let flags = if case["dot_matches_newline"] == json!(true) { "(?s)" } else { "" };
    let expression = Expression::compile(&Keys::default(), dictionary, &format!("{flags}{text}"))?;
    let message = case["message"].as_str().expect("text");
    let mut groups = Vec::new();
    if !expression.pattern.captures_at(message.as_bytes(), 0, &mut groups).map_err(|why| why.to_string())? {
        return Ok(None);
    }
    let mut captures = Map::new();
    for field in &expression.fields {
        let mut values = Vec::new();
        for (from, to) in
            field.groups.iter().filter_map(|group| groups[*group]).filter(|(from, to)| to > from)
        {
            let text = &message[from..to];
            let number =
                (field.to != pipeline::grok::FieldType::Text).then(|| serde_json::from_str(text).ok());
            values.push(number.flatten().unwrap_or_else(|| json!(text)));
        }
        if !values.is_empty() {
            let parts: Vec<String> =
                field.path.text().trim_matches(['[', ']']).split("][").map(str::to_owned).collect();
            captures.insert(parts.join("."), Value::Array(values));
        }
    }
    Ok(Some(Value::Object(captures)))
}
