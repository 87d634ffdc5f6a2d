//! Windows events that others have decoded (`vectors/winevent`): what they found, we find.

use std::collections::BTreeMap;
use std::path::Path;

use protocol::winevent::{self, Event, fields};
use serde_json::{Value, json};

fn cases(file: &str) -> Option<Vec<Value>> {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/winevent")).join(file);
    let Ok(text) = std::fs::read_to_string(&path) else {
        println!("SKIPPED: no vectors at {}", path.display());
        return None;
    };
    Some(text.lines().map(|line| serde_json::from_str(line).expect("the vectors are JSON Lines")).collect())
}

/// The event as the JSON object that is passed on, which has to be one.
fn object(event: &Event<'_>) -> Value {
    let mut json = String::new();
    fields::write_json(event, None, &mut json);
    serde_json::from_str(&json).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn text_of(value: &Value) -> &str {
    value.as_str().expect("the vectors have texts here")
}

fn guid(text: &str) -> String {
    text.trim_matches(['{', '}']).to_lowercase()
}

/// The ends of values are compared without blanks.
fn texts(object: &Value) -> BTreeMap<String, String> {
    let members = object.as_object().into_iter().flatten();
    members
        .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().trim_end().into()))
        .collect()
}

fn check_winlogbeat(case: &Value) -> Result<(), String> {
    let event = winevent::parse(text_of(&case["xml"])).map_err(|error| error.to_string())?;
    let found = object(&event);
    let winlog = &found["winlog"];
    for (key, expected) in case["expected"].as_object().into_iter().flatten() {
        let equal = match key.as_str() {
            "event_id" | "provider_name" | "channel" | "computer_name" | "record_id" | "version"
            | "opcode" | "keywords" | "task" => winlog[key] == *expected,
            "process_id" => winlog["process"]["pid"] == *expected,
            "thread_id" => winlog["process"]["thread"]["id"] == *expected,
            "user_id" => winlog["user"]["identifier"] == *expected,
            "level" => found["log"]["level"] == *text_of(expected).to_lowercase(),
            "message" => found["message"] == *expected,
            "time_created" => {
                let time: jiff::Timestamp = text_of(expected).parse().expect("the time is rfc 3339");
                event.unix_nanos().map(i128::from) == Some(time.as_nanosecond())
            }
            "provider_guid" | "activity_id" => winlog[key].as_str().map(guid) == expected.as_str().map(guid),
            "event_data" | "user_data" => {
                let (found, expected) = (texts(&winlog[key]), texts(expected));
                expected.iter().all(|(name, value)| found.get(name) == Some(value))
            }
            _ => return Err(format!("nothing is known of {key}")),
        };
        if !equal {
            return Err(format!("{key}: expected {expected}, found {found}"));
        }
    }
    Ok(())
}

#[test]
fn events_are_decoded_as_winlogbeat_decodes_them() {
    let Some(cases) = cases("winlogbeat.jsonl") else { return };
    let mut failed = 0;
    for case in &cases {
        if let Err(why) = check_winlogbeat(case) {
            println!("failed {}: {why}", case["name"]);
            failed += 1;
        }
    }
    println!("{} cases, {failed} failed", cases.len());
    assert_eq!((cases.len(), failed), (71, 0));
}

/// The event in OpenWEC's layout.
fn openwec(event: &Event<'_>) -> Value {
    let mut system = json!({
        "EventID": event.event_id,
        "Computer": event.computer,
        "TimeCreated": event.time_created,
        "Provider": {
            "Name": event.provider_name,
            "Guid": event.provider_guid,
            "EventSourceName": event.event_source_name,
        },
        "EventIDQualifiers": event.qualifiers,
        "Version": event.version,
        "Level": event.level,
        "Task": event.task,
        "Opcode": event.opcode,
        "EventRecordID": event.record_id,
        "Correlation": {
            "ActivityID": event.activity_id,
            "RelatedActivityID": event.related_activity_id,
        },
        "Execution": { "ProcessID": event.process_id, "ThreadID": event.thread_id },
        "Channel": event.channel,
        "UserID": event.user_id,
    });
    if let Some(keywords) = event.keywords {
        system["Keywords"] = json!(format!("{keywords:#x}"));
    }
    let mut all = json!({ "System": system });
    let unnamed: Vec<_> =
        event.data.iter().filter(|data| data.name.is_none()).map(|data| &data.value).collect();
    let mut data = serde_json::Map::new();
    for named in &event.data {
        if let Some(name) = &named.name {
            data.insert(name.to_string(), json!(named.value));
        }
    }
    if !unnamed.is_empty() {
        data.insert("Data".into(), json!(unnamed));
    }
    data.insert("Binary".into(), json!(event.binary));
    all["EventData"] = data.into();
    if let Some(rendering) = &event.rendering {
        all["RenderingInfo"] = json!({
            "Message": rendering.message, "Level": rendering.level, "Task": rendering.task,
            "Opcode": rendering.opcode, "Keywords": rendering.keywords, "Culture": rendering.culture,
        });
    }
    all
}

/// Whether everything that is expected was found. `UserData` is XML there; names that OpenWEC adds to what is
/// rendered are not kept by us. It leaves out unnamed data that are empty.
fn contains(found: &Value, expected: &Value, path: &str) -> Result<(), String> {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            for (name, expected) in expected {
                if matches!(
                    (path, name.as_str()),
                    (_, "UserData") | ("/RenderingInfo", "Channel" | "Provider")
                ) {
                    continue;
                }
                let path = format!("{path}/{name}");
                contains(found.get(name).unwrap_or(&Value::Null), expected, &path)?;
            }
            Ok(())
        }
        (Value::Array(found), Value::Array(_)) if path == "/EventData/Data" => {
            let kept: Vec<Value> = found.iter().filter(|value| *value != "").cloned().collect();
            equal(&kept.into(), expected, path)
        }
        _ => equal(found, expected, path),
    }
}

fn equal(found: &Value, expected: &Value, path: &str) -> Result<(), String> {
    if found == expected { Ok(()) } else { Err(format!("{path}: {found}, expected {expected}")) }
}

#[test]
fn forwarded_events_are_decoded_as_openwec_decodes_them() {
    let Some(cases) = cases("openwec.jsonl") else { return };
    let mut failed = 0;
    for case in &cases {
        let event = winevent::parse(text_of(&case["xml"])).unwrap();
        object(&event);
        if let Err(why) = contains(&openwec(&event), &case["expected"], "") {
            println!("failed {}: {why}", case["name"]);
            failed += 1;
        }
    }
    assert_eq!((cases.len(), failed), (6, 0));
}
