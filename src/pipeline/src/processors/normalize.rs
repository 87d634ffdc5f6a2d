//! `normalize`: field names of one schema to those of another.

use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Event, KeyId, Keys, NodeId, Path, Segment, Slot, json_read};

pub(super) static SPEC: Spec = Spec {
    name: "normalize",
    family: "manipulate",
    summary: "Renames the fields of an event from one schema to another.",
    details: "The formats are `ecs`, `asim`, `cef` and `cim`. Where `source_format` is left out, `@timestamp` tells ECS, `_time` \
              CIM, `TimeGenerated` ASIM and `rt` CEF. Values stay as they are. Fields without a counterpart keep their names; \
              so does all but the first of several fields that mean the same.",
    options: &[
        optional("source_format", "what the event looks like", "The format that it has."),
        required("target_format", "The format that it gets."),
        optional("field", "the event itself", "The object whose fields are renamed."),
        optional("ignore_unmapped_fields", "false", "Remove fields without a counterpart."),
        optional("ignore_rules", "false", "Without effect: rules belong to formats that are not here."),
        optional("use_json_parser", "false", "Read the text at `field` as JSON first."),
    ],
    examples: &[
        Example {
            title: "ECS to ASIM",
            event: r#"{"@timestamp": "2026-01-01T00:00:00Z", "source": {"ip": "192.0.2.1", "port": 80}, "x": 1}"#,
            processors: "- normalize: {target_format: asim}",
            outcome: Outcome::Event(
                r#"{"x": 1, "TimeGenerated": "2026-01-01T00:00:00Z", "SrcIp": "192.0.2.1", "SrcPortNumber": 80}"#,
            ),
        },
        Example {
            title: "a part of the event",
            event: r#"{"m": "{\"src\": \"192.0.2.1\", \"y\": 1}"}"#,
            processors: "- normalize: {source_format: cef, target_format: ecs, field: m, use_json_parser: true, ignore_unmapped_fields: true}",
            outcome: Outcome::Event(r#"{"m": {"source": {"ip": "192.0.2.1"}}}"#),
        },
        Example {
            title: "an event that looks like nothing",
            event: r#"{"a": 1}"#,
            processors: "- normalize: {target_format: ecs}",
            outcome: Outcome::Fails("no format can be told"),
        },
    ],
    compile,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ecs,
    Asim,
    Cef,
    Cim,
}

const FORMATS: [(&str, Format); 4] =
    [("ecs", Format::Ecs), ("asim", Format::Asim), ("cef", Format::Cef), ("cim", Format::Cim)];
const ABSENT: [&str; 4] = ["leef", "csl", "ocsf", "udm"];
/// What tells the formats apart.
const MARKS: [(&str, Format); 4] = [
    ("@timestamp", Format::Ecs),
    ("_time", Format::Cim),
    ("TimeGenerated", Format::Asim),
    ("rt", Format::Cef),
];

/// What tells formats that are not here, where none of [`MARKS`] is there.
const ABSENT_MARKS: [(&str, &str); 3] = [("devTime", "LEEF"), ("class_uid", "OCSF"), ("metadata", "UDM")];

/// Names that mean the same, compiled: all that are read, and the one that is written.
struct Row {
    read: Vec<Path>,
    write: Path,
}

struct Normalize {
    field: Option<Path>,
    /// By source format.
    rows: Vec<(Format, Vec<Row>)>,
    marks: [(KeyId, Format); 4],
    /// None is told by the event.
    source: Option<Format>,
    drops_unmapped: bool,
    parses_json: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("target_format")?;
    let target = format(options, "target_format")?;
    let source =
        if options.node("source_format").is_some() { Some(format(options, "source_format")?) } else { None };
    options.flag("ignore_rules", false)?;
    let keys = options.keys();
    let sources =
        FORMATS.iter().map(|(_, format)| *format).filter(|format| source.is_none_or(|only| only == *format));
    Ok(Box::new(Normalize {
        field: options.optional_field("field")?,
        rows: sources.map(|source| (source, rows(keys, source, target))).collect(),
        marks: MARKS.map(|(name, format)| (keys.compiled(name), format)),
        source,
        drops_unmapped: options.flag("ignore_unmapped_fields", false)?,
        parses_json: options.flag("use_json_parser", false)?,
    }))
}

fn format(options: &mut Options<'_, '_>, name: &str) -> Result<Format, Reported> {
    if let Some(text) = options.text(name)?
        && ABSENT.iter().any(|absent| absent.eq_ignore_ascii_case(&text))
    {
        let at = options.place_of(name);
        let what = format!("the format {text:?} is not available: it is not finished");
        return Err(options.error(&at, what, "there are ecs, asim, cef, cim"));
    }
    options.choice(name, &FORMATS)
}

fn rows(keys: &Keys, source: Format, target: Format) -> Vec<Row> {
    let table = include_str!("../../data/field_names.tsv").lines().filter(|line| !line.starts_with('#'));
    let column = |format: Format| match format {
        Format::Ecs => 0,
        Format::Asim => 1,
        Format::Cef => 2,
        Format::Cim => 3,
    };
    let path = |name: &str, format: Format| match format {
        Format::Ecs => Path::of_names(keys, &name.split('.').collect::<Vec<_>>()),
        _ => Path::of_names(keys, &[name]),
    };
    let mut rows = Vec::new();
    for line in table {
        let cells: Vec<&str> = line.split('\t').collect();
        let names = |format: Format| cells[column(format)].split(' ').filter(|name| *name != "-");
        if let Some(write) = names(target).next() {
            let read: Vec<Path> = names(source).map(|name| path(name, source)).collect();
            rows.push(Row { read, write: path(write, target) });
        }
    }
    rows
}

impl Processor for Normalize {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let object = self.object(cx)?;
        let source = match self.source {
            Some(source) => source,
            None => self.told_by(cx, object)?,
        };
        let Some((_, rows)) = self.rows.iter().find(|(format, _)| *format == source) else {
            return Ok(Flow::Next);
        };
        let mut moved: Vec<(&Row, Slot)> = Vec::new();
        for row in rows {
            // Of several names for the same the first one counts; the others stay where they are.
            if let Some(value) = row.read.iter().find_map(|path| take(cx, object, path.segments())) {
                moved.push((row, value));
            }
        }
        if self.drops_unmapped {
            self.drop_rest(cx, object)?;
        }
        for (row, value) in moved {
            let result = cx.event.set_from(object, row.write.segments(), value);
            result.map_err(|obstacle| Failure::from(obstacle).at(&row.write))?;
        }
        Ok(Flow::Next)
    }
}

