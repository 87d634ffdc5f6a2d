//! `-top`: the tree with rates, redrawn every second; drawn once where the output is no terminal.

use super::say;
use crate::client::{Client, block_on};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::IsTerminal;
use std::time::Duration;
use supervisors::control::stats::{DeviceStats, Stats, TargetStats};

/// Rates are measured over this time.
const EVERY: Duration = Duration::from_secs(1);
/// Clears the screen and goes to its corner (ECMA-48).
const CLEAR: &str = "\x1b[2J\x1b[H";

/// A node of `/tree`, as far as it is shown.
#[derive(Deserialize)]
struct Node {
    path: String,
    kind: String,
    state: String,
    restarts: u64,
    last_error: Option<String>,
    condition: Option<String>,
    trouble: bool,
}

/// Draws the tree.
pub(super) fn top(place: &Place) -> Result<Exit, Failed> {
    let client = Client::of(place);
    let terminal = std::io::stdout().is_terminal();
    block_on(async {
        let mut before: Stats = client.get("/stats").await?;
        loop {
            tokio::time::sleep(EVERY).await;
            let (nodes, now) =
                (client.get::<Vec<Node>>("/tree").await?, client.get::<Stats>("/stats").await?);
            let picture = draw(&nodes, &before, &now);
            if !terminal {
                return say(&picture);
            }
            say(&format!("{CLEAR}{picture}"))?;
            before = now;
        }
    })
}

fn draw(nodes: &[Node], before: &Stats, now: &Stats) -> String {
    let seconds = (now.at_ms.saturating_sub(before.at_ms) as f64 / 1e3).max(0.001);
    let cpu = (now.process.cpu_seconds - before.process.cpu_seconds) / seconds * 100.0;
    let mut text = format!(
        "node {}, version {}, up {:.0} s: {cpu:.0} % CPU, {} MB, {} of {} KiB of received data held\n",
        now.node,
        now.version,
        now.uptime_seconds,
        now.process.resident_bytes / 1_000_000,
        now.budget.used / 1024,
        now.budget.capacity / 1024,
    );
    let rates = rates(before, now, seconds);
    let mut connections: BTreeMap<&str, u64> = BTreeMap::new();
    for node in nodes.iter().filter(|node| node.kind == "connection") {
        *connections.entry(parent(&node.path)).or_default() += 1;
    }
    for node in nodes {
        // Ten thousand quiet connections are a number; those in trouble are worth a line.
        if node.kind == "connection" && node.state == "running" && !node.trouble {
            continue;
        }
        write_node(&mut text, node, rates.get(&node.path).map(String::as_str));
        if let Some(open) = connections.get(node.path.as_str()) {
            let _ = writeln!(text, "{}{open} connections", "  ".repeat(depth(&node.path) + 1));
        }
    }
    text
}

fn write_node(text: &mut String, node: &Node, rates: Option<&str>) {
    let name = node.path.rsplit('/').next().unwrap_or(&node.path);
    let _ = write!(text, "{}{name} ({}) {}", "  ".repeat(depth(&node.path)), node.kind, node.state);
    if node.restarts > 0 {
        let _ = write!(text, ", started again {} times", node.restarts);
    }
    if let Some(rates) = rates {
        let _ = write!(text, "  {rates}");
    }
    if let Some(condition) = &node.condition {
        let _ = write!(text, "  {}{condition}", if node.trouble { "! " } else { "" });
    } else if let Some(error) = node.last_error.as_ref().filter(|_| node.state != "running") {
        let _ = write!(text, "  ! {error}");
    }
    text.push('\n');
}

