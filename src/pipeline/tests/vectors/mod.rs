//! Published test vectors: reading them, comparing as their README says, and the report that must not shrink.
#![allow(dead_code, unreachable_pub)] // each test file uses its part

pub mod ingest;

use serde_json::{Map, Value};
use std::path::PathBuf;

/// The folder of the vectors, beside the checkout.
pub fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"))
}

/// The folder of databases and tables that processors look things up in.
pub fn files() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/files"))
}

/// The cases of a file; none, said loudly, if the vectors are not there.
pub fn lines(file: &str) -> Option<Vec<Value>> {
    let path = folder().join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: {} is not there", path.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("a case is json")).collect())
}

/// What ran, passed, failed and was skipped.
pub struct Report {
    file: String,
    ran: usize,
    failed: Vec<(String, String)>,
    skipped: Vec<(String, String)>,
}

impl Report {
    pub fn new(file: &str) -> Self {
        Self { file: file.to_owned(), ran: 0, failed: Vec::new(), skipped: Vec::new() }
    }

    pub fn skip(&mut self, name: &str, why: &str) {
        self.skipped.push((name.to_owned(), why.to_owned()));
    }

    pub fn check(&mut self, name: &str, passed: bool, got: impl FnOnce() -> String) {
        self.ran += 1;
        if !passed {
            self.failed.push((name.to_owned(), got()));
        }
    }

    /// Prints the figures and asserts that exactly `floor` cases passed: a better result raises the floor.
    pub fn finish(self, floor: usize) {
        let passed = self.ran - self.failed.len();
        for (name, why) in &self.skipped {
            println!("{}: skipped {name}: {why}", self.file);
        }
        for (name, got) in &self.failed {
            println!("{}: FAILED {name}: {got}", self.file);
        }
        println!("{}: {} ran, {passed} passed, {} skipped", self.file, self.ran, self.skipped.len());
        assert_eq!(passed, floor, "{}: the floor is exact; raise it when more cases pass", self.file);
    }
}

/// Equality as the README says: numbers by value, absent and null alike, times by instant.
pub fn same(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(a), Value::Object(b)) => includes(a, b) && includes(b, a),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => same_scalar(expected, got),
    }
}

/// Whether all of `expected` is in `got`, deep; other fields may exist.
pub fn subset(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(key, value)| b.get(key).map_or(value.is_null(), |other| subset(value, other)))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| subset(a, b))
        }
        _ => same_scalar(expected, got),
    }
}

fn includes(a: &Map<String, Value>, b: &Map<String, Value>) -> bool {
    a.iter().all(|(key, value)| b.get(key).map_or(value.is_null(), |other| same(value, other)))
}

fn same_scalar(expected: &Value, got: &Value) -> bool {
    match (expected, got) {
        (Value::Number(a), Value::Number(b)) => {
            a == b
                || (a.as_f64().zip(b.as_f64()))
                    .is_some_and(|(a, b)| (a - b).abs() <= 1e-9 * a.abs().max(b.abs()))
        }
        (Value::String(a), Value::String(b)) => a == b || same_instant(a, b),
        _ => expected == got,
    }
}

/// Where two values differ first, and how.
pub fn difference(expected: &Value, got: &Value) -> String {
    fn find(expected: &Value, got: &Value, path: &str) -> Option<String> {
        if same(expected, got) {
            return None;
        }
        if let (Value::Object(a), Value::Object(b)) = (expected, got) {
            let names = a.keys().chain(b.keys().filter(|name| !a.contains_key(*name)));
            let side = |map: &Map<String, Value>, name: &String| map.get(name).cloned().unwrap_or_default();
            return names
                .into_iter()
                .find_map(|name| find(&side(a, name), &side(b, name), &format!("{path}.{name}")));
        }
        Some(format!("{path}: expected {expected}, got {got}"))
    }
    find(expected, got, "").unwrap_or_default()
}

pub fn same_instant(a: &str, b: &str) -> bool {
    let instant = |text: &str| text.parse::<jiff::Timestamp>().ok();
    instant(a).zip(instant(b)).is_some_and(|(a, b)| a == b)
}
