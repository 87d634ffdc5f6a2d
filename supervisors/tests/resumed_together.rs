//! A killed process that left events in its journal and in spools at once: the next one delivers exactly what was not
//! acknowledged, to each target, in the order of each stream.

mod house;
mod http_server;

use house::{LIMIT, Receiver, connect, free_port, snapshot, until};
use http_server::{HttpServer, Reply, ok};
use seams::{Disk, Rng, SimulatedDisk};
use std::collections::BTreeSet;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;
use supervisors::{Director, Options};

const EACH: u64 = 500;
/// The server answers so many requests before it says nothing any more.
const ANSWERED: usize = 3;

async fn start(yaml: &str, disk: &SimulatedDisk) -> Director {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = Options { lanes: 2, disk, root: Path::new("/director").to_owned(), ..Options::default() };
    Director::start(snapshot(yaml), options).await.expect("started")
}

/// Two TCP targets and one by HTTP, all of which get everything.
fn configuration(level: &str, ports: [u16; 4], batch_time: u64) -> String {
    let [from, up, down, slow] = ports;
    let tcp = |name: &str, port: u16| {
        format!("  - {{name: {name}, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n")
    };
    format!(
        "persistent_storage: {{status: true, {level}min_free: 0}}\ndevices:\n  \
         - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {from}}}}}\ntargets:\n{}{}  \
         - {{name: slow, type: http, properties: {{url: \"http://127.0.0.1:{slow}/\", \
         format: message, ordering: strict, batch_size: 100, batch_time: {batch_time}}}}}\n\
         routes:\n  - {{name: all, targets: [up, down, slow]}}\n",
        tcp("up", up),
        tcp("down", down)
    )
}

fn lines(server: &HttpServer, requests: std::ops::RangeTo<usize>) -> Vec<String> {
    let all = server.requests();
    all[..requests.end.min(all.len())].iter().flat_map(|request| request.lines()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_journal_and_spools_deliver_exactly_what_was_not_acknowledged() {
    kill_with_journal_and_spools("").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_kill_synced_journal_and_spools_deliver_exactly_what_was_not_acknowledged() {
    kill_with_journal_and_spools("crash_resistance: true, ").await;
}

/// Takes as long as the first Director is given to deliver what its targets do not take.
async fn kill_with_journal_and_spools(level: &str) {
    let disk = SimulatedDisk::new(Rng::seeded(11));
    let (up, from, dead) = (Receiver::start(), free_port(), free_port());
    let released = Arc::new(AtomicBool::new(false));
    let is_released = Arc::clone(&released);
    let server = HttpServer::start(move |number, _| {
        while number >= ANSWERED && !is_released.load(SeqCst) {
            std::thread::sleep(Duration::from_millis(5)); // it hangs
        }
        if number < ANSWERED { ok() } else { Reply::Close }
    });
    // A target that waits so long for more is not slow before that: its events stay in memory and in the journal.
    let yaml = configuration(level, [from, up.port, dead, server.port], 600);
    let director = start(&yaml, &disk).await;
    for name in ["a", "b"] {
        let text: String = (0..EACH).map(|n| format!("{name} {n}\n")).collect();
        connect(from).write_all(text.as_bytes()).expect("sent");
    }
    let flow = |name: &str| Arc::clone(&director.inventory().target(name).expect("configured").flow);
    let (to_up, to_down, to_slow) = (flow("up"), flow("down"), flow("slow"));
    until("one has all of it", || to_up.delivered.get() == 2 * EACH).await;
    until("one has all of it on disk", || to_down.spooled.get() == 2 * EACH).await;
    until("one hangs", || server.requests().len() > ANSWERED).await;
    let acknowledged = lines(&server, ..ANSWERED);
    until("what it answered is settled", || to_slow.delivered.get() == acknowledged.len() as u64).await;
    assert_eq!(to_slow.spooled.get(), 0, "the rest is owed by the journal");
    tokio::time::timeout(LIMIT, director.custody().expect("on").caught_up()).await.expect("written");
    let after = disk.process_killed();
    released.store(true, SeqCst);
    director.stop().await;

    let (down, again) = (Receiver::start_on(dead), HttpServer::start(|_, _| ok()));
    let director = start(&configuration(level, [from, up.port, dead, again.port], 0), &after).await;
    let rest = 2 * EACH - acknowledged.len() as u64;
    until("the journal's is delivered", || lines(&again, ..usize::MAX).len() as u64 >= rest).await;
    until("the spool's is delivered", || ["a", "b"].iter().all(|s| down.distinct(s) == EACH as usize)).await;
    assert_eq!(director.stop().await.events, 0);

    let came = lines(&again, ..usize::MAX);
    let distinct: BTreeSet<&String> = came.iter().chain(&acknowledged).collect();
    assert_eq!((came.len() as u64, distinct.len() as u64), (rest, 2 * EACH), "each came once");
    for name in ["a", "b"] {
        let of = |line: &String| line.strip_prefix(name)?.trim().parse::<u64>().ok();
        assert!(came.iter().filter_map(of).is_sorted(), "{name} is out of order: {came:?}");
        for receiver in [&up, &down] {
            assert_eq!(receiver.lines(name), (0..EACH).collect::<Vec<_>>(), "{name}");
        }
    }
}
