//! `enrich`: fields from a query in SQL over the event and tables.
//!
//! Each processor has a SQLite database in memory with its tables, indexed by their columns. A query is prepared once for each set
//! of field names, since these are the columns of `_ingest`; one after the other runs, whatever lane it is for. It
//! costs tens of microseconds: `lookup` is far cheaper where it suffices.

use super::received::is_metadata;
use super::table::Table;
use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Event, NodeId, Slot, json_write};
use parking_lot::Mutex;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, params_from_iter};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Steps of SQLite's machine that one query may take, in thousands; a million take some ten milliseconds.
const MAX_KILOSTEPS: u32 = 2_000;
const STEPS_PER_CHECK: i32 = 1_000;
/// Fields of an event that become columns; SQLite takes 2000.
const MAX_COLUMNS: usize = 1_000;
/// Columns of a table that are indexed.
const INDEXED_COLUMNS: usize = 16;
/// The longest text, and so the longest value.
const MAX_VALUE_BYTES: i32 = 16 * 1024 * 1024;

pub(super) static SPEC: Spec = Spec {
    name: "enrich",
    family: "enrich",
    summary: "Adds fields from a query in SQL (SQLite) over the event and CSV tables.",
    details: "The table `_ingest` has one row, the event, with a column for each of its fields; objects and lists are JSON, for \
              `json_extract`. `_message` has one row with the column `message`, the event as JSON. `lookup_table` has the rows \
              of all tables, with the columns of all; their cells are texts, and empty ones null. The first row of the result \
              counts; without one the event stays as it is. Queries only read, and may take 2 million steps. The tables lie \
              in `user/lookups` or `package/lookups`; changed ones are taken over when the configuration is loaded again.",
    options: &[
        required("query", "The query."),
        optional("lookup_table", "none", "The tables; one or several."),
        optional("dataset_name", "", "Not available: tables are files."),
        optional("type", "sqlite", "There is only `sqlite`; KQL is not understood."),
        optional("override", "false", "The event is only what the query gives."),
        optional(
            "ignore_missing",
            "false",
            "Do nothing when the query names a field that is not there, instead of failing.",
        ),
    ],
    examples: &[
        Example {
            title: "a join",
            event: r#"{"user_id": "U124", "n": {"a": 1}}"#,
            processors: "- enrich: {lookup_table: users.csv, query: 'SELECT _ingest.*, u.name AS user_name FROM _ingest LEFT JOIN lookup_table u ON u.id = _ingest.user_id'}",
            outcome: Outcome::Event(r#"{"user_id": "U124", "n": {"a": 1}, "user_name": "Jane Roe"}"#),
        },
        Example {
            title: "only the result",
            event: r#"{"raw": "x", "n": {"a": 5}}"#,
            processors: "- enrich: {override: true, query: \"SELECT json_extract(n, '$.a') * 2 AS b, n FROM _ingest\"}",
            outcome: Outcome::Event(r#"{"b": 10, "n": {"a": 5}}"#),
        },
        Example {
            title: "a query without end",
            event: r#"{"a": 1}"#,
            processors: "- enrich: {query: 'WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c) SELECT count(x) FROM c'}",
            outcome: Outcome::Fails("more than 2000000 steps"),
        },
    ],
    compile,
};

struct Enrich {
    query: String,
    database: Mutex<Database>,
    uses_message: bool,
    overrides: bool,
    ignore_missing: bool,
}

struct Database {
    connection: Connection,
    /// Of `_ingest`, as it is now.
    columns: Vec<String>,
    guard: Guard,
}

/// What the hooks of a connection look at.
#[derive(Clone, Default)]
struct Guard {
    /// Set while the query is prepared and runs: then nothing may be written.
    read_only: Arc<AtomicBool>,
    kilosteps: Arc<AtomicU32>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let at = options.required("query")?.at.clone();
    let query = options.required_text("query")?;
    if let Some(kind) = options.text("type")?.filter(|kind| !["", "sqlite", "sql"].contains(&kind.as_str())) {
        let at = options.place_of("type");
        let what = format!("queries of the type {kind:?} are not understood");
        return Err(options.error(&at, what, "write the query in the SQL of SQLite"));
    }
    if let Some(node) = options.node("dataset_name") {
        return Err(options.error(
            &node.at,
            "datasets are not available",
            "name a CSV file with `lookup_table`",
        ));
    }
    let mut tables = Vec::new();
    for name in options.texts("lookup_table")? {
        tables.push(options.file("lookup_table", "lookups", &name, Table::read)?);
    }
    let mut database = match Database::new(&tables) {
        Ok(database) => database,
        Err(why) => return Err(options.error(&at, format!("the tables can't be loaded: {why}"), "")),
    };
    // Fields are known only with the event; everything else that is wrong with the query is wrong now.
    match database.prepare(&query) {
        Ok(()) => {}
        Err(why) if is_missing_column(&why) => {}
        Err(why) => {
            return Err(options.error(
                &at,
                format!("the query can't be used: {}", plain(&why)),
                "the SQL is that of SQLite",
            ));
        }
    }
    Ok(Box::new(Enrich {
        uses_message: query.contains("_message"),
        overrides: options.flag("override", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
        query,
        database: Mutex::new(database),
    }))
}

fn is_missing_column(why: &rusqlite::Error) -> bool {
    why.to_string().contains("no such column")
}

fn plain(why: &rusqlite::Error) -> String {
    why.to_string().lines().next().unwrap_or_default().to_owned()
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\"").replace('\0', ""))
}

impl Database {
    fn new(tables: &[Arc<Table>]) -> Result<Self, rusqlite::Error> {
        let connection = Connection::open_in_memory()?;
        let guard = Guard::default();
        connection.set_limit(Limit::SQLITE_LIMIT_LENGTH, MAX_VALUE_BYTES)?;
        connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
        let steps = guard.clone();
        connection.progress_handler(
            STEPS_PER_CHECK,
            Some(move || {
                let taken = steps.kilosteps.fetch_add(1, Ordering::Relaxed);
                steps.read_only.load(Ordering::Relaxed) && taken >= MAX_KILOSTEPS
            }),
        )?;
        let locked = guard.clone();
        connection.authorizer(Some(move |context: AuthContext<'_>| {
            let reads = match context.action {
                AuthAction::Select | AuthAction::Read { .. } | AuthAction::Recursive => true,
                AuthAction::Function { function_name } => function_name != "load_extension",
                _ => false,
            };
            let is_allowed = reads || !locked.read_only.load(Ordering::Relaxed);
            if is_allowed { Authorization::Allow } else { Authorization::Deny }
        }))?;
        load(&connection, tables)?;
        connection.execute_batch("CREATE TABLE _ingest (\"\"); CREATE TABLE _message (message TEXT)")?;
        Ok(Self { connection, columns: Vec::new(), guard })
    }

    fn prepare(&mut self, query: &str) -> Result<(), rusqlite::Error> {
        let _reading = self.guard.reading();
        self.connection.prepare_cached(query).map(drop)
    }

    /// Makes the event the row of `_ingest`.
    fn fill(&mut self, columns: Vec<String>, values: &[Sql]) -> Result<(), rusqlite::Error> {
        if columns == self.columns && !columns.is_empty() {
            self.connection.prepare_cached("DELETE FROM _ingest")?.execute([])?;
        } else {
            let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
            let names = if names.is_empty() { quoted("") } else { names.join(", ") };
            self.connection.execute_batch(&format!("DROP TABLE _ingest; CREATE TABLE _ingest ({names})"))?;
            self.columns = columns;
        }
        if values.is_empty() {
            self.connection.execute_batch("INSERT INTO _ingest VALUES (NULL)")?;
            return Ok(());
        }
        let marks = vec!["?"; values.len()].join(", ");
        let mut insert = self.connection.prepare_cached(&format!("INSERT INTO _ingest VALUES ({marks})"))?;
        insert.execute(params_from_iter(values)).map(drop)
    }

    /// The first row, if there is one: names and values.
    fn first_row(&mut self, query: &str) -> Result<Option<Vec<(String, Sql)>>, rusqlite::Error> {
        let _reading = self.guard.reading();
        let mut statement = self.connection.prepare_cached(query)?;
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let mut values = Vec::with_capacity(names.len());
        for (at, name) in names.into_iter().enumerate() {
            values.push((name, row.get::<_, Sql>(at)?));
        }
        Ok(Some(values))
    }
}

