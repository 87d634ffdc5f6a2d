//! Events that nobody can take: exactly they are in quarantine, everything else is delivered, nobody restarts.

mod house;
mod http_server;

use actors::quarantine::{Kept, look};
use event::Cause;
use house::{LIMIT, Receiver, connect, free_port, snapshot, until};
use http_server::{HttpServer, Reply, ok};
use seams::{Disk, RealDisk, Rng, SimulatedDisk};
use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use supervisors::replay::{self, Order};
use supervisors::{Director, Options};

/// Its events go in circles where they say `poison`, and fail where they say `bad`.
const PIPELINES: &str = "pipelines:
  - name: careful
    quarantine: true
    processors:
      - set: {field: turn, value: 1, tag: again}
      - go_to: {target_tag: again, if: 'message contains \"poison\"'}
      - fail: {message: 'what is this', if: 'message contains \"bad\"'}
";

async fn start_in(root: &Path, yaml: &str) -> Director {
    let options = Options { lanes: 2, root: root.to_owned(), ..Options::default() };
    Director::start(snapshot(yaml), options).await.expect("started")
}

fn piped(in_port: u16, out_port: u16, service: &str) -> String {
    let relay =
        house::relay(in_port, out_port).replace("targets: [out]}", "pipelines: [careful], targets: [out]}");
    format!("{service}{relay}{PIPELINES}")
}

/// Lines `s NUMBER`; each of which the function says something gets that word.
fn send(port: u16, count: u64, word: impl Fn(u64) -> Option<&'static str>) -> std::net::TcpStream {
    let mut socket = connect(port);
    for n in 0..count {
        let line = match word(n) {
            Some(word) => format!("{word} {n}\n"),
            None => format!("s {n}\n"),
        };
        socket.write_all(line.as_bytes()).expect("sent");
    }
    socket
}

fn kept_on(disk: &dyn Disk, root: &Path) -> Vec<Kept> {
    let mut all = Vec::new();
    look(disk, &root.join("storage/quarantine"), |kept, _| {
        all.push(kept);
        true
    })
    .expect("readable");
    all
}

fn kept(root: &Path) -> Vec<Kept> {
    kept_on(&RealDisk, root)
}

async fn settled(director: &Director, accepted: u64) {
    let device = director.inventory().device("in").expect("there");
    until("all events are accepted", || device.flow.accepted.get() == accepted).await;
    until("all events are settled", || device.flow.held() == 0).await;
}

