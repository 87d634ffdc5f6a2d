//! Start, reload and stop of the real program while data flows.

mod support;

use rustix::process::Signal;
use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use support::{Installation, LIMIT, Receiver, ask, connect, device, free_port, tcp_to_tcp};

#[test]
fn events_flow_and_the_equations_of_the_metrics_hold() {
    let (receiver, port) = (Receiver::new(), free_port());
    let mut installation = Installation::new(&tcp_to_tcp(port, receiver.port));
    installation.start();
    let mut peer = connect(port);
    for n in 0..1000 {
        writeln!(peer, "line {n}").expect("sent");
    }
    assert_eq!(receiver.take(1000).last().map(String::as_str), Some("line 999"));
    installation.wait("settled", |it| (it.counter("devices", "in", "settled") == 1000).then_some(()));

    let http = installation.http();
    let (status, page) = ask(TcpStream::connect(http).expect("connected"), "/metrics").expect("an answer");
    assert_eq!(status, 200);
    let values: HashMap<&str, f64> = page
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            line.rsplit_once(' ').map(|(name, value)| (name, value.parse().expect(line))).expect(line)
        })
        .collect();
    let device = |name: &str| values[format!("vmetric_device_{name}{{device=\"in\"}}").as_str()];
    assert_eq!(device("accepted_total"), 1000.0);
    assert_eq!(device("accepted_total"), device("settled_total") + device("held"));
    let target = |name: &str| values[format!("vmetric_target_{name}{{target=\"out\"}}").as_str()];
    assert_eq!((target("due_total"), target("delivered_total"), target("held")), (1000.0, 1000.0, 0.0));
    assert_eq!(target("bytes_total"), (0..1000).map(|n| format!("line {n}\n").len() as f64).sum::<f64>());
    let batches = target("latency_seconds_count");
    let within = values["vmetric_target_latency_seconds_bucket{target=\"out\",le=\"+Inf\"}"];
    assert!(batches >= 1.0 && within == batches);
    assert!(values["process_cpu_seconds_total"] > 0.0 && values["vmetric_budget_capacity_bytes"] > 0.0);
}

#[test]
fn events_without_a_route_are_counted_with_their_cause() {
    let port = free_port();
    let mut installation = Installation::new(&device(1, "in", port));
    installation.start();
    connect(port).write_all(b"one\ntwo\n").expect("sent");
    installation.wait("dropped", |it| {
        let (_, page) = it.get("/metrics")?;
        page.contains("vmetric_device_dropped_total{device=\"in\",cause=\"no_route\"} 2").then_some(())
    });
}

#[test]
fn the_http_address_shows_but_does_not_command() {
    let mut installation = Installation::new("");
    installation.start();
    let http = installation.http();
    let get = |path: &str| ask(TcpStream::connect(http).expect("connected"), path).expect("an answer");
    for (path, status) in [
        ("/health", 200),
        ("/ready", 200),
        ("/metrics", 200),
        ("/stats", 200),
        ("/tree", 200),
        ("/activity", 200),
        ("/stop", 403),
        ("/tap", 403),
        ("/log", 403),
        ("/reload", 403),
        ("/nothing", 404),
    ] {
        assert_eq!(get(path).0, status, "{path}");
    }
    assert_eq!(installation.get("/stop").expect("an answer").0, 405, "only a POST stops");
    let socket = std::fs::metadata(installation.path().join("storage/control.sock")).expect("there");
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);
}

#[test]
fn a_new_row_is_a_device_and_others_keep_their_connections() {
    let receiver = Receiver::new();
    let (first, second) = (free_port(), free_port());
    let mut installation = Installation::new(&tcp_to_tcp(first, receiver.port));
    installation.start();
    let mut peer = connect(first);
    peer.write_all(b"before\n").expect("sent");
    assert_eq!(receiver.take(1), ["before"]);

    installation.write("config/devices/more.yml", &device(2, "more", second));
    installation.wait_for_log("device \"more\" added");
    installation.wait("ready", |it| it.get("/ready").filter(|(status, _)| *status == 200));
    connect(second).write_all(b"of the new one\n").expect("sent");
    assert_eq!(receiver.take(1), ["of the new one"]);
    peer.write_all(b"after\n").expect("sent");
    assert_eq!(receiver.take(1), ["after"]);
    assert_eq!(installation.counter("devices", "in", "opened"), 1, "the connection is still the first");
    assert!(installation.log().contains("[tcp-2] listener is started"), "{}", installation.log());
}

#[test]
fn a_broken_configuration_does_not_replace_a_working_one() {
    let (receiver, port) = (Receiver::new(), free_port());
    let mut installation = Installation::new(&tcp_to_tcp(port, receiver.port));
    installation.start();
    let mut peer = connect(port);
    installation.write("config/broken.yml", "devices:\n  - {id: 2, name: x, type: nothing}\n");
    let health =
        installation.wait("degraded", |it| Some(it.json("/health")).filter(|h| h["status"] == "degraded"));
    let error = health["config"]["errors"][0].as_str().expect("an error");
    assert!(error.contains("config/broken.yml:2:"), "{error}");
    installation.wait_for_log("the new configuration was refused; the one in force stays");
    peer.write_all(b"still here\n").expect("sent");
    assert_eq!(receiver.take(1), ["still here"]);

    std::fs::remove_file(installation.path().join("config/broken.yml")).expect("removed");
    installation.wait("well again", |it| (it.json("/health")["status"] == "ok").then_some(()));
}

