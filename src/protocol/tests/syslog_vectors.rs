//! Published messages and streams of other programs' tests (the folder `shared/vectors` beside the checkout).

#![allow(clippy::unwrap_used, reason = "a case that can't be read fails its test")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use protocol::framing::{Delimiter, Framer, Framing, Limits};
use protocol::syslog::{Message, Options, parse};
use serde_json::{Map, Value, json};

/// Cases that are not ours to pass, by name, and why. Two of axosyslog's run and differ: it cuts a value at 255 bytes and
/// an app at 48; here both are kept whole, the app being named a fault.
const SKIPPED: [(&str, &str); 5] = [
    (
        "syslog-loose/parse_rsyslog",
        "the vectors' README: syslog-loose looks for structured data in RFC 3164 bodies",
    ),
    ("syslog-loose/rsyslog_omfwd_tcp_forward_format", "the same"),
    (
        "cisco_ftd/log/test-firepower-management.log#2",
        "a host behind the tag can't be told from `amp: Info: …`",
    ),
    ("cisco_ftd/log/test-firepower-management.log#3", "the same"),
    ("cisco_ftd/log/test-firepower-management.log#4", "the same"),
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    passed: usize,
    skipped: usize,
    failed: usize,
}

/// Runs `check` on each case of a file and prints what happened; `None` where there are no vectors.
fn run(file: &str, check: impl Fn(&Value) -> Result<(), String>) -> Option<Tally> {
    let path =
        PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/syslog")).join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: no vectors at {}", path.display());
        return None;
    };
    let mut tally = Tally::default();
    for line in text.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let name = case["name"].as_str().unwrap();
        if let Some((_, reason)) = SKIPPED.iter().find(|(skipped, _)| name.starts_with(skipped)) {
            println!("skipped {name}: {reason}");
            tally.skipped += 1;
            continue;
        }
        match check(&case) {
            Ok(()) => tally.passed += 1,
            Err(why) => {
                println!("failed {name}: {why}\n  {}", case["input"]);
                tally.failed += 1;
            }
        }
    }
    println!("{file}: {tally:?}");
    Some(tally)
}

fn input(case: &Value) -> &[u8] {
    case["input"].as_str().unwrap_or_else(|| panic!("{} has no text", case["name"])).as_bytes()
}

/// What was parsed, in the vectors' terms.
fn fields(message: &Message<'_>) -> Map<String, Value> {
    let text = |bytes: &[u8]| json!(String::from_utf8_lossy(bytes));
    let mut fields = Map::new();
    if let Some(priority) = message.priority {
        fields.insert("priority".into(), json!(priority.value()));
        fields.insert("facility".into(), json!(priority.facility().code()));
        fields.insert("severity".into(), json!(priority.severity().code()));
    }
    if let Some(version) = message.version {
        fields.insert("version".into(), json!(version));
    }
    let optional = [
        ("hostname", message.hostname),
        ("app", message.app),
        ("procid", message.procid),
        ("msgid", message.msgid),
        ("sequence", message.sequence),
        ("message", Some(message.message)),
    ];
    for (name, value) in optional {
        if let Some(value) = value {
            fields.insert(name.into(), text(value));
        }
    }
    fields
}

/// Structured data; go-syslog's results keep the escapes.
fn structured_data(message: &Message<'_>, escaped: bool) -> Value {
    let mut elements = BTreeMap::new();
    for element in message.structured_data.elements() {
        let mut parameters = BTreeMap::new();
        for each in element.parameters() {
            let value = if escaped { each.escaped.into() } else { each.value() };
            parameters
                .insert(String::from_utf8_lossy(each.name), String::from_utf8_lossy(&value).into_owned());
        }
        elements.insert(String::from_utf8_lossy(element.id), parameters);
    }
    json!(elements)
}

fn nanos(text: &str) -> i64 {
    text.parse::<jiff::Timestamp>().unwrap().as_nanosecond() as i64
}

