//! The limit of open files: raised as far as the system allows, and compared with what the configuration may need.

use config::device::SyslogTransport;
use config::{DeviceKind, Snapshot};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files and sockets besides connections: logs, storage, targets, libraries.
const BESIDES: u64 = 200;

/// Raises the limit to the highest this process may have; returns what it is then.
pub(crate) fn raise() -> u64 {
    let limit = getrlimit(Resource::Nofile);
    let wanted = Rlimit { current: limit.maximum, maximum: limit.maximum };
    if let Err(e) = setrlimit(Resource::Nofile, wanted) {
        tracing::warn!(error = %e, "the limit of open files can't be raised");
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

/// Warns when devices may have more connections than files can be open.
pub(crate) fn check(snapshot: &Snapshot, limit: u64) {
    let connections = |kind: &DeviceKind| match kind {
        DeviceKind::Tcp(tcp) => u64::from(tcp.connections.max_connections),
        DeviceKind::Syslog(syslog) => match &syslog.transport {
            SyslogTransport::Tcp(connections) => u64::from(connections.max_connections),
            SyslogTransport::Udp => 0,
        },
        _ => 0,
    };
    let devices = snapshot.devices.iter().filter(|device| device.status);
    let needed: u64 = devices.map(|device| connections(&device.kind)).sum::<u64>() + BESIDES;
    if needed > limit {
        tracing::warn!(
            needed,
            limit,
            "max_connections of all devices exceed the limit of open files; raise it (LimitNOFILE, ulimit -n)"
        );
    }
}
