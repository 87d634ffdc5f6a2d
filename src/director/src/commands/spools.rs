//! `-spools`: what waits on disk for targets is listed, and dropped where it is no longer wanted.
//!
//! Listing reads the files, whether a Director runs or not. Purging is asked of the running Director; without one, the
//! spool's folder is removed.

use super::say;
use super::shown::{Lines, time};
use crate::arguments::Arguments;
use crate::client::{Client, block_on};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::{Holder, Place};
use actors::target::spool::{Waiting, look};
use seams::{Disk, RealDisk};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Arc;
use supervisors::spool_desk::{all, folder, remove};

/// Does what the words after `-spools` say.
pub(super) fn spools(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let words = arguments.value("spools").unwrap_or_default();
    match words.split_once(' ').unwrap_or((words, "")) {
        ("" | "list", "") => list(arguments, place),
        ("purge", "") => Err(usage("name the target: -spools purge NAME; -spools list shows all")),
        ("purge", name) => purge(place, name),
        _ => Err(usage(&format!("-spools can't \"{words}\"; write list, or purge NAME"))),
    }
}

fn usage(text: &str) -> Failed {
    Failed::new(Exit::Usage, anyhow::anyhow!("{text}"))
}

fn list(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let states = states(place)?;
    let mut lines = Lines::begin();
    let spools = all(&RealDisk, &folder(place.root()));
    if spools.is_empty() && !arguments.has("json") {
        lines.print("no spools")?;
    }
    for (name, folder) in spools {
        let state = states.as_ref().map(|states| states.get(&name).map_or("left behind", String::as_str));
        let line = match (look(&RealDisk, &folder), arguments.has("json")) {
            (Ok(waiting), true) => as_json(&name, state, &waiting).to_string(),
            (Ok(waiting), false) => as_text(&name, state, &waiting),
            (Err(e), true) => json!({"target": name, "state": state, "error": e.to_string()}).to_string(),
            (Err(e), false) => format!("{name:<24} can't be read: {e}"),
        };
        if !lines.print(line)? {
            break;
        }
    }
    lines.end()?;
    Ok(Exit::Ok)
}

fn as_json(name: &str, state: Option<&str>, waiting: &Waiting) -> Value {
    json!({
        "target": name,
        "state": state,
        "deliveries": waiting.deliveries,
        "bytes": waiting.bytes,
        "since": waiting.since.map(time),
        "disk_bytes": waiting.disk_bytes,
    })
}

fn as_text(name: &str, state: Option<&str>, waiting: &Waiting) -> String {
    let Waiting { deliveries, bytes, since, disk_bytes } = waiting;
    let state = state.map_or_else(String::new, |state| format!(" ({state})"));
    let since = since.map_or_else(String::new, |since| format!(" since {}", time(since)));
    format!("{name:<24} {deliveries:>12} deliveries, {bytes} bytes{since}; {disk_bytes} bytes of disk{state}")
}

/// The states of targets in a running Director; none if none runs.
fn states(place: &Place) -> Result<Option<HashMap<String, String>>, Failed> {
    if place.holder()? == Holder::Nobody {
        return Ok(None);
    }
    let nodes: Vec<Value> = block_on(Client::of(place).get("/tree"))?;
    let state = |node: &Value| {
        let name = node["path"].as_str()?.strip_prefix("targets/").filter(|name| !name.contains('/'))?;
        let retired = node["state"] == "retired";
        Some((name.to_owned(), if retired { "retired" } else { "in use" }.to_owned()))
    };
    Ok(Some(nodes.iter().filter_map(state).collect()))
}

fn purge(place: &Place, name: &str) -> Result<Exit, Failed> {
    let _lock = match place.holder()? {
        Holder::Director(_) => return say(&block_on(Client::of(place).tell("/purge-spool", name))?),
        Holder::Nobody => place.lock()?.map_err(|_| {
            Failed::new(Exit::Busy, anyhow::anyhow!("a Director has just started there; ask again"))
        })?,
    };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    say(&format!("{}\n", remove(&disk, &folder(place.root()), name)?))
}
