//! Devices that are collected from afar: credentials, defaults, tables.

mod loading;

use config::device::{Backlog, Journal, LinuxDevice, Start};
use config::{DeviceKind, Secret, Snapshot, Source, load};
use loading::{environment, load_files, load_text, shown, snapshot};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

fn linux<'s>(snapshot: &'s Snapshot, name: &str) -> &'s LinuxDevice {
    match &snapshot.device(name).expect("configured").kind {
        DeviceKind::Linux(linux) => linux,
        other => panic!("not linux: {other:?}"),
    }
}

#[test]
fn a_row_with_address_and_credentials_is_a_linux_device() {
    let snapshot = snapshot(
        "devices: [{id: 1, name: a, type: linux, properties: {address: h, username: u, password: \"${PASSWORD}\"}}]",
    );
    let device = linux(&snapshot, "a");
    assert_eq!((device.port, &*device.username), (22, "u"));
    assert_eq!(device.credentials.password, Some(Secret::new("hunter2")));
    assert!(device.inputs.is_empty() && !device.sudo && !device.host_keys.accept_new);
    assert_eq!((device.start, device.backlog), (Start::Beginning, Backlog::Oldest));
}

#[test]
fn definitions_name_what_is_read() {
    let snapshot = snapshot(
        "devices:\n\
         - id: 1\n  name: a\n  type: linux\n  definitions:\n\
         \x20   - {name: linux_file_log_collector, inputs: [{name: x, properties: {path: /var/log/a.log, start_date: -1}}]}\n\
         \x20   - {name: linux_kubernetes_pod_log_collector}\n\
         \x20   - {name: linux_audit_log_collector, status: false}\n\
         \x20   - {name: linux_journal_collector}\n\
         \x20 properties:\n    {address: h, username: u, password: p, commands: [{name: up, run: uptime, interval: 5}]}\n",
    );
    let inputs = &linux(&snapshot, "a").inputs;
    assert_eq!(inputs.files, ["/var/log/a.log", "/var/log/pods/*/*/*.log"]);
    assert_eq!(inputs.journal, Some(Journal::default()));
    assert_eq!((&*inputs.commands[0].run, inputs.commands[0].interval), ("uptime", Duration::from_secs(5)));
}

#[test]
fn credentials_are_named_and_what_a_device_says_itself_comes_first() {
    let snapshot = snapshot(
        "credentials: [{name: fleet, username: u, password: p}]\n\
         defaults: {linux: {tags: [prod], properties: {credentials: fleet, port: 2222}}}\n\
         devices:\n\
         - {id: 1, name: a, type: linux, properties: {address: h}}\n\
         - {id: 2, name: b, type: linux, tags: [test], properties: {address: i, port: 22, username: v, password: q}}\n",
    );
    let (a, b) = (linux(&snapshot, "a"), linux(&snapshot, "b"));
    assert_eq!((&*a.username, a.port, a.credentials.password.clone()), ("u", 2222, Some(Secret::new("p"))));
    assert_eq!((&*b.username, b.port, b.credentials.password.clone()), ("v", 22, Some(Secret::new("q"))));
    assert_eq!(snapshot.device("a").unwrap().tags, ["prod"]);
    assert_eq!(snapshot.device("b").unwrap().tags, ["test"]);
}

#[test]
fn a_table_below_config_devices_has_a_device_a_row() {
    let loaded = load_files(
        &[
            ("vmetric.yml", "credentials: [{name: fleet, username: u, password: p}]"),
            (
                "config/devices/web.csv",
                "id,name,type,address,credentials,journal.status\n1,a,linux,10.0.0.1,fleet,true\n2,b,linux,10.0.0.2,fleet,\n",
            ),
            ("config/notes.csv", "this,is\nno,table,of,devices"),
        ],
        false,
    );
    assert_eq!(shown(&loaded), [""; 0]);
    let snapshot = loaded.snapshot.unwrap();
    assert_eq!(snapshot.devices.len(), 2);
    assert_eq!(linux(&snapshot, "b").address, "10.0.0.2");
    assert!(linux(&snapshot, "a").inputs.journal.is_some() && linux(&snapshot, "b").inputs.journal.is_none());
}

#[test]
fn a_mistake_in_a_table_has_its_place() {
    let loaded = load_files(
        &[
            ("vmetric.yml", ""),
            ("config/devices/web.csv", "id,name,type,adress,username,password\n1,a,linux,h,u,p\n"),
        ],
        false,
    );
    let shown = shown(&loaded);
    let wrong = "config/devices/web.csv:1:14: \"properties.adress\" of device \"a\" is not known; did you mean \"address\"?";
    assert!(shown.iter().any(|line| line == wrong), "{shown:?}");
}

#[test]
fn a_secret_comes_from_a_file_that_only_its_owner_reads_or_from_the_service_manager() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.yml");
    let write = |name: &str, text: &str, mode: u32| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    };
    let text = "credentials:\n\
        - {name: f, username: u, password_file: secret}\n\
        - {name: s, username: u, private_key_credential: key, passphrase: x}\n\
        devices:\n\
        - {id: 1, name: a, type: linux, properties: {address: h, credentials: f}}\n\
        - {id: 2, name: b, type: linux, properties: {address: h, credentials: s}}\n";
    fs::write(&path, text).unwrap();
    write("secret", "hunter2\n", 0o600);
    write("key", "KEY\n", 0o444);
    let credentials = folder.path().display().to_string();
    let with_manager = |name: &str| {
        if name == "CREDENTIALS_DIRECTORY" { Some(credentials.clone()) } else { environment(name) }
    };
    let source = Source::File(path);
    let loaded = load(&source, &with_manager);
    assert_eq!(shown(&loaded), [""; 0]);
    let all = loaded.snapshot.unwrap();
    assert_eq!(linux(&all, "a").credentials.password, Some(Secret::new("hunter2")));
    assert_eq!(linux(&all, "b").credentials.private_key, Some(Secret::new("KEY")));
    assert!(!format!("{all:?}").contains("hunter2"), "a secret is shown");

    write("secret", "hunter2\n", 0o640);
    let lines = shown(&load(&source, &environment));
    assert!(
        lines.iter().any(|l| l.contains("others can read") && l.contains("(mode 640); chmod 600")),
        "{lines:?}"
    );
    assert!(lines.iter().any(|l| l.contains("LoadCredential=key:")), "{lines:?}");
    assert!(lines.iter().all(|l| !l.contains("hunter2")), "{lines:?}");
}

#[test]
fn what_is_missing_to_sign_in_is_said() {
    let lines = shown(&load_text(
        "credentials: [{name: fleet, username: u}, {name: fleet}]\n\
         devices:\n\
         - {id: 1, name: a, type: linux, properties: {address: h}}\n\
         - {id: 2, name: b, type: linux, properties: {address: h, credentials: fleat}}\n\
         - {id: 3, name: c, type: linux, properties: {address: h, credentials: fleet, host_key: abc, path: a.log}}\n",
    ));
    for wanted in [
        "credentials \"fleet\" are there twice",
        "device \"a\" has no \"properties.username\"",
        "device \"b\" names credentials \"fleat\", which do not exist; did you mean \"fleet\"?",
        "device \"c\" has no \"properties.private_key\"",
        "\"properties.host_key\" of device \"c\"",
        "\"properties.path\" of device \"c\"",
    ] {
        assert!(lines.iter().any(|line| line.contains(wanted)), "{wanted}: {lines:#?}");
    }
}
