//! Targets over TLS against receivers with and without the right certificates.

mod house;

use house::{connect, free_port, start, until};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::{ServerConnection, StreamOwned};
use security::tls::{ClientCertificates, Identity, ServerSettings, Versions, server_config};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

/// An authority and what it signed, as files.
struct Papers {
    folder: tempfile::TempDir,
    authority: CertifiedIssuer<'static, KeyPair>,
}

impl Papers {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut params = CertificateParams::new(Vec::new()).expect("valid");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key).expect("signed");
        let papers = Self { folder, authority };
        papers.write("ca.pem", &papers.authority.pem());
        papers
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, text).expect("written");
        path
    }

    fn identity(&self, name: &str) -> Identity {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["localhost".to_owned()]).expect("valid");
        let certificate = params.signed_by(&key, &self.authority).expect("signed");
        Identity {
            certificate: self.write(&format!("{name}.pem"), &certificate.pem()),
            key: self.write(&format!("{name}.key"), &key.serialize_pem()),
        }
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    /// A receiver whose certificate this authority signed; `mutual`: it wants one from clients, too.
    fn receiver(&self, mutual: bool, says_goodbye_after: fn(usize) -> usize) -> (u16, Got) {
        let clients = match mutual {
            true => ClientCertificates::SignedBy(self.folder.path().join("ca.pem")),
            false => ClientCertificates::NotAsked,
        };
        let identity = self.identity("server");
        let settings = ServerSettings { identity, clients, versions: Versions::ALL, protocols: Vec::new() };
        let config = server_config(&settings).expect("valid");
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let (port, got) = (listener.local_addr().expect("bound").port(), Got::default());
        let shared = Arc::clone(&got);
        std::thread::spawn(move || {
            for (number, socket) in listener.incoming().map_while(Result::ok).enumerate() {
                let session = ServerConnection::new(Arc::clone(&config)).expect("a session");
                receive(StreamOwned::new(session, socket), &shared, says_goodbye_after(number));
            }
        });
        (port, got)
    }
}

type Got = Arc<Mutex<Vec<u8>>>;

/// Reads to the end; says goodbye once when so many bytes were read.
fn receive(mut stream: StreamOwned<ServerConnection, TcpStream>, got: &Got, goodbye_after: usize) {
    let (mut buffer, mut read, mut said) = (vec![0; 3000], 0, false);
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        got.lock().expect("unpoisoned").extend_from_slice(&buffer[..n]);
        read += n;
        if read >= goodbye_after && !said {
            said = true;
            stream.conn.send_close_notify();
            let _ = stream.flush();
        }
    }
}

fn relay_to(in_port: u16, kind: &str, properties: &str) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n  - {{name: out, type: {kind}, properties: {{{properties}}}}}\n\
         routes:\n  - {{name: all, devices: [in], targets: [out]}}\n"
    )
}

fn lines(count: u64) -> String {
    (0..count).map(|n| format!("line {n} {}\n", "x".repeat((n * 37 % 200) as usize))).collect()
}

fn text(got: &Got) -> String {
    String::from_utf8(got.lock().expect("unpoisoned").clone()).expect("text")
}

fn never(_: usize) -> usize {
    usize::MAX
}

/// Sends lines through a target to a receiver and expects each of them once, in order. Returns how often the receiver
/// closed the connection.
async fn arrives_whole(count: u64, port: u16, got: &Got, tls: &str) -> u64 {
    let in_port = free_port();
    let properties = format!("address: localhost, port: {port}, tls: {{status: true, {tls}}}");
    let director = start(&relay_to(in_port, "tcp", &properties), 1).await;
    let expected = lines(count);
    let (sent, mut sender) = (expected.clone(), connect(in_port));
    let sending = std::thread::spawn(move || sender.write_all(sent.as_bytes()));
    until("everything arrived", || got.lock().expect("unpoisoned").len() >= expected.len()).await;
    sending.join().expect("no panic").expect("the connection stays");
    let inventory = director.inventory().clone();
    until("everything is settled", || inventory.held() == 0).await;
    assert!(text(got) == expected, "what came is not what was sent");
    let target = inventory.target("out").expect("there");
    assert_eq!(target.flow.delivered.get(), count);
    assert_eq!(director.stop().await.events, 0);
    target.meters.troubles.get("closed")
}

