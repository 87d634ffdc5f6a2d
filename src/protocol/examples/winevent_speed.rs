//! How fast one core reads Windows events: `cargo run --release -p protocol --example winevent_speed`.
//!
//! The events are logons (4624) of some 1.9 KB, as raw XML; once alone, once as a service's answers bring them, with
//! and without the seal.

use std::hint::black_box;
use std::time::{Duration, Instant};

use protocol::winevent::{self, fields};
use protocol::winrm::credentials::{Credentials, Secret};
use protocol::winrm::ntlm::{Client, ClientOptions, Random, Server, ServerOptions, Session};
use protocol::winrm::sealed_body;
use protocol::winrm::wsman::{Content, Reply};

/// What fits into an envelope of 500 KiB.
const EVENTS_A_PULL: usize = 250;

fn main() {
    let events: Vec<String> = (0..EVENTS_A_PULL).map(event).collect();
    println!("{} bytes an event", events[0].len());
    measure("decode", || {
        for xml in &events {
            black_box(winevent::parse(black_box(xml)).expect("the event is well-formed"));
        }
        events.len()
    });
    let mut json = String::new();
    measure("decode, write as json", || {
        for xml in &events {
            json.clear();
            let event = winevent::parse(black_box(xml)).expect("the event is well-formed");
            fields::write_json(&event, Some(xml), &mut json);
            black_box(&json);
        }
        events.len()
    });
    let answer = format!(
        "<s:Envelope xmlns:s='http://www.w3.org/2003/05/soap-envelope' \
         xmlns:n='http://schemas.xmlsoap.org/ws/2004/09/enumeration'><s:Header/><s:Body><n:PullResponse>\
         <n:EnumerationContext>uuid:1</n:EnumerationContext><n:Items>{}</n:Items></n:PullResponse></s:Body></s:Envelope>",
        events.concat()
    );
    measure("read an answer, decode, json", || {
        read(black_box(&answer), &mut json);
        events.len()
    });
    let (mut client, mut server) = sessions();
    let mut best = f64::INFINITY;
    for _ in 0..200 {
        let body = sealed_body::seal(&mut server, &answer);
        let begin = Instant::now();
        let opened = sealed_body::open(&mut client, &body).expect("the body is sealed");
        read(std::str::from_utf8(&opened.message).expect("the answer is text"), &mut json);
        best = best.min(begin.elapsed().as_nanos() as f64 / events.len() as f64);
    }
    println!("{:32} {best:7.1} ns each  {:7.1} k/s", "open, read, decode, json", 1e6 / best);
}

fn read(answer: &str, json: &mut String) {
    let Content::Items(items) = Reply::read(answer).expect("the answer is well-formed").content else {
        return;
    };
    for xml in &items.items {
        json.clear();
        let event = winevent::parse(xml).expect("the event is well-formed");
        fields::write_json(&event, Some(xml), json);
        black_box(&json);
    }
}

fn sessions() -> (Session, Session) {
    let credentials = Credentials::new("svc", "password");
    let client = Client::begin(ClientOptions::default());
    let options = ServerOptions {
        computer: "SRV1".into(),
        dns_computer: "srv1".into(),
        challenge: [7; 8],
        now: 1,
        channel_binding: None,
    };
    let server = Server::begin(client.negotiate(), options).expect("the message is well-formed");
    let random = Random { client_challenge: [3; 8], session_key: Secret::new([9; 16]), now: 0 };
    let (token, ours) =
        client.authenticate(server.challenge(), &credentials, &random).expect("the challenge is well-formed");
    let accepted = server.accept(&token, |_| Some(credentials.clone())).expect("the password is right");
    (ours, accepted.1)
}

fn event(number: usize) -> String {
    let data = [
        ("SubjectUserSid", "S-1-5-18"),
        ("SubjectUserName", "SRV1$"),
        ("SubjectDomainName", "CORP"),
        ("SubjectLogonId", "0x3e7"),
        ("TargetUserSid", "S-1-5-21-101361758-2486510592-3018839910-500"),
        ("TargetUserName", "Administrator"),
        ("TargetDomainName", "CORP"),
        ("TargetLogonId", "0x1f2e3d"),
        ("LogonType", "3"),
        ("LogonProcessName", "Kerberos"),
        ("AuthenticationPackageName", "Kerberos"),
        ("WorkstationName", "-"),
        ("LogonGuid", "{d9d4c3a1-53d5-4ee0-8d0e-4ab1c6fa7e1d}"),
        ("TransmittedServices", "-"),
        ("LmPackageName", "-"),
        ("KeyLength", "0"),
        ("ProcessId", "0x254"),
        ("ProcessName", "C:\\Windows\\System32\\services.exe"),
        ("IpAddress", "192.0.2.17"),
        ("IpPort", "51234"),
        ("ImpersonationLevel", "%%1833"),
        ("RestrictedAdminMode", "-"),
        ("VirtualAccount", "%%1843"),
        ("ElevatedToken", "%%1842"),
    ];
    let data: String =
        data.iter().map(|(name, value)| format!("<Data Name='{name}'>{value}</Data>")).collect();
    format!(
        "<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System>\
         <Provider Name='Microsoft-Windows-Security-Auditing' Guid='{{54849625-5478-4994-a5ba-3e3b0328c30d}}'/>\
         <EventID>4624</EventID><Version>2</Version><Level>0</Level><Task>12544</Task><Opcode>0</Opcode>\
         <Keywords>0x8020000000000000</Keywords><TimeCreated SystemTime='2026-11-21T14:30:52.{number:07}Z'/>\
         <EventRecordID>{}</EventRecordID><Correlation ActivityID='{{c2115b6c-cdc7-0000-e5a0-11c2c7cdd801}}'/>\
         <Execution ProcessID='596' ThreadID='{number}'/><Channel>Security</Channel>\
         <Computer>srv1.corp.example</Computer><Security/></System><EventData>{data}</EventData></Event>",
        114_000 + number
    )
}

/// Prints the best of many short rounds, which the neighbours on the machine disturbed least.
fn measure(what: &str, mut round: impl FnMut() -> usize) {
    let mut best = f64::INFINITY;
    let end = Instant::now() + Duration::from_secs(1);
    while Instant::now() < end {
        let begin = Instant::now();
        let items = round();
        best = best.min(begin.elapsed().as_nanos() as f64 / items as f64);
    }
    println!("{what:32} {best:7.1} ns each  {:7.1} k/s", 1e6 / best);
}
