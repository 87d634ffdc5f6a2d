//! From files to a snapshot.
//!
//! All files make one map: lists of components are joined, other top-level keys may be in one file only. Then
//! components are decoded one by one, then names and references are checked.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::context::Context;
use crate::fields::{Fields, WHOLE};
use crate::source::{self, is_table, top};
use crate::suggest::did_you_mean;
use crate::{
    Device, DevicePattern, Diagnostic, Entry, Map, Node, PipelineSource, Position, Route, Service, Snapshot,
    Source, Target, Value, credentials, defaults, device, environment, pipeline, references, route, rows,
    target, yaml,
};

/// What came of a load.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration; none if there is any error among the diagnostics.
    pub snapshot: Option<Snapshot>,
    /// All errors and warnings, by file and position.
    pub diagnostics: Vec<Diagnostic>,
    /// All files that were read or tried, for a watcher; new ones appear below `config/`.
    pub files: Vec<PathBuf>,
}

/// Reads and validates a configuration. `environment` gives the values of `${NAME}`.
pub fn load(source: &Source, environment: &dyn Fn(&str) -> Option<String>) -> Loaded {
    let mut diagnostics = Vec::new();
    let files = source.files(&mut diagnostics);
    let mut merged = Merged::default();
    let mut all_read = true; // references into a file that can't be read may well be right
    for file in &files {
        match source::read(file).map_err(|error| vec![error]).and_then(|text| parse(file, &text)) {
            Ok(documents) => {
                for mut document in documents {
                    environment::fill_in(&mut document, environment, &mut diagnostics);
                    merged.add(document, &mut diagnostics);
                }
            }
            Err(mut errors) => {
                all_read = false;
                diagnostics.append(&mut errors);
            }
        }
    }
    let mut map = Map::from_distinct(merged.entries);
    defaults::fill_in(&mut map, &mut diagnostics);
    let at = files.first().map_or_else(|| top(source.root()), |file| top(file));
    let context = Context::new(source.root(), credentials::service_folder(environment));
    let mut fields = Fields::over(&context, &map, at, WHOLE);
    let parts = decode(&mut fields);
    fields.refuse_unknown();
    diagnostics.append(&mut context.report.take());
    unique(&map, "devices", "device", "id", &mut diagnostics);
    for (list, noun) in
        [("devices", "device"), ("targets", "target"), ("routes", "route"), ("pipelines", "pipeline")]
    {
        unique(&map, list, noun, "name", &mut diagnostics);
    }
    if all_read {
        parts.check_references(&map, &context, &mut diagnostics);
    }
    diagnostics.sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    let valid = !diagnostics.iter().any(Diagnostic::is_error);
    Loaded { snapshot: valid.then(|| parts.into_snapshot()), diagnostics, files }
}

// === files to one map ===

/// The documents of a file.
fn parse(file: &Path, text: &str) -> Result<Vec<Node>, Vec<Diagnostic>> {
    match is_table(file) {
        true => rows::parse(file, text),
        false => yaml::parse(file, text),
    }
}

/// Lists of components, which all files may have.
const LISTS: [&str; 6] = ["devices", "targets", "routes", "pipelines", "environments", "credentials"];

#[derive(Default)]
struct Merged {
    entries: Vec<Entry>,
}

impl Merged {
    fn add(&mut self, document: Node, report: &mut Vec<Diagnostic>) {
        if document.is_null() {
            return;
        }
        let shown = document.shown();
        let Value::Map(mut map) = document.value else {
            report.push(
                document.at.error(format!("the file is {shown}"), "write a map with keys such as devices"),
            );
            return;
        };
        for entry in std::mem::take(map.entries_mut()) {
            self.add_entry(entry, report);
        }
    }

    fn add_entry(&mut self, entry: Entry, report: &mut Vec<Diagnostic>) {
        let Some(first) = self.entries.iter_mut().find(|first| first.key == entry.key) else {
            self.entries.push(entry);
            return;
        };
        if LISTS.contains(&entry.key.as_str()) {
            if first.value.is_null() {
                *first = entry;
                return;
            }
            if entry.value.is_null() {
                return;
            }
            if let (Value::List(all), Value::List(further)) = (&mut first.value.value, entry.value.value) {
                all.extend(further);
                return;
            }
            report.push(entry.value.at.error(format!("\"{}\" is not a list", entry.key), "write a list"));
            return;
        }
        let what = format!("\"{}\" is there twice, first at {}", entry.key, first.key_at);
        report.push(entry.key_at.error(what, "keep one of them"));
    }
}

