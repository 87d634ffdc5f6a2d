//! Schemas of Parquet as text (`message event { required int64 id; }`) to the shapes of an event's fields.

use super::schema_shape::{Absent, Field, Shape, Unit};

/// Groups may be so deep in each other.
const MAX_DEPTH: usize = 32;

const TYPES: &str = "boolean, int32, int64, int96, float, double, binary, fixed_len_byte_array, group";

/// The fields of the message that a schema is.
pub(super) fn read(text: &str) -> Result<Vec<Field>, String> {
    let mut reader = Reader { tokens: tokens(text), at: 0 };
    reader.expect("message")?;
    reader.name()?;
    let fields = reader.fields(0)?;
    match reader.peek() {
        None => Ok(fields),
        Some(_) => Err(reader.wrong("the end of the schema")),
    }
}

/// Words and marks, each with its line.
fn tokens(text: &str) -> Vec<(&str, usize)> {
    let mut tokens = Vec::new();
    for (line, content) in text.lines().enumerate() {
        let mut rest = content;
        while let Some(first) = rest.chars().next() {
            let len = match rest.find(|c: char| c.is_whitespace() || "{}();=,".contains(c)) {
                Some(0) => first.len_utf8(),
                Some(at) => at,
                None => rest.len(),
            };
            if !first.is_whitespace() {
                tokens.push((&rest[..len], line + 1));
            }
            rest = &rest[len..];
        }
    }
    tokens
}

struct Reader<'t> {
    tokens: Vec<(&'t str, usize)>,
    at: usize,
}

impl<'t> Reader<'t> {
    fn peek(&self) -> Option<&'t str> {
        self.tokens.get(self.at).map(|(token, _)| *token)
    }

    fn take(&mut self, wanted: &str) -> bool {
        let is_there = self.peek() == Some(wanted);
        self.at += usize::from(is_there);
        is_there
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        if self.take(wanted) { Ok(()) } else { Err(self.wrong(&format!("{wanted:?}"))) }
    }

    fn wrong(&self, wanted: &str) -> String {
        match self.tokens.get(self.at) {
            Some((token, line)) => format!("its line {line} has {token:?} where {wanted} is expected"),
            None => format!("it ends where {wanted} is expected"),
        }
    }

    fn name(&mut self) -> Result<&'t str, String> {
        match self.peek().filter(|token| !"{}();=,".contains(token)) {
            Some(name) => {
                self.at += 1;
                Ok(name)
            }
            None => Err(self.wrong("a name")),
        }
    }

    /// `{ field field … }`
    fn fields(&mut self, depth: usize) -> Result<Vec<Field>, String> {
        if depth > MAX_DEPTH {
            return Err(format!("groups are at most {MAX_DEPTH} levels deep in each other"));
        }
        self.expect("{")?;
        let mut fields = Vec::new();
        while !self.take("}") {
            fields.push(self.field(depth)?);
        }
        Ok(fields)
    }

    fn field(&mut self, depth: usize) -> Result<Field, String> {
        let wrong = self.wrong("`required`, `optional` or `repeated`");
        let (absent, repeats) = match self.name()? {
            "required" => (Absent::Fails, false),
            "optional" => (Absent::Stays, false),
            "repeated" => (Absent::Stays, true),
            _ => return Err(wrong),
        };
        let wrong = self.wrong(&format!("one of {TYPES}"));
        let kind = self.name()?;
        if kind == "fixed_len_byte_array" && self.take("(") {
            self.name()?;
            self.expect(")")?;
        }
        let name = self.name()?;
        let annotation = self.annotation()?;
        if self.take("=") {
            self.name()?; // the field's number
        }
        let shape = if kind == "group" {
            group(self.fields(depth + 1)?, &annotation)?
        } else {
            self.expect(";")?;
            plain(kind, &annotation).ok_or(wrong)?
        };
        let shape = if repeats { Shape::List(Box::new(shape)) } else { shape };
        Ok(Field { name: name.into(), shape, absent })
    }

    /// `(UTF8)`, `(TIMESTAMP(MICROS,true))`: its words.
    fn annotation(&mut self) -> Result<Vec<&'t str>, String> {
        let mut words = Vec::new();
        if !self.take("(") {
            return Ok(words);
        }
        let mut open = 1;
        while open > 0 {
            match self.peek().ok_or_else(|| self.wrong("\")\""))? {
                "(" => open += 1,
                ")" => open -= 1,
                "," => {}
                word => words.push(word),
            }
            self.at += 1;
        }
        Ok(words)
    }
}

