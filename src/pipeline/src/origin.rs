//! Where a record came from, as pipelines see it.

use std::net::SocketAddr;

/// Where and when a record was received. The strings belong to the configuration, the rest to the batch.
#[derive(Clone, Copy, Debug, Default)]
pub struct Origin<'o> {
    /// The device's number.
    pub device_id: i64,
    /// The device's name.
    pub device_name: &'o str,
    /// The device's type, such as `syslog`.
    pub device_type: &'o str,
    /// The collector's dataset, if it has one.
    pub dataset: Option<&'o str>,
    /// The peer's address; none for files.
    pub peer: Option<SocketAddr>,
    /// When it was received, in nanoseconds since the Unix epoch.
    pub received: u64,
}
