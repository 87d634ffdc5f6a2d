//! The Director among real neighbours: util-linux' `logger`, Debian's `rsyslog` and `openssl` on loopback.
//!
//! A program that is not installed skips its test, loudly.

use std::fs;
use std::io::Write;
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(30);

/// A process that ends with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(name: &str) -> Option<PathBuf> {
    let folders = ["/usr/bin", "/usr/sbin", "/bin", "/sbin", "/usr/local/bin"];
    let found = folders.iter().map(|folder| Path::new(folder).join(name)).find(|path| path.exists());
    if found.is_none() {
        println!("SKIPPED: {name} is not installed; install it to run this test");
    }
    found
}

fn free_port() -> u16 {
    // Free for TCP and UDP.
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = tcp.local_addr().expect("bound").port();
        if UdpSocket::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        assert!(Instant::now() < deadline, "gave up waiting: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Whether somebody has bound a UDP port.
fn is_bound(port: u16) -> bool {
    let local = format!(":{port:04X} ");
    fs::read_to_string("/proc/net/udp").is_ok_and(|table| table.contains(&local))
}

struct Director {
    _process: Running,
    folder: tempfile::TempDir,
}

impl Director {
    fn start(configuration: &str) -> Self {
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = folder.path().join("vmetric.yml");
        let configuration = format!("control: {{status: false}}\n{configuration}");
        fs::write(&file, configuration).expect("written");
        let process = Command::new(env!("CARGO_BIN_EXE_vmetric-director"))
            .arg("-config-path")
            .arg(&file)
            .arg("-path")
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .expect("started");
        Self { _process: Running(process), folder }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// A receiver of lines, kept in memory.
struct Lines {
    port: u16,
    lines: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

impl Lines {
    fn start() -> Self {
        use std::io::BufRead;
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let lines = std::sync::Arc::<std::sync::Mutex<Vec<String>>>::default();
        let kept = lines.clone();
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let kept = kept.clone();
                std::thread::spawn(move || {
                    for line in std::io::BufReader::new(socket).lines().map_while(Result::ok) {
                        kept.lock().expect("unpoisoned").push(line);
                    }
                });
            }
        });
        Self { port, lines }
    }

    fn all(&self) -> Vec<String> {
        self.lines.lock().expect("unpoisoned").clone()
    }

    fn wait_for(&self, texts: &[String]) {
        let missing =
            || texts.iter().find(|text| !self.all().iter().any(|line| line.contains(text.as_str()))).cloned();
        until("all lines arrive", || missing().is_none());
    }
}

fn syslog_to_lines(device: &str, lines: &Lines) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: syslog, properties: {{address: 127.0.0.1, {device}}}}}\n\
         targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n",
        lines.port
    )
}

#[test]
fn logger_sends_over_tcp_and_udp_in_both_formats_and_framings() {
    let Some(logger) = program("logger") else { return };
    let (lines, tcp, udp) = (Lines::start(), free_port(), free_port());
    let _over_tcp = Director::start(&syslog_to_lines(&format!("protocol: tcp, port: {tcp}"), &lines));
    let _over_udp = Director::start(&syslog_to_lines(&format!("protocol: udp, port: {udp}"), &lines));
    until("the TCP device listens", || listens(tcp));
    until("the UDP device is bound", || is_bound(udp));
    let mut expected = Vec::new();
    for (port, transport) in [(tcp, "--tcp"), (udp, "--udp")] {
        for format in ["--rfc3164", "--rfc5424"] {
            for framing in [None, Some("--octet-count")] {
                if transport == "--udp" && framing.is_some() {
                    continue;
                }
                let text = format!("from logger {transport} {format} {framing:?}");
                let mut command = Command::new(&logger);
                command.args(["--server", "127.0.0.1", "--port", &port.to_string(), transport, format]);
                command.args(framing).arg(&text);
                assert!(command.status().expect("started").success());
                expected.push(text);
            }
        }
    }
    lines.wait_for(&expected);
    let all = lines.all();
    assert_eq!(all.len(), expected.len(), "{all:#?}");
    assert!(all.iter().all(|line| line.starts_with('<')), "frames are taken apart: {all:#?}");
}

