//! `${NAME}` in values is replaced from the environment.
//!
//! It happens in the tree, after YAML was read: a value from the environment can't add keys or lines. `$${`
//! stands for `${` itself; what is not a name between the braces (`${1}` of a replacement text) stays as it
//! is.

use crate::{Diagnostic, Node, Position, Value};

/// Where values come from.
pub(crate) type Environment<'a> = dyn Fn(&str) -> Option<String> + 'a;

/// Replaces the placeholders in all values of the tree; keys stay.
pub(crate) fn fill_in(node: &mut Node, environment: &Environment, report: &mut Vec<Diagnostic>) {
    match &mut node.value {
        Value::Map(map) => {
            for entry in map.entries_mut() {
                fill_in(&mut entry.value, environment, report);
            }
        }
        Value::List(items) => {
            for item in items {
                fill_in(item, environment, report);
            }
        }
        Value::Scalar(scalar) => {
            if scalar.text().contains("${") {
                let text = replaced(scalar.text(), &node.at, environment, report);
                scalar.fill_in(text);
            }
        }
    }
}

/// The text with all placeholders replaced; none, and reported, if one is not set.
fn replaced(
    text: &str,
    at: &Position,
    environment: &Environment,
    report: &mut Vec<Diagnostic>,
) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut unset = false;
    let mut rest = text;
    while let Some(start) = rest.find("${") {
        let (before, from) = rest.split_at(start);
        if let Some(kept) = before.strip_suffix('$') {
            out.push_str(kept);
            out.push_str("${");
            rest = &from[2..];
            continue;
        }
        out.push_str(before);
        let Some(name) = name(&from[2..]) else {
            out.push_str("${");
            rest = &from[2..];
            continue;
        };
        rest = &from[2 + name.len() + 1..];
        match environment(name) {
            Some(value) => out.push_str(&value),
            None => {
                unset = true;
                report.push(at.error(
                    format!("environment variable \"{name}\" is not set"),
                    format!("set it, or write $${{{name}}} for the text itself"),
                ));
            }
        }
    }
    out.push_str(rest);
    (!unset).then_some(out)
}

/// The name before the closing brace.
fn name(text: &str) -> Option<&str> {
    let (name, _) = text.split_once('}')?;
    let starts = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let goes_on = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (starts && goes_on).then_some(name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn fill(text: &str) -> (String, Vec<String>) {
        let environment = |name: &str| (name == "PORT").then(|| "514".to_owned());
        let at = Position::new(Path::new("a.yml").into(), 1, 1);
        let mut report = Vec::new();
        let text = replaced(text, &at, &environment, &mut report);
        (text.unwrap_or_default(), report.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_placeholder_is_replaced_anywhere_in_a_value() {
        assert_eq!(fill("${PORT}").0, "514");
        assert_eq!(fill("a ${PORT} b ${PORT}").0, "a 514 b 514");
    }

    #[test]
    fn two_dollars_stand_for_the_text_itself() {
        assert_eq!(fill("$${PORT} ${PORT}").0, "${PORT} 514");
    }

    #[test]
    fn what_is_not_a_name_stays() {
        for text in ["${1}", "${}", "${a b}", "${PORT", "$PORT", "${é}"] {
            assert_eq!(fill(text), (text.to_owned(), Vec::new()));
        }
    }

    #[test]
    fn an_unset_variable_is_named() {
        let expected = "a.yml:1:1: environment variable \"NOPE\" is not set; \
             set it, or write $${NOPE} for the text itself";
        assert_eq!(fill("x${NOPE}").1, [expected]);
    }
}
