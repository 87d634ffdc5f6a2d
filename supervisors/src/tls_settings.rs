//! TLS as the configuration writes it, as the actors need it.

use config::device::Tls;
use config::target::{ClientTls, TlsVersion};
use security::tls::{
    Authorities, ClientCertificates, ClientSettings, Identity, ServerSettings, ServerTls, Verify, Version,
    Versions,
};
use std::sync::Arc;

/// TLS of a target, for [`security::tls::client_config`].
pub fn client_settings(tls: &ClientTls) -> ClientSettings {
    let verify = match (tls.verify, &tls.ca) {
        (false, _) => Verify::Nothing,
        (true, None) => Verify::Against(Authorities::System),
        (true, Some(path)) => Verify::Against(Authorities::File(path.clone())),
    };
    let identity = tls.certificate.clone().map(|(certificate, key)| Identity { certificate, key });
    ClientSettings { verify, identity, versions: Versions { min: version(tls.min), max: version(tls.max) } }
}

/// TLS of a listener, which follows its files. Its device's sockets share it.
pub fn server_tls(tls: &Tls) -> Arc<ServerTls> {
    let identity = Identity { certificate: tls.cert.clone(), key: tls.key.clone() };
    let clients = match &tls.ca {
        None => ClientCertificates::NotAsked,
        Some(path) => ClientCertificates::SignedBy(path.clone()),
    };
    let settings = ServerSettings { identity, clients, versions: Versions::ALL, protocols: Vec::new() };
    Arc::new(ServerTls::server(settings))
}

fn version(version: TlsVersion) -> Version {
    match version {
        TlsVersion::Tls12 => Version::Tls12,
        TlsVersion::Tls13 => Version::Tls13,
    }
}
