//! Single endpoints as a program: `simulate-endpoint tcp-sender --to 127.0.0.1:5514 --rate 100`.

use super::certificates::{Certificates, Like};
use super::growing_file::GrowingFile;
use super::mood::Mood;
use super::poster::{Body, Poster};
use super::quota::Quota;
use super::requests::Intake;
use super::stream_sender::{Dial, Framing, StreamSender};
use super::texts::{Form, Texts};
use super::{datagram_receiver, datagram_sender, requests, stream_receiver};
use crate::account::{Accounts, Promise};
use anyhow::{Context, bail};
use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// What the command line may say.
pub const USAGE: &str = "SENDER --to ADDRESS | file-sender --folder DIR, [--rate EVENTS_PER_SECOND] [--seconds N] [--size BYTES]\n    \
    [--mix short|firewall|servers] [--recorded FILE] [--octet] [--ca FILE (writes an authority to trust)]\n  \
    SENDER: udp-sender, tcp-sender, tls-sender, syslog-udp-sender, syslog-tcp-sender, syslog-tls-sender, http-poster\n\
    RECEIVER --at ADDRESS [--octet] [--ca FILE]\n  \
    RECEIVER: udp-receiver, tcp-receiver, tls-receiver, http-receiver, elastic-receiver, splunk-receiver\n\
    Counts every second what was sent, or came: different events, and all of them.";

/// What the command line asks for.
struct Asked {
    kind: String,
    address: SocketAddr,
    folder: PathBuf,
    rate: f64,
    seconds: f64,
    size: usize,
    mix: String,
    recorded: Option<PathBuf>,
    framing: Framing,
    authority: Option<PathBuf>,
}

/// Whether there is an endpoint of this kind.
pub fn knows(kind: &str) -> bool {
    kind.ends_with("-sender") || kind.ends_with("-receiver") || kind == "http-poster"
}

/// Runs an endpoint until it is dropped, or has sent for as long as it should.
///
/// # Errors
/// When the words are not understood, or an address can't be bound.
pub async fn run(kind: &str, words: impl Iterator<Item = String>) -> anyhow::Result<()> {
    let asked = asked(kind, words)?;
    let accounts = Accounts::default();
    if kind.ends_with("-receiver") {
        return asked.receive(&accounts).await;
    }
    asked.send(&accounts).await
}

fn asked(kind: &str, mut words: impl Iterator<Item = String>) -> anyhow::Result<Asked> {
    let mut asked = Asked {
        kind: kind.to_owned(),
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        folder: PathBuf::from("."),
        rate: 10.0,
        seconds: f64::MAX,
        size: 256,
        mix: "servers".to_owned(),
        recorded: None,
        framing: Framing::Delimiter(b"\n".to_vec()),
        authority: None,
    };
    while let Some(word) = words.next() {
        if word == "--octet" {
            asked.framing = Framing::Octet;
            continue;
        }
        let value = words.next().with_context(|| format!("{word} needs a value\n{USAGE}"))?;
        match word.as_str() {
            "--to" | "--at" => {
                asked.address = value.parse().with_context(|| format!("{value} is no address"))?
            }
            "--folder" => asked.folder = value.into(),
            "--rate" => asked.rate = value.parse()?,
            "--seconds" => asked.seconds = value.parse()?,
            "--size" => asked.size = value.parse()?,
            "--mix" => asked.mix = value,
            "--recorded" => asked.recorded = Some(value.into()),
            "--ca" => asked.authority = Some(value.into()),
            _ => bail!("{word} is not known\n{USAGE}"),
        }
    }
    Ok(asked)
}

impl Asked {
    /// The authority of this endpoint; written down where others can read it.
    fn certificates(&self, ip: IpAddr) -> anyhow::Result<Certificates> {
        let certificates = Certificates::new(ip)?;
        if let Some(path) = &self.authority {
            std::fs::write(path, certificates.authority())?;
            let pem = certificates.pem(Like::Good)?;
            std::fs::write(path.with_extension("certificate.pem"), pem.certificate)?;
            std::fs::write(path.with_extension("key.pem"), pem.key)?;
        }
        Ok(certificates)
    }

