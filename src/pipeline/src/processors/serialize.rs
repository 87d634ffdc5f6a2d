//! `serialize`: fields to a text of JSON, XML or separated values.

use super::serialize_xml::Xml;
use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::write_plain;
use event::model::{Children, Event, MAX_DEPTH, Obstacle, Path, Slot, json_write};
use regex::bytes::Regex;

pub(super) static SPEC: Spec = Spec {
    name: "serialize",
    family: "manipulate",
    summary: "Writes an object, or the event, as text: JSON, XML, CSV, TSV or with another delimiter.",
    details: "Fields are in the order of their names. Objects and lists in separated values are written as JSON.",
    options: &[
        required("type", "`json`, `xml`, `csv`, `tsv` or `delimited`."),
        optional(
            "fields",
            "all",
            "The fields: names, patterns with `*`, and with `!` before them those that are left out.",
        ),
        optional("source_field", "the event itself", "The object."),
        optional("target_field", "_raw", "Where the text goes."),
        optional("delimiter", ",", "What stands between values of `delimited`."),
        optional("include_header", "false", "Begin with a line of names."),
        optional("quote_char", "\"", "What stands around values that need it."),
        optional("escape_char", "the quote", "What stands before a quote within a value."),
        optional("root_element", "root", "The root element of XML."),
        optional("xml_namespace", "", "Its namespace."),
        optional(
            "xml_template",
            "",
            "An element that stands for each field, with the field's name as an attribute.",
        ),
        optional("xml_attribute", "name", "That attribute."),
        optional("omit_xml_declaration", "false", "Leave out `<?xml …?>`."),
        optional(
            "use_root_as_element",
            "false",
            "Of an object with one field take that field for the root element.",
        ),
        optional("ignore_missing", "false", "Do nothing when the object is missing, instead of failing."),
    ],
    examples: &[
        Example {
            title: "JSON of some fields",
            event: r#"{"u": {"name": "Ann", "id": 7, "password": "x"}}"#,
            processors: "- serialize: {type: json, source_field: u, target_field: u, fields: ['*', '!pass*']}",
            outcome: Outcome::Event(r#"{"u": "{\"id\":7,\"name\":\"Ann\"}"}"#),
        },
        Example {
            title: "XML",
            event: r#"{"e": {"Level": "a<b", "Ids": [1, 2]}}"#,
            processors: "- serialize: {type: xml, source_field: e, target_field: x, root_element: Event, omit_xml_declaration: true}\n- serialize: {type: xml, source_field: e, target_field: y, xml_template: Data, xml_attribute: Name, omit_xml_declaration: true, fields: [Level]}\n- remove: {field: e}",
            outcome: Outcome::Event(
                r#"{"x": "<Event><Ids>1</Ids><Ids>2</Ids><Level>a&lt;b</Level></Event>", "y": "<root><Data Name=\"Level\">a&lt;b</Data></root>"}"#,
            ),
        },
        Example {
            title: "separated values",
            event: r#"{"r": {"b": "x;\"y\"", "a": 1.5}}"#,
            processors: "- serialize: {type: delimited, delimiter: ';', include_header: true, source_field: r, target_field: r}",
            outcome: Outcome::Event(r#"{"r": "a;b\n1.5;\"x;\"\"y\"\"\""}"#),
        },
    ],
    compile,
};

#[derive(Clone, Copy, PartialEq)]
enum Type {
    Json,
    Xml,
    Csv,
    Tsv,
    Delimited,
}

struct Serialize {
    source: Option<Path>,
    target: Path,
    taken: Vec<Regex>,
    left_out: Vec<Regex>,
    form: Form,
    ignore_missing: bool,
}

enum Form {
    Json,
    Xml(Xml),
    Separated(Separated),
}

struct Separated {
    delimiter: String,
    quote: String,
    escape: String,
    header: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("type")?;
    let types = [
        ("json", Type::Json),
        ("xml", Type::Xml),
        ("csv", Type::Csv),
        ("tsv", Type::Tsv),
        ("delimited", Type::Delimited),
    ];
    let kind = options.choice("type", &types)?;
    let form = match kind {
        Type::Json => Form::Json,
        Type::Xml => Form::Xml(Xml::read(options)?),
        Type::Csv | Type::Tsv | Type::Delimited => Form::Separated(separated(options, kind)?),
    };
    let (mut taken, mut left_out) = (Vec::new(), Vec::new());
    let at = options.place_of("fields");
    for text in options.texts("fields")? {
        let (list, glob) = match text.strip_prefix('!') {
            Some(rest) => (&mut left_out, rest.to_owned()),
            None => (&mut taken, text),
        };
        let pattern = format!("(?s-u)^{}$", regex::escape(&glob).replace("\\*", ".*"));
        match Regex::new(&pattern) {
            Ok(regex) => list.push(regex),
            Err(_) => return Err(options.error(&at, format!("the pattern {glob:?} can't be read"), "")),
        }
    }
    let default = Path::of_names(options.keys(), &["_raw"]);
    Ok(Box::new(Serialize {
        source: options.optional_field("source_field")?,
        target: options.field_or("target_field", &default)?,
        taken,
        left_out,
        form,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

fn separated(options: &mut Options<'_, '_>, kind: Type) -> Result<Separated, Reported> {
    let delimiter = options.text("delimiter")?.filter(|text| !text.is_empty());
    let quote =
        options.text("quote_char")?.filter(|text| !text.is_empty()).unwrap_or_else(|| "\"".to_owned());
    let escape =
        options.text("escape_char")?.filter(|text| !text.is_empty()).unwrap_or_else(|| quote.clone());
    Ok(Separated {
        delimiter: match kind {
            Type::Csv => ",".to_owned(),
            Type::Tsv => "\t".to_owned(),
            _ => delimiter.map_or_else(|| ",".to_owned(), |text| text.replace("\\t", "\t")),
        },
        quote,
        escape,
        header: options.flag("include_header", false)?,
    })
}

impl Processor for Serialize {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let value = match &self.source {
            None => cx.event.slot(Event::ROOT),
            Some(path) => match cx.value(path) {
                Some(value) => value,
                None if self.ignore_missing => return Ok(Flow::Next),
                None => return Err(Failure::missing(path)),
            },
        };
        let value = match value {
            Slot::Map(map) => {
                let map = self.chosen(cx, map)?;
                sorted(cx, Slot::Map(map), 0)?
            }
            list @ Slot::List(_) => sorted(cx, list, 0)?,
            other => other,
        };
        let text = cx.with_buffer(|cx, out| {
            match &self.form {
                Form::Json => json_write::write_value(&cx.event, value, out)?,
                Form::Xml(xml) => xml.write(&cx.event, value, out)?,
                Form::Separated(separated) => separated.write(&cx.event, value, out)?,
            }
            Ok::<_, Failure>(cx.event.text(out)?)
        })?;
        cx.set(&self.target, text)?;
        Ok(Flow::Next)
    }
}

impl Serialize {
    /// The fields that are asked for, metadata never.
    fn chosen(&self, cx: &mut Context<'_>, map: Children) -> Result<Children, Failure> {
        let mut chosen = Children::EMPTY;
        let mut at = cx.event.children(map).next();
        while let Some(node) = at {
            at = cx.event.next(node);
            let (key, name) = (cx.event.key(node), cx.event.name(node));
            let is_metadata = self.source.is_none() && key.is_metadata();
            let is_taken = self.taken.is_empty() || self.taken.iter().any(|pattern| pattern.is_match(name));
            if is_metadata || !is_taken || self.left_out.iter().any(|pattern| pattern.is_match(name)) {
                continue;
            }
            let slot = cx.event.slot(node);
            cx.event.append_to(&mut chosen, key, slot)?;
        }
        Ok(chosen)
    }
}

/// The same value with the fields of its objects in the order of their names.
fn sorted(cx: &mut Context<'_>, slot: Slot, depth: usize) -> Result<Slot, Failure> {
    let (Slot::Map(children) | Slot::List(children)) = slot else { return Ok(slot) };
    if depth >= MAX_DEPTH {
        return Err(Obstacle::TooDeep.into());
    }
    let mut nodes: Vec<_> = cx.event.children(children).collect();
    if matches!(slot, Slot::Map(_)) {
        nodes.sort_by(|a, b| cx.event.name(*a).cmp(cx.event.name(*b)));
    }
    let mut copy = Children::EMPTY;
    for node in nodes {
        let value = sorted(cx, cx.event.slot(node), depth + 1)?;
        let key = cx.event.key(node);
        cx.event.append_to(&mut copy, key, value)?;
    }
    Ok(if matches!(slot, Slot::Map(_)) { Slot::Map(copy) } else { Slot::List(copy) })
}

impl Separated {
    fn write(&self, event: &Event<'_>, value: Slot, out: &mut Vec<u8>) -> Result<(), Failure> {
        let (Slot::Map(fields) | Slot::List(fields)) = value else {
            return self.cell(event, value, out);
        };
        if self.header && matches!(value, Slot::Map(_)) {
            for (at, node) in event.children(fields).enumerate() {
                if at > 0 {
                    out.extend_from_slice(self.delimiter.as_bytes());
                }
                self.quoted(event.name(node), out);
            }
            out.push(b'\n');
        }
        for (at, node) in event.children(fields).enumerate() {
            if at > 0 {
                out.extend_from_slice(self.delimiter.as_bytes());
            }
            self.cell(event, event.slot(node), out)?;
        }
        Ok(())
    }

    fn cell(&self, event: &Event<'_>, value: Slot, out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut text = Vec::new();
        write_plain(event, value, &mut text)?;
        self.quoted(&text, out);
        Ok(())
    }

    fn quoted(&self, text: &[u8], out: &mut Vec<u8>) {
        let has = |needle: &str| memchr::memmem::find(text, needle.as_bytes()).is_some();
        if !has(&self.delimiter) && !has(&self.quote) && memchr::memchr2(b'\n', b'\r', text).is_none() {
            out.extend_from_slice(text);
            return;
        }
        out.extend_from_slice(self.quote.as_bytes());
        let mut rest = text;
        while let Some(at) = memchr::memmem::find(rest, self.quote.as_bytes()) {
            out.extend_from_slice(&rest[..at]);
            out.extend_from_slice(self.escape.as_bytes());
            out.extend_from_slice(self.quote.as_bytes());
            rest = &rest[at + self.quote.len()..];
        }
        out.extend_from_slice(rest);
        out.extend_from_slice(self.quote.as_bytes());
    }
}
