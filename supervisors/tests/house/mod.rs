//! A Director in a test, with a receiver that checks lines and senders that number them.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

pub mod writer;

use config::Source;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use supervisors::{Director, Options};

/// Nothing in these tests takes longer.
pub const LIMIT: Duration = Duration::from_secs(30);

/// A port that nobody uses at present.
pub fn free_port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").expect("loopback");
    socket.local_addr().expect("bound").port()
}

/// A snapshot of this configuration.
pub fn snapshot(yaml: &str) -> config::Snapshot {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("vmetric.yml");
    std::fs::write(&file, yaml).expect("written");
    let loaded = config::load(&Source::File(file), &|_| None);
    loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

/// Starts a Director with this configuration on so many lanes.
pub async fn start(yaml: &str, lanes: usize) -> Director {
    let options = Options { lanes, ..Options::default() };
    Director::start(snapshot(yaml), options).await.expect("started")
}

/// The same with a disk in memory, for what goes to quarantine.
pub async fn start_on_memory(yaml: &str, lanes: usize) -> Director {
    let disk = Arc::new(seams::SimulatedDisk::new(seams::Rng::seeded(1)));
    let options = Options { lanes, disk, ..Options::default() };
    Director::start(snapshot(yaml), options).await.expect("started")
}

/// Waits until a condition holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A TCP receiver that takes lines `SENDER NUMBER`.
pub struct Receiver {
    pub port: u16,
    seen: Arc<Mutex<Seen>>,
}

/// What came of each sender.
type Seen = HashMap<String, Of>;

#[derive(Default)]
struct Of {
    /// By the connection on which it came.
    lines: BTreeMap<usize, Vec<u64>>,
    /// Counted as they come: tests ask again and again while more comes.
    distinct: HashSet<u64>,
}

impl Receiver {
    pub fn start() -> Self {
        Self::start_on(0)
    }

    pub fn start_on(port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let seen = Arc::<Mutex<Seen>>::default();
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for (connection, socket) in listener.incoming().map_while(Result::ok).enumerate() {
                let seen = Arc::clone(&shared);
                std::thread::spawn(move || take_lines(connection, socket, &seen));
            }
        });
        Self { port, seen }
    }

    /// How many different lines of a sender came.
    pub fn distinct(&self, sender: &str) -> usize {
        self.seen.lock().expect("unpoisoned").get(sender).map_or(0, |of| of.distinct.len())
    }

    /// All lines of a sender, by connection and in the order of their arrival on it.
    pub fn lines(&self, sender: &str) -> Vec<u64> {
        let seen = self.seen.lock().expect("unpoisoned");
        seen.get(sender).map(|of| of.lines.values().flatten().copied().collect()).unwrap_or_default()
    }

    /// Asserts that each number below `count` came, and no line twice.
    pub fn assert_once(&self, sender: &str, count: u64) {
        let mut times = BTreeMap::<u64, u32>::new();
        self.lines(sender).into_iter().for_each(|number| *times.entry(number).or_default() += 1);
        let missing: Vec<u64> = (0..count).filter(|number| !times.contains_key(number)).collect();
        let repeated: Vec<_> = times.iter().filter(|(_, times)| **times > 1).collect();
        assert!(missing.is_empty(), "{sender}: {} lines are missing: {missing:?}", missing.len());
        assert!(repeated.is_empty(), "{sender}: {} lines came again: {repeated:?}", repeated.len());
        assert_eq!(times.len() as u64, count, "{sender}: unknown lines");
    }

    /// Asserts that each number below `count` came, and that those of one connection came one after the other.
    pub fn assert_complete(&self, sender: &str, count: u64) {
        assert_eq!(self.distinct(sender) as u64, count, "{sender}: lines are missing or invented");
        let seen = self.seen.lock().expect("unpoisoned");
        for (connection, numbers) in &seen[sender].lines {
            for pair in numbers.windows(2) {
                assert_eq!(pair[0] + 1, pair[1], "{sender}: out of order on connection {connection}");
            }
        }
    }
}

/// Takes whole lines; one that a broken connection cut is none.
fn take_lines(connection: usize, socket: TcpStream, seen: &Mutex<Seen>) {
    let mut reader = BufReader::new(socket);
    let mut line = String::new();
    while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
        let (sender, number) = message(line.trim_end()).split_once(' ').expect("a whole line");
        let number = number.trim_end_matches('.').parse().expect("a whole number");
        let mut seen = seen.lock().expect("unpoisoned");
        let of = seen.entry(sender.to_owned()).or_default();
        of.lines.entry(connection).or_default().push(number);
        of.distinct.insert(number);
        line.clear();
    }
}

/// The message of an event: the line itself, or what a JSON event has in its field `message`.
fn message(line: &str) -> &str {
    let Some((_, rest)) = line.split_once("\"message\":\"") else { return line };
    rest.split_once('"').expect("a whole event").0
}

/// A sender of lines `NAME NUMBER` on one connection.
pub struct Sender {
    pub name: String,
    stop: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<u64>,
}

impl Sender {
    /// Connects as soon as somebody listens, and sends until it is told to stop.
    pub fn start(name: &str, port: u16) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, sender) = (Arc::clone(&stop), name.to_owned());
        let thread = std::thread::spawn(move || {
            let mut socket = connect(port);
            let mut sent = 0;
            while !told.load(SeqCst) {
                let mut lines = String::new();
                for number in sent..sent + 50 {
                    lines.push_str(&format!("{sender} {number}....................\n"));
                }
                socket.write_all(lines.as_bytes()).expect("the connection stays");
                sent += 50;
                std::thread::sleep(Duration::from_millis(1));
            }
            sent
        });
        Self { name: name.to_owned(), stop, thread }
    }

    /// Ends it; returns how many lines were sent.
    pub fn finish(self) -> u64 {
        self.stop.store(true, SeqCst);
        self.thread.join().expect("the sender had no trouble")
    }
}

/// Connects as soon as somebody listens.
pub fn connect(port: u16) -> TcpStream {
    let deadline = Instant::now() + LIMIT;
    loop {
        match TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))) {
            Ok(socket) => return socket,
            Err(e) => assert!(Instant::now() < deadline, "nobody listens: {e}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// TCP device `in` to TCP target `out`.
pub fn relay(in_port: u16, out_port: u16) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {out_port}}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n"
    )
}
