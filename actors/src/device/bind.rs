//! Binding, however often that has to be tried; why an address can't be bound, and who holds it.

use crate::child::{Condition, Me};
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// How often a port that is in use is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(2);

/// What keeps somebody from listening.
#[derive(Debug)]
pub enum Obstacle {
    /// The address can't be bound.
    Bind(SocketAddr, io::Error),
    /// Something else, with what to do about it.
    Other(String),
}

/// Tries until it succeeds, and says once what is in the way: again only when that is something else.
pub async fn until_bound<M: Send + 'static, T>(
    me: &Me<M>,
    device: Option<&str>,
    mut attempt: impl FnMut() -> Result<T, Obstacle>,
) -> T {
    let mut reported = None;
    loop {
        let obstacle = match attempt() {
            Ok(bound) => return bound,
            Err(obstacle) => obstacle,
        };
        // Told apart by this, since the whole text takes a look at all processes.
        let mark = obstacle.mark();
        if reported.as_ref() != Some(&mark) {
            let text = format!("{}; retrying every {} s", obstacle.text(), BIND_AGAIN.as_secs());
            tracing::error!(device, "{text}");
            me.report(Condition::Trouble(text));
            reported = Some(mark);
        }
        me.waiting(tokio::time::sleep(BIND_AGAIN)).await;
    }
}

impl Obstacle {
    fn mark(&self) -> String {
        match self {
            Obstacle::Bind(address, e) => format!("{address} {e}"),
            Obstacle::Other(text) => text.clone(),
        }
    }

    fn text(&self) -> String {
        match self {
            Obstacle::Bind(address, e) => format!("cannot bind {address}: {e}; {}", advice(*address, e)),
            Obstacle::Other(text) => text.clone(),
        }
    }
}

fn advice(address: SocketAddr, e: &io::Error) -> String {
    match e.kind() {
        io::ErrorKind::AddrInUse => match holder(address.port()) {
            Some(who) => format!("it is held by {who}; stop that program or choose another port"),
            None => "another program holds it; stop that program or choose another port".to_owned(),
        },
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE; the service unit grants it".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => "see the error".to_owned(),
    }
}

/// Who listens on a port, by name and process id, as far as `/proc` lets us see.
fn holder(port: u16) -> Option<String> {
    let inodes: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6", "/proc/net/udp", "/proc/net/udp6"]
        .iter()
        .filter_map(|table| std::fs::read_to_string(table).ok())
        .flat_map(|table| sockets_on(&table, port))
        .collect();
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        // Besides processes there is `self` and much else.
        let id = process.file_name().to_string_lossy().into_owned();
        if id.parse::<u32>().is_err() {
            continue;
        }
        let Ok(links) = std::fs::read_dir(process.path().join("fd")) else { continue };
        for link in links.flatten() {
            let Ok(to) = std::fs::read_link(link.path()) else { continue };
            let to = to.to_string_lossy();
            let Some(inode) = to.strip_prefix("socket:[").and_then(|t| t.strip_suffix(']')) else { continue };
            if inodes.iter().any(|i| i == inode) {
                let name = std::fs::read_to_string(process.path().join("comm")).unwrap_or_default();
                return Some(format!("{} (process {id})", name.trim()));
            }
        }
    }
    None
}

/// Inodes of the sockets in a `/proc/net` table that are bound to a port without a peer.
fn sockets_on(table: &str, port: u16) -> Vec<String> {
    let local = format!(":{port:04X}");
    let bound = |line: &&str| {
        let mut fields = line.split_whitespace().skip(1);
        let at = fields.next().is_some_and(|address| address.ends_with(&local));
        at && fields.next().is_some_and(|peer| peer.ends_with(":0000"))
    };
    table.lines().filter(bound).filter_map(|l| l.split_whitespace().nth(9)).map(str::to_owned).collect()
}
