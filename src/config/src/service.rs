//! The service configuration: everything that is not a device, target, route or pipeline.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use serde_json::Value as Json;

use crate::fields::Fields;
use crate::readers::{Address, AnyText, Bytes, Choice, Flag, Seconds, SecretText, Text, Whole};
use crate::{Node, Secret, not_yet};

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
    /// How much of the disk it may take.
    pub storage_limits: StorageLimits,
    /// `quarantine.max_size`: bytes of disk for events that could not be processed or delivered.
    pub quarantine_bytes: u64,
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

/// How much of the disk persistent storage may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StorageLimits {
    /// `persistent_storage.max_size`: bytes for the journal, and for each target's spool without a limit of its own.
    pub max_bytes: u64,
    /// `persistent_storage.min_free`: free bytes that are left to others.
    pub min_free_bytes: u64,
    /// `persistent_storage.keep_for`: so long what was delivered stays in the journal to be replayed, as far as there is space.
    pub keep_for: Duration,
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
    /// The default of [`Service::quarantine_bytes`], 256 MiB.
    pub const QUARANTINE_BYTES: u64 = 256 << 20;
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
            storage_limits: StorageLimits::DEFAULT,
            quarantine_bytes: Self::QUARANTINE_BYTES,
            debug: Debug { level: 3, console: false, log: false },
            control: Some(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), Self::CONTROL_PORT)),
            memory_budget_bytes: Self::MEMORY_BUDGET_BYTES,
            update: None,
            fleet: None,
            environments: None,
        }
    }
}

// === decode ===

const AGENTS: &str = "agents and clusters are not available in this version";

impl Service {
    /// Reads the top-level keys that are not lists of components.
    pub(crate) fn decode(fields: &mut Fields) -> Self {
        refuse(fields);
        not_yet::accept("service", fields);
        let (director_id, status) = fields.section("director", "this Director", |director| {
            not_yet::accept("director", director);
            let id = director.optional("id", Whole(0..=i64::MAX as u64), "number that no other Director has");
            (id, director.or("status", Flag, true, true, "whether it runs"))
        });
        let node_name = fields.section("node", "this node", |node| {
            node.optional("name", Text, "its name; by default the id of the Director, or 0")
        });
        let listen_address = fields.section("listen", "listeners", |listen| {
            not_yet::accept("listen", listen);
            let any = IpAddr::from(Ipv4Addr::UNSPECIFIED);
            listen.or(
                "address",
                Address,
                any,
                "0.0.0.0",
                "where listeners bind that have no address of their own",
            )
        });
        fields.context.listen_address.set(listen_address);
        let queue_limit = fields.section("queue", "undelivered data", |queue| {
            let limit = 48 * 3600;
            let about = "how long it is kept, in seconds";
            queue.or("limit", Seconds(60..=366 * 86_400), Duration::from_secs(limit), limit, about)
        });
        let (persistent_storage, storage_limits) =
            fields.section("persistent_storage", "events on disk", |storage| {
                (PersistentStorage::decode(storage), StorageLimits::decode(storage, queue_limit))
            });
        Self {
            director_id,
            status,
            node_name: node_name.unwrap_or_else(|| director_id.unwrap_or(0).to_string()),
            listen_address,
            queue_limit,
            persistent_storage,
            storage_limits,
            quarantine_bytes: fields.section("quarantine", "events set aside", |quarantine| {
                let default = Self::QUARANTINE_BYTES;
                let about = "disk for events that could not be processed or delivered; the oldest make room";
                quarantine.or("max_size", Bytes(1 << 20..=1 << 40), default, "256MiB", about)
            }),
            debug: fields.section("debug", "logging", Debug::decode),
            control: fields.section("control", "HTTP API", control),
            memory_budget_bytes: fields.section("memory", "memory", |memory| {
                let default = Self::MEMORY_BUDGET_BYTES;
                let about = "received data that the process may hold in memory";
                memory.or("budget", Bytes(1 << 20..=1 << 40), default, "24MiB", about)
            }),
            update: Update::decode(fields),
            fleet: Fleet::decode(fields),
            environments: environments(fields),
        }
    }
}

/// Keys that the product ignores, or that ask for what this version has not got.
fn refuse(fields: &mut Fields) {
    let refused = [
        (
            "proxy_tls",
            "at the top has no effect in the product",
            "move it to environments[].nodes[].properties.proxy_tls",
        ),
        ("pipeline_bus", "is not available in this version", "remove it; the stages are connected in memory"),
    ];
    for (key, what, fix) in refused {
        if fields.has(key) {
            fields.knows(key, "", || Json::Bool(false));
            fields.report(fields.at_key(key).error(format!("\"{key}\" {what}"), fix));
        }
    }
}

/// Disk that something may take: three segments of a spool at least.
pub(crate) const STORAGE: Bytes = Bytes(96 << 20..=1 << 50);

impl StorageLimits {
    const DEFAULT: Self = Self { max_bytes: 10 << 30, min_free_bytes: 1 << 30, keep_for: Duration::ZERO };

