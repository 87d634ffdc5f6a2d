//! Targets `http`, `elastic` and `splunk` against a server that misbehaves; every event is accounted for.

mod house;
mod http_server;

use actors::child::Fault;
use event::Cause;
use house::{Sender, free_port, start, until};
use http_server::{HttpServer, Reply, Request, ok, send};
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;
use supervisors::Director;

/// TCP device `in` to the target `out` of this type with these properties.
fn yaml(in_port: u16, kind: &str, properties: &str) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n  - {{name: out, type: {kind}, properties: {{{properties}}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n"
    )
}

/// `http` with an immediate retry.
fn http(in_port: u16, server: &HttpServer, more: &str) -> String {
    let port = server.port;
    yaml(in_port, "http", &format!("url: \"http://127.0.0.1:{port}/logs\", retry_delay: 0, {more}"))
}

fn numbered(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("line {n} of the test")).collect()
}

/// Waits until so many events were accepted and all are settled.
async fn settled(director: &Director, accepted: u64) {
    let device = director.inventory().device("in").expect("there");
    until("all events are accepted", || device.flow.accepted.get() == accepted).await;
    until("all events are settled", || device.flow.held() == 0).await;
}

fn delivered(director: &Director) -> u64 {
    director.inventory().target("out").expect("there").flow.delivered.get()
}

fn dropped(director: &Director, cause: Cause) -> u64 {
    director.inventory().target("out").expect("there").flow.dropped.get(cause)
}

