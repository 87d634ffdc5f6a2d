//! Certificates for simulated hosts: an authority of their own, and what it signs.

use super::settings::Transport;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use std::sync::Arc;

/// An authority that signs hosts' certificates.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate's dates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Valid now.
    Current,
    /// It has ended.
    Expired,
}

/// A client's certificate and its key.
pub struct ClientCertificate {
    /// The certificate, as hosts map it to a user.
    pub der: Vec<u8>,
    /// The same as PEM.
    pub pem: String,
    /// Its key as PEM.
    pub key_pem: String,
}

impl Authority {
    /// A fresh one.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn new(name: &str) -> anyhow::Result<Self> {
        let mut parameters = CertificateParams::default();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(DnType::CommonName, name);
        Ok(Self(CertifiedIssuer::self_signed(parameters, KeyPair::generate()?)?))
    }

    /// Its certificate as PEM.
    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate for a client.
    ///
    /// # Errors
    /// When no key can be made.
    pub fn client(&self, name: &str) -> anyhow::Result<ClientCertificate> {
        let mut parameters = CertificateParams::default();
        parameters.distinguished_name.push(DnType::CommonName, name);
        parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &*self.0)?;
        let (der, pem) = (certificate.der().to_vec(), certificate.pem());
        Ok(ClientCertificate { der, pem, key_pem: key.serialize_pem() })
    }

    /// HTTPS with a certificate for these names (or addresses), to which sign-ins have to be bound if `bound`. As
    /// Windows does it asks for a certificate of the client's, and goes on without; one that this authority did not sign
    /// ends the connection.
    ///
    /// # Errors
    /// When a name can't be in a certificate.
    pub fn https(&self, names: &[&str], validity: Validity, bound: bool) -> anyhow::Result<Transport> {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut parameters = CertificateParams::new(names)?;
        if validity == Validity::Expired {
            parameters.not_before = date_time_ymd(2020, 1, 1);
            parameters.not_after = date_time_ymd(2021, 1, 1);
        }
        let key = KeyPair::generate()?;
        let certificate = parameters.signed_by(&key, &*self.0)?;
        let der = certificate.der().to_vec();
        let private = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone())?;
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), Arc::clone(&provider));
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_client_cert_verifier(verifier.allow_unauthenticated().build()?)
            .with_single_cert(vec![certificate.der().clone()], private)?;
        Ok(Transport::Https { config: Arc::new(config), binding: bound.then_some(der) })
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(..)")
    }
}
