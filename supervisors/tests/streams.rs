//! Devices that take connections, with and without TLS, by their public face.

mod support;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use security::tls::{Authorities, ClientSettings, Identity, Verify, client_config, server_name};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use support::{LIMIT, Rig, quoted};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

fn connect(rig: &Rig) -> TcpStream {
    let socket = TcpStream::connect(rig.address).expect("connected");
    socket.set_read_timeout(Some(LIMIT)).expect("a limit");
    socket
}

/// Whether a connection was closed, and how.
fn end(mut socket: &TcpStream) -> io::Result<usize> {
    let read = socket.read(&mut [0; 16]);
    assert!(!matches!(&read, Err(e) if e.kind() == ErrorKind::WouldBlock), "it stays open");
    read
}

/// Certificates in a folder.
struct Certificates {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("signed");
        let certificates = Self { folder, authority };
        std::fs::write(certificates.ca(), certificates.authority.pem()).expect("written");
        certificates.issue("server");
        certificates
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn ca(&self) -> PathBuf {
        self.path("ca.pem")
    }

    fn issue(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("valid");
        let certificate = params.signed_by(&key, &self.authority).expect("signed");
        let (certificate_path, key_path) =
            (self.path(&format!("{name}.pem")), self.path(&format!("{name}.key")));
        std::fs::write(&certificate_path, certificate.pem()).expect("written");
        std::fs::write(&key_path, key.serialize_pem()).expect("written");
        Identity { certificate: certificate_path, key: key_path }
    }

    /// `tls` of a device.
    fn yaml(&self, ca: Option<&Path>) -> String {
        let ca = ca.map(|ca| format!(", ca_name: {}", quoted(ca))).unwrap_or_default();
        let (certificate, key) = (self.path("server.pem"), self.path("server.key"));
        format!("tls: {{status: true, cert_name: {}, key_name: {}{ca}}}", quoted(&certificate), quoted(&key))
    }

