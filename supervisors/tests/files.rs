//! The `file` target under load, failures and a full disk.

mod house;

use actors::child::Fault;
use house::{Sender, connect, free_port, snapshot, start, until};
use seams::{Disk, Rng, SimulatedDisk, read_file};
use std::collections::HashMap;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use supervisors::{Director, Options};

fn to_file(in_port: u16, properties: &str) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n  - {{name: out, type: file, properties: {{{properties}}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n"
    )
}

/// The whole lines of all files in a folder, by sender.
fn lines(disk: &dyn Disk, folder: &Path) -> HashMap<String, Vec<u64>> {
    let mut lines: HashMap<String, Vec<u64>> = HashMap::new();
    let mut names: Vec<String> =
        disk.list(folder).unwrap_or_default().into_iter().map(|entry| entry.name).collect();
    names.sort();
    for name in names {
        let text = String::from_utf8(read_file(disk, &folder.join(name)).expect("readable")).expect("text");
        let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
        for line in whole.lines() {
            let (sender, number) = line.split_once(' ').expect("a whole line");
            let number = number.trim_end_matches('.').parse().expect("a whole number");
            lines.entry(sender.to_owned()).or_default().push(number);
        }
    }
    lines
}

fn distinct(lines: &HashMap<String, Vec<u64>>, sender: &str) -> u64 {
    let Some(numbers) = lines.get(sender) else { return 0 };
    let mut numbers = numbers.clone();
    numbers.sort_unstable();
    numbers.dedup();
    numbers.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn a_writer_that_panics_loses_nothing_and_leaves_no_half_line() {
    let (folder, in_port) = (tempfile::tempdir().expect("a folder"), free_port());
    let path = folder.path().display();
    let properties = format!("location: \"{path}\", format: raw, max_size: 100KB");
    let director = start(&to_file(in_port, &properties), 2).await;
    let senders: Vec<Sender> = (0..3).map(|n| Sender::start(&format!("s{n}"), in_port)).collect();
    let inventory = director.inventory().clone();
    let target = inventory.target("out").expect("there");
    for _ in 0..3 {
        let before = target.flow.delivered.get();
        until("it goes on", || target.flow.delivered.get() > before + 1000).await;
        director.faults().inject("targets/out/writer", Fault::Panic);
        until("the fault was suffered", || director.faults().pending() == 0).await;
    }
    let sent: Vec<(String, u64)> =
        senders.into_iter().map(|sender| (sender.name.clone(), sender.finish())).collect();
    until("everything is settled", || inventory.held() == 0).await;
    assert_eq!(director.stop().await.events, 0);
    let lines = lines(&seams::RealDisk, folder.path());
    for (sender, sent) in sent {
        assert_eq!(distinct(&lines, &sender), sent, "{sender}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_holds_the_sources_up_and_is_got_over() {
    let (disk, in_port) = (SimulatedDisk::new(Rng::seeded(3)), free_port());
    disk.set_capacity(100_000);
    let yaml = to_file(in_port, "location: /out, name: out.log, format: raw");
    let options = Options { lanes: 1, disk: Arc::new(disk.clone()), ..Options::default() };
    let director = Director::start(snapshot(&yaml), options).await.expect("started");
    let sender = Sender::start("s", in_port);
    let trouble = || {
        let node = director.tree().node("targets/out/writer")?;
        node.condition.filter(|_| node.trouble)
    };
    until("the full disk is reported", || trouble().is_some_and(|text| text.contains("make room"))).await;
    let target = director.inventory().target("out").expect("there");
    let delivered = target.flow.delivered.get();
    until("more waits", || target.flow.held() > 1000).await;
    assert_eq!(target.flow.delivered.get(), delivered);
    let written = read_file(&disk, Path::new("/out/out.log")).unwrap_or_default();
    assert!(written.is_empty() || written.ends_with(b"\n"), "half a line");
    disk.set_capacity(1 << 30);
    until("it recovers", || trouble().is_none()).await;
    let sent = sender.finish();
    until("everything is settled", || target.flow.delivered.get() == sent).await;
    assert_eq!(director.stop().await.events, 0);
    let lines = lines(&disk, Path::new("/out"));
    assert_eq!(lines["s"], (0..sent).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_a_file_has_json_lines() {
    let (folder, in_port) = (tempfile::tempdir().expect("a folder"), free_port());
    let properties = format!("location: \"{}\"", folder.path().display());
    let director = start(&to_file(in_port, &properties), 1).await;
    connect(in_port).write_all(b"hello \xff\n").expect("sent");
    let target = director.inventory().target("out").expect("there");
    until("it is written", || target.flow.delivered.get() == 1).await;
    assert_eq!(director.stop().await.events, 0);
    let entry = std::fs::read_dir(folder.path()).expect("there").next().expect("a file").expect("readable");
    let name = entry.file_name().into_string().expect("text");
    assert!(name.starts_with("vmetric.") && name.ends_with(".json"), "{name}");
    let text = std::fs::read_to_string(entry.path()).expect("text");
    assert!(
        text.starts_with("{\"epoch\":") && text.ends_with(",\"message\":\"hello \u{fffd}\"}\n"),
        "{text}"
    );
}
