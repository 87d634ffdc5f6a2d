//! Scenario files, with every mistake at its place: `file:line:column: what is wrong; what would be right`.

use super::{AnyFault, Expect, Load, Planned, Random, Scenario, Short, WorldSource};
use crate::endpoints::mood::EndpointFault;
use crate::endpoints::texts::Texts;
use crate::links::LinkFault;
use crate::subject::{self, Span};
use config::{Diagnostic, Entry, Map, Node, Position, Resolved, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

/// Reads a scenario.
///
/// # Errors
/// All mistakes in it.
pub fn file(path: &Path) -> Result<Scenario, Vec<Diagnostic>> {
    let top = || Position::new(path.into(), 1, 1);
    let text = std::fs::read_to_string(path).map_err(|e| {
        vec![
            top()
                .error(format!("the file can't be read: {e}"), "name a scenario; configs/scenarios has some"),
        ]
    })?;
    let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    text_of(path, &name, &text)
}

/// Reads the text of a scenario.
///
/// # Errors
/// All mistakes in it.
pub fn text_of(path: &Path, name: &str, text: &str) -> Result<Scenario, Vec<Diagnostic>> {
    let nodes = config::parse(path, text)?;
    let top = Position::new(path.into(), 1, 1);
    let Some(node) = nodes.first() else {
        return Err(vec![top.error("the file is empty", "write a scenario with world and load")]);
    };
    let Some(map) = node.as_map() else {
        return Err(vec![
            node.error(format!("the scenario is {}", node.shown()), "write a map with world and load"),
        ]);
    };
    let mut mistakes = Vec::new();
    let mut top = Section::new("the scenario", map, &node.at, &mut mistakes);
    let folder = path.parent().unwrap_or(Path::new("."));
    let scenario = scenario(&mut top, name, folder);
    top.refuse_others();
    if mistakes.is_empty() { Ok(scenario) } else { Err(mistakes) }
}

/// A map that is read key by key.
struct Section<'n, 'm> {
    what: String,
    map: &'n Map,
    at: &'n Position,
    known: Vec<&'static str>,
    mistakes: &'m mut Vec<Diagnostic>,
}

impl<'n, 'm> Section<'n, 'm> {
    fn new(what: &str, map: &'n Map, at: &'n Position, mistakes: &'m mut Vec<Diagnostic>) -> Self {
        Self { what: what.to_owned(), map, at, known: Vec::new(), mistakes }
    }

    fn get(&mut self, key: &'static str) -> Option<&'n Node> {
        self.known.push(key);
        self.map.get(key).filter(|node| !node.is_null())
    }

    fn wrong(&mut self, node: &Node, key: &str, fix: &str) {
        self.mistakes.push(node.error(format!("\"{key}\" of {} is {}", self.what, node.shown()), fix));
    }

    fn read<T>(&mut self, key: &'static str, fix: &str, read: impl Fn(&Node) -> Option<T>) -> Option<T> {
        let node = self.get(key)?;
        let value = read(node);
        if value.is_none() {
            self.wrong(node, key, fix);
        }
        value
    }

    fn span(&mut self, key: &'static str) -> Option<Duration> {
        self.read(key, "write a time such as 250ms, 5s or 1h30m", |node| {
            node.as_text()?.parse::<Span>().ok().map(|span| span.0)
        })
    }

    fn count(&mut self, key: &'static str) -> Option<u64> {
        self.read(key, "write a whole number", |node| node.as_i64()?.try_into().ok())
    }

    fn number(&mut self, key: &'static str) -> Option<f64> {
        self.read(key, "write a number above 0", |node| node.as_f64().filter(|n| *n > 0.0 && n.is_finite()))
    }

    fn flag(&mut self, key: &'static str) -> Option<bool> {
        self.read(key, "write true or false", Node::as_bool)
    }

    fn text(&mut self, key: &'static str) -> Option<String> {
        self.read(key, "write a text", |node| node.as_text().map(str::to_owned))
    }

    fn list(&mut self, key: &'static str) -> &'n [Node] {
        let Some(node) = self.get(key) else { return &[] };
        match node.as_list() {
            Some(items) => items,
            None => {
                self.wrong(node, key, "write a list");
                &[]
            }
        }
    }

    /// A map below a key, read by `read`; an empty one if there is none.
    fn below<T>(&mut self, key: &'static str, read: impl FnOnce(&mut Section<'n, '_>) -> T) -> Option<T> {
        let node = self.get(key)?;
        let Some(map) = node.as_map() else {
            self.wrong(node, key, "write a map");
            return None;
        };
        let mut below = Section::new(&format!("\"{key}\""), map, &node.at, self.mistakes);
        let value = read(&mut below);
        below.refuse_others();
        Some(value)
    }

    /// Numbers by name.
    fn numbers(&mut self, key: &'static str, fix: &str) -> BTreeMap<String, f64> {
        let Some(node) = self.get(key) else { return BTreeMap::new() };
        let Some(map) = node.as_map() else {
            self.wrong(node, key, fix);
            return BTreeMap::new();
        };
        let mut all = BTreeMap::new();
        for Entry { key: name, value, .. } in map.entries() {
            match value.as_f64().filter(|n| *n >= 0.0 && n.is_finite()) {
                Some(number) => _ = all.insert(name.clone(), number),
                None => self.wrong(value, name, fix),
            }
        }
        all
    }

    fn refuse_others(&mut self) {
        for Entry { key, key_at, .. } in self.map.entries() {
            if !self.known.iter().any(|known| known == key) {
                let fix = format!("{} knows {}", self.what, self.known.join(", "));
                self.mistakes.push(key_at.error(format!("\"{key}\" of {} is not known", self.what), fix));
            }
        }
    }
}

fn scenario(top: &mut Section, name: &str, folder: &Path) -> Scenario {
    let name = top.text("name").unwrap_or_else(|| name.to_owned());
    let about = top.text("about").unwrap_or_default();
    let world = world(top, folder);
    let load = top.below("load", |load| load_of(load, folder)).unwrap_or_else(Load::usual);
    let mut faults = Vec::new();
    for node in top.list("faults") {
        if let Some(planned) = fault(node, top.mistakes) {
            faults.push(planned);
        }
    }
    let random = top.below("random", random);
    let expect = top.below("expect", expect).unwrap_or_else(|| Expect {
        drained: true,
        strikes: true,
        ..Expect::default()
    });
    let short = top.below("short", |short| Short {
        length: short.span("length").unwrap_or(Duration::from_secs(8)),
        rate: short.number("rate"),
    });
    Scenario { name, about, world, load, faults, random, expect, short }
}

fn world(top: &mut Section, folder: &Path) -> WorldSource {
    let fix = "write from_config: all, from_config: FILE, or devices, targets and routes";
    let Some(node) = top.get("world") else {
        top.mistakes.push(top.at.error("the scenario has no \"world\"", fix));
        return WorldSource::Given;
    };
    let Some(map) = node.as_map() else {
        top.wrong(node, "world", fix);
        return WorldSource::Given;
    };
    let Some(from) = map.get("from_config") else { return WorldSource::Inline(node.clone()) };
    if map.len() > 1 {
        top.mistakes.push(node.error("\"world\" has from_config and more", "leave one of them out"));
    }
    match from.as_text() {
        Some("all") => WorldSource::Given,
        Some(file) => WorldSource::File(folder.join(file)),
        None => {
            top.wrong(from, "from_config", fix);
            WorldSource::Given
        }
    }
}

impl Load {
    fn usual() -> Self {
        Self {
            length: Duration::from_secs(60),
            rate: 1000.0,
            size: 256,
            mix: "servers".to_owned(),
            recorded: None,
            shares: BTreeMap::new(),
            settle: Duration::from_secs(60),
        }
    }
}

fn load_of(section: &mut Section, folder: &Path) -> Load {
    let usual = Load::usual();
    let names = Texts::names();
    let known =
        |node: &Node| node.as_text().filter(|name| names.split(", ").any(|n| n == *name)).map(str::to_owned);
    Load {
        length: section.span("length").filter(|length| !length.is_zero()).unwrap_or(usual.length),
        rate: section.number("rate").unwrap_or(usual.rate),
        size: section.count("size").unwrap_or(usual.size as u64).min(1 << 20) as usize,
        mix: section.read("mix", &format!("write one of {names}"), known).unwrap_or(usual.mix),
        recorded: section.text("recorded").map(|file| folder.join(file)),
        shares: section.numbers("shares", "write device: number"),
        settle: section.span("settle").unwrap_or(usual.settle),
    }
}

fn random(section: &mut Section) -> Random {
    let count = section.count("count").map(|count| count as usize);
    let longest = section.span("longest").unwrap_or(Duration::from_secs(5));
    let weights = section.numbers("weights", "write name of a fault: number");
    for name in weights.keys() {
        if !super::plan::DRAWN.contains(&name.as_str()) {
            let fix = format!("write one of {}", super::plan::DRAWN.join(", "));
            section.mistakes.push(section.at.error(format!("{name:?} is no fault that can be drawn"), fix));
        }
    }
    Random { count, longest, weights }
}

fn expect(section: &mut Section) -> Expect {
    let mut tree = Vec::new();
    for node in section.list("tree") {
        match decode(&json(node)) {
            Ok(expectation) => tree.push(expectation),
            Err(e) => section.mistakes.push(node.error("the expectation is not understood", e)),
        }
    }
    Expect {
        lost: section.count("lost").unwrap_or(0),
        unpromised: section.count("unpromised"),
        repeated: section.count("repeated"),
        in_order: section.flag("in_order").unwrap_or(false),
        strikes: true,
        recovery: section.span("recovery"),
        memory_bytes: section.read("memory", "write bytes, such as 200MB", bytes),
        starts: section.count("starts").map(|starts| starts as u32),
        drained: section.flag("drained").unwrap_or(true),
        tree,
    }
}

fn bytes(node: &Node) -> Option<u64> {
    let text = node.as_text()?;
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let unit = match &text[digits..] {
        "" | "B" => 1,
        "kB" | "KB" => 1000,
        "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "GiB" => 1 << 30,
        _ => return None,
    };
    text[..digits].parse::<u64>().ok()?.checked_mul(unit)
}

fn fault(node: &Node, mistakes: &mut Vec<Diagnostic>) -> Option<Planned> {
    let Some(map) = node.as_map() else {
        mistakes
            .push(node.error(format!("the fault is {}", node.shown()), "write a map with at, for and what"));
        return None;
    };
    let mut section = Section::new("the fault", map, &node.at, mistakes);
    let at = section.span("at").unwrap_or_default();
    let length = section.span("for").unwrap_or_default();
    let every = section.span("every").filter(|every| !every.is_zero());
    let Some(what) = section.text("what") else {
        if map.get("what").is_none() {
            section.mistakes.push(node.error("the fault has no \"what\"", all_names()));
        }
        return None;
    };
    let mut rest = match json(node) {
        Json::Object(rest) => rest,
        _ => return None,
    };
    for key in ["at", "for", "every"] {
        rest.remove(key);
    }
    let read = any_fault(&what, rest);
    match read {
        Ok(fault) => {
            if length.is_zero() && !fault.is_instant() {
                mistakes
                    .push(node.error(format!("{what} has no \"for\""), "write for: and how long it lasts"));
            }
            Some(Planned { at, length, every, fault })
        }
        Err(why) => {
            mistakes.push(node.error(format!("the fault {what} is not understood"), why));
            None
        }
    }
}

/// A fault of this name with these settings.
pub(crate) fn any_fault(what: &str, mut rest: serde_json::Map<String, Json>) -> Result<AnyFault, String> {
    let ours = LinkFault::NAMES.contains(&what) || EndpointFault::NAMES.contains(&what);
    if !ours {
        let fault: subject::Fault = serde_json::from_value(Json::Object(rest)).map_err(|e| {
            let text = e.to_string();
            if text.contains("unknown variant") { all_names() } else { text }
        })?;
        return Ok(AnyFault::Director(fault));
    }
    let at = rest.remove("where").and_then(|at| at.as_str().map(str::to_owned));
    let Some(at) = at else {
        return Err("add where: the name of a device or target, * stands for any text".to_owned());
    };
    let json = Json::Object(rest);
    if LinkFault::NAMES.contains(&what) {
        return Ok(AnyFault::Link { to: at, fault: exact(&json)? });
    }
    Ok(AnyFault::Endpoint { of: at, fault: exact(&json)? })
}

/// Decodes, and refuses what is not known also where a variant has no settings.
fn exact<T: DeserializeOwned + Serialize>(json: &Json) -> Result<T, String> {
    let value: T = decode(json)?;
    let (known, given) = (serde_json::to_value(&value).ok(), json.as_object());
    let known = known.as_ref().and_then(Json::as_object);
    let extra =
        given.into_iter().flatten().find(|(key, _)| known.is_none_or(|known| !known.contains_key(*key)));
    match extra {
        Some((key, _)) => Err(format!("remove {key}, which it does not have")),
        None => Ok(value),
    }
}

fn decode<T: DeserializeOwned>(json: &Json) -> Result<T, String> {
    serde_json::from_value(json.clone()).map_err(|e| e.to_string())
}

fn all_names() -> String {
    let subject = [
        "actor_panics",
        "actor_errors",
        "actor_hangs",
        "disk_full",
        "disk_slow",
        "writes_fail",
        "syncs_fail",
        "reads_fail",
        "power_cut",
        "process_killed",
        "process_paused",
        "process_terminated",
        "memory_limited",
        "configuration_broken",
        "reload_storm",
        "clock_jumps",
    ];
    let names: Vec<&str> =
        LinkFault::NAMES.iter().chain(EndpointFault::NAMES).copied().chain(subject).collect();
    format!("write what: one of {}", names.join(", "))
}

/// A node as JSON.
pub(crate) fn json(node: &Node) -> Json {
    match &node.value {
        Value::Map(map) => {
            Json::Object(map.entries().iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect())
        }
        Value::List(items) => Json::Array(items.iter().map(json).collect()),
        Value::Scalar(scalar) => match scalar.resolve() {
            Resolved::Null => Json::Null,
            Resolved::Bool(value) => value.into(),
            Resolved::Int(value) => value.into(),
            Resolved::Float(value) => value.into(),
            Resolved::Text(text) => text.into(),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Scenario, Vec<String>> {
        let read = text_of(Path::new("day.yml"), "day", text);
        read.map_err(|all| all.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_scenario_is_read_with_faults_of_all_kinds() {
        let scenario = read(
            "about: x\nworld: {from_config: all}\nload: {length: 10s, rate: 500, mix: firewall}\n\
             faults:\n  - {at: 1s, for: 2s, what: link_down, where: out}\n\
             \x20 - {at: 1s, for: 2s, what: answers, status: 429, where: out}\n\
             \x20 - {at: 500ms, what: actor_panics, where: 'targets/*', times: 2}\n\
             expect: {lost: 0, recovery: 5s, memory: 200MB, tree: [{what: running, where: devices/in}]}\n",
        )
        .expect("no mistakes");
        assert_eq!(scenario.load.length, Duration::from_secs(10));
        let names: Vec<String> = scenario.faults.iter().map(|planned| planned.fault.name()).collect();
        assert_eq!(names, ["link_down", "answers", "actor_panics"]);
        assert_eq!(scenario.expect.memory_bytes, Some(200_000_000));
        assert_eq!(scenario.expect.tree.len(), 1);
    }

    #[test]
    fn mistakes_come_all_at_once_with_their_places() {
        let mistakes = read(
            "world: {from_config: all}\nload: {rate: fast, mix: loud}\nfaults:\n  - {at: 1s, what: link_dwn, where: out}\n\
             \x20 - {at: 1s, for: soon, what: link_reset, where: out}\n  - {at: 1s, what: link_down, where: out}\n\
             \x20 - {at: 1s, for: 1s, what: link_down, where: out, share: 1}\n  - {at: 1s, for: 1s, what: link_down}\n\
             wishes: 1\nexpect: {tree: [{what: flies}]}\n",
        )
        .expect_err("mistakes");
        let wanted = [
            "day.yml:2:14: \"rate\" of \"load\" is \"fast\"; write a number above 0",
            "day.yml:2:25: \"mix\" of \"load\" is \"loud\"; write one of short, firewall, servers",
            "day.yml:4:5: the fault link_dwn is not understood; write what: one of link_refuses, ",
            "day.yml:5:19: \"for\" of the fault is \"soon\"; write a time such as",
            "day.yml:6:5: link_down has no \"for\"; write for: and how long it lasts",
            "day.yml:7:5: the fault link_down is not understood; ",
            "day.yml:8:5: the fault link_down is not understood; add where: ",
            "day.yml:10:17: the expectation is not understood; unknown variant `flies`",
            "day.yml:9:1: \"wishes\" of the scenario is not known; the scenario knows name, about, world",
        ];
        for wanted in wanted {
            assert!(mistakes.iter().any(|mistake| mistake.starts_with(wanted)), "{wanted}\n{mistakes:#?}");
        }
        assert_eq!(mistakes.len(), wanted.len(), "{mistakes:#?}");
    }
}