impl Guard {
    /// Nothing may be written until the result is dropped.
    fn reading(&self) -> Reading {
        self.kilosteps.store(0, Ordering::Relaxed);
        self.read_only.store(true, Ordering::Relaxed);
        Reading(Arc::clone(&self.read_only))
    }
}

struct Reading(Arc<AtomicBool>);

impl Drop for Reading {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// One table of all, with the columns of all.
fn load(connection: &Connection, tables: &[Arc<Table>]) -> Result<(), rusqlite::Error> {
    let mut known = HashSet::new();
    let all = tables.iter().flat_map(|table| &table.columns);
    // SQLite's names don't tell small letters from large ones.
    let columns: Vec<&String> = all.filter(|name| known.insert(name.to_lowercase())).collect();
    if columns.is_empty() {
        return connection.execute_batch("CREATE TABLE lookup_table (\"\" TEXT)");
    }
    let declared: Vec<String> = columns.iter().map(|name| format!("{} TEXT", quoted(name))).collect();
    connection.execute_batch(&format!("CREATE TABLE lookup_table ({}); BEGIN", declared.join(", ")))?;
    for table in tables {
        let mut own = HashSet::new();
        let used: Vec<usize> =
            (0..table.columns.len()).filter(|at| own.insert(table.columns[*at].to_lowercase())).collect();
        let names: Vec<String> = used.iter().map(|at| quoted(&table.columns[*at])).collect();
        let marks = vec!["?"; used.len()].join(", ");
        let insert = format!("INSERT INTO lookup_table ({}) VALUES ({marks})", names.join(", "));
        let mut insert = connection.prepare(&insert)?;
        for row in &table.rows {
            let cells = used.iter().map(|at| Some(&*row[*at]).filter(|cell| !cell.is_empty()));
            insert.execute(params_from_iter(cells))?;
        }
    }
    connection.execute_batch("COMMIT")?;
    for (number, name) in columns.iter().take(INDEXED_COLUMNS).enumerate() {
        let index = format!("CREATE INDEX lookup_{number} ON lookup_table ({})", quoted(name));
        connection.execute_batch(&index)?;
    }
    connection.execute_batch("ANALYZE")
}

impl Processor for Enrich {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let fields = fields(cx)?;
        let names: Vec<String> = fields.iter().map(|field| field.name.clone()).collect();
        let values: Vec<Sql> = fields.iter().map(|field| field.value.clone()).collect();
        let message = if self.uses_message { Some(written(cx)?) } else { None };
        let mut database = self.database.lock();
        let result = database.fill(names, &values).and_then(|()| {
            if let Some(message) = message {
                database.connection.execute_batch("DELETE FROM _message")?;
                let mut insert = database.connection.prepare_cached("INSERT INTO _message VALUES (?)")?;
                insert.execute([message])?;
            }
            Ok(())
        });
        let row = result.and_then(|()| database.first_row(&self.query));
        drop(database);
        match row {
            Ok(Some(row)) => self.put(cx, &fields, row)?,
            Ok(None) => {}
            Err(why) if self.ignore_missing && is_missing_column(&why) => {}
            Err(why) if why.sqlite_error_code() == Some(rusqlite::ErrorCode::OperationInterrupted) => {
                let steps = MAX_KILOSTEPS * STEPS_PER_CHECK as u32;
                return Err(Failure::text(format!("the query takes more than {steps} steps")));
            }
            Err(why) => return Err(Failure::text(format!("the query failed: {}", plain(&why)))),
        }
        Ok(Flow::Next)
    }
}