/// Sends events once more; returns the last line that is said.
async fn replayed(director: &Director, which: &str, target: Option<&str>) -> String {
    let (sender, mut lines) = tokio::sync::mpsc::channel(64);
    let order = Order { which: which.to_owned(), target: target.map(str::to_owned) };
    replay::quarantine::start(director.view(), order, sender).expect("begun");
    let mut last = String::new();
    let all = async {
        while let Some(line) = lines.recv().await {
            last = String::from_utf8_lossy(&line).into_owned();
        }
    };
    tokio::time::timeout(LIMIT, all).await.expect("it ends");
    last
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_poison_is_set_aside_and_replay_delivers_it_once_it_is_none() {
    let (root, receiver, in_port) = (tempfile::tempdir().expect("a folder"), Receiver::start(), free_port());
    let mut director = start_in(root.path(), &piped(in_port, receiver.port, "")).await;
    let word = |n| match n {
        700 => Some("poison"),
        1500 | 1501 => Some("bad"),
        _ => None,
    };
    let _open = send(in_port, 3000, word);
    settled(&director, 3000).await;
    until("the others arrived", || receiver.distinct("s") == 2997).await;
    let target = director.inventory().target("out").expect("there");
    let counted = |cause| target.flow.quarantined.get(cause);
    assert_eq!((counted(Cause::Poison), counted(Cause::Failed)), (1, 2));
    assert_eq!((target.flow.delivered.get(), target.flow.dropped.sum()), (2997, 0));
    assert_eq!(director.tree().restarts(), 0);

    let all = kept(root.path());
    let events: Vec<&[u8]> = all.iter().map(|kept| &kept.event[..]).collect();
    assert_eq!(events, [&b"poison 700"[..], b"bad 1500", b"bad 1501"]);
    let poison = &all[0].meta;
    assert!(poison.why.contains("took more steps than"), "{poison:?}");
    assert!(all[1].meta.at.contains("careful, fail") && all[1].meta.why == "what is this", "{all:?}");
    assert_eq!((poison.device.name.as_str(), poison.sequence), ("in", 700));
    assert!(poison.peer.is_some() && poison.received > 0);
    let way = &poison.ways[0];
    assert_eq!(
        (way.route.as_str(), way.pipelines.join("+"), way.target.as_str()),
        ("all", "careful".into(), "out")
    );
    let said = || director.tree().activity();
    until("it is said", || said().iter().any(|entry| entry.what.contains("put into quarantine"))).await;

    let last = replayed(&director, "cause=failed", None).await;
    assert_eq!(last, "2 events replayed, 2 of them are in quarantine again\n");
    let again = kept(root.path());
    let counts: Vec<_> = again.iter().map(|kept| (kept.meta.replays, kept.meta.replay_of)).collect();
    assert_eq!(counts, [(0, None), (0, None), (0, None), (1, Some(1)), (1, Some(2))]);

    let harmless = piped(in_port, receiver.port, "").replace("contains \"bad\"", "contains \"worse\"");
    director.apply(snapshot(&harmless)).await.expect("applied");
    let last = replayed(&director, "waiting cause=failed", None).await;
    assert_eq!(last, "2 events replayed, 0 of them are in quarantine again\n");
    until("they arrived", || receiver.distinct("bad") == 2).await;
    assert_eq!(receiver.lines("bad"), [1500, 1501]);
    assert_eq!(
        replayed(&director, "all cause=failed", None).await,
        "0 events replayed, 0 of them are in quarantine again\n"
    );
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_on_which_a_processor_panics_is_set_aside_alone_and_no_actor_restarts() {
    let (root, receiver, in_port) = (tempfile::tempdir().expect("a folder"), Receiver::start(), free_port());
    let director =
        start_in(root.path(), &piped(in_port, receiver.port, "quarantine: {max_size: 1MiB}\n")).await;
    // The first time with the batch, the second time with its first event alone.
    for _ in 0..2 {
        director.faults().inject("program:lanes/*", actors::child::Fault::Panic);
    }
    let _open = send(in_port, 1000, |_| None);
    settled(&director, 1000).await;
    until("the others arrived", || receiver.distinct("s") == 999).await;
    let all = kept(root.path());
    assert_eq!(all.len(), 1);
    assert_eq!((all[0].meta.cause.as_str(), all[0].meta.at.as_str()), ("poison", "pipeline careful"));
    assert_eq!(all[0].meta.why, "a processor panicked: a panic that was asked for");
    let target = director.inventory().target("out").expect("there");
    assert_eq!((target.flow.delivered.get(), target.flow.quarantined.get(Cause::Poison)), (999, 1));
    assert_eq!(director.tree().restarts(), 0);
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_pipeline_fails_on_is_dropped_unless_it_says_otherwise() {
    let (root, receiver, in_port) = (tempfile::tempdir().expect("a folder"), Receiver::start(), free_port());
    let yaml = piped(in_port, receiver.port, "").replace("    quarantine: true\n", "");
    let director = start_in(root.path(), &yaml).await;
    let _open = send(in_port, 10, |n| (n == 3).then_some("bad"));
    settled(&director, 10).await;
    let target = director.inventory().target("out").expect("there");
    assert_eq!((target.flow.dropped.get(Cause::Failed), target.flow.quarantined.sum()), (1, 0));
    assert!(!root.path().join("storage/quarantine").exists(), "nothing is on disk that nobody needs");
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_elastic_refuses_for_good_is_kept_with_its_reason() {
    let (root, in_port) = (tempfile::tempdir().expect("a folder"), free_port());
    let server = HttpServer::start(|_, request| {
        let documents: Vec<String> = request.lines().into_iter().skip(1).step_by(2).collect();
        let items: Vec<&str> = documents
            .iter()
            .map(|document| match document.contains("event 7") {
                true => {
                    r#"{"create":{"status":400,"error":{"type":"document_parsing_exception","reason":"no"}}}"#
                }
                false => r#"{"create":{"status":201}}"#,
            })
            .collect();
        let bad = documents.iter().any(|document| document.contains("event 7"));
        Reply::Status(200, "", format!("{{\"errors\":{bad},\"items\":[{}]}}", items.join(",")))
    });
    let other = HttpServer::start(|_, _| ok());
    let yaml = format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n  - {{name: es, type: elastic, properties: {{index: logs, endpoints: [{{endpoint: \"http://127.0.0.1:{}\"}}]}}}}\n  \
         - {{name: other, type: http, properties: {{url: \"http://127.0.0.1:{}/\", format: message}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [es, other]}}\n",
        server.port, other.port
    );
    let director = start_in(root.path(), &yaml).await;
    let mut socket = connect(in_port);
    for n in 0..20 {
        writeln!(socket, "event {n}.").expect("sent");
    }
    settled(&director, 20).await;
    let target = director.inventory().target("es").expect("there");
    assert_eq!((target.flow.delivered.get(), target.flow.quarantined.get(Cause::Refused)), (19, 1));
    let all = kept(root.path());
    assert_eq!(all.len(), 1);
    assert_eq!(
        (&all[0].event[..], all[0].meta.why.as_str()),
        (&b"event 7."[..], "400 document_parsing_exception: no")
    );
    assert_eq!(all[0].meta.ways[0].target, "es");

    let before = other.requests().len();
    let last = replayed(&director, "0", None).await;
    assert_eq!(last, "1 events replayed, 1 of them are in quarantine again\n");
    assert_eq!(other.requests().len(), before, "the other target had it already");
    let last = replayed(&director, "1", Some("other")).await;
    assert_eq!(last, "1 events replayed, 0 of them are in quarantine again\n");
    assert!(other.requests().last().expect("one").text().contains("event 7."));
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_quota_makes_room_and_says_so() {
    let (root, receiver, in_port) = (tempfile::tempdir().expect("a folder"), Receiver::start(), free_port());
    let director =
        start_in(root.path(), &piped(in_port, receiver.port, "quarantine: {max_size: 1MiB}\n")).await;
    let mut socket = connect(in_port);
    let padding = "x".repeat(1000);
    for n in 0..3000 {
        writeln!(socket, "bad {n} {padding}").expect("sent");
    }
    settled(&director, 3000).await;
    let meters = director.view().quarantine().meters();
    let (kept_in_all, overwritten) = (meters.kept.get(), meters.overwritten.get());
    assert_eq!((kept_in_all, meters.not_kept.get()), (3000, 0));
    assert!(overwritten > 0);
    let all = kept(root.path());
    assert_eq!(all.len() as u64, 3000 - overwritten);
    assert_eq!(all.last().expect("some").id, 2999, "the newest are there");
    let bytes: u64 = std::fs::read_dir(root.path().join("storage/quarantine"))
        .expect("there")
        .map(|entry| entry.expect("an entry").metadata().expect("its size").len())
        .sum();
    assert!(bytes <= (1 << 20) + (256 << 10), "{bytes} with the file of cursors");
    let said = || director.tree().activity();
    until("it is said", || said().iter().any(|entry| entry.what.contains("made room"))).await;
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn purged_events_are_gone_and_their_space_is_used_again() {
    let (root, receiver, in_port) = (tempfile::tempdir().expect("a folder"), Receiver::start(), free_port());
    let yaml = piped(in_port, receiver.port, "quarantine: {max_size: 1MiB}\n");
    let director = start_in(root.path(), &yaml).await;
    let _open = send(in_port, 10, |n| (n < 5).then_some("bad"));
    settled(&director, 10).await;
    let quarantine = director.view().quarantine();
    assert_eq!(quarantine.purge(&"1-2".parse().expect("clear")).expect("purged"), 2);
    assert_eq!(kept(root.path()).iter().map(|kept| kept.id).collect::<Vec<_>>(), [0, 3, 4]);
    assert_eq!(quarantine.purge(&"1-3".parse().expect("clear")).expect("purged"), 1);
    assert_eq!(director.stop().await.events, 0);

    let director = start_in(root.path(), &yaml).await;
    until("it is open", || {
        director.view().quarantine().meters().events.load(std::sync::atomic::Ordering::Relaxed) == 2
    })
    .await;
    let node = || director.tree().node("quarantine").expect("there").condition;
    until("the tree says what is there", || node().as_deref() == Some("2 events wait for a decision")).await;
    let quarantine = director.view().quarantine();
    assert_eq!(quarantine.purge(&"all".parse().expect("clear")).expect("purged"), 2);
    assert!(kept(root.path()).is_empty());
    until("the tree says so", || node().as_deref() == Some("0 events wait for a decision")).await;
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_events_only_when_there_is_no_reserve_and_recovers_by_itself() {
    for has_some in [false, true] {
        let (disk, in_port) = (SimulatedDisk::new(Rng::seeded(1)), free_port());
        let receiver = Receiver::start();
        let yaml = piped(in_port, receiver.port, "quarantine: {max_size: 1MiB}\n");
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let options = Options { lanes: 1, disk: Arc::clone(&shared), ..Options::default() };
        let director = Director::start(snapshot(&yaml), options).await.expect("started");
        let meters = director.view().quarantine().meters();
        let spares = || {
            let found = shared.list(Path::new("./storage/quarantine")).unwrap_or_default();
            found.iter().filter(|entry| entry.name.contains("spare")).count()
        };
        let before = if has_some { 1 } else { 0 };
        let _earlier = send(in_port, before, |_| Some("bad"));
        settled(&director, before).await;
        until("there is a reserve", || !has_some || spares() >= 2).await;
        disk.set_capacity(disk.used_bytes());
        let _first = send(in_port, 100, |n| (n % 10 == 0).then_some("bad"));
        settled(&director, before + 100).await;
        let target = director.inventory().target("out").expect("there");
        let (quarantined, dropped) = (target.flow.quarantined.sum(), target.flow.dropped.get(Cause::Failed));
        assert_eq!((quarantined, dropped), if has_some { (11, 0) } else { (0, 10) });
        assert_eq!((meters.kept.get(), meters.not_kept.get()), (quarantined, dropped));
        until("the others arrived", || receiver.distinct("s") == 90).await;
        if !has_some {
            let node = director.tree().node("quarantine").expect("there");
            assert!(
                node.trouble && node.condition.as_deref().is_some_and(|text| text.contains("disk")),
                "{node:?}"
            );
        }

        disk.set_capacity(1 << 40);
        let _second = send(in_port, 10, |_| Some("bad"));
        settled(&director, before + 110).await;
        assert_eq!(target.flow.quarantined.sum(), quarantined + 10);
        assert!(!director.tree().node("quarantine").expect("there").trouble);
        let sequences: HashSet<u64> = kept_on(&*shared, Path::new(".")).iter().map(|kept| kept.id).collect();
        assert_eq!(sequences.len() as u64, quarantined + 10);
        assert_eq!(director.tree().restarts(), 0);
        assert_eq!(director.stop().await.events, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_fails_loses_nothing() {
    let (root, receiver, in_port) = (tempfile::tempdir().expect("a folder"), Receiver::start(), free_port());
    let director =
        start_in(root.path(), &piped(in_port, receiver.port, "quarantine: {max_size: 4MiB}\n")).await;
    let mut socket = connect(in_port);
    for round in 0..3 {
        director.faults().inject("quarantine", actors::child::Fault::Panic);
        for n in 0..200 {
            writeln!(socket, "{} {}", if n % 2 == 0 { "bad" } else { "s" }, round * 200 + n).expect("sent");
        }
        until("the fault was suffered", || director.faults().pending() == 0).await;
    }
    settled(&director, 600).await;
    let distinct: HashSet<Vec<u8>> = kept(root.path()).iter().map(|kept| kept.event.to_vec()).collect();
    assert_eq!(distinct.len(), 300);
    let target = director.inventory().target("out").expect("there");
    assert_eq!((target.flow.quarantined.get(Cause::Failed), target.flow.dropped.sum()), (300, 0));
    assert_eq!(director.tree().restarts(), 3);
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_failures_holds_up_nobody_else_and_says_little() {
    let (root, receiver, in_port, calm) =
        (tempfile::tempdir().expect("a folder"), Receiver::start(), free_port(), free_port());
    let yaml = piped(in_port, receiver.port, "quarantine: {max_size: 4MiB}\n").replace(
        "targets:\n",
        &format!(
            "  - {{id: 2, name: calm, type: tcp, properties: {{address: 127.0.0.1, port: {calm}}}}}\ntargets:\n"
        ),
    );
    let yaml = yaml.replace(
        "pipelines:\n  - name",
        "  - {name: plain, devices: [calm], targets: [out]}\npipelines:\n  - name",
    );
    let director = start_in(root.path(), &yaml).await;
    let storm = std::thread::spawn(move || send(in_port, 50_000, |_| Some("bad")));
    let _calm = send(calm, 5000, |_| None);
    until("the calm device's events arrived", || receiver.distinct("s") == 5000).await;
    let _open = storm.join().expect("sent");
    settled(&director, 50_000).await;
    let meters = director.view().quarantine().meters();
    assert_eq!((meters.kept.get(), meters.not_kept.get()), (50_000, 0));
    let said = director.tree().activity();
    let announcements = said.iter().filter(|entry| entry.what.contains("put into quarantine")).count();
    assert!(announcements < 20, "{announcements} lines");
    assert_eq!(director.stop().await.events, 0);
}
