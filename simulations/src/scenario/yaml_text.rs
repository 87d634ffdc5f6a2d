//! A configuration tree as YAML again.

use config::{Map, Node, Value};
use serde_json::Value as Json;
use std::fmt::Write;

/// A tree that can be changed: the configuration's own has no way to.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Tree {
    /// Keys with values, in order.
    Map(Vec<(String, Tree)>),
    /// Values.
    List(Vec<Tree>),
    /// A scalar as it is written.
    Plain(String),
    /// A text in quotes.
    Quoted(String),
}

impl Tree {
    pub(crate) fn of(node: &Node) -> Self {
        match &node.value {
            Value::Map(map) => Self::of_map(map),
            Value::List(items) => Self::List(items.iter().map(Self::of).collect()),
            Value::Scalar(scalar) if scalar.is_quoted() => Self::Quoted(scalar.text().to_owned()),
            Value::Scalar(scalar) => Self::Plain(scalar.text().to_owned()),
        }
    }

    fn of_map(map: &Map) -> Self {
        Self::Map(map.entries().iter().map(|entry| (entry.key.clone(), Self::of(&entry.value))).collect())
    }

    pub(crate) fn of_json(json: &Json) -> Self {
        match json {
            Json::Object(map) => {
                Self::Map(map.iter().map(|(key, value)| (key.clone(), Self::of_json(value))).collect())
            }
            Json::Array(items) => Self::List(items.iter().map(Self::of_json).collect()),
            Json::String(text) => Self::Quoted(text.clone()),
            other => Self::Plain(other.to_string()),
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            Self::List(_) | Self::Plain(_) | Self::Quoted(_) => None,
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match self {
            Self::Plain(text) | Self::Quoted(text) => Some(text),
            Self::Map(_) | Self::List(_) => None,
        }
    }

    pub(crate) fn items_mut(&mut self) -> &mut [Self] {
        match self {
            Self::List(items) => items,
            Self::Map(_) | Self::Plain(_) | Self::Quoted(_) => &mut [],
        }
    }

    /// The value of a key, which is added where it is not there; what is no map becomes one.
    pub(crate) fn at(&mut self, key: &str) -> &mut Self {
        if !matches!(self, Self::Map(_)) {
            *self = Self::Map(Vec::new());
        }
        let Self::Map(entries) = self else { unreachable!("it was made a map") };
        let found = entries.iter().position(|(name, _)| name == key);
        let at = found.unwrap_or_else(|| {
            entries.push((key.to_owned(), Self::Map(Vec::new())));
            entries.len() - 1
        });
        &mut entries[at].1
    }

    pub(crate) fn set(&mut self, key: &str, value: impl Into<Json>) {
        *self.at(key) = Self::of_json(&value.into());
    }

    /// Whether it was there.
    pub(crate) fn remove(&mut self, key: &str) -> bool {
        let Self::Map(entries) = self else { return false };
        let before = entries.len();
        entries.retain(|(name, _)| name != key);
        entries.len() < before
    }

    /// As YAML.
    pub(crate) fn yaml(&self) -> String {
        let mut out = String::new();
        self.write(0, &mut out);
        out.push('\n');
        out
    }

    fn write(&self, depth: usize, out: &mut String) {
        match self {
            Self::Map(entries) if entries.is_empty() => out.push_str("{}"),
            Self::List(items) if items.is_empty() => out.push_str("[]"),
            Self::Map(entries) => {
                for (key, value) in entries {
                    let _ = write!(out, "\n{:depth$}{}:", "", Json::from(key.as_str()));
                    value.write_value(depth, out);
                }
            }
            Self::List(items) => {
                for item in items {
                    let _ = write!(out, "\n{:depth$}-", "");
                    item.write_value(depth, out);
                }
            }
            Self::Plain(text) => out.push_str(text),
            Self::Quoted(text) => out.push_str(&Json::from(text.as_str()).to_string()),
        }
    }

    fn write_value(&self, depth: usize, out: &mut String) {
        if matches!(self, Self::Plain(_) | Self::Quoted(_)) {
            out.push(' ');
        }
        let empty = matches!(self, Self::Map(entries) if entries.is_empty())
            || matches!(self, Self::List(items) if items.is_empty());
        if empty {
            out.push(' ');
        }
        self.write(depth + 2, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn what_is_written_reads_as_it_was() {
        let text = "a: {b: [1, two, \"3\", ~], \"odd key: #\": 'it''s'}\nlist:\n  - {x: true}\n  - []\n  - {}\n\
                    text: |\n  several\n  lines\nempty:\nplain: a long plain ${TEXT} here\n";
        let nodes = config::parse(Path::new("a.yml"), text).expect("YAML");
        let written = Tree::of(&nodes[0]).yaml();
        let again =
            config::parse(Path::new("b.yml"), &written).unwrap_or_else(|e| panic!("{e:?}\n{written}"));
        assert_eq!(nodes, again, "{written}");
    }
}
