//! TLS of a client: a target that connects.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};

use sha2::{Digest, Sha256};

use super::{Identity, TlsError, Versions, pem, provider};

/// How a client sets up TLS. The default checks the peer against the system's authorities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientSettings {
    /// Whether and how the peer is checked.
    pub verify: Verify,
    /// An own certificate, for peers that ask for one.
    pub identity: Option<Identity>,
    /// The versions to offer.
    pub versions: Versions,
}

/// Whether and how a peer's certificate is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verify {
    /// It must be valid, name the host, and be signed by one of these.
    Against(Authorities),
    /// It must be the certificate with this SHA-256, whatever it says and whoever signed it.
    Pinned([u8; 32]),
    /// Not at all: anybody in between can read and change everything. Only by the explicit word of a configuration.
    Nothing,
}

/// Whose signatures are trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authorities {
    /// Those that the system trusts.
    System,
    /// Those in a PEM file.
    File(PathBuf),
}

impl Default for Verify {
    fn default() -> Self {
        Self::Against(Authorities::System)
    }
}

/// A client's configuration. Set `alpn_protocols` on a clone where the protocol on top needs it.
///
/// # Errors
/// When a file can't be used.
pub fn client_config(settings: &ClientSettings) -> Result<Arc<ClientConfig>, TlsError> {
    let provider = provider();
    let verifier: Arc<dyn ServerCertVerifier> = match &settings.verify {
        Verify::Against(authorities) => {
            let roots = Arc::new(authorities.load()?);
            let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider)).build();
            verifier.map_err(|e| Error::General(e.to_string()))?
        }
        Verify::Pinned(digest) => Arc::new(Own { provider: Arc::clone(&provider), pinned: Some(*digest) }),
        Verify::Nothing => Arc::new(Own { provider: Arc::clone(&provider), pinned: None }),
    };
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&settings.versions.supported()?)?
        // "Dangerous" is the only way to bring an own verifier; the one above is rustls' own unless told otherwise.
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let config = match &settings.identity {
        None => builder.with_no_client_auth(),
        Some(files) => {
            let (chain, key) = pem::identity(files)?;
            builder.with_client_auth_cert(chain, key).map_err(|source| TlsError::Identity {
                certificate: files.certificate.clone(),
                key: files.key.clone(),
                source,
            })?
        }
    };
    Ok(Arc::new(config))
}

/// The name that a peer's certificate has to show, from the host of an endpoint: a host name, or an address with or
/// without brackets.
///
/// # Errors
/// When it is neither.
pub fn server_name(host: &str) -> Result<ServerName<'static>, TlsError> {
    let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(bare.to_owned()).map_err(|_| TlsError::Name { name: host.to_owned() })
}

impl Authorities {
    fn load(&self) -> Result<RootCertStore, TlsError> {
        match self {
            Authorities::File(path) => pem::authorities(path),
            Authorities::System => {
                let found = rustls_native_certs::load_native_certs();
                let mut roots = RootCertStore::empty();
                roots.add_parsable_certificates(found.certs);
                if roots.is_empty() {
                    let problem =
                        found.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
                    return Err(TlsError::NoSystemAuthorities { problem });
                }
                Ok(roots)
            }
        }
    }
}

/// Takes one certificate, or any; the peer must still have its key.
#[derive(Debug)]
struct Own {
    provider: Arc<CryptoProvider>,
    pinned: Option<[u8; 32]>,
}

/// The SHA-256 of a certificate, in hexadecimal.
pub fn fingerprint(certificate: &[u8]) -> String {
    Sha256::digest(certificate).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl ServerCertVerifier for Own {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        match self.pinned {
            Some(pinned) if Sha256::digest(certificate) != pinned.into() => {
                let found = fingerprint(certificate);
                Err(Error::General(format!(
                    "the certificate has the fingerprint sha256:{found}, not the pinned one"
                )))
            }
            Some(_) | None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
