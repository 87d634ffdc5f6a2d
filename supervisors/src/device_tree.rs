//! The subtree of a device: one line in [`entrance`] for each type.

use crate::supervisor::{Announce, Charge, StopOrder, subtree};
use actors::child::spec::Common;
use actors::child::{ChildSpec, Home};
use actors::data::{Device, Lanes};
use actors::device::tcp_listener::{TcpListener, TcpSettings};
use config::DeviceKind;
use config::device::{Framing as Configured, TcpDevice};
use parking_lot::Mutex;
use protocol::framing::{Delimiter, Framing};
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
    pub fn spec(&self, name: &str, common: &Common) -> ChildSpec {
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
        *self.entrance.lock() = entrance.clone();
        if let Some(nursery) = self.announce.present() {
            for child in entrance {
                nursery.adopt(child);
            }
        }
    }
}

/// What a device's subtree starts with.
pub fn entrance(device: &Arc<Device>, kind: &DeviceKind, lanes: &Lanes) -> anyhow::Result<Vec<ChildSpec>> {
    match kind {
        DeviceKind::Tcp(tcp) => {
            let (device, lanes, settings) = (Arc::clone(device), lanes.clone(), tcp_settings(tcp)?);
            let make = move || Ok(TcpListener::new(Arc::clone(&device), lanes.clone(), settings.clone()));
            Ok(vec![ChildSpec::new("listener", "listener", Home::Control, make)])
        }
        _ => anyhow::bail!("device \"{}\": this type is not available in this version", device.name),
    }
}

/// Addresses that a device binds, to be closed when it goes.
pub fn addresses(kind: &DeviceKind) -> Vec<SocketAddr> {
    match kind {
        DeviceKind::Tcp(d) => vec![SocketAddr::new(d.listen.address, d.listen.port)],
        DeviceKind::Udp(d) => vec![SocketAddr::new(d.listen.address, d.listen.port)],
        DeviceKind::Http(d) => vec![SocketAddr::new(d.listen.address, d.listen.port)],
        DeviceKind::Syslog(d) => vec![SocketAddr::new(d.listen.address, d.listen.port)],
        DeviceKind::File(_) => Vec::new(),
    }
}

fn tcp_settings(tcp: &TcpDevice) -> anyhow::Result<TcpSettings> {
    let framing = match &tcp.connections.framing {
        Configured::Auto { .. } => Framing::Detect,
        Configured::Delimiter { delimiter } => match Delimiter::new(delimiter) {
            Some(delimiter) => Framing::Delimiter(delimiter),
            None => anyhow::bail!("line_delimiter is empty"),
        },
        Configured::Octet => Framing::Octet,
    };
    Ok(TcpSettings {
        address: SocketAddr::new(tcp.listen.address, tcp.listen.port),
        framing,
        max_message_bytes: u32::try_from(tcp.max_message_bytes).unwrap_or(u32::MAX),
        max_connections: tcp.connections.max_connections as usize,
        idle_timeout: tcp.connections.idle_timeout,
    })
}
