//! TLS of a server: a listener.

use std::path::PathBuf;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::WebPkiClientVerifier;

use super::{Identity, Reloading, TlsError, Versions, pem, provider};

/// How a server sets up TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// What it shows.
    pub identity: Identity,
    /// What clients have to show.
    pub clients: ClientCertificates,
    /// The versions it takes.
    pub versions: Versions,
    /// Protocols on top (ALPN), most wanted first; usually none.
    pub protocols: Vec<Vec<u8>>,
}

/// What clients have to show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientCertificates {
    /// Nothing.
    NotAsked,
    /// A certificate that an authority in this PEM file signed.
    SignedBy(PathBuf),
}

/// A server's configuration that follows its files.
pub type ServerTls = Reloading<ServerConfig>;

/// A server's configuration.
///
/// # Errors
/// When a file can't be used.
pub fn server_config(settings: &ServerSettings) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = provider();
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_protocol_versions(&settings.versions.supported()?)?;
    let builder = match &settings.clients {
        ClientCertificates::NotAsked => builder.with_no_client_auth(),
        ClientCertificates::SignedBy(path) => {
            let roots = Arc::new(pem::authorities(path)?);
            let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider).build();
            let problem = |e: rustls::server::VerifierBuilderError| e.to_string();
            let verifier =
                verifier.map_err(|e| TlsError::Authority { path: path.clone(), problem: problem(e) })?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let files = &settings.identity;
    let (chain, key) = pem::identity(files)?;
    let mut config = builder.with_single_cert(chain, key).map_err(|source| TlsError::Identity {
        certificate: files.certificate.clone(),
        key: files.key.clone(),
        source,
    })?;
    config.alpn_protocols.clone_from(&settings.protocols);
    Ok(Arc::new(config))
}

impl ServerTls {
    /// A configuration that follows its files; they are read when it is first asked for.
    pub fn server(settings: ServerSettings) -> Self {
        let mut files = vec![settings.identity.certificate.clone(), settings.identity.key.clone()];
        if let ClientCertificates::SignedBy(path) = &settings.clients {
            files.push(path.clone());
        }
        Self::new(files, move || server_config(&settings))
    }
}