/// Takes a value out of the object, with the objects around it that are empty then.
fn take(cx: &mut Context<'_>, object: NodeId, segments: &[Segment]) -> Option<Slot> {
    let value = cx.event.remove_from(object, segments)?;
    for len in (1..segments.len()).rev() {
        let parent = cx.event.find_from(object, &segments[..len])?;
        match cx.event.slot(parent) {
            Slot::Map(children) if children.len() == 0 => {
                cx.event.remove_from(object, &segments[..len]);
            }
            _ => break,
        }
    }
    Some(value)
}

impl Normalize {
    /// The object whose fields are renamed.
    fn object(&self, cx: &mut Context<'_>) -> Result<NodeId, Failure> {
        let Some(path) = &self.field else { return Ok(Event::ROOT) };
        let node = cx.event.find(path).ok_or_else(|| Failure::missing(path))?;
        if let (true, Slot::Text(span)) = (self.parses_json, cx.event.slot(node)) {
            let read = json_read::read(&mut cx.event, span, json_read::Duplicates::Last);
            let value = read.map_err(|why| Failure::text(format!("can't be read: {why}")).at(path))?;
            cx.event.put(node, value);
        }
        match cx.event.slot(node) {
            Slot::Map(_) => Ok(node),
            _ => Err(Failure::fixed("is no object").at(path)),
        }
    }

    fn told_by(&self, cx: &Context<'_>, object: NodeId) -> Result<Format, Failure> {
        let Slot::Map(fields) = cx.event.slot(object) else { return Err(Failure::fixed("is no object")) };
        let has = |name: &str| cx.event.field_named(fields, name.as_bytes()).is_some();
        let not_here = |format| {
            Failure::text(format!(
                "the event looks like {format}, which is not available; name the source_format"
            ))
        };
        match self.marks.iter().find(|(key, _)| cx.event.field(fields, *key).is_some()) {
            Some((_, Format::Asim)) if has("LogSeverity") => Err(not_here("CSL")),
            Some((_, format)) => Ok(*format),
            None => match ABSENT_MARKS.iter().find(|(name, _)| has(name)) {
                Some((_, format)) => Err(not_here(format)),
                None => Err(Failure::fixed(
                    "no format can be told: there is none of @timestamp, _time, TimeGenerated, rt; name the source_format",
                )),
            },
        }
    }

    /// Leaves only metadata.
    fn drop_rest(&self, cx: &mut Context<'_>, object: NodeId) -> Result<(), Failure> {
        let Slot::Map(fields) = cx.event.slot(object) else { return Ok(()) };
        let mut left = Children::EMPTY;
        let mut at = cx.event.children(fields).next();
        while let Some(node) = at {
            at = cx.event.next(node);
            let key = cx.event.key(node);
            if object == Event::ROOT && key.is_metadata() {
                let slot = cx.event.slot(node);
                cx.event.append_to(&mut left, key, slot)?;
            }
        }
        cx.event.put(object, Slot::Map(left));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    #[test]
    fn a_name_of_a_format_stands_in_one_row() {
        let rows = include_str!("../../data/field_names.tsv").lines().filter(|line| !line.starts_with('#'));
        let mut seen = HashSet::new();
        for row in rows {
            let cells: Vec<&str> = row.split('\t').collect();
            assert_eq!(cells.len(), 4, "{row}");
            for (column, cell) in cells.iter().enumerate() {
                for name in cell.split(' ').filter(|name| *name != "-") {
                    assert!(seen.insert((column, name)), "{name} stands in another row as well");
                }
            }
        }
    }
}
