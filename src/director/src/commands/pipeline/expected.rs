//! The result beside what is expected.

use super::say;
use crate::exit::Exit;
use crate::failed::Failed;
use anyhow::Context;
use serde_json::{Deserializer, Value};
use std::fmt::Write;

/// Compares the result with the events of a file (a JSON document, a list, or JSON Lines), says how they differ, and
/// ends with 1 if they do. With `-extended` only what the file states is compared, since times differ between runs.
pub(super) fn judge(file: &str, got: &[Value], extended: bool, diff: bool) -> Result<Exit, Failed> {
    let text = std::fs::read(file).with_context(|| format!("cannot read what is expected, {file}"))?;
    let expected = events(&text).with_context(|| format!("{file} is neither JSON nor lines of JSON"))?;
    let differences = compare(&expected, got, extended);
    let Some(first) = differences.first() else {
        say(&format!("[OK] the result is as expected, events: {}\n", got.len()))?;
        return Ok(Exit::Ok);
    };
    if diff {
        let mut text = String::new();
        for difference in &differences {
            difference.write(&mut text);
        }
        say(&text)?;
    }
    let hint = if diff { "" } else { "; -diff shows how" };
    say(&format!("[FAILED] the result differs from {file}, first at event {}{hint}\n", first.event))?;
    Ok(Exit::Failure)
}

fn events(text: &[u8]) -> serde_json::Result<Vec<Value>> {
    let mut events = Vec::new();
    for value in Deserializer::from_slice(text).into_iter() {
        match value? {
            Value::Array(items) => events.extend(items),
            other => events.push(other),
        }
    }
    Ok(events)
}

/// A value that is not as expected.
#[derive(Debug, PartialEq)]
struct Difference {
    /// Which event, from 1.
    event: usize,
    /// The field; empty for the whole event.
    field: String,
    expected: Option<Value>,
    got: Option<Value>,
}

impl Difference {
    fn write(&self, text: &mut String) {
        // Writing to a string does not fail.
        let _ = write!(text, "event {}", self.event);
        let _ = match self.field.as_str() {
            "" => writeln!(text),
            field => writeln!(text, ", {field}"),
        };
        for (sign, side) in [('-', &self.expected), ('+', &self.got)] {
            let _ = match side {
                Some(value) => writeln!(text, "  {sign} {value}"),
                None => writeln!(text, "  {sign} (nothing)"),
            };
        }
    }
}

fn compare(expected: &[Value], got: &[Value], in_part: bool) -> Vec<Difference> {
    let mut differences = Vec::new();
    for at in 0..expected.len().max(got.len()) {
        let mut search = Search { event: at + 1, in_part, differences: &mut differences };
        search.compare(expected.get(at), got.get(at), "");
    }
    differences
}

struct Search<'d> {
    event: usize,
    /// Only what is expected counts.
    in_part: bool,
    differences: &'d mut Vec<Difference>,
}

impl Search<'_> {
    fn compare(&mut self, expected: Option<&Value>, got: Option<&Value>, field: &str) {
        match (expected, got) {
            (Some(Value::Object(a)), Some(Value::Object(b))) => {
                for (name, value) in a {
                    self.compare(Some(value), b.get(name), &below(field, name));
                }
                let in_part = self.in_part;
                for (name, value) in b.iter().filter(|(name, _)| !in_part && !a.contains_key(*name)) {
                    self.compare(None, Some(value), &below(field, name));
                }
            }
            (Some(Value::Array(a)), Some(Value::Array(b))) if a.len() == b.len() => {
                for (at, (a, b)) in a.iter().zip(b).enumerate() {
                    self.compare(Some(a), Some(b), &below(field, &at.to_string()));
                }
            }
            (Some(a), Some(b)) if same(a, b) => {}
            (None, None) => {}
            _ => self.differences.push(Difference {
                event: self.event,
                field: field.to_owned(),
                expected: expected.cloned(),
                got: got.cloned(),
            }),
        }
    }
}

fn below(field: &str, name: &str) -> String {
    if field.is_empty() { name.to_owned() } else { format!("{field}.{name}") }
}

/// Numbers are equal by value: 1 is 1.0.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a == b || (a.as_f64() == b.as_f64() && a.as_f64().is_some()),
        _ => a == b,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn order_of_keys_and_the_form_of_numbers_do_not_matter() {
        let expected = [json!({"a": 1, "b": [2.0]})];
        assert_eq!(compare(&expected, &[json!({"b": [2], "a": 1.0})], false), []);
    }

    #[test]
    fn each_difference_is_said_with_its_place() {
        let expected = [json!({"a": {"b": 1}, "c": [1, 2], "gone": true}), json!({"x": 1})];
        let got = [json!({"a": {"b": 2}, "c": [1], "new": null})];
        let mut text = String::new();
        for difference in compare(&expected, &got, false) {
            difference.write(&mut text);
        }
        assert_eq!(
            text,
            "event 1, a.b\n  - 1\n  + 2\nevent 1, c\n  - [1,2]\n  + [1]\nevent 1, gone\n  - true\n  + (nothing)\n\
             event 1, new\n  - (nothing)\n  + null\nevent 2\n  - {\"x\":1}\n  + (nothing)\n"
        );
    }

    #[test]
    fn in_part_only_what_is_expected_counts() {
        let got = [json!({"outcome": "kept", "event": {"a": 1}, "steps": []})];
        assert_eq!(compare(&[json!({"outcome": "kept", "event": {"a": 1}})], &got, true), []);
        assert_eq!(compare(&[json!({"outcome": "dropped"})], &got, true).len(), 1);
    }
}