/// An rsyslogd with this configuration and nothing else.
fn rsyslogd(folder: &Path, configuration: &str) -> Option<Running> {
    let rsyslogd = program("rsyslogd")?;
    let file = folder.join("rsyslog.conf");
    let work = folder.join("rsyslog-work");
    fs::create_dir_all(&work).expect("created");
    fs::write(&file, format!("global(workDirectory=\"{}\")\n{configuration}", work.display()))
        .expect("written");
    let pid = folder.join("rsyslog.pid");
    let process = Command::new(rsyslogd)
        .arg("-n")
        .arg("-f")
        .arg(&file)
        .arg("-i")
        .arg(&pid)
        .stdin(Stdio::null())
        .spawn()
        .expect("started");
    Some(Running(process))
}

#[test]
fn rsyslog_forwards_with_octet_counts_and_with_lines() {
    let lines = Lines::start();
    for framing in ["octet-counted", "traditional"] {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (source, device) = (free_port(), free_port());
        let _director = Director::start(&syslog_to_lines(&format!("protocol: tcp, port: {device}"), &lines));
        until("the device listens", || listens(device));
        let configuration = format!(
            "module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{source}\")\n\
             action(type=\"omfwd\" target=\"127.0.0.1\" port=\"{device}\" protocol=\"tcp\" TCP_Framing=\"{framing}\")\n"
        );
        let Some(_rsyslog) = rsyslogd(folder.path(), &configuration) else { return };
        until("rsyslog listens", || listens(source));
        let mut socket = TcpStream::connect(("127.0.0.1", source)).expect("connected");
        let texts: Vec<String> = (0..500).map(|n| format!("{framing} number {n}.")).collect();
        for text in &texts {
            writeln!(socket, "<134>Nov 21 14:00:00 host app: {text}").expect("sent");
        }
        drop(socket);
        lines.wait_for(&texts);
    }
    assert_eq!(lines.all().len(), 1000, "nothing came twice");
}

#[test]
fn rsyslog_receives_what_a_tcp_target_sends() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let (device, receiver) = (free_port(), free_port());
    let file = folder.path().join("received.log");
    let configuration = format!(
        "module(load=\"imtcp\")\ntemplate(name=\"raw\" type=\"string\" string=\"%rawmsg%\\n\")\n\
         ruleset(name=\"keep\") {{ action(type=\"omfile\" file=\"{}\" template=\"raw\" flushOnTXEnd=\"on\") }}\n\
         input(type=\"imtcp\" address=\"127.0.0.1\" port=\"{receiver}\" ruleset=\"keep\")\n",
        file.display()
    );
    let Some(_rsyslog) = rsyslogd(folder.path(), &configuration) else { return };
    until("rsyslog listens", || listens(receiver));
    let director = Director::start(&format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {device}}}}}\n\
         targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {receiver}}}}}\n\
         routes:\n  - {{name: all, targets: [out]}}\n"
    ));
    until("the device listens", || listens(device));
    let mut socket = TcpStream::connect(("127.0.0.1", device)).expect("connected");
    for n in 0..1000 {
        writeln!(socket, "<134>Nov 21 14:00:00 host app: number {n}.").expect("sent");
    }
    let received = || fs::read_to_string(&file).unwrap_or_default();
    until("all lines arrived", || received().lines().count() == 1000);
    let received = received();
    for (n, line) in received.lines().enumerate() {
        assert_eq!(line, format!("<134>Nov 21 14:00:00 host app: number {n}."));
    }
    assert!(director.path("vmetric.yml").exists());
}