/// Sends one event to a receiver that the target must not agree with; returns what the tree says of it.
async fn is_refused(port: u16, tls: &str) -> String {
    let in_port = free_port();
    let properties = format!("address: localhost, port: {port}, tls: {{status: true, {tls}}}");
    let director = start(&relay_to(in_port, "tcp", &properties), 1).await;
    connect(in_port).write_all(b"secret\n").expect("sent");
    let trouble = || director.tree().node("targets/out/sender-0").filter(|node| node.trouble);
    until("the refusal is shown", || trouble().is_some()).await;
    let target = director.inventory().target("out").expect("there");
    until("it was tried again", || target.meters.troubles.all().iter().map(|(_, n)| n).sum::<u64>() > 1)
        .await;
    assert_eq!((target.flow.delivered.get(), target.flow.held()), (0, 1));
    trouble().and_then(|node| node.condition).unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_arrives_over_tls_and_is_settled() {
    let papers = Papers::new();
    let (port, got) = papers.receiver(false, never);
    arrives_whole(5_000, port, &got, &format!("ca_name: \"{}\"", papers.path("ca.pem"))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_says_goodbye_gets_every_event_once() {
    let papers = Papers::new();
    let after = |number: usize| if number < 5 { 1000 + number * 99_999 } else { usize::MAX };
    let (port, got) = papers.receiver(false, after);
    let ca = format!("ca_name: \"{}\"", papers.path("ca.pem"));
    assert!(arrives_whole(150_000, port, &got, &ca).await > 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_nobody_vouches_for_gets_nothing() {
    let (papers, others) = (Papers::new(), Papers::new());
    let (port, got) = papers.receiver(false, never);
    let text = is_refused(port, &format!("ca_name: \"{}\"", others.path("ca.pem"))).await;
    assert!(text.contains("check tls.ca_name"), "{text}");
    assert!(got.lock().expect("unpoisoned").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_peer_is_not_checked_only_where_the_configuration_says_so() {
    let papers = Papers::new();
    let (port, got) = papers.receiver(false, never);
    arrives_whole(5_000, port, &got, "verify: false").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_wants_a_certificate_gets_events_from_those_who_have_one() {
    let papers = Papers::new();
    let (port, got) = papers.receiver(true, never);
    papers.identity("client");
    let (ca, cert, key) = (papers.path("ca.pem"), papers.path("client.pem"), papers.path("client.key"));
    let tls = format!("ca_name: \"{ca}\", cert_name: \"{cert}\", key_name: \"{key}\"");
    arrives_whole(5_000, port, &got, &tls).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_certificate_that_a_receiver_wants_nothing_counts_as_delivered() {
    let papers = Papers::new();
    let (port, got) = papers.receiver(true, never);
    is_refused(port, &format!("ca_name: \"{}\"", papers.path("ca.pem"))).await;
    assert!(got.lock().expect("unpoisoned").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_file_is_shown_and_used_once_it_is_there() {
    let papers = Papers::new();
    let (port, got) = papers.receiver(false, never);
    let in_port = free_port();
    let late = papers.path("late.pem");
    let properties = format!(
        "type: tls, address: localhost, port: {port}, template: \"{{{{.Message}}}}\", \
         tls: {{verify: true, ca_name: \"{late}\"}}"
    );
    let director = start(&relay_to(in_port, "syslog", &properties), 1).await;
    connect(in_port).write_all(b"hello\n").expect("sent");
    let trouble = || director.tree().node("targets/out/sender-0").filter(|node| node.trouble);
    until("it is shown", || trouble().and_then(|n| n.condition).is_some_and(|t| t.contains(&late))).await;
    papers.write("late.pem", &papers.authority.pem());
    until("it arrived", || text(&got) == "hello\n").await;
    assert_eq!(director.stop().await.events, 0);
}
