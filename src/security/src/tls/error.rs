//! Why TLS can't be set up, and what to do.

use std::io;
use std::path::PathBuf;

/// Why TLS can't be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file can't be read.
    #[error("cannot read {}: {source}; check the path and its permissions", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file is not PEM.
    #[error("{} is not valid PEM: {problem}; convert it with openssl", path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// A file has no certificate in it.
    #[error("{} holds no certificate; it needs a block BEGIN CERTIFICATE", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// A file has no usable key in it.
    #[error(
        "{} holds no private key that can be used; it needs an unencrypted block BEGIN PRIVATE KEY",
        path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// Certificate and key can't be used together, or at all.
    #[error(
        "certificate {} and key {} cannot be used: {source}; they must belong together",
        certificate.display(),
        key.display()
    )]
    Identity {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// None of a file's certificates can be an authority.
    #[error("{} holds no certificate that can sign others: {problem}; name the file of the authority", path.display())]
    Authority {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// The system has no authorities.
    #[error("this machine has no trusted authorities: {problem}; install ca-certificates or set tls.ca_name")]
    NoSystemAuthorities {
        /// What was found instead.
        problem: String,
    },
    /// No version lies between the lowest and the highest.
    #[error("no TLS version is allowed; max_tls_version must not be below min_tls_version")]
    NoVersion,
    /// A peer's name is neither a host name nor an address.
    #[error("\"{name}\" is neither a host name nor an IP address that a certificate could name")]
    Name {
        /// The name.
        name: String,
    },
    /// rustls refuses the rest.
    #[error("tls cannot be set up: {0}")]
    SetUp(#[from] rustls::Error),
}
