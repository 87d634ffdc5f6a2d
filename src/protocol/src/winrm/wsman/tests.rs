//! What we write, read back as a service would; causes and reactions; answers that are not as they should be.
//! Recorded messages are replayed in `tests/winrm_vectors.rs`.

use std::time::Duration;

use super::request::{ContentFormat, Signal, Start, Subscription, message_id};
use super::*;

fn request() -> Request {
    Request {
        to: "http://srv1.corp.example:5985/wsman".into(),
        max_envelope_bytes: 512_000,
        operation_timeout: Duration::from_secs(60),
        locale: "en-US".into(),
    }
}

fn subscription(start: Start) -> Subscription {
    Subscription {
        name: "director & co".into(),
        query: "<QueryList><Query Id=\"0\"><Select Path=\"Security\">*</Select></Query></QueryList>".into(),
        format: ContentFormat::Raw,
        heartbeat: Duration::from_millis(25_500),
        start,
        ignore_channel_errors: true,
    }
}

#[test]
fn a_subscription_says_what_where_and_from_when() {
    let list = r#"<BookmarkList><Bookmark Channel="Security" RecordId="7" IsCurrent="true"/></BookmarkList>"#;
    let xml = request().subscribe("uuid:1", &subscription(Start::Behind(list.into())));
    let envelope = Envelope::read(&xml).unwrap();
    assert_eq!(envelope.action(), Some("http://schemas.xmlsoap.org/ws/2004/08/eventing/Subscribe"));
    assert_eq!(envelope.message_id(), Some("uuid:1"));
    assert_eq!(envelope.resource_uri(), Some(Resource::EventLog.uri().as_str()));
    assert_eq!(envelope.option("SubscriptionName"), Some("director & co"));
    assert_eq!(envelope.option("IgnoreChannelError"), Some(""));
    let timeout = envelope.header_text(Namespace::Wsman, "OperationTimeout");
    assert_eq!(timeout, Some("PT60.000S"));
    let subscribe = &envelope.body()[0];
    assert!(subscribe.is(Namespace::Eventing, "Subscribe"));
    let heartbeat = subscribe.descendant(Namespace::Wsman, "Heartbeats").unwrap();
    assert_eq!(heartbeat.trimmed(), "PT25.500S");
    assert_eq!(subscribe.child(Namespace::Wsman, "Bookmark").unwrap().inner, list);
    let filter = subscribe.child(Namespace::Wsman, "Filter").unwrap();
    assert_eq!(filter.inner, subscription(Start::New).query);

    let xml = request().subscribe("uuid:1", &subscription(Start::New));
    assert!(Envelope::read(&xml).unwrap().body()[0].child(Namespace::Wsman, "Bookmark").is_none());
    let xml = request().subscribe("uuid:1", &subscription(Start::Earliest));
    let envelope = Envelope::read(&xml).unwrap();
    assert!(envelope.body()[0].child(Namespace::Wsman, "Bookmark").unwrap().text.ends_with("/earliest"));
}

#[test]
fn every_request_is_an_envelope_with_its_action() {
    let (request, subscription) = (request(), subscription(Start::New));
    let wql = "SELECT Name FROM Win32_Service WHERE Name<>'a&b'";
    let requests = [
        (request.pull_events("uuid:1", &subscription, "uuid:C"), "enumeration/Pull", "Pull"),
        (request.unsubscribe("uuid:1", &subscription, "ID"), "eventing/Unsubscribe", "Unsubscribe"),
        (request.enumerate("uuid:1", r"root\cimv2", wql), "enumeration/Enumerate", "Enumerate"),
        (request.pull("uuid:1", "root/cimv2", "uuid:C"), "enumeration/Pull", "Pull"),
        (request.create_shell("uuid:1", 65001, Duration::from_secs(180)), "transfer/Create", "Shell"),
        (request.command("uuid:1", "S", "wevtutil", &["qe", "\"a b\""]), "shell/Command", "CommandLine"),
        (request.receive("uuid:1", "S", "C"), "shell/Receive", "Receive"),
        (request.signal("uuid:1", "S", "C", Signal::Terminate), "shell/Signal", "Signal"),
    ];
    for (xml, action, body) in &requests {
        let envelope = Envelope::read(xml).unwrap();
        assert!(envelope.action().unwrap().ends_with(action), "{xml}");
        assert_eq!(envelope.body()[0].name, *body);
        assert_eq!(envelope.message_id(), Some("uuid:1"));
    }
    let enumerate = Envelope::read(&requests[2].0).unwrap();
    assert_eq!(enumerate.body()[0].child(Namespace::Wsman, "Filter").unwrap().text, wql);
    assert!(enumerate.resource_uri().unwrap().ends_with("/wmi/root/cimv2/*"));
    let receive = Envelope::read(&requests[6].0).unwrap();
    assert_eq!(receive.selector("ShellId"), Some("S"));
    let xml = request.delete_shell("uuid:1", "S");
    assert!(Envelope::read(&xml).unwrap().body().is_empty());
    let xml = request.configuration("uuid:1");
    assert!(Envelope::read(&xml).unwrap().resource_uri().unwrap().ends_with("/wsman/1/config"));
    let xml = request::identify();
    assert!(Envelope::read(&xml).unwrap().body()[0].is(Namespace::Identify, "Identify"));
}

