//! `check_schema`: whether an event is as a schema has it.

use super::object::{Object, texts};
use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Block, Flow, Processor, Ran, nested};
use crate::suggest::closest;
use event::model::{Children, Event, KeyId, Keys, Kind, NodeId, Path, Slot};
use jiff::tz::TimeZone;
use std::collections::HashMap;
use std::net::IpAddr;

pub(super) static SPEC: Spec = Spec {
    name: "check_schema",
    family: "flow",
    summary: "Compares an event with a schema: fields that are missing, that the schema does not have, or of another type.",
    details: "The schemas are those of ASIM's tables (`ASimNetworkSessionLogs`, `ASimAuthenticationEventLogs`, `ASimDnsActivityLogs`, \
              `ASimWebSessionLogs`, `ASimProcessEventLogs`, `ASimFileEventLogs`, `ASimRegistryEventLogs`, \
              `ASimAuditEventLogs`, `ASimUserManagementActivityLogs`, `ASimDhcpEventLogs`) and `ECS`, version 8. A missing required field makes the event invalid, recommended \
              and optional ones only if that is asked for; of a field of another type the same holds. Fields that the schema \
              does not have never do. Optional fields that are missing are listed only with `validate_optional`. Top-level \
              names that start with `@` or `_` are not compared.",
    options: &[
        required("schema", "The schema."),
        required("target_field", "Where the result goes."),
        optional("check_mode", "both", "`missing` fields, `extra` ones, or `both`."),
        optional("validate_recommended", "false", "Whether recommended fields have to be there."),
        optional("validate_optional", "false", "Whether optional fields have to be there."),
        optional("on_missing", "", "Processors that run when fields are missing."),
        optional("on_extra", "", "Processors that run when there are fields that the schema does not have."),
        optional("on_type_mismatch", "", "Processors that run when fields have another type."),
    ],
    examples: &[
        Example {
            title: "ECS",
            event: r#"{"source": {"port": "many", "ip": "192.0.2.1", "nickname": "x"}, "own": 1}"#,
            processors: "- check_schema: {schema: ecs, target_field: c, on_missing: [{set: {field: own, value: 2}}]}\n- keep: {field: [c, own]}",
            outcome: Outcome::Event(
                r#"{"own": 2, "c": {"is_valid": false, "missing_required_fields": ["@timestamp"], "missing_recommended_fields": ["ecs.version"], "missing_optional_fields": [], "extra_fields": ["source.nickname", "own"], "type_mismatches": [{"field": "source.port", "expected_type": "LONG", "actual_type": "STRING"}]}}"#,
            ),
        },
        Example {
            title: "only what is too much",
            event: r#"{"TimeGenerated": "2026-01-01T00:00:00Z", "EventCount": 1, "Custom": {}}"#,
            processors: "- check_schema: {schema: ASimNetworkSessionLogs, target_field: c, check_mode: extra}\n- keep: {field: c}",
            outcome: Outcome::Event(
                r#"{"c": {"is_valid": true, "extra_fields": ["Custom"], "type_mismatches": []}}"#,
            ),
        },
    ],
    compile,
};

/// The schemas of ASIM, and the sets of columns that they are made of.
const ASIM: [(&str, &[&str]); 10] = [
    ("ASimNetworkSessionLogs", &["common", "threat", "network"]),
    ("ASimWebSessionLogs", &["common", "threat", "web"]),
    ("ASimDnsActivityLogs", &["common", "threat", "dns"]),
    ("ASimAuthenticationEventLogs", &["common", "threat", "authentication"]),
    ("ASimProcessEventLogs", &["common", "threat", "process"]),
    ("ASimFileEventLogs", &["common", "threat", "file"]),
    ("ASimRegistryEventLogs", &["common", "threat", "registry"]),
    ("ASimAuditEventLogs", &["common", "threat", "audit"]),
    ("ASimUserManagementActivityLogs", &["common", "threat", "user"]),
    ("ASimDhcpEventLogs", &["common", "threat", "dhcp"]),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Required,
    Recommended,
    Optional,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    Text,
    Int,
    Long,
    Real,
    Bool,
    Time,
    Ip,
    List,
    Any,
}

