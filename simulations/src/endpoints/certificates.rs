//! An authority for all endpoints of a rehearsal, and the certificates that it signs.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use std::net::IpAddr;
use std::sync::Arc;

/// An authority, and another one that nobody trusts.
pub struct Certificates {
    trusted: CertifiedIssuer<'static, KeyPair>,
    strange: CertifiedIssuer<'static, KeyPair>,
    names: Vec<String>,
}

/// What a certificate is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Like {
    /// As it should be.
    Good,
    /// Its time is over.
    Expired,
    /// Another authority signed it.
    Changed,
}

/// A certificate with its key, as PEM.
#[derive(Clone, Debug)]
pub struct Pem {
    /// The certificate.
    pub certificate: String,
    /// Its key.
    pub key: String,
}

impl Certificates {
    /// Authorities for endpoints at an address.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(ip: IpAddr) -> anyhow::Result<Self> {
        let names = vec!["localhost".to_owned(), ip.to_string(), "127.0.0.1".to_owned()];
        Ok(Self { trusted: authority("rehearsal")?, strange: authority("stranger")?, names })
    }

    /// What to trust, as PEM.
    pub fn authority(&self) -> String {
        self.trusted.pem()
    }

    /// A fresh certificate.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn pem(&self, like: Like) -> anyhow::Result<Pem> {
        let (certificate, key) = self.signed(like)?;
        Ok(Pem { certificate: certificate.pem(), key: key.serialize_pem() })
    }

    /// TLS of a server.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn server(&self, like: Like) -> anyhow::Result<Arc<ServerConfig>> {
        let (certificate, key) = self.signed(like)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)?;
        Ok(Arc::new(config))
    }

    /// TLS of a client that trusts the authority and shows a certificate of it.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn client(&self) -> anyhow::Result<Arc<ClientConfig>> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(self.trusted.der().to_vec()))?;
        let (certificate, key) = self.signed(Like::Good)?;
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(vec![certificate.der().clone()], key)?;
        Ok(Arc::new(config))
    }

    fn signed(&self, like: Like) -> anyhow::Result<(rcgen::Certificate, KeyPair)> {
        let mut parameters = CertificateParams::new(self.names.clone())?;
        if like == Like::Expired {
            parameters.not_before = date_time_ymd(2020, 1, 1);
            parameters.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate()?;
        let issuer = if like == Like::Changed { &self.strange } else { &self.trusted };
        Ok((parameters.signed_by(&key, &**issuer)?, key))
    }
}

fn authority(name: &str) -> anyhow::Result<CertifiedIssuer<'static, KeyPair>> {
    let mut parameters = CertificateParams::default();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    parameters.distinguished_name.push(DnType::CommonName, name);
    Ok(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Certificates(..)")
    }
}
