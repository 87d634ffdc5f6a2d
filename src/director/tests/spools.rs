//! Spools of a real process: what SIGKILL leaves of them.

mod support;

use rustix::process::Signal;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};
use support::{Installation, connect, device, free_port, stderr, stdout, tcp_to_tcp};

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

#[test]
fn spools_are_listed_extracted_and_purged_with_a_director_and_without() {
    let (port, to) = (free_port(), free_port());
    let mut installation = Installation::new(&format!(
        "persistent_storage: {{status: true, min_free: 0}}\n{}",
        tcp_to_tcp(port, to)
    ));
    assert_eq!(stdout(&installation.run(&["-spools"])), "no spools\n");
    installation.start();
    let mut peer = connect(port);
    let spool_lines = |peer: &mut std::net::TcpStream, it: &Installation, all: u64| {
        for n in 0..20 {
            writeln!(peer, "line {n}").expect("sent");
        }
        it.wait("on disk", |it| (it.counter("targets", "out", "spooled") == all).then_some(()));
    };
    spool_lines(&mut peer, &installation, 20);
    let listed = stdout(&installation.run(&["-spools", "list"]));
    assert!(listed.starts_with("out ") && listed.contains(" 20 deliveries, "), "{listed}");
    assert!(listed.contains(" since 2") && listed.trim_end().ends_with("(in use)"), "{listed}");
    let folder = installation.path().join("storage/spool/out");
    let folder = folder.to_str().expect("text");
    let lines: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    let extracted = stdout(&installation.run(&["-journal", "extract", folder]));
    assert_eq!(extracted.lines().collect::<Vec<_>>(), lines);
    let json = stdout(&installation.run(&["-journal", "extract", folder, "-json"]));
    let last: serde_json::Value = serde_json::from_str(json.lines().last().expect("one")).expect("JSON");
    assert_eq!(
        (&last["event"], &last["sequence"], &last["device_id"]),
        (&"line 19".into(), &19.into(), &1.into())
    );

    let purged = stdout(&installation.run(&["-spools", "purge", "out"]));
    assert!(purged.starts_with("20 deliveries (") && purged.ends_with(" purged\n"), "{purged}");
    assert_eq!(installation.counter("targets", "out", "held"), 0);
    // The Director goes on with it, and leaves it behind.
    spool_lines(&mut peer, &installation, 40);
    let discard = "targets:\n  - {name: other, type: discard}\nroutes:\n  - {name: all, targets: [other]}\n";
    installation.signal(Signal::TERM);
    assert!(installation.wait_for_end().success());
    let listed = stdout(&installation.run(&["-spools"]));
    assert!(listed.contains(" 20 deliveries, ") && listed.trim_end().ends_with("bytes of disk"), "{listed}");
    installation.write("vmetric.yml", &format!("control: {{port: 0}}\n{}{discard}", device(1, "in", port)));
    installation.start();
    installation.wait_for_log("-spools purge out");
    let listed = stdout(&installation.run(&["-spools", "-json"]));
    let left: serde_json::Value = serde_json::from_str(&listed).expect("JSON");
    assert_eq!(
        (&left["target"], &left["state"], &left["deliveries"]),
        (&"out".into(), &"left behind".into(), &20.into())
    );
    let refused = installation.run(&["-spools", "purge", "nobody"]);
    assert!(!refused.status.success() && stderr(&refused).contains("no spool of \"nobody\""), "{refused:?}");
    installation.signal(Signal::TERM);
    assert!(installation.wait_for_end().success());
    let purged = stdout(&installation.run(&["-spools", "purge", "out"]));
    assert!(purged.starts_with("20 deliveries (") && purged.contains("free again"), "{purged}");
    assert_eq!(stdout(&installation.run(&["-spools"])), "no spools\n");
    for wrong in [&["-spools", "purge"][..], &["-spools", "drop", "out"]] {
        assert_eq!(installation.run(wrong).status.code(), Some(2));
    }
}
