//! Stream targets against receivers that behave badly: resets, closes, refusals. What came is compared byte by byte.

mod house;

use house::{connect, free_port, start, until};
use socket2::SockRef;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// TCP device `in` to a target `out` with these properties.
fn relay_to(in_port: u16, kind: &str, properties: &str) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n  - {{name: out, type: {kind}, properties: {{{properties}}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n"
    )
}

/// Lines from `from` to `to`, of different lengths.
fn lines(from: u64, to: u64) -> String {
    (from..to).map(|n| format!("line {n} {}\n", "x".repeat((n * 37 % 200) as usize))).collect()
}

/// What a receiver got, connection by connection.
#[derive(Clone, Default)]
struct Got(Arc<Mutex<Vec<Vec<u8>>>>);

impl Got {
    fn connections(&self) -> Vec<Vec<u8>> {
        self.0.lock().expect("unpoisoned").clone()
    }

    fn bytes(&self) -> usize {
        self.0.lock().expect("unpoisoned").iter().map(Vec::len).sum()
    }

    fn all(&self) -> String {
        String::from_utf8(self.connections().concat()).expect("text")
    }

    fn add(&self, connection: usize, bytes: &[u8]) {
        let mut got = self.0.lock().expect("unpoisoned");
        let known = got.len().max(connection + 1);
        got.resize(known, Vec::new());
        got[connection].extend_from_slice(bytes);
    }
}

/// A receiver that treats each connection by its number.
fn receive(treat: impl Fn(usize, TcpStream, &Got) + Send + 'static) -> (u16, Got) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let (port, got) = (listener.local_addr().expect("bound").port(), Got::default());
    let shared = got.clone();
    std::thread::spawn(move || {
        for (number, socket) in listener.incoming().map_while(Result::ok).enumerate() {
            treat(number, socket, &shared);
        }
    });
    (port, got)
}

/// Reads to the end; calls `at` once when so many bytes were read.
fn read_all(number: usize, mut socket: TcpStream, got: &Got, after: usize, at: impl Fn(&TcpStream)) {
    let (mut buffer, mut read, mut done) = (vec![0; 1500], 0, false);
    loop {
        match socket.read(&mut buffer) {
            Ok(0) | Err(_) => return,
            Ok(n) => {
                got.add(number, &buffer[..n]);
                read += n;
            }
        }
        if read >= after && !done {
            done = true;
            at(&socket);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_closes_in_an_orderly_way_gets_every_event_once() {
    let (port, got) = receive(|number, socket, got| {
        let after = if number < 6 { 1000 + number * 77_777 } else { usize::MAX };
        read_all(number, socket, got, after, |socket| {
            socket.shutdown(Shutdown::Write).expect("it is open");
        });
    });
    let in_port = free_port();
    let director = start(&relay_to(in_port, "tcp", &format!("address: 127.0.0.1, port: {port}")), 1).await;
    let count = 300_000;
    let expected = lines(0, count);
    let (sent, mut sender) = (expected.clone(), connect(in_port));
    let sending = std::thread::spawn(move || sender.write_all(sent.as_bytes()));
    until("everything arrived", || got.bytes() >= expected.len()).await;
    sending.join().expect("no panic").expect("the connection stays");
    let inventory = director.inventory().clone();
    until("everything is settled", || inventory.held() == 0).await;
    assert!(got.all() == expected, "what came is not what was sent");
    for (number, bytes) in got.connections().iter().enumerate() {
        assert!(bytes.is_empty() || bytes.ends_with(b"\n"), "connection {number} ends within a line");
    }
    let target = inventory.target("out").expect("there");
    assert!(target.meters.troubles.get("closed") > 1, "how often it closes depends on the kernel's buffers");
    assert_eq!(target.flow.delivered.get(), count);
    assert_eq!(director.stop().await.events, 0);
}

/// Takes what the kernel has acknowledged without taking it off the socket, so that no more is acknowledged, once the
/// window is full; then resets.
fn peek_and_reset(number: usize, socket: &TcpStream, got: &Got) {
    let mut buffer = vec![0; 4 << 20];
    let (mut before, mut same) = (0, 0);
    while same < 20 {
        let now = socket.peek(&mut buffer).unwrap_or(0);
        same = if now == before && now > 0 { same + 1 } else { 0 };
        before = now;
        std::thread::sleep(Duration::from_millis(5));
    }
    got.add(number, &buffer[..before]);
    SockRef::from(socket).set_linger(Some(Duration::ZERO)).expect("a TCP socket");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_are_sent_again_from_the_first_that_a_resetting_receiver_has_not_got() {
    let (port, got) = receive(|number, socket, got| {
        if number < 5 {
            peek_and_reset(number, &socket, got);
        } else {
            read_all(number, socket, got, usize::MAX, |_| {});
        }
    });
    let in_port = free_port();
    let director = start(&relay_to(in_port, "tcp", &format!("address: 127.0.0.1, port: {port}")), 1).await;
    let count = 300_000;
    let (sent, mut sender) = (lines(0, count), connect(in_port));
    let sending = std::thread::spawn(move || sender.write_all(sent.as_bytes()));
    let inventory = director.inventory().clone();
    let target = inventory.target("out").expect("there");
    until("everything is settled", || target.flow.delivered.get() == count).await;
    sending.join().expect("no panic").expect("the connection stays");
    assert_eq!(director.stop().await.events, 0);
    until("the last line came", || got.all().ends_with(&lines(count - 1, count))).await;
    let mut next = 0;
    for (number, bytes) in got.connections().iter().enumerate() {
        let text = std::str::from_utf8(bytes).expect("text");
        let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
        for line in whole.lines() {
            let n: u64 = line.split(' ').nth(1).and_then(|n| n.parse().ok()).expect("a whole line");
            assert!(n <= next, "connection {number}: {n} came before {next}");
            assert_eq!(format!("{line}\n"), lines(n, n + 1));
            next = next.max(n + 1);
        }
    }
    assert_eq!(next, count);
    assert!(got.connections().len() > 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_endpoint_is_tried_when_one_refuses() {
    let (port, got) = receive(|n, socket, got| read_all(n, socket, got, usize::MAX, |_| {}));
    let (in_port, refusing) = (free_port(), free_port());
    let endpoints = format!(
        "endpoints: [{{address: 127.0.0.1, port: {refusing}}}, {{address: localhost, port: {port}}}]"
    );
    let director = start(&relay_to(in_port, "tcp", &endpoints), 1).await;
    connect(in_port).write_all(b"one\ntwo\n").expect("sent");
    until("it arrived", || got.all() == "one\ntwo\n").await;
    let target = director.inventory().target("out").expect("there");
    assert_eq!(target.meters.troubles.get("refused"), 1);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn octet_counts_and_json_are_written_where_the_configuration_says_so() {
    for (properties, expected) in [
        ("framing: octet", "5 hello3 \"x\"".to_owned()),
        ("line_delimiter: \"\\r\\n\"", "hello\r\n\"x\"\r\n".to_owned()),
    ] {
        let (port, got) = receive(|n, socket, got| read_all(n, socket, got, usize::MAX, |_| {}));
        let in_port = free_port();
        let properties = format!("address: 127.0.0.1, port: {port}, {properties}");
        let director = start(&relay_to(in_port, "tcp", &properties), 1).await;
        connect(in_port).write_all(b"hello\n\"x\"\n").expect("sent");
        until("it arrived", || got.all() == expected).await;
        director.stop().await;
    }
    let (port, got) = receive(|n, socket, got| read_all(n, socket, got, usize::MAX, |_| {}));
    let in_port = free_port();
    let properties = format!("address: 127.0.0.1, port: {port}, format: json");
    let director = start(&relay_to(in_port, "tcp", &properties), 1).await;
    connect(in_port).write_all(b"\"x\"\n").expect("sent");
    until("it arrived", || got.all().ends_with('\n')).await;
    assert!(got.all().starts_with("{\"epoch\":") && got.all().ends_with(",\"message\":\"\\\"x\\\"\"}\n"));
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_syslog_target_puts_its_template_around_events() {
    let (port, got) = receive(|n, socket, got| read_all(n, socket, got, usize::MAX, |_| {}));
    let in_port = free_port();
    let template = "template: \"<{{.Priority}}>1 {{.AppName}} {{.Message}}\"";
    let properties = format!("type: tcp, address: 127.0.0.1, port: {port}, app_name: me, {template}");
    let director = start(&relay_to(in_port, "syslog", &properties), 1).await;
    connect(in_port).write_all(b"hello\nworld\n").expect("sent");
    until("it arrived", || got.all() == "<14>1 me hello\n<14>1 me world\n").await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_shown_instead_of_sent_are_counted_as_discarded() {
    let (in_port, nobody) = (free_port(), free_port());
    let properties =
        format!("address: 127.0.0.1, port: {nobody}, debug: {{status: true, dont_send_logs: true}}");
    let director = start(&relay_to(in_port, "tcp", &properties), 1).await;
    connect(in_port).write_all(b"one\ntwo\n").expect("sent");
    let target = director.inventory().target("out").expect("there");
    until("both are counted", || target.flow.dropped.get(event::Cause::Discard) == 2).await;
    assert_eq!(director.stop().await.events, 0);
}