    fn texts(&self, form: Form) -> anyhow::Result<Arc<Texts>> {
        Ok(Arc::new(match &self.recorded {
            Some(path) => Texts::recorded(path, self.size)?,
            None => Texts::mix(&self.mix, form, self.size)?,
        }))
    }

    async fn send(self, accounts: &Accounts) -> anyhow::Result<()> {
        let form = if self.kind.starts_with("syslog-") { Form::Syslog } else { Form::Plain };
        let texts = self.texts(form)?;
        let origin = accounts.origin(&self.kind, Promise::Stream, texts.count());
        let quota = Quota::default();
        let share = quota.share();
        let shared = Arc::clone(&origin);
        let task: JoinHandle<anyhow::Result<()>> = match self.kind.trim_start_matches("syslog-") {
            "udp-sender" => {
                let to = self.address;
                tokio::spawn(async move {
                    datagram_sender::run(to, texts, shared, share).await;
                    Ok(())
                })
            }
            "tcp-sender" | "tls-sender" => {
                let tls = match self.kind.ends_with("tls-sender") {
                    true => Some(self.certificates(self.address.ip())?.client()?),
                    false => None,
                };
                let (dial, framing) = (Dial::Straight(self.address), self.framing.clone());
                let sender = StreamSender { dial, framing, tls, texts };
                tokio::spawn(async move {
                    sender.run(shared, share).await;
                    Ok(())
                })
            }
            "http-poster" => {
                let (dial, ip) = (Dial::Straight(self.address), self.address.ip());
                let headers = vec![("content-type".to_owned(), "text/plain".to_owned())];
                let poster =
                    Poster { dial, ip, tls: None, path: "/".to_owned(), headers, body: Body::Lines, texts };
                tokio::spawn(async move {
                    poster.run(shared, share).await;
                    Ok(())
                })
            }
            "file-sender" => {
                let file = GrowingFile { folder: self.folder.clone(), rotate_bytes: 16 << 20, texts };
                tokio::spawn(async move { Ok(file.run(shared, share).await?) })
            }
            other => bail!("{other} is not known\n{USAGE}"),
        };
        let length = Duration::try_from_secs_f64(self.seconds).unwrap_or(Duration::MAX);
        let counting = tokio::spawn(count(move || format!("sent {}", origin.sent())));
        let feeding = quota.run(self.rate, length, || u64::MAX);
        feeding.await;
        quota.finish();
        counting.abort();
        task.await?
    }

    async fn receive(self, accounts: &Accounts) -> anyhow::Result<()> {
        let came = accounts.target(&self.kind);
        let shared = Arc::clone(&came);
        let _counting =
            tokio::spawn(count(move || format!("different {} all {}", shared.distinct(), shared.total())));
        let certificates = self.certificates(self.address.ip())?;
        let mood = Arc::new(Mood::new((self.kind == "tls-receiver").then_some(&certificates))?);
        let intake = match self.kind.as_str() {
            "udp-receiver" => return Ok(datagram_receiver::run(self.address, came).await?),
            "tcp-receiver" | "tls-receiver" => {
                return Ok(stream_receiver::run(self.address, self.framing, mood, came).await?);
            }
            "http-receiver" => Intake::Http,
            "elastic-receiver" => Intake::Elastic,
            "splunk-receiver" => Intake::Splunk,
            other => bail!("{other} is not known\n{USAGE}"),
        };
        Ok(requests::run(self.address, intake, mood, came).await?)
    }
}

/// Prints a line every second.
async fn count(line: impl Fn() -> String) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    loop {
        every.tick().await;
        // Whoever does not read it does not want to know.
        let _ = writeln!(std::io::stdout(), "{}", line());
    }
}
