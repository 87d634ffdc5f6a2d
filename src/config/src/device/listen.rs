//! What listeners have in common: address, access, TLS, framing.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::Node;
use crate::fields::Fields;
use crate::not_yet;
use crate::readers::{Address, Choice, Delimiter, FilePath, Flag, List, PORT, Reader, Seconds, Whole, Wrong};

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

/// Longest message that a listener can be told to take.
pub(super) const MAX_MESSAGE_BYTES: u64 = 1 << 30;
/// `max_message_size` by default: 20 MiB.
pub(super) const DEFAULT_MESSAGE_BYTES: u64 = 20 << 20;

// === impl Listen ===

impl Listen {
    pub(super) fn decode(fields: &mut Fields) -> Self {
        not_yet::accept("listener", fields);
        let default = fields.context.listen_address.get();
        let about = "IP address to bind; by default listen.address";
        let address = fields.optional("address", Address, about).unwrap_or(default);
        let port = fields.required("port", PORT, "port to bind, 1 to 65535");
        let about = "who may talk to it: addresses, ranges (a-b) and networks (a/24); none: everybody";
        let allowed_ips = fields.optional("allowed_ips", List(AllowedIpsReader), about).unwrap_or_default();
        let reuse = fields.or("reuse", Flag, true, true, "several sockets on one port");
        let about = "how many sockets, with reuse; by default one a lane";
        let workers = fields.optional("workers", Whole(1..=1024), about);
        Self { address, port, allowed_ips, reuse, workers }
    }
}

// === impl Connections ===

/// What `framing` says.
#[derive(Clone, Copy)]
pub(super) enum FramingWord {
    Auto,
    Delimiter,
    Octet,
}

/// Framings of `tcp` devices.
pub(super) const FRAMINGS: Choice<FramingWord> = Choice(&[
    ("delimiter", FramingWord::Delimiter),
    ("octet", FramingWord::Octet),
    ("rfc6587", FramingWord::Octet),
]);

/// Framings of `syslog` devices: messages start with `<`, so that octet counts can be told from text.
pub(super) const SYSLOG_FRAMINGS: Choice<FramingWord> = Choice(&[
    ("auto", FramingWord::Auto),
    ("delimiter", FramingWord::Delimiter),
    ("octet", FramingWord::Octet),
    ("rfc6587", FramingWord::Octet),
]);

impl Connections {
    /// The first of `framings` is the default.
    pub(super) fn decode(fields: &mut Fields, framings: Choice<FramingWord>) -> Self {
        let (shown, default) = framings.0[0];
        let word = fields.or("framing", framings, default, shown, "how records are told apart");
        let about = "what ends a record";
        let delimiter = fields.or("line_delimiter", Delimiter, b"\n".to_vec(), "\n", about);
        let framing = match word {
            FramingWord::Auto => Framing::Auto { delimiter },
            FramingWord::Delimiter => Framing::Delimiter { delimiter },
            FramingWord::Octet => Framing::Octet,
        };
        let about = "most connections at a time";
        let max_connections = fields.or("max_connections", Whole(1..=1_000_000), 10_000, 10_000, about);
        let about = "close a connection that says nothing for this long, in seconds";
        let timeout = Duration::from_secs(300);
        let idle_timeout = fields.or("timeout", Seconds(1..=7 * 86_400), timeout, 300, about);
        let tls = Tls::decode(fields);
        Self { framing, max_connections, idle_timeout, tls }
    }
}

// === impl Tls ===

impl Tls {
    pub(super) fn decode(fields: &mut Fields) -> Option<Self> {
        fields.section("tls", "encryption", |tls| {
            let root = tls.context.root;
            let status = tls.or("status", Flag, false, false, "whether connections are encrypted");
            let about = "PEM file of the certificate chain";
            let cert = tls.optional("cert_name", FilePath(root), about);
            let key = tls.optional("key_name", FilePath(root), "PEM file of its private key");
            let about = "PEM file of the authority that signs clients' certificates; if given, they need one";
            let ca = tls.optional("ca_name", FilePath(root), about);
            if !status {
                return None;
            }
            for (name, file) in [("cert_name", &cert), ("key_name", &key)] {
                if file.is_none() {
                    tls.missing(name, "a PEM file, since tls.status is true");
                }
            }
            Some(Self { cert: cert?, key: key?, ca })
        })
    }
}

