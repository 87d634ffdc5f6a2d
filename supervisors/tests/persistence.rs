//! Persistent storage: what is acknowledged outlives the process, at each level, through each failure.

mod house;

use actors::child::Fault;
use config::Snapshot;
use house::{LIMIT, Receiver, Sender, connect, free_port, snapshot, until};
use seams::{Disk, Operation, RealDisk, Rng, SimulatedDisk};
use std::io::{ErrorKind, Read, Write};
use std::path::Path;
use std::sync::Arc;
use supervisors::{Director, Options};

const WRITTEN: &str = "persistent_storage: {status: true}\n";
const SYNCED: &str = "persistent_storage: {status: true, crash_resistance: true}\n";
const SEGMENT: u64 = 256 << 10;

fn options(disk: Arc<dyn Disk>, root: &Path) -> Options {
    let journal = journal::Options {
        segment_bytes: SEGMENT,
        quota_bytes: 64 * SEGMENT,
        floor_bytes: 0,
        ..journal::Options::default()
    };
    Options { lanes: 2, disk, root: root.to_owned(), journal: Some(journal), ..Options::default() }
}

/// Starts a Director as soon as nobody else has the journal.
async fn start_on(snapshot: Snapshot, disk: Arc<dyn Disk>, root: &Path) -> Director {
    let began = std::time::Instant::now();
    loop {
        match Director::start(snapshot.clone(), options(Arc::clone(&disk), root)).await {
            Ok(director) => return director,
            Err(e) => assert!(began.elapsed() < LIMIT && format!("{e:#}").contains("in use"), "{e:#}"),
        }
        tokio::task::yield_now().await;
    }
}

async fn start(yaml: &str, root: &Path) -> Director {
    start_on(snapshot(yaml), Arc::new(RealDisk), root).await
}

fn relay(level: &str, in_port: u16, out_port: u16) -> String {
    format!("{level}{}", house::relay(in_port, out_port))
}

/// Sends lines and waits until the journal has them.
async fn send(director: &Director, port: u16, sender: &str, numbers: std::ops::Range<u64>) {
    let before = director.inventory().device("in").expect("configured").flow.accepted.get();
    let mut socket = connect(port);
    let lines: String = numbers.clone().map(|n| format!("{sender} {n}....................\n")).collect();
    socket.write_all(lines.as_bytes()).expect("sent");
    let wanted = before + (numbers.end - numbers.start);
    kept(director, wanted).await;
}

async fn kept(director: &Director, accepted: u64) {
    let device = director.inventory().device("in").expect("configured");
    until("all is accepted", || device.flow.accepted.get() >= accepted).await;
    tokio::time::timeout(LIMIT, director.custody().expect("on").caught_up()).await.expect("written");
}

async fn condition(director: &Director, path: &str, wanted: &str) {
    let says = |tree: &actors::child::Tree| tree.node(path)?.condition?.contains(wanted).then_some(());
    let said = director.tree().wait_until(LIMIT, says).await;
    assert!(said.is_some(), "{path} never says {wanted:?}: {:?}", director.tree().node(path));
}

/// A Director with its receiver down takes lines in and ends; returns what the next one finds.
async fn taken_in(level: &str, disk: Arc<dyn Disk>, root: &Path, ports: (u16, u16)) -> Director {
    let director = start_on(snapshot(&relay(level, ports.0, ports.1)), disk, root).await;
    send(&director, ports.0, "a", 0..2000).await;
    director
}

