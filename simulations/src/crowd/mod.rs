//! Many simulated hosts at once, which write steadily, suffer faults from a seed, and know what they wrote.
//!
//! * [`Crowd`]: the hosts, as rows of a configuration, and what each wrote;
//! * [`mischief`]: what goes wrong with them, when, for how long;
//! * [`arrivals`]: the target's side: what came of each host, how often, and how late.
//!
//! Cost: a host that writes five events a second costs about as much here as at its collector, so a thousand of them take
//! half a core; its log keeps so many events of 1.7 KB as is asked for.

pub mod arrivals;
pub mod mischief;

pub use arrivals::Arrivals;
pub use mischief::{Mischief, Suffered};

use crate::{linux_host, windows_host};
use linux_host::LinuxHost;
use std::fmt::Write;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use windows_host::WindowsHost;

/// The channel that Windows hosts write to.
const CHANNEL: &str = "Security";
/// The file that Linux hosts write to.
const LOG: &str = "/var/log/syslog";
/// Hosts write in steps of this.
const STEP: Duration = Duration::from_millis(20);

/// Many hosts.
pub struct Crowd {
    hosts: Vec<Host>,
}

/// One of them.
struct Host {
    /// `w17`, `l17`, `j17`.
    name: String,
    machine: Machine,
    written: AtomicU64,
}

enum Machine {
    Windows(WindowsHost),
    /// Writes to a file.
    Linux(LinuxHost),
    /// Writes to its journal.
    Journal(LinuxHost),
}

impl Crowd {
    /// So many hosts on loopback. Logs of Windows hosts keep so many events; every other Linux host writes to a file, the
    /// others to their journals.
    ///
    /// # Errors
    /// When there are not enough ports or files.
    pub async fn start(windows: usize, linux: usize, kept_records: usize) -> io::Result<Self> {
        let mut hosts = Vec::with_capacity(windows + linux);
        for number in 0..windows {
            let name = format!("w{number}");
            let settings = windows_host::Settings { name: name.clone(), ..windows_host::Settings::default() };
            let host = WindowsHost::start(settings).await?;
            host.logs().set_capacity(CHANNEL, kept_records);
            hosts.push(Host { name, machine: Machine::Windows(host), written: AtomicU64::new(0) });
        }
        for number in 0..linux {
            let host = LinuxHost::start(linux_host::Settings::default()).await?;
            let (name, machine) = match number % 2 {
                0 => (format!("l{number}"), Machine::Linux(host)),
                _ => (format!("j{number}"), Machine::Journal(host)),
            };
            hosts.push(Host { name, machine, written: AtomicU64::new(0) });
        }
        Ok(Self { hosts })
    }

    /// How many hosts there are.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }

    /// `devices:` of a configuration that reads all of them from their first event on.
    pub fn devices(&self) -> String {
        self.first_devices(self.len())
    }

    /// The same for the first so many.
    pub fn first_devices(&self, count: usize) -> String {
        let mut rows = "devices:\n".to_owned();
        for (id, host) in self.hosts.iter().take(count).enumerate() {
            let (kind, address, how) = match &host.machine {
                Machine::Windows(windows) => (
                    "windows",
                    windows.address(),
                    r"username: 'LAB\svc-collect', password: Secret-1, channels: [{name: Security}], start: oldest"
                        .to_owned(),
                ),
                Machine::Linux(linux) => ("linux", linux.address(), of_linux(linux, &format!("path: {LOG}"))),
                Machine::Journal(linux) => ("linux", linux.address(), of_linux(linux, "journal: {status: true}")),
            };
            // A text takes what is written to it.
            let _ = writeln!(rows, "  - {}", row(id + 1, &host.name, kind, address, &how));
        }
        rows
    }

    /// Hosts and how many events each wrote.
    pub fn written(&self) -> impl Iterator<Item = (&str, u64)> {
        self.hosts.iter().map(|host| (host.name.as_str(), host.written.load(Relaxed)))
    }

    /// A host restarts: all its connections end.
    pub fn reboot(&self, number: usize) {
        match &self.hosts[number].machine {
            Machine::Windows(host) => host.reboot(),
            Machine::Linux(host) | Machine::Journal(host) => host.cut(),
        }
    }

    /// Each host writes so many events a second, for ever; not all at the same moment.
    pub async fn write_steadily(&self, events_per_second: u64) {
        let began = Instant::now();
        let mut steps = tokio::time::interval(STEP);
        loop {
            steps.tick().await;
            let elapsed = began.elapsed().as_micros() as u64;
            for (number, host) in self.hosts.iter().enumerate() {
                let phase = 1_000_000 * number as u64 / self.hosts.len() as u64;
                let due = (elapsed * events_per_second + phase) / 1_000_000;
                host.write(due.saturating_sub(host.written.load(Relaxed)));
            }
        }
    }
}

impl Host {
    fn write(&self, count: u64) {
        let first = self.written.fetch_add(count, Relaxed);
        match &self.machine {
            _ if count == 0 => {}
            Machine::Windows(host) => _ = host.logs().write(CHANNEL, count),
            Machine::Linux(host) => {
                let lines: String = self.lines(first, count).map(|line| line + "\n").collect();
                host.files().append(LOG, lines.as_bytes());
            }
            Machine::Journal(host) => self.lines(first, count).for_each(|line| host.files().log(&line)),
        }
    }

    /// `HOST NUMBER NANOSECONDS`
    fn lines(&self, first: u64, count: u64) -> impl Iterator<Item = String> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        (first..first + count).map(move |number| format!("{} {number} {now}", self.name))
    }
}

fn of_linux(host: &LinuxHost, reads: &str) -> String {
    format!("username: collector, password: secret, host_key: \"{}\", {reads}", host.fingerprint())
}

fn row(id: usize, name: &str, kind: &str, address: SocketAddr, how: &str) -> String {
    let (ip, port) = (address.ip(), address.port());
    format!("{{id: {id}, name: {name}, type: {kind}, properties: {{address: {ip}, port: {port}, {how}}}}}")
}