struct Column {
    path: Path,
    class: Class,
    holds: Type,
}

/// A schema: its fields, by their first names, and all names that it knows.
#[derive(Default)]
struct Schema {
    groups: Vec<(KeyId, Vec<Column>)>,
    names: Names,
}

/// The names in an object, each with those below it.
#[derive(Default)]
struct Names {
    inner: HashMap<KeyId, Names>,
    /// Whatever stands below is right.
    is_open: bool,
}

struct CheckSchema {
    schema: Schema,
    target: Path,
    finds_missing: bool,
    finds_extra: bool,
    wants_recommended: bool,
    wants_optional: bool,
    on_missing: Option<Block>,
    on_extra: Option<Block>,
    on_type_mismatch: Option<Block>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let at = options.required("schema")?.at.clone();
    let name = options.required_text("schema")?;
    let Some(schema) = schema(options, &name) else {
        let known = || ASIM.iter().map(|(name, _)| *name).chain(["ECS"]);
        let what = format!("the schema {name:?} is not available{}", closest(&name, known()));
        let fix = format!("there are {}", known().collect::<Vec<_>>().join(", "));
        return Err(options.error(&at, what, fix));
    };
    let modes = [("both", (true, true)), ("missing", (true, false)), ("extra", (false, true))];
    let (finds_missing, finds_extra) = options.choice("check_mode", &modes)?;
    let block =
        |options: &mut Options<'_, '_>, name: &str| options.node(name).map(|node| options.block(node));
    Ok(Box::new(CheckSchema {
        schema,
        target: options.field("target_field")?,
        finds_missing,
        finds_extra,
        wants_recommended: options.flag("validate_recommended", false)?,
        wants_optional: options.flag("validate_optional", false)?,
        on_missing: block(options, "on_missing"),
        on_extra: block(options, "on_extra"),
        on_type_mismatch: block(options, "on_type_mismatch"),
    }))
}

fn schema(options: &Options<'_, '_>, name: &str) -> Option<Schema> {
    let keys = options.keys();
    let mut schema = Schema::default();
    let is_row = |line: &&str| !line.starts_with('#');
    if name.eq_ignore_ascii_case("ecs") {
        schema.add_ecs(keys, include_str!("../../data/ecs_fields.tsv").lines().filter(is_row));
        return Some(schema);
    }
    let (_, sets) = ASIM.iter().find(|(known, _)| known.eq_ignore_ascii_case(name))?;
    for line in include_str!("../../data/asim_columns.tsv").lines().filter(is_row) {
        let mut cells = line.split('\t');
        let (set, class, kind, names) = (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        if !sets.contains(&set) {
            continue;
        }
        let class = match class {
            "required" => Class::Required,
            "recommended" => Class::Recommended,
            _ => Class::Optional,
        };
        for name in names.split(' ') {
            schema.add(Path::of_names(keys, &[name]), class, holds(kind), true);
        }
    }
    Some(schema)
}

impl Schema {
    /// Adds a field; one that is there already stays as it is. Of one that is `open` it does not matter what is below it.
    fn add(&mut self, path: Path, class: Class, holds: Type, open: bool) {
        let mut names = &mut self.names;
        for segment in path.segments() {
            names = names.inner.entry(segment.key).or_default();
        }
        names.is_open |= open;
        let root = path.segments()[0].key;
        let column = Column { path, class, holds };
        match self.groups.iter_mut().find(|(key, _)| *key == root) {
            Some((_, columns)) if columns.iter().any(|other| other.path == column.path) => {}
            Some((_, columns)) => columns.push(column),
            None => self.groups.push((root, vec![column])),
        }
    }

    fn add_ecs<'t>(&mut self, keys: &Keys, rows: impl Iterator<Item = &'t str> + Clone) {
        let row = |line: &'t str| {
            let mut cells = line.split('\t');
            Some((cells.next()?, cells.next()?, cells.next()?.split(' ')))
        };
        for (set, kind, names) in rows.clone().filter_map(row).filter(|(_, kind, _)| *kind != "at") {
            let mut places: Vec<&str> = Vec::new();
            for (_, _, named) in
                rows.clone().filter_map(row).filter(|(other, kind, _)| *kind == "at" && *other == set)
            {
                places.extend(named);
            }
            if set == "-" {
                places.push("");
            }
            for (place, name) in places.iter().flat_map(|place| names.clone().map(move |name| (*place, name)))
            {
                let class = match name {
                    "@timestamp" => Class::Required,
                    "ecs.version" => Class::Recommended,
                    _ => Class::Optional,
                };
                let parts: Vec<&str> =
                    place.split('.').chain(name.split('.')).filter(|part| !part.is_empty()).collect();
                self.add(Path::of_names(keys, &parts), class, holds(kind), kind == "dynamic");
            }
        }
    }
}

