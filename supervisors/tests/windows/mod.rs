//! A Director that collects one Windows host, and a receiver of its events.

#![allow(dead_code, unreachable_pub, reason = "each test uses a part of it")]

use crate::house::{LIMIT, snapshot, until};
use serde_json::Value;
use simulations::windows_host::WindowsHost;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use supervisors::{Director, Options};

/// A receiver of events as JSON, one a line.
pub struct Events {
    pub port: u16,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Events {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let shared = Arc::clone(&events);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let events = Arc::clone(&shared);
                std::thread::spawn(move || {
                    for line in BufReader::new(socket).lines().map_while(Result::ok) {
                        let event = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
                        events.lock().expect("unpoisoned").push(event);
                    }
                });
            }
        });
        Self { port, events }
    }

    pub fn all(&self) -> Vec<Value> {
        self.events.lock().expect("unpoisoned").clone()
    }

    /// How often each record of a channel came.
    pub fn records(&self, channel: &str) -> BTreeMap<u64, usize> {
        let mut records = BTreeMap::new();
        for event in self.events.lock().expect("unpoisoned").iter() {
            if event["winlog"]["channel"] == channel
                && let Some(record) = event["winlog"]["record_id"].as_u64()
            {
                *records.entry(record).or_default() += 1;
            }
        }
        records
    }

    /// Waits until these records of a channel came.
    pub async fn came(&self, channel: &str, records: std::ops::RangeInclusive<u64>) {
        let what = format!("{channel} {records:?}");
        until(&what, || {
            let found = self.records(channel);
            records.clone().all(|record| found.contains_key(&record))
        })
        .await;
    }

    /// Asserts that no record of a channel came twice.
    pub fn assert_once(&self, channel: &str) {
        let twice: Vec<_> = self.records(channel).into_iter().filter(|(_, times)| *times > 1).collect();
        assert!(twice.is_empty(), "{channel}: came again: {twice:?}");
    }

    /// Texts of gaps that were reported.
    pub fn gaps(&self) -> Vec<String> {
        let all = self.all();
        let gaps = all.iter().filter(|event| event["event"]["action"] == "collection-gap");
        gaps.map(|event| event["message"].as_str().expect("a text").to_owned()).collect()
    }
}

/// A Director that collects one host.
pub struct House {
    pub root: tempfile::TempDir,
    pub events: Events,
    pub properties: String,
}

impl House {
    /// `properties` besides the address and the user, in YAML flow style.
    pub fn new(host: &WindowsHost, properties: &str) -> Self {
        Self::at(host.address(), properties)
    }

    pub fn at(address: SocketAddr, properties: &str) -> Self {
        let properties = format!(
            "{{address: {}, port: {}, username: 'LAB\\svc-collect', password: Secret-1{}{properties}}}",
            address.ip(),
            address.port(),
            if properties.is_empty() { "" } else { ", " },
        );
        let root = tempfile::tempdir().expect("a folder");
        Self { root, events: Events::start(), properties }
    }

    /// The host is at another address from now on.
    pub fn address(&mut self, from: SocketAddr, to: SocketAddr) {
        let port = |address: SocketAddr| format!("port: {},", address.port());
        self.properties = self.properties.replace(&port(from), &port(to));
    }

    pub fn yaml(&self) -> String {
        format!(
            "devices:\n  - {{id: 1, name: in, type: windows, properties: {}}}\n\
             targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n\
             routes:\n  - {{name: all, devices: [in], targets: [out]}}\n",
            self.properties, self.events.port
        )
    }

    pub async fn director(&self) -> Director {
        let options = Options { lanes: 2, root: self.root.path().to_owned(), ..Options::default() };
        Director::start(snapshot(&self.yaml()), options).await.expect("started")
    }

    /// A Director that reads already.
    pub async fn reading(&self) -> Director {
        let director = self.director().await;
        says(&director, "collector", "reading").await;
        director
    }
}

/// Waits until an actor of the device says this.
pub async fn says(director: &Director, actor: &str, part: &str) -> String {
    let path = format!("devices/in/{actor}");
    let tree = director.tree();
    let look = |tree: &actors::child::Tree| {
        let said = tree.node(&path)?.condition?;
        said.contains(part).then_some(said)
    };
    match tree.wait_until(LIMIT, look).await {
        Some(said) => said,
        None => panic!("{path} never says {part:?}: {:?}", tree.node(&path)),
    }
}

/// Two channels.
pub const ALL: &str = "channels: [{name: Security}, {name: System}]";