#[test]
fn openssl_sends_over_tls_and_garbage_ends_only_its_own_connection() {
    let Some(openssl) = program("openssl") else { return };
    let (lines, port) = (Lines::start(), free_port());
    let folder = tempfile::tempdir().expect("temporary folder");
    let (cert, key) = (folder.path().join("cert.pem"), folder.path().join("key.pem"));
    let made = Command::new(&openssl)
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-subj",
            "/CN=localhost",
            "-keyout",
        ])
        .arg(&key)
        .arg("-out")
        .arg(&cert)
        .stderr(Stdio::null())
        .status();
    assert!(made.expect("started").success());
    let tls = "tls: {status: true, cert_name: cert.pem, key_name: key.pem}";
    let configuration = syslog_to_lines(&format!("protocol: tcp, port: {port}, {tls}"), &lines);
    let file = folder.path().join("vmetric.yml");
    fs::write(&file, format!("control: {{status: false}}\n{configuration}")).expect("written");
    let process = Command::new(env!("CARGO_BIN_EXE_vmetric-director"))
        .arg("-config-path")
        .arg(&file)
        .arg("-path")
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn();
    let _director = Running(process.expect("started"));
    until("the device listens", || listens(port));
    let client = Command::new(&openssl)
        .args(["s_client", "-quiet", "-connect", &format!("127.0.0.1:{port}")])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    let mut client = Running(client.expect("started"));
    let mut input = client.0.stdin.take().expect("piped");
    writeln!(input, "<13>1 2026-11-21T14:00:00Z host app - - - before garbage").expect("sent");
    lines.wait_for(&["before garbage".to_owned()]);
    let mut garbage = TcpStream::connect(("127.0.0.1", port)).expect("connected");
    garbage.write_all(b"this is no TLS greeting at all\n").expect("sent");
    writeln!(input, "<13>1 2026-11-21T14:00:01Z host app - - - after garbage").expect("sent");
    lines.wait_for(&["after garbage".to_owned()]);
    assert_eq!(lines.all().len(), 2);
}

#[test]
fn curl_posts_events_and_is_told_when_they_are_refused() {
    let Some(curl) = program("curl") else { return };
    let (lines, port) = (Lines::start(), free_port());
    let device = format!(
        "devices:\n  - {{id: 1, name: in, type: http, properties: {{address: 127.0.0.1, port: {port}, \
         authentication: {{type: basic, username: ann, password: secret}}, max_body_size: 1000}}}}\n\
         targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n",
        lines.port
    );
    let director = Director::start(&device);
    until("the device listens", || listens(port));
    let post = |user: &str, arguments: &[&str]| {
        let run = Command::new(&curl)
            .args(["--silent", "--show-error", "--max-time", "20", "--output", "/dev/null"])
            .args(["--write-out", "%{http_code}", "--user", user])
            .args(arguments)
            .arg(format!("http://127.0.0.1:{port}/"))
            .output()
            .expect("it runs");
        String::from_utf8_lossy(&run.stdout).into_owned()
    };
    let json = "Content-Type: application/json";
    assert_eq!(post("ann:secret", &["--header", json, "--data", r#"[{"n": "one"}, {"n": "two"}]"#]), "200");
    assert_eq!(post("ann:secret", &["--header", "Content-Type: text/plain", "--data", "no"]), "415");
    assert_eq!(post("ann:wrong", &["--header", json, "--data", r#"{"n": "no"}"#]), "401");
    assert_eq!(post("ann:secret", &["--request", "PUT", "--data", "x"]), "405");
    let large = director.path("large");
    fs::write(&large, vec![b'x'; 5000]).expect("written");
    let body = format!("@{}", large.display());
    // curl asks before it sends a body of this size (Expect: 100-continue).
    let expect = ["--header", "Expect: 100-continue", "--header", json, "--data-binary", &body];
    assert_eq!(post("ann:secret", &expect), "413");
    lines.wait_for(&["one", "two"].map(str::to_owned));
    assert!(lines.all().iter().all(|line| !line.contains("no")));
}
