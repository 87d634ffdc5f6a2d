//! A Director that reads a host, keeps its state, and delivers to a receiver.

use crate::house::{Receiver, snapshot, until};
use supervisors::{Director, Options};

/// A Director that keeps its state, and a receiver of lines.
pub struct Place {
    pub root: tempfile::TempDir,
    pub receiver: Receiver,
}

impl Place {
    pub fn new() -> Self {
        Self { root: tempfile::tempdir().expect("temporary folder"), receiver: Receiver::start() }
    }

    /// A configuration with this device.
    pub fn yaml(&self, device: &str) -> String {
        let port = self.receiver.port;
        format!(
            "{device}targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n\
             routes:\n  - {{name: all, devices: [in], targets: [out]}}\n"
        )
    }

    /// Starts a Director with this device.
    pub async fn start(&self, device: &str) -> Director {
        let options = Options { lanes: 1, root: self.root.path().to_owned(), ..Options::default() };
        Director::start(snapshot(&self.yaml(device)), options).await.expect("started")
    }

    pub async fn arrived(&self, director: &Director, name: &str, count: u64) {
        let arrived = || self.receiver.distinct(name) as u64 >= count;
        let said = || condition(director);
        until(&format!("{count} lines of {name} arrived; {:?}", said()), arrived).await;
    }
}

/// What the collector says of itself.
pub fn condition(director: &Director) -> Option<String> {
    director.tree().node("devices/in/collector")?.condition
}

/// Waits until the collector says this.
pub async fn says(director: &Director, wanted: &str) -> String {
    let said = || condition(director).unwrap_or_default();
    until(&format!("it says {wanted:?}"), || said().contains(wanted)).await;
    said()
}
