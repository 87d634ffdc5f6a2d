//! The subtree of a device: one line in [`entrance`] for each type.

mod companions;
mod file;
mod http;
mod linux;
mod listeners;
mod windows;

pub use actors::device::trial::{Finding, Trial};
pub use companions::{Companions, companions};

use self::listeners::{address, datagram_sockets, keeps_connections, stream_sockets};
use crate::supervisor::{Announce, Charge, StopOrder, subtree};
use actors::child::ChildSpec;
use actors::child::spec::Common;
use actors::data::{Device, Lanes};
use actors::device::file::Checkpoints;
use actors::device::spread::Spread;
use actors::device::windows::WindowsTrial;
use config::DeviceKind;
use config::device::{SyslogDevice, SyslogTransport};
use parking_lot::Mutex;
use std::net::SocketAddr;
use std::sync::Arc;

/// A device's subtree: its entrance (listener or collector) and what that adopts.
#[derive(Clone)]
pub struct DeviceTree {
    announce: Announce,
    /// What the subtree starts with; changes with the configuration.
    entrance: Arc<Mutex<Vec<ChildSpec>>>,
}

impl DeviceTree {
    /// The tree of a device with these children to begin with.
    pub fn new(entrance: Vec<ChildSpec>) -> Self {
        Self { announce: Announce::default(), entrance: Arc::new(Mutex::new(entrance)) }
    }

    /// The subtree as a child of the devices.
    pub fn spec(&self, name: &str, common: &Arc<Common>) -> ChildSpec {
        let (common, tree) = (common.clone(), self.clone());
        subtree(name, "device", move |context| Charge {
            path: Arc::clone(&context.path),
            common: common.clone(),
            stop_order: StopOrder::Together,
            children: tree.entrance.lock().clone(),
            announce: tree.announce.clone(),
        })
    }

    /// Replaces the entrance; connections that are open stay as they are.
    pub fn change(&self, entrance: Vec<ChildSpec>) {
        let before = std::mem::replace(&mut *self.entrance.lock(), entrance.clone());
        if let Some(nursery) = self.announce.present() {
            for gone in before.iter().filter(|old| entrance.iter().all(|new| new.name != old.name)) {
                nursery.dismiss(Arc::clone(&gone.name));
            }
            for child in entrance {
                nursery.adopt(child);
            }
        }
    }
}

/// What all collectors of a Director share.
#[derive(Clone, Debug)]
pub struct Collecting {
    /// How far everything was read.
    pub checkpoints: Checkpoints,
    /// Who begins when.
    pub spread: Spread,
}

/// What a device's subtree starts with.
pub fn entrance(
    device: &Arc<Device>,
    kind: &DeviceKind,
    lanes: &Lanes,
    collecting: &Collecting,
) -> anyhow::Result<Vec<ChildSpec>> {
    match kind {
        DeviceKind::Tcp(d) => stream_sockets(device, lanes, &d.listen, &d.connections, d.max_message_bytes),
        DeviceKind::Udp(d) => Ok(datagram_sockets(device, lanes, &d.listen, d.buffer_bytes)),
        DeviceKind::Syslog(d) => match &d.transport {
            SyslogTransport::Udp => Ok(datagram_sockets(device, lanes, &d.listen, longest_datagram(d))),
            SyslogTransport::Tcp(c) => stream_sockets(device, lanes, &d.listen, c, d.max_message_bytes),
        },
        DeviceKind::Http(d) => http::server(device, lanes, d),
        DeviceKind::File(d) => file::entrance(device, d, lanes, &collecting.checkpoints),
        DeviceKind::Windows(d) => windows::entrance(device, d, lanes, collecting),
        DeviceKind::Linux(d) => linux::collector(device, d, lanes, collecting),
    }
}

/// How a device can be tried out without being collected; none for those that listen.
///
/// # Errors
/// When its settings can't be used.
pub fn trial(device: &config::Device) -> anyhow::Result<Option<Box<dyn Trial>>> {
    match &device.kind {
        DeviceKind::Windows(d) => Ok(Some(Box::new(WindowsTrial::new(windows::settings(d)?)))),
        DeviceKind::Linux(d) => linux::trial(d).map(Some),
        DeviceKind::Tcp(_)
        | DeviceKind::Udp(_)
        | DeviceKind::Syslog(_)
        | DeviceKind::Http(_)
        | DeviceKind::File(_) => Ok(None),
    }
}

/// The host that a device is collected from.
pub fn address_of(kind: &DeviceKind) -> Option<&str> {
    match kind {
        DeviceKind::Windows(d) => Some(&d.address),
        DeviceKind::Linux(d) => Some(&d.address),
        DeviceKind::Tcp(_)
        | DeviceKind::Udp(_)
        | DeviceKind::Syslog(_)
        | DeviceKind::Http(_)
        | DeviceKind::File(_) => None,
    }
}

/// Addresses that a device binds, to be closed when it goes.
pub fn addresses(kind: &DeviceKind) -> Vec<SocketAddr> {
    match kind {
        DeviceKind::Tcp(d) => vec![address(&d.listen)],
        DeviceKind::Udp(d) => vec![address(&d.listen)],
        DeviceKind::Http(d) => vec![address(&d.listen)],
        DeviceKind::Syslog(d) => vec![address(&d.listen)],
        DeviceKind::File(_) | DeviceKind::Windows(_) | DeviceKind::Linux(_) => Vec::new(),
    }
}

/// Whether a changed device may go on with the connections it has.
pub fn keeps_peers(before: &DeviceKind, now: &DeviceKind) -> bool {
    match (before, now) {
        (DeviceKind::Tcp(before), DeviceKind::Tcp(now)) => {
            keeps_connections((&before.listen, &before.connections), (&now.listen, &now.connections))
        }
        (DeviceKind::Syslog(before), DeviceKind::Syslog(now)) => match (&before.transport, &now.transport) {
            (SyslogTransport::Tcp(c), SyslogTransport::Tcp(new)) => {
                keeps_connections((&before.listen, c), (&now.listen, new))
            }
            _ => false,
        },
        _ => false,
    }
}

/// A datagram is cut at the read buffer's size, or where messages are cut.
fn longest_datagram(syslog: &SyslogDevice) -> u64 {
    syslog.buffer_bytes.min(syslog.max_message_bytes)
}
