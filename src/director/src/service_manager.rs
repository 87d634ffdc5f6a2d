//! What systemd is told: ready, reloading, stopping, still alive (sd_notify(3)).
//!
//! The protocol is one datagram of `KEY=value` lines to the Unix socket in `NOTIFY_SOCKET`. Without that variable
//! nobody listens, and nothing is sent.

use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The service manager, if there is one.
#[derive(Debug)]
pub(crate) struct ServiceManager {
    socket: Option<UnixDatagram>,
    /// How often it wants to hear that the Director lives.
    pub(crate) alive_every: Option<Duration>,
}

impl ServiceManager {
    /// The one that started this process.
    pub(crate) fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let socket = variable("NOTIFY_SOCKET").and_then(|name| match connect(&name) {
            Ok(socket) => Some(socket),
            Err(e) => {
                tracing::warn!(error = %e, "the service manager can't be told how it goes");
                None
            }
        });
        let meant_for_us = variable("WATCHDOG_PID").is_none_or(|pid| pid.parse() == Ok(std::process::id()));
        let limit = variable("WATCHDOG_USEC").and_then(|limit| limit.parse().ok()).filter(|_| meant_for_us);
        // Twice as often as it has to be, as sd_watchdog_enabled(3) recommends.
        let alive_every = limit.map(|limit| Duration::from_micros(limit) / 2);
        Self { alive_every: alive_every.filter(|every| socket.is_some() && !every.is_zero()), socket }
    }

    /// Everything is up.
    pub(crate) fn ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={status}"));
    }

    /// The end has begun.
    pub(crate) fn stopping(&self) {
        self.tell("STOPPING=1\nSTATUS=delivering what is held");
    }

    /// The main loop goes round.
    pub(crate) fn alive(&self) {
        self.tell("WATCHDOG=1");
    }

    fn tell(&self, text: &str) {
        if let Some(socket) = &self.socket {
            // A service manager that does not listen finds out by its own time limits.
            let _ = socket.send(text.as_bytes());
        }
    }
}

fn connect(name: &str) -> std::io::Result<UnixDatagram> {
    let address = match name.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect_addr(&address)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_and_asked_how_often() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let systemd = UnixDatagram::bind(&path).expect("bound");
        let name = path.to_str().expect("text").to_owned();
        let manager = ServiceManager::from_environment(|variable| match variable {
            "NOTIFY_SOCKET" => Some(name.clone()),
            "WATCHDOG_USEC" => Some("30000000".to_owned()),
            _ => None,
        });
        assert_eq!(manager.alive_every, Some(Duration::from_secs(15)));
        manager.ready("running");
        manager.alive();
        let received = || {
            let mut buffer = [0; 100];
            let length = systemd.recv(&mut buffer).expect("received");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert_eq!(received(), "READY=1\nSTATUS=running");
        assert_eq!(received(), "WATCHDOG=1");
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_ours() {
        let manager = ServiceManager::from_environment(|variable| match variable {
            "NOTIFY_SOCKET" => Some("@vmetric-director-test-nobody".to_owned()),
            "WATCHDOG_USEC" => Some("1000".to_owned()),
            "WATCHDOG_PID" => Some("1".to_owned()),
            _ => None,
        });
        assert_eq!(manager.alive_every, None);
    }
}
