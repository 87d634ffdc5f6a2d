//! Whatever arrives: no parser of WinRM or of Windows events panics, loops, or disagrees with itself, and our XML
//! tokens are those of another XML reader.

use std::path::Path;

use proptest::prelude::*;
use protocol::winevent::{self, CodePage, bookmark, console, fields, query};
use protocol::winrm::channel_binding::ChannelBinding;
use protocol::winrm::credentials::{Credentials, Secret};
use protocol::winrm::negotiate::{self, Acceptor};
use protocol::winrm::ntlm::{Client, ClientOptions, Random, Server, ServerOptions};
use protocol::winrm::sealed_body;
use protocol::winrm::wsman::wmi::Instance;
use protocol::winrm::wsman::{Content, Reply, charset};
use protocol::xml::{self, Scanner, Token};

fn server_options() -> ServerOptions {
    ServerOptions {
        computer: "SRV1".into(),
        dns_computer: "srv1.lab.example".into(),
        challenge: [7; 8],
        now: 133_000_000_000_000_000,
        channel_binding: None,
    }
}

fn random() -> Random {
    Random { client_challenge: [3; 8], session_key: Secret::new([9; 16]), now: 0 }
}

/// Everything that reads XML.
fn exercise_xml(text: &str) {
    if let Ok(reply) = Reply::read(text)
        && let Content::Items(items) = &reply.content
    {
        for item in &items.items {
            let _ = Instance::read(item);
            if let Ok(event) = winevent::parse(item) {
                let mut json = String::new();
                fields::write_json(&event, Some(item), &mut json);
                serde_json::from_str::<serde_json::Value>(&json).expect("what is written is json");
            }
        }
    }
    if let Ok(event) = winevent::parse(text) {
        let mut json = String::new();
        fields::write_json(&event, None, &mut json);
        serde_json::from_str::<serde_json::Value>(&json).expect("what is written is json");
        let _ = event.unix_nanos();
    }
    let _ = (Instance::read(text), bookmark::parse(text), query::channels(text));
}

/// Everything that reads bytes.
fn exercise_bytes(bytes: &[u8]) {
    let credentials = Credentials::new(r"LAB\svc", "password");
    let _ = Client::begin(ClientOptions::default()).authenticate(bytes, &credentials, &random());
    let _ = Server::begin(bytes, server_options());
    let mut acceptor = Acceptor::default();
    for _ in 0..2 {
        let _ = acceptor.step(bytes, server_options, |_| Some(credentials.clone()));
    }
    let _ = sealed_body::parts(bytes);
    let _ = ChannelBinding::of_certificate(bytes);
    exercise_xml(&charset::text(bytes, Some("utf-16")));
    let text = String::from_utf8_lossy(bytes);
    let _ = negotiate::parse(&text);
    exercise_xml(&text);
    for page in [850, 932, 1200, 65001] {
        let page = CodePage::of_number(page).expect("the code page is known");
        let mut splitter = console::Splitter::new(page, 64);
        bytes.chunks(3).for_each(|piece| splitter.push(piece, exercise_xml));
        splitter.finish(exercise_xml);
    }
}

/// Bytes that look like what is meant to arrive.
fn telling() -> impl Strategy<Value = Vec<u8>> {
    let pieces: &[&[u8]] = &[
        b"<",
        b">",
        b"</",
        b"/>",
        b"<!--",
        b"-->",
        b"<![CDATA[",
        b"]]>",
        b"<?",
        b"?>",
        b"='",
        b"\"",
        b"&#x1;",
        b"&amp;",
        b"Event",
        b"System",
        b"EventData",
        b"Data",
        b" Name='a'",
        b"<Event>",
        b"</Event>",
        b"<s:Envelope xmlns:s='",
        b"http://www.w3.org/2003/05/soap-envelope'>",
        b"s:Body>",
        b"Items",
        b"NTLMSSP\0",
        b"\x01\0\0\0",
        b"\x02\0\0\0",
        b"\x03\0\0\0",
        b"\xff\xff\xff\xff",
        b"\0\0\0\0",
        b"\x60\x48\x06\x06",
        b"\xa1\x81",
        b"--Encrypted Boundary\r\n",
        b"\tOriginalContent: type=a;Length=",
        b"7\r\n",
        b"\tContent-Type: application/octet-stream\r\n",
        b"--\r\n",
        b"\xff\xfe",
        b"\xc3",
        b"QueryList",
        b"BookmarkList",
        b"Negotiate ",
        b"TlRM",
    ];
    let piece = prop_oneof![
        4 => proptest::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..4),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in telling()) {
        exercise_bytes(&bytes);
    }

    #[test]
    fn a_damaged_handshake_never_signs_in(at in 0usize..400, bit in 0u8..8) {
        let credentials = Credentials::new(r"LAB\svc", "password");
        let client = Client::begin(ClientOptions::default());
        let server = Server::begin(client.negotiate(), server_options()).unwrap();
        let (message, _) = client.authenticate(server.challenge(), &credentials, &random()).unwrap();
        let mut damaged = message.clone();
        let at = at % damaged.len();
        damaged[at] ^= 1 << bit;
        prop_assert!(server.accept(&message, |_| Some(credentials.clone())).is_ok());
        prop_assert!(server.accept(&damaged, |_| Some(credentials.clone())).is_err(), "byte {}", at);
    }

    #[test]
    fn what_is_sealed_is_opened_and_nothing_else(message in ".{0,200}", at in any::<prop::sample::Index>()) {
        let credentials = Credentials::new("svc", "password");
        let sessions = || {
            let client = Client::begin(ClientOptions::default());
            let server = Server::begin(client.negotiate(), server_options()).unwrap();
            let (token, ours) = client.authenticate(server.challenge(), &credentials, &random()).unwrap();
            (ours, server.accept(&token, |_| Some(credentials.clone())).unwrap().1)
        };
        let (mut ours, mut theirs) = sessions();
        for _ in 0..2 {
            let body = sealed_body::seal(&mut ours, &message);
            let opened = sealed_body::open(&mut theirs, &body).unwrap();
            prop_assert_eq!(opened.message, message.as_bytes());
        }
        let (mut ours, mut theirs) = sessions();
        let mut body = sealed_body::seal(&mut ours, &message);
        // From the length of the signature to the closing boundary.
        let begin = memchr::memmem::find(&body, b"octet-stream\r\n").unwrap() + 14;
        let sealed = begin..body.len() - "--Encrypted Boundary--\r\n".len();
        let at = sealed.start + at.index(sealed.len());
        body[at] ^= 1;
        prop_assert!(sealed_body::open(&mut theirs, &body).is_err());
    }

    #[test]
    fn text_survives_writing_and_reading(text in "[^\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\u{fffe}\u{ffff}]{0,40}") {
        let mut writer = xml::Writer::default();
        writer.leaf("a", &[("b", &text)], &text);
        let written = writer.finish();
        let mut scanner = Scanner::new(&written);
        let Some(Token::Start(tag)) = scanner.token().unwrap() else { panic!("{written}") };
        prop_assert_eq!(tag.attribute("b").unwrap(), text.as_str());
        prop_assert_eq!(scanner.text().unwrap(), text.as_str());
    }
}