async fn delivered_once(director: Director, receiver: &Receiver, count: u64) {
    until("all is delivered", || receiver.distinct("a") as u64 == count).await;
    assert_eq!(director.stop().await.events, 0, "nothing is lost");
    receiver.assert_complete("a", count);
    assert_eq!(receiver.lines("a").len() as u64, count, "nothing is repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_not_delivered_before_a_stop_is_delivered_once_after_the_next_start() {
    for level in [WRITTEN, SYNCED] {
        let (root, ports) = (tempfile::tempdir().expect("a folder"), (free_port(), free_port()));
        let director = taken_in(level, Arc::new(RealDisk), root.path(), ports).await;
        assert_eq!(director.stop().await.events, 0, "nothing is lost");

        let receiver = Receiver::start_on(ports.1);
        let director = start(&relay(level, ports.0, ports.1), root.path()).await;
        delivered_once(director, &receiver, 2000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_outlives_a_killed_process_and_what_is_synced_a_power_cut() {
    for (level, power_cut) in [(WRITTEN, false), (SYNCED, false), (SYNCED, true)] {
        let (root, ports) = (Path::new("/director"), (free_port(), free_port()));
        let disk = SimulatedDisk::new(Rng::seeded(7));
        let director = taken_in(level, Arc::new(disk.clone()), root, ports).await;
        let after = if power_cut { disk.power_cut() } else { disk.process_killed() };
        director.stop().await;

        let receiver = Receiver::start_on(ports.1);
        let director = start_on(snapshot(&relay(level, ports.0, ports.1)), Arc::new(after), root).await;
        delivered_once(director, &receiver, 2000).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_branch_that_owes_it_gets_what_an_earlier_process_left() {
    let (root, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start());
    let (port, late) = (free_port(), free_port());
    let yaml = format!(
        "{WRITTEN}devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n\
         targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n  \
         - {{name: late, type: tcp, properties: {{address: 127.0.0.1, port: {late}}}}}\n\
         routes:\n  - {{name: all, targets: [out, late]}}\n",
        receiver.port
    );
    let director = start(&yaml, root.path()).await;
    send(&director, port, "a", 0..1000).await;
    until("one target has it", || receiver.distinct("a") == 1000).await;
    let flow = Arc::clone(&director.inventory().target("out").expect("configured").flow);
    until("it is settled", || flow.held() == 0).await;
    assert_eq!(director.stop().await.events, 0, "nothing is lost");

    let second = Receiver::start_on(late);
    let director = start(&yaml, root.path()).await;
    until("the other has it", || second.distinct("a") == 1000).await;
    assert_eq!(director.stop().await.events, 0, "nothing is lost");
    assert_eq!((receiver.lines("a").len(), second.lines("a").len()), (1000, 1000));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_cursors_the_journal_still_knows_what_is_settled() {
    let (root, receiver) = (tempfile::tempdir().expect("a folder"), Receiver::start());
    let port = free_port();
    let yaml = relay(WRITTEN, port, receiver.port);
    let director = start(&yaml, root.path()).await;
    send(&director, port, "a", 0..1000).await;
    until("all is delivered", || receiver.distinct("a") == 1000).await;
    director.stop().await;
    std::fs::remove_file(root.path().join("storage/journal/cursors")).expect("it was there");
    let director = start(&yaml, root.path()).await;
    send(&director, port, "a", 1000..2000).await;
    delivered_once(director, &receiver, 2000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_makes_sources_wait_until_there_is_room() {
    let (root, ports) = (Path::new("/director"), (free_port(), free_port()));
    let disk = SimulatedDisk::new(Rng::seeded(1));
    let yaml = format!("memory: {{budget: 8MiB}}\n{}", relay(WRITTEN, ports.0, ports.1));
    let director = start_on(snapshot(&yaml), Arc::new(disk.clone()), root).await;
    send(&director, ports.0, "a", 0..100).await;
    disk.set_capacity(disk.used_bytes());
    let sender = Sender::start("b", ports.0);
    condition(&director, "journal/writer", "free disk space; sources wait until it can be written").await;
    let device = director.inventory().device("in").expect("configured");
    until("sources wait", || director.budget().used() > director.budget().capacity() / 2).await;
    assert!(device.flow.held() > 0);

    let receiver = Receiver::start_on(ports.1);
    disk.set_capacity(1 << 40);
    until("more is delivered", || receiver.distinct("b") > 20_000).await;
    let says = |tree: &actors::child::Tree| (!tree.node("journal/writer")?.trouble).then_some(());
    director.tree().wait_until(LIMIT, says).await.expect("it is well again");
    let sent = sender.finish();
    until("all is delivered", || receiver.distinct("b") as u64 == sent).await;
    director.stop().await;
    receiver.assert_complete("a", 100);
    receiver.assert_complete("b", sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn http_answers_when_the_events_are_synced_not_before_and_not_when_they_are_delivered() {
    let (root, port) = (Path::new("/director"), free_port());
    let disk = SimulatedDisk::new(Rng::seeded(3));
    let yaml = format!(
        "{SYNCED}devices:\n  - {{id: 1, name: in, type: http, properties: {{address: 127.0.0.1, port: {port}}}}}\n\
         targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n\
         routes:\n  - {{name: all, targets: [out]}}\n",
        free_port()
    );
    let director = start_on(snapshot(&yaml), Arc::new(disk.clone()), root).await;
    let post = move || {
        let mut socket = connect(port);
        let head = "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 8\r\n\r\nan event";
        socket.write_all(head.as_bytes()).expect("sent");
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("an answer");
        answer
    };
    let answer = tokio::task::spawn_blocking(post).await.expect("answered");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    disk.fail_next(Operation::SyncData, u64::MAX, ErrorKind::Other);
    let asking = std::thread::spawn(post);
    condition(&director, "journal/sync", "nothing is acknowledged until it can be synced").await;
    assert!(!asking.is_finished(), "it is not acknowledged");
    disk.heal();
    let answer = tokio::task::spawn_blocking(|| asking.join().expect("answered")).await.expect("joined");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert_eq!(director.stop().await.events, 0, "nothing is lost");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_dies_under_load_loses_nothing() {
    let (root, receiver, port) = (tempfile::tempdir().expect("a folder"), Receiver::start(), free_port());
    let director = start(&relay(SYNCED, port, receiver.port), root.path()).await;
    let sender = Sender::start("a", port);
    for (n, path) in ["journal/writer", "journal/sync", "journal/upkeep"].into_iter().enumerate() {
        until("it flows", || receiver.distinct("a") > 2000 * (n + 1)).await;
        director.faults().inject(path, Fault::Panic);
        let restarted = |tree: &actors::child::Tree| (tree.node(path)?.restarts == 1).then_some(());
        director.tree().wait_until(LIMIT, restarted).await.expect("it is started again");
    }
    let sent = sender.finish();
    until("all is delivered", || receiver.distinct("a") as u64 == sent).await;
    kept(&director, sent).await;
    assert_eq!(director.stop().await.events, 0, "nothing is lost");
    receiver.assert_complete("a", sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_that_can_not_be_used_says_why() {
    let (root, ports) = (Path::new("/director"), (free_port(), free_port()));
    let disk = SimulatedDisk::new(Rng::seeded(9));
    let yaml = relay(WRITTEN, ports.0, ports.1);
    let refused = async |disk: &SimulatedDisk| {
        let started = Director::start(snapshot(&yaml), options(Arc::new(disk.clone()), root)).await;
        format!("{:#}", started.err().expect("refused"))
    };
    let director = start_on(snapshot(&yaml), Arc::new(disk.clone()), root).await;
    let second = refused(&disk).await;
    assert!(second.contains("is in use") && second.contains("configure another folder"), "{second}");
    director.stop().await;
    let disk = disk.process_killed();
    disk.set_read_only(true);
    let read_only = refused(&disk).await;
    assert!(read_only.contains("is not writable"), "{read_only}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_followed_is_neither_lost_nor_repeated_by_a_restart() {
    let (root, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let log = root.path().join("a.log");
    let yaml = format!(
        "{WRITTEN}devices:\n  - {{id: 1, name: in, type: file, properties: {{path: \"{}\"}}}}\n\
         targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n\
         routes:\n  - {{name: all, targets: [out]}}\n",
        log.display()
    );
    let lines = |range: std::ops::Range<u64>| range.map(|n| format!("a {n}\n")).collect::<String>();
    std::fs::write(&log, lines(0..3000)).expect("written");
    let director = start(&yaml, root.path()).await;
    kept(&director, 3000).await;
    assert_eq!(director.stop().await.events, 0, "nothing is lost");

    std::fs::OpenOptions::new()
        .append(true)
        .open(&log)
        .and_then(|mut file| file.write_all(lines(3000..4000).as_bytes()))
        .expect("appended");
    let receiver = Receiver::start_on(port);
    let director = start(&yaml, root.path()).await;
    until("all is delivered", || receiver.distinct("a") == 4000).await;
    assert_eq!(director.stop().await.events, 0, "nothing is lost");
    assert_eq!(receiver.lines("a").len(), 4000, "nothing is repeated");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_when_storage_is_switched_off_is_told_and_kept() {
    let (root, ports) = (Path::new("/director"), (free_port(), free_port()));
    let disk = SimulatedDisk::new(Rng::seeded(5));
    let director = taken_in(WRITTEN, Arc::new(disk.clone()), root, ports).await;
    let after = disk.process_killed();
    director.stop().await;
    let off = start_on(snapshot(&relay("", ports.0, ports.1)), Arc::new(after.clone()), root).await;
    let told = off.tree().activity().iter().any(|entry| entry.what.contains("switch it on again"));
    assert!(told && off.custody().is_none(), "{:?}", off.tree().activity());
    off.stop().await;
    let receiver = Receiver::start_on(ports.1);
    let director = start_on(snapshot(&relay(WRITTEN, ports.0, ports.1)), Arc::new(after), root).await;
    delivered_once(director, &receiver, 2000).await;
}
