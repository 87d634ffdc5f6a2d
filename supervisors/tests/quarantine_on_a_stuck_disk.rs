//! A disk that does not answer holds up whoever sets an event aside, for a while, and nobody else.

mod house;

use event::Cause;
use house::{Receiver, connect, free_port, snapshot, until};
use parking_lot::{Condvar, Mutex};
use seams::{Disk, DiskFile, DiskLock, Entry, OpenMode, RealDisk};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use supervisors::{Director, Options};

/// A disk on which nothing can be opened while it is stuck.
#[derive(Debug)]
struct StuckDisk {
    disk: RealDisk,
    is_stuck: Mutex<bool>,
    changed: Condvar,
}

impl StuckDisk {
    fn release(&self) {
        *self.is_stuck.lock() = false;
        self.changed.notify_all();
    }

    fn wait(&self) {
        let mut stuck = self.is_stuck.lock();
        self.changed.wait_while(&mut stuck, |stuck| *stuck);
    }
}

impl Disk for StuckDisk {
    fn create_folder(&self, folder: &Path) -> io::Result<()> {
        self.wait();
        self.disk.create_folder(folder)
    }

    fn open(&self, file: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.wait();
        self.disk.open(file, mode)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove(&self, file: &Path) -> io::Result<()> {
        self.disk.remove(file)
    }

    fn list(&self, folder: &Path) -> io::Result<Vec<Entry>> {
        self.disk.list(folder)
    }

    fn folders(&self, folder: &Path) -> io::Result<Vec<String>> {
        self.disk.folders(folder)
    }

    fn remove_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.remove_folder(folder)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        self.disk.sync_folder(folder)
    }

    fn free_bytes(&self, folder: &Path) -> io::Result<u64> {
        self.disk.free_bytes(folder)
    }

    fn lock(&self, file: &Path) -> io::Result<DiskLock> {
        self.wait();
        self.disk.lock(file)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn others_go_on_and_events_are_dropped_and_counted_until_it_answers() {
    let root = tempfile::tempdir().expect("a folder");
    let disk = Arc::new(StuckDisk { disk: RealDisk, is_stuck: Mutex::new(true), changed: Condvar::new() });
    let (receiver, in_port, calm) = (Receiver::start(), free_port(), free_port());
    let yaml = format!(
        "quarantine: {{max_size: 1MiB}}
devices:
  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}
  - {{id: 2, name: calm, type: tcp, properties: {{address: 127.0.0.1, port: {calm}}}}}
targets:
  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}
routes:
  - {{name: careful, devices: [in], pipelines: [careful], targets: [out]}}
  - {{name: plain, devices: [calm], targets: [out]}}
pipelines:
  - {{name: careful, quarantine: true, processors: [{{fail: {{message: no, if: 'message contains \"bad\"'}}}}]}}
",
        receiver.port
    );
    let shared: Arc<dyn Disk> = disk.clone();
    let options = Options { lanes: 1, disk: shared, root: root.path().to_owned(), ..Options::default() };
    let director = Director::start(snapshot(&yaml), options).await.expect("started");
    let meters = director.view().quarantine().meters();
    let mut socket = connect(in_port);
    socket.write_all(b"bad 1\n").expect("sent");
    let mut other = connect(calm);
    for n in 0..1000 {
        writeln!(other, "s {n}").expect("sent");
    }
    until("the other device's events arrived on the same lane", || receiver.distinct("s") == 1000).await;
    assert_eq!((meters.kept.get(), meters.not_kept.get()), (0, 0), "it is still waited for");

    let target = director.inventory().target("out").expect("there");
    until("it was waited for long enough", || target.flow.dropped.get(Cause::Failed) == 1).await;
    assert_eq!(meters.not_kept.get(), 1);
    disk.release();
    until("the next ones are kept", || {
        socket.write_all(b"bad 2\n").expect("sent");
        meters.kept.get() > 0
    })
    .await;
    until("all is settled", || director.inventory().held() == 0).await;
    assert_eq!(target.flow.quarantined.get(Cause::Failed), meters.kept.get());
    assert_eq!(director.tree().restarts(), 0);
    assert_eq!(director.stop().await.events, 0);
}