    async fn connect(
        &self,
        rig: &Rig,
        identity: Option<Identity>,
    ) -> io::Result<TlsStream<tokio::net::TcpStream>> {
        let verify = Verify::Against(Authorities::File(self.ca()));
        let settings = ClientSettings { verify, identity, ..Default::default() };
        let connector = TlsConnector::from(client_config(&settings).expect("usable"));
        let socket = tokio::net::TcpStream::connect(rig.address).await?;
        connector.connect(server_name("localhost").expect("a name"), socket).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_connection_has_the_framing_it_speaks_and_a_last_line_needs_no_end() {
    let rig = Rig::start("syslog", "protocol: tcp").await;
    let (mut lines, mut octets) = (connect(&rig), connect(&rig));
    lines.write_all(b"<13>a line\n<13>another").expect("sent");
    octets.write_all(b"11 <13>counted13 <13>with\nfeed").expect("sent");
    drop((lines, octets));
    rig.until(|device| device.meters.ended.get("closed") == 2).await;
    let mut received = rig.received().await;
    received.sort();
    assert_eq!(received, ["<13>a line", "<13>another", "<13>counted", "<13>with", "feed"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_octet_count_ends_its_connection_only() {
    let rig = Rig::start("syslog", "protocol: tcp, framing: octet").await;
    let (mut good, mut bad) = (connect(&rig), connect(&rig));
    good.write_all(b"3 one").expect("sent");
    bad.write_all(b"5 worksnonsense").expect("sent");
    rig.until(|device| device.meters.ended.get("framing") == 1).await;
    end(&bad).ok();
    good.write_all(b"3 two").expect("sent");
    rig.until(|device| device.flow.accepted.get() == 3).await;
    let mut received = rig.received().await;
    received.sort();
    assert_eq!(received, ["one", "two", "works"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_that_is_too_long_is_cut_and_counted() {
    let rig = Rig::start("tcp", "max_message_size: 10").await;
    connect(&rig).write_all(b"0123456789abcdef\nshort\n").expect("sent");
    rig.until(|device| device.flow.accepted.get() == 2).await;
    let device = rig.device();
    assert_eq!((device.meters.truncated.get(), device.meters.discarded_bytes.get()), (1, 6));
    assert_eq!(rig.received().await, ["0123456789", "short"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_allowed_addresses_are_let_in_and_others_are_counted() {
    let rig = Rig::start("tcp", "allowed_ips: [10.0.0.0/8]").await;
    end(&connect(&rig)).ok();
    rig.until(|device| device.meters.denied.get() == 1 && device.meters.opened.get() == 0).await;
    rig.received().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_too_many_is_closed_in_order_and_there_is_room_again_later() {
    let rig = Rig::start("tcp", "max_connections: 2").await;
    let (first, _second) = (connect(&rig), connect(&rig));
    rig.until(|device| device.meters.open.get() == 2).await;
    assert_eq!(end(&connect(&rig)).expect("no reset"), 0);
    rig.until(|device| device.meters.refused.get() == 1).await;
    drop(first);
    rig.until(|device| device.meters.open.get() == 1).await;
    let mut third = connect(&rig);
    third.write_all(b"let in\n").expect("sent");
    rig.until(|device| device.flow.accepted.get() == 1).await;
    assert_eq!(rig.received().await, ["let in"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_survive_a_changed_listener() {
    let mut rig = Rig::start("syslog", "protocol: tcp").await;
    let mut before = connect(&rig);
    before.write_all(b"<13>before\n").expect("sent");
    rig.until(|device| device.flow.accepted.get() == 1).await;
    rig.change("protocol: tcp, max_connections: 7, timezone: UTC").await;
    let mut after = connect(&rig);
    after.write_all(b"<13>after\n").expect("sent");
    rig.until(|device| device.flow.accepted.get() == 2).await;
    before.write_all(b"<13>still there\n").expect("sent");
    rig.until(|device| device.flow.accepted.get() == 3).await;
    assert_eq!(rig.device().meters.open.get(), 2);
    assert_eq!(rig.device().profile.load().timezone, actors::data::Timezone::Fixed(0));
    assert_eq!(rig.received().await.len(), 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_said_and_taken_when_it_is_free() {
    let mut rig = Rig::start("tcp", "").await;
    let holder = TcpListener::bind("127.0.0.1:0").expect("loopback");
    rig.address = holder.local_addr().expect("bound");
    rig.change("").await;
    let text = rig.condition("devices/in/listener", |text| text.contains("cannot bind")).await;
    assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
    drop(holder);
    rig.listening().await;
    connect(&rig).write_all(b"hello\n").expect("sent");
    rig.until(|device| device.flow.accepted.get() == 1).await;
    assert_eq!(rig.received().await, ["hello"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_rate_limit_a_connection_waits_and_nothing_is_lost() {
    let rig = Rig::start("tcp", "rate_limit: 1000").await;
    let mut socket = connect(&rig);
    let sent: Vec<String> = (0..2500).map(|n| format!("{n}")).collect();
    socket.write_all((sent.join("\n") + "\n").as_bytes()).expect("sent");
    drop(socket);
    rig.until(|device| device.flow.accepted.get() == 2500).await;
    assert_eq!(rig.device().meters.rate_drops.get(), 0);
    assert_eq!(rig.received().await, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_is_forwarded_over_one_connection() {
    let replica = TcpListener::bind("127.0.0.1:0").expect("loopback");
    let port = replica.local_addr().expect("bound").port();
    let forwarding = format!("protocol: tcp, forwarding: [{{address: 127.0.0.1, port: {port}, type: tcp}}]");
    let rig = Rig::start("syslog", &forwarding).await;
    let sent = b"<13>one\n<13>two\n<13>three\n";
    connect(&rig).write_all(sent).expect("sent");
    let (mut forwarded, _) = replica.accept().expect("a connection");
    forwarded.set_read_timeout(Some(LIMIT)).expect("a limit");
    let mut bytes = vec![0; sent.len()];
    forwarded.read_exact(&mut bytes).expect("forwarded");
    assert_eq!(bytes, sent);
    assert_eq!(rig.received_bytes().await, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_come_through_tls_however_large() {
    let certificates = Certificates::new();
    let rig = Rig::start("syslog", &format!("protocol: tcp, {}", certificates.yaml(None))).await;
    let mut socket = certificates.connect(&rig, None).await.expect("trusted");
    let sent: Vec<String> = (0..500).map(|n| format!("<13>{n} {}", "x".repeat(n * 7))).collect();
    socket.write_all((sent.join("\n") + "\n<13>last").as_bytes()).await.expect("sent");
    socket.shutdown().await.expect("close_notify");
    rig.until(|device| device.flow.accepted.get() == 501).await;
    let received = rig.received().await;
    assert_eq!(received[..500], sent);
    assert_eq!(received[500], "<13>last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_a_trusted_certificate_is_turned_away_where_one_is_asked_for() {
    let (certificates, strangers) = (Certificates::new(), Certificates::new());
    let yaml = certificates.yaml(Some(&certificates.ca()));
    let rig = Rig::start("tcp", &yaml).await;
    for identity in [None, Some(strangers.issue("client"))] {
        // With TLS 1.3 a client learns of it when it reads.
        if let Ok(mut socket) = certificates.connect(&rig, identity).await {
            socket.read(&mut [0; 16]).await.expect_err("turned away");
        }
    }
    rig.until(|device| device.meters.ended.get("tls") == 2).await;
    let mut known = certificates.connect(&rig, Some(certificates.issue("client"))).await.expect("let in");
    known.write_all(b"hello\n").await.expect("sent");
    rig.until(|device| device.flow.accepted.get() == 1).await;
    assert_eq!(rig.received().await, ["hello"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn garbage_instead_of_tls_ends_its_connection_only() {
    let certificates = Certificates::new();
    let rig = Rig::start("tcp", &certificates.yaml(None)).await;
    let mut good = certificates.connect(&rig, None).await.expect("trusted");
    let mut garbage = connect(&rig);
    garbage.write_all(b"<13>this is no TLS at all\n").expect("sent");
    // A peer that says nothing holds up nobody.
    let _silent = connect(&rig);
    rig.until(|device| device.meters.ended.get("tls") == 1).await;
    good.write_all(b"hello\n").await.expect("sent");
    rig.until(|device| device.flow.accepted.get() == 1).await;
    assert_eq!(rig.received().await, ["hello"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_certificate_is_shown_to_new_connections_while_old_ones_go_on() {
    let certificates = Certificates::new();
    let rig = Rig::start("tcp", &certificates.yaml(None)).await;
    let shown = |socket: &TlsStream<tokio::net::TcpStream>| {
        socket.get_ref().1.peer_certificates().expect("shown")[0].to_vec()
    };
    let mut old = certificates.connect(&rig, None).await.expect("trusted");
    let first = shown(&old);
    certificates.issue("server");
    let renewed = async {
        // The files are looked at once a second.
        while shown(&certificates.connect(&rig, None).await.expect("trusted")) == first {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(LIMIT, renewed).await.expect("the new certificate");
    old.write_all(b"still here\n").await.expect("sent");
    rig.until(|device| device.flow.accepted.get() == 1).await;
    assert_eq!(rig.received().await, ["still here"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_that_is_missing_is_said_and_used_when_it_is_there() {
    let certificates = Certificates::new();
    let mut rig = Rig::start("tcp", "").await;
    std::fs::rename(certificates.path("server.pem"), certificates.path("away.pem")).expect("moved");
    rig.change(&certificates.yaml(None)).await;
    let text = rig.condition("devices/in/listener", |text| text.contains("cannot read")).await;
    assert!(text.contains("server.pem") && text.contains("retrying"), "{text}");
    std::fs::rename(certificates.path("away.pem"), certificates.path("server.pem")).expect("moved");
    rig.listening().await;
    let mut socket = certificates.connect(&rig, None).await.expect("trusted");
    socket.write_all(b"hello\n").await.expect("sent");
    rig.until(|device| device.flow.accepted.get() == 1).await;
    assert_eq!(rig.received().await, ["hello"]);
}
