//! `-quarantine` and `-journal` with the real program.

mod support;

use serde_json::Value;
use std::io::Write;
use std::net::TcpStream;
use support::{Installation, Receiver, connect, free_port, stderr, stdout, tcp_to_tcp};

/// A relay whose pipeline fails on events that say `bad`, and goes in circles on those that say `poison`.
fn configuration(from: u16, to: u16, bad: &str) -> String {
    let relay = tcp_to_tcp(from, to).replace("targets: [out]}", "pipelines: [careful], targets: [out]}");
    format!(
        "quarantine: {{max_size: 4MiB}}\n{relay}pipelines:\n  - name: careful\n    quarantine: true\n    processors:\n      \
         - set: {{field: turn, value: 1, tag: again}}\n      \
         - go_to: {{target_tag: again, if: 'message contains \"poison\"'}}\n      \
         - fail: {{message: 'what is this', if: 'message contains \"{bad}\"'}}\n"
    )
}

/// A Director that was sent these lines and has settled them.
fn director(lines: &[&str]) -> (Installation, Receiver, TcpStream, u16) {
    let (receiver, port) = (Receiver::new(), free_port());
    let mut installation = Installation::new(&configuration(port, receiver.port, "bad"));
    installation.start();
    let mut socket = connect(port);
    for line in lines {
        writeln!(socket, "{line}").expect("sent");
    }
    let count = lines.len() as u64;
    installation
        .wait("all are settled", |it| (it.counter("devices", "in", "settled") == count).then_some(()));
    (installation, receiver, socket, port)
}

