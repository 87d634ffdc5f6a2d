//! `-quarantine`: events that nobody could take are listed, shown, sent once more, removed.
//!
//! What only looks reads the files, whether a Director runs or not. What changes something is asked of the running
//! Director; without one, events can be purged, but there is nobody to send them.

use super::say;
use super::shown::{Lines, harmless, put_bytes, time};
use crate::arguments::Arguments;
use crate::client::{Client, block_on};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::{Holder, Place};
use actors::quarantine::store::Unreadable;
use actors::quarantine::{Kept, Marks, Selection, Store, look};
use journal::Environment;
use seams::{Clock, RealDisk, Rng};
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;
use supervisors::replay::Order;

/// So much of an event or a reason is shown in the list.
const SHOWN: usize = 100;

/// Does what the words after `-quarantine` say.
pub(super) fn quarantine(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let words = arguments.value("quarantine").unwrap_or_default();
    let (action, which) = words.split_once(' ').unwrap_or((words, ""));
    match (action, which) {
        ("" | "list", which) => list(arguments, place, which),
        ("show", "") => Err(usage("name the events: -quarantine show 12")),
        ("show", which) => show(arguments, place, which),
        ("replay" | "purge", "") => Err(usage(&format!(
            "say which events: -quarantine {action} all, or 12 15-20, or cause=poison older=7d"
        ))),
        ("replay", which) => replay(arguments, place, which),
        ("purge", which) => purge(place, which),
        (other, _) => {
            Err(usage(&format!("-quarantine can't \"{other}\"; write list, show, replay or purge")))
        }
    }
}

fn usage(text: &str) -> Failed {
    Failed::new(Exit::Usage, anyhow::anyhow!("{text}"))
}

fn selected(which: &str) -> Result<Selection, Failed> {
    which.parse().map_err(|unclear| Failed::new(Exit::Usage, anyhow::Error::new(unclear)))
}

/// Gives all events that are meant to a function, until it returns false.
fn each(
    place: &Place,
    which: &str,
    mut show: impl FnMut(&Kept, &Marks) -> std::io::Result<bool>,
) -> Result<Unreadable, Failed> {
    let (selection, now) = (selected(which)?, Clock::system().unix_nanos());
    let mut outcome = Ok(());
    let unreadable = look(&RealDisk, &place.quarantine(), |kept, marks| {
        if !selection.takes(&kept, marks, now) {
            return true;
        }
        show(&kept, marks).unwrap_or_else(|e| {
            outcome = Err(e);
            false
        })
    })?;
    outcome?;
    Ok(unreadable)
}

fn list(arguments: &Arguments, place: &Place, which: &str) -> Result<Exit, Failed> {
    let json = arguments.has("json");
    let mut lines = Lines::begin();
    let (mut events, mut waiting) = (0, 0);
    let unreadable = each(place, which, |kept, marks| {
        let replayed = marks.replayed.contains(kept.id);
        events += 1;
        waiting += u64::from(!replayed);
        if json {
            return lines.print(object(kept, marks).to_string());
        }
        if events == 1 {
            lines.print(format!("{:>6}  {:<20}  {:<9}  {:<16}  reason", "id", "since", "cause", "device"))?;
        }
        let Kept { id, at, meta, .. } = kept;
        let mark = if replayed { " (replayed)" } else { "" };
        let why = harmless(format!("{}: {}", places(kept), meta.why).as_bytes(), SHOWN);
        lines.print(format!(
            "{id:>6}  {:<20}  {:<9}  {:<16}  {why}{mark}",
            time(*at),
            meta.cause,
            meta.device.name
        ))
    })?;
    if !json {
        let mut text = match events {
            0 => "no events".to_owned(),
            _ => format!("{events} events, {waiting} of them not replayed"),
        };
        note_unreadable(&mut text, unreadable);
        lines.print(text)?;
    }
    lines.end()?;
    Ok(Exit::Ok)
}

fn note_unreadable(text: &mut String, Unreadable { damaged, unknown }: Unreadable) {
    if damaged > 0 {
        let _ = write!(text, "; {damaged} are damaged and can't be read");
    }
    if unknown > 0 {
        let _ = write!(text, "; {unknown} were written by another version");
    }
}