/// What passed each device and target since the picture before, by path.
fn rates(before: &Stats, now: &Stats, seconds: f64) -> BTreeMap<String, String> {
    let per_second = |was: u64, is: u64| is.saturating_sub(was) as f64 / seconds;
    let mut rates = BTreeMap::new();
    for device in &now.devices {
        let was = before.devices.iter().find(|was| was.name == device.name);
        let was = |count: fn(&DeviceStats) -> u64| was.map_or(0, count);
        let events = per_second(was(|d| d.accepted), device.accepted);
        let bytes = per_second(was(|d| d.bytes), device.bytes);
        let held = device.held;
        let rate = format!("{events:.0} events/s, {:.1} KB/s in, {held} held", bytes / 1e3);
        rates.insert(format!("devices/{}", device.name), rate);
    }
    for target in &now.targets {
        let was = before.targets.iter().find(|was| was.name == target.name);
        let was = |count: fn(&TargetStats) -> u64| was.map_or(0, count);
        let dropped = |target: &TargetStats| target.dropped.values().sum::<u64>();
        let made = |t: &TargetStats| t.delivered + t.spool.delivered;
        let events = per_second(was(|t| t.delivered + t.spool.delivered), made(target));
        let bytes = per_second(was(|t| t.bytes), target.bytes);
        let drops = per_second(was(|t| t.dropped.values().sum()), dropped(target));
        let held = target.held;
        let mut rate = format!("{events:.0} events/s, {:.1} KB/s out, {held} held", bytes / 1e3);
        let earlier = before.targets.iter().find(|was| was.name == target.name).map(|was| &was.latency);
        if let Some(limit) = target.latency.all_but_one_in(100, earlier) {
            let _ = write!(rate, ", 99 % within {:.2} ms", limit * 1e3);
        }
        if target.spool.held > 0 {
            let _ = write!(rate, ", {} on disk", target.spool.held);
        }
        if let Some(left) = target.spool.seconds_left {
            let _ = write!(rate, " ({left} s left)");
        }
        if dropped(target) > 0 {
            let _ = write!(rate, ", {drops:.0} dropped/s");
        }
        rates.insert(format!("targets/{}", target.name), rate);
    }
    rates
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

fn depth(path: &str) -> usize {
    path.matches('/').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(path: &str, kind: &str, condition: Option<&str>) -> Node {
        Node {
            path: path.to_owned(),
            kind: kind.to_owned(),
            state: "running".to_owned(),
            restarts: 0,
            last_error: None,
            condition: condition.map(str::to_owned),
            trouble: condition.is_some(),
        }
    }

    fn stats(at_ms: u64, accepted: u64) -> Stats {
        let device = serde_json::json!({
            "name": "edge", "id": 1, "accepted": accepted, "settled": accepted, "held": 0, "bytes": accepted * 100,
            "dropped": {}, "lost": {}, "open": 2, "opened": 2, "refused": 0, "denied": 0, "truncated": 0,
            "discarded_bytes": 0, "empty": 0, "resynchronised": 0, "ended": {}, "silent_seconds": null,
            "budget_used": 0,
        });
        let process = serde_json::json!({
            "pid": 1, "cpu_seconds": 0.0, "resident_bytes": 0, "resident_peak_bytes": 0, "open_files": 0,
            "max_open_files": 0, "threads": 0,
        });
        let stats = serde_json::json!({
            "at_ms": at_ms, "node": "0", "version": "1", "uptime_seconds": 5.0, "devices": [device], "targets": [],
            "budget": {"used": 0, "capacity": 1024}, "process": process, "actors": {}, "troubled": 0, "restarts": {},
        });
        serde_json::from_value(stats).expect("fits")
    }

    #[test]
    fn rates_stand_at_devices_and_quiet_connections_are_a_number() {
        let nodes = [
            node("devices", "group", None),
            node("devices/edge", "device", None),
            node("devices/edge/connection-0-1", "connection", None),
            node("devices/edge/connection-0-2", "connection", None),
            node("devices/edge/connection-0-3", "connection", Some("stuck")),
        ];
        let picture = draw(&nodes, &stats(0, 0), &stats(2000, 1000));
        let lines: Vec<&str> = picture.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "devices (group) running",
                "  edge (device) running  500 events/s, 50.0 KB/s in, 0 held",
                "    3 connections",
                "    connection-0-3 (connection) running  ! stuck",
            ]
        );
    }
}