/// Sends lines through a Director to a server; asserts that each arrives in a request that was answered well.
async fn all_arrive(server: &HttpServer, yaml: &str, in_port: u16, count: usize) -> Director {
    let director = start(yaml, 1).await;
    let lines = numbered(count);
    let _open = send(in_port, &lines);
    settled(&director, count as u64).await;
    let arrived: HashSet<String> = server.requests().iter().flat_map(Request::lines).collect();
    for line in &lines {
        assert!(arrived.contains(line), "{line} is missing");
    }
    assert_eq!(delivered(&director), count as u64);
    director
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_share_requests_and_arrive_unchanged_once() {
    let (server, port) = (HttpServer::start(|_, _| ok()), free_port());
    let yaml = http(port, &server, "format: message, batch_size: 300, headers: {x-kind: logs}");
    let director = all_arrive(&server, &yaml, port, 5000).await;
    let requests = server.requests();
    assert_eq!(requests.iter().map(|r| r.lines().len()).sum::<usize>(), 5000);
    assert!(requests.iter().all(|r| r.lines().len() <= 300));
    assert!(requests.len() < 100, "{} requests", requests.len());
    let request = &requests[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/logs"));
    assert_eq!(request.header("content-type"), Some("text/plain"));
    assert_eq!(request.header("x-kind"), Some("logs"));
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_fails_is_sent_again_whatever_the_failure() {
    let faults: [fn() -> Reply; 7] = [
        || Reply::Status(500, "", "oops".into()),
        || Reply::Status(503, "", String::new()),
        || Reply::Status(408, "", String::new()),
        || Reply::Status(401, "", String::new()),
        || Reply::Half,
        || Reply::Close,
        || Reply::Silence,
    ];
    for (n, fault) in faults.into_iter().enumerate() {
        let server = HttpServer::start(move |number, _| if number < 2 { fault() } else { ok() });
        let port = free_port();
        let yaml = http(port, &server, "format: message, timeout: 1");
        let director = all_arrive(&server, &yaml, port, 20).await;
        assert!(server.requests().len() >= 3, "fault {n}");
        let target = director.inventory().target("out").expect("there");
        assert!(!target.meters.troubles.all().is_empty(), "fault {n} is counted");
        director.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
    let server = HttpServer::start(|number, _| match number {
        0 => Reply::Status(429, "Retry-After: 1\r\n", "slow down".into()),
        _ => Reply::Chunked("fine".into()),
    });
    let port = free_port();
    let director = start(&http(port, &server, "format: message"), 1).await;
    let _open = send(port, &numbered(10));
    until("the first request came", || !server.requests().is_empty()).await;
    let sender = || director.tree().node("targets/out/sender-0").expect("there");
    until("the trouble is shown", || sender().trouble).await;
    assert!(sender().condition.expect("shown").contains("429"), "the reason is shown");
    settled(&director, 10).await;
    let requests = server.requests();
    assert!(requests[1].at - requests[0].at >= Duration::from_secs(1));
    until("the trouble is over", || !sender().trouble).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_refused_is_counted_and_the_rest_goes_on() {
    let server = HttpServer::start(|_, request| match request.text().contains("line 3 ") {
        true => Reply::Status(422, "", "I do not like it".into()),
        false => ok(),
    });
    let port = free_port();
    let director = start(&http(port, &server, "format: json"), 1).await;
    let _open = send(port, &numbered(10));
    settled(&director, 10).await;
    assert_eq!((delivered(&director), dropped(&director, Cause::Refused)), (9, 1));
    let node = director.tree().node("targets/out/sender-0").expect("there");
    assert!(node.condition.expect("shown").contains("I do not like it"));
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_too_large_is_split() {
    let server = HttpServer::start(|_, request| match request.body.len() {
        0..1000 => ok(),
        _ => Reply::Status(413, "", String::new()),
    });
    let port = free_port();
    let director = start(&http(port, &server, "format: message"), 1).await;
    let mut lines = numbered(500);
    lines.push("x".repeat(2000));
    let _open = send(port, &lines);
    settled(&director, 501).await;
    assert_eq!((delivered(&director), dropped(&director, Cause::TooLarge)), (500, 1));
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_compressed_and_signed() {
    let (server, port) = (HttpServer::start(|_, _| ok()), free_port());
    let more = "format: message, compression: true, \
                authentication: {type: basic, username: me, password: secret}";
    let director = all_arrive(&server, &http(port, &server, more), port, 3000).await;
    for request in server.requests() {
        assert_eq!(request.header("content-encoding"), Some("gzip"));
        assert_eq!(request.header("authorization"), Some("Basic bWU6c2VjcmV0"));
    }
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_formats_make_objects_of_lines() {
    let lines = ["plain \"text\"".to_owned(), "{\"a\": 1}".to_owned(), "{broken".to_owned()];
    let expected: Vec<Value> =
        ["{\"message\":\"plain \\\"text\\\"\"}", "{\"a\":1}", "{\"message\":\"{broken\"}"]
            .map(|json| serde_json::from_str(json).expect("json"))
            .to_vec();
    for format in ["json", "json_batch", "form"] {
        let (server, port) = (HttpServer::start(|_, _| ok()), free_port());
        let yaml = http(port, &server, &format!("format: {format}, ordering: strict"));
        let director = start(&yaml, 1).await;
        let _open = send(port, &lines);
        settled(&director, 3).await;
        let bodies: Vec<String> = server.requests().iter().map(Request::text).collect();
        let json = |text: &String| serde_json::from_str::<Value>(text).expect("json");
        match format {
            "json" => assert_eq!(bodies.iter().map(json).collect::<Vec<_>>(), expected),
            "form" => assert_eq!(bodies, ["message=plain+%22text%22", "a=1", "message=%7Bbroken"]),
            _ => {
                let items = bodies.iter().flat_map(|body| json(body).as_array().expect("an array").clone());
                assert_eq!(items.collect::<Vec<_>>(), expected);
            }
        }
        director.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn redirections_are_followed_with_the_body() {
    let server = HttpServer::start(|_, request| match request.path.as_str() {
        "/logs" => Reply::Status(307, "Location: /elsewhere?x=1\r\n", String::new()),
        _ => ok(),
    });
    let port = free_port();
    let director = all_arrive(&server, &http(port, &server, "format: message"), port, 10).await;
    let requests = server.requests();
    assert_eq!(requests[1].path, "/elsewhere?x=1");
    assert_eq!(requests[1].body, requests[0].body);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn strict_ordering_holds_whatever_fails() {
    let server = HttpServer::start(|number, _| match number % 3 {
        0 => Reply::Status(503, "", String::new()),
        1 => ok(),
        _ => Reply::Close,
    });
    let port = free_port();
    let more = "format: message, ordering: strict, batch_size: 70";
    let director = all_arrive(&server, &http(port, &server, more), port, 1000).await;
    let lines = server.requests().iter().flat_map(Request::lines).collect::<Vec<_>>();
    let mut next = 0;
    for line in lines {
        let number: usize = line.split(' ').nth(1).expect("a number").parse().expect("a number");
        assert!(number <= next, "{number} came before {next}");
        next = next.max(number + 1);
    }
    assert_eq!(next, 1000);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_panics_loses_nothing() {
    let (server, port) = (HttpServer::start(|_, _| ok()), free_port());
    let director = start(&http(port, &server, "format: message"), 1).await;
    let sender = Sender::start("s", port);
    for _ in 0..3 {
        director.faults().inject("targets/out/sender-*", Fault::Panic);
        until("the fault was suffered", || director.faults().pending() == 0).await;
        let before = delivered(&director);
        until("it goes on", || delivered(&director) > before + 100).await;
    }
    let sent = sender.finish();
    settled(&director, sent).await;
    let arrived: HashSet<String> = server.requests().iter().flat_map(Request::lines).collect();
    assert_eq!(arrived.len() as u64, sent);
    assert_eq!(delivered(&director), sent);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tls_is_spoken_with_a_server_that_the_named_authority_vouches_for() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, made.cert.pem()).expect("written");
    let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let (server, port) = (HttpServer::start_with(Some(Arc::new(config)), |_, _| ok()), free_port());
    let url = format!("url: \"https://localhost:{}/\", format: message", server.port);
    let trusting = yaml(port, "https", &format!("{url}, tls: {{ca_name: \"{}\"}}", ca.display()));
    all_arrive(&server, &trusting, port, 100).await.stop().await;

    let port = free_port();
    let director = start(&yaml(port, "https", &format!("{url}, retry_delay: 0")), 1).await;
    let _open = send(port, &numbered(1));
    let node = || director.tree().node("targets/out/sender-0").expect("there");
    until("the stranger is not trusted", || node().trouble).await;
    assert!(node().condition.expect("shown").contains("tls"));
}

/// The documents of a `_bulk` request with their ids.
fn bulk(request: &Request) -> Vec<(String, Value)> {
    let lines = request.lines();
    let json = |line: &String| serde_json::from_str::<Value>(line).expect("json");
    let pair = |pair: &[String]| {
        let id = json(&pair[0])["create"]["_id"].as_str().expect("an id").to_owned();
        (id, json(&pair[1]))
    };
    lines.chunks(2).map(pair).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn elastic_items_are_repeated_or_refused_one_by_one() {
    // Each document is put off once; bad ones are refused; what comes again is there already.
    let seen = std::sync::Mutex::new(HashMap::<String, u32>::new());
    let server = HttpServer::start(move |_, request| {
        let mut seen = seen.lock().expect("unpoisoned");
        let item = |(id, document): (String, Value)| {
            let times = seen.entry(id).or_default();
            *times += 1;
            let text = document["message"].as_str().expect("a message").to_owned();
            match *times {
                1 => r#"{"create":{"status":429,"error":{"type":"busy","reason":"later"}}}"#,
                _ if text.contains('7') => {
                    r#"{"create":{"status":400,"error":{"type":"bad","reason":"a 7"}}}"#
                }
                2 => r#"{"create":{"status":201}}"#,
                _ => r#"{"create":{"status":409,"error":{"type":"conflict","reason":"there"}}}"#,
            }
        };
        let items: Vec<&str> = bulk(request).into_iter().map(item).collect();
        let errors = items.iter().any(|item| item.contains("error"));
        Reply::Status(200, "", format!("{{\"errors\":{errors},\"items\":[{}]}}", items.join(",")))
    });
    let port = free_port();
    let (dead, alive) = (free_port(), server.port);
    let properties = format!(
        "index: logs, pipeline: p, retry_delay: 0, endpoints: [\
         {{endpoint: \"http://127.0.0.1:{dead}\"}}, \
         {{endpoint: \"http://127.0.0.1:{alive}\", username: me, password: secret}}]"
    );
    let director = start(&yaml(port, "elastic", &properties), 1).await;
    let _open = send(port, &numbered(100));
    settled(&director, 100).await;
    let sevens = 19;
    assert_eq!((delivered(&director), dropped(&director, Cause::Refused)), (100 - sevens, sevens));
    let request = &server.requests()[0];
    let filter = "filter_path=errors%2Citems.*.error%2Citems.*._index%2Citems.*.status";
    assert_eq!(request.path, format!("/_bulk?{filter}&pipeline=p"));
    assert_eq!(request.header("content-encoding"), Some("gzip"));
    assert_eq!(request.header("authorization"), Some("Basic bWU6c2VjcmV0"));
    let ids: HashMap<String, Value> = server.requests().iter().flat_map(bulk).collect();
    assert_eq!(ids.len(), 100, "an event keeps its id");
    assert!(ids.values().all(|document| document["@timestamp"].is_string()));
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn splunk_gets_envelopes_and_refuses_one_event_alone() {
    let server = HttpServer::start(|_, request| {
        let bad = request.lines().iter().position(|line| line.contains("line 3 "));
        match bad {
            Some(n) => Reply::Status(
                400,
                "",
                format!("{{\"text\":\"Invalid data format\",\"code\":6,\"invalid-event-number\":{n}}}"),
            ),
            None => Reply::Status(200, "", "{\"text\":\"Success\",\"code\":0}".into()),
        }
    });
    let port = free_port();
    let properties = format!(
        "endpoints: [{{endpoint: \"http://127.0.0.1:{}\"}}], token: abc, index: main, sourcetype: t",
        server.port
    );
    let director = start(&yaml(port, "splunk", &properties), 1).await;
    let _open = send(port, &numbered(10));
    settled(&director, 10).await;
    assert_eq!((delivered(&director), dropped(&director, Cause::Refused)), (9, 1));
    let request = server.requests().pop().expect("a request");
    assert_eq!(request.path, "/services/collector/event");
    assert_eq!(request.header("authorization"), Some("Splunk abc"));
    let event: Value = serde_json::from_str(&request.lines()[0]).expect("json");
    assert_eq!(
        (&event["index"], &event["sourcetype"], &event["host"]),
        (&"main".into(), &"t".into(), &"127.0.0.1".into())
    );
    assert!(event["time"].is_number() && event["event"].is_string());
    director.stop().await;
}
