//! Spools: what waits on disk while a target is down, slow or off its schedule, and comes back in order.

mod house;

use house::{LIMIT, Receiver, Sender, connect, free_port, relay, snapshot, until};
use std::io::Write;
use std::path::Path;
use supervisors::{Director, Options};

/// With persistent storage.
fn persistent(yaml: &str) -> String {
    format!("persistent_storage: {{status: true, min_free: 0}}\n{yaml}")
}

async fn start_in(root: &Path, yaml: &str, lanes: usize) -> Director {
    let options = Options { lanes, root: root.to_owned(), ..Options::default() };
    Director::start(snapshot(yaml), options).await.expect("started")
}

/// Sends lines `NAME NUMBER` on a connection of their own.
fn send(name: &str, port: u16, numbers: std::ops::Range<u64>) {
    let mut socket = connect(port);
    let lines: String = numbers.map(|n| format!("{name} {n}\n")).collect();
    socket.write_all(lines.as_bytes()).expect("the connection stays");
}

/// Each line came once, in the order in which it was sent.
fn assert_each_once_in_order(receiver: &Receiver, name: &str, count: u64) {
    let lines = receiver.lines(name);
    let wrong = lines.iter().copied().zip(0..).find(|(line, n)| line != n);
    assert_eq!(wrong, None, "{name}: a line, and the one that should be there");
    assert_eq!(lines.len() as u64, count, "{name}: lines are missing, or came twice");
}

async fn accepted(director: &Director, count: u64) {
    let flow = director.inventory().device("in").expect("configured").flow.clone();
    until("all is accepted", || flow.accepted.get() == count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_while_the_receiver_is_down_is_delivered_once_and_in_order_when_it_is_up() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, out_port) = (free_port(), free_port());
    let director = start_in(root.path(), &persistent(&relay(in_port, out_port)), 2).await;
    send("a", in_port, 0..25_000);
    accepted(&director, 25_000).await;
    let target = director.inventory().target("out").expect("configured");
    until("all is on disk", || target.flow.spooled.get() == 25_000).await;
    assert_eq!(director.inventory().held(), 0, "the source's events are settled");
    let receiver = Receiver::start_on(out_port);
    until("all came", || receiver.distinct("a") == 25_000).await;
    assert_each_once_in_order(&receiver, "a", 25_000);
    until("the spool is empty", || target.spool.flow.held() == 0).await;
    assert_eq!(target.spool.flow.delivered.get(), 25_000);
    until("it is fed from memory", || !target.spool.in_use.load(std::sync::atomic::Ordering::Relaxed)).await;
    send("b", in_port, 0..1000);
    until("more came", || receiver.distinct("b") == 1000).await;
    until("all is settled", || director.inventory().held() == 0).await;
    assert_eq!(target.flow.delivered.get(), 1000);
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_on_disk_is_delivered_once_after_an_orderly_restart() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, out_port) = (free_port(), free_port());
    let yaml = persistent(&relay(in_port, out_port));
    let director = start_in(root.path(), &yaml, 2).await;
    send("a", in_port, 0..25_000);
    accepted(&director, 25_000).await;
    assert_eq!(director.stop().await.events, 0, "all is delivered or on disk");
    let director = start_in(root.path(), &yaml, 1).await;
    let receiver = Receiver::start_on(out_port);
    until("all came", || receiver.distinct("a") == 25_000).await;
    assert_eq!(director.stop().await.events, 0);
    let director = start_in(root.path(), &yaml, 1).await;
    send("b", in_port, 0..10);
    until("more came", || receiver.distinct("b") == 10).await;
    assert_eq!(director.stop().await.events, 0);
    assert_each_once_in_order(&receiver, "a", 25_000);
    let _ = (LIMIT, Sender::start as fn(&str, u16) -> Sender);
}