/// A document's tokens in words; runs of characters are joined.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Start(String, Vec<(String, String)>),
    End(String),
    Text(String),
}

fn add_text(said: &mut Vec<Said>, text: &str) {
    match said.last_mut() {
        Some(Said::Text(before)) => before.push_str(text),
        _ if text.is_empty() => {}
        _ => said.push(Said::Text(text.to_owned())),
    }
}

fn ours(text: &str) -> Vec<Said> {
    let mut scanner = Scanner::new(text);
    let mut said = Vec::new();
    while let Some(token) = scanner.token().expect("the document is well-formed") {
        match token {
            Token::Start(tag) => {
                let attributes = tag.attributes();
                let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
                said.push(Said::Start(tag.name.to_owned(), attributes.map(owned).collect()));
            }
            Token::End { name, .. } => said.push(Said::End(name.to_owned())),
            Token::Text(raw) | Token::CData(raw) => add_text(&mut said, raw),
        }
    }
    said
}

fn theirs(text: &str) -> Vec<Said> {
    use quick_xml::events::Event;
    let mut reader = quick_xml::Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut said = Vec::new();
    let mut depth = 0;
    loop {
        match reader.read_event().expect("the document is well-formed") {
            Event::Start(tag) => {
                depth += 1;
                let attributes = tag.attributes().map(|attribute| {
                    let attribute = attribute.expect("the attribute is well-formed");
                    (attribute.key.into_inner().to_owned(), attribute.value.into_owned())
                });
                said.push(Said::Start(tag.name().into_inner().to_owned(), attributes.collect()));
            }
            Event::End(tag) => {
                depth -= 1;
                said.push(Said::End(tag.name().into_inner().to_owned()));
            }
            Event::Text(text) if depth > 0 => add_text(&mut said, &text.into_inner()),
            Event::CData(text) => add_text(&mut said, &text.into_inner()),
            Event::GeneralRef(name) => add_text(&mut said, &format!("&{};", name.into_inner())),
            Event::Eof => return said,
            _ => {}
        }
    }
}

/// All XML of the vectors: messages in files, events in lines.
fn documents() -> Vec<String> {
    fn files(folder: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.expect("the folder can be read").path();
            if path.is_dir() {
                files(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "xml") {
                found.push(std::fs::read_to_string(&path).expect("the file can be read"));
            }
        }
    }
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors"));
    let mut found = Vec::new();
    files(&folder.join("winrm"), &mut found);
    for file in ["winlogbeat.jsonl", "openwec.jsonl"] {
        let lines = std::fs::read_to_string(folder.join("winevent").join(file)).unwrap_or_default();
        found.extend(lines.lines().map(|line| {
            let case: serde_json::Value = serde_json::from_str(line).expect("the vectors are JSON Lines");
            case["xml"].as_str().expect("every case has its xml").to_owned()
        }));
    }
    if found.is_empty() {
        println!("SKIPPED: no vectors at {}", folder.display());
    }
    found
}

#[test]
fn our_tokens_are_those_of_another_reader() {
    let documents = documents();
    for document in &documents {
        assert_eq!(ours(document), theirs(document));
    }
    println!("{} documents", documents.len());
    assert!(documents.is_empty() || documents.len() == 222);
}

#[test]
fn documents_that_are_cut_or_damaged_are_survived() {
    // xorshift64*: the same damage in every run.
    let mut state = 0x5eed_u64;
    let mut below = |limit: usize| {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    };
    for document in documents() {
        let bytes = &document.as_bytes()[..document.len().min(8192)];
        for _ in 0..20 {
            let mut damaged = bytes[..below(bytes.len() + 1)].to_vec();
            for _ in 0..3 {
                let at = below(damaged.len());
                if let Some(byte) = damaged.get_mut(at) {
                    *byte = b"<>/'\"=&;! \0\xff:"[below(13)];
                }
            }
            exercise_xml(&String::from_utf8_lossy(&damaged));
        }
    }
}
