//! A pipeline, uncompiled: processors and their options are not known here.

use serde_json::json;

use crate::fields::Fields;
use crate::readers::{AnyText, Flag, List, Text};
use crate::{Node, Position};

/// A pipeline as it is written.
#[derive(Clone, Debug, PartialEq)]
pub struct PipelineSource {
    /// Its unique name.
    pub name: String,
    /// The whole pipeline object: `name`, `description`, `tags`, `processors`, `if`, `on_failure`,
    /// `ignore_failure`, `quarantine`.
    pub node: Node,
    /// Where it is.
    pub at: Position,
}

/// Reads a pipeline; `node` is the whole of it. Processors are compiled, and their mistakes found, elsewhere.
pub(crate) fn decode(fields: &mut Fields) -> PipelineSource {
    let name = fields.required("name", Text, "a name that no other pipeline has");
    fields.or("description", AnyText, String::new(), "", "free text");
    fields.optional("tags", List(Text), "labels");
    fields.optional("if", Text, "which events it takes");
    fields.or("ignore_failure", Flag, false, false, "go on after an error");
    fields.or("quarantine", Flag, false, false, "keep events that fail instead of dropping them");
    let list = || json!({"type": "array", "items": {"type": ["object", "string"]}});
    for (key, about) in
        [("processors", "processors, run one after the other"), ("on_failure", "run after an error")]
    {
        let node = fields.tree(key, list(), about);
        if node.is_some_and(|node| node.as_list().is_none()) {
            fields.wrong(key, "write a list of processors");
        }
    }
    if !fields.has("processors") {
        fields.missing("processors", "a list of processors");
    }
    let at = fields.at().clone();
    PipelineSource { name, node: fields.whole(), at }
}