fn holds(kind: &str) -> Type {
    match kind {
        "string" => Type::Text,
        "int" => Type::Int,
        "long" => Type::Long,
        "real" | "float" => Type::Real,
        "bool" => Type::Bool,
        "datetime" => Type::Time,
        "ip" => Type::Ip,
        "list" => Type::List,
        _ => Type::Any,
    }
}

impl Type {
    fn name(self) -> &'static str {
        match self {
            Self::Text => "STRING",
            Self::Int => "INT32",
            Self::Long => "LONG",
            Self::Real => "REAL",
            Self::Bool => "BOOL",
            Self::Time => "DATETIME",
            Self::Ip => "IP",
            Self::List => "ARRAY",
            Self::Any => "DYNAMIC",
        }
    }

    fn takes(self, cx: &Context<'_>, slot: Slot) -> bool {
        let text = |span| std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default();
        match (self, slot) {
            // Any field of ECS may be several values; columns of ASIM that are lists are dynamic.
            (Self::List, Slot::List(_) | Slot::Text(_)) | (Self::Any, _) => true,
            (kind, Slot::List(list)) => {
                cx.event.children(list).all(|node| kind.takes(cx, cx.event.slot(node)))
            }
            (Self::Int, Slot::Int(number)) => i32::try_from(number).is_ok(),
            (Self::Long | Self::Real, Slot::Int(_)) | (Self::Real, Slot::Float(_)) => true,
            (Self::Text, Slot::Text(_)) | (Self::Bool, Slot::Bool(_)) | (Self::Time, Slot::Time(_)) => true,
            (Self::Time, Slot::Text(span)) => crate::time::parse_iso(text(span), &TimeZone::UTC).is_some(),
            (Self::Ip, Slot::Text(span)) => text(span).parse::<IpAddr>().is_ok(),
            _ => false,
        }
    }
}

/// What was found.
#[derive(Default)]
struct Findings<'s> {
    missing: [Vec<&'s Path>; 3],
    mismatches: Vec<(&'s Column, Kind)>,
    extra: Vec<String>,
}

impl Processor for CheckSchema {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let findings = self.compare(cx);
        self.write(cx, &findings)?;
        let any_missing = findings.missing.iter().any(|fields| !fields.is_empty());
        let reactions = [
            (&self.on_missing, any_missing),
            (&self.on_extra, !findings.extra.is_empty()),
            (&self.on_type_mismatch, !findings.mismatches.is_empty()),
        ];
        for (block, applies) in reactions {
            if let (Some(block), true) = (block, applies) {
                match nested(cx, |cx| block.run(cx))? {
                    Flow::Next => {}
                    other => return Ok(other),
                }
            }
        }
        Ok(Flow::Next)
    }
}

/// Notes a field, or those below it, if the schema does not have them. Goes no deeper than the schema does.
fn find_extra(cx: &Context<'_>, node: NodeId, known: &Names, place: &str, extra: &mut Vec<String>) {
    let name = || format!("{place}{}", String::from_utf8_lossy(cx.event.name(node)));
    match (known.inner.get(&cx.event.key(node)), cx.event.slot(node)) {
        (None, _) => extra.push(name()),
        (Some(names), Slot::Map(fields)) if !names.is_open && !names.inner.is_empty() => {
            let place = name() + ".";
            for node in cx.event.children(fields) {
                find_extra(cx, node, names, &place, extra);
            }
        }
        _ => {}
    }
}

