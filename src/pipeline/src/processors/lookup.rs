//! `lookup`: fields from a table.
//!
//! The table lies in memory once; each processor has its own index over it. An exact look-up is one hash, one by network one
//! hash for each prefix length that occurs, one by regular expression tries the rows in turn.

use super::table::Table;
use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::network::Network;
use crate::pattern::Pattern;
use crate::source::{Node, Value};
use crate::step::{Flow, Processor, Ran};
use crate::suggest::closest;
use crate::template::{Missing, ValueTemplate, write_plain};
use event::model::{Children, Path, Slot};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Rows of a table whose cells are regular expressions: each is tried for each event.
const MAX_PATTERN_ROWS: usize = 10_000;

pub(super) static SPEC: Spec = Spec {
    name: "lookup",
    family: "enrich",
    summary: "Adds fields from the rows of a CSV table that match the event.",
    details: "The first line of the table names its columns. Rows with another number of cells, and cells that are no valid \
              network or regular expression, are passed over. The table lies in `user/lookups` or `package/lookups`, or is \
              named with its whole path; it is kept in memory. A changed table is taken over when the configuration is \
              loaded again.",
    options: &[
        required("lookup_file", "The table."),
        optional(
            "match_mode",
            "exact",
            "`exact`, `regex` (the table's cells are expressions) or `cidr` (networks).",
        ),
        optional(
            "match_type",
            "first",
            "`first` row, the `most_specific` (the longest prefix), or `all`: then fields become lists.",
        ),
        required(
            "lookup_fields",
            "What is compared: a list of `event_field` and `lookup_field` (the same name).",
        ),
        required(
            "output_fields",
            "What is added: a list of `lookup_field`, `event_field` (the same name) and `default_value` where no row \
             matches.",
        ),
        optional("ignore_case", "false", "Compare without regard to case."),
        optional(
            "ignore_missing",
            "false",
            "Do nothing when a field is missing or null, instead of failing.",
        ),
    ],
    examples: &[
        Example {
            title: "the smallest network",
            event: r#"{"ip": "10.1.1.50"}"#,
            processors: "- lookup: {lookup_file: zones.csv, match_mode: cidr, match_type: most_specific, lookup_fields: [{event_field: ip, lookup_field: network}], output_fields: [{lookup_field: zone}, {lookup_field: security_level, event_field: net.security}]}",
            outcome: Outcome::Event(r#"{"ip": "10.1.1.50", "zone": "secure", "net": {"security": "high"}}"#),
        },
        Example {
            title: "all rows",
            event: r#"{"user": "ALICE"}"#,
            processors: "- lookup: {lookup_file: roles.csv, match_mode: exact, match_type: all, ignore_case: true, lookup_fields: [{event_field: user}], output_fields: [{lookup_field: role}]}",
            outcome: Outcome::Event(r#"{"user": "ALICE", "role": ["admin", "auditor"]}"#),
        },
        Example {
            title: "a default",
            event: r#"{"user": "carol"}"#,
            processors: "- lookup: {lookup_file: roles.csv, match_mode: exact, match_type: first, lookup_fields: [{event_field: user}], output_fields: [{lookup_field: role, default_value: guest}]}",
            outcome: Outcome::Event(r#"{"user": "carol", "role": "guest"}"#),
        },
        Example {
            title: "expressions in two columns",
            event: r#"{"dept": "Engineering", "title": "developer 2"}"#,
            processors: "- lookup: {lookup_file: patterns.csv, match_mode: regex, match_type: all, lookup_fields: [{event_field: dept, lookup_field: department}, {event_field: title}], output_fields: [{lookup_field: permissions}]}",
            outcome: Outcome::Event(
                r#"{"dept": "Engineering", "title": "developer 2", "permissions": ["read-write", "read-only"]}"#,
            ),
        },
    ],
    compile,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Exact,
    Regex,
    Cidr,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Take {
    First,
    MostSpecific,
    All,
}

/// How the rows of an event are found.
enum Index {
    Exact(HashMap<Vec<u8>, Vec<u32>>),
    Regex(Vec<(u32, Vec<Pattern>)>),
    /// By the first column; the others are compared row by row.
    Cidr {
        rows: HashMap<Network, Vec<(u32, Vec<Network>)>>,
        /// That occur, longest first.
        prefixes: Vec<u8>,
    },
}

struct Compared {
    field: Path,
    column: usize,
}

struct Added {
    field: Path,
    column: usize,
    default: Option<ValueTemplate>,
}

struct Lookup {
    table: Arc<Table>,
    index: Index,
    compared: Vec<Compared>,
    added: Vec<Added>,
    take: Take,
    ignore_case: bool,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let name = options.required_text("lookup_file")?;
    let table = options.file("lookup_file", "lookups", &name, Table::read)?;
    let modes = [("exact", Mode::Exact), ("regex", Mode::Regex), ("cidr", Mode::Cidr)];
    let mode = options.choice("match_mode", &modes)?;
    let takes = [("first", Take::First), ("most_specific", Take::MostSpecific), ("all", Take::All)];
    let take = options.choice("match_type", &takes)?;
    let ignore_case = options.flag("ignore_case", false)?;
    let mut compared = Vec::new();
    for node in entries(options, "lookup_fields")? {
        let (field, column) = pair(options, node, &table, "event_field", "lookup_field")?;
        compared.push(Compared { field, column });
    }
    let mut added = Vec::new();
    for node in entries(options, "output_fields")? {
        let (field, column) = pair(options, node, &table, "lookup_field", "event_field")?;
        let default = node.get("default_value").map(|value| options.value(value)).transpose()?;
        added.push(Added { field, column, default });
    }
    let columns: Vec<usize> = compared.iter().map(|compared| compared.column).collect();
    let index = match mode {
        Mode::Exact => exact(&table, &columns, ignore_case),
        Mode::Regex if table.rows.len() > MAX_PATTERN_ROWS => {
            let at = options.place().clone();
            let what = format!("a table of regular expressions has at most {MAX_PATTERN_ROWS} rows");
            return Err(options.error(&at, what, "use the mode exact or cidr, or split the table"));
        }
        Mode::Regex => regex(&table, &columns, ignore_case),
        Mode::Cidr => cidr(&table, &columns),
    };
    let ignore_missing = options.flag("ignore_missing", false)?;
    Ok(Box::new(Lookup { table, index, compared, added, take, ignore_case, ignore_missing }))
}

fn entries<'o>(options: &mut Options<'o, '_>, name: &str) -> Result<&'o [Node], Reported> {
    let node = options.required(name)?;
    match &node.value {
        Value::List(items) if !items.is_empty() => Ok(items),
        _ => {
            let what = format!("`{name}` is a list that is not empty");
            Err(options.error(&node.at, what, "write `- event_field: user`"))
        }
    }
}

/// The field of the event and the column of the table; `second` may be left out and is then called as `first`.
fn pair(
    options: &mut Options<'_, '_>,
    node: &Node,
    table: &Table,
    first: &str,
    second: &str,
) -> Result<(Path, usize), Reported> {
    let known = ["event_field", "lookup_field", "default_value"];
    if let Some(entry) = node.entries().iter().find(|entry| !known.contains(&entry.key.as_str())) {
        let what = format!("there is no {:?} here{}", entry.key, closest(&entry.key, known.into_iter()));
        return Err(options.error(&entry.key_at, what, ""));
    }
    let Some(first_node) = node.get(first) else {
        return Err(options.error(&node.at, format!("`{first}` is missing"), format!("add `{first}:`")));
    };
    let second_node = node.get(second).unwrap_or(first_node);
    let (field, column) =
        if first == "event_field" { (first_node, second_node) } else { (second_node, first_node) };
    let field = options.path("event_field", field)?;
    let name = column.as_text().unwrap_or_default();
    match table.columns.iter().position(|known| known == name) {
        Some(column) => Ok((field, column)),
        None => {
            let hint = closest(name, table.columns.iter().map(String::as_str));
            let fix = format!("there are {}", table.columns.join(", "));
            Err(options.error(&column.at, format!("the table has no column {name:?}{hint}"), fix))
        }
    }
}

/// A part of a key, so that no two lists of values make the same key.
fn add_part(key: &mut Vec<u8>, value: &[u8], ignore_case: bool) {
    let start = key.len();
    key.extend_from_slice(value);
    if ignore_case {
        match std::str::from_utf8(&key[start..]) {
            Ok(text) if !text.is_ascii() => {
                let lower = text.to_lowercase();
                key.truncate(start);
                key.extend_from_slice(lower.as_bytes());
            }
            _ => key[start..].make_ascii_lowercase(),
        }
    }
    let len = (key.len() - start) as u32;
    key.extend_from_slice(&len.to_be_bytes());
}

fn exact(table: &Table, columns: &[usize], ignore_case: bool) -> Index {
    let mut rows: HashMap<Vec<u8>, Vec<u32>> = HashMap::with_capacity(table.rows.len());
    for (number, row) in table.rows.iter().enumerate() {
        let mut key = Vec::new();
        for column in columns {
            add_part(&mut key, row[*column].as_bytes(), ignore_case);
        }
        rows.entry(key).or_default().push(number as u32);
    }
    Index::Exact(rows)
}

fn regex(table: &Table, columns: &[usize], ignore_case: bool) -> Index {
    let flags = if ignore_case { "(?i)" } else { "" };
    let pattern = |cell: &str| Pattern::compile(&format!("{flags}{cell}")).ok();
    let mut rows = Vec::new();
    for (number, row) in table.rows.iter().enumerate() {
        let patterns: Option<Vec<Pattern>> = columns.iter().map(|column| pattern(&row[*column])).collect();
        rows.extend(patterns.map(|patterns| (number as u32, patterns)));
    }
    Index::Regex(rows)
}

fn cidr(table: &Table, columns: &[usize]) -> Index {
    let mut rows: HashMap<Network, Vec<(u32, Vec<Network>)>> = HashMap::new();
    let mut prefixes = BTreeSet::new();
    for (number, row) in table.rows.iter().enumerate() {
        let networks: Option<Vec<Network>> =
            columns.iter().map(|column| Network::parse(&row[*column])).collect();
        let Some(networks) = networks.filter(|networks| !networks.is_empty()) else { continue };
        let first = networks[0];
        prefixes.insert(first.prefix());
        rows.entry(first).or_default().push((number as u32, networks));
    }
    Index::Cidr { rows, prefixes: prefixes.into_iter().rev().collect() }
}

impl Processor for Lookup {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        if let Some(missing) = self.compared.iter().find(|compared| cx.value(&compared.field).is_none()) {
            let failure = Failure::missing(&missing.field);
            return if self.ignore_missing { Ok(Flow::Next) } else { Err(failure) };
        }
        let rows = match &self.index {
            Index::Exact(index) => self.exact(cx, index)?,
            Index::Regex(index) => self.regex(cx, index)?,
            Index::Cidr { rows, prefixes } => self.cidr(cx, rows, prefixes)?,
        };
        self.add(cx, &rows)?;
        Ok(Flow::Next)
    }
}

impl Lookup {
    fn exact(&self, cx: &mut Context<'_>, index: &HashMap<Vec<u8>, Vec<u32>>) -> Result<Vec<u32>, Failure> {
        cx.with_buffer(|cx, key| {
            let mut part = Vec::new();
            for compared in &self.compared {
                part.clear();
                write_plain(&cx.event, cx.value(&compared.field).unwrap_or(Slot::Null), &mut part)?;
                add_part(key, &part, self.ignore_case);
            }
            Ok(index.get(key.as_slice()).cloned().unwrap_or_default())
        })
    }

    fn regex(&self, cx: &mut Context<'_>, index: &[(u32, Vec<Pattern>)]) -> Result<Vec<u32>, Failure> {
        let mut texts = Vec::with_capacity(self.compared.len());
        for compared in &self.compared {
            let mut text = Vec::new();
            write_plain(&cx.event, cx.value(&compared.field).unwrap_or(Slot::Null), &mut text)?;
            texts.push(text);
        }
        let mut found = Vec::new();
        for (row, patterns) in index {
            let mut matches = true;
            for (pattern, text) in patterns.iter().zip(&texts) {
                matches = matches && pattern.is_match(text)?;
            }
            if matches {
                found.push(*row);
                if self.take != Take::All {
                    break;
                }
            }
        }
        Ok(found)
    }

    fn cidr(
        &self,
        cx: &Context<'_>,
        rows: &HashMap<Network, Vec<(u32, Vec<Network>)>>,
        prefixes: &[u8],
    ) -> Result<Vec<u32>, Failure> {
        let mut addresses = Vec::with_capacity(self.compared.len());
        for compared in &self.compared {
            let span = cx.text(&compared.field)?;
            let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default();
            let wrong = || Failure::fixed("is no ip address").at(&compared.field);
            addresses.push(text.trim().parse().map_err(|_| wrong())?);
        }
        let Some(first) = addresses.first().copied() else { return Ok(Vec::new()) };
        let single = Network::single(first);
        let mut found = Vec::new();
        for prefix in prefixes.iter().filter(|prefix| **prefix <= single.prefix()) {
            for (row, networks) in rows.get(&single.shortened(*prefix)).into_iter().flatten() {
                let contains =
                    networks.iter().zip(&addresses).all(|(network, address)| network.contains(*address));
                if contains {
                    found.push(*row);
                }
            }
            if self.take == Take::MostSpecific && !found.is_empty() {
                break;
            }
        }
        if self.take == Take::First {
            // The table's order counts, not that of the prefixes.
            found.sort_unstable();
        }
        Ok(found)
    }

    fn add(&self, cx: &mut Context<'_>, rows: &[u32]) -> Result<(), Failure> {
        for added in &self.added {
            let cell = |row: &u32| self.table.rows[*row as usize][added.column].as_bytes();
            let value = match (rows, self.take) {
                ([], _) => match &added.default {
                    Some(default) => default.value(cx, Missing::IsEmpty)?,
                    None => continue,
                },
                (rows, Take::All) => {
                    let mut list = Children::EMPTY;
                    for row in rows {
                        let text = cx.event.text(cell(row))?;
                        cx.event.push_to(&mut list, text)?;
                    }
                    Slot::List(list)
                }
                ([first, ..], _) => cx.event.text(cell(first))?,
            };
            cx.set(&added.field, value)?;
        }
        Ok(())
    }
}
