//! Devices as rows of a table: `config/devices/*.csv`.
//!
//! ```text
//! id,name,type,address,credentials,tags
//! 101,web-1,linux,10.0.0.11,collector,web;production
//! ```
//!
//! The first line names the columns. `id`, `name`, `type`, `description`, `status`, `tags` and `pipelines` are those of a
//! device, every other column is one of its properties; a dot leads into a map (`tls.status`). An empty cell is as if the
//! column were not there. `tags` and `pipelines` hold several values with semicolons between them. Columns are parted by
//! commas or, where the first line has those, by semicolons; quotes are as in RFC 4180. Lines that begin with `#` are
//! comments. The rows become part of the tree like devices of a YAML file, so all that is said of a mistake has its place.

use std::path::Path;
use std::sync::Arc;

use crate::{Diagnostic, Entry, Map, Node, Position, Scalar, Value};

/// Columns of the device itself; all others are properties.
const OF_DEVICE: [&str; 7] = ["id", "name", "type", "description", "status", "tags", "pipelines"];
/// Columns that hold several values.
const LISTS: [&str; 2] = ["tags", "pipelines"];

/// A cell and where it begins.
struct Cell {
    text: String,
    quoted: bool,
    at: Position,
}

/// Reads a table: a document with `devices`.
///
/// # Errors
/// All rows with too many or too few cells, and quotes that are not closed.
pub(crate) fn parse(file: &Path, text: &str) -> Result<Vec<Node>, Vec<Diagnostic>> {
    let file: Arc<Path> = file.into();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut scanner = Scanner { file: Arc::clone(&file), text, at: 0, line: 1, column: 1, delimiter: ',' };
    scanner.delimiter = scanner.find_delimiter();
    let top = Position::new(file, 1, 1);
    let mut report = Vec::new();
    let mut header: Option<Vec<Cell>> = None;
    let mut devices = Vec::new();
    loop {
        let row = match scanner.row() {
            Ok(Some(row)) => row,
            Ok(None) => break,
            Err(wrong) => {
                report.push(wrong);
                break;
            }
        };
        let Some(columns) = &header else {
            report.extend(check_columns(&row));
            header = Some(row);
            continue;
        };
        if row.len() != columns.len() {
            let what = format!("the row has {} cells, the first line {}", row.len(), columns.len());
            report.push(row[0].at.error(what, "give each column a cell, empty where there is no value"));
            continue;
        }
        devices.push(device(columns, row));
    }
    if !report.is_empty() {
        return Err(report);
    }
    let devices = Node { at: top.clone(), value: Value::List(devices) };
    let entry = Entry { key: "devices".to_owned(), key_at: top.clone(), value: devices };
    Ok(vec![Node { at: top, value: Value::Map(Map::from_distinct(vec![entry])) }])
}

fn check_columns(columns: &[Cell]) -> Vec<Diagnostic> {
    let mut report = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        if column.text.split('.').any(str::is_empty) {
            report.push(column.at.error("the column has no name", "write the name of a property"));
        } else if columns[..index].iter().any(|other| other.text == column.text) {
            report.push(column.at.error(format!("column {:?} is there twice", column.text), "remove one"));
        }
    }
    report
}

fn device(columns: &[Cell], row: Vec<Cell>) -> Node {
    let at = row[0].at.clone();
    let (mut own, mut properties) = (Vec::new(), Vec::new());
    for (column, cell) in columns.iter().zip(row) {
        if cell.text.is_empty() && !cell.quoted {
            continue;
        }
        match OF_DEVICE.contains(&column.text.as_str()) {
            true => own.push(entry(&column.text, &column.at, value(&column.text, cell))),
            false => insert(&mut properties, &column.text, &column.at, cell),
        }
    }
    if !properties.is_empty() {
        let value = Node { at: at.clone(), value: Value::Map(Map::from_distinct(properties)) };
        own.push(entry("properties", &at, value));
    }
    Node { at, value: Value::Map(Map::from_distinct(own)) }
}

fn insert(entries: &mut Vec<Entry>, path: &str, key_at: &Position, cell: Cell) {
    let Some((first, rest)) = path.split_once('.') else {
        entries.push(entry(path, key_at, scalar(cell.text, cell.quoted, cell.at)));
        return;
    };
    let below = match entries.iter().position(|entry| entry.key == first) {
        Some(index) => index,
        None => {
            let value = Node { at: cell.at.clone(), value: Value::Map(Map::default()) };
            entries.push(entry(first, key_at, value));
            entries.len() - 1
        }
    };
    if let Value::Map(map) = &mut entries[below].value.value {
        insert(map.entries_mut(), rest, key_at, cell);
    }
}

fn entry(key: &str, key_at: &Position, value: Node) -> Entry {
    Entry { key: key.to_owned(), key_at: key_at.clone(), value }
}

fn value(column: &str, cell: Cell) -> Node {
    if !LISTS.contains(&column) {
        return scalar(cell.text, cell.quoted, cell.at);
    }
    let items = cell.text.split(';').map(str::trim).filter(|item| !item.is_empty());
    let items = items.map(|item| scalar(item.to_owned(), false, cell.at.clone())).collect();
    Node { at: cell.at, value: Value::List(items) }
}

