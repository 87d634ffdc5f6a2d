//! Simulated Linux hosts as a program: `simulate-endpoint linux --hosts 200 --rate 5`.

use super::{LinuxHost, Settings};
use std::io::{self, Write};
use std::net::SocketAddr;
use std::time::Duration;

/// What the command line may say.
pub const USAGE: &str = "linux [--hosts N] [--port FIRST] [--rate EVENTS_PER_SECOND] [--backlog EVENTS] [--user NAME] \
    [--password TEXT] [--interactive]\nPrints address and host key of each host; writes to /var/log/syslog and to the journal.";

/// The file that grows.
const LOG: &str = "/var/log/syslog";

/// What the command line asks for.
struct Asked {
    hosts: u16,
    /// 0: any free ports.
    first_port: u16,
    /// Of each host.
    events_per_second: u64,
    /// Lines that are there from the start.
    backlog: u64,
    settings: Settings,
}

/// Runs hosts until it is dropped.
///
/// # Errors
/// When the words are not understood, or a port is taken.
pub async fn run(words: impl Iterator<Item = String>) -> io::Result<()> {
    let asked = asked(words)?;
    let mut hosts = Vec::new();
    for number in 0..asked.hosts {
        let port = if asked.first_port == 0 { 0 } else { asked.first_port + number };
        let host =
            LinuxHost::start_on(asked.settings.clone(), SocketAddr::from(([127, 0, 0, 1], port))).await?;
        write(&host, 0, asked.backlog);
        writeln!(io::stdout(), "{} {}", host.address(), host.fingerprint())?;
        hosts.push(host);
    }
    io::stdout().flush()?;
    // A tenth of a second at a time, so that hosts write steadily.
    let mut every = tokio::time::interval(Duration::from_millis(100));
    let mut ticks = 0;
    loop {
        every.tick().await;
        let due = |ticks: u64| asked.backlog + asked.events_per_second * ticks / 10;
        hosts.iter().for_each(|host| write(host, due(ticks), due(ticks + 1)));
        ticks += 1;
    }
}

fn write(host: &LinuxHost, from: u64, to: u64) {
    for number in from..to {
        host.files().append(LOG, format!("Nov 21 17:00:00 simulated program[1]: line {number}\n").as_bytes());
        host.files().log(&format!("entry {number}"));
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> io::Result<Asked> {
    let settings = Settings::default();
    let mut asked = Asked { hosts: 1, first_port: 0, events_per_second: 0, backlog: 0, settings };
    let wrong = |what: String| io::Error::new(io::ErrorKind::InvalidInput, format!("{what}\n{USAGE}"));
    while let Some(word) = words.next() {
        if word == "--interactive" {
            asked.settings.interactive_only = true;
            continue;
        }
        let value = words.next().ok_or_else(|| wrong(format!("{word} needs a value")))?;
        let number =
            || value.parse::<u64>().map_err(|_| wrong(format!("{word} needs a number, not {value:?}")));
        let port =
            || value.parse::<u16>().map_err(|_| wrong(format!("{word} needs a number, not {value:?}")));
        match word.as_str() {
            "--hosts" => asked.hosts = port()?,
            "--port" => asked.first_port = port()?,
            "--rate" => asked.events_per_second = number()?,
            "--backlog" => asked.backlog = number()?,
            "--user" => asked.settings.user = value,
            "--password" => asked.settings.password = value,
            _ => return Err(wrong(format!("{word} is not known"))),
        }
    }
    Ok(asked)
}
