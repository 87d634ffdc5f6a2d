//! Spools: what waits on disk while a target is down, slow or off its schedule, and comes back in order.

mod house;
mod http_server;

use actors::child::{Fault, State};
use house::{Receiver, Sender, connect, free_port, relay, snapshot, until};
use http_server::{HttpServer, Reply, ok};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
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
}

/// TCP device `in`, and these targets, each with all events.
fn fan_out(in_port: u16, targets: &[(&str, String)]) -> String {
    let list: String = targets.iter().map(|(_, target)| format!("  - {target}\n")).collect();
    let names: Vec<&str> = targets.iter().map(|(name, _)| *name).collect();
    persistent(&format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n{list}routes:\n  - {{name: all, devices: [in], targets: [{}]}}\n",
        names.join(", ")
    ))
}

fn tcp_target(name: &str, port: u16) -> String {
    format!("{{name: {name}, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_is_down_slows_neither_the_others_nor_its_sources() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, dead) = (free_port(), free_port());
    let receiver = Receiver::start();
    let targets = [("up", tcp_target("up", receiver.port)), ("down", tcp_target("down", dead))];
    let director = start_in(root.path(), &fan_out(in_port, &targets), 2).await;
    // More than the memory for received data, which would be used up otherwise.
    let line = format!("a {:0>1000}\n", 0);
    let mut socket = connect(in_port);
    let count = 60_000;
    let sending = std::thread::spawn(move || {
        for n in 0..count {
            let line = format!("a {n}{}\n", ".".repeat(line.len() - 20));
            socket.write_all(line.as_bytes()).expect("the connection stays");
        }
    });
    until("all came where it could", || receiver.distinct("a") == count).await;
    sending.join().expect("no panic");
    let down = director.inventory().target("down").expect("configured");
    until("all is on disk for the other", || down.flow.spooled.get() == count as u64).await;
    until("the memory is free", || director.budget().used() < 4 << 20).await;
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_target_that_was_down_gets_everything_once() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, up) = (free_port(), Arc::new(AtomicBool::new(false)));
    let is_up = Arc::clone(&up);
    let server = HttpServer::start(move |_, _| match is_up.load(SeqCst) {
        true => ok(),
        false => Reply::Status(503, "Retry-After: 1\r\n", String::new()),
    });
    let properties = format!("url: \"http://127.0.0.1:{}/\", format: message", server.port);
    let target = format!("{{name: out, type: http, properties: {{{properties}}}}}");
    let director = start_in(root.path(), &fan_out(in_port, &[("out", target)]), 2).await;
    send("a", in_port, 0..25_000);
    let out = director.inventory().target("out").expect("configured");
    until("all is on disk", || out.flow.spooled.get() == 25_000).await;
    let refused = server.requests().len();
    up.store(true, SeqCst);
    until("all is delivered", || out.spool.flow.delivered.get() == 25_000).await;
    let answered = &server.requests()[refused..];
    let mut lines: Vec<String> = answered.iter().flat_map(|request| request.lines()).collect();
    lines.sort();
    lines.dedup();
    assert_eq!(lines.len(), 25_000);
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_target_takes_its_spool_over_at_once() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, dead) = (free_port(), free_port());
    let mut director = start_in(root.path(), &fan_out(in_port, &[("out", tcp_target("out", dead))]), 2).await;
    send("a", in_port, 0..10_000);
    let out = director.inventory().target("out").expect("configured");
    until("all is on disk", || out.flow.spooled.get() == 10_000).await;
    let receiver = Receiver::start();
    let yaml = fan_out(in_port, &[("out", tcp_target("out", receiver.port))]);
    director.apply(snapshot(&yaml)).await.expect("applied");
    until("all came", || receiver.distinct("a") == 10_000).await;
    assert_each_once_in_order(&receiver, "a", 10_000);
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_target_stays_until_its_spool_is_empty() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, out_port) = (free_port(), free_port());
    let other = Receiver::start();
    let targets = [("out", tcp_target("out", out_port)), ("other", tcp_target("other", other.port))];
    let mut director = start_in(root.path(), &fan_out(in_port, &targets), 1).await;
    send("a", in_port, 0..1000);
    let out = director.inventory().target("out").expect("configured");
    until("all is on disk", || out.flow.spooled.get() == 1000).await;
    director.apply(snapshot(&fan_out(in_port, &targets[1..]))).await.expect("applied");
    for _ in 0..5 {
        director.sweep().await;
    }
    let state = |director: &Director| director.tree().node("targets/out").map(|node| node.state);
    assert_eq!(state(&director), Some(State::Retired));
    let receiver = Receiver::start_on(out_port);
    until("all came", || receiver.distinct("a") == 1000).await;
    until("its spool is empty", || out.spool.flow.held() == 0).await;
    let gone = async {
        while state(&director).is_some() {
            director.sweep().await;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(house::LIMIT, gone).await.expect("it goes");
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_target_goes_when_its_spool_is_purged() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, other) = (free_port(), Receiver::start());
    let targets = [("out", tcp_target("out", free_port())), ("other", tcp_target("other", other.port))];
    let mut director = start_in(root.path(), &fan_out(in_port, &targets), 2).await;
    send("a", in_port, 0..1000);
    let out = director.inventory().target("out").expect("configured");
    until("all is on disk", || out.flow.spooled.get() == 1000).await;
    director.apply(snapshot(&fan_out(in_port, &targets[1..]))).await.expect("applied");
    let desk = director.view().spools().clone();
    let purged = tokio::task::spawn_blocking(move || desk.purge("out")).await.expect("no panic");
    let said = purged.expect("purged");
    assert!(said.starts_with("1000 deliveries (") && said.ends_with(" purged"), "{said}");
    assert_eq!((out.spool.flow.held(), out.spool.flow.dropped.get(event::Cause::Purged)), (0, 1000));
    let gone = async {
        while director.tree().node("targets/out").is_some() {
            director.sweep().await;
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(house::LIMIT, gone).await.expect("it goes");
    until("the other has all of it", || other.distinct("a") == 1000).await;
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spool_without_its_target_is_told_at_the_start_and_removed_by_a_purge() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, other) = (free_port(), Receiver::start());
    let targets = [("out", tcp_target("out", free_port())), ("other", tcp_target("other", other.port))];
    let director = start_in(root.path(), &fan_out(in_port, &targets), 2).await;
    send("a", in_port, 0..1000);
    let out = director.inventory().target("out").expect("configured");
    until("all is on disk", || out.flow.spooled.get() == 1000).await;
    assert_eq!(director.stop().await.events, 0);

    let yaml = fan_out(in_port, &targets[1..]);
    let director = start_in(root.path(), &yaml, 2).await;
    let told = || director.tree().activity().iter().any(|entry| entry.what.contains("-spools purge out"));
    assert!(told(), "{:?}", director.tree().activity());
    let folder = root.path().join("storage/spool/out");
    let desk = director.view().spools().clone();
    let both = tokio::task::spawn_blocking(move || (desk.purge("nobody"), desk.purge("out"))).await;
    let (unknown, purged) = both.expect("no panic");
    let unknown = unknown.expect_err("refused").to_string();
    assert!(unknown.contains("no spool of \"nobody\"") && unknown.contains("out"), "{unknown}");
    assert!(purged.expect("purged").starts_with("1000 deliveries ("));
    assert!(!folder.exists());
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn whichever_of_its_actors_dies_nothing_is_lost() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, out_port) = (free_port(), free_port());
    let director = start_in(root.path(), &persistent(&relay(in_port, out_port)), 2).await;
    let sender = Sender::start("a", in_port);
    let out = director.inventory().target("out").expect("configured");
    until("it goes to disk", || out.flow.spooled.get() > 1000).await;
    let die = async |what: &str| {
        let before = director.tree().restarts();
        director.faults().inject(format!("targets/out/{what}*"), Fault::Panic);
        until("it is started again", || director.tree().restarts() > before).await;
    };
    for what in ["spool", "spool-reader", "gate-"] {
        die(what).await;
    }
    let receiver = Receiver::start_on(out_port);
    for what in ["sender-", "spool-reader", "gate-"] {
        die(what).await;
    }
    let count = sender.finish();
    until("all came", || receiver.distinct("a") as u64 == count).await;
    until("all is settled", || director.inventory().held() == 0 && out.spool.flow.held() == 0).await;
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_target_gets_what_waited_when_its_time_has_come() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, receiver) = (free_port(), Receiver::start());
    let target = |schedule: &str| {
        let to = format!("address: 127.0.0.1, port: {}", receiver.port);
        format!("{{name: out, type: tcp, properties: {{{to}, {schedule}}}}}")
    };
    let yaml = |schedule: &str| fan_out(in_port, &[("out", target(schedule))]);
    let mut director = start_in(root.path(), &yaml("cron: \"0 0 30 2 *\""), 2).await;
    send("a", in_port, 0..1000);
    let out = director.inventory().target("out").expect("configured");
    until("all is on disk", || out.flow.spooled.get() == 1000).await;
    assert_eq!(receiver.distinct("a"), 0);
    director.apply(snapshot(&yaml("cron: \"* * * * * *\""))).await.expect("applied");
    until("all came", || receiver.distinct("a") == 1000).await;
    director.apply(snapshot(&yaml("interval: 2"))).await.expect("applied");
    send("b", in_port, 0..1000);
    until("more came", || receiver.distinct("b") == 1000).await;
    assert_each_once_in_order(&receiver, "a", 1000);
    assert_each_once_in_order(&receiver, "b", 1000);
    assert_eq!(out.flow.delivered.get(), 0, "nothing came from memory");
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_route_has_a_spool_of_its_own_before_its_target() {
    let root = tempfile::tempdir().expect("a folder");
    let (in_port, receiver) = (free_port(), Receiver::start());
    let yaml = |schedule: &str| {
        format!(
            "{}  - {{name: late, devices: [in], targets: [out], properties: {{{schedule}}}}}\n",
            relay(in_port, receiver.port)
        )
    };
    let mut director = start_in(root.path(), &yaml("cron: \"0 0 30 2 *\""), 2).await;
    send("a", in_port, 0..1000);
    let late = director.inventory().target("out@late").expect("there");
    until("one copy is on disk", || late.flow.spooled.get() == 1000).await;
    until("the other came", || receiver.distinct("a") == 1000).await;
    assert_eq!(receiver.lines("a").len(), 1000);
    director.apply(snapshot(&yaml("interval: 1h"))).await.expect("applied");
    until("both came", || receiver.lines("a").len() == 2000).await;
    until("its spool is empty", || late.spool.flow.held() == 0).await;
    assert_eq!(director.stop().await.events, 0);
}

