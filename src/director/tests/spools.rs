//! Spools of a real process: what SIGKILL leaves of them.

mod support;

use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use support::{Installation, connect, free_port, tcp_to_tcp};

const COUNT: u64 = 25_000;

/// Takes whole lines from one connection after the other.
fn receive(port: u16) -> Arc<Mutex<Vec<u64>>> {
    let (socket, lines) =
        (TcpListener::bind(("127.0.0.1", port)).expect("free"), Arc::<Mutex<Vec<u64>>>::default());
    let taken = Arc::clone(&lines);
    std::thread::spawn(move || {
        while let Ok((peer, _)) = socket.accept() {
            let (mut peer, mut line) = (BufReader::new(peer), String::new());
            while peer.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
                taken.lock().expect("unpoisoned").push(line.trim().parse().expect("a number"));
                line.clear();
            }
        }
    });
    lines
}

#[test]
fn after_sigkill_everything_that_was_spooled_comes_at_least_once() {
    let (port, to) = (free_port(), free_port());
    let config = format!("persistent_storage: {{status: true, min_free: 0}}\n{}", tcp_to_tcp(port, to));
    let mut installation = Installation::new(&config);
    installation.start();
    let mut peer = connect(port);
    for n in 0..COUNT {
        writeln!(peer, "{n}").expect("sent");
    }
    let spooled = |it: &Installation| (it.counter("targets", "out", "spooled") == COUNT).then_some(());
    installation.wait("all is on disk", spooled);
    installation.signal(Signal::KILL);
    assert!(!installation.wait_for_end().success());
    let lines = receive(to);
    installation.start();
    installation.wait("some came", |_| (!lines.lock().expect("unpoisoned").is_empty()).then_some(()));
    // In the middle of catching up, or soon after.
    installation.signal(Signal::KILL);
    assert!(!installation.wait_for_end().success());
    installation.start();
    let distinct = || lines.lock().expect("unpoisoned").iter().copied().collect::<BTreeSet<u64>>();
    installation.wait("all came", |_| (distinct().len() as u64 == COUNT).then_some(()));
    let lines = lines.lock().expect("unpoisoned");
    let back = lines.windows(2).filter(|pair| pair[1] != pair[0] + 1).count();
    assert!(back <= 1, "it goes back once, where the second process was killed");
}
