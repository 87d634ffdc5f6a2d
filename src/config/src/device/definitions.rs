//! `definitions`: the datasets that a `windows` or `linux` device is asked for.

use serde_json::json;

use crate::Position;
use crate::fields::Fields;
use crate::readers::{Flag, List, Text};
use crate::references::ReferenceKind;

/// All datasets of a device that are in use.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Definitions(pub(super) Vec<Definition>);

/// A dataset that is in use.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its name; ids of the product are names, too.
    pub name: String,
    /// What is read for it, where the dataset takes inputs.
    pub inputs: Vec<Input>,
    /// Where it is written.
    pub at: Position,
}

/// An input of a dataset.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// `path`: files or patterns on the endpoint.
    pub paths: Vec<String>,
}

/// Reads those that are in use, in order.
pub(super) fn decode(fields: &mut Fields) -> Definitions {
    let read = fields.items("definitions", "definition", "datasets to collect", |definition| {
        let at = definition.at().clone();
        let name = definition.required("name", Text, "name of a dataset, or its id");
        let status = definition.or("status", Flag, true, true, "whether it is in use");
        let inputs = definition.items("inputs", "input", "what is read for it", input);
        let inputs = inputs.into_iter().flatten().collect();
        status.then_some(Definition { name, inputs, at })
    });
    Definitions(read.into_iter().flatten().collect())
}

fn input(fields: &mut Fields) -> Option<Input> {
    let name = fields.or("name", Text, String::new(), "", "name of the input");
    let status = fields.or("status", Flag, true, true, "whether it is in use");
    let paths = fields.section("properties", "what is read", |properties| {
        let paths = properties.optional("path", List(Text), "files or patterns on the endpoint");
        properties.names("pipeline_name", ReferenceKind::Pipeline, "no effect: use the device's pipelines");
        properties.knows("start_date", "no effect", || json!({"deprecated": true}));
        paths.unwrap_or_default()
    });
    status.then_some(Input { name, paths })
}
