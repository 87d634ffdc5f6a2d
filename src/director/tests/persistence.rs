//! The real program, killed: what was acknowledged is delivered by the next one.
//!
//! `DIRECTOR_KILLS=200 cargo test -p vmetric-director --test persistence -- random` kills it more often than CI does.

mod support;

use rustix::process::Signal;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use support::{Installation, LIMIT, connect, free_port, tcp_to_tcp};

const LEVELS: [&str; 2] =
    ["persistent_storage: {status: true}\n", "persistent_storage: {status: true, crash_resistance: true}\n"];

/// How often each line came.
type Seen = Arc<Mutex<BTreeMap<String, u64>>>;

/// Takes lines on a port that may have been without a listener before.
fn receiver(port: u16) -> Seen {
    let seen = Seen::default();
    let (listener, shared) = (TcpListener::bind(("127.0.0.1", port)).expect("bound"), Arc::clone(&seen));
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let seen = Arc::clone(&shared);
            std::thread::spawn(move || {
                let mut reader = BufReader::new(socket);
                let mut line = String::new();
                // A line that a broken connection cut is none.
                while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
                    *seen.lock().expect("unpoisoned").entry(line.trim_end().to_owned()).or_default() += 1;
                    line.clear();
                }
            });
        }
    });
    seen
}

#[test]
fn a_killed_and_a_stopped_director_deliver_after_the_next_start_what_they_took_in() {
    for level in LEVELS {
        for signal in [Signal::KILL, Signal::TERM] {
            let (from, to) = (free_port(), free_port());
            let mut installation = Installation::new(&format!("{level}{}", tcp_to_tcp(from, to)));
            installation.start();
            let mut peer = connect(from);
            for n in 0..2000 {
                writeln!(peer, "line {n}").expect("sent");
            }
            installation.wait("kept", |it| {
                let stats = it.json("/stats");
                let (accepted, journal) = (stats["devices"][0]["accepted"].as_u64()?, &stats["journal"]);
                let synced = journal["unsynced"] == 0 || !level.contains("crash");
                (accepted == 2000 && journal["waiting"] == 0 && synced).then_some(())
            });
            installation.signal(signal);
            let status = installation.wait_for_end();
            assert_eq!(status.success(), signal == Signal::TERM, "{}", installation.everything_said());

            let seen = receiver(to);
            installation.start();
            installation
                .wait("delivered", |_| (seen.lock().expect("unpoisoned").len() == 2000).then_some(()));
            installation.signal(Signal::TERM);
            assert!(installation.wait_for_end().success());
            let seen = seen.lock().expect("unpoisoned");
            assert!(seen.values().all(|times| *times == 1), "nothing is repeated");
        }
    }
}

/// Posts lines until it is told to stop; each is posted again until it is answered with 200.
fn poster(port: u16, stop: &Arc<AtomicBool>, acknowledged: &Arc<AtomicU64>) -> std::thread::JoinHandle<()> {
    let (stop, acknowledged) = (Arc::clone(stop), Arc::clone(acknowledged));
    std::thread::spawn(move || {
        let mut next = 0;
        while !stop.load(SeqCst) {
            let body: String = (next..next + 20).map(|n| format!("line {n}\n")).collect();
            if post(port, &body).is_some_and(|status| status == 200) {
                next += 20;
                acknowledged.store(next, SeqCst);
            }
        }
    })
}

fn post(port: u16, body: &str) -> Option<u16> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let len = body.len();
    write!(socket, "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n{body}")
        .ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    answer.split_whitespace().nth(1)?.parse().ok()
}

#[test]
fn random_kills_under_load_lose_nothing_that_was_acknowledged() {
    let kills: u64 = std::env::var("DIRECTOR_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(10);
    for level in LEVELS {
        let (from, to) = (free_port(), free_port());
        let config = format!(
            "{level}devices:\n  - {{id: 1, name: in, type: http, properties: {{address: 127.0.0.1, port: {from}}}}}\n\
             targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {to}}}}}\n\
             routes:\n  - {{name: all, targets: [out]}}\n"
        );
        let mut installation = Installation::new(&config);
        let seen = receiver(to);
        let (stop, acknowledged) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        installation.start();
        let poster = poster(from, &stop, &acknowledged);
        let mut chance = std::process::id().into();
        for _ in 0..kills.div_ceil(2) {
            let before = acknowledged.load(SeqCst);
            installation.wait("more is acknowledged", |_| (acknowledged.load(SeqCst) > before).then_some(()));
            std::thread::sleep(Duration::from_micros(some(&mut chance) % 150_000)); // the random moment
            installation.signal(Signal::KILL);
            installation.wait_for_end();
            installation.start();
        }
        stop.store(true, SeqCst);
        poster.join().expect("no trouble");
        let wanted = acknowledged.load(SeqCst);
        let until = Instant::now() + LIMIT;
        let missing = |seen: &Seen| {
            let seen = seen.lock().expect("unpoisoned");
            (0..wanted).filter(|n| !seen.contains_key(&format!("line {n}"))).count()
        };
        while missing(&seen) > 0 {
            let count = missing(&seen);
            assert!(
                Instant::now() < until,
                "{count} of {wanted} are lost\n{}",
                installation.everything_said()
            );
            std::thread::sleep(Duration::from_millis(20)); // between two looks
        }
        let seen = seen.lock().expect("unpoisoned");
        let repeated: u64 = seen.values().map(|times| times - 1).sum();
        println!("{wanted} acknowledged, {repeated} repeated after {} kills", kills.div_ceil(2));
    }
}

/// A number that looks like chance.
fn some(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}
