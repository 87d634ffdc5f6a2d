//! TLS: rustls with ring, set up from PEM files.
//!
//! ```text
//!   ClientSettings ── client_config ─▶ rustls::ClientConfig      once for a target
//!   ServerSettings ── server_config ─▶ rustls::ServerConfig
//!                └──▶ ServerTls::current                         for each connection; follows the files
//! ```
//!
//! A certificate that is replaced on disk is used by the next connection; those that are open stay as they
//! are. Files that can't be used (half written, key of another certificate) change nothing, and are reported.
//!
//! Cost: building a configuration reads its files, some 100 µs, or some milliseconds with the system's
//! authorities. [`ServerTls::current`] costs a lock, and once a second a `stat` of each file.

mod client;
mod error;
mod pem;
mod reload;
mod server;

use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::{SupportedProtocolVersion, version};

pub use client::{Authorities, ClientSettings, Verify, client_config, fingerprint, server_name};
pub use error::TlsError;
pub use reload::Reloading;
pub use server::{ClientCertificates, ServerSettings, ServerTls, server_config};

/// PEM files of an own certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate, followed by those that signed it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
}

/// A version of TLS; older ones are broken and not available.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// TLS 1.2
    Tls12,
    /// TLS 1.3
    Tls13,
}

/// The versions that may be used: both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Versions {
    /// The lowest.
    pub min: Version,
    /// The highest.
    pub max: Version,
}

impl Versions {
    /// All that are safe.
    pub const ALL: Self = Self { min: Version::Tls12, max: Version::Tls13 };

    fn supported(self) -> Result<Vec<&'static SupportedProtocolVersion>, TlsError> {
        let known = [(Version::Tls12, &version::TLS12), (Version::Tls13, &version::TLS13)];
        let allowed = known.into_iter().filter(|(v, _)| (self.min..=self.max).contains(v));
        let allowed: Vec<_> = allowed.map(|(_, version)| version).collect();
        if allowed.is_empty() { Err(TlsError::NoVersion) } else { Ok(allowed) }
    }
}

impl Default for Versions {
    fn default() -> Self {
        Self::ALL
    }
}

/// The one provider of cryptography; nothing is installed for the whole process.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests;
