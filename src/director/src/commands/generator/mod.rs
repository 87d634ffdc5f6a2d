//! `-generator`: test messages in rounds.
//!
//! Each round sends `-count` messages as fast as the peer takes them; rounds begin `-interval` apart. A round that
//! fails is reported, and the next one tries again.

mod outlet;

use super::say;
use crate::arguments::{Arguments, Mistake};
use crate::client::block_on;
use crate::exit::Exit;
use crate::failed::Failed;
use anyhow::Context;
use jiff::Zoned;
use outlet::{Outlet, Protocol};
use std::time::{Duration, Instant};

/// The facility of the messages: local0 (RFC 5424 §6.2.1).
const FACILITY: u8 = 16;
/// Severities by their product names, in the order of their numbers (RFC 5424 §6.2.1).
const SEVERITIES: [&str; 8] =
    ["emergency", "alert", "critical", "error", "warning", "notice", "informational", "debug"];

/// What is sent, to whom and how often.
#[derive(Debug)]
struct Plan {
    protocol: Protocol,
    address: String,
    messages: Messages,
    count: u64,
    interval: Duration,
    duration: Duration,
}

/// Where messages come from.
#[derive(Debug)]
enum Messages {
    /// Made up: severity and text.
    Made { severity: u8, text: String },
    /// Lines of a file, in turn.
    Lines { lines: Vec<String>, next: usize },
}

/// Sends test messages.
pub(super) fn generator(arguments: &Arguments) -> Result<Exit, Failed> {
    let plan = Plan::of(arguments)?;
    block_on(plan.carry_out())
}

impl Plan {
    fn of(arguments: &Arguments) -> Result<Self, Failed> {
        let seconds = "seconds such as 1 or 0.5";
        let time = |name, default| -> Result<Duration, Mistake> {
            let value: f64 = arguments.read(name, default, seconds)?;
            let shown = arguments.value(name).unwrap_or_default().to_owned();
            Duration::try_from_secs_f64(value).map_err(|_| Mistake::Unfit(name, shown, seconds.to_owned()))
        };
        let duration = if arguments.has("now") { Duration::ZERO } else { time("duration", 300.0)? };
        Ok(Self {
            protocol: arguments.read("protocol", Protocol::Syslog, "syslog, tcp or http")?,
            address: arguments.value("address").unwrap_or("127.0.0.1:514").to_owned(),
            messages: Messages::of(arguments)?,
            count: arguments.read("count", 1000, "a number")?,
            interval: time("interval", 1.0)?,
            duration,
        })
    }

    async fn carry_out(mut self) -> Result<Exit, Failed> {
        let began = Instant::now();
        let (mut sent, mut failed, mut outlet) = (0, 0, None);
        for round in 1u32.. {
            let round_began = Instant::now();
            let (now_sent, error) = self.round(&mut outlet).await;
            sent += now_sent;
            let mut line =
                format!("round {round}: {now_sent} sent in {:.3} s", round_began.elapsed().as_secs_f64());
            if let Some(error) = error {
                failed += self.count - now_sent;
                line.push_str(&format!(", {} not: {error:#}", self.count - now_sent));
                outlet = None;
            }
            say(&format!("{line}\n"))?;
            let next = self.interval * round;
            if next >= self.duration {
                break;
            }
            tokio::time::sleep(next.saturating_sub(began.elapsed())).await;
        }
        if let Some(outlet) = outlet {
            outlet.close().await;
        }
        let seconds = began.elapsed().as_secs_f64();
        say(&format!("in all: {sent} sent, {failed} not, in {seconds:.3} s\n"))?;
        Ok(if failed == 0 { Exit::Ok } else { Exit::Failure })
    }

    /// Sends one round; how many messages went out, and what kept the rest.
    async fn round(&mut self, outlet: &mut Option<Outlet>) -> (u64, Option<anyhow::Error>) {
        if outlet.is_none() {
            match Outlet::open(self.protocol, &self.address).await {
                Ok(open) => *outlet = Some(open),
                Err(e) => return (0, Some(e)),
            }
        }
        let Some(outlet) = outlet else { return (0, None) };
        for sent in 0..self.count {
            let message = self.messages.next();
            if let Err(e) = outlet.send(&message).await {
                return (outlet.settled(sent), Some(e));
            }
        }
        match outlet.flush().await {
            Ok(()) => (self.count, None),
            Err(e) => (outlet.settled(self.count), Some(e)),
        }
    }
}

impl Messages {
    fn of(arguments: &Arguments) -> Result<Self, Failed> {
        if let Some(path) = arguments.value("file-path") {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
            let lines: Vec<String> =
                text.lines().filter(|line| !line.is_empty()).map(str::to_owned).collect();
            if lines.is_empty() {
                return Err(anyhow::anyhow!("{path} has no lines to send").into());
            }
            return Ok(Self::Lines { lines, next: 0 });
        }
        let name = arguments.value("severity").unwrap_or("Error");
        let severity = SEVERITIES.iter().position(|severity| severity.eq_ignore_ascii_case(name));
        let unfit = || Mistake::Unfit("severity", name.to_owned(), SEVERITIES.join(", "));
        let severity = severity.ok_or_else(unfit)? as u8;
        let text = arguments.value("message").unwrap_or("VirtualMetric Test Message").to_owned();
        Ok(Self::Made { severity, text })
    }

    /// The next one; what is made up is syslog of RFC 5424.
    fn next(&mut self) -> String {
        match self {
            Self::Made { severity, text } => {
                let time = Zoned::now().strftime("%Y-%m-%dT%H:%M:%S%.3f%:z");
                let (priority, pid) = (FACILITY * 8 + *severity, std::process::id());
                format!("<{priority}>1 {time} localhost vmetric-generator {pid} - - {text}")
            }
            Self::Lines { lines, next } => {
                let line = lines[*next % lines.len()].clone();
                *next += 1;
                line
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::parse;

    fn plan(line: &str) -> Result<Plan, Failed> {
        Plan::of(&parse(line.split_whitespace().map(str::to_owned)).expect("understood"))
    }

    #[test]
    fn messages_are_syslog_of_the_severity_asked_for() {
        let mut plan = plan("-generator -severity warning -message hello").expect("fits");
        let message = plan.messages.next();
        assert!(message.starts_with("<132>1 2") && message.ends_with(" - - hello"), "{message}");
    }

    #[test]
    fn what_does_not_fit_is_refused_with_what_would() {
        for line in ["-severity loud", "-protocol smoke", "-count -1", "-interval soon", "-duration -1"] {
            let failed = plan(line).expect_err(line);
            assert_eq!(failed.exit, Exit::Usage, "{line}");
        }
    }

    #[tokio::test]
    async fn one_round_sends_all_lines_of_a_file_in_turn() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("lines");
        std::fs::write(&file, "one\ntwo\n").expect("written");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = listener.local_addr().expect("bound");
        let received = std::thread::spawn(move || {
            let (peer, _) = listener.accept().expect("connected");
            std::io::read_to_string(peer).expect("received")
        });
        let line = format!("-protocol tcp -now -count 3 -address {address} -file-path {}", file.display());
        assert_eq!(plan(&line).expect("fits").carry_out().await.expect("sent"), Exit::Ok);
        assert_eq!(received.join().expect("ended"), "one\ntwo\none\n");
    }
}
