//! Files are followed through everything that may happen to them; every line is accounted for.

mod house;

use actors::child::Fault;
use house::writer::{Writer, append};
use house::{Receiver, snapshot, until};
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use supervisors::{Director, Options};

/// A folder with files, a folder for the Director's state, a receiver.
struct Place {
    input: tempfile::TempDir,
    root: tempfile::TempDir,
    receiver: Receiver,
}

impl Place {
    fn new() -> Self {
        let folder = || tempfile::tempdir().expect("temporary folder");
        Self { input: folder(), root: folder(), receiver: Receiver::start() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.input.path().join(name)
    }

    /// A Director that follows `pattern`, with these further properties.
    async fn follow_with(&self, pattern: &str, properties: &str, lanes: usize) -> Director {
        let (path, port) = (self.path(pattern), self.receiver.port);
        let yaml = format!(
            "devices:\n  - {{id: 1, name: in, type: file, properties: {{path: \"{}\"{properties}}}}}\n\
             targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n\
             routes:\n  - {{name: all, devices: [in], targets: [out]}}\n",
            path.display()
        );
        let root = self.root.path().to_owned();
        let options = Options { lanes, root, ..Options::default() };
        Director::start(snapshot(&yaml), options).await.expect("started")
    }

    async fn follow(&self, pattern: &str) -> Director {
        self.follow_with(pattern, "", 2).await
    }

    async fn arrived(&self, name: &str, count: u64) {
        until(&format!("{count} lines of {name} arrived"), || self.receiver.distinct(name) as u64 >= count)
            .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_a_file_and_what_is_added_arrives_once_and_in_order() {
    let place = Place::new();
    let mut writer = Writer::open("w", place.path("a.log"));
    writer.write(5000);
    let director = place.follow("*.log").await;
    writer.go_on(100).await;
    place.arrived("w", writer.written).await;
    place.receiver.assert_complete("w", writer.written);
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("w", writer.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_renamed_under_load_is_read_to_its_end_and_not_again() {
    for pattern in ["in.log*", "in.log"] {
        let place = Place::new();
        let mut writer = Writer::open("w", place.path("in.log"));
        let director = place.follow(pattern).await;
        for number in 0..5 {
            let before = writer.written;
            writer.go_on(50).await;
            // Under a name that nobody follows, a file is read on if it was seen under one that somebody does.
            until("it is being read", || place.receiver.distinct("w") as u64 > before).await;
            writer.go_on(1).await;
            writer.rename(number);
        }
        writer.go_on(50).await;
        place.arrived("w", writer.written).await;
        director.stop().await;
        place.receiver.assert_once("w", writer.written);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_copied_and_truncated_under_load_is_read_once() {
    let place = Place::new();
    let mut writer = Writer::open("w", place.path("in.log"));
    let director = place.follow("in.log*").await;
    for number in 0..5 {
        writer.go_on(50).await;
        writer.copy_and_truncate(number);
    }
    writer.go_on(50).await;
    place.arrived("w", writer.written).await;
    // The last copy is decided about.
    let copies = || (0..5).all(|n| place.path(&format!("in.log.{n}")).exists());
    until("all copies are there", copies).await;
    director.stop().await;
    place.receiver.assert_once("w", writer.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_truncated_file_is_read_from_its_beginning_also_when_it_is_longer_at_once() {
    let place = Place::new();
    let mut writer = Writer::open("w", place.path("in.log"));
    let director = place.follow("in.log").await;
    writer.write(100);
    place.arrived("w", 100).await;
    writer.file.set_len(0).expect("truncated");
    writer.write(1000);
    place.arrived("w", 1100).await;
    director.stop().await;
    place.receiver.assert_once("w", writer.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_stop_under_load_repeats_nothing() {
    let place = Place::new();
    let mut writer = Writer::open("w", place.path("in.log"));
    for _ in 0..3 {
        let director = place.follow("in.log*").await;
        writer.go_on(100).await;
        assert_eq!(director.stop().await.events, 0);
        writer.go_on(10).await;
    }
    let director = place.follow("in.log*").await;
    place.arrived("w", writer.written).await;
    director.stop().await;
    place.receiver.assert_once("w", writer.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_rotated_while_nobody_looked_are_read_on() {
    for pattern in ["in.log*", "in.log"] {
        let place = Place::new();
        let mut writer = Writer::open("w", place.path("in.log"));
        let director = place.follow(pattern).await;
        writer.write(1000);
        place.arrived("w", 1000).await;
        director.stop().await;
        writer.write(500);
        writer.rename(1);
        writer.write(300);
        let director = place.follow(pattern).await;
        place.arrived("w", 1800).await;
        director.stop().await;
        place.receiver.assert_once("w", writer.written);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_copied_and_truncated_while_nobody_looked_is_read_on_in_its_copy() {
    let place = Place::new();
    let mut writer = Writer::open("w", place.path("in.log"));
    let director = place.follow("in.log*").await;
    writer.write(1000);
    place.arrived("w", 1000).await;
    director.stop().await;
    writer.write(500);
    writer.copy_and_truncate(1);
    // More than there was.
    writer.write(3000);
    let director = place.follow("in.log*").await;
    place.arrived("w", 4500).await;
    director.stop().await;
    place.receiver.assert_once("w", writer.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn with_an_old_checkpoint_lines_come_again_and_none_is_lost() {
    let place = Place::new();
    let mut writer = Writer::open("w", place.path("in.log"));
    writer.write(1000);
    let director = place.follow("in.log*").await;
    place.arrived("w", 1000).await;
    director.stop().await;
    let checkpoint = place.root.path().join("storage/cache/file-1.json");
    let old = fs::read(&checkpoint).expect("written at the stop");
    let director = place.follow("in.log*").await;
    writer.write(1000);
    writer.rename(1);
    writer.write(1000);
    place.arrived("w", 3000).await;
    director.stop().await;
    // As if the process had been killed.
    fs::write(&checkpoint, old).expect("written");
    let director = place.follow("in.log*").await;
    writer.write(1);
    place.arrived("w", 3001).await;
    until("what was not written down came again", || place.receiver.lines("w").len() == 5001).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn actors_that_fail_under_load_lose_nothing() {
    for pattern in ["devices/in/collector", "devices/in/reader-0", "checkpoints", "targets/out/sender-0"] {
        let place = Place::new();
        let director = place.follow_with("in.log*", "", 1).await;
        let mut writer = Writer::open("w", place.path("in.log"));
        writer.go_on(20).await;
        place.arrived("w", 1).await;
        for number in 0..3 {
            director.faults().inject(pattern, Fault::Panic);
            writer.go_on(50).await;
            until("the fault was suffered", || director.faults().pending() == 0).await;
            writer.rename(number);
        }
        writer.go_on(20).await;
        place.arrived("w", writer.written).await;
        until("it was started again each time", || director.tree().restarts() >= 3).await;
        assert_eq!(director.tree().restarts(), 3, "{pattern}: nobody else was started again");
        assert_eq!(director.stop().await.events, 0);
        if pattern.starts_with("targets") {
            place.receiver.assert_complete("w", writer.written);
        } else {
            place.receiver.assert_once("w", writer.written);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_on_when_its_lane_is_abandoned() {
    let place = Place::new();
    let mut writer = Writer::open("w", place.path("in.log"));
    let mut director = place.follow_with("in.log", "", 1).await;
    director.watch_lanes(Duration::from_millis(1500)).await;
    writer.go_on(5).await;
    place.arrived("w", writer.written).await;
    director.faults().inject("targets/out/sender-0", Fault::Spin(Duration::from_secs(6)));
    writer.go_on(5).await;
    let abandoned = |tree: &actors::child::Tree| tree.node("lanes/watch").filter(|node| node.trouble);
    director.tree().wait_until(house::LIMIT, abandoned).await.expect("the lane was given up");
    writer.go_on(20).await;
    place.arrived("w", writer.written).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_device_goes_on_where_it_was() {
    let place = Place::new();
    let mut writer = Writer::open("w", place.path("in.log"));
    let mut director = place.follow("in.log*").await;
    let yaml = |size: u32| {
        format!(
            "devices:\n  - {{id: 1, name: in, type: file, properties: {{path: \"{}\", max_message_size: {size}}}}}\n\
             targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n\
             routes:\n  - {{name: all, devices: [in], targets: [out]}}\n",
            place.path("in.log*").display(),
            place.receiver.port
        )
    };
    for size in 1000..1005 {
        writer.go_on(50).await;
        director.apply(snapshot(&yaml(size))).await.expect("applied");
    }
    writer.go_on(20).await;
    place.arrived("w", writer.written).await;
    director.stop().await;
    place.receiver.assert_once("w", writer.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_file_is_read_to_its_end_with_its_last_line_and_a_new_one_from_its_beginning() {
    let place = Place::new();
    let mut writer = Writer::open("w", place.path("in.log"));
    let director = place.follow("in.log").await;
    writer.write(100);
    writer.file.write_all(b"w 100").expect("written");
    place.arrived("w", 100).await;
    fs::remove_file(&writer.path).expect("removed");
    writer.file = append(&writer.path);
    writer.written = 101;
    writer.write(100);
    place.arrived("w", 201).await;
    director.stop().await;
    place.receiver.assert_once("w", writer.written);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_with_the_same_single_line_are_both_read_and_compressed_ones_are_not() {
    let place = Place::new();
    let director = place.follow("*").await;
    for name in ["a.log", "b.log", "c.log.gz"] {
        fs::write(place.path(name), "same 0\n").expect("written");
    }
    until("both lines arrived", || place.receiver.lines("same").len() == 2).await;
    director.stop().await;
    assert_eq!(place.receiver.lines("same"), [0, 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_grow_with_the_same_content_are_all_read() {
    let place = Place::new();
    let director = place.follow("*.log").await;
    let mut first = Writer::open("w", place.path("0.log"));
    first.write(10);
    place.arrived("w", 10).await;
    let mut others: Vec<_> = (1..4).map(|n| Writer::open("w", place.path(&format!("{n}.log")))).collect();
    others.iter_mut().for_each(|writer| writer.write(10));
    until("all are followed", || {
        let open = director.inventory().device("in").expect("there").meters.open.get();
        if open < 4 {
            first.write(1);
            others.iter_mut().for_each(|writer| writer.write(1));
        }
        place.receiver.lines("w").len() as u64 == first.written * 4
    })
    .await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lines_are_put_together_and_the_last_event_is_complete_after_a_time() {
    let place = Place::new();
    let properties = ", multiline: {pattern: '^ ', timeout: 200ms}";
    let director = place.follow_with("in.log", properties, 1).await;
    // The receiver sees lines; what counts is the number of events.
    let mut file = append(&place.path("in.log"));
    file.write_all(b"m 0\n 1\n 2\nm 3\nm 4\n 5\n").expect("written");
    until("the last event is complete", || {
        director.inventory().device("in").expect("there").flow.settled.get() == 3
    })
    .await;
    assert_eq!(director.stop().await.events, 0);
    file.write_all(b" 6\n").expect("written");
    let director = place.follow_with("in.log", properties, 1).await;
    until("the rest is an event", || {
        director.inventory().device("in").expect("there").flow.settled.get() == 1
    })
    .await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_files_are_followed() {
    let place = Place::new();
    let mut writers: Vec<Writer> = (0..1000)
        .map(|n| Writer {
            path: place.path(&format!("{n}.log")),
            ..Writer::open("w", place.path(&format!("{n}.log")))
        })
        .collect();
    let director = place.follow("*.log").await;
    let mut total = 0;
    for _ in 0..3 {
        for writer in &mut writers {
            writer.written = total;
            writer.write(2);
            total += 2;
        }
    }
    place.arrived("w", total).await;
    assert_eq!(director.inventory().device("in").expect("there").meters.open.get(), 1000);
    assert_eq!(director.stop().await.events, 0);
    place.receiver.assert_once("w", total);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_logrotate_does_is_followed() {
    if Command::new("logrotate").arg("--version").output().is_err() {
        eprintln!(
            "SKIPPED: what_logrotate_does_is_followed: logrotate is not installed (apt-get install logrotate)"
        );
        return;
    }
    for how in ["create", "copytruncate", "copytruncate\ncompress", "create\ncompress\ndelaycompress"] {
        let place = Place::new();
        let mut writer = Writer::open("w", place.path("in.log"));
        let rules = place.root.path().join("logrotate.conf");
        let text = format!("\"{}\" {{\nrotate 20\nsu root root\n{how}\n}}\n", writer.path.display());
        fs::write(&rules, text).expect("written");
        let director = place.follow("in.log*").await;
        for _ in 0..4 {
            writer.go_on(30).await;
            // Compressing takes away the archive: what is in it must have been read.
            place.arrived("w", writer.written).await;
            let state = place.root.path().join("state");
            let rotated =
                Command::new("logrotate").arg("--force").arg("--state").arg(state).arg(&rules).output();
            let rotated = rotated.expect("it runs");
            assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
            writer.file = append(&writer.path);
        }
        writer.go_on(30).await;
        place.arrived("w", writer.written).await;
        director.stop().await;
        place.receiver.assert_once("w", writer.written);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_that_is_not_there_yet_is_looked_for() {
    let place = Place::new();
    let director = place.follow_with("later/*.log", ", poll_interval: 50ms", 1).await;
    fs::create_dir(place.path("later")).expect("created");
    let mut writer = Writer::open("w", place.path("later/in.log"));
    writer.write(10);
    place.arrived("w", 10).await;
    director.stop().await;
}