#[test]
fn sighup_loads_the_configuration_again() {
    let mut installation = Installation::new("");
    installation.start();
    installation.signal(Signal::HUP);
    installation.wait_for_log("the configuration was loaded again; nothing changed why=SIGHUP");
}

#[test]
fn the_level_of_the_log_changes_while_it_runs() {
    let mut installation = Installation::new("debug: {level: 2}\n");
    installation.start();
    installation.write("vmetric.yml", "control: {port: 0}\ndebug: {level: 3}\n");
    installation.wait("the change", |it| (it.json("/health")["config"]["generation"] == 2).then_some(()));
    installation.signal(Signal::HUP);
    installation.wait_for_log("nothing changed why=SIGHUP");
    assert!(!installation.log().contains("the Director is started"), "that was below the level");
}

#[test]
fn sigterm_delivers_what_is_held() {
    let (receiver, port) = (Receiver::new(), free_port());
    let mut installation = Installation::new(&tcp_to_tcp(port, receiver.port));
    installation.start();
    let mut peer = connect(port);
    for n in 0..500 {
        writeln!(peer, "line {n}").expect("sent");
    }
    installation.wait("accepted", |it| (it.counter("devices", "in", "accepted") == 500).then_some(()));
    installation.signal(Signal::TERM);
    assert!(installation.wait_for_end().success(), "{}", installation.everything_said());
    assert_eq!(receiver.take(500).last().map(String::as_str), Some("line 499"));
    assert!(receiver.rest().is_empty());
    assert!(installation.log().contains("stopped; everything that was taken in is settled"));
    let rest = peer.read(&mut [0; 1]);
    assert!(matches!(rest, Ok(0) | Err(_)), "the connection is closed");
}

#[test]
fn a_second_sigterm_ends_at_once_and_what_is_left_is_reported() {
    // It takes connections and reads nothing, so the kernel acknowledges only what its buffers hold.
    let stalled = TcpListener::bind("127.0.0.1:0").expect("bound");
    let (to, port) = (stalled.local_addr().expect("bound").port(), free_port());
    let mut installation = Installation::new(&tcp_to_tcp(port, to));
    installation.start();
    let mut peer = connect(port);
    let line = format!("{}\n", "x".repeat(1023));
    let filler = std::thread::spawn(move || while peer.write_all(line.as_bytes()).is_ok() {});
    installation.wait("something held", |it| {
        let held = it.counter("devices", "in", "held");
        (held > 0 && it.counter("targets", "out", "held") > 0).then_some(())
    });
    installation.wait("the budget is used up", |it| {
        let stats = it.json("/stats");
        let (used, capacity) = (stats["budget"]["used"].as_u64()?, stats["budget"]["capacity"].as_u64()?);
        (used * 10 > capacity * 5).then_some(())
    });
    installation.signal(Signal::TERM);
    installation.wait("stopping", |it| {
        let (status, page) = it.get("/ready")?;
        (status == 503 && page.contains("stopping")).then_some(())
    });
    installation.signal(Signal::TERM);
    assert_eq!(installation.wait_for_end().code(), Some(6), "{}", installation.everything_said());
    let log = installation.log();
    assert!(log.contains("told to stop a second time; ending at once"), "{log}");
    assert!(log.contains("stopped; these events were taken in and are not settled left="), "{log}");
    filler.join().expect("the connection ended");
}

#[test]
fn a_control_port_in_use_is_trouble_and_the_rest_runs() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("bound");
    let (receiver, port) = (Receiver::new(), free_port());
    let mut installation = Installation::empty();
    let config = tcp_to_tcp(port, receiver.port);
    let control = taken.local_addr().expect("bound").port();
    installation.write("vmetric.yml", &format!("control: {{port: {control}}}\n{config}"));
    installation.start();
    let health =
        installation.wait("degraded", |it| Some(it.json("/health")).filter(|h| h["status"] == "degraded"));
    assert_eq!(health["troubled"][0]["path"], "control/api-http");
    connect(port).write_all(b"works\n").expect("sent");
    assert_eq!(receiver.take(1), ["works"]);
    drop(taken);
    installation.wait("bound", |it| (it.json("/health")["status"] == "ok").then_some(()));
}

#[test]
fn a_service_manager_is_told_when_it_is_ready_and_when_it_stops() {
    let installation = Installation::new("");
    let path = installation.path().join("notify");
    let manager = std::os::unix::net::UnixDatagram::bind(&path).expect("bound");
    manager.set_read_timeout(Some(LIMIT)).expect("set");
    let mut child = installation.command(&[]).env("NOTIFY_SOCKET", &path).spawn().expect("it starts");
    let told = || {
        let mut buffer = [0; 200];
        let length = manager.recv(&mut buffer).expect("told in time");
        String::from_utf8_lossy(&buffer[..length]).into_owned()
    };
    assert!(told().starts_with("READY=1\n"));
    assert!(installation.run(&["-stop"]).status.success());
    assert!(told().starts_with("STOPPING=1\n"));
    assert!(child.wait().expect("it ends").success());
}
