//! A `file` target whose disk is full, with a spool before it: on a real file system that has no more space, and where the
//! spool's disk is the same and full, too.

mod house;

use house::{connect, free_port, snapshot, until};
use seams::{Disk, Rng, SimulatedDisk};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use supervisors::{Director, Options};

const COUNT: u64 = 40_000;

fn configuration(from: u16, location: &Path) -> String {
    format!(
        "persistent_storage: {{status: true, min_free: 0}}\ndevices:\n  \
         - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {from}}}}}\ntargets:\n  \
         - {{name: out, type: file, properties: {{location: \"{}\", name: lines.txt, format: raw}}}}\n\
         routes:\n  - {{name: all, targets: [out]}}\n",
        location.display()
    )
}

fn send(from: u16) {
    let mut socket = connect(from);
    std::thread::spawn(move || {
        for n in 0..COUNT {
            writeln!(socket, "line {n:>40}").expect("the connection stays");
        }
    });
}

/// Every line is there once, whole and in order.
fn assert_complete(text: &str) {
    let wrong = text.lines().zip(0..).find(|(line, n)| *line != format!("line {n:>40}"));
    assert_eq!(wrong, None, "a line, and the number that it should have");
    assert_eq!(text.lines().count() as u64, COUNT);
}

/// Whether a part of the target is in trouble and says this.
fn says(director: &Director, wanted: &str) -> bool {
    let nodes = director.tree().nodes();
    let of_target = nodes.iter().filter(|node| node.path.starts_with("targets/out/") && node.trouble);
    of_target.filter_map(|node| node.condition.as_deref()).any(|text| text.contains(wanted))
}

/// A small file system of its own, unmounted at the end.
struct Small(PathBuf);

impl Small {
    fn mount(folder: PathBuf, size: &str) -> Option<Self> {
        std::fs::create_dir(&folder).expect("created");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", size, "none"]).arg(&folder).output();
        done.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    fn resize(&self, size: &str) {
        let options = format!("remount,{size}");
        let done = Command::new("mount").args(["-o", &options]).arg(&self.0).status().expect("it runs");
        assert!(done.success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_on_a_full_file_system_gets_everything_once_when_there_is_space() {
    let root = tempfile::tempdir().expect("a folder");
    let Some(small) = Small::mount(root.path().join("small"), "size=512k") else {
        println!("SKIPPED: only root can mount a small file system");
        return;
    };
    let from = free_port();
    let options = Options { lanes: 2, root: root.path().to_owned(), ..Options::default() };
    let director = Director::start(snapshot(&configuration(from, &small.0)), options).await.expect("started");
    send(from);
    let out = director.inventory().target("out").expect("configured");
    let all = || out.flow.delivered.get() + out.flow.spooled.get() == COUNT;
    until("all is in the file or on disk", || all() && director.inventory().held() == 0).await;
    assert!(out.spool.flow.held() > 0, "the file system is full");
    until("it says so", || says(&director, "make room")).await;
    small.resize("size=64m");
    until("all is delivered", || out.spool.flow.held() == 0).await;
    assert_eq!(director.stop().await.events, 0);
    assert_complete(&std::fs::read_to_string(small.0.join("lines.txt")).expect("text"));
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_spools_disk_is_full_too_sources_wait_and_all_goes_on_by_itself() {
    let disk = SimulatedDisk::new(Rng::seeded(3));
    // A journal of small segments, and nothing for the spool, whose segments are larger than that.
    disk.set_capacity(1 << 20);
    let journal = journal::Options {
        segment_bytes: 64 << 10,
        quota_bytes: 1 << 20,
        floor_bytes: 0,
        ..journal::Options::default()
    };
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let (root, from) = (PathBuf::from("/director"), free_port());
    let options = Options { lanes: 2, disk: shared, root, journal: Some(journal), ..Options::default() };
    let folder = PathBuf::from("/files");
    let director = Director::start(snapshot(&configuration(from, &folder)), options).await.expect("started");
    send(from);
    let device = director.inventory().device("in").expect("configured");
    until("the file can't be written", || says(&director, "make room")).await;
    until("nor the spool", || says(&director, "its sources wait")).await;
    assert!(device.flow.held() > 0, "sources wait");
    disk.set_capacity(1 << 30);
    until("all is taken in", || device.flow.accepted.get() == COUNT).await;
    let out = director.inventory().target("out").expect("configured");
    until("all is delivered", || director.inventory().held() == 0 && out.spool.flow.held() == 0).await;
    assert_eq!(director.stop().await.events, 0);
    let bytes = seams::read_file(&disk, &folder.join("lines.txt")).expect("there");
    assert_complete(&String::from_utf8(bytes).expect("text"));
}
