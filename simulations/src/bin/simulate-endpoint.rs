//! Simulated endpoints as a program: `simulate-endpoint windows --hosts 1000 --rate 5`.

use anyhow::{Context, bail};
use simulations::endpoints::program;
use simulations::windows_host::{Settings, WindowsHost};
use std::io::Write;
use std::net::SocketAddr;
use std::time::Duration;

const USAGE: &str = "usage: simulate-endpoint linux [OPTIONS] | windows [--hosts N] [--port FIRST] [--rate EVENTS_PER_SECOND] \
    [--backlog EVENTS] [--user NAME] [--password TEXT] [--basic]\n\
    Prints the address of each host; ends with its standard input or a signal.";

/// What the command line asks for.
struct Asked {
    hosts: u16,
    /// 0: any free ports.
    first_port: u16,
    /// Of each host.
    events_per_second: u64,
    /// Events that are there from the start.
    backlog: u64,
    settings: Settings,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let mut words = std::env::args().skip(1);
    match words.next().as_deref() {
        Some("windows") => windows(asked(words)?).await,
        Some("linux") => Ok(simulations::linux_host::program::run(words).await?),
        Some(kind) if program::knows(kind) => program::run(kind, words).await,
        _ => bail!("{USAGE}\nOr: {}", program::USAGE),
    }
}

fn asked(mut words: impl Iterator<Item = String>) -> anyhow::Result<Asked> {
    let mut asked =
        Asked { hosts: 1, first_port: 0, events_per_second: 0, backlog: 0, settings: Settings::default() };
    let mut user = asked.settings.users[0].clone();
    while let Some(word) = words.next() {
        let mut value = || words.next().with_context(|| format!("{word} needs a value\n{USAGE}"));
        match word.as_str() {
            "--hosts" => asked.hosts = value()?.parse()?,
            "--port" => asked.first_port = value()?.parse()?,
            "--rate" => asked.events_per_second = value()?.parse()?,
            "--backlog" => asked.backlog = value()?.parse()?,
            "--user" => user.0 = value()?,
            "--password" => user.1 = value()?,
            "--basic" => asked.settings.basic = true,
            _ => bail!("{word} is not known\n{USAGE}"),
        }
    }
    asked.settings.users = vec![user];
    Ok(asked)
}

async fn windows(asked: Asked) -> anyhow::Result<()> {
    let mut hosts = Vec::new();
    for number in 0..asked.hosts {
        let port = if asked.first_port == 0 { 0 } else { asked.first_port + number };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let host = WindowsHost::start_on(asked.settings.clone(), address).await;
        let host = host.with_context(|| format!("cannot listen on {address}"))?;
        host.logs().write("Security", asked.backlog);
        writeln!(std::io::stdout(), "{}", host.address())?;
        hosts.push(host);
    }
    std::io::stdout().flush()?;
    let writing = async {
        if asked.events_per_second == 0 {
            return std::future::pending().await;
        }
        // A tenth of a second at a time, so that hosts write steadily.
        let mut every = tokio::time::interval(Duration::from_millis(100));
        let mut tick = 0u64;
        loop {
            every.tick().await;
            let due = |tick: u64| asked.events_per_second * tick / 10;
            let count = due(tick + 1) - due(tick);
            tick += 1;
            if count > 0 {
                hosts.iter().for_each(|host| _ = host.logs().write("Security", count));
            }
        }
    };
    let stdin_ended =
        tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
    tokio::select! {
        () = writing => {}
        _ = tokio::signal::ctrl_c() => {}
        _ = stdin_ended => {}
    }
    // The thread that waits for the end of the input does not end by itself.
    std::process::exit(0)
}
