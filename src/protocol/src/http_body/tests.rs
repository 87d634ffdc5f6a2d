//! Behaviour of the splitter; `serde_json` is the judge of what is JSON.

use proptest::prelude::*;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::*;

fn events(body: &str, how: Split) -> Result<Vec<&str>, BodyError> {
    let mut spans = Vec::new();
    split(body.as_bytes(), how, &mut spans)?;
    Ok(spans.into_iter().map(|span| &body[span.range()]).collect())
}

#[test]
fn an_array_is_its_elements_and_values_may_stand_one_after_the_other() {
    assert_eq!(
        events(r#" [{"a": [1, 2]}, "b" ,3] "#, Split::Json).unwrap(),
        [r#"{"a": [1, 2]}"#, "\"b\"", "3"]
    );
    assert_eq!(
        events("{\"a\":\"}\\\"\"}{}\n{\"b\":{}}\n", Split::Json).unwrap(),
        ["{\"a\":\"}\\\"\"}", "{}", "{\"b\":{}}"]
    );
    assert_eq!(events("\u{feff}[]", Split::Json).unwrap(), [""; 0]);
    assert_eq!(events(" \n", Split::Json).unwrap(), [""; 0]);
}

#[test]
fn lines_lose_their_ends_and_empty_ones_are_no_events() {
    assert_eq!(events("a\r\n\n b \n\r\nc", Split::Lines).unwrap(), ["a", " b ", "c"]);
    assert_eq!(events("a\nb", Split::Whole).unwrap(), ["a\nb"]);
    assert_eq!(events("", Split::Whole).unwrap(), [""; 0]);
}

#[test]
fn a_fault_is_told_with_its_place_and_nothing_becomes_an_event() {
    let mut spans = Vec::new();
    let error = split(br#"[{"a":1},{"b" 2}]"#, Split::Json, &mut spans).unwrap_err();
    assert_eq!(
        error.to_string(),
        "colon expected at byte 14 of the body, where '2' is; send json, or its own content type"
    );
    assert_eq!(spans, []);
    let faults = [
        ("[1 2]", 3, JsonFault::CommaExpected),
        ("[1,]", 3, JsonFault::ValueExpected),
        ("{\"a\":1,}", 7, JsonFault::KeyExpected),
        ("{\"a\":tru}", 5, JsonFault::BadWord),
        ("{\"a\":\"\\x\"}", 5, JsonFault::BadString),
        ("{\"a\":[1}", 7, JsonFault::CommaExpected),
        ("{\"a\":1", 6, JsonFault::CommaExpected),
        ("hello", 0, JsonFault::ValueExpected),
    ];
    for (body, place, kind) in faults {
        match events(body, Split::Json) {
            Err(BodyError::Json { at, fault, .. }) => assert_eq!((at, fault), (place, kind), "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn nesting_is_limited() {
    let nested = |depth: usize| format!("{}{}", "{\"a\":".repeat(depth - 1) + "{", "}".repeat(depth));
    assert!(events(&nested(MOST_DEPTH as usize), Split::Json).is_ok());
    assert!(
        events(&nested(MOST_DEPTH as usize + 1), Split::Json)
            .unwrap_err()
            .to_string()
            .contains("deeper than 128")
    );
    assert!(events(&"[".repeat(1_000_000), Split::Json).is_err());
}

#[test]
fn the_content_type_decides_before_the_first_byte() {
    assert_eq!(detect(Some("Application/JSON; charset=utf-8"), b"hello"), Split::Json);
    assert_eq!(detect(Some("application/cloudevents+json"), b""), Split::Json);
    assert_eq!(detect(Some("text/plain"), b"{}"), Split::Lines);
    assert_eq!(detect(Some("application/x-www-form-urlencoded"), b" {\"a\":1}"), Split::Json);
    assert_eq!(detect(None, b"hello\nworld"), Split::Whole);
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::hash_map("[a-z\"\\\\]{0,4}", inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn the_elements_of_an_array_are_found(values in prop::collection::vec(json(), 0..8), pretty in any::<bool>()) {
        let array = Value::from(values.clone());
        let body = if pretty { serde_json::to_string_pretty(&array) } else { serde_json::to_string(&array) }.unwrap();
        let found = events(&body, Split::Json).unwrap();
        let found: Vec<Value> = found.into_iter().map(|text| serde_json::from_str(text).unwrap()).collect();
        let expected: Vec<Value> = values.iter().map(|value| serde_json::from_str(&value.to_string()).unwrap()).collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn what_is_accepted_is_json_and_what_is_json_is_accepted(body in r#"[\[\]{}:,"\\a1e.\-n 0tu+]{0,24}"#) {
        let ours = events(&body, Split::Json).is_ok();
        let theirs = serde_json::Deserializer::from_str(&body).into_iter::<IgnoredAny>().all(|value| value.is_ok());
        prop_assert_eq!(ours, theirs, "{}", body);
    }

    #[test]
    fn any_bytes_are_split_without_panic(body in prop::collection::vec(any::<u8>(), 0..200)) {
        for how in [Split::Whole, Split::Lines, Split::Json, detect(None, &body)] {
            let mut spans = Vec::new();
            if split(&body, how, &mut spans).is_ok() {
                prop_assert!(spans.iter().all(|span| span.range().end <= body.len() && span.len > 0));
            }
        }
    }
}