fn scalar(text: String, quoted: bool, at: Position) -> Node {
    Node { at, value: Value::Scalar(Scalar::new(text, quoted)) }
}

struct Scanner<'t> {
    file: Arc<Path>,
    text: &'t str,
    at: usize,
    line: u32,
    column: u32,
    delimiter: char,
}

impl Scanner<'_> {
    /// What parts the columns of the first line that is no comment.
    fn find_delimiter(&self) -> char {
        let mut lines = self.text.lines().filter(|line| !is_skipped(line));
        let header = lines.next().unwrap_or_default();
        if header.contains(';') && !header.contains(',') { ';' } else { ',' }
    }

    /// The next row; none at the end.
    fn row(&mut self) -> Result<Option<Vec<Cell>>, Diagnostic> {
        loop {
            let rest = &self.text[self.at..];
            if rest.is_empty() {
                return Ok(None);
            }
            let line = rest.split('\n').next().unwrap_or_default();
            if !is_skipped(line) {
                break;
            }
            self.at += (line.len() + 1).min(rest.len());
            self.line += 1;
        }
        let mut row = Vec::new();
        loop {
            row.push(self.cell()?);
            match self.next() {
                Some(c) if c == self.delimiter => {}
                Some('\n') | None => return Ok(Some(row)),
                // A cell ends nowhere else.
                Some(_) => {
                    return Err(self
                        .place()
                        .error("there is text behind the quotes", "double quotes within"));
                }
            }
        }
    }

    fn cell(&mut self) -> Result<Cell, Diagnostic> {
        while self.peek() == Some(' ') {
            self.next();
        }
        let at = self.place();
        let mut text = String::new();
        if self.peek() != Some('"') {
            while let Some(c) = self.peek().filter(|c| *c != self.delimiter && *c != '\n') {
                text.push(c);
                self.next();
            }
            text.truncate(text.trim_end().len());
            return Ok(Cell { text, quoted: false, at });
        }
        self.next();
        loop {
            match self.next() {
                Some('"') if self.peek() == Some('"') => {
                    self.next();
                    text.push('"');
                }
                Some('"') => break,
                Some(c) => text.push(c),
                None => return Err(at.error("the quotes are not closed", "add a closing quote")),
            }
        }
        while matches!(self.peek(), Some(' ' | '\r')) {
            self.next();
        }
        Ok(Cell { text, quoted: true, at })
    }

    fn peek(&self) -> Option<char> {
        self.text[self.at..].chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        match c {
            '\n' => (self.line, self.column) = (self.line + 1, 1),
            _ => self.column += 1,
        }
        Some(c)
    }

    fn place(&self) -> Position {
        Position::new(Arc::clone(&self.file), self.line, self.column)
    }
}

fn is_skipped(line: &str) -> bool {
    let line = line.trim();
    line.is_empty() || line.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Node> {
        let documents = parse(Path::new("d.csv"), text).unwrap();
        documents[0].get("devices").unwrap().as_list().unwrap().to_vec()
    }

    fn text<'n>(node: &'n Node, path: &str) -> Option<&'n str> {
        path.split('.').try_fold(node, |node, key| node.get(key))?.as_text()
    }

    #[test]
    fn columns_are_keys_of_a_device_or_properties() {
        let devices = rows(
            "# hosts\nid,name,type,address,tls.status,tags\n\n1,a,linux, 10.0.0.1 ,true,x; y\r\n2,\"b, \"\"c\"\"\",linux,,,\n",
        );
        assert_eq!(text(&devices[0], "properties.address"), Some("10.0.0.1"));
        assert_eq!(text(&devices[0], "properties.tls.status"), Some("true"));
        assert_eq!(devices[0].get("tags").unwrap().as_list().unwrap().len(), 2);
        assert_eq!(text(&devices[1], "name"), Some("b, \"c\""));
        assert!(devices[1].get("properties").is_none());
        assert_eq!(devices[1].at.to_string(), "d.csv:5:1");
    }

    #[test]
    fn spreadsheets_part_columns_by_semicolons() {
        assert_eq!(text(&rows("\u{feff}id;name\n7;x\n")[0], "name"), Some("x"));
    }

    #[test]
    fn rows_that_do_not_fit_are_reported_where_they_are() {
        let shown = |text: &str| -> Vec<String> {
            let Err(report) = parse(Path::new("d.csv"), text) else { panic!("taken: {text}") };
            report.iter().map(ToString::to_string).collect()
        };
        assert!(shown("id,name\n1,a\n2\n3,b,c\n")[0].starts_with("d.csv:3:1: the row has 1 cells"));
        assert_eq!(shown("id,name\n1,a\n2\n3,b,c\n").len(), 2);
        assert!(shown("id,id\n")[0].starts_with("d.csv:1:4: column \"id\" is there twice"));
        assert!(shown("id,name\n1,\"a\n")[0].starts_with("d.csv:2:3: the quotes are not closed"));
        assert!(shown("id,name\n1,\"a\"b\n")[0].contains("behind the quotes"));
    }
}
