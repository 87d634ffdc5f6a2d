//! A span of the kept journal is sent once more to a chosen target, by the ways that lead there now.

mod house;

use actors::journal::record;
use event::batch::Parts;
use event::{Batch, Budget, DeviceId, Layout, Origin, Record, RecordFlags, StreamId};
use house::{LIMIT, Receiver, free_port, snapshot, until};
use journal::{Environment, Journal};
use seams::{Clock, RealDisk, Rng};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use supervisors::replay::{self, Bound, SpanOrder};
use supervisors::{Director, Options};

const SECOND: u64 = 1_000_000_000;

/// A batch of lines `s NUMBER` that were received at these seconds.
fn batch(numbers: std::ops::Range<u64>) -> Batch {
    let (mut slab, mut records, mut origins) = (Vec::new(), Vec::new(), Vec::new());
    for number in numbers.clone() {
        let line = format!("s {number}\n");
        let (offset, len) = (slab.len() as u32, line.len() as u32 - 1);
        records.push(Record { offset, len, origin: origins.len() as u16, flags: RecordFlags::default() });
        origins.push(Origin { device: DeviceId(1), peer: None, received: number * SECOND });
        slab.extend_from_slice(line.as_bytes());
    }
    Batch::seal(Parts {
        slab: slab.into(),
        records,
        origins,
        stream: StreamId(1),
        first_seq: numbers.start,
        layout: Layout::Delimited(b'\n'),
        hold: Budget::new(1 << 20).share().nothing(),
    })
}

/// A journal with batches of ten events, as another process left it: five of device `in`, then one of device `other`.
fn write_journal(root: &Path) {
    let environment = Environment { disk: Arc::new(RealDisk), clock: Clock::system(), rng: Rng::seeded(1) };
    let options = journal::Options {
        segment_bytes: 64 << 10,
        quota_bytes: 1 << 20,
        floor_bytes: 0,
        ..Default::default()
    };
    let (journal, _) = Journal::open(environment, &root.join("storage/journal"), options).expect("opened");
    for n in 0..6 {
        let batch = batch(n * 10..n * 10 + 10);
        let mut head = Vec::new();
        let identity = record::Identity { life: 1, stream: 1 };
        let name = if n < 5 { "in" } else { "other" };
        let body = record::encode(&batch, identity, name, &mut head);
        journal.append(&[&[&head, body]]).expect("appended");
    }
}

async fn replayed(director: &Director, order: SpanOrder) -> String {
    let (sender, mut lines) = tokio::sync::mpsc::channel(64);
    replay::journal::start(director.view(), order, sender).expect("begun");
    let mut last = String::new();
    let all = async {
        while let Some(line) = lines.recv().await {
            last = String::from_utf8_lossy(&line).into_owned();
        }
    };
    tokio::time::timeout(LIMIT, all).await.expect("it ends");
    last
}

fn order(from: Bound, to: Bound, device: Option<&str>) -> SpanOrder {
    SpanOrder { from, to, target: "second".to_owned(), device: device.map(str::to_owned) }
}

#[tokio::test(flavor = "multi_thread")]
async fn positions_times_and_devices_choose_what_is_sent() {
    let root = tempfile::tempdir().expect("a folder");
    write_journal(root.path());
    let (first, second) = (Receiver::start(), Receiver::start());
    let targets = [("first", first.port), ("second", second.port)].map(|(name, port)| {
        format!("  - {{name: {name}, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n")
    });
    let yaml = format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n\
         targets:\n{}routes:\n  - {{name: all, devices: [in], targets: [first, second]}}\n",
        free_port(),
        targets.concat()
    );
    let options = Options { lanes: 2, root: root.path().to_owned(), ..Options::default() };
    let director = Director::start(snapshot(&yaml), options).await.expect("started");
    let sent = |n: u64| format!("{n} events replayed, 0 of them are in quarantine again\n");

    let last = replayed(&director, order(Bound::Position(1), Bound::Position(3), None)).await;
    assert_eq!(last, sent(20));
    until("they arrived", || second.distinct("s") == 20).await;
    assert_eq!(second.lines("s"), (10..30).collect::<Vec<_>>());

    let last =
        replayed(&director, order(Bound::Time(35 * SECOND), Bound::Time(42 * SECOND), Some("in"))).await;
    assert_eq!(last, sent(7));
    until("they arrived", || second.distinct("s") == 27).await;
    assert_eq!(second.lines("s")[20..], (35..42).collect::<Vec<_>>());

    let last = replayed(&director, order(Bound::Position(4), Bound::Open, None)).await;
    assert_eq!(last, sent(10).replace('\n', "; 10 not sent: their device is not in the configuration\n"));
    assert_eq!(first.distinct("s"), 0, "nobody else gets any");
    assert_eq!(director.stop().await.events, 0);
}