fn plain(kind: &str, annotation: &[&str]) -> Option<Shape> {
    let unit = match annotation {
        ["DATE", ..] => Some(Unit::Days),
        ["TIMESTAMP_MILLIS", ..] | ["TIMESTAMP", "MILLIS", ..] => Some(Unit::Millis),
        ["TIMESTAMP_MICROS", ..] | ["TIMESTAMP", "MICROS", ..] => Some(Unit::Micros),
        ["TIMESTAMP", "NANOS", ..] => Some(Unit::Nanos),
        _ => None,
    };
    Some(match (kind, unit) {
        ("int32" | "int64", Some(unit)) => Shape::Since1970(unit),
        ("boolean", _) => Shape::Bool,
        ("int32", None) => Shape::Int,
        ("int64", None) => Shape::Long,
        // Times of 96 bits count nanoseconds; the writer splits them.
        ("int96", _) => Shape::Since1970(Unit::Nanos),
        ("float" | "double", _) => Shape::Float,
        ("binary" | "fixed_len_byte_array", _) => Shape::Text,
        _ => return None,
    })
}

/// A group is an object, or, by its annotation, a list or map around which Parquet puts two groups more.
fn group(mut fields: Vec<Field>, annotation: &[&str]) -> Result<Shape, String> {
    match annotation {
        ["LIST", ..] => match fields.pop().map(|field| field.shape) {
            Some(Shape::List(inner)) if fields.is_empty() => Ok(Shape::List(match *inner {
                Shape::Record(mut element) if element.len() == 1 => Box::new(element.remove(0).shape),
                other => Box::new(other),
            })),
            _ => Err("a group (LIST) has one repeated field".to_owned()),
        },
        ["MAP" | "MAP_KEY_VALUE", ..] => match fields.pop().map(|field| field.shape) {
            Some(Shape::List(inner)) if fields.is_empty() => match *inner {
                Shape::Record(mut pair) if pair.len() == 2 => Ok(Shape::Map(Box::new(pair.remove(1).shape))),
                _ => Err("the repeated group of a group (MAP) has a key and a value".to_owned()),
            },
            _ => Err("a group (MAP) has one repeated group".to_owned()),
        },
        _ => Ok(Shape::Record(fields)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_maps_groups_and_times_are_read() {
        let fields = read(
            "message m {
               optional group tags (LIST) { repeated group list { optional binary element (STRING); } }
               optional group labels (MAP) { repeated group key_value { required binary key (UTF8); optional int32 value; } }
               required group user = 3 { required fixed_len_byte_array(16) id (UUID); }
               required int64 at (TIMESTAMP(MICROS,true));
               repeated double scores;
             }",
        )
        .expect("a schema");
        assert!(matches!(&fields[0].shape, Shape::List(inner) if matches!(**inner, Shape::Text)));
        assert!(matches!(&fields[1].shape, Shape::Map(inner) if matches!(**inner, Shape::Int)));
        assert!(matches!(&fields[2].shape, Shape::Record(fields) if fields.len() == 1));
        assert!(matches!(fields[3].shape, Shape::Since1970(Unit::Micros)));
        assert!(matches!(&fields[4].shape, Shape::List(inner) if matches!(**inner, Shape::Float)));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let cases = [
            ("", "it ends where \"message\" is expected"),
            ("message m {\n  required int65 a;\n}", "its line 2 has \"int65\" where one of boolean"),
            ("message m {\n  needed int64 a;\n}", "its line 2 has \"needed\" where `required`"),
            ("message m { required int64 a }", "has \"}\" where \";\" is expected"),
            ("message m { optional group l (LIST) { optional int32 a; } }", "has one repeated field"),
            ("message m { required int64 a;", "it ends where a name is expected"),
            ("message m {} x", "the end of the schema"),
        ];
        for (text, what) in cases {
            let why = read(text).expect_err(text);
            assert!(why.contains(what), "{text}: {why}");
        }
        let deep = format!("message m {}", "{ required group g ".repeat(40));
        assert!(read(&deep).expect_err("deep").contains("levels deep"));
    }
}
