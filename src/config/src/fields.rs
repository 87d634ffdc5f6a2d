//! Reading the map of a component: one function decodes it, knows its keys and draws its JSON Schema.
//!
//! ```text
//! fn decode(fields: &mut Fields) -> UdpDevice {
//!     let port = fields.required("port", PORT, "port to bind");
//!     let reuse = fields.or("reuse", Flag, true, "several sockets on one port");
//!     …
//! }
//! ```
//!
//! Such a function runs over a map of a file, and then every key that it did not ask for is unknown; or it
//! runs over nothing to *draw*, and then what it asks for is the schema. It goes on after a mistake with a
//! placeholder, so that all mistakes are found; it must ask for all of its properties whatever their values
//! are.

use std::path::Path;

use serde_json::{Value as Json, json};

use crate::context::Context;
use crate::drawing::Drawing;
use crate::readers::Reader;
use crate::references::{Reference, ReferenceKind};
use crate::suggest::did_you_mean;
use crate::{Diagnostic, Entry, Map, Node, Position, Scalar, Value};

/// The subject of all files' top-level keys.
pub(crate) const WHOLE: &str = "the configuration";

/// The map of a component, or of a section of one (`tls`), being read.
pub(crate) struct Fields<'n> {
    pub(crate) context: &'n Context<'n>,
    map: Option<&'n Map>,
    at: Position,
    /// Whose map it is, for errors: `device "in"`.
    subject: String,
    /// What goes before keys in errors: `tls.`; empty at the top of a component.
    path: String,
    known: Vec<&'static str>,
    drawing: Option<Drawing>,
}

impl<'n> Fields<'n> {
    /// Over the map of a file.
    pub(crate) fn over(context: &'n Context<'n>, map: &'n Map, at: Position, subject: &str) -> Self {
        Self {
            context,
            map: Some(map),
            at,
            subject: subject.to_owned(),
            path: String::new(),
            known: Vec::new(),
            drawing: None,
        }
    }

    /// Over nothing, to draw.
    pub(crate) fn drawing(context: &'n Context<'n>) -> Self {
        Self {
            context,
            map: None,
            at: Position::new(Path::new("").into(), 1, 1),
            subject: String::new(),
            path: String::new(),
            known: Vec::new(),
            drawing: Some(Drawing::default()),
        }
    }

    /// Whether there is something to read, and not only a schema to draw.
    pub(crate) fn is_read(&self) -> bool {
        self.drawing.is_none()
    }

    /// Where the map is.
    pub(crate) fn at(&self) -> &Position {
        &self.at
    }

    /// Whose map it is, for errors.
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    // === values ===

    /// The value of a key that has to be there.
    pub(crate) fn required<R: Reader>(&mut self, name: &'static str, reader: R, about: &str) -> R::Value {
        if let Some(drawing) = &mut self.drawing {
            drawing.required.push(name);
        }
        match self.read(name, &reader, about, None) {
            Found::Value(value) => value,
            Found::Wrong => reader.placeholder(),
            Found::Nothing => {
                self.missing(name, about);
                reader.placeholder()
            }
        }
    }

    /// The value of a key, if it is there.
    pub(crate) fn optional<R: Reader>(
        &mut self,
        name: &'static str,
        reader: R,
        about: &str,
    ) -> Option<R::Value> {
        match self.read(name, &reader, about, None) {
            Found::Value(value) => Some(value),
            Found::Wrong => Some(reader.placeholder()),
            Found::Nothing => None,
        }
    }

    /// The value of a key, or the default, which is `shown` in the schema.
    pub(crate) fn or<R: Reader>(
        &mut self,
        name: &'static str,
        reader: R,
        default: R::Value,
        shown: impl Into<Json>,
        about: &str,
    ) -> R::Value {
        match self.read(name, &reader, about, Some(shown.into())) {
            Found::Value(value) => value,
            Found::Wrong | Found::Nothing => default,
        }
    }

    fn read<R: Reader>(
        &mut self,
        name: &'static str,
        reader: &R,
        about: &str,
        default: Option<Json>,
    ) -> Found<R::Value> {
        self.knows(name, about, || {
            let mut schema = reader.schema();
            if let (Json::Object(schema), Some(default)) = (&mut schema, default) {
                schema.insert("default".to_owned(), default);
            }
            schema
        });
        let Some(node) = self.node(name) else { return Found::Nothing };
        if node.as_scalar().is_some_and(Scalar::is_unset) {
            return Found::Wrong; // reported where it was to be filled in
        }
        match reader.read(node) {
            Ok(value) => Found::Value(value),
            Err(wrong) => {
                let what = format!("\"{}{name}\" of {} is {}", self.path, self.subject, wrong.shown);
                self.report(wrong.at.error(what, wrong.fix));
                Found::Wrong
            }
        }
    }

