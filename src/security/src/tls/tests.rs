//! Clients and servers talk through buffers in memory; certificates are made for each test.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use super::*;

type Authority = CertifiedIssuer<'static, KeyPair>;

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, text).expect("written");
        path
    }

    fn authority(&self, name: &str) -> (Authority, PathBuf) {
        let mut params = CertificateParams::new(Vec::new()).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority =
            CertifiedIssuer::self_signed(params, KeyPair::generate().expect("a key")).expect("signed");
        let path = self.write(name, &authority.pem());
        (authority, path)
    }

    fn identity(&self, name: &str, host: &str, authority: &Authority) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec![host.to_owned()]).expect("valid");
        let certificate = params.signed_by(&key, authority).expect("signed");
        Identity {
            certificate: self.write(&format!("{name}.pem"), &certificate.pem()),
            key: self.write(&format!("{name}.key"), &key.serialize_pem()),
        }
    }
}

fn server(identity: &Identity, clients: ClientCertificates) -> ServerSettings {
    ServerSettings { identity: identity.clone(), clients, versions: Versions::ALL, protocols: Vec::new() }
}

fn trusting(ca: &Path) -> ClientSettings {
    ClientSettings { verify: Verify::Against(Authorities::File(ca.to_owned())), ..Default::default() }
}

/// Carries a handshake out; what the client and then the server say to it.
fn handshake(
    client: Arc<ClientConfig>,
    server: Arc<ServerConfig>,
) -> Result<ClientConnection, rustls::Error> {
    let name = server_name("localhost").expect("a name");
    let mut client = ClientConnection::new(client, name)?;
    let mut server = ServerConnection::new(server)?;
    let mut wire = Vec::new();
    while client.wants_write() || server.wants_write() {
        wire.clear();
        client.write_tls(&mut wire).expect("memory");
        server.read_tls(&mut &wire[..]).expect("memory");
        server.process_new_packets()?;
        wire.clear();
        server.write_tls(&mut wire).expect("memory");
        client.read_tls(&mut &wire[..]).expect("memory");
        client.process_new_packets()?;
    }
    assert!(!client.is_handshaking() && !server.is_handshaking());
    Ok(client)
}

#[test]
fn a_server_is_trusted_when_its_authority_is_and_it_has_the_name() {
    let folder = Folder::new();
    let (authority, ca) = folder.authority("ca.pem");
    let (_, stranger) = folder.authority("stranger.pem");
    let identity = folder.identity("server", "localhost", &authority);
    let other = folder.identity("other", "example.org", &authority);
    let config = |identity| server_config(&server(identity, ClientCertificates::NotAsked)).expect("usable");
    let client = |ca: &Path| client_config(&trusting(ca)).expect("usable");
    handshake(client(&ca), config(&identity)).expect("trusted");
    handshake(client(&stranger), config(&identity)).expect_err("another authority");
    handshake(client(&ca), config(&other)).expect_err("another name");
    let anybody = ClientSettings { verify: Verify::Nothing, ..Default::default() };
    handshake(client_config(&anybody).expect("usable"), config(&other)).expect("not checked");
}

#[test]
fn a_client_needs_a_certificate_where_the_server_asks_for_one() {
    let folder = Folder::new();
    let (authority, ca) = folder.authority("ca.pem");
    let (clients, clients_ca) = folder.authority("clients.pem");
    let config =
        server(&folder.identity("server", "localhost", &authority), ClientCertificates::SignedBy(clients_ca));
    let config = server_config(&config).expect("usable");
    let with = |identity| client_config(&ClientSettings { identity, ..trusting(&ca) }).expect("usable");
    let known = folder.identity("client", "sender", &clients);
    let unknown = folder.identity("intruder", "sender", &authority);
    handshake(with(Some(known)), Arc::clone(&config)).expect("let in");
    handshake(with(Some(unknown)), Arc::clone(&config)).expect_err("signed by another");
    handshake(with(None), config).expect_err("without a certificate");
}

