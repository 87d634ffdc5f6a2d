//! What goes with a device whatever its type: its profile, the watcher of its silence, its replicas.

use actors::child::{ChildSpec, Home};
use actors::data::Device;
use actors::data::profile::{Profile, ReplicaQueue, Timezone};
use actors::data::rate::RateLimit;
use actors::device::replica::{Backlog, QUEUE_BATCHES, Replica, ReplicaSettings, Way};
use actors::device::silence::Silence;
use config::DeviceKind;
use config::device::{ForwardProtocol, Framing, SyslogDevice, SyslogTransport, Timezone as Configured};
use std::sync::Arc;

/// A device's companions, to be started with it.
pub struct Companions {
    /// What its connections and sockets go by from then on.
    pub profile: Profile,
    /// Its children besides the entrance.
    pub children: Vec<ChildSpec>,
}

/// The companions of a device with this configuration.
pub fn companions(device: &Arc<Device>, configured: &config::Device) -> Companions {
    let mut profile =
        Profile { rate: RateLimit::new(configured.rate_limit_per_second), ..Profile::default() };
    let mut children = Vec::new();
    if let Some(after) = configured.silent_after {
        let device = Arc::clone(device);
        let make = move || Ok(Silence::new(Arc::clone(&device), after));
        children.push(ChildSpec::new("silence", "watch", Home::Control, make));
    }
    if let DeviceKind::Syslog(syslog) = &configured.kind {
        profile.timezone = timezone(&syslog.timezone);
        for (index, settings) in replicas(syslog).into_iter().enumerate() {
            let meters = Arc::clone(&device.meters.replicas);
            let (queue, receiver) = ReplicaQueue::new(QUEUE_BATCHES, Arc::clone(&meters));
            profile.replicas.push(queue);
            let backlog = Backlog::new(receiver);
            let make = move || Ok(Replica::new(settings.clone(), Arc::clone(&meters), backlog.clone()));
            children.push(ChildSpec::new(format!("replica-{index}"), "replica", Home::Control, make));
        }
    }
    Companions { profile, children }
}

fn replicas(syslog: &SyslogDevice) -> Vec<ReplicaSettings> {
    let counts_octets = matches!(&syslog.transport, SyslogTransport::Tcp(c) if c.framing == Framing::Octet);
    let replica = |forward: &config::device::Forward| ReplicaSettings {
        destination: endpoint(&forward.address, forward.port),
        way: match forward.protocol {
            ForwardProtocol::Udp => Way::Udp,
            ForwardProtocol::Tcp if counts_octets => Way::TcpOctets,
            ForwardProtocol::Tcp => Way::TcpLines,
        },
    };
    syslog.forwarding.iter().map(replica).collect()
}

/// `host:port`, an IPv6 address in brackets.
fn endpoint(host: &str, port: u16) -> String {
    if host.contains(':') && !host.starts_with('[') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn timezone(configured: &Configured) -> Timezone {
    match configured {
        Configured::Local => Timezone::Local,
        Configured::Fixed(seconds) => Timezone::Fixed(*seconds),
        Configured::Named(name) => Timezone::Named(name.as_str().into()),
    }
}
