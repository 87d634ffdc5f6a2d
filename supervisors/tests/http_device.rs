//! Device `http` with raw requests, good and bad; what was answered with 200 was delivered, all else was not.

mod house;

use actors::child::Fault;
use event::Cause;
use flate2::Compression;
use flate2::write::GzEncoder;
use house::{LIMIT, connect, free_port, start, until};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use supervisors::Director;

/// A line receiver.
struct Lines {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Lines {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::<Mutex<Vec<String>>>::default();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let seen = Arc::clone(&shared);
                std::thread::spawn(move || {
                    for line in BufReader::new(socket).lines().map_while(Result::ok) {
                        seen.lock().expect("unpoisoned").push(line);
                    }
                });
            }
        });
        Self { port, seen }
    }

    fn all(&self) -> Vec<String> {
        self.seen.lock().expect("unpoisoned").clone()
    }
}

/// HTTP device `in` with these properties to TCP target `out`.
fn yaml(in_port: u16, out_port: u16, properties: &str) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: http, properties: {{address: 127.0.0.1, port: {in_port}, {properties}}}}}\n\
         targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {out_port}}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n"
    )
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// Sends a request on a connection and reads its answer.
fn exchange(stream: &mut (impl Read + Write), head: &str, body: &[u8]) -> Answer {
    let length = body.len();
    write!(stream, "{head}\r\nHost: here\r\nContent-Length: {length}\r\n\r\n").expect("sent");
    // A refusal may come before all of the body is sent.
    let _ = stream.write_all(body);
    answer(stream)
}

fn answer(stream: &mut impl Read) -> Answer {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).expect("an answer");
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("text").to_lowercase();
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next()).unwrap_or("0");
    let mut body = vec![0; length.parse().expect("a length")];
    stream.read_exact(&mut body).expect("the body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    Answer { status, head, body: String::from_utf8(body).expect("text") }
}

/// One request on a connection of its own.
fn post(port: u16, headers: &str, body: &[u8]) -> Answer {
    request(port, "POST /", headers, body)
}

fn request(port: u16, line: &str, headers: &str, body: &[u8]) -> Answer {
    let mut socket = connect(port);
    socket.set_read_timeout(Some(LIMIT)).expect("a limit");
    exchange(&mut socket, &format!("{line} HTTP/1.1{headers}"), body)
}

const JSON: &str = "\r\nContent-Type: application/json";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("compressed");
    encoder.finish().expect("compressed")
}

async fn house(properties: &str) -> (Lines, u16, Director) {
    let (lines, port) = (Lines::start(), free_port());
    let director = start(&yaml(port, lines.port, properties), 1).await;
    (lines, port, director)
}