#[test]
fn versions_are_limited_on_both_sides() {
    let folder = Folder::new();
    let (authority, ca) = folder.authority("ca.pem");
    let identity = folder.identity("server", "localhost", &authority);
    let only = |version| Versions { min: version, max: version };
    let settings = server(&identity, ClientCertificates::NotAsked);
    let old = server_config(&ServerSettings { versions: only(Version::Tls12), ..settings }).expect("usable");
    let client = |versions| client_config(&ClientSettings { versions, ..trusting(&ca) });
    let connection = handshake(client(Versions::ALL).expect("usable"), Arc::clone(&old)).expect("1.2");
    assert_eq!(connection.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    handshake(client(only(Version::Tls13)).expect("usable"), old).expect_err("no common version");
    let none = Versions { min: Version::Tls13, max: Version::Tls12 };
    assert!(matches!(client(none), Err(TlsError::NoVersion)));
}

#[test]
fn files_that_are_of_no_use_are_named() {
    let folder = Folder::new();
    let (authority, ca) = folder.authority("ca.pem");
    let (one, two) =
        (folder.identity("one", "localhost", &authority), folder.identity("two", "localhost", &authority));
    let refused = |certificate: &Path, key: &Path| {
        let identity = Identity { certificate: certificate.to_owned(), key: key.to_owned() };
        let error = server_config(&server(&identity, ClientCertificates::NotAsked)).expect_err("of no use");
        error.to_string()
    };
    let missing = folder.0.path().join("missing.pem");
    assert!(refused(&missing, &one.key).contains("missing.pem: No such file"));
    assert!(refused(&one.key, &one.key).contains("one.key holds no certificate"));
    assert!(refused(&one.certificate, &ca).contains("ca.pem holds no private key"));
    let text = refused(&one.certificate, &two.key);
    assert!(
        text.contains("one.pem") && text.contains("two.key") && text.contains("belong together"),
        "{text}"
    );
    let empty = folder.write("empty.pem", "");
    assert!(client_config(&trusting(&empty)).expect_err("empty").to_string().contains("empty.pem holds no"));
}

#[test]
fn a_certificate_that_changes_is_used_next_and_a_broken_one_is_not() {
    let folder = Folder::new();
    let (authority, ca) = folder.authority("ca.pem");
    let identity = folder.identity("server", "localhost", &authority);
    let settings = server(&identity, ClientCertificates::NotAsked);
    let tls = ServerTls::server(settings).looking_every(Duration::ZERO);
    let client = || client_config(&trusting(&ca)).expect("usable");
    let shown = || {
        let connection = handshake(client(), tls.current().expect("usable")).expect("trusted");
        connection.peer_certificates().expect("shown")[0].clone()
    };
    let first = shown();
    assert_eq!(first, shown());

    // Only half of it is there yet: the old one stays.
    fs::write(&identity.certificate, "-----BEGIN CERT").expect("written");
    assert_eq!(first, shown());
    assert!(tls.trouble().expect("reported").contains("server.pem"));

    folder.identity("server", "localhost", &authority);
    assert_ne!(first, shown());
    assert_eq!(tls.trouble(), None);
}

#[test]
fn files_that_were_never_of_use_are_tried_again_at_each_use() {
    let folder = Folder::new();
    let (authority, _) = folder.authority("ca.pem");
    let identity =
        Identity { certificate: folder.0.path().join("server.pem"), key: folder.0.path().join("server.key") };
    let tls = ServerTls::server(server(&identity, ClientCertificates::NotAsked));
    tls.current().expect_err("no files");
    folder.identity("server", "localhost", &authority);
    tls.current().expect("now there are");
}

#[test]
fn a_peer_is_named_by_host_or_address() {
    for name in ["localhost", "192.0.2.1", "2001:db8::1", "[2001:db8::1]"] {
        assert!(server_name(name).is_ok(), "{name}");
    }
    assert!(server_name("not a name").is_err());
}
