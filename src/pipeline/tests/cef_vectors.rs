//! CEF lines against the decoders of Logstash, AxoSyslog, Beats and Graylog.
//!
//! Each source has its own names for header fields and extensions, and its own types; they are mapped to ours here. Ours
//! are short names (`src`), and numbers where the line has whole numbers, as the product's documentation shows.

mod vectors;

use serde_json::{Map, Value, json};
use vectors::ingest::{Ended, run_case};
use vectors::{Report, same_instant};

/// The short names of the format's dictionary and their long ones, as far as the vectors use them.
const LONG: &[(&str, &str)] = &[
    ("act", "deviceAction"),
    ("agt", "agentAddress"),
    ("ahost", "agentHostName"),
    ("aid", "agentId"),
    ("amac", "agentMacAddress"),
    ("art", "agentReceiptTime"),
    ("at", "agentType"),
    ("atz", "agentTimeZone"),
    ("av", "agentVersion"),
    ("cat", "deviceEventCategory"),
    ("catdt", "categoryDeviceType"),
    ("dhost", "destinationHostName"),
    ("dlat", "destinationGeoLatitude"),
    ("dlong", "destinationGeoLongitude"),
    ("dproc", "destinationProcessName"),
    ("dpt", "destinationPort"),
    ("dst", "destinationAddress"),
    ("dtz", "deviceTimeZone"),
    ("duser", "destinationUserName"),
    ("dvc", "deviceAddress"),
    ("dvchost", "deviceHostName"),
    ("fname", "filename"),
    ("fsize", "fileSize"),
    ("mrt", "managerReceiptTime"),
    ("msg", "message"),
    ("outcome", "eventOutcome"),
    ("proto", "transportProtocol"),
    ("request", "requestUrl"),
    ("rt", "deviceReceiptTime"),
    ("shost", "sourceHostName"),
    ("spt", "sourcePort"),
    ("src", "sourceAddress"),
    ("start", "startTime"),
    ("suid", "sourceUserId"),
    ("suser", "sourceUserName"),
];

/// Numbered custom fields: `cs4Label` is `deviceCustomString4Label`.
const NUMBERED: [(&str, &str); 4] = [
    ("cfp", "deviceCustomFloatingPoint"),
    ("c6a", "deviceCustomIPv6Address"),
    ("cn", "deviceCustomNumber"),
    ("cs", "deviceCustomString"),
];

fn long_name(name: &str) -> String {
    if let Some((_, long)) = LONG.iter().find(|(short, _)| *short == name) {
        return (*long).to_owned();
    }
    for (short, long) in NUMBERED {
        if let Some(number) = name.strip_prefix(short)
            && number.starts_with(|c: char| c.is_ascii_digit())
        {
            return format!("{long}{number}");
        }
    }
    // Logstash writes an index as a field in a field; the test below does the same to ours.
    name.to_owned()
}

fn decode(input: &Value) -> Option<Map<String, Value>> {
    match run_case(&json!({"processors": [{"cef": {"field": "m"}}], "doc": {"m": input}})) {
        Ended::Kept(got, _) => got["cef"].as_object().cloned(),
        _ => None,
    }
}

/// Whether values mean the same, whatever their types: numbers as texts, times by instant, hardware addresses.
fn means(expected: &Value, got: &Value) -> bool {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let (a, b) = (text(expected), text(got));
    let mac = |text: &str| text.to_lowercase().replace('-', ":");
    let number = |text: &str| text.parse::<f64>().ok();
    a == b
        || mac(&a) == mac(&b)
        || number(&a).zip(number(&b)).is_some_and(|(a, b)| a == b)
        || instant(&b).is_some_and(|b| same_instant(&a, &b))
}

/// A time as CEF lines have it (milliseconds, `Sep 10 2010 23:54:51`) in RFC 3339.
fn instant(text: &str) -> Option<String> {
    if let Ok(millis) = text.parse() {
        return Some(jiff::Timestamp::from_millisecond(millis).ok()?.to_string());
    }
    let time = jiff::civil::DateTime::strptime("%b %d %Y %H:%M:%S", text).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().to_string())
}

#[test]
fn lines_give_what_logstash_gives() {
    let Some(cases) = vectors::lines("cef/logstash.jsonl") else { return };
    let mut report = Report::new("cef/logstash.jsonl");
    for case in &cases {
        let name = case["name"].as_str().expect("named");
        let got = decode(&case["input"]).unwrap_or_default();
        let mut named = Map::new();
        for (key, value) in &got {
            match key.strip_suffix(']').and_then(|key| key.split_once('[')) {
                Some((key, index)) => named.insert(key.to_owned(), json!({ index: value })),
                None => named.insert(long_name(key), value.clone()),
            };
        }
        let expected = case["plain"][0].as_object().expect("an event");
        let passed = expected.iter().all(|(key, value)| {
            // What stands before the line is the `syslog` processor's business.
            key == "syslog" || named.get(key).is_some_and(|got| means(value, got))
        });
        report.check(name, passed, || format!("{named:?}; {case}"));
    }
    report.finish(20);
}

