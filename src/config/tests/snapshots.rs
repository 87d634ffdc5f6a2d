//! Routes, pipelines, the service, files, differences, the schema and the example.

mod loading;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config::service::{Debug, PersistentStorage, UpdateMethod};
use config::{Changes, DevicePattern, Effect, Service, ServiceChange, Source, diff, example, load, schema};
use loading::{environment, load_files, load_text, shown, snapshot};

#[test]
fn a_route_takes_names_wildcards_ids_and_maps() {
    let text = "
devices:
  - {id: 3, name: syslog_a, type: udp, properties: {port: 1}}
  - {id: 4, name: '12', type: udp, properties: {port: 2}}
targets: [{name: out, type: discard}]
routes:
  - name: all
    description: text
    if: 'a == 1'
    status: false
    devices: [{name: syslog_a}, syslog_*, 3, {id: 4}, '12', {name: 12}]
    targets: {name: out}
";
    let snapshot = snapshot(text);
    let route = snapshot.route("all").unwrap();
    let name = |name: &str| DevicePattern::Name(name.into());
    let (three, four) = (DevicePattern::Id(3), DevicePattern::Id(4));
    assert_eq!(
        route.devices,
        [name("syslog_a"), name("syslog_*"), three, four.clone(), name("12"), name("12")]
    );
    let (condition, at) = route.condition.clone().unwrap();
    assert_eq!((condition.as_str(), at.line(), at.column()), ("a == 1", 9, 9));
    assert_eq!(
        (&route.targets[..], route.status, route.description.as_str()),
        (&["out".to_owned()][..], false, "text")
    );
    assert!(
        four.matches(snapshot.device("12").unwrap()) && !four.matches(snapshot.device("syslog_a").unwrap())
    );
}

#[test]
fn a_pipeline_is_kept_as_it_is_written() {
    let snapshot =
        snapshot("pipelines:\n  - name: work\n    if: a\n    processors:\n      - set: {field: a}\n");
    let pipeline = snapshot.pipeline("work").unwrap();
    let set = pipeline.node.get("processors").unwrap().as_list().unwrap()[0].get("set").unwrap();
    assert_eq!(set.get("field").unwrap().as_text(), Some("a"));
    assert_eq!((set.at.line(), set.at.column()), (5, 14));
}

#[test]
fn an_empty_file_is_the_defaults() {
    let empty = snapshot("# nothing\n");
    assert_eq!(empty.service, Service::default());
    assert!(empty.devices.is_empty() && empty.targets.is_empty() && empty.routes.is_empty());
}

#[test]
fn the_service_has_all_its_fields() {
    let text = "
director: {id: 7, status: false}
listen: {address: 127.0.0.1}
queue: {limit: 3600}
persistent_storage: {status: true, crash_resistance: true, max_size: 1GiB, min_free: 0, keep_for: 30m}
debug: {level: 5, console: {status: true}, log: {status: true}}
control: {address: '::1', port: 0}
memory: {budget: 32MB}
update: {mode: auto, method: schedule, version: latest, cron: '0 3 * * *', interval: 60}
fleet: {instance: wss://a, token: '${PASSWORD}', type: vmetric}
environments: [{name: '0', clusters: [{name: c, type: director, nodes: [{name: n, properties: {port: 1}}]}]}]
";
    let loaded = load_text(text);
    assert_eq!(loaded.diagnostics.len(), 3, "{:?}", shown(&loaded));
    let service = loaded.snapshot.unwrap().service;
    assert_eq!((service.director_id, service.status, service.node_name.as_str()), (Some(7), false, "7"));
    assert_eq!(service.listen_address.to_string(), "127.0.0.1");
    assert_eq!(service.queue_limit, Duration::from_secs(3600));
    assert_eq!(service.persistent_storage, PersistentStorage::Synced);
    let limits = service.storage_limits;
    assert_eq!((limits.max_bytes, limits.min_free_bytes), (1 << 30, 0));
    assert_eq!(limits.keep_for, Duration::from_secs(1800));
    assert_eq!(service.debug, Debug { level: 5, console: true, log: true });
    assert_eq!(service.control.unwrap().to_string(), "[::1]:0");
    assert_eq!(service.memory_budget_bytes, 32_000_000);
    let update = service.update.unwrap();
    assert_eq!((update.method, update.version.as_str()), (UpdateMethod::Scheduled, "latest"));
    assert_eq!((update.cron.as_deref(), update.interval), (Some("0 3 * * *"), Duration::from_secs(60)));
    let fleet = service.fleet.unwrap();
    assert_eq!((fleet.instance.as_str(), fleet.token.unwrap().expose()), ("wss://a", "hunter2"));
    assert!(service.environments.is_some());
    let off = snapshot("control: {status: false}\nnode: {name: n}\n").service;
    assert_eq!((off.control, off.node_name.as_str()), (None, "n"));
}

#[test]
fn all_files_of_a_folder_are_one_configuration() {
    let files = [
        ("vmetric.yml", "debug: {level: 2}\ndevices:\n"),
        ("config/b/devices.yml", "devices: [{id: 1, name: a, type: udp, properties: {port: 1}}]"),
        ("config/a.yaml", "devices: [{id: 2, name: b, type: udp, properties: {port: 2}}]\n---\nroutes: []\n"),
        ("config/empty.yml", ""),
    ];
    let loaded = load_files(&files, false);
    assert_eq!(shown(&loaded), [""; 0]);
    let snapshot = loaded.snapshot.unwrap();
    let names: Vec<&str> = snapshot.devices.iter().map(|device| device.name.as_str()).collect();
    assert_eq!(names, ["b", "a"]);
    assert_eq!(loaded.files.len(), 4);
}

#[test]
fn a_circle_of_links_ends_and_every_file_is_read_once() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("config")).unwrap();
    fs::write(folder.path().join("vmetric.yml"), "").unwrap();
    fs::write(folder.path().join("config/a.yml"), "debug: {level: 2}").unwrap();
    std::os::unix::fs::symlink("..", folder.path().join("config/up")).unwrap();
    std::os::unix::fs::symlink(".", folder.path().join("config/here")).unwrap();
    let loaded = load(&Source::Folder(folder.path().to_owned()), &environment);
    // by way of `up` the service file is found again, which makes nothing twice here since it is empty
    assert_eq!(shown(&loaded), [""; 0]);
    assert_eq!(loaded.snapshot.unwrap().service.debug.level, 2);
}

