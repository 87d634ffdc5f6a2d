//! Pipelines as they are written: the tree that is compiled, and what is said about its mistakes.
//!
//! The only place that knows how configurations are read: a tree of package `config` becomes one of these.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// A place in a configuration file.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// A value and where it is written.
#[derive(Clone, Debug)]
pub struct Node {
    /// Where.
    pub at: Place,
    /// What.
    pub value: Value,
}

/// What is written.
#[derive(Clone, Debug)]
pub enum Value {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// A text.
    Text(String),
    /// Several.
    List(Vec<Node>),
    /// Keys with values, in order.
    Map(Vec<Entry>),
}

/// A key with its value.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// Where the key is.
    pub key_at: Place,
    /// Its value.
    pub value: Node,
}

/// A mistake: where, what, and what would be right. Displays as `file:line:column: what; fix`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file.
    pub file: Arc<Path>,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub fix: String,
}

impl From<&config::Position> for Place {
    fn from(at: &config::Position) -> Self {
        Self { file: Arc::clone(at.file()), line: at.line(), column: at.column() }
    }
}

impl From<&config::Node> for Node {
    fn from(node: &config::Node) -> Self {
        use config::Resolved;
        let value = match &node.value {
            config::Value::Map(map) => Value::Map(map.entries().iter().map(Entry::from).collect()),
            config::Value::List(items) => Value::List(items.iter().map(Self::from).collect()),
            config::Value::Scalar(scalar) => match scalar.resolve() {
                Resolved::Null => Value::Null,
                Resolved::Bool(truth) => Value::Bool(truth),
                Resolved::Int(number) => Value::Int(number),
                Resolved::Float(number) => Value::Float(number),
                Resolved::Text(text) => Value::Text(text.to_owned()),
            },
        };
        Self { at: Place::from(&node.at), value }
    }
}

impl From<&config::Entry> for Entry {
    fn from(entry: &config::Entry) -> Self {
        Self { key: entry.key.clone(), key_at: Place::from(&entry.key_at), value: Node::from(&entry.value) }
    }
}

impl From<Diagnostic> for config::Diagnostic {
    fn from(diagnostic: Diagnostic) -> Self {
        let Diagnostic { file, line, column, what, fix } = diagnostic;
        let severity = config::Severity::Error;
        Self { file: file.to_path_buf(), line, column, what, fix, severity }
    }
}

impl Place {
    /// A mistake here.
    pub fn error(&self, what: impl Into<String>, fix: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: Arc::clone(&self.file),
            line: self.line,
            column: self.column,
            what: what.into(),
            fix: fix.into(),
        }
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file.display(), self.line, self.column, self.what)?;
        if self.fix.is_empty() { Ok(()) } else { write!(f, "; {}", self.fix) }
    }
}

impl Node {
    /// The value of a key, if this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|entry| entry.key == key).map(|entry| &entry.value)
    }

    /// The entries of a map; none if it is something else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// What kind of value it is, for error texts: never the value itself, which may be a secret.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// A tree made from JSON, all of it at the first line of `file`.
    pub fn from_json(file: &Path, json: &serde_json::Value) -> Self {
        use serde_json::Value as Json;
        let at = Place { file: Arc::from(file), line: 1, column: 1 };
        let value = match json {
            Json::Null => Value::Null,
            Json::Bool(truth) => Value::Bool(*truth),
            Json::Number(number) => match number.as_i64() {
                Some(whole) => Value::Int(whole),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            Json::String(text) => Value::Text(text.clone()),
            Json::Array(items) => Value::List(items.iter().map(|item| Self::from_json(file, item)).collect()),
            Json::Object(fields) => {
                let entry = |(key, value): (&String, &Json)| Entry {
                    key: key.clone(),
                    key_at: at.clone(),
                    value: Self::from_json(file, value),
                };
                Value::Map(fields.iter().map(entry).collect())
            }
        };
        Self { at, value }
    }
}
