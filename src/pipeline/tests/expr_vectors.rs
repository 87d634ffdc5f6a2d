//! Conditions against the published cases of expr and the suite's own.

mod vectors;

use event::model::{Document, Event, Keys, Slot, json_read, json_write};
use pipeline::condition::Condition;
use pipeline::origin::Origin;
use serde_json::Value;
use vectors::{Report, same};

/// Cases that contradict what is promised here, each with the sentence.
const SKIPPED: [(&str, &str); 1] = [(
    "own/user.missing.deep",
    "D.2: \"a missing step without ?. is an error (or nil, implementations differ)\"; DESIGN 6: nil-safe",
)];

#[test]
fn conditions_give_what_expr_gives() {
    let Some(lines) = vectors::lines("expr/cases.jsonl") else { return };
    let mut report = Report::new("expr/cases.jsonl");
    for case in &lines {
        let name = case["name"].as_str().expect("named");
        if let Some((_, why)) = SKIPPED.iter().find(|(skipped, _)| *skipped == name) {
            report.skip(name, why);
            continue;
        }
        let result = evaluate(case["expression"].as_str().expect("text"), &case["env"]);
        match (result, case.get("expected")) {
            (Ok(value), Some(expected)) => report.check(name, same(expected, &value), || format!("{value}")),
            (Err(why), Some(_)) => report.check(name, false, || why),
            (Ok(value), None) => report.check(name, false, || format!("should fail, gives {value}")),
            (Err(_), None) => report.check(name, true, String::new),
        }
    }
    report.finish(215);
}

fn evaluate(text: &str, env: &Value) -> Result<Value, String> {
    let keys = Keys::default();
    let condition = Condition::compile(&keys, text).map_err(|why| why.to_string())?;
    let mut doc = Document::new(&keys);
    let mut event = doc.start_empty(b"");
    let env = json_read::read_text(&mut event, env.to_string().as_bytes()).map_err(|why| why.to_string())?;
    event.put(Event::ROOT, env);
    let value = condition.value(&mut event, &Origin::default()).map_err(|why| why.to_string())?;
    if let Slot::Float(number) = value
        && !number.is_finite()
    {
        return Err("not a number".to_owned());
    }
    let mut out = Vec::new();
    json_write::write_value(&event, value, &mut out).map_err(|why| why.to_string())?;
    serde_json::from_slice(&out).map_err(|why| why.to_string())
}
