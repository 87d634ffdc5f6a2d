//! What becomes an event: a JSON document, JSON Lines, or raw lines.

use crate::failed::Failed;
use anyhow::Context;
use serde_json::{Deserializer, Value};
use std::io::Read;
use std::path::Path;

/// Something a pipeline is run on.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// An event in JSON.
    Event(Vec<u8>),
    /// A line as a device sends it; it becomes the field `message`.
    Line(Vec<u8>),
}

/// Reads the input: `-` is the standard input, what names a file is that file, and else it is an event itself.
pub(super) fn read(input: &str) -> Result<Vec<Record>, Failed> {
    if input == "-" {
        let mut text = Vec::new();
        std::io::stdin().read_to_end(&mut text).context("cannot read the standard input")?;
        return Ok(records(&text));
    }
    let looks_like_json = input.trim_start().starts_with(['{', '[']);
    if looks_like_json && !Path::new(input).exists() {
        return Ok(records(input.as_bytes()));
    }
    let text = std::fs::read(input).with_context(|| format!("cannot read the input {input}"))?;
    Ok(records(&text))
}

/// Which of the raw lines, from 1, is the first that is no JSON object, where they begin with one: JSON Lines with a
/// mistake are taken as raw lines as a whole, and whoever wrote them should know.
pub(super) fn mistake_in_json_lines(records: &[Record]) -> Option<usize> {
    let is_object = |record: &Record| match record {
        Record::Event(_) => true,
        Record::Line(line) => matches!(serde_json::from_slice(line), Ok(Value::Object(_))),
    };
    let first = records.first().filter(|record| matches!(record, Record::Line(_)))?;
    if is_object(first) {
        records.iter().position(|record| !is_object(record)).map(|at| at + 1)
    } else {
        None
    }
}

/// Objects one after the other (a document, JSON Lines) and lists of objects are events; in every other text each line
/// is one.
fn records(text: &[u8]) -> Vec<Record> {
    match events(text) {
        Some(events) => events,
        None => lines(text),
    }
}

fn events(text: &[u8]) -> Option<Vec<Record>> {
    let mut stream = Deserializer::from_slice(text).into_iter::<Value>();
    let mut events = Vec::new();
    let mut start = 0;
    while let Some(value) = stream.next() {
        let end = stream.byte_offset();
        match value {
            // Its own bytes: writing the value again could change numbers.
            Ok(Value::Object(_)) => events.push(Record::Event(text[start..end].trim_ascii().to_vec())),
            Ok(Value::Array(items)) => {
                for item in items {
                    item.is_object().then_some(())?;
                    events.push(Record::Event(item.to_string().into_bytes()));
                }
            }
            _ => return None,
        }
        start = end;
    }
    Some(events)
}

fn lines(text: &[u8]) -> Vec<Record> {
    let line = |line: &[u8]| Record::Line(line.strip_suffix(b"\r").unwrap_or(line).to_vec());
    let lines = text.split(|byte| *byte == b'\n').map(line);
    lines.filter(|record| !matches!(record, Record::Line(line) if line.is_empty())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(text: &str) -> Record {
        Record::Event(text.as_bytes().to_vec())
    }

    fn line(text: &str) -> Record {
        Record::Line(text.as_bytes().to_vec())
    }

    #[test]
    fn a_document_lines_of_json_and_lists_are_events() {
        assert_eq!(records(b"{\n  \"a\": 1.0\n}\n"), [event("{\n  \"a\": 1.0\n}")]);
        assert_eq!(records(b"{\"a\":1}\n\n{\"b\":2}\r\n"), [event("{\"a\":1}"), event("{\"b\":2}")]);
        assert_eq!(records(b"[{\"a\":1}, {\"b\":2}]"), [event("{\"a\":1}"), event("{\"b\":2}")]);
        assert_eq!(records(b""), []);
    }

    #[test]
    fn every_other_text_is_lines() {
        assert_eq!(records(b"<13>one\r\n\n<13>two"), [line("<13>one"), line("<13>two")]);
        assert_eq!(records(b"{\"a\":1}\nno json"), [line("{\"a\":1}"), line("no json")]);
        assert_eq!(records(b"17\n18\n"), [line("17"), line("18")]);
        assert_eq!(mistake_in_json_lines(&records(b"{\"a\":1}\n{\"a\"\n")), Some(2));
        assert_eq!(mistake_in_json_lines(&records(b"{\"a\":1}\n")), None);
        assert_eq!(mistake_in_json_lines(&records(b"text\n{\"a\":1}\n")), None);
        assert_eq!(records(b"\xff\xfe"), [Record::Line(vec![0xff, 0xfe])]);
    }
}
