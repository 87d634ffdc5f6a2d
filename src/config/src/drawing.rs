//! The JSON Schema of a map while it is drawn.

use serde_json::{Map as JsonMap, Value as Json, json};

/// A schema being drawn.
#[derive(Default)]
pub(crate) struct Drawing {
    pub(crate) properties: JsonMap<String, Json>,
    pub(crate) required: Vec<&'static str>,
    /// Schemas that depend on values (`allOf`).
    pub(crate) conditions: Vec<Json>,
}

impl Drawing {
    pub(crate) fn schema(self, about: &str) -> Json {
        let mut schema = JsonMap::new();
        schema.insert("type".to_owned(), json!(["object", "null"]));
        if !about.is_empty() {
            schema.insert("description".to_owned(), json!(about));
        }
        schema.insert("properties".to_owned(), Json::Object(self.properties));
        if !self.required.is_empty() {
            schema.insert("type".to_owned(), json!("object"));
            schema.insert("required".to_owned(), json!(self.required));
        }
        schema.insert("additionalProperties".to_owned(), json!(false));
        if !self.conditions.is_empty() {
            schema.insert("allOf".to_owned(), json!(self.conditions));
        }
        Json::Object(schema)
    }
}
