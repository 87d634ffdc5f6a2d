//! What stands around a Director under test here: a feed that counts, a receiver that remembers.

use crate::support::{LIMIT, PROGRAM};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with};
use simulations::subject::expect::{At, ElseThan};
use simulations::subject::{Expectation, Fault, FaultId, Setup, Subject, Tree};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Acknowledged when it is in the journal.
pub(crate) const KEPT: &str = "persistent_storage: {status: true, min_free: 0}\n";
/// Acknowledged when it is synced.
pub(crate) const SYNCED: &str = "persistent_storage: {status: true, crash_resistance: true, min_free: 0}\n";

/// This program with this configuration. Without the HTTP API: its free port may be the one that a device is given.
pub(crate) fn setup(configuration: &str) -> Setup {
    Setup::new(PROGRAM, format!("control: {{status: false}}\n{configuration}"))
}

/// A Director that is ready.
pub(crate) async fn started(configuration: &str) -> Subject {
    let subject = Subject::new(setup(configuration)).expect("a folder");
    subject.start().await.expect("started");
    subject
}

/// HTTP device `in` to TCP target `out`.
pub(crate) fn http_to_tcp(from: u16, to: u16) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: http, properties: {{address: 127.0.0.1, port: {from}}}}}\n\
         targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {to}}}}}\n\
         routes:\n  - {{name: all, targets: [out]}}\n"
    )
}

/// Waits until something is so.
pub(crate) async fn until(subject: &Subject, what: &str, mut look: impl AsyncFnMut() -> bool) {
    let limit = Instant::now() + LIMIT;
    while !look().await {
        let said = || format!("{}{}", subject.errors(), subject.log());
        assert!(Instant::now() < limit, "waited in vain: {what}\n{}", said());
        tokio::time::sleep(Duration::from_millis(20)).await; // between two looks
    }
}

/// Waits until a fault struck so often.
pub(crate) async fn until_struck(subject: &Subject, fault: FaultId, times: u64) {
    let struck = async || subject.struck(fault).await.is_ok_and(|struck| struck >= times);
    until(subject, "the fault strikes", struck).await;
}

/// Waits until the tree is as expected.
pub(crate) async fn until_tree(subject: &Subject, before: &Tree, expected: &Expectation) {
    let look = async || {
        let tree = subject.tree().await;
        tree.is_ok_and(|after| expected.check(before, &after).is_ok())
    };
    until(subject, &expected.to_string(), look).await;
}

/// Everybody runs; returns the tree then.
pub(crate) async fn all_run(subject: &Subject) -> Tree {
    let running = Expectation::Running(At { path: "*".to_owned() });
    until_tree(subject, &Tree::default(), &running).await;
    subject.tree().await.expect("a tree")
}

/// Without a fault everything arrives and nothing moves; returns the tree.
pub(crate) async fn all_is_still(subject: &Subject, seen: &Seen) -> Tree {
    more_arrives(subject, seen).await;
    let before = all_run(subject).await;
    more_arrives(subject, seen).await;
    let after = subject.tree().await.expect("a tree");
    let still = Expectation::NothingElseMoved(ElseThan::default());
    assert_eq!(still.check(&before, &after), Ok(()));
    after
}

async fn more_arrives(subject: &Subject, seen: &Seen) {
    let so_far = seen.count();
    until(subject, "more arrives", async || seen.count() >= so_far + 100).await;
}

/// Begins a fault.
pub(crate) async fn begin(subject: &Subject, json: &str) -> FaultId {
    let fault: Fault = serde_json::from_str(json).expect(json);
    subject.begin(&fault).await.expect(json)
}

/// A port that is taken and refuses connections: nobody listens yet.
pub(crate) struct Place(OwnedFd);

impl Place {
    /// Takes any.
    pub(crate) fn reserve() -> Self {
        let socket = socket_with(AddressFamily::INET, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let socket = socket.expect("a socket");
        rustix::net::bind(&socket, &SocketAddrV4::new(Ipv4Addr::LOCALHOST, 0)).expect("bound");
        Self(socket)
    }

    /// Which one it is.
    pub(crate) fn port(&self) -> u16 {
        let address = rustix::net::getsockname(&self.0).expect("bound");
        SocketAddrV4::try_from(address).expect("of this family").port()
    }
}

/// How often each line came; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<BTreeMap<String, u64>>>);

impl Seen {
    /// Takes lines on any port, which it returns, too.
    pub(crate) fn listen() -> (Self, u16) {
        let place = Place::reserve();
        let port = place.port();
        (Self::listen_at(place), port)
    }

