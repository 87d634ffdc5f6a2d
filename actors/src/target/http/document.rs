//! An event as a JSON object on one line, and as form fields.
//!
//! A record that is a JSON object already goes as it is; any other becomes `{"message": "…"}`. What claims to be
//! JSON is checked, since one bad event would spoil a whole array.

use event::UnixNanos;
use event::model::json_write::{write_text, write_time};
use memchr::memchr2;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};

/// Appends an event as an object on one line. One that is made here gets `@timestamp` if there is a time.
pub fn write_object(event: &[u8], time: Option<UnixNanos>, out: &mut Vec<u8>) {
    if let Some(object) = as_object(event) {
        write_line(object, out);
        return;
    }
    out.push(b'{');
    if let Some(time) = time {
        out.extend_from_slice(b"\"@timestamp\":\"");
        write_time(i64::try_from(time).unwrap_or(i64::MAX), out);
        out.extend_from_slice(b"\",");
    }
    out.extend_from_slice(b"\"message\":");
    write_text(event, out);
    out.push(b'}');
}

/// Appends an event as it stands in another object: an object, or a string.
pub fn write_value(event: &[u8], out: &mut Vec<u8>) {
    match as_object(event) {
        Some(object) => write_line(object, out),
        None => write_text(event, out),
    }
}

/// Appends an event as `application/x-www-form-urlencoded`: the fields of an object, or `message`.
pub fn write_form(event: &[u8], out: &mut Vec<u8>) {
    let fields: Option<Map<String, Value>> =
        as_object(event).and_then(|object| serde_json::from_slice(object).ok());
    let Some(fields) = fields else {
        out.extend_from_slice(b"message=");
        return write_escaped(event, out);
    };
    for (n, (name, value)) in fields.iter().enumerate() {
        if n > 0 {
            out.push(b'&');
        }
        write_escaped(name.as_bytes(), out);
        out.push(b'=');
        match value {
            Value::String(text) => write_escaped(text.as_bytes(), out),
            Value::Null => {}
            other => write_escaped(other.to_string().as_bytes(), out),
        }
    }
}

/// The bytes of a JSON object without blanks around it, if it is one.
fn as_object(event: &[u8]) -> Option<&[u8]> {
    let event = event.trim_ascii();
    if event.first() != Some(&b'{') {
        return None;
    }
    let text = std::str::from_utf8(event).ok()?;
    serde_json::from_str::<IgnoredAny>(text).is_ok().then_some(event)
}

/// Line ends stand between JSON's tokens, never within one, so blanks may take their place.
fn write_line(json: &[u8], out: &mut Vec<u8>) {
    let from = out.len();
    out.extend_from_slice(json);
    if memchr2(b'\n', b'\r', json).is_some() {
        for byte in out[from..].iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
            *byte = b' ';
        }
    }
}

/// Percent-encoding of forms (WHATWG URL §5.2).
pub fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in text {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => out.push(byte),
            b' ' => out.push(b'+'),
            _ => out.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl Fn(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn an_object_goes_as_it_is_on_one_line_and_the_rest_is_wrapped() {
        let object = |event: &[u8]| written(|out| write_object(event, None, out));
        assert_eq!(object(b" {\"a\":\n [1, 2]}\n"), "{\"a\":  [1, 2]}");
        for broken in ["{\"a\":", "{a}", "{\"a\":1} x", "[1]", "12", "<13>text"] {
            let value: Value = serde_json::from_str(&object(broken.as_bytes())).unwrap();
            assert_eq!(value["message"], *broken);
        }
        assert_eq!(object(b"{\"a\":\"\xff\"}"), r#"{"message":"{\"a\":\"�\"}"}"#);
        let timed = written(|out| write_object(b"x", Some(1_500_000_000), out));
        assert_eq!(timed, r#"{"@timestamp":"1970-01-01T00:00:01.500Z","message":"x"}"#);
    }

    #[test]
    fn a_form_has_the_fields_of_an_object() {
        let form = |event: &[u8]| written(|out| write_form(event, out));
        assert_eq!(
            form(b"{\"a b\":\"1&2\",\"n\":3,\"o\":{\"p\":null},\"z\":null}"),
            "a+b=1%262&n=3&o=%7B%22p%22%3Anull%7D&z="
        );
        assert_eq!(form("ä=b".as_bytes()), "message=%C3%A4%3Db");
    }
}
