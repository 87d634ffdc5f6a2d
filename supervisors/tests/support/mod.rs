//! A Director with one device and a receiver of lines behind it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use actors::data::Device;
use config::{Snapshot, Source};
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use supervisors::{Director, Options};
use tokio::io::AsyncReadExt;

/// How long anything may take that is waited for.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A Director whose device `in` leads to a receiver.
pub(crate) struct Rig {
    pub(crate) director: Director,
    pub(crate) address: SocketAddr,
    /// Listens from the start; what arrives is read by [`Rig::received`].
    receiver: TcpListener,
    target: SocketAddr,
    kind: &'static str,
    service: &'static str,
}

impl Rig {
    /// A device of this kind with these properties (YAML flow style), on two lanes.
    pub(crate) async fn start(kind: &'static str, properties: &str) -> Self {
        Self::start_with(kind, properties, "").await
    }

    pub(crate) async fn start_with(kind: &'static str, properties: &str, service: &'static str) -> Self {
        let receiver = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let (target, address) = (receiver.local_addr().expect("bound"), free_address());
        let snapshot = snapshot(kind, address, properties, target, service);
        let options = Options { lanes: 2, ..Options::default() };
        let director = Director::start(snapshot, options).await.expect("started");
        let rig = Self { director, address, receiver, target, kind, service };
        rig.listening().await;
        rig
    }

    /// Another configuration of the same device.
    pub(crate) async fn change(&mut self, properties: &str) {
        let snapshot = snapshot(self.kind, self.address, properties, self.target, self.service);
        self.director.apply(snapshot).await.expect("applied");
    }

    /// Waits until all of the device's sockets listen.
    pub(crate) async fn listening(&self) {
        self.condition("devices/in/listener", |text| text.contains("listening on")).await;
    }

    /// Waits until the nodes whose paths begin so say what is wanted; returns what the first says.
    pub(crate) async fn condition(&self, path: &str, wanted: impl Fn(&str) -> bool) -> String {
        let tree = self.director.tree();
        let look = |tree: &actors::child::Tree| {
            let nodes: Vec<_> = tree.nodes().into_iter().filter(|n| n.path.starts_with(path)).collect();
            let says = |n: &actors::child::NodeView| wanted(n.condition.as_deref().unwrap_or_default());
            (!nodes.is_empty() && nodes.iter().all(says))
                .then(|| nodes[0].condition.clone().unwrap_or_default())
        };
        match tree.wait_until(LIMIT, look).await {
            Some(text) => text,
            None => panic!("{path} never says so: {:#?}", tree.nodes()),
        }
    }

    pub(crate) fn device(&self) -> Arc<Device> {
        self.director.inventory().device("in").expect("configured")
    }

    /// Waits until the device's counters are as wanted.
    pub(crate) async fn until(&self, wanted: impl Fn(&Device) -> bool) {
        let device = self.device();
        let look = async {
            while !wanted(&device) {
                tokio::task::yield_now().await;
            }
        };
        if tokio::time::timeout(LIMIT, look).await.is_err() {
            panic!("never counted: {:?} {:?}", device.flow, device.meters);
        }
    }

    /// Stops the Director and returns what the target got.
    pub(crate) async fn received(self) -> Vec<String> {
        let bytes = self.received_bytes().await;
        let text = String::from_utf8(bytes).expect("text");
        text.lines().map(str::to_owned).collect()
    }

    /// Reads while the Director stops: what it holds is delivered then, and its connections end.
    pub(crate) async fn received_bytes(self) -> Vec<u8> {
        self.receiver.set_nonblocking(true).expect("a socket");
        let receiver = tokio::net::TcpListener::from_std(self.receiver).expect("a socket");
        let (stopped, mut until_stopped) = tokio::sync::oneshot::channel();
        let reading = tokio::spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            loop {
                tokio::select! {
                    biased;
                    accepted = receiver.accept() => {
                        let (mut socket, _) = accepted.expect("a connection");
                        connections.spawn(async move {
                            let mut bytes = Vec::new();
                            socket.read_to_end(&mut bytes).await.expect("an orderly end");
                            bytes
                        });
                    }
                    _ = &mut until_stopped => break,
                }
            }
            connections.join_all().await.concat()
        });
        let left = self.director.stop().await;
        assert_eq!(left.events, 0, "all is delivered");
        stopped.send(()).expect("reading");
        reading.await.expect("read")
    }
}

fn snapshot(
    kind: &str,
    address: SocketAddr,
    properties: &str,
    target: SocketAddr,
    service: &str,
) -> Snapshot {
    let folder = tempfile::tempdir().expect("a folder");
    let text = format!(
        "{service}
devices:
  - {{id: 1, name: in, type: {kind}, properties: {{address: {}, port: {}, {properties}}}}}
targets:
  - {{name: out, type: tcp, properties: {{address: {}, port: {}}}}}
routes:
  - {{name: all, devices: [{{name: in}}], targets: [{{name: out}}]}}
",
        address.ip(),
        address.port(),
        target.ip(),
        target.port()
    );
    let file = folder.path().join("vmetric.yml");
    std::fs::write(&file, &text).expect("written");
    let loaded = config::load(&Source::File(file), &|_| None);
    loaded.snapshot.unwrap_or_else(|| panic!("{:#?}\n{text}", loaded.diagnostics))
}

/// An address on which nothing listens at present, neither TCP nor UDP.
pub(crate) fn free_address() -> SocketAddr {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = tcp.local_addr().expect("bound");
        if UdpSocket::bind(address).is_ok() {
            return address;
        }
    }
}

/// How a path is written in YAML flow style.
pub(crate) fn quoted(path: &Path) -> String {
    format!("\"{}\"", path.display())
}
