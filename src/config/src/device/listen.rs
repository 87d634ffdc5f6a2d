//! What listeners have in common: address, access, TLS, framing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

/// Where a listener binds, and who may talk to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// The address to bind; by default `listen.address`.
    pub address: IpAddr,
    /// The port to bind, 1 to 65535.
    pub port: u16,
    /// Who may talk to it; empty: everybody.
    pub allowed_ips: Vec<AllowedIps>,
    /// Several sockets on one port (`SO_REUSEPORT`).
    pub reuse: bool,
    /// How many sockets, with `reuse`; none: one a lane.
    pub workers: Option<u16>,
}

/// What stream listeners do with a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections {
    /// How records are told apart.
    pub framing: Framing,
    /// Most connections at a time.
    pub max_connections: u32,
    /// A connection that says nothing for this long is closed.
    pub idle_timeout: Duration,
    /// TLS, if `tls.status`.
    pub tls: Option<Tls>,
}

/// How records in a stream are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Found out for each connection: octet counts, or else the delimiter.
    Auto {
        /// What ends a record; not empty.
        delimiter: Vec<u8>,
    },
    /// A delimiter ends a record (RFC 6587 3.4.2).
    Delimiter {
        /// What ends a record; not empty.
        delimiter: Vec<u8>,
    },
    /// The length goes before a record (RFC 6587 3.4.1).
    Octet,
}

/// The certificate of a listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tls {
    /// `cert_name`: PEM file of the certificate chain.
    pub cert: PathBuf,
    /// `key_name`: PEM file of its private key.
    pub key: PathBuf,
    /// `ca_name`: PEM file; if given, clients must show a certificate that it signed.
    pub ca: Option<PathBuf>,
}

/// Addresses that may talk to a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AllowedIps {
    /// `192.0.2.1`
    Single(IpAddr),
    /// `192.0.2.1-192.0.2.9`, both included, of one family.
    Range(IpAddr, IpAddr),
    /// `192.0.2.0/24`; the bits after the prefix are ignored.
    Network {
        /// Any address of the network.
        address: IpAddr,
        /// 0 to 32, or 128.
        prefix: u8,
    },
}