// === one map to components ===

/// Components as decoded; the maybes are those whose type is not known.
pub(crate) struct Parts {
    service: Service,
    devices: Vec<Option<Device>>,
    targets: Vec<Option<Target>>,
    routes: Vec<(Route, Vec<Position>)>,
    pipelines: Vec<PipelineSource>,
}

/// Reads, or draws, all top-level keys.
pub(crate) fn decode(fields: &mut Fields) -> Parts {
    defaults::draw(fields);
    credentials::list(fields);
    Parts {
        service: Service::decode(fields),
        devices: fields.items("devices", "device", "where events come from", device::decode),
        targets: fields.items("targets", "target", "where events go", target::decode),
        routes: fields.items("routes", "route", "which events go where", route::decode),
        pipelines: fields.items("pipelines", "pipeline", "what is done with events", pipeline::decode),
    }
}

impl Parts {
    /// References lead somewhere. By the tree, since a component with a mistake exists all the same.
    fn check_references(&self, map: &Map, context: &Context, report: &mut Vec<Diagnostic>) {
        let devices: Vec<&Device> = self.devices.iter().flatten().collect();
        let pipelines = written_names(map, "pipelines");
        let targets = written_names(map, "targets");
        report.extend(references::check(&context.references.borrow(), &pipelines, &targets));
        if devices.len() == self.devices.len() {
            self.check_patterns(&devices, report);
        }
    }

    /// Patterns of routes that match no device: a warning, since the device may come later.
    fn check_patterns(&self, devices: &[&Device], report: &mut Vec<Diagnostic>) {
        for (route, places) in &self.routes {
            for (pattern, at) in route.devices.iter().zip(places) {
                if devices.iter().any(|device| pattern.matches(device)) {
                    continue;
                }
                let (shown, fix) = match pattern {
                    DevicePattern::Id(id) => (format!("device {id}"), "name a device that exists".to_owned()),
                    DevicePattern::Name(name) => {
                        let names = devices.iter().map(|device| device.name.as_str());
                        (format!("device {name:?}"), did_you_mean(name, names))
                    }
                };
                report.push(
                    at.warning(format!("route {:?} names {shown}, which does not exist", route.name), fix),
                );
            }
        }
    }

    fn into_snapshot(self) -> Snapshot {
        Snapshot {
            service: self.service,
            devices: self.devices.into_iter().flatten().map(Arc::new).collect(),
            targets: self.targets.into_iter().flatten().map(Arc::new).collect(),
            routes: self.routes.into_iter().map(|(route, _)| Arc::new(route)).collect(),
            pipelines: self.pipelines.into_iter().map(Arc::new).collect(),
        }
    }
}

fn written_names<'m>(map: &'m Map, list: &str) -> Vec<&'m str> {
    let items = map.get(list).and_then(Node::as_list).unwrap_or_default();
    items.iter().filter_map(|item| item.get("name")?.as_text()).collect()
}

/// Reports ids or names that are there twice.
fn unique(map: &Map, list: &str, noun: &str, key: &str, report: &mut Vec<Diagnostic>) {
    let mut seen: HashMap<String, &Position> = HashMap::new();
    for item in map.get(list).and_then(Node::as_list).unwrap_or_default() {
        let Some(node) = item.get(key) else { continue };
        let Some(text) = node.as_text() else { continue };
        let text = match text.parse::<u64>() {
            Ok(id) if key == "id" => id.to_string(), // 7 and 007
            Ok(_) | Err(_) => format!("{text:?}"),
        };
        if let Some(first) = seen.get(&text) {
            let what = format!("{noun} {key} {text} is there twice, first at {first}");
            report.push(node.error(what, "change one of them"));
            continue;
        }
        seen.insert(text, &node.at);
    }
}