fn answers(director: &Director, name: &str) -> u64 {
    director.inventory().device("in").expect("there").meters.answers.get(name)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_answered_with_200_was_delivered() {
    let (lines, port, director) =
        house("url: /events, response: {code: 202, body: thanks, content_type: text/plain}").await;
    let ask = |headers: &str, body: &[u8]| request(port, "POST /events?from=test", headers, body);
    let one = ask(JSON, b"{\"n\": 0}");
    assert_eq!((one.status, one.body.as_str()), (202, "thanks"));
    assert!(one.head.contains("content-type: text/plain"));
    assert_eq!(ask(JSON, b"[{\"n\": 1}, {\"n\": 2}]").status, 202);
    assert_eq!(
        ask("\r\nContent-Type: application/x-ndjson; charset=utf-8", b"{\"n\": 3}\n{\"n\": 4}\n").status,
        202
    );
    let zipped = format!("{JSON}\r\nContent-Encoding: gzip");
    assert_eq!(ask(&zipped, &gzip(b"{\"n\": 5}")).status, 202);
    let many: String = (6..5000).map(|n| format!("{{\"n\": {n}}}\n")).collect();
    assert_eq!(ask(&zipped, &gzip(many.as_bytes())).status, 202);
    let expected: Vec<String> = (0..5000).map(|n| format!("{{\"n\": {n}}}")).collect();
    until("all events arrived", || lines.all().len() == expected.len()).await;
    let mut seen = lines.all();
    seen.sort_by_key(|line| line[6..line.len() - 1].parse::<u32>().expect("a number"));
    assert_eq!(seen, expected);
    assert_eq!(answers(&director, "ok"), 5);
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_share_a_connection_and_chunks_are_put_together() {
    let (lines, port, director) = house("format: lines, content_type: text/plain").await;
    let mut socket = connect(port);
    for n in 0..10 {
        let body = format!("first of {n}\nsecond of {n}");
        let answer = exchange(&mut socket, "POST / HTTP/1.1\r\nContent-Type: text/plain", body.as_bytes());
        assert_eq!(answer.status, 200);
        assert_eq!(answer.body, r#"{"message":"success"}"#);
    }
    let chunked = "POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nin ch\r\n4\r\nunks\r\n0\r\n\r\n";
    socket.write_all(chunked.as_bytes()).expect("sent");
    assert_eq!(answer(&mut socket).status, 200);
    until("all events arrived", || lines.all().len() == 21).await;
    assert!(lines.all().contains(&"in chunks".to_owned()));
    assert_eq!(director.inventory().device("in").expect("there").meters.opened.get(), 1);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_requests_are_refused_by_kind_and_nothing_of_them_is_delivered() {
    let (lines, port, director) = house("max_body_size: 1000").await;
    let bomb = gzip(&vec![b' '; 1 << 20]);
    let zipped = format!("{JSON}\r\nContent-Encoding: gzip");
    let cases: [(&str, &str, &[u8], u16, &str); 11] = [
        ("POST /else", JSON, b"{}", 404, "not_found"),
        ("GET /", JSON, b"", 405, "method"),
        ("POST /", "\r\nContent-Type: text/csv", b"a,b", 415, "content_type"),
        ("POST /", &format!("{JSON}\r\nContent-Encoding: br"), b"x", 415, "encoding"),
        ("POST /", JSON, &[b' '; 1001], 413, "too_large"),
        ("POST /", &zipped, &bomb, 413, "too_large"),
        ("POST /", &zipped, b"not gzip at all", 400, "broken"),
        ("POST /", &zipped, &gzip(b"{\"cut\": 1}")[..20], 400, "broken"),
        ("POST /", JSON, b"{\"broken\": ", 400, "broken"),
        ("POST /", JSON, b"[{\"good\": 1}, bad]", 400, "broken"),
        ("POST /", JSON, b"", 400, "broken"),
    ];
    for (line, headers, body, status, name) in cases {
        let before = answers(&director, name);
        let answer = request(port, line, headers, body);
        assert_eq!(answer.status, status, "{line} {headers}: {}", answer.body);
        assert!(answer.body.starts_with("{\"message\":\""), "{}", answer.body);
        assert_eq!(answers(&director, name), before + 1);
    }
    assert!(request(port, "PUT /", JSON, b"{}").head.contains("allow: post"));
    assert_eq!(post(port, JSON, b"{\"good\": 1}").status, 200);
    // Its bytes were acknowledged by the receiver's kernel; the receiver has yet to read them.
    until("the good event arrived", || !lines.all().is_empty()).await;
    assert_eq!(lines.all(), ["{\"good\": 1}"]);
    assert_eq!(director.inventory().device("in").expect("there").flow.accepted.get(), 1);
    until("no budget is held", || director.budget().used() == 0).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sender_of_a_long_body_sees_why_it_is_refused() {
    let (_lines, port, director) = house("").await;
    for _ in 0..5 {
        assert_eq!(request(port, "POST /else", JSON, &vec![b' '; 8 << 20]).status, 404);
    }
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_right_credentials_are_taken() {
    let kinds = [
        (
            "{type: basic, username: me, password: secret}",
            "Authorization: Basic bWU6c2VjcmV0",
            "Authorization: Basic bWU6c2VjcmV1",
        ),
        ("{type: header, header: {key: X-Key, value: abc}}", "x-key: abc", "x-key: abcd"),
        (
            "{type: hmac, hmac: {type: sha1, header: X-Signature, key: key, prefix: \"sha1=\"}}",
            // HMAC-SHA1 of `{"n":1}` with the key `key`; computed with openssl dgst -sha1 -hmac key.
            "x-signature: sha1=43745bbc9a74958785b8869926844e10d4eb5e98",
            "x-signature: sha1=0000000000000000000000000000000000000000",
        ),
    ];
    for (authentication, right, wrong) in kinds {
        let (lines, port, director) = house(&format!("authentication: {authentication}")).await;
        for headers in [JSON.to_owned(), format!("{JSON}\r\n{wrong}")] {
            let answer = post(port, &headers, b"{\"n\":1}");
            assert_eq!(answer.status, 401, "{authentication}");
            assert_eq!(answer.head.contains("www-authenticate"), authentication.contains("basic"));
        }
        assert_eq!(lines.all().len(), 0);
        assert_eq!(post(port, &format!("{JSON}\r\n{right}"), b"{\"n\":1}").status, 200, "{authentication}");
        until("the event arrived", || lines.all().len() == 1).await;
        director.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_budget_a_sender_is_told_to_come_again() {
    // Nobody takes what the target sends, so what is taken in stays.
    let silent = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let (port, out) = (free_port(), silent.local_addr().expect("bound").port());
    drop(silent);
    let director = start(&yaml(port, out, ""), 1).await;
    let device = director.inventory().device("in").expect("there");
    let (mut waiting, refused) = (Vec::new(), || answers(&director, "no_budget") > 0);
    let event = format!("{{\"long\": \"{}\"}}", "x".repeat(8 << 20));
    // Several of these take the whole budget; their answers are not waited for.
    while !refused() {
        assert!(waiting.len() < 20, "the budget is never used up");
        let mut socket = connect(port);
        socket.set_read_timeout(Some(LIMIT)).expect("a limit");
        let length = event.len();
        write!(socket, "POST / HTTP/1.1\r\nHost: h{JSON}\r\nContent-Length: {length}\r\n\r\n{event}")
            .expect("sent");
        waiting.push(socket);
        let taken_in = || device.flow.accepted.get() == waiting.len() as u64;
        until("the event is taken in or refused", || taken_in() || refused()).await;
    }
    let told = answer(waiting.last_mut().expect("one was refused"));
    assert_eq!(told.status, 503);
    assert!(told.head.contains("retry-after: "));
    // After ten seconds the first is told that its event is not delivered yet.
    let first = waiting.first_mut().expect("one was taken in");
    let told = answer(first);
    assert_eq!(told.status, 503);
    assert!(told.head.contains("retry-after: "));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pipeline_or_route_that_drops_an_event_still_acknowledges_it() {
    let (lines, port) = (Lines::start(), free_port());
    let yaml = yaml(port, lines.port, "").replace("devices: [in], targets", "devices: [other], targets");
    let other = format!(
        "devices:\n  - {{id: 2, name: other, type: http, properties: {{address: 127.0.0.1, port: {}}}}}",
        free_port()
    );
    let director = start(&yaml.replacen("devices:", &other, 1), 1).await;
    assert_eq!(post(port, JSON, b"{\"n\":1}").status, 200);
    let device = director.inventory().device("in").expect("there");
    assert_eq!(device.flow.dropped.get(Cause::NoRoute), 1);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_the_certificate_on_disk() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    std::fs::write(&cert, made.cert.pem()).expect("written");
    std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
    let tls =
        format!("tls: {{status: true, cert_name: \"{}\", key_name: \"{}\"}}", cert.display(), key.display());
    let (lines, port, director) = house(&tls).await;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(made.cert.der().clone()).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = "localhost".try_into().expect("a name");
    let client = rustls::ClientConnection::new(Arc::new(config), name).expect("a client");
    let mut stream: rustls::StreamOwned<_, TcpStream> = rustls::StreamOwned::new(client, connect(port));
    let answer = exchange(&mut stream, &format!("POST / HTTP/1.1{JSON}"), b"{\"n\":1}");
    assert_eq!(answer.status, 200);
    until("the event arrived", || lines.all() == ["{\"n\":1}"]).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_panics_answers_nothing_that_is_not_delivered() {
    let (lines, port, director) = house("").await;
    let acknowledged = |n: u32| {
        let mut socket = connect(port);
        let request = format!("POST / HTTP/1.1\r\nHost: h{JSON}\r\nContent-Length: 5\r\n\r\n[{n:03}]");
        let mut status = [0; 12];
        let answered = socket.write_all(request.as_bytes()).and_then(|()| socket.read_exact(&mut status));
        answered.is_ok() && &status == b"HTTP/1.1 200"
    };
    let mut sent = Vec::new();
    for n in 100..150 {
        if n % 10 == 0 {
            director.faults().inject("devices/in/connection-*", Fault::Panic);
        }
        if acknowledged(n) {
            sent.push(n.to_string());
        }
    }
    assert!(sent.len() < 50, "some were not acknowledged");
    until("the faults were suffered", || director.faults().pending() == 0).await;
    until("all events are settled", || director.inventory().held() == 0).await;
    until("what was acknowledged arrived", || sent.iter().all(|n| lines.all().contains(n))).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_on_an_abandoned_lane_is_reset_and_can_be_sent_again() {
    let (lines, port, mut director) = house("").await;
    director.watch_lanes(Duration::from_millis(1500)).await;
    let mut first = connect(port);
    assert_eq!(exchange(&mut first, &format!("POST / HTTP/1.1{JSON}"), b"{\"n\": 0}").status, 200);
    director.faults().inject("targets/out/sender-0", Fault::Spin(Duration::from_secs(6)));
    write!(first, "POST / HTTP/1.1{JSON}\r\nHost: here\r\nContent-Length: 8\r\n\r\n{{\"n\": 1}}")
        .expect("sent");
    first.set_read_timeout(Some(LIMIT)).expect("a limit");
    // Closed or reset, and long before the thread is free again.
    let answer = first.read(&mut [0; 1]);
    assert!(matches!(answer, Ok(0) | Err(_)), "{answer:?}");
    assert!(director.inventory().device("in").is_some());
    assert_eq!(post(port, JSON, b"{\"n\": 1}").status, 200);
    until("it arrived", || lines.all().iter().any(|line| line.contains(": 1}"))).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_sockets_share_one_limit_of_connections() {
    let (_lines, port, director) = house("workers: 3, max_connections: 2").await;
    let open = || director.inventory().device("in").expect("there").meters.open.get();
    let kept: Vec<_> = (0..2).map(|_| connect(port)).collect();
    until("both are in", || open() == 2).await;
    let mut refused = connect(port);
    refused.set_read_timeout(Some(LIMIT)).expect("a limit");
    assert!(matches!(refused.read(&mut [0; 1]), Ok(0) | Err(_)));
    drop(kept);
    until("both have left", || open() == 0).await;
    assert_eq!(post(port, JSON, b"{\"n\": 0}").status, 200);
    director.stop().await;
}
