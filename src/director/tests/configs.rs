//! The examples in `configs/` are valid, and a Director runs on each of them.
//!
//! Each is started as it is, but for its ports, its folders and its certificates, which are the test's own.

mod support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use support::{Installation, PROGRAM, free_port, repository};

fn examples() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(repository("configs")).expect("the folder of examples");
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "yml"));
    paths.sort();
    assert!(paths.len() >= 6, "examples are missing: {paths:?}");
    paths
}

#[test]
fn every_example_is_valid() {
    for path in examples() {
        let run =
            Command::new(PROGRAM).args(["-validate", "-config-path"]).arg(&path).output().expect("started");
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{}: {text}", path.display());
    }
}

/// The number at the beginning of a text.
fn number(text: &str) -> Option<&str> {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| &text[..end])
}

/// Each port is replaced by a free one, everywhere by the same.
fn with_free_ports(text: &str) -> String {
    let mut ports = BTreeMap::new();
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) =
        ["port: ", "127.0.0.1:"].iter().filter_map(|mark| Some(rest.find(mark)? + mark.len())).min()
    {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(port) = number(rest) {
            out.push_str(&ports.entry(port).or_insert_with(free_port).to_string());
            rest = &rest[port.len()..];
        }
    }
    out + rest
}

/// A certificate for all roles; false where `openssl` is not installed.
fn certify(folder: &Path) -> bool {
    let subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"];
    let made = Command::new("openssl")
        .args([
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-days",
            "2",
            "-keyout",
            "server.key",
            "-out",
            "server.pem",
        ])
        .args(subject)
        .current_dir(folder)
        .output();
    let is_made = made.is_ok_and(|made| made.status.success());
    is_made && std::fs::copy(folder.join("server.pem"), folder.join("ca.pem")).is_ok()
}

#[test]
fn a_director_runs_on_every_example() {
    for path in examples() {
        let text = std::fs::read_to_string(&path).expect("readable");
        let mut installation = Installation::empty();
        let logs = installation.path().display().to_string();
        let text = with_free_ports(&text).replace("/var/log", &logs);
        if text.contains("server.pem") && !certify(installation.path()) {
            println!("SKIPPED: {} needs certificates; install openssl to run it", path.display());
            continue;
        }
        installation.write("vmetric.yml", &format!("control: {{port: 0}}\n{text}"));
        installation.start();
        let tree = installation.json("/tree");
        let nodes = tree.as_array().expect("a list");
        // What the example sends to is not there; what it takes in is.
        let troubled = |node: &&serde_json::Value| {
            node["path"].as_str().is_some_and(|path| path.starts_with("devices/")) && node["trouble"] == true
        };
        let is_waiting_for_files = |node: &serde_json::Value| node["kind"] == "collector";
        let trouble: Vec<_> =
            nodes.iter().filter(troubled).filter(|node| !is_waiting_for_files(node)).collect();
        assert!(trouble.is_empty(), "{}: {trouble:?}", path.display());
        installation.signal(rustix::process::Signal::TERM);
        assert!(installation.wait_for_end().success(), "{}", path.display());
    }
}
