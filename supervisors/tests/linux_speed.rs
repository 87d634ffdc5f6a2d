//! Measurements of the Linux collector, not checks:
//!
//! ```text
//! cargo test --release -p supervisors --test linux_speed -- --ignored --nocapture --test-threads 1
//! ```

mod house;
#[macro_use]
mod ssh_host;

use house::{snapshot, until};
use simulations::linux_host::{LinuxHost, Settings};
use ssh_host::{Shell, SshHost, user};
use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use supervisors::{Director, Options};

/// A Director that discards what it reads.
async fn start(devices: &str, root: &std::path::Path) -> Director {
    let yaml = format!(
        "{devices}targets:\n  - {{name: out, type: discard}}\nroutes:\n  - {{name: all, targets: [out]}}\n"
    );
    let options = Options { lanes: 1, root: root.to_owned(), ..Options::default() };
    Director::start(snapshot(&yaml), options).await.expect("started")
}

fn ssh_cat(host: &SshHost, path: &std::path::Path) -> Duration {
    let began = Instant::now();
    let status = Command::new("ssh")
        .args(["-q", "-F", "none", "-c", "aes256-gcm@openssh.com", "-o", "StrictHostKeyChecking=no"])
        .args([
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "BatchMode=yes",
            "-p",
            &host.port.to_string(),
            "-i",
        ])
        .arg(host.path("user_key"))
        .arg(format!("{}@127.0.0.1", user()))
        .arg(format!("cat {}", path.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status();
    assert!(status.expect("ssh runs").success());
    began.elapsed()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn a_backlog_against_ssh_cat() {
    const LINES: u64 = 2_000_000;
    let host = host_or_skip!(Shell::Dash);
    let path = host.log("a.log");
    let mut file = std::io::BufWriter::new(fs::File::create(&path).expect("created"));
    for number in 0..LINES {
        writeln!(file, "Nov 21 17:00:00 host program[1234]: {number:>10}{}", "x".repeat(209))
            .expect("written");
    }
    drop(file);
    let bytes = fs::metadata(&path).expect("there").len() as f64;
    for round in 0..3 {
        let cat = ssh_cat(&host, &path);
        let root = tempfile::tempdir().expect("temporary folder");
        let began = Instant::now();
        let director = start(&host.device(&format!(", path: \"{}\"", path.display())), root.path()).await;
        let device = director.inventory().device("in").expect("there");
        until("all of it was read", || device.flow.settled.get() == LINES).await;
        let took = began.elapsed();
        director.stop().await;
        let rate = |time: Duration| bytes / time.as_secs_f64() / 1e6;
        println!(
            "round {round}: ssh cat {:.0} MB/s, collector {:.0} MB/s ({:.0} %), {:.0} events/s",
            rate(cat),
            rate(took),
            100.0 * rate(took) / rate(cat),
            LINES as f64 / took.as_secs_f64()
        );
    }
}

/// CPU time of all processes below one, in clock ticks (proc(5), stat, fields 14 to 17).
fn ticks_below(pid: u32) -> u64 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let below: u64 = children.split_whitespace().filter_map(|pid| pid.parse().ok()).map(ticks_below).sum();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    below
        + fields.get(11..15).map_or(0, |times| times.iter().filter_map(|time| time.parse::<u64>().ok()).sum())
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn what_a_host_at_rest_pays() {
    const SECONDS: u64 = 30;
    let host = host_or_skip!(Shell::Dash);
    for number in 0..20 {
        fs::write(host.log(&format!("{number}.log")), "one line\n").expect("written");
    }
    let root = tempfile::tempdir().expect("temporary folder");
    let device = host.device(&format!(", path: \"{}\"", host.log("*.log").display()));
    let director = start(&device.replace("poll_interval: 100ms", "poll_interval: 1"), root.path()).await;
    let flow = director.inventory().device("in").expect("there");
    until("all is read", || flow.flow.settled.get() == 20).await;
    let before = ticks_below(host.pid());
    tokio::time::sleep(Duration::from_secs(SECONDS)).await;
    let milliseconds = (ticks_below(host.pid()) - before) * 10;
    println!(
        "20 files at rest: {milliseconds} ms of CPU in {SECONDS} s on the host ({:.2} % of a core)",
        milliseconds as f64 / (SECONDS * 10) as f64
    );
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement"]
async fn two_hundred_simulated_hosts() {
    const HOSTS: usize = 200;
    const SECONDS: u64 = 20;
    let mut hosts = Vec::new();
    for _ in 0..HOSTS {
        hosts.push(LinuxHost::start(Settings::default()).await.expect("started"));
    }
    let mut devices = String::from("devices:\n");
    for (id, host) in hosts.iter().enumerate() {
        devices.push_str(&format!(
            "  - {{id: {id}, name: h{id}, type: linux, properties: {{address: 127.0.0.1, port: {}, username: collector, \
             password: secret, host_key: \"{}\", path: /var/log/a.log}}}}\n",
            host.address().port(),
            host.fingerprint()
        ));
    }
    let root = tempfile::tempdir().expect("temporary folder");
    let began = Instant::now();
    let director = start(&devices, root.path()).await;
    hosts.iter().for_each(|host| host.files().append("/var/log/a.log", b"first\n"));
    let flows: Vec<_> =
        (0..HOSTS).map(|id| director.inventory().device(&format!("h{id}")).expect("there")).collect();
    let settled = || flows.iter().map(|device| device.flow.settled.get()).sum::<u64>();
    until("each was read", || settled() == HOSTS as u64).await;
    println!("{HOSTS} hosts: all were read {:.1} s after the start", began.elapsed().as_secs_f64());
    let mut written = HOSTS as u64;
    for _ in 0..SECONDS {
        hosts.iter().for_each(|host| host.files().append("/var/log/a.log", b"1\n2\n3\n4\n5\n"));
        written += 5 * HOSTS as u64;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let began = Instant::now();
    until("all was read", || settled() == written).await;
    println!(
        "{HOSTS} hosts at 5 events/s: all {written} there {:.1} s after the last one",
        began.elapsed().as_secs_f64()
    );
    director.stop().await;
}