// === impl AllowedIps ===

impl AllowedIps {
    /// Whether it takes that address. An IPv4 address that is written as IPv6 (`::ffff:192.0.2.1`) counts as
    /// IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        match *self {
            Self::Single(single) => single == address,
            Self::Range(low, high) => low.is_ipv4() == address.is_ipv4() && low <= address && address <= high,
            Self::Network { address: network, prefix } => match (network, address) {
                (IpAddr::V4(network), IpAddr::V4(address)) => {
                    let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
                    (network.to_bits() ^ address.to_bits()) & mask == 0
                }
                (IpAddr::V6(network), IpAddr::V6(address)) => {
                    let mask = u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0);
                    (network.to_bits() ^ address.to_bits()) & mask == 0
                }
                (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
            },
        }
    }

    /// `address`, `low-high` or `network/prefix`.
    fn parse(text: &str) -> Option<Self> {
        let address = |text: &str| Some(text.trim().parse::<IpAddr>().ok()?.to_canonical());
        if let Some((low, high)) = text.split_once('-') {
            let (low, high) = (address(low)?, address(high)?);
            return (low.is_ipv4() == high.is_ipv4() && low <= high).then_some(Self::Range(low, high));
        }
        if let Some((network, prefix)) = text.split_once('/') {
            // not canonical: the prefix counts in the family that is written
            let network: IpAddr = network.parse().ok()?;
            let prefix: u8 = prefix.parse().ok()?;
            let most = if network.is_ipv4() { 32 } else { 128 };
            return (prefix <= most).then_some(Self::Network { address: network, prefix });
        }
        address(text).map(Self::Single)
    }
}

/// One entry of `allowed_ips`. An empty one is wrong: a variable that is empty must not open a device to
/// everybody.
struct AllowedIpsReader;

impl Reader for AllowedIpsReader {
    type Value = AllowedIps;

    fn read(&self, node: &Node) -> Result<AllowedIps, Wrong> {
        let fix = "write an address, a range such as 10.0.0.1-10.0.0.9, or a network such as 10.0.0.0/8";
        node.as_text().and_then(AllowedIps::parse).ok_or_else(|| Wrong::new(node, fix))
    }

    fn placeholder(&self) -> AllowedIps {
        AllowedIps::Single(std::net::Ipv4Addr::UNSPECIFIED.into())
    }

    fn schema(&self) -> Json {
        json!({"type": "string"})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(entry: &str, address: &str) -> bool {
        AllowedIps::parse(entry).unwrap().contains(address.parse().unwrap())
    }

    #[test]
    fn an_entry_is_an_address_a_range_or_a_network() {
        let yes = [
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.1", "::ffff:192.0.2.1"),
            ("192.0.2.1-192.0.2.9", "192.0.2.9"),
            ("192.0.2.0/24", "192.0.2.255"),
            ("192.0.2.77/24", "192.0.2.1"),
            ("0.0.0.0/0", "8.8.8.8"),
            ("2001:db8::/32", "2001:db8::1"),
            ("::/0", "2001:db8::1"),
            ("192.0.2.1/32", "192.0.2.1"),
        ];
        for (entry, address) in yes {
            assert!(contains(entry, address), "{entry} takes {address}");
        }
        let no = [
            ("192.0.2.1", "192.0.2.2"),
            ("192.0.2.1-192.0.2.9", "192.0.2.10"),
            ("192.0.2.0/24", "192.0.3.0"),
            ("0.0.0.0/0", "2001:db8::1"),
            ("::/0", "8.8.8.8"),
            ("192.0.2.1-192.0.2.9", "2001:db8::1"),
        ];
        for (entry, address) in no {
            assert!(!contains(entry, address), "{entry} does not take {address}");
        }
    }

    #[test]
    fn other_entries_are_refused() {
        for entry in [
            "",
            "x",
            "10.0.0.0/33",
            "10.0.0.9-10.0.0.1",
            "10.0.0.1-::1",
            "10.0.0.0/",
            "::/129",
            "10.0.0.0/-1",
        ] {
            assert_eq!(AllowedIps::parse(entry), None, "{entry:?}");
        }
    }
}
