//! What targets that connect have in common: endpoints, TLS, framing, order.

use std::path::PathBuf;

use crate::fields::Fields;
use crate::readers::{Choice, Delimiter, FilePath, Flag, Host, PORT};

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Host name or address.
    pub address: String,
    /// Port, 1 to 65535.
    pub port: u16,
}

/// TLS of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientTls {
    /// `tls.verify`: whether the peer's certificate is checked.
    pub verify: bool,
    /// `tls.ca_name`: PEM file of the authorities to trust; none: those of the system.
    pub ca: Option<PathBuf>,
    /// `tls.cert_name`, `tls.key_name`: PEM files of an own certificate and its key.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// `tls.min_tls_version`
    pub min: TlsVersion,
    /// `tls.max_tls_version`; not below `min`.
    pub max: TlsVersion,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// How records in a stream are told apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TargetFraming {
    /// A delimiter after each record.
    Delimiter(Vec<u8>),
    /// The length before each record (RFC 6587 3.4.1).
    Octet,
}

/// Whether the order of events of a stream is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ordering {
    /// Requests may overtake each other.
    Relaxed,
    /// One request at a time for each stream.
    Strict,
}

// === impl Endpoint ===

impl Endpoint {
    /// `address` and `port`, or several of them as `endpoints`; at least one.
    pub(super) fn decode_several(fields: &mut Fields) -> Vec<Self> {
        let mut endpoints =
            fields.items("endpoints", "endpoint", "several peers instead of one", |endpoint| {
                let address = endpoint.required("address", Host, "host name or IP address");
                let port = endpoint.required("port", PORT, "port, 1 to 65535");
                Self { address, port }
            });
        let address = fields.optional("address", Host, "host name or IP address of the peer");
        let port = fields.optional("port", PORT, "port of the peer");
        match (address, port) {
            (Some(address), Some(port)) => endpoints.insert(0, Self { address, port }),
            (Some(_), None) => fields.missing("port", "port of the peer, 1 to 65535"),
            (None, Some(_)) => fields.missing("address", "host name or IP address of the peer"),
            (None, None) if fields.node("endpoints").is_none() => {
                fields.missing("address", "host name or IP address of the peer");
                fields.missing("port", "port of the peer, 1 to 65535");
            }
            (None, None) => {
                if fields.node("endpoints").and_then(|node| node.as_list()).is_some_and(<[_]>::is_empty) {
                    fields.wrong("endpoints", "name at least one endpoint");
                }
            }
        }
        endpoints
    }
}

// === impl ClientTls ===

const VERSIONS: &[(&str, TlsVersion)] = &[("tls1.2", TlsVersion::Tls12), ("tls1.3", TlsVersion::Tls13)];

impl ClientTls {
    /// Checks the peer against the authorities of the system.
    pub(super) const DEFAULT: Self =
        Self { verify: true, ca: None, certificate: None, min: TlsVersion::Tls12, max: TlsVersion::Tls13 };

    /// `tls.status`, and the rest; `verify` is the default of `tls.verify`.
    pub(super) fn decode(fields: &mut Fields, verify: bool) -> (bool, Self) {
        fields.section("tls", "encryption", |tls| {
            let root = tls.context.root;
            let status = tls.or("status", Flag, false, false, "whether it is used");
            let verify = tls.or("verify", Flag, verify, verify, "whether the peer's certificate is checked");
            let ca = tls.optional("ca_name", FilePath(root), "PEM file of the authorities to trust");
            let cert = tls.optional("cert_name", FilePath(root), "PEM file of an own certificate");
            let key = tls.optional("key_name", FilePath(root), "PEM file of its private key");
            let about = "lowest version";
            let min = tls.or("min_tls_version", Choice(VERSIONS), TlsVersion::Tls12, "tls1.2", about);
            let about = "highest version";
            let max = tls.or("max_tls_version", Choice(VERSIONS), TlsVersion::Tls13, "tls1.3", about);
            if max < min {
                tls.wrong("max_tls_version", "write a version that is not below min_tls_version");
            }
            match (&cert, &key) {
                (Some(_), None) => tls.missing("key_name", "the key of the certificate"),
                (None, Some(_)) => tls.missing("cert_name", "the certificate of the key"),
                (Some(_), Some(_)) | (None, None) => {}
            }
            (status, Self { verify, ca, certificate: cert.zip(key), min, max })
        })
    }

    /// `insecure_skip_verify` and `tls.ca_name`: of targets whose URLs say whether TLS is used.
    pub(super) fn decode_by_url(fields: &mut Fields) -> Self {
        let about = "do not check the peer's certificate";
        let skip = fields.or("insecure_skip_verify", Flag, false, false, about);
        let ca = fields.section("tls", "encryption of https endpoints", |tls| {
            let root = tls.context.root;
            tls.optional("ca_name", FilePath(root), "PEM file of the authorities to trust")
        });
        Self { verify: !skip, ca, ..Self::DEFAULT }
    }
}

// === impl TargetFraming ===

#[derive(Clone, Copy)]
enum FramingWord {
    Delimiter,
    Octet,
}

impl TargetFraming {
    pub(super) fn decode(fields: &mut Fields) -> Self {
        let words = Choice(&[
            ("delimiter", FramingWord::Delimiter),
            ("octet", FramingWord::Octet),
            ("rfc6587", FramingWord::Octet),
        ]);
        let word =
            fields.or("framing", words, FramingWord::Delimiter, "delimiter", "how records are told apart");
        let about = "what ends a record";
        let delimiter = fields.or("line_delimiter", Delimiter, b"\n".to_vec(), "\n", about);
        match word {
            FramingWord::Delimiter => Self::Delimiter(delimiter),
            FramingWord::Octet => Self::Octet,
        }
    }
}

// === impl Ordering ===

impl Ordering {
    pub(super) fn decode(fields: &mut Fields) -> Self {
        let words = Choice(&[("relaxed", Self::Relaxed), ("strict", Self::Strict)]);
        fields.or(
            "ordering",
            words,
            Self::Relaxed,
            "relaxed",
            "whether the order of a stream's events is kept",
        )
    }
}
