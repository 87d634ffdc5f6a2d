//! Why an address can't be bound, and who holds it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

/// How often a port that is in use is tried again.
pub const BIND_AGAIN: Duration = Duration::from_secs(2);

/// Why an address can't be bound, and what to do.
pub fn bind_trouble(address: SocketAddr, e: &io::Error) -> String {
    let advice = match e.kind() {
        io::ErrorKind::AddrInUse => match holder(address.port()) {
            Some(who) => format!("it is held by {who}; stop that program or choose another port"),
            None => "another program holds it; stop that program or choose another port".to_owned(),
        },
        io::ErrorKind::PermissionDenied => {
            "ports below 1024 need the capability CAP_NET_BIND_SERVICE; the service unit grants it".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "this machine does not have that address".to_owned(),
        _ => "see the error".to_owned(),
    };
    format!("cannot bind {address}: {e}; {advice}; retrying every {} s", BIND_AGAIN.as_secs())
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
