//! Schemas of Avro (specification 1.12): JSON to the shapes of an event's fields.

use super::schema_shape::{Absent, Field, Shape, Unit};
use serde_json::Value;
use std::collections::HashMap;

/// The fields of the record that a schema is.
pub(super) fn read(text: &str) -> Result<Vec<Field>, String> {
    let schema: Value = serde_json::from_str(text).map_err(|why| format!("it is no JSON: {why}"))?;
    match (Reader { known: HashMap::new() }).shape(&schema)? {
        Shape::Record(fields) => Ok(fields),
        _ => Err("an event is a record, and the schema is none".to_owned()),
    }
}

struct Reader {
    /// Named types so far; none while it is being read.
    known: HashMap<String, Option<Shape>>,
}

impl Reader {
    fn shape(&mut self, schema: &Value) -> Result<Shape, String> {
        match schema {
            Value::String(name) => self.named(name),
            Value::Array(types) => {
                Ok(Shape::Union(types.iter().map(|of| self.shape(of)).collect::<Result<_, _>>()?))
            }
            Value::Object(_) => self.complex(schema),
            other => Err(format!("a type is a text, a list or an object and not {other}")),
        }
    }

    fn named(&self, name: &str) -> Result<Shape, String> {
        Ok(match name {
            "null" => Shape::Null,
            "boolean" => Shape::Bool,
            "int" => Shape::Int,
            "long" => Shape::Long,
            "float" | "double" => Shape::Float,
            "string" | "bytes" => Shape::Text,
            _ => {
                return match self.known.get(unqualified(name)) {
                    Some(Some(shape)) => Ok(shape.clone()),
                    Some(None) => Err(format!("the record {name:?} is in itself, which is not available")),
                    None => Err(format!(
                        "there is no type {name:?}; there are null, boolean, int, long, float, double, bytes, string, \
                         record, enum, array, map, fixed, and those that stand before it"
                    )),
                };
            }
        })
    }

    fn complex(&mut self, schema: &Value) -> Result<Shape, String> {
        let part = |name: &str| schema.get(name).ok_or_else(|| format!("{schema} has no {name:?}"));
        let kind = match part("type")? {
            Value::String(kind) => kind.as_str(),
            inner => return self.shape(inner),
        };
        let name = || part("name")?.as_str().ok_or_else(|| format!("the \"name\" of {schema} is no text"));
        match kind {
            "record" => {
                let name = unqualified(name()?).to_owned();
                self.known.insert(name.clone(), None);
                let fields = part("fields")?.as_array();
                let fields = fields.ok_or_else(|| format!("the \"fields\" of {name:?} are no list"))?;
                let fields = fields.iter().map(|field| self.field(field)).collect::<Result<_, _>>()?;
                Ok(self.keep(name, Shape::Record(fields)))
            }
            "enum" => {
                let symbols = part("symbols")?.as_array().map(Vec::as_slice).unwrap_or_default();
                let symbols = symbols.iter().filter_map(Value::as_str).map(Box::from).collect();
                Ok(self.keep(unqualified(name()?).to_owned(), Shape::OneOf(symbols)))
            }
            "fixed" => Ok(self.keep(unqualified(name()?).to_owned(), Shape::Text)),
            "array" => Ok(Shape::List(Box::new(self.shape(part("items")?)?))),
            "map" => Ok(Shape::Map(Box::new(self.shape(part("values")?)?))),
            plain => match schema.get("logicalType").and_then(Value::as_str) {
                Some("date") => Ok(Shape::Since1970(Unit::Days)),
                Some("timestamp-millis" | "local-timestamp-millis") => Ok(Shape::Since1970(Unit::Millis)),
                Some("timestamp-micros" | "local-timestamp-micros") => Ok(Shape::Since1970(Unit::Micros)),
                Some("timestamp-nanos" | "local-timestamp-nanos") => Ok(Shape::Since1970(Unit::Nanos)),
                // What is not known counts as its plain type, says the specification.
                _ => self.named(plain),
            },
        }
    }

    fn keep(&mut self, name: String, shape: Shape) -> Shape {
        self.known.insert(name, Some(shape.clone()));
        shape
    }

    fn field(&mut self, field: &Value) -> Result<Field, String> {
        let name = field.get("name").and_then(Value::as_str);
        let name = name.ok_or_else(|| format!("the field {field} has no \"name\""))?;
        let kind = field.get("type").ok_or_else(|| format!("the field {name:?} has no \"type\""))?;
        let shape = self.shape(kind)?;
        let may_be_null = match &shape {
            Shape::Null => true,
            Shape::Union(shapes) => shapes.iter().any(|shape| matches!(shape, Shape::Null)),
            _ => false,
        };
        let absent = match field.get("default") {
            Some(Value::Null) => Absent::Stays,
            Some(value) => Absent::Default(value.to_string().into_bytes().into()),
            None if may_be_null => Absent::Stays,
            None => Absent::Fails,
        };
        Ok(Field { name: name.into(), shape, absent })
    }
}

/// A name without its namespace.
fn unqualified(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_type_may_be_used_again_and_a_logical_type_is_a_time() {
        let fields = read(
            r#"{"type": "record", "name": "a.Event", "fields": [
                {"name": "level", "type": {"type": "enum", "name": "Level", "symbols": ["low", "high"]}},
                {"name": "worst", "type": ["null", "Level"]},
                {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}, "default": 0}]}"#,
        )
        .expect("a schema");
        assert!(matches!(&fields[1].shape, Shape::Union(shapes) if matches!(&shapes[1], Shape::OneOf(_))));
        assert_eq!(fields[1].absent, Absent::Stays);
        assert!(matches!(fields[2].shape, Shape::Since1970(Unit::Micros)));
        assert_eq!(fields[2].absent, Absent::Default(Box::from(*b"0")));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let cases = [
            ("{", "it is no JSON"),
            ("\"string\"", "an event is a record"),
            (
                r#"{"type": "record", "name": "A", "fields": [{"name": "x", "type": "strin"}]}"#,
                "no type \"strin\"",
            ),
            (r#"{"type": "record", "name": "A", "fields": [{"name": "x", "type": "A"}]}"#, "is in itself"),
            (r#"{"type": "record", "name": "A", "fields": [{"name": "x"}]}"#, "has no \"type\""),
            (r#"{"type": "record", "fields": []}"#, "has no \"name\""),
        ];
        for (text, what) in cases {
            let why = read(text).expect_err(text);
            assert!(why.contains(what), "{text}: {why}");
        }
    }
}
