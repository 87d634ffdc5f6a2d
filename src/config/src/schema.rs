//! The JSON Schema of a configuration, drawn by the functions that decode it.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::fields::Fields;
use crate::load::decode;

/// JSON Schema (2020-12) of a configuration file, for editors. It is a little stricter than the loader, which
/// takes numbers and booleans in quotes, too.
pub fn schema() -> Json {
    let context = Context::new(Path::new(""), None);
    let mut fields = Fields::drawing(&context);
    let _ = decode(&mut fields);
    let mut schema = fields.into_schema("configuration of the DataStream Director");
    if let Json::Object(schema) = &mut schema {
        schema.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        let placeholder = json!({
            "type": "string",
            "pattern": r"\$\{[A-Za-z_][A-Za-z0-9_]*\}",
            "description": "filled in from the environment",
        });
        schema.insert("$defs".to_owned(), json!({"placeholder": placeholder}));
    }
    schema
}