    /// The tree below a key whose shape is not known here.
    pub(crate) fn tree(&mut self, name: &'static str, schema: Json, about: &str) -> Option<&'n Node> {
        self.knows(name, about, || schema);
        self.node(name)
    }

    /// Entries of a map with any keys, such as headers.
    pub(crate) fn entries<R: Reader>(
        &mut self,
        name: &'static str,
        reader: &R,
        about: &str,
    ) -> Vec<(String, R::Value)> {
        self.knows(name, about, || json!({"type": "object", "additionalProperties": reader.schema()}));
        let Some(node) = self.node(name) else { return Vec::new() };
        let Some(map) = node.as_map() else {
            self.wrong(name, "write a map");
            return Vec::new();
        };
        let mut out = Vec::with_capacity(map.len());
        for Entry { key, value, .. } in map.entries() {
            match reader.read(value) {
                Ok(value) => out.push((key.clone(), value)),
                Err(wrong) => {
                    let what =
                        format!("\"{}{name}.{key}\" of {} is {}", self.path, self.subject, wrong.shown);
                    self.report(wrong.at.error(what, wrong.fix));
                }
            }
        }
        out
    }

    // === sections ===

    /// A map below a key; one that is missing reads as an empty one.
    pub(crate) fn section<T>(
        &mut self,
        name: &'static str,
        about: &str,
        read: impl FnOnce(&mut Fields<'n>) -> T,
    ) -> T {
        self.known.push(name);
        let node = self.node(name);
        let map = node.and_then(Node::as_map);
        if node.is_some() && map.is_none() {
            self.wrong(name, "write a map");
        }
        let mut below = Fields {
            context: self.context,
            map,
            at: node.map_or_else(|| self.at.clone(), |node| node.at.clone()),
            subject: self.subject.clone(),
            path: format!("{}{name}.", self.path),
            known: Vec::new(),
            drawing: self.drawing.is_some().then(Drawing::default),
        };
        let value = read(&mut below);
        below.refuse_unknown();
        if let (Some(above), Some(below)) = (&mut self.drawing, below.drawing) {
            if !below.required.is_empty() {
                above.required.push(name);
            }
            above.properties.insert(name.to_owned(), below.schema(about));
        }
        value
    }

    /// A map below a key, if it is there.
    pub(crate) fn optional_section<T>(
        &mut self,
        name: &'static str,
        about: &str,
        read: impl FnOnce(&mut Fields<'n>) -> T,
    ) -> Option<T> {
        if self.drawing.is_none() && self.node(name).is_none() {
            self.known.push(name);
            return None;
        }
        let value = self.section(name, about, read);
        if let Some(drawing) = &mut self.drawing {
            drawing.required.retain(|required| *required != name);
        }
        Some(value)
    }

    /// A list of maps below a key; `noun` is what one of them is called in errors.
    pub(crate) fn items<T>(
        &mut self,
        name: &'static str,
        noun: &str,
        about: &str,
        read: impl Fn(&mut Fields<'n>) -> T,
    ) -> Vec<T> {
        if self.drawing.is_some() {
            let mut below = Fields::drawing(self.context);
            let _ = read(&mut below);
            let item = below.drawing.unwrap_or_default().schema("");
            self.knows(name, about, || json!({"type": "array", "items": item}));
            return Vec::new();
        }
        self.known.push(name);
        let Some(node) = self.node(name) else { return Vec::new() };
        let Some(nodes) = node.as_list() else {
            self.wrong(name, &format!("write a list with one {noun} an item"));
            return Vec::new();
        };
        let mut out = Vec::with_capacity(nodes.len());
        for (index, item) in nodes.iter().enumerate() {
            let subject = self.item_subject(noun, index, item);
            let Some(map) = item.as_map() else {
                let what = format!("{subject} is {}", item.shown());
                self.report(item.error(what, "write a map with one key a line"));
                continue;
            };
            let mut below = Fields::over(self.context, map, item.at.clone(), &subject);
            out.push(read(&mut below));
            below.refuse_unknown();
        }
        out
    }

    /// `device "in"`, or `device number 3` without a name; in a component with its subject.
    fn item_subject(&self, noun: &str, index: usize, item: &Node) -> String {
        let own = match item.get("name").and_then(Node::as_text) {
            Some(name) => format!("{noun} {name:?}"),
            None => format!("{noun} number {}", index + 1),
        };
        if self.subject == WHOLE { own } else { format!("{own} of {}", self.subject) }
    }

    /// Names of other components: texts, or maps with a `name`; one, or a list. `null` names are left out.
    pub(crate) fn names(&mut self, name: &'static str, kind: ReferenceKind, about: &str) -> Vec<String> {
        self.knows(name, about, ReferenceKind::schema);
        let Some(node) = self.node(name) else { return Vec::new() };
        let mut out: Vec<String> = Vec::new();
        for item in node.as_list().unwrap_or(std::slice::from_ref(node)) {
            let Some(found) = self.named(name, item, "name") else { continue };
            let Some(to) = found.as_text() else { continue };
            let reference =
                Reference { kind, to: to.to_owned(), at: found.at.clone(), from: self.subject.clone() };
            self.context.references.borrow_mut().push(reference);
            out.push(to.to_owned());
        }
        out
    }

    /// The scalar that names something: the item itself, or the value of the only key of a map.
    pub(crate) fn named(&self, name: &str, item: &'n Node, key: &str) -> Option<&'n Node> {
        let node = match item.as_map().map(Map::entries) {
            None => item,
            Some([entry]) if entry.key == key => &entry.value,
            Some(_) => {
                let what =
                    format!("\"{}{name}\" of {} has a map that is no reference", self.path, self.subject);
                self.report(item.error(what, format!("write - {key}: x, or just x")));
                return None;
            }
        };
        if node.as_scalar().is_none() {
            let what = format!("\"{}{name}\" of {} holds {}", self.path, self.subject, node.shown());
            self.report(node.error(what, format!("write - {key}: x, or just x")));
            return None;
        }
        Some(node)
    }

    // === drawing ===

    /// Adds to a key's schema one that depends on values.
    pub(crate) fn draw_condition(&mut self, schema: impl FnOnce() -> Json) {
        if let Some(drawing) = &mut self.drawing {
            drawing.conditions.push(schema());
        }
    }

    /// What was drawn.
    pub(crate) fn into_schema(self, about: &str) -> Json {
        self.drawing.unwrap_or_default().schema(about)
    }

    // === mistakes ===

    /// A key is known, whatever it means.
    pub(crate) fn knows(&mut self, name: &'static str, about: &str, schema: impl FnOnce() -> Json) {
        self.known.push(name);
        if let Some(drawing) = &mut self.drawing {
            let mut schema = schema();
            if let Json::Object(schema) = &mut schema {
                schema.insert("description".to_owned(), json!(about));
            }
            drawing.properties.insert(name.to_owned(), schema);
        }
    }

    /// The value of a key, if it is there and not null.
    pub(crate) fn node(&self, name: &str) -> Option<&'n Node> {
        self.map?.get(name).filter(|node| !node.is_null())
    }

    /// The whole map.
    pub(crate) fn whole(&self) -> Node {
        let map = self.map.cloned().unwrap_or_default();
        Node { at: self.at.clone(), value: Value::Map(map) }
    }

    /// Whether the key is there, even with null.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.map.is_some_and(|map| map.get(name).is_some())
    }

    /// Where the value of a key is; the map's place without it.
    pub(crate) fn at_key(&self, name: &str) -> Position {
        self.map.and_then(|map| map.get(name)).map_or_else(|| self.at.clone(), |node| node.at.clone())
    }

    /// Reports a key that is not there; `about` says what belongs there.
    pub(crate) fn missing(&self, name: &str, about: &str) {
        let what = format!("{} has no \"{}{name}\"", self.subject, self.path);
        self.report(self.at.error(what, format!("add {name}: {about}")));
    }

    /// Reports a value that is not allowed.
    pub(crate) fn wrong(&self, name: &str, fix: &str) {
        let shown = self.node(name).map_or_else(|| "missing".to_owned(), Node::shown);
        let what = format!("\"{}{name}\" of {} is {shown}", self.path, self.subject);
        self.report(self.at_key(name).error(what, fix));
    }

    pub(crate) fn report(&self, diagnostic: Diagnostic) {
        self.context.report.borrow_mut().push(diagnostic);
    }

    /// `"tls.status" of device "in"`.
    pub(crate) fn property(&self, name: &str) -> String {
        format!("\"{}{name}\" of {}", self.path, self.subject)
    }

    /// Reports the keys that nobody asked for. The last thing to do with a map.
    pub(crate) fn refuse_unknown(&self) {
        let Some(map) = self.map else { return };
        for Entry { key, key_at, .. } in map.entries() {
            if !self.known.iter().any(|known| known == key) {
                let what = format!("\"{}{key}\" of {} is not known", self.path, self.subject);
                self.report(key_at.error(what, did_you_mean(key, self.known.iter().copied())));
            }
        }
    }
}

enum Found<T> {
    Value(T),
    Wrong,
    Nothing,
}