fn json(installation: &Installation, flags: &[&str]) -> Vec<Value> {
    let output = installation.run(&[flags, &["-json"]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    stdout(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn ids(installation: &Installation) -> Vec<u64> {
    json(installation, &["-quarantine"]).iter().filter_map(|event| event["id"].as_u64()).collect()
}

#[test]
fn events_are_listed_shown_replayed_and_purged() {
    let (installation, receiver, _open, port) =
        director(&["one", "bad two", "three", "poison four", "bad five"]);
    assert_eq!(receiver.take(2).len(), 2);
    let all = json(&installation, &["-quarantine", "list"]);
    let texts: Vec<&str> = all.iter().filter_map(|event| event["event"].as_str()).collect();
    assert_eq!(texts, ["bad two", "poison four", "bad five"]);
    assert_eq!((&all[1]["cause"], &all[1]["device"]["name"]), (&"poison".into(), &"in".into()));
    let table = stdout(&installation.run(&["-quarantine"]));
    assert!(table.contains("what is this") && table.contains("3 events, 3 of them not replayed"), "{table}");
    let one = stdout(&installation.run(&["-quarantine", "show", "0"]));
    assert!(
        one.contains("received  bad two") && one.contains("route all, pipelines [careful], target out"),
        "{one}"
    );
    assert_eq!(installation.run(&["-quarantine", "show", "7"]).status.code(), Some(1));

    installation.write(
        "vmetric.yml",
        &format!("control: {{port: 0}}\n{}", configuration(port, receiver.port, "worse")),
    );
    assert!(installation.run(&["-reload"]).status.success());
    installation.wait("the other pipeline", |it| {
        (it.json("/health")["config"]["generation"].as_u64()? >= 2).then_some(())
    });
    let output = installation.run(&["-quarantine", "replay", "cause=failed"]);
    assert_eq!(stdout(&output).lines().last(), Some("2 events replayed, 0 of them are in quarantine again"));
    let arrived = receiver.take(2);
    assert!(arrived[0].contains("bad two") && arrived[1].contains("bad five"), "{arrived:?}");
    let replayed: Vec<bool> = json(&installation, &["-quarantine"])
        .iter()
        .filter_map(|event| event["replayed"].as_bool())
        .collect();
    assert_eq!(replayed, [true, false, true]);

    assert_eq!(stdout(&installation.run(&["-quarantine", "purge", "replayed"])), "2 events purged\n");
    assert_eq!(ids(&installation), [1]);
    let metrics = installation.get("/metrics").expect("an answer").1;
    assert!(
        metrics.contains("vmetric_quarantine_events 1")
            && metrics.contains("vmetric_quarantine_kept_total 3")
    );
    assert!(receiver.rest().is_empty());
}

#[test]
fn a_stopped_directors_quarantine_can_be_seen_and_purged_but_not_replayed() {
    let (mut installation, _receiver, open, _) = director(&["bad one", "bad two"]);
    drop(open);
    assert!(installation.run(&["-stop"]).status.success());
    installation.wait_for_end();
    assert_eq!(ids(&installation), [0, 1]);
    assert_eq!(installation.run(&["-quarantine", "replay", "all"]).status.code(), Some(5));
    assert_eq!(stdout(&installation.run(&["-quarantine", "purge", "0"])), "1 events purged\n");
    assert_eq!(ids(&installation), [1]);
    installation.start();
    assert_eq!(ids(&installation), [1], "and a Director that starts agrees");
    assert_eq!(stdout(&installation.run(&["-quarantine", "purge", "all"])), "1 events purged\n");
    assert_eq!(stdout(&installation.run(&["-quarantine"])), "no events\n");
}

#[test]
fn events_survive_a_kill() {
    let (mut installation, _receiver, _open, _) = director(&["bad one"]);
    installation.signal(rustix::process::Signal::KILL);
    installation.wait_for_end();
    assert_eq!(ids(&installation), [0]);
}

#[test]
fn orders_that_are_not_clear_are_refused_with_what_would_be_right() {
    let (installation, _receiver, _open, _) = director(&["bad one"]);
    for flags in
        [&["-quarantine", "purge"][..], &["-quarantine", "drop", "1"], &["-quarantine", "purge", "some"]]
    {
        let output = installation.run(flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(
            stderr(&output).contains("write") || stderr(&output).contains("say which"),
            "{}",
            stderr(&output)
        );
    }
    let output = installation.run(&["-quarantine", "replay", "all", "-target", "nowhere"]);
    assert!(stderr(&output).contains("there is no target \"nowhere\""), "{}", stderr(&output));
    assert_eq!(ids(&installation), [0]);
}

#[test]
fn a_journal_is_listed_verified_and_extracted_beside_its_director() {
    let (installation, _receiver, _open, _) = director(&["bad one", "bad two", "bad three"]);
    let folder = installation.path().join("storage/quarantine");
    let folder = folder.to_str().expect("text");
    for words in [&["-journal"][..], &["-journal", "list", folder], &["-journal", folder]] {
        let text = stdout(&installation.run(words));
        assert!(text.contains("3 records (positions 0 to 3) in 1 segments"), "{text}");
    }
    let found = json(&installation, &["-journal", "cursors"]);
    assert_eq!((found.len(), &found[0]["segments"][0]["positions"]), (1, &serde_json::json!([0, 3])));
    let verified = installation.run(&["-journal", "verify"]);
    assert!(verified.status.success() && stdout(&verified).contains("all checksums are right"));
    assert_eq!(stdout(&installation.run(&["-journal", "extract"])), "bad one\nbad two\nbad three\n");
    assert_eq!(stdout(&installation.run(&["-journal", "extract", "-from", "1", "-to", "2"])), "bad two\n");
    assert_eq!(stdout(&installation.run(&["-journal", "extract", "-to", "2001-01-01T00:00:00Z"])), "");
    assert_eq!(json(&installation, &["-journal", "extract", "-from=2"])[0]["event"], "bad three");
    assert_eq!(installation.run(&["-journal", "extract", "-from", "soon"]).status.code(), Some(2));
}

#[test]
fn damage_is_found_and_the_rest_is_readable() {
    let (mut installation, _receiver, _open, _) = director(&["bad one", "bad two", "bad three"]);
    assert!(installation.run(&["-stop"]).status.success());
    installation.wait_for_end();
    let folder = installation.path().join("storage/quarantine");
    let damaged =
        std::fs::read_dir(&folder).expect("there").map(|entry| entry.expect("an entry").path()).any(|path| {
            let mut bytes = std::fs::read(&path).expect("read");
            let Some(at) = bytes.windows(7).position(|window| window == b"bad two") else { return false };
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).expect("written");
            true
        });
    assert!(damaged);
    let verified = installation.run(&["-journal", "verify"]);
    assert_eq!(verified.status.code(), Some(1));
    assert!(stdout(&verified).contains("1 records in 1 places can't be read"), "{}", stdout(&verified));
    let listed = stdout(&installation.run(&["-quarantine"]));
    assert!(listed.contains("2 events") && listed.contains("1 are damaged"), "{listed}");
    let extracted = installation.run(&["-journal", "extract"]);
    assert_eq!(stdout(&extracted), "bad one\nbad three\n");
    assert!(stderr(&extracted).contains("positions 1 to 2 are damaged"), "{}", stderr(&extracted));
}
