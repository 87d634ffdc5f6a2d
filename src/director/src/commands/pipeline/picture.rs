//! What people are shown on a terminal: each event, what became of it, and what each processor did.

use super::run::{Ended, Outcome, Taken};
use serde_json::Value;
use std::fmt::Write;

/// Longer values are cut in the picture.
const LONGEST_VALUE: usize = 100;

/// Colours of a terminal (ECMA-48).
const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const GREY: &str = "90";

/// Draws what became of the event of this number.
pub(super) fn draw(number: usize, outcome: &Outcome, colour: bool, text: &mut String) {
    let paint = |code: &str, words: &str| match colour {
        true => format!("\x1b[{code}m{words}\x1b[0m"),
        false => words.to_owned(),
    };
    let code = match outcome.ended {
        Ended::Kept => GREEN,
        Ended::Dropped => YELLOW,
        Ended::Failed => RED,
    };
    // Writing to a string does not fail.
    let _ = write!(text, "event {number}: {}", paint(code, outcome.ended.word()));
    let _ = match &outcome.error {
        Some(error) => writeln!(text, ", {error}"),
        None => writeln!(text),
    };
    for step in &outcome.steps {
        draw_step(step, &paint, text);
    }
    for left in &outcome.events {
        let target = left.target.as_ref().map_or_else(String::new, |target| format!("to {target}: "));
        let _ = writeln!(text, "  = {target}{}", left.json);
    }
}

fn draw_step(step: &Taken, paint: &impl Fn(&str, &str) -> String, text: &mut String) {
    let indent = "  ".repeat(step.depth as usize + 1);
    let (did, error) = step.did();
    let code = match did {
        "completed" | "returned" => GREEN,
        "failed" => RED,
        "dropped" => YELLOW,
        _ => GREY,
    };
    let tag = step.tag.as_ref().map_or_else(String::new, |tag| format!(" [{tag}]"));
    let place = paint(GREY, &format!("{} {}, {:.1?}", step.pipeline, step.at, step.took));
    let _ = write!(text, "{indent}{}{tag} {}  {place}", step.processor, paint(code, did));
    let _ = match error {
        Some(error) => writeln!(text, "\n{indent}    {}", paint(RED, error)),
        None => writeln!(text),
    };
    for change in &step.changes {
        let field = &change.field;
        let line = match (&change.before, &change.after) {
            (Some(before), Some(after)) => {
                paint(YELLOW, &format!("~ {field}: {} -> {}", short(before), short(after)))
            }
            (None, Some(after)) => paint(GREEN, &format!("+ {field}: {}", short(after))),
            (Some(before), None) => paint(RED, &format!("- {field}: {}", short(before))),
            (None, None) => continue,
        };
        let _ = writeln!(text, "{indent}    {line}");
    }
}

fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((at, _)) => format!("{} ...", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::super::run::Left;
    use super::*;
    use pipeline::watch::{Change, What};
    use serde_json::json;
    use std::time::Duration;

    #[test]
    fn changes_stand_below_the_step_that_made_them() {
        let change = |field: &str, before: Option<Value>, after: Option<Value>| Change {
            field: field.to_owned(),
            before,
            after,
        };
        let step = Taken {
            processor: "set",
            tag: Some("t".to_owned()),
            pipeline: "main".to_owned(),
            at: "p.yml:3".to_owned(),
            depth: 0,
            what: What::Completed,
            changes: vec![
                change("a", None, Some(json!(1))),
                change("b", Some(json!("x")), None),
                change("c", Some(json!(1)), Some(json!("y".repeat(200)))),
            ],
            took: Duration::from_micros(2),
        };
        let left = Left { json: "{\"a\":1}".to_owned(), target: Some("lake".to_owned()) };
        let outcome = Outcome { ended: Ended::Kept, events: vec![left], error: None, steps: vec![step] };
        let mut text = String::new();
        draw(1, &outcome, false, &mut text);
        let long = "y".repeat(LONGEST_VALUE - 1);
        assert_eq!(
            text,
            format!(
                "event 1: kept\n  set [t] completed  main p.yml:3, 2.0µs\n      + a: 1\n      - b: \"x\"\n      \
                 ~ c: 1 -> \"{long} ...\n  = to lake: {{\"a\":1}}\n"
            )
        );
        text.clear();
        draw(1, &outcome, true, &mut text);
        assert!(text.starts_with("event 1: \x1b[32mkept\x1b[0m\n"), "{text:?}");
    }
}
