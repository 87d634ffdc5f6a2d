//! The service configuration: everything that is not a device, target, route or pipeline.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::{Node, Secret};

/// What the process as a whole is told.
#[derive(Clone, Debug, PartialEq)]
pub struct Service {
    /// `director.id`.
    pub director_id: Option<u64>,
    /// `director.status`: whether the Director runs at all.
    pub status: bool,
    /// `node.name`; by default the director's id, or `0`.
    pub node_name: String,
    /// `listen.address`: where listeners bind that have no `address` of their own.
    pub listen_address: IpAddr,
    /// `queue.limit`: how long undelivered data is kept.
    pub queue_limit: Duration,
    /// What an acknowledgement to a source promises.
    pub persistent_storage: PersistentStorage,
    /// Logging.
    pub debug: Debug,
    /// `control`: where the HTTP API listens (port 0: any free one); none: it is off.
    pub control: Option<SocketAddr>,
    /// `memory.budget`: bytes of received data the process may hold in memory.
    pub memory_budget_bytes: u64,
    /// `update`: automatic updates.
    pub update: Option<Update>,
    /// `fleet`: the link to the control plane.
    pub fleet: Option<Fleet>,
    /// `environments`, checked for its shape.
    pub environments: Option<Node>,
}

/// When a source is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PersistentStorage {
    /// When its data was delivered; memory only.
    Off,
    /// When its data is in the journal: survives the end of the process.
    Journal,
    /// When its data is synced to disk (`crash_resistance: true`): survives a power cut.
    Synced,
}

/// Logging.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Debug {
    /// `debug.level`: 1 errors, 2 warnings, 3 information (default), 4 details, 5 everything.
    pub level: u8,
    /// `debug.console.status`: log to the standard output.
    pub console: bool,
    /// `debug.log.status`: log to `storage/logs/debug.log`.
    pub log: bool,
}

/// Automatic updates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// When an available version is applied.
    pub method: UpdateMethod,
    /// The wanted version, such as `latest`.
    pub version: String,
    /// Five fields, or six with seconds; wins over `interval`.
    pub cron: Option<String>,
    /// Time between two looks for a version; 30 seconds at least.
    pub interval: Duration,
}

/// When an available version is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateMethod {
    /// At once.
    Immediate,
    /// By `cron`, or `interval`.
    Scheduled,
}

/// The link to the control plane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    /// Its websocket address.
    pub instance: String,
    /// The token that proves who this is.
    pub token: Option<Secret>,
}

impl Service {
    /// The default of [`Service::memory_budget_bytes`], 24 MiB.
    pub const MEMORY_BUDGET_BYTES: u64 = 24 << 20;
    /// The default port of the HTTP API.
    pub const CONTROL_PORT: u16 = 8078;
}

impl Default for Service {
    fn default() -> Self {
        Self {
            director_id: None,
            status: true,
            node_name: "0".to_owned(),
            listen_address: Ipv4Addr::UNSPECIFIED.into(),
            queue_limit: Duration::from_secs(48 * 3600),
            persistent_storage: PersistentStorage::Off,
            debug: Debug { level: 3, console: false, log: false },
            control: Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), Self::CONTROL_PORT)),
            memory_budget_bytes: Self::MEMORY_BUDGET_BYTES,
            update: None,
            fleet: None,
            environments: None,
        }
    }
}