impl CheckSchema {
    fn counts(&self, class: Class) -> bool {
        match class {
            Class::Required => true,
            Class::Recommended => self.wants_recommended,
            Class::Optional => self.wants_optional,
        }
    }

    fn compare(&self, cx: &Context<'_>) -> Findings<'_> {
        let mut findings = Findings::default();
        let Slot::Map(root) = cx.event.slot(Event::ROOT) else { return findings };
        for (key, columns) in &self.schema.groups {
            // Most events have few of the schema's objects.
            let is_there = cx.event.field(root, *key).is_some();
            for column in columns {
                let value = if is_there { cx.value(&column.path) } else { None };
                match value {
                    Some(slot) if !column.holds.takes(cx, slot) => {
                        findings.mismatches.push((column, slot.kind()))
                    }
                    Some(_) => {}
                    None if !self.finds_missing
                        || (column.class == Class::Optional && !self.wants_optional) => {}
                    None => findings.missing[column.class as usize].push(&column.path),
                }
            }
        }
        if self.finds_extra {
            let target = self.target.segments()[0].key;
            for node in cx.event.children(root) {
                let is_meta = matches!(cx.event.name(node).first(), Some(b'@' | b'_'));
                if !is_meta && cx.event.key(node) != target {
                    find_extra(cx, node, &self.schema.names, "", &mut findings.extra);
                }
            }
        }
        findings
    }

    fn write(&self, cx: &mut Context<'_>, findings: &Findings<'_>) -> Result<(), Failure> {
        let classes = [Class::Required, Class::Recommended, Class::Optional];
        let missing = classes
            .iter()
            .zip(&findings.missing)
            .any(|(class, fields)| self.counts(*class) && !fields.is_empty());
        let mismatch = findings.mismatches.iter().any(|(column, _)| self.counts(column.class));
        let mut object = Object::new();
        object.put(cx, "is_valid", Slot::Bool(!missing && !mismatch))?;
        if self.finds_missing {
            let names = ["missing_required_fields", "missing_recommended_fields", "missing_optional_fields"];
            for (name, fields) in names.into_iter().zip(&findings.missing) {
                let fields = texts(cx, fields.iter().map(|path| &**path.text()))?;
                object.put(cx, name, fields)?;
            }
        }
        if self.finds_extra {
            let extra = texts(cx, &findings.extra)?;
            object.put(cx, "extra_fields", extra)?;
        }
        let mut mismatches = Children::EMPTY;
        for (column, kind) in &findings.mismatches {
            let mut mismatch = Object::new();
            mismatch.text(cx, "field", column.path.text())?;
            mismatch.text(cx, "expected_type", column.holds.name())?;
            mismatch.text(cx, "actual_type", &kind.name().to_uppercase())?;
            cx.event.push_to(&mut mismatches, mismatch.slot())?;
        }
        object.put(cx, "type_mismatches", Slot::List(mismatches))?;
        cx.set(&self.target, object.slot())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_tables_has_a_set_that_a_schema_uses_and_a_type_that_is_known() {
        let rows = include_str!("../../data/asim_columns.tsv").lines().filter(|line| !line.starts_with('#'));
        for row in rows {
            let cells: Vec<&str> = row.split('\t').collect();
            assert!(ASIM.iter().any(|(_, sets)| sets.contains(&cells[0])), "{row}");
            assert!(cells[2] == "dynamic" || holds(cells[2]) != Type::Any, "{row}");
        }
        let rows = include_str!("../../data/ecs_fields.tsv").lines().filter(|line| !line.starts_with('#'));
        let sets: Vec<&str> =
            rows.clone().filter_map(|row| row.split_once("\tat\t")).map(|(set, _)| set).collect();
        for row in rows {
            let cells: Vec<&str> = row.split('\t').collect();
            assert!(cells.len() == 3 && (cells[0] == "-" || sets.contains(&cells[0])), "{row}");
            assert!(["dynamic", "at"].contains(&cells[1]) || holds(cells[1]) != Type::Any, "{row}");
        }
    }
}