#[test]
fn a_difference_names_what_changed_and_when_it_takes_effect() {
    let old = "
devices:
  - {id: 1, name: a, type: udp, properties: {port: 1}}
  - {id: 2, name: b, type: udp, properties: {port: 2}}
targets: [{name: t, type: discard}]
pipelines: [{name: p, processors: [{drop: {}}]}, {name: q, processors: []}]
";
    let new = "
# a comment moves everything
debug: {level: 4}
memory: {budget: 48MiB}
devices:
  - {id: 2, name: b, type: udp, properties: {port: 3}}
  - {id: 3, name: c, type: udp, properties: {port: 1}}
targets: [{type: discard, name: t}]
pipelines: [{name: p, processors: [{drop: {if: a}}]}, {name: q, processors: []}]
";
    let (old, new) = (snapshot(old), snapshot(new));
    let changes = diff(&old, &new);
    let names = |list: &[&str]| list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
    let devices = Changes { added: names(&["c"]), removed: names(&["a"]), changed: names(&["b"]) };
    assert_eq!(changes.devices, devices);
    assert!(changes.targets.is_empty() && changes.routes.is_empty());
    assert_eq!(changes.pipelines.changed, ["p"]);
    let change = |what, effect| ServiceChange { what, effect };
    assert_eq!(changes.service, [change("debug", Effect::Live), change("memory.budget", Effect::Restart)]);
    assert!(diff(&old, &old).is_empty());
}

#[test]
fn the_example_loads_without_a_diagnostic() {
    let example = snapshot(example());
    assert_eq!((example.devices.len(), example.routes.len()), (2, 2));
}

/// `configs/schema.json` is generated from here; a change of one needs the other.
#[test]
fn the_schema_is_the_one_in_configs() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/schema.json");
    let Ok(text) = fs::read_to_string(path) else {
        println!("SKIPPED: there is no configs/schema.json");
        return;
    };
    let kept: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(kept == schema(), "configs/schema.json is not what schema() gives; generate it again");
}

#[test]
fn the_schema_knows_the_properties_of_each_type() {
    let schema = schema();
    let condition = &schema["properties"]["devices"]["items"]["allOf"][1];
    assert_eq!(condition["if"]["properties"]["type"]["enum"], serde_json::json!(["tcp"]));
    let tcp = &condition["then"]["properties"]["properties"];
    assert_eq!(tcp["required"], serde_json::json!(["port"]));
    assert_eq!(tcp["additionalProperties"], serde_json::json!(false));
    assert_eq!(tcp["properties"]["port"]["anyOf"][0]["maximum"], serde_json::json!(65_535));
    assert_eq!(tcp["properties"]["buffer_size"]["default"], serde_json::json!(1_048_576));
    assert_eq!(schema["properties"]["environments"]["items"]["required"], serde_json::json!(["name"]));
}

/// The bench configurations with their placeholders filled in.
fn bench_cases() -> Option<Vec<(PathBuf, String)>> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/bench/cases"));
    let mut cases = Vec::new();
    for entry in fs::read_dir(folder).ok()? {
        let path = entry.ok()?.path().join("vmetric.yml");
        if let Ok(text) = fs::read_to_string(&path) {
            let text = text.replace("{in_port}", "5514").replace("{out_port}", "5515");
            cases.push((path, text.replace("{input_dir}", "/tmp/in").replace("{data_dir}", "/tmp/data")));
        }
    }
    cases.sort();
    Some(cases)
}

#[test]
fn the_bench_configurations_load_without_errors() {
    let Some(cases) = bench_cases() else {
        println!("SKIPPED: there is no shared/bench/cases beside the checkout");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("vmetric.yml");
    for (path, text) in &cases {
        fs::write(&file, text).unwrap();
        let loaded = load(&Source::File(file.clone()), &environment);
        assert!(loaded.snapshot.is_some(), "{}: {:?}", path.display(), shown(&loaded));
        for warning in shown(&loaded) {
            println!("{}: {warning}", path.display());
        }
    }
    println!("ran {0}, passed {0}, skipped 0", cases.len());
    assert!(cases.len() >= 13, "some cases are missing: {}", cases.len());
}