    /// Takes lines on a port that refused them until now.
    pub(crate) fn listen_at(Place(socket): Place) -> Self {
        rustix::net::listen(&socket, 100).expect("listening");
        let listener = TcpListener::from(socket);
        let seen = Self::default();
        let shared = seen.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let seen = shared.clone();
                std::thread::spawn(move || seen.take(socket));
            }
        });
        seen
    }

    /// A line that a broken connection cut is none.
    fn take(&self, socket: impl Read) {
        let (mut reader, mut line) = (BufReader::new(socket), String::new());
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line.ends_with('\n') {
            *self.0.lock().expect("unpoisoned").entry(line.trim_end().to_owned()).or_default() += 1;
            line.clear();
        }
    }

    /// How many different lines came.
    pub(crate) fn count(&self) -> u64 {
        self.0.lock().expect("unpoisoned").len() as u64
    }

    /// How many of the first so many lines did not come.
    pub(crate) fn missing(&self, of: u64) -> u64 {
        let seen = self.0.lock().expect("unpoisoned");
        (0..of).filter(|n| !seen.contains_key(&format!("line {n}"))).count() as u64
    }
}

/// Sends lines until it is told to stop.
pub(crate) struct Feed {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicU64>,
    thread: JoinHandle<u64>,
}

impl Feed {
    /// On one TCP connection, which must stay; how many were acknowledged is not known.
    pub(crate) fn lines(port: u16) -> Self {
        let mut socket = TcpStream::connect(("127.0.0.1", port)).expect("connected");
        Self::start(move |stop, _| {
            let mut sent = 0;
            while !stop.load(SeqCst) {
                let lines: String = (sent..sent + 10).map(|n| format!("line {n}\n")).collect();
                if let Err(e) = socket.write_all(lines.as_bytes()) {
                    assert!(stop.load(SeqCst), "the connection ended: {e}");
                    return sent;
                }
                sent += 10;
                std::thread::sleep(Duration::from_millis(2)); // its rate
            }
            sent
        })
    }

    /// Posts by HTTP, each line again until it is acknowledged.
    pub(crate) fn posts(port: u16) -> Self {
        Self::start(move |stop, acknowledged| {
            let mut next = 0;
            while !stop.load(SeqCst) {
                let body: String = (next..next + 20).map(|n| format!("line {n}\n")).collect();
                if post(port, &body) == Some(200) {
                    next += 20;
                    acknowledged.store(next, SeqCst);
                }
            }
            next
        })
    }

    fn start(work: impl FnOnce(&AtomicBool, &AtomicU64) -> u64 + Send + 'static) -> Self {
        let (stop, acknowledged) = (Arc::<AtomicBool>::default(), Arc::<AtomicU64>::default());
        let (told, count) = (Arc::clone(&stop), Arc::clone(&acknowledged));
        let thread = std::thread::spawn(move || work(&told, &count));
        Self { stop, acknowledged, thread }
    }

    /// How many lines are acknowledged.
    pub(crate) fn acknowledged(&self) -> u64 {
        self.acknowledged.load(SeqCst)
    }

    /// Waits until so many more are acknowledged.
    pub(crate) async fn goes_on(&self, subject: &Subject, more: u64) {
        let wanted = self.acknowledged() + more;
        until(subject, "more is acknowledged", async || self.acknowledged() >= wanted).await;
    }

    /// Lets it end when it can.
    pub(crate) fn leave(self) {
        self.stop.store(true, SeqCst);
    }

    /// Ends it; returns how many lines were sent, or acknowledged where that is known.
    pub(crate) fn finish(self) -> u64 {
        self.stop.store(true, SeqCst);
        self.thread.join().expect("no trouble")
    }
}

fn post(port: u16, body: &str) -> Option<u16> {
    let mut socket = TcpStream::connect(("127.0.0.1", port)).ok()?;
    // A Director that stands still acknowledges nothing, and the line is posted again.
    socket.set_read_timeout(Some(LIMIT)).ok()?;
    let len = body.len();
    write!(socket, "POST / HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: {len}\r\n\r\n{body}")
        .ok()?;
    let mut answer = String::new();
    socket.read_to_string(&mut answer).ok()?;
    answer.split_whitespace().nth(1)?.parse().ok()
}

/// Waits until all of the first so many lines came.
pub(crate) async fn until_complete(subject: &Subject, seen: &Seen, of: u64) {
    until(subject, &format!("all {of} lines"), async || seen.missing(of) == 0).await;
}
