//! What holds for any line: nothing panics, nothing is lost, dialects are told apart.

use jiff::tz::TimeZone;
use proptest::prelude::*;
use protocol::syslog::{FaultKind, Header, Options, parse};

/// Lines put together from what headers are made of.
fn lines() -> impl Strategy<Value = Vec<u8>> {
    let token = prop_oneof![
        Just("<13>".to_owned()),
        Just("1 ".to_owned()),
        Just("- ".to_owned()),
        Just("Nov 21 14:30:52".to_owned()),
        Just("2026-11-21T14:30:52.123Z".to_owned()),
        Just("2026 Nov 21 14:30:52 UTC".to_owned()),
        Just(" host ".to_owned()),
        Just("app[12]: ".to_owned()),
        Just("[id name=\"va\\\"lue\"]".to_owned()),
        Just("%SYS-5-CONFIG: ".to_owned()),
        Just("2y10w: ".to_owned()),
        Just("\u{feff}".to_owned()),
        "[a-zA-Z0-9:\\[\\]<>*. =\"\\\\-]{0,8}",
    ];
    prop_oneof![
        4 => prop::collection::vec(token, 0..12).prop_map(|tokens| tokens.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..120),
    ]
}

/// Whether `part` is a part of `whole` in memory: not a copy, nothing invented.
fn is_within(whole: &[u8], part: &[u8]) -> bool {
    let (whole, part) = (whole.as_ptr_range(), part.as_ptr_range());
    whole.start <= part.start && part.end <= whole.end
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_line_is_parsed_without_panic_into_parts_of_itself(line in lines(), now in any::<i64>()) {
        let message = parse(&line);
        let options = Options::new(TimeZone::UTC, now);
        if let Some(timestamp) = message.timestamp {
            timestamp.unix_nanos(&options);
            prop_assert!(is_within(&line, timestamp.text()));
        }
        let parts = [message.hostname, message.app, message.procid, message.msgid, message.sequence];
        for part in parts.into_iter().flatten() {
            prop_assert!(is_within(&line, part) && !part.is_empty());
        }
        for element in message.structured_data.elements() {
            prop_assert!(!element.id.is_empty());
            for parameter in element.parameters() {
                prop_assert!(is_within(&line, parameter.escaped));
                prop_assert!(parameter.value().len() <= parameter.escaped.len());
            }
        }
        prop_assert!(message.fault.is_none_or(|fault| fault.at as usize <= line.len()));
        prop_assert!(message.parsed() || message.fault.is_some());
    }

    #[test]
    fn what_is_no_header_stays_in_the_message(line in lines()) {
        let message = parse(&line);
        let end = line.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n')).map_or(0, |last| last + 1);
        prop_assert!(line[..end].ends_with(message.message));
        if !message.parsed() {
            prop_assert_eq!(message.message, &line[..end]);
        }
    }

    #[test]
    fn a_standard_line_is_read_back_field_by_field(
        priority in 0u8..=191,
        hostname in "[!-~]{1,255}",
        app in "[!-~]{1,48}",
        procid in "[!-~]{1,128}",
        msgid in "[!-~]{1,32}",
        value in "[^\u{0}-\u{1f}]{0,20}",
        text in "[^\r\n]{0,40}",
    ) {
        let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace(']', "\\]");
        let line = format!("<{priority}>1 2026-11-21T14:30:52.5Z {hostname} {app} {procid} {msgid} [x@1 y=\"{escaped}\"] {text}");
        let message = parse(line.as_bytes());
        let field = |text: &str| if text == "-" { None } else { Some(text.as_bytes().to_vec()) };
        prop_assert_eq!(message.fault, None);
        prop_assert_eq!(message.header, Header::Rfc5424);
        prop_assert_eq!(message.priority.map(|priority| priority.value()), Some(priority));
        prop_assert_eq!(message.hostname.map(<[u8]>::to_vec), field(&hostname));
        prop_assert_eq!(message.app.map(<[u8]>::to_vec), field(&app));
        prop_assert_eq!(message.procid.map(<[u8]>::to_vec), field(&procid));
        prop_assert_eq!(message.msgid.map(<[u8]>::to_vec), field(&msgid));
        let element = message.structured_data.elements().next().unwrap();
        prop_assert_eq!(element.parameters().next().unwrap().value().into_owned(), value.as_bytes());
        prop_assert_eq!(message.message, text.strip_prefix('\u{feff}').unwrap_or(&text).as_bytes());
    }
}

