//! Targets that send datagrams.

mod house;

use event::Cause;
use house::{LIMIT, connect, free_port, start_on_memory as start, until};
use std::io::Write;
use std::net::UdpSocket;

fn relay_to(in_port: u16, kind: &str, properties: &str) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n  - {{name: out, type: {kind}, properties: {{{properties}}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n"
    )
}

fn receiver() -> (UdpSocket, u16) {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.set_read_timeout(Some(LIMIT)).expect("a socket");
    let port = socket.local_addr().expect("bound").port();
    (socket, port)
}

fn next(socket: &UdpSocket) -> String {
    let mut buffer = vec![0; 65_536];
    let n = socket.recv(&mut buffer).expect("a datagram comes");
    String::from_utf8(buffer[..n].to_vec()).expect("text")
}

#[tokio::test(flavor = "multi_thread")]
async fn each_event_is_a_datagram_and_one_that_is_too_long_is_dropped_and_counted() {
    let ((socket, port), in_port) = (receiver(), free_port());
    let director = start(&relay_to(in_port, "udp", &format!("address: 127.0.0.1, port: {port}")), 1).await;
    let mut sender = connect(in_port);
    sender.write_all(format!("one\n{}\ntwo\n", "x".repeat(70_000)).as_bytes()).expect("sent");
    assert_eq!((next(&socket), next(&socket)), ("one".to_owned(), "two".to_owned()));
    let target = director.inventory().target("out").expect("there");
    until("all are settled", || target.flow.held() == 0).await;
    assert_eq!((target.flow.delivered.get(), target.flow.quarantined.get(Cause::TooLarge)), (2, 1));
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_is_not_there_is_counted_and_holds_nothing_up() {
    let (in_port, nobody) = (free_port(), free_port());
    let director = start(&relay_to(in_port, "udp", &format!("address: 127.0.0.1, port: {nobody}")), 1).await;
    let target = director.inventory().target("out").expect("there");
    let mut sender = connect(in_port);
    let mut sent = 0;
    until("the refusal is noticed", || {
        sender.write_all(b"hello\n").expect("sent");
        sent += 1;
        target.meters.troubles.get("refused") > 0
    })
    .await;
    until("all are settled", || target.flow.delivered.get() == sent).await;
    let node = director.tree().node("targets/out/sender-0").expect("there");
    assert!(node.trouble, "{node:?}");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn syslog_over_udp_has_the_products_template() {
    let ((socket, port), in_port) = (receiver(), free_port());
    let properties = format!("address: 127.0.0.1, port: {port}");
    let director = start(&relay_to(in_port, "syslog", &properties), 1).await;
    connect(in_port).write_all(b"hello\n").expect("sent");
    let message = next(&socket);
    let process = std::process::id();
    assert!(message.starts_with("<14> 20") && message.ends_with(&format!(" vmetric[{process}]: hello")));
    director.stop().await;
}
