//! `-replay` and `-journal` with the real program and persistent storage.

mod support;

use serde_json::Value;
use std::io::Write;
use support::{Installation, Receiver, connect, free_port, stderr, stdout, tcp_to_tcp};

#[test]
fn a_span_of_the_kept_journal_is_listed_extracted_and_sent_once_more() {
    let (receiver, port) = (Receiver::new(), free_port());
    let configuration = tcp_to_tcp(port, receiver.port);
    let mut installation =
        Installation::new(&format!("persistent_storage: {{status: true}}\n{configuration}"));
    installation.start();
    let mut socket = connect(port);
    for n in 0..20 {
        writeln!(socket, "line {n}").expect("sent");
    }
    let lines: Vec<String> = (0..20).map(|n| format!("line {n}")).collect();
    assert_eq!(receiver.take(20), lines);
    let folder = installation.path().join("storage/journal");
    let folder = folder.to_str().expect("text");
    let extracted = installation.wait("the journal has them", |it| {
        let output = it.run(&["-journal", "extract", folder]);
        (stdout(&output).lines().count() == 20).then(|| stdout(&output))
    });
    assert_eq!(extracted.lines().collect::<Vec<_>>(), lines);
    let output = installation.run(&["-journal", "extract", folder, "-json"]);
    let first: Value = serde_json::from_str(stdout(&output).lines().next().expect("one")).expect("JSON");
    assert_eq!(
        (&first["device"], &first["event"], &first["sequence"]),
        (&"in".into(), &"line 0".into(), &0.into())
    );
    let listed = stdout(&installation.run(&["-journal"]));
    assert!(listed.contains("storage/journal: ") && listed.contains("cursor "), "{listed}");

    for _ in 0..2 {
        let output = installation.run(&["-replay", "-target", "out"]);
        let text = stdout(&output);
        assert_eq!(
            text.lines().last(),
            Some("20 events replayed, 0 of them are in quarantine again"),
            "{text}"
        );
        assert_eq!(receiver.take(20), lines, "what is sent once more is not kept once more");
    }
    let output = installation.run(&["-replay", "-target", "out", "-to", "2001-01-01T00:00:00Z"]);
    assert!(stdout(&output).starts_with("0 events replayed"), "{}", stdout(&output));
    assert_eq!(installation.run(&["-replay"]).status.code(), Some(2));
    let output = installation.run(&["-replay", "-target", "out", "-device", "nobody"]);
    assert!(stderr(&output).contains("no device \"nobody\""), "{}", stderr(&output));
    assert_eq!(installation.counter("devices", "in", "accepted"), 20);
    assert!(receiver.rest().is_empty());
}