/// A field of the event as a column.
struct Field {
    node: NodeId,
    name: String,
    value: Sql,
}

fn fields(cx: &Context<'_>) -> Result<Vec<Field>, Failure> {
    let Slot::Map(root) = cx.event.slot(Event::ROOT) else { return Ok(Vec::new()) };
    if root.len() > MAX_COLUMNS {
        return Err(Failure::text(format!(
            "the event has more than {MAX_COLUMNS} fields, too many for a table"
        )));
    }
    let mut known = HashSet::new();
    let mut fields = Vec::with_capacity(root.len());
    for node in cx.event.children(root).filter(|node| !cx.event.key(*node).is_metadata()) {
        let name = String::from_utf8_lossy(cx.event.name(node)).replace('\0', "");
        // Without the zero it may be the name of metadata, and a query would bring it back as such.
        if is_metadata(cx, name.as_bytes()) || !known.insert(name.to_lowercase()) {
            continue;
        }
        let text = |bytes: &[u8]| Sql::Text(String::from_utf8_lossy(bytes).into_owned());
        let value = match cx.event.slot(node) {
            Slot::Null => Sql::Null,
            Slot::Bool(truth) => Sql::Integer(truth.into()),
            Slot::Int(number) => Sql::Integer(number),
            Slot::Float(number) => Sql::Real(number),
            Slot::Text(span) => text(cx.event.bytes(span)),
            Slot::Bytes(span) => Sql::Blob(cx.event.bytes(span).to_vec()),
            Slot::Time(nanos) => {
                let mut out = Vec::new();
                json_write::write_time(nanos, &mut out);
                text(&out)
            }
            nested @ (Slot::List(_) | Slot::Map(_)) => {
                let mut out = Vec::new();
                json_write::write_value(&cx.event, nested, &mut out)?;
                text(&out)
            }
        };
        fields.push(Field { node, name, value });
    }
    Ok(fields)
}

