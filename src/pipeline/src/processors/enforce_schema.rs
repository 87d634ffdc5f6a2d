//! `enforce_schema`: an event as a schema of Avro or Parquet has it.
//!
//! The schema is read when the pipeline is compiled ([`avro`](super::schema_avro), [`parquet`](super::schema_parquet)); for each
//! event a new tree of its fields is made, in the schema's order, and put in place of the old one if every field fits.

use super::schema_shape::{Field, fit_record};
use super::{schema_avro, schema_parquet};
use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};
use event::model::{Event, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "enforce_schema",
    family: "manipulate",
    summary: "Gives an event the fields and types of an Avro or Parquet schema, or fails.",
    details: "Texts become numbers, truth values and times where the schema has these, and everything becomes a text where it has \
              one; a time in a whole number counts milliseconds since 1970, unless its annotation says otherwise. Of a union the \
              first type counts that takes the value. A missing field gets the schema's default; one that is required and has \
              none fails, and then the event stays as it was. Fields that the schema does not have are removed. Records in \
              themselves, and references to schemas elsewhere, are not available.",
    options: &[
        required("schema", "The schema itself: JSON for Avro, `message name { … }` for Parquet."),
        optional("schema_type", "parquet", "`parquet` or `avro`."),
        optional("requirement_filter", "all", "There is only `all`: every field of the schema is enforced."),
    ],
    examples: &[
        Example {
            title: "Parquet",
            event: r#"{"user_id": "12345", "time": "2026-01-15T10:30:00Z", "other": 1}"#,
            processors: "- enforce_schema:\n    schema: |\n      message event {\n        required int64 user_id;\n        required int64 time;\n        optional binary action (UTF8);\n      }",
            outcome: Outcome::Event(r#"{"user_id": 12345, "time": 1768473000000}"#),
        },
        Example {
            title: "Avro, with a default and a union",
            event: r#"{"id": "ann", "value": "42.5", "scores": ["95", 87]}"#,
            processors: "- enforce_schema:\n    schema_type: avro\n    schema: |\n      {\"type\": \"record\", \"name\": \"Event\", \"fields\": [\n        {\"name\": \"id\", \"type\": [\"int\", \"string\"]},\n        {\"name\": \"value\", \"type\": [\"null\", \"int\", \"double\"]},\n        {\"name\": \"scores\", \"type\": {\"type\": \"array\", \"items\": \"int\"}},\n        {\"name\": \"tags\", \"type\": {\"type\": \"map\", \"values\": \"string\"}, \"default\": {}}\n      ]}",
            outcome: Outcome::Event(r#"{"id": "ann", "value": 42.5, "scores": [95, 87], "tags": {}}"#),
        },
        Example {
            title: "a required field that is missing",
            event: r#"{"a": 1}"#,
            processors: "- enforce_schema: {schema: 'message event { required int32 b; }'}",
            outcome: Outcome::Fails("field [b] is missing, which the schema requires"),
        },
    ],
    compile,
};

#[derive(Clone, Copy)]
enum Kind {
    Parquet,
    Avro,
}

struct EnforceSchema {
    fields: Vec<Field>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let at = options.required("schema")?.at.clone();
    let text = options.required_text("schema")?;
    let kind = options.choice("schema_type", &[("parquet", Kind::Parquet), ("avro", Kind::Avro)])?;
    options.choice("requirement_filter", &[("all", ())])?;
    let (read, form) = match kind {
        Kind::Parquet => {
            (schema_parquet::read(&text), "write it like `message event { required int64 user_id; }`")
        }
        Kind::Avro => (
            schema_avro::read(&text),
            r#"write it like `{"type": "record", "name": "Event", "fields": [{"name": "id", "type": "long"}]}`"#,
        ),
    };
    match read {
        Ok(fields) => Ok(Box::new(EnforceSchema { fields })),
        Err(why) => Err(options.error(&at, format!("the option \"schema\": {why}"), form)),
    }
}

impl Processor for EnforceSchema {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Slot::Map(before) = cx.event.slot(Event::ROOT) else { return Ok(Flow::Next) };
        let mut after = fit_record(cx, &self.fields, before)?;
        let mut at = cx.event.children(before).next();
        while let Some(node) = at {
            at = cx.event.next(node);
            let (key, slot) = (cx.event.key(node), cx.event.slot(node));
            if key.is_metadata() && cx.event.field(after, key).is_none() {
                cx.event.append_to(&mut after, key, slot)?;
            }
        }
        cx.event.put(Event::ROOT, Slot::Map(after));
        Ok(Flow::Next)
    }
}