/// Checks a timestamp's instant. `local_time` says what stands in the line, without its zone and perhaps
/// without a year.
fn check_time(message: &Message<'_>, key: &str, expected: &str) -> Result<(), String> {
    const SECOND: i64 = 1_000_000_000;
    const QUARTER: i64 = 900 * SECOND;
    let Some(timestamp) = message.timestamp else { return Err("no timestamp".into()) };
    let options = Options::new(TimeZone::UTC, nanos("2026-11-21T12:00:00Z"));
    let Some(found) = timestamp.unix_nanos(&options) else {
        return Err("the timestamp is not understood".into());
    };
    let equal = match (key, expected.strip_prefix("--")) {
        // syslog-loose's expected times lack the fraction.
        ("timestamp", _) => {
            let expected = nanos(expected);
            found == expected || (expected % SECOND == 0 && found - found.rem_euclid(SECOND) == expected)
        }
        (_, Some(rest)) => [2025, 2026].iter().any(|year| found == nanos(&format!("{year}-{rest}Z"))),
        (_, None) => {
            // The zone that the line has and the expectation leaves out is worth quarters of hours.
            let has_zone =
                timestamp.text().iter().skip("2018-06-19T02:13:38".len()).any(|byte| b"+-".contains(byte));
            let difference = found - nanos(&format!("{expected}Z"));
            difference == 0 || (has_zone && difference % QUARTER == 0 && difference.abs() <= 14 * 4 * QUARTER)
        }
    };
    if equal { Ok(()) } else { Err(format!("{key}: {found}, expected {expected}")) }
}

fn check_message(case: &Value) -> Result<(), String> {
    let message = parse(input(case));
    if case.get("error").is_some() {
        return match message.fault {
            Some(_) => Ok(()),
            None => Err(format!("no fault found in {message:?}")),
        };
    }
    let found = fields(&message);
    for (key, expected) in case["expected"].as_object().unwrap() {
        match (key.as_str(), expected) {
            ("timestamp" | "local_time", Value::String(text)) => check_time(&message, key, text)?,
            ("structured_data", _) => {
                let escaped = case["name"].as_str().is_some_and(|name| name.starts_with("go-syslog/"));
                let data = structured_data(&message, escaped);
                if data != *expected {
                    return Err(format!("structured data {data}, expected {expected}"));
                }
            }
            // The vectors' messages are compared without the mark that may begin them.
            _ if found.get(key) != Some(expected) => {
                return Err(format!("{key}: {:?}, expected {expected}; {:?}", found.get(key), message.fault));
            }
            _ => {}
        }
    }
    for absent in case.get("absent").and_then(Value::as_array).into_iter().flatten() {
        let name = absent.as_str().unwrap();
        let present = if name == "structured_data" {
            !message.structured_data.is_empty()
        } else {
            found.contains_key(name)
        };
        if present {
            return Err(format!("{name} should be absent: {:?}", found.get(name)));
        }
    }
    Ok(())
}

#[test]
fn published_messages_are_parsed_as_their_sources_say() {
    if let Some(tally) = run("messages.jsonl", check_message) {
        assert_eq!(tally, Tally { passed: 126, skipped: 2, failed: 2 });
    }
}

#[test]
fn vendors_headers_are_read() {
    if let Some(tally) = run("vendors.jsonl", check_message) {
        assert_eq!(tally, Tally { passed: 191, skipped: 3, failed: 0 });
    }
}

#[test]
fn published_streams_are_framed_as_their_sources_say() {
    let tally = run("streams.jsonl", |case| {
        let framing = match case["framing"].as_str().unwrap() {
            "octet-counting" => Framing::Octet,
            "non-transparent-lf" => Framing::Delimiter(Delimiter::line_feed()),
            _ => Framing::Delimiter(Delimiter::new(b"\0").unwrap()),
        };
        let detected = framing != Framing::Octet;
        check_stream(case, framing)?;
        // A stream of lines is detected as one, with its trailer.
        if detected { check_stream(case, Framing::Detect) } else { Ok(()) }
    });
    if let Some(tally) = tally {
        assert_eq!(tally, Tally { passed: 8, skipped: 0, failed: 0 });
    }
}

fn check_stream(case: &Value, framing: Framing) -> Result<(), String> {
    let stream = input(case);
    let mut framer = Framer::new(framing, Limits { max_message_bytes: 8192 });
    let mut spans = Vec::new();
    let failed = framer.finish(stream, &mut spans).is_err();
    let frames = case["frames"].as_array().unwrap();
    if spans.len() + usize::from(failed) != frames.len() {
        return Err(format!("{spans:?}, failed: {failed}; expected {} frames", frames.len()));
    }
    for (span, frame) in spans.iter().zip(frames) {
        let message = parse(&stream[span.range()]);
        let faulty = frame.get("error").is_some();
        let wanted = frame["message"].as_object().ok_or("a frame too many")?;
        let found = fields(&message);
        for (key, expected) in wanted.iter().filter(|_| !faulty) {
            if found.get(key) != Some(expected) {
                return Err(format!("{key}: {:?}, expected {expected}", found.get(key)));
            }
        }
    }
    Ok(())
}