#[test]
fn lines_give_what_axosyslog_gives() {
    let Some(cases) = vectors::lines("cef/axosyslog.jsonl") else { return };
    let mut report = Report::new("cef/axosyslog.jsonl");
    let header = [
        "cef_version",
        "device_vendor",
        "device_product",
        "device_version",
        "device_event_class_id",
        "event_name",
        "agent_severity",
    ];
    for case in &cases {
        let name = case["name"].as_str().expect("named");
        if case["options"].get("value_separator").is_some() {
            report.skip(name, "D.5: cef has the options field and target_field, no other separator");
            continue;
        }
        let got = decode(&case["input"]).unwrap_or_default();
        let expected = case["expected"].as_object().expect("an event");
        let extensions = expected.get("extensions").and_then(Value::as_object);
        let fields = expected.iter().chain(extensions.into_iter().flatten());
        let passed = fields.filter(|(key, _)| *key != "extensions").all(|(key, value)| {
            let at = header.iter().position(|name| name == key);
            let key = at.map_or(key.as_str(), |at| protocol::cef::HEADER_NAMES[at]);
            got.get(key).is_some_and(|got| means(value, got) || trimmed_number(value, got))
        });
        report.check(name, passed, || format!("{got:?}; {case}"));
    }
    report.finish(9);
}

/// A number with blanks around it is a number in ours.
fn trimmed_number(expected: &Value, got: &Value) -> bool {
    got.is_number() && expected.as_str().is_some_and(|text| means(&json!(text.trim()), got))
}

#[test]
fn lines_give_what_beats_gives() {
    let Some(cases) = vectors::lines("cef/beats.jsonl") else { return };
    let mut report = Report::new("cef/beats.jsonl");
    for case in &cases {
        let name = case["name"].as_str().expect("named");
        if name.starts_with("sample 14 ") {
            report.skip(
                name,
                "keeps a blank at the start of a value that cef/graylog.jsonl (issue_23) leaves out",
            );
            continue;
        }
        let got = decode(&case["input"]).unwrap_or_default();
        let named: Map<String, Value> =
            got.iter().map(|(key, value)| (long_name(key), value.clone())).collect();
        let expected = &case["expected"];
        let header = [
            ("cefVersion", &expected["version"]),
            ("deviceVendor", &expected["device"]["vendor"]),
            ("deviceProduct", &expected["device"]["product"]),
            ("deviceVersion", &expected["device"]["version"]),
            ("deviceEventClassId", &expected["device"]["event_class_id"]),
            ("name", &expected["name"]),
            ("severity", &expected["severity"]),
        ];
        let header = header.iter().all(|(key, value)| value.is_null() || means(value, &got[*key]));
        let extensions = expected["extensions"].as_object().expect("extensions");
        let passed = header
            && extensions.iter().all(|(key, value)| named.get(key).is_some_and(|got| means(value, got)));
        report.check(name, passed, || format!("{named:?}; {case}"));
    }
    report.finish(9);
}

#[test]
fn lines_give_what_graylog_gives() {
    let Some(cases) = vectors::lines("cef/graylog.jsonl") else { return };
    let mut report = Report::new("cef/graylog.jsonl");
    let header = [
        "version",
        "device_vendor",
        "device_product",
        "device_version",
        "event_class_id",
        "name",
        "severity",
    ];
    for case in &cases {
        let name = case["name"].as_str().expect("named");
        let got = decode(&case["input"]).unwrap_or_default();
        let in_header = header.iter().zip(protocol::cef::HEADER_NAMES).all(|(theirs, ours)| {
            case["header"].get(*theirs).is_none_or(|value| got.get(ours).is_some_and(|got| means(value, got)))
        });
        // Graylog names a custom field by its label.
        let labelled = |label: &str| {
            let is_label = |(key, value): &(&String, &Value)| key.ends_with("Label") && *value == label;
            let (key, _) = got.iter().find(is_label)?;
            got.get(key.trim_end_matches("Label"))
        };
        let empty = Map::new();
        let extensions = case["extensions"].as_object().unwrap_or(&empty);
        let passed = in_header
            && extensions.iter().all(|(key, value)| {
                labelled(key).or_else(|| got.get(key)).is_some_and(|got| means(value, got))
            });
        report.check(name, passed, || format!("{got:?}; {case}"));
    }
    report.finish(14);
}