    fn decode(fields: &mut Fields, queue_limit: Duration) -> Self {
        let Self { max_bytes, min_free_bytes, keep_for } = Self::DEFAULT;
        let about = "disk for the journal, and for what waits for each target";
        let max_bytes = fields.or("max_size", STORAGE, max_bytes, "10GiB", about);
        let about = "free disk that is left to others";
        let min_free_bytes = fields.or("min_free", Bytes(0..=1 << 50), min_free_bytes, "1GiB", about);
        let about = "how long events that were delivered stay for -replay, in seconds; at most queue.limit";
        let keep_for = fields.or("keep_for", Seconds(0..=366 * 86_400), keep_for, 0, about);
        if keep_for > queue_limit {
            let limit = queue_limit.as_secs();
            fields.wrong(
                "keep_for",
                &format!("write at most queue.limit, which is {limit} s, or make that longer: older segments are dropped"),
            );
        }
        Self { max_bytes, min_free_bytes, keep_for }
    }
}

impl PersistentStorage {
    fn decode(fields: &mut Fields) -> Self {
        let status = fields.or("status", Flag, false, false, "acknowledge when data is in the journal");
        let about = "acknowledge when it is synced to disk: survives a power cut";
        let crash_resistance = fields.or("crash_resistance", Flag, false, false, about);
        match (status, crash_resistance) {
            (true, true) => Self::Synced,
            (true, false) => Self::Journal,
            (false, true) => {
                fields.wrong("crash_resistance", "set status: true, too, since it needs persistent storage");
                Self::Off
            }
            (false, false) => Self::Off,
        }
    }
}

impl Debug {
    fn decode(fields: &mut Fields) -> Self {
        let about = "1 errors, 2 warnings, 3 information, 4 details, 5 everything";
        let level = fields.or("level", Whole(1..=5), 3, 3, about);
        let console = fields.section("console", "log to the standard output", status);
        let log = fields.section("log", "log to storage/logs/debug.log", status);
        Self { level, console, log }
    }
}

fn status(fields: &mut Fields) -> bool {
    fields.or("status", Flag, false, false, "whether it is in use")
}

fn control(fields: &mut Fields) -> Option<SocketAddr> {
    let status = fields.or("status", Flag, true, true, "whether it is on");
    let local = IpAddr::from(Ipv4Addr::LOCALHOST);
    let address = fields.or("address", Address, local, "127.0.0.1", "IP address to bind");
    let port = Service::CONTROL_PORT;
    let port = fields.or("port", Whole(0..=u16::MAX), port, port, "port to bind; 0: any free one");
    status.then_some(SocketAddr::new(address, port))
}

impl Update {
    fn decode(fields: &mut Fields) -> Option<Self> {
        let update = fields.optional_section("update", "automatic updates", |update| {
            update.required("mode", Choice(&[("auto", ())]), "auto");
            let methods =
                Choice(&[("immediate", UpdateMethod::Immediate), ("schedule", UpdateMethod::Scheduled)]);
            let method = update.required("method", methods, "immediate or schedule");
            let version = update.required("version", Text, "the wanted version, such as latest");
            let cron = update.optional("cron", Text, "five fields, or six with seconds; wins over interval");
            let is_cron = |cron: &String| (5..=6).contains(&cron.split_whitespace().count());
            if !cron.as_ref().is_none_or(is_cron) {
                update.wrong("cron", "write five fields such as 0 3 * * *");
            }
            let about = "time between two looks for a version, in seconds";
            let interval =
                update.or("interval", Seconds(30..=31 * 86_400), Duration::from_secs(30), 30, about);
            Self { method, version, cron, interval }
        });
        if update.is_some() {
            not_yet::warn(fields, "update", "updates are not available in this version");
        }
        update
    }
}

impl Fleet {
    fn decode(fields: &mut Fields) -> Option<Self> {
        let fleet = fields.optional_section("fleet", "link to the control plane", |fleet| {
            let instance = fleet.required("instance", Text, "websocket address of the control plane");
            let token = fleet.optional("token", SecretText, "proves who this is");
            fleet.or("type", Choice(&[("vmetric", ())]), (), "vmetric", "kind of control plane");
            Self { instance, token }
        });
        if fleet.is_some() {
            not_yet::warn(fields, "fleet", "the control plane is not available in this version");
        }
        fleet
    }
}

/// Environments hold clusters and nodes, clusters hold nodes; their properties are for those who use them.
fn environments(fields: &mut Fields) -> Option<Node> {
    fields.items("environments", "environment", "agents' endpoints and clusters", |environment| {
        member(environment);
        environment.or("description", AnyText, String::new(), "", "free text");
        environment.items("clusters", "cluster", "clusters of Directors", |cluster| {
            member(cluster);
            cluster.or("type", Choice(&[("director", ())]), (), "director", "kind of cluster");
            properties(cluster);
            nodes(cluster);
        });
        nodes(environment);
    });
    let node = fields.node("environments")?;
    not_yet::warn(fields, "environments", AGENTS);
    Some(node.clone())
}

fn nodes(fields: &mut Fields) {
    fields.items("nodes", "node", "Directors", |node| {
        member(node);
        properties(node);
    });
}

fn member(fields: &mut Fields) {
    fields.required("name", Text, "its name");
    fields.or("status", Flag, true, true, "whether it is in use");
}

fn properties(fields: &mut Fields) {
    let node = fields.tree("properties", serde_json::json!({"type": ["object", "null"]}), "its properties");
    if node.is_some_and(|node| node.as_map().is_none()) {
        fields.wrong("properties", "write a map");
    }
}