fn written(cx: &Context<'_>) -> Result<String, Failure> {
    let mut out = Vec::new();
    json_write::write_event(&cx.event, &mut out)?;
    Ok(String::from_utf8_lossy(&out).into_owned())
}

impl Enrich {
    /// Puts the row into the event; a field that came back as it went stays what it was.
    fn put(&self, cx: &mut Context<'_>, fields: &[Field], row: Vec<(String, Sql)>) -> Result<(), Failure> {
        let mut only = if self.overrides { metadata(cx)? } else { Children::EMPTY };
        for (name, value) in row {
            let unchanged = fields.iter().find(|field| field.name == name && field.value == value);
            let key = cx.event.key_of(name.as_bytes())?;
            let slot = match (unchanged, &value) {
                (Some(_), _) if !self.overrides => continue,
                (Some(field), _) => cx.event.slot(field.node),
                (None, Sql::Null) => Slot::Null,
                (None, Sql::Integer(number)) => Slot::Int(*number),
                (None, Sql::Real(number)) => Slot::Float(*number),
                (None, Sql::Text(text)) => cx.event.text(text.as_bytes())?,
                (None, Sql::Blob(bytes)) => Slot::Bytes(cx.event.add_bytes(bytes)?),
            };
            if self.overrides {
                let is_new = cx.event.field(only, key).is_none();
                if is_new {
                    cx.event.append_to(&mut only, key, slot)?;
                }
            } else {
                cx.event.set_field(Event::ROOT, key, slot)?;
            }
        }
        if self.overrides {
            cx.event.put(Event::ROOT, Slot::Map(only));
        }
        Ok(())
    }
}

/// What stays whatever a query gives.
fn metadata(cx: &mut Context<'_>) -> Result<Children, Failure> {
    let mut kept = Children::EMPTY;
    let Slot::Map(root) = cx.event.slot(Event::ROOT) else { return Ok(kept) };
    let mut at = cx.event.children(root).next();
    while let Some(node) = at {
        at = cx.event.next(node);
        let (key, slot) = (cx.event.key(node), cx.event.slot(node));
        if key.is_metadata() {
            cx.event.append_to(&mut kept, key, slot)?;
        }
    }
    Ok(kept)
}