/// What is owed for long is written once more, so the journal has it twice.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_journal_has_twice_is_sent_once() {
    let root = tempfile::tempdir().expect("a folder");
    write_journal(root.path());
    write_journal(root.path());
    let (receiver, port) = (Receiver::start(), free_port());
    let yaml = house::relay(port, receiver.port);
    let options = Options { lanes: 1, root: root.path().to_owned(), ..Options::default() };
    let director = Director::start(snapshot(&yaml), options).await.expect("started");
    let order = SpanOrder { target: "out".to_owned(), ..order(Bound::Open, Bound::Open, Some("in")) };
    assert_eq!(replayed(&director, order).await, "50 events replayed, 0 of them are in quarantine again\n");
    until("they arrived", || receiver.distinct("s") == 50).await;
    assert_eq!(receiver.lines("s"), (0..50).collect::<Vec<_>>());
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_delivered_is_kept_for_a_span_if_so_configured() {
    const COUNT: usize = 20_000;
    let root = tempfile::tempdir().expect("a folder");
    let (receiver, port) = (Receiver::start(), free_port());
    let storage = "persistent_storage: {status: true, keep_for: 1h}\n";
    let yaml = format!("{storage}{}", house::relay(port, receiver.port));
    let journal = journal::Options {
        segment_bytes: 64 << 10,
        quota_bytes: 64 << 20,
        floor_bytes: 0,
        ..Default::default()
    };
    let options =
        Options { lanes: 2, root: root.path().to_owned(), journal: Some(journal), ..Options::default() };
    let director = Director::start(snapshot(&yaml), options.clone()).await.expect("started");
    let lines: String = (0..COUNT).map(|n| format!("s {n}....................\n")).collect();
    house::connect(port).write_all(lines.as_bytes()).expect("sent");
    until("they arrived", || receiver.distinct("s") == COUNT).await;
    until("they are settled", || director.inventory().held() == 0).await;
    let segments = || director.custody().expect("on").status().stats.segments;
    until("all that was settled is kept", || segments() > 8).await;
    assert_eq!(director.stop().await.events, 0);
    // Also by the next process.
    let director = Director::start(snapshot(&yaml), options).await.expect("started");
    let order = SpanOrder { target: "out".to_owned(), ..order(Bound::Open, Bound::Open, None) };
    let sent = format!("{COUNT} events replayed, 0 of them are in quarantine again\n");
    assert_eq!(replayed(&director, order).await, sent);
    until("they arrived again", || receiver.lines("s").len() == 2 * COUNT).await;
    assert_eq!(receiver.lines("s")[COUNT..], (0..COUNT as u64).collect::<Vec<_>>());
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_names_and_a_missing_journal_are_refused() {
    let root = tempfile::tempdir().expect("a folder");
    let yaml = house::relay(free_port(), free_port());
    let options = Options { lanes: 1, root: root.path().to_owned(), ..Options::default() };
    let director = Director::start(snapshot(&yaml), options).await.expect("started");
    let refused = |order: SpanOrder| {
        let (sender, _lines) = tokio::sync::mpsc::channel(1);
        replay::journal::start(director.view(), order, sender).expect_err("refused").to_string()
    };
    assert!(refused(order(Bound::Open, Bound::Open, None)).contains("there is no journal in"));
    assert!(refused(order(Bound::Open, Bound::Open, Some("nobody"))).contains("no device \"nobody\""));
    write_journal(root.path());
    assert!(refused(order(Bound::Open, Bound::Open, None)).contains("no target \"second\""));
    assert_eq!(director.stop().await.events, 0);
}
