//! Whether this process may open as many connections as are configured.

use config::device::SyslogTransport;
use config::{DeviceKind, Snapshot};
use security::open_files::OpenFiles;

/// Says it when the limit of open files is lower than what a configuration may need.
pub fn check(snapshot: &Snapshot) {
    let enabled = snapshot.devices.iter().filter(|device| device.status);
    let connections = enabled.map(|device| max_connections(&device.kind)).sum();
    if let Some(text) = OpenFiles::present().shortfall(connections) {
        tracing::warn!("{text}");
    }
}

fn max_connections(kind: &DeviceKind) -> u64 {
    match kind {
        DeviceKind::Tcp(tcp) => tcp.connections.max_connections.into(),
        DeviceKind::Syslog(syslog) => match &syslog.transport {
            SyslogTransport::Tcp(connections) => connections.max_connections.into(),
            SyslogTransport::Udp => 0,
        },
        DeviceKind::Http(http) => http.max_connections.into(),
        DeviceKind::Linux(_) => 1,
        DeviceKind::Udp(_) | DeviceKind::File(_) => 0,
        // Events and facts.
        DeviceKind::Windows(_) => 2,
    }
}