#[test]
fn ids_are_random_uuids() {
    assert_eq!(message_id([0xff; 16]), "uuid:FFFFFFFF-FFFF-4FFF-BFFF-FFFFFFFFFFFF");
}

fn envelope(body: &str) -> String {
    format!(
        "<x:Envelope xmlns:x='{}' xmlns:w='{}' xmlns='{}'><x:Body>{body}</x:Body></x:Envelope>",
        Namespace::Soap.uri(),
        Namespace::Wsman.uri(),
        Namespace::Enumeration.uri()
    )
}

#[test]
fn events_come_as_elements_wrapped_or_as_text() {
    let event = "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System/></Event>";
    let escaped = event.replace('<', "&lt;");
    let xml = envelope(&format!(
        "<PullResponse><EnumerationContext>uuid:2</EnumerationContext><Items>{event}<w:Event>{event}</w:Event>\
         <w:Event Action='a'>\n<![CDATA[{event}]]></w:Event><w:Event>{escaped}</w:Event></Items><EndOfSequence/>\
         </PullResponse>"
    ));
    let Content::Items(items) = Reply::read(&xml).unwrap().content else { panic!() };
    assert_eq!(items.items.iter().map(|item| item.trim()).collect::<Vec<_>>(), [event; 4]);
    assert_eq!((items.context.as_deref(), items.end), (Some("uuid:2"), true));
}

#[test]
fn every_row_of_the_fault_table_has_its_reaction() {
    let rows = [
        (5, Reaction::Tell),
        (2_147_942_405, Reaction::Tell),
        (50, Reaction::Defect),
        (87, Reaction::Defect),
        (1717, Reaction::Retry),
        (2_150_858_752, Reaction::FallBack),
        (2_150_858_770, Reaction::Retry),
        (2_150_858_778, Reaction::FixConfiguration),
        (2_150_858_779, Reaction::SubscribeAgain),
        (2_150_858_780, Reaction::SubscribeAgain),
        (2_150_858_782, Reaction::FallBack),
        (2_150_858_786, Reaction::FixConfiguration),
        (2_150_859_015, Reaction::FixConfiguration),
        (2_150_858_788, Reaction::Defect),
        (2_150_858_790, Reaction::AskForLess),
        (2_150_858_823, Reaction::AskForLess),
        (2_150_858_824, Reaction::AskForLess),
        (2_150_858_793, Reaction::AskAgain),
        (2_150_858_808, Reaction::ReportGap),
        (2_150_858_832, Reaction::ReportGap),
        (2_150_858_811, Reaction::FixConfiguration),
        (2_150_858_843, Reaction::RenewShell),
        (2_150_858_909, Reaction::Tell),
        (2_150_858_817, Reaction::Defect),
        (2_150_859_012, Reaction::Tell),
        (2_150_859_014, Reaction::Tell),
        (2_150_859_173, Reaction::BackOff),
        (2_150_859_176, Reaction::BackOff),
        (2_150_859_179, Reaction::BackOff),
        (2_150_859_180, Reaction::Tell),
        (2_147_942_606, Reaction::Defect),
        (15_007, Reaction::Tell),
        (0x8007_3a9f, Reaction::Tell),
        (4_000_000_000, Reaction::Retry),
    ];
    for (number, reaction) in rows {
        assert_eq!(Cause::of_number(number).reaction(), reaction, "{number}");
    }
    let statuses = [(200, None), (401, Some(Reaction::WaitLong)), (503, Some(Reaction::Retry))];
    for (status, reaction) in statuses {
        assert_eq!(Reaction::to_status(status), reaction);
    }
}

#[test]
fn the_innermost_number_that_is_known_decides() {
    let fault = |numbers: &[u32], subcode: Option<&str>| Fault {
        numbers: numbers.to_vec(),
        subcode: subcode.map(str::to_owned),
        ..Fault::default()
    };
    assert_eq!(fault(&[2_150_858_793, 5], None).cause(), Cause::AccessDenied);
    assert_eq!(fault(&[5, 123_456], None).cause(), Cause::AccessDenied);
    assert_eq!(fault(&[123_456], Some("TimedOut")).cause(), Cause::TimedOut);
    assert_eq!(fault(&[], None).cause(), Cause::Unknown);
}

#[test]
fn what_is_no_answer_is_an_error() {
    let error = |xml: &str| Reply::read(xml).unwrap_err();
    assert_eq!(error("<html><body/></html>"), ReadError::NotSoap);
    assert!(matches!(error("HTTP Error 404"), ReadError::Xml(_)));
    assert_eq!(error(""), ReadError::NotSoap);
    let shell = "<r:CommandResponse xmlns:r='http://schemas.microsoft.com/wbem/wsman/1/windows/shell'/>";
    assert_eq!(error(&envelope(shell)), ReadError::Missing("command id"));
    let stream = shell
        .replace("CommandResponse ", "ReceiveResponse xmlns:q='x' ")
        .replace("/>", "><r:Stream Name='stdout'>?</r:Stream></r:ReceiveResponse>");
    assert_eq!(error(&envelope(&stream)), ReadError::Unusable("base64 stream"));
    let many = format!("<Items>{}</Items>", "<a/>".repeat(envelope::MAX_ELEMENTS));
    assert_eq!(error(&envelope(&many)), ReadError::TooLarge);
}