/// Where an event could not go on.
fn places(kept: &Kept) -> String {
    let mut targets: Vec<&str> = kept.meta.ways.iter().map(|way| way.target.as_str()).collect();
    targets.dedup();
    match targets.is_empty() {
        true => kept.meta.at.clone(),
        false => format!("{} -> {}", kept.meta.at, targets.join(", ")),
    }
}

fn show(arguments: &Arguments, place: &Place, which: &str) -> Result<Exit, Failed> {
    let json = arguments.has("json");
    let mut lines = Lines::begin();
    let mut found = false;
    each(place, which, |kept, marks| {
        found = true;
        if json { lines.print(object(kept, marks).to_string()) } else { lines.print(described(kept, marks)) }
    })?;
    lines.end()?;
    if found {
        return Ok(Exit::Ok);
    }
    Err(Failed::new(
        Exit::Failure,
        anyhow::anyhow!("no event {which} is in quarantine; -quarantine list shows all"),
    ))
}

fn described(kept: &Kept, marks: &Marks) -> String {
    let Kept { id, at, meta, event, payload } = kept;
    let mut text = format!(
        "event     {id}, in quarantine since {}{}\nreason    {}: {}\nat        {}\n",
        time(*at),
        if marks.replayed.contains(*id) { ", replayed" } else { "" },
        meta.cause,
        harmless(meta.why.as_bytes(), usize::MAX),
        meta.at,
    );
    for way in &meta.ways {
        let route = if way.route.is_empty() {
            "chosen by a pipeline".to_owned()
        } else {
            format!("route {}", way.route)
        };
        let _ = writeln!(
            text,
            "way       {route}, pipelines [{}], target {}",
            way.pipelines.join(", "),
            way.target
        );
    }
    let peer = meta.peer.map_or_else(String::new, |peer| format!(" from {peer}"));
    let _ = writeln!(
        text,
        "origin    {} device {} (id {}){peer}, received {}, stream {}, number {}{}",
        meta.device.kind,
        meta.device.name,
        meta.device.id,
        time(meta.received),
        meta.stream,
        meta.sequence,
        if meta.truncated { ", truncated when received" } else { "" },
    );
    if let Some(before) = meta.replay_of {
        let _ = writeln!(text, "replays   {}, it was event {before} before", meta.replays);
    }
    let _ = write!(text, "received  {}", harmless(event, usize::MAX));
    if let Some(payload) = payload {
        let _ = write!(text, "\nrefused   {}", harmless(payload, usize::MAX));
    }
    text
}

/// An event as a JSON object.
pub(super) fn object(kept: &Kept, marks: &Marks) -> Value {
    let mut object = serde_json::Map::new();
    object.insert("id".to_owned(), kept.id.into());
    object.insert("since".to_owned(), time(kept.at).into());
    if let Ok(Value::Object(meta)) = serde_json::to_value(&kept.meta) {
        object.extend(meta);
    }
    object.insert("replayed".to_owned(), marks.replayed.contains(kept.id).into());
    put_bytes(&mut object, "event", &kept.event);
    if let Some(payload) = &kept.payload {
        put_bytes(&mut object, "payload", payload);
    }
    Value::Object(object)
}

fn replay(arguments: &Arguments, place: &Place, which: &str) -> Result<Exit, Failed> {
    selected(which)?;
    let order = Order { which: which.to_owned(), target: arguments.value("target").map(str::to_owned) };
    let body = serde_json::to_string(&order)?;
    let client = Client::of(place);
    let print = |line: &str| print!("{line}");
    block_on(async { client.follow("/replay", &body, print).await })?;
    Ok(Exit::Ok)
}

fn purge(place: &Place, which: &str) -> Result<Exit, Failed> {
    let selection = selected(which)?;
    let _lock = match place.holder()? {
        Holder::Director(_) => return say(&block_on(Client::of(place).tell("/purge", which))?),
        Holder::Nobody => place.lock()?.map_err(|_| {
            Failed::new(Exit::Busy, anyhow::anyhow!("a Director has just started there; ask again"))
        })?,
    };
    if !place.quarantine().is_dir() {
        return say("0 events purged\n");
    }
    let environment =
        Environment { disk: Arc::new(RealDisk), clock: Clock::system(), rng: Rng::from_system() };
    let now = environment.clock.unix_nanos();
    let (mut store, _) = Store::open(environment, &place.quarantine(), config::Service::QUARANTINE_BYTES)?;
    let purged = store.purge(&selection, now)?;
    say(&format!("{purged} events purged\n"))
}
