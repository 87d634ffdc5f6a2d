//! The real program in a folder of its own, on free ports.

#![allow(dead_code)] // each test file uses a part

use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// Everything that is waited for comes within this time, or the test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(45);

/// The program.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_vmetric-director");

/// An installation in a folder of its own; a Director that still runs at the end is killed.
pub(crate) struct Installation {
    folder: TempDir,
    running: Vec<Child>,
}

impl Installation {
    /// With this `vmetric.yml`; the HTTP API is on a port of its own.
    pub(crate) fn new(config: &str) -> Self {
        let installation = Self { folder: tempfile::tempdir().expect("a folder"), running: Vec::new() };
        installation.write("vmetric.yml", &format!("control: {{port: 0}}\n{config}"));
        installation
    }

    /// An empty folder.
    pub(crate) fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder"), running: Vec::new() }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Replaces a file at once, as editors do.
    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().expect("below the folder")).expect("created");
        let aside = path.with_extension("aside");
        fs::write(&aside, text).expect("written");
        fs::rename(aside, path).expect("renamed");
    }

    /// The program with these flags, about this installation.
    pub(crate) fn command(&self, flags: &[&str]) -> Command {
        let mut command = Command::new(PROGRAM);
        command.arg("-path").arg(self.path()).args(flags).env_remove("NOTIFY_SOCKET");
        command
    }

    /// Runs the program to its end.
    pub(crate) fn run(&self, flags: &[&str]) -> Output {
        self.command(flags).stdin(Stdio::null()).output().expect("it runs")
    }

    /// Starts a Director and waits until it is ready.
    pub(crate) fn start(&mut self) -> u32 {
        let pid = self.launch();
        self.wait("ready", |it| it.get("/ready").filter(|(status, _)| *status == 200));
        pid
    }

    /// Starts a Director.
    pub(crate) fn launch(&mut self) -> u32 {
        let output = fs::File::create(self.path().join("output")).expect("created");
        let mut command = self.command(&[]);
        command.stdin(Stdio::null()).stdout(output.try_clone().expect("cloned")).stderr(output);
        let child = command.spawn().expect("it starts");
        let pid = child.id();
        self.running.push(child);
        pid
    }

    /// Asks the control socket; none when nobody answers.
    pub(crate) fn get(&self, path: &str) -> Option<(u16, String)> {
        let socket = UnixStream::connect(self.path().join("storage/control.sock")).ok()?;
        ask(socket, path)
    }

    /// A page in JSON.
    pub(crate) fn json(&self, path: &str) -> Value {
        let (_, body) = self.get(path).expect("an answer");
        serde_json::from_str(&body).expect("JSON")
    }

    /// A counter of a device or target.
    pub(crate) fn counter(&self, list: &str, name: &str, counter: &str) -> u64 {
        let stats = self.json("/stats");
        let all = stats[list].as_array().expect("a list");
        let found = all.iter().find(|one| one["name"] == name);
        found.and_then(|one| one[counter].as_u64()).unwrap_or(0)
    }

    /// Waits until something is there.
    pub(crate) fn wait<T>(&self, what: &str, mut look: impl FnMut(&Self) -> Option<T>) -> T {
        let until = Instant::now() + LIMIT;
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            assert!(Instant::now() < until, "waited in vain: {what}\n{}", self.everything_said());
            std::thread::sleep(Duration::from_millis(20)); // between two looks
        }
    }

    /// What the Director printed and logged, for the text of a failure.
    pub(crate) fn everything_said(&self) -> String {
        let read = |name: &str| fs::read_to_string(self.path().join(name)).unwrap_or_default();
        format!("output:\n{}\nlog:\n{}", read("output"), self.log())
    }

    /// The log file.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path().join("storage/logs/director.log")).unwrap_or_default()
    }

    /// Waits until the log says something.
    pub(crate) fn wait_for_log(&self, text: &str) {
        self.wait(text, |it| it.log().contains(text).then_some(()));
    }

    /// Sends a signal to the Director that was started last.
    pub(crate) fn signal(&self, signal: rustix::process::Signal) {
        let child = self.running.last().expect("it was started");
        let pid = rustix::process::Pid::from_child(child);
        rustix::process::kill_process(pid, signal).expect("it is there");
    }

    /// Waits for the end of the Director that was started last.
    pub(crate) fn wait_for_end(&mut self) -> ExitStatus {
        let mut child = self.running.pop().expect("it was started");
        let status = self.wait("the end", |_| child.try_wait().expect("asked"));
        let _ = child.wait();
        status
    }

    /// The address of the HTTP API.
    pub(crate) fn http(&self) -> SocketAddr {
        self.wait("the HTTP address", |it| {
            let tree = it.json("/tree");
            let node = tree.as_array()?.iter().find(|node| node["path"] == "control/api-http")?.clone();
            node["condition"].as_str()?.strip_prefix("listening on ")?.parse().ok()
        })
    }
}

impl Drop for Installation {
    fn drop(&mut self) {
        for child in &mut self.running {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Asks for a page.
pub(crate) fn ask(mut peer: impl Read + Write, path: &str) -> Option<(u16, String)> {
    write!(peer, "GET {path} HTTP/1.1\r\nhost: director\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    peer.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split_whitespace().nth(1)?.parse().ok()?;
    Some((status, body.to_owned()))
}

/// A TCP port that nobody uses at present.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port()
}

/// A receiver of lines; it takes one connection after the other.
pub(crate) struct Receiver {
    pub(crate) port: u16,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Receiver {
    pub(crate) fn new() -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").expect("bound");
        let port = socket.local_addr().expect("bound").port();
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            while let Ok((peer, _)) = socket.accept() {
                let sender = sender.clone();
                std::thread::spawn(move || {
                    for line in BufReader::new(peer).lines().map_while(Result::ok) {
                        let _ = sender.send(line);
                    }
                });
            }
        });
        Self { port, lines }
    }

    /// The next lines.
    pub(crate) fn take(&self, count: usize) -> Vec<String> {
        (0..count).map(|_| self.lines.recv_timeout(LIMIT).expect("another line")).collect()
    }

    /// Lines that are there beyond those.
    pub(crate) fn rest(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }
}

/// A connection to a device.
pub(crate) fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).expect("connected")
}

/// A device, a target and a route of this name, from and to these ports.
pub(crate) fn tcp_to_tcp(from: u16, to: u16) -> String {
    format!("{}{}{}", device(1, "in", from), target("out", to), ROUTE)
}

pub(crate) fn device(id: u64, name: &str, port: u16) -> String {
    format!(
        "devices:\n  - {{id: {id}, name: {name}, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n"
    )
}

pub(crate) fn target(name: &str, port: u16) -> String {
    format!("targets:\n  - {{name: {name}, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n")
}

pub(crate) const ROUTE: &str = "routes:\n  - {name: all, targets: [out]}\n";

/// A path in the repository.
pub(crate) fn repository(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(name)
}

/// Standard output as text.
pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Standard error as text.
pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
