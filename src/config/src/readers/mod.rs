//! How a single value is read: its type, what is allowed, its JSON Schema.
//!
//! A reader is a value such as `Port` or `Choice(&[…])` that stands beside a property's name in the `decode`
//! functions; `Fields` does the rest.

mod address;
mod choice;
mod number;
mod text;

use serde_json::{Value as Json, json};

pub(crate) use address::{Address, Host, Url};
pub(crate) use choice::{Choice, Flag, List};
pub(crate) use number::{Bytes, PORT, Seconds, Whole};
pub(crate) use text::{AnyText, Delimiter, FilePath, SecretText, Text};

use crate::{Node, Position};

/// How a value is read.
pub(crate) trait Reader {
    /// What comes of it.
    type Value;

    /// Reads a value that is not null.
    fn read(&self, node: &Node) -> Result<Self::Value, Wrong>;

    /// What stands in for a value that is wrong; the snapshot it would be in is thrown away.
    fn placeholder(&self) -> Self::Value;

    /// Its JSON Schema.
    fn schema(&self) -> Json;
}

/// A value that is not allowed.
pub(crate) struct Wrong {
    pub(crate) at: Position,
    /// The value, as far as it may be shown.
    pub(crate) shown: String,
    /// What to do: `write …`.
    pub(crate) fix: String,
}

impl Wrong {
    pub(crate) fn new(node: &Node, fix: impl Into<String>) -> Self {
        Self { at: node.at.clone(), shown: node.shown(), fix: fix.into() }
    }
}

/// A schema for values that may also be a placeholder.
fn or_placeholder(schema: Json) -> Json {
    json!({"anyOf": [schema, {"$ref": "#/$defs/placeholder"}]})
}

/// The text of a scalar that is not empty.
fn text_of(node: &Node) -> Option<&str> {
    node.as_text().filter(|text| !text.is_empty())
}