/// Answers as each kind of server does that takes everything, or that it is overloaded.
fn server_that_is_down_first(up: &Arc<AtomicBool>) -> HttpServer {
    let up = Arc::clone(up);
    HttpServer::start(move |_, request| {
        if !up.load(SeqCst) {
            return Reply::Status(503, "", String::new());
        }
        let documents = request.lines().len() / 2;
        let items = vec![r#"{"create":{"status":201}}"#; documents].join(",");
        Reply::Status(200, "", format!(r#"{{"text":"Success","code":0,"errors":false,"items":[{items}]}}"#))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_target_recovers_without_a_restart() {
    let (root, up) = (tempfile::tempdir().expect("a folder"), Arc::new(AtomicBool::new(false)));
    let (in_port, tcp, syslog) = (free_port(), free_port(), free_port());
    let server = server_that_is_down_first(&up);
    let url = format!("http://127.0.0.1:{}", server.port);
    // A file stands where the folder is to be.
    let blocked = root.path().join("out");
    std::fs::write(&blocked, "in the way").expect("written");
    let of = |name: &str, kind: &str, properties: String| {
        format!("{{name: {name}, type: {kind}, properties: {{{properties}}}}}")
    };
    let targets = [
        ("tcp", tcp_target("tcp", tcp)),
        ("syslog", of("syslog", "syslog", format!("address: 127.0.0.1, port: {syslog}, type: tcp"))),
        ("http", of("http", "http", format!("url: \"{url}/\", format: message, retry_delay: 0"))),
        (
            "elastic",
            of(
                "elastic",
                "elastic",
                format!("index: i, endpoints: [{{endpoint: \"{url}\"}}], retry_delay: 0"),
            ),
        ),
        (
            "splunk",
            of("splunk", "splunk", format!("endpoints: [{{endpoint: \"{url}\"}}], token: t, retry_delay: 0")),
        ),
        ("file", of("file", "file", format!("location: \"{}\", name: lines.txt", blocked.display()))),
    ];
    let director = start_in(root.path(), &fan_out(in_port, &targets), 2).await;
    send("a", in_port, 0..5000);
    let all: Vec<_> =
        targets.iter().map(|(name, _)| director.inventory().target(name).expect("configured")).collect();
    for target in &all {
        until(&format!("{} has it on disk", target.name), || target.flow.spooled.get() == 5000).await;
    }
    assert_eq!(director.inventory().held(), 0);
    up.store(true, SeqCst);
    std::fs::remove_file(&blocked).expect("removed");
    let receiver = Receiver::start_on(tcp);
    let syslog = std::net::TcpListener::bind(("127.0.0.1", syslog)).expect("free");
    let syslog = std::thread::spawn(move || {
        let (socket, _) = syslog.accept().expect("a connection");
        std::io::BufRead::lines(std::io::BufReader::new(socket)).map_while(Result::ok).count()
    });
    for target in &all {
        until(&format!("{} got it", target.name), || target.spool.flow.delivered.get() == 5000).await;
    }
    assert_each_once_in_order(&receiver, "a", 5000);
    assert_eq!(director.stop().await.events, 0);
    assert_eq!(syslog.join().expect("no panic"), 5000);
}