/// Host, program, process, sequence and text of a line, `-` where absent.
fn told_apart(line: &str) -> String {
    let message = parse(line.as_bytes());
    let parts = [message.hostname, message.app, message.procid, message.sequence, Some(message.message)];
    parts.map(|part| part.map_or("-".into(), String::from_utf8_lossy)).join("|")
}

#[test]
fn dialects_of_rfc_3164_are_told_apart() {
    let cases = [
        ("<13>Nov 21 14:30:52 host app[12]: text", "host|app|12|-|text"),
        ("<13>Nov 21 14:30:52 host app: text", "host|app|-|-|text"),
        ("<13>Nov 21 14:30:52 host app:", "host|app|-|-|"),
        ("<13>Nov 21 14:30:52 app[12]: text", "-|app|12|-|text"),
        ("<13>Nov  1 14:30:52 host text here", "host|-|-|-|text here"),
        ("<13>Nov 1 14:30:52 host kernel:   indented", "host|kernel|-|-|  indented"),
        ("<13>Thu Nov 21 14:30:52 2026 host app: text", "host|app|-|-|text"),
        ("<13>Nov 21 14:30:52 CET host app: text", "host|app|-|-|text"),
        ("<13>1 Nov 21 14:30:52 host app: text", "host|app|-|-|text"),
        ("<13>Nov 21 14:30:52 last message repeated 2 times", "-|-|-|-|last message repeated 2 times"),
        ("<13>Nov 21 14:30:52 CEF:0|Vendor|Product", "-|-|-|-|CEF:0|Vendor|Product"),
        ("<13>Nov 21 14:30:52 host CEF:0|Vendor|Product", "host|-|-|-|CEF:0|Vendor|Product"),
        ("<13>Nov 21 14:30:52 {\"key\": \"value\"}", "-|-|-|-|{\"key\": \"value\"}"),
        ("<13>date=2026-11-21 devname=\"a\"", "-|-|-|-|date=2026-11-21 devname=\"a\""),
        ("<13>Nov 21 14:30:52 host: %ASA-6-302013: Built", "host|-|-|-|%ASA-6-302013: Built"),
        ("<166>:Nov 21 14:30:52 UTC: %ASA-6-302013: Built", "-|-|-|-|%ASA-6-302013: Built"),
        ("<189>29: host: 000031: *Mar  1 00:00:46.123: %SYS-5-CONFIG: x", "host|-|-|000031|%SYS-5-CONFIG: x"),
        ("<189>29: *Mar  1 00:00:46 VIENNA: %SYS-5-CONFIG: x", "-|-|-|29|%SYS-5-CONFIG: x"),
        ("<30>app: 2026-11-21 14:30:52 own time", "-|app|-|-|2026-11-21 14:30:52 own time"),
        ("<189>29: 2y10w: %SYS-5-CONFIG: x", "-|-|-|29|%SYS-5-CONFIG: x"),
        ("<189>host: 2026 Nov  1 14:30:52 UTC: %ETHPORT-5-X: x", "host|-|-|-|%ETHPORT-5-X: x"),
        ("Nov 21 14:30:52 host app: no priority", "host|app|-|-|no priority"),
        ("<13>Nov 21 14:30:52 fe80::1 app: text\r\n", "fe80::1|app|-|-|text"),
    ];
    for (line, expected) in cases {
        assert_eq!(told_apart(line), expected, "{line}");
    }
}

#[test]
fn what_breaks_off_keeps_what_came_before_and_names_the_place() {
    let message = parse(b"<134>1 2026-11-21T14:30:52Z MX84 flows allow src=10.0.2.170");
    let fault = message.fault.unwrap();
    assert_eq!((message.hostname, message.app), (Some(&b"MX84"[..]), Some(&b"flows"[..])));
    assert_eq!(message.message, b"allow src=10.0.2.170");
    assert_eq!((fault.kind, fault.at), (FaultKind::Header, 45));
    assert_eq!(fault.to_string(), "the rfc 5424 header ends early or goes on differently, at byte 45");
}

#[test]
fn a_number_before_a_text_is_no_version() {
    for line in ["<13>1 monkey in the cage", "<13>12 monkeys", "<13>7 99 bottles"] {
        let message = parse(line.as_bytes());
        assert_eq!((message.version, message.message), (None, &line.as_bytes()[4..]));
    }
}

#[test]
fn bytes_that_are_no_utf_8_are_kept() {
    let message = parse(b"<13>Nov 21 14:30:52 h\xf6st app: \xff\xfe");
    assert_eq!((message.hostname, message.message), (Some(&b"h\xf6st"[..]), &b"\xff\xfe"[..]));
}
