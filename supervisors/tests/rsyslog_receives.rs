//! A real receiver, rsyslog, behind `syslog` targets. Skipped, and said so, where it is not installed.

mod house;

use house::{connect, free_port, start, until};
use std::io::Write;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

const PLACES: [&str; 3] = ["/usr/sbin/rsyslogd", "/usr/local/sbin/rsyslogd", "/sbin/rsyslogd"];

fn rsyslogd() -> Option<PathBuf> {
    let found = PLACES.iter().map(PathBuf::from).find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: rsyslogd is not installed (apt-get install rsyslog)");
    }
    found
}

/// A port that no UDP socket uses at present.
fn free_udp_port() -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.local_addr().expect("bound").port()
}

/// A running rsyslog that writes tag and message of what it receives to `messages`.
struct Rsyslog(Child);

impl Rsyslog {
    fn start(program: &Path, folder: &Path, input: &str) -> Self {
        let (config, out) = (folder.join("rsyslog.conf"), folder.join("messages"));
        let text = format!(
            "global(workDirectory=\"{}\")\n{input}\n\
             template(name=\"line\" type=\"string\" string=\"%syslogseverity-text% %programname% %procid%%msg%\\n\")\n\
             action(type=\"omfile\" file=\"{}\" template=\"line\")\n",
            folder.display(),
            out.display()
        );
        std::fs::write(&config, text).expect("written");
        let child = Command::new(program)
            .args(["-n", "-f"])
            .arg(&config)
            .arg("-i")
            .arg(folder.join("pid"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("it starts"))
    }
}

impl Drop for Rsyslog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn receives(input: &str, properties: &str) {
    let Some(program) = rsyslogd() else { return };
    let (folder, in_port) = (tempfile::tempdir().expect("a folder"), free_port());
    let _rsyslog = Rsyslog::start(&program, folder.path(), input);
    let yaml = format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n  - {{name: out, type: syslog, properties: {{{properties}, priority: 12, app_name: director, \
         template: \"<{{{{.Priority}}}}>1 {{{{.Timestamp}}}} host {{{{.AppName}}}} {{{{.PID}}}} - - {{{{.Message}}}}\"}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n"
    );
    let director = start(&yaml, 1).await;
    let mut sender = connect(in_port);
    let messages = || std::fs::read_to_string(folder.path().join("messages")).unwrap_or_default();
    // Over UDP what comes before rsyslog listens is lost.
    until("rsyslog listens", || {
        sender.write_all(b"are you there\n").expect("sent");
        messages().contains("are you there")
    })
    .await;
    let expected: String =
        (0..100).map(|n| format!("warning director {}event {n}\n", std::process::id())).collect();
    let events: String = (0..100).map(|n| format!("event {n}\n")).collect();
    sender.write_all(events.as_bytes()).expect("sent");
    until("all came", || messages().ends_with(&expected)).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_understands_syslog_over_tcp_with_either_framing() {
    for framing in ["delimiter", "octet"] {
        let port = free_port();
        let input =
            format!("module(load=\"imtcp\")\ninput(type=\"imtcp\" address=\"127.0.0.1\" port=\"{port}\")");
        receives(&input, &format!("type: tcp, address: 127.0.0.1, port: {port}, framing: {framing}")).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rsyslog_understands_syslog_over_udp() {
    let port = free_udp_port();
    let input =
        format!("module(load=\"imudp\")\ninput(type=\"imudp\" address=\"127.0.0.1\" port=\"{port}\")");
    receives(&input, &format!("type: udp, address: 127.0.0.1, port: {port}")).await;
}
