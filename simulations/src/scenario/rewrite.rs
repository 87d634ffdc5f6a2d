//! A configuration, rewritten so that each of its devices and targets talks to a stand-in on loopback.
//!
//! Only where something is, and how it is signed in to, becomes another; pipelines, routes, formats, sizes, limits stay.
//! What else has to change is said in a note: the report shows it.

use super::yaml_text::Tree;
use crate::links::Loopback;
use anyhow::{Context, bail};
use serde_json::json;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// A file of the configuration.
#[derive(Debug)]
pub struct File {
    /// Its path below the installation's root.
    pub name: PathBuf,
    documents: Vec<Tree>,
}

/// Where a device or target of the rewritten configuration is.
#[derive(Clone, Debug)]
pub struct Seat {
    /// Its name.
    pub name: String,
    /// Its type.
    pub kind: String,
    /// What the configuration says: where the Director listens, or whom it dials; none for files.
    pub address: Option<SocketAddr>,
    /// The folder of its files.
    pub folder: Option<PathBuf>,
}

/// A configuration that talks to stand-ins.
#[derive(Debug)]
pub struct Rewritten {
    files: Vec<File>,
    /// Its devices that are in use.
    pub devices: Vec<Seat>,
    /// Its targets that are in use.
    pub targets: Vec<Seat>,
    /// What is not as it was written.
    pub notes: Vec<String>,
}

/// The folder of certificates and files of endpoints, below the root.
pub const FOLDER: &str = "rehearsal";
/// The user of simulated Linux hosts, and the password.
pub const LINUX_USER: (&str, &str) = ("collector", "secret");
/// The user of simulated Windows hosts, and the password.
pub const WINDOWS_USER: (&str, &str) = (r"LAB\svc-collect", "Secret-1");

impl File {
    /// The files of a configuration.
    ///
    /// # Errors
    /// When one can't be read.
    pub fn all(source: &config::Source) -> anyhow::Result<Vec<Self>> {
        let root = source.root().to_owned();
        let loaded = config::load(source, &|name| std::env::var(name).ok());
        let mut files = Vec::new();
        for path in loaded.files {
            if path.extension().is_some_and(|extension| extension == "csv") {
                bail!("{}: rows are not rehearsed yet; write these devices as YAML", path.display());
            }
            let text =
                std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
            let nodes = config::parse(&path, &text).map_err(|mistakes| {
                let shown: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
                anyhow::anyhow!("{}", shown.join("\n"))
            })?;
            let name = match source {
                config::Source::File(_) => PathBuf::from("vmetric.yml"),
                config::Source::Folder(_) => path.strip_prefix(&root).unwrap_or(&path).to_owned(),
            };
            files.push(Self { name, documents: nodes.iter().map(Tree::of).collect() });
        }
        Ok(files)
    }

    /// A configuration that stands in a scenario.
    pub fn inline(node: &config::Node) -> Vec<Self> {
        vec![Self { name: PathBuf::from("vmetric.yml"), documents: vec![Tree::of(node)] }]
    }
}

impl Rewritten {
    /// Rewrites a configuration for an installation in `root`.
    ///
    /// # Errors
    /// When no port is free.
    pub fn new(mut files: Vec<File>, root: &Path, loopback: &Loopback) -> io::Result<Self> {
        let tls = Encrypted::of(&files);
        let mut out = Self { files: Vec::new(), devices: Vec::new(), targets: Vec::new(), notes: Vec::new() };
        for file in &mut files {
            for document in &mut file.documents {
                if !matches!(document, Tree::Map(_)) {
                    continue;
                }
                out.top(document);
                let mut devices = Vec::new();
                for device in document.at("devices").items_mut() {
                    devices.extend(copies(device));
                }
                for device in &mut devices {
                    out.device(device, root, loopback, &tls)?;
                }
                *document.at("devices") = Tree::List(devices);
                for target in document.at("targets").items_mut() {
                    out.target(target, root, loopback, &tls)?;
                }
                for route in document.at("routes").items_mut() {
                    out.route(route);
                }
                for list in ["devices", "targets", "routes"] {
                    if matches!(document.get(list), Some(Tree::Map(_)))
                        || matches!(document.get(list), Some(Tree::List(items)) if items.is_empty())
                    {
                        document.remove(list);
                    }
                }
            }
        }
        let Some(first) = files.first_mut().and_then(|file| file.documents.first_mut()) else {
            return Ok(out);
        };
        // No port of its own: it is asked through its socket.
        *first.at("control") = Tree::of_json(&json!({"address": loopback.ip().to_string(), "port": 0}));
        out.files = files;
        Ok(out)
    }

    /// The files as text.
    pub fn texts(&self) -> Vec<(PathBuf, String)> {
        let text = |file: &File| file.documents.iter().map(Tree::yaml).collect::<Vec<_>>().join("---\n");
        self.files.iter().map(|file| (file.name.clone(), text(file))).collect()
    }

    fn top(&mut self, document: &mut Tree) {
        document.remove("control");
        if document.remove("credentials") {
            self.notes.push("credentials are those of the stand-ins".to_owned());
        }
        for kind in ["linux", "windows"] {
            if let Some(properties) =
                document.get("defaults").and_then(|all| all.get(kind)?.get("properties"))
            {
                let mut properties = properties.clone();
                sign_in(&mut properties);
                *document.at("defaults").at(kind).at("properties") = properties;
            }
        }
    }

    fn device(
        &mut self,
        device: &mut Tree,
        root: &Path,
        loopback: &Loopback,
        tls: &Encrypted,
    ) -> io::Result<()> {
        let Some(seat) = seat(device) else { return Ok(()) };
        let Seat { name, kind, .. } = seat;
        let encrypted = tls.devices.contains(&kind) || is_encrypted(device);
        let properties = device.at("properties");
        let mut seat = Seat { name: name.clone(), kind: kind.clone(), address: None, folder: None };
        match kind.as_str() {
            "file" => {
                let folder = root.join(FOLDER).join("files").join(&name);
                properties.set("path", folder.join("*.log*").to_string_lossy());
                properties.remove("exclude");
                seat.folder = Some(folder);
            }
            "linux" | "windows" => {
                let address = loopback.port()?;
                seat.address = Some(address);
                at(properties, address);
                sign_in(properties);
                self.host(&name, &kind, properties);
            }
            _ => {
                let address = loopback.port()?;
                seat.address = Some(address);
                at(properties, address);
                if properties.remove("allowed_ips") {
                    self.notes.push(format!("device {name}: allowed_ips are left out"));
                }
                if properties.remove("forwarding") {
                    self.notes.push(format!("device {name}: forwarding is left out"));
                }
                if encrypted {
                    certificates(properties, true);
                }
                let scheme =
                    properties.get("authentication").and_then(|all| all.get("type")).and_then(Tree::text);
                if scheme == Some("hmac") {
                    for key in ["authentication", "hmac"] {
                        properties.remove(key);
                    }
                    self.notes.push(format!("device {name}: requests are not signed"));
                }
            }
        }
        self.devices.push(seat);
        Ok(())
    }

    fn host(&mut self, name: &str, kind: &str, properties: &mut Tree) {
        properties.remove("facts_interval");
        if kind == "windows" {
            properties.set("username", WINDOWS_USER.0);
            properties.set("password", WINDOWS_USER.1);
            properties.set("start", "oldest");
            if properties.remove("tls") {
                self.notes
                    .push(format!("device {name}: the stand-in has no certificate, messages are sealed"));
            }
            return;
        }
        properties.set("username", LINUX_USER.0);
        properties.set("password", LINUX_USER.1);
        properties.set("host_key", host_key(name));
        properties.set("start", "beginning");
        if properties.remove("commands") {
            self.notes.push(format!("device {name}: commands are left out"));
        }
    }

    fn target(
        &mut self,
        target: &mut Tree,
        root: &Path,
        loopback: &Loopback,
        tls: &Encrypted,
    ) -> io::Result<()> {
        let Some(mut seat) = seat(target) else { return Ok(()) };
        let (name, kind) = (seat.name.clone(), seat.kind.clone());
        let encrypted = tls.targets.contains(&kind) || is_encrypted(target);
        if kind == "console" {
            target.set("type", "file");
            self.notes.push(format!("target {name}: what goes to the console goes to a file"));
            seat.kind = "file".to_owned();
        }
        let properties = target.at("properties");
        for key in ["interval", "cron"] {
            if properties.remove(key) {
                self.notes.push(format!("target {name}: {key} is left out, it is sent to at once"));
            }
        }
        match kind.as_str() {
            "discard" => {}
            "file" | "console" => {
                let folder = root.join(FOLDER).join("written").join(&name);
                properties.set("location", folder.to_string_lossy());
                if properties.remove("compression") {
                    self.notes.push(format!("target {name}: files are not compressed"));
                }
                seat.folder = Some(folder);
            }
            "http" | "https" => {
                let address = loopback.port()?;
                seat.address = Some(address);
                let url = properties.get("url").and_then(Tree::text).unwrap_or_default().to_owned();
                properties.set("url", moved(&url, address));
                if url.starts_with("https") {
                    certificates(properties, false);
                }
            }
            "elastic" | "elasticsearch" | "splunk" => {
                let address = loopback.port()?;
                seat.address = Some(address);
                let first = match properties.get("endpoints") {
                    Some(Tree::List(items)) => items.first().and_then(|item| item.get("endpoint")?.text()),
                    _ => None,
                };
                let url = first.unwrap_or("http://stand-in").to_owned();
                properties.set("endpoints", json!([{"endpoint": moved(&url, address)}]));
                if url.starts_with("https") {
                    certificates(properties, false);
                }
            }
            _ => {
                let address = loopback.port()?;
                seat.address = Some(address);
                properties.remove("endpoints");
                at(properties, address);
                if encrypted {
                    certificates(properties, false);
                }
            }
        }
        self.targets.push(seat);
        Ok(())
    }

    fn route(&mut self, route: &mut Tree) {
        let name = route.get("name").and_then(Tree::text).unwrap_or_default().to_owned();
        for key in ["interval", "cron"] {
            if route.get("properties").is_some_and(|properties| properties.get(key).is_some()) {
                route.at("properties").remove(key);
                self.notes.push(format!("route {name}: {key} is left out, it is sent at once"));
            }
        }
    }
}

/// What stands for the fingerprint of a host's key until the host runs.
pub fn host_key(name: &str) -> String {
    format!("the host key of {name}")
}

/// Types that are encrypted by `defaults`.
struct Encrypted {
    devices: Vec<String>,
    targets: Vec<String>,
}

impl Encrypted {
    fn of(files: &[File]) -> Self {
        let mut devices = Vec::new();
        for defaults in files.iter().flat_map(|file| &file.documents).filter_map(|doc| doc.get("defaults")) {
            let Tree::Map(kinds) = defaults else { continue };
            devices.extend(kinds.iter().filter(|(_, of)| is_encrypted(of)).map(|(kind, _)| kind.clone()));
        }
        Self { targets: devices.clone(), devices }
    }
}

fn is_encrypted(component: &Tree) -> bool {
    let Some(properties) = component.get("properties") else { return false };
    let by_type = properties.get("type").and_then(Tree::text) == Some("tls");
    by_type || properties.get("tls").and_then(|tls| tls.get("status")?.text()) == Some("true")
}

/// Name and type of what is in use.
fn seat(component: &Tree) -> Option<Seat> {
    let name = component.get("name")?.text()?.to_owned();
    let kind = component.get("type")?.text()?.to_owned();
    let used = component.get("status").and_then(Tree::text) != Some("false");
    used.then_some(Seat { name, kind, address: None, folder: None })
}

/// A device with `copies: N` stands for so many of them.
fn copies(device: &Tree) -> Vec<Tree> {
    let copies = device.get("copies").and_then(|copies| copies.text()?.parse::<u64>().ok());
    let Some(copies) = copies else { return vec![device.clone()] };
    let text = |key: &str| device.get(key).and_then(Tree::text).unwrap_or_default().to_owned();
    let id = text("id").parse::<u64>().unwrap_or(0);
    let copy = |number: u64| {
        let mut copy = device.clone();
        copy.remove("copies");
        copy.set("id", id * 1000 + number);
        copy.set("name", format!("{}-{number}", text("name")));
        copy
    };
    (1..=copies).map(copy).collect()
}

fn at(properties: &mut Tree, address: SocketAddr) {
    properties.set("address", address.ip().to_string());
    properties.set("port", address.port());
}

/// A URL that leads elsewhere.
fn moved(url: &str, address: SocketAddr) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
    let path = rest.find('/').map_or("", |at| &rest[at..]);
    format!("{scheme}://{address}{path}")
}

/// Who signs in is known to the stand-ins.
fn sign_in(properties: &mut Tree) {
    for key in [
        "credentials",
        "username",
        "domain",
        "password",
        "password_file",
        "password_credential",
        "private_key",
        "private_key_file",
        "private_key_credential",
        "passphrase",
        "passphrase_file",
        "passphrase_credential",
        "authentication",
        "use_ad_credentials",
        "host_key",
        "known_hosts",
        "accept_new_host_key",
        "sudo",
    ] {
        properties.remove(key);
    }
}

fn certificates(properties: &mut Tree, server: bool) {
    let file = |name: &str| format!("{FOLDER}/{name}.pem");
    let tls = properties.at("tls");
    let asks_for_clients = tls.get("ca_name").is_some();
    for key in ["cert_name", "key_name", "ca_name"] {
        tls.remove(key);
    }
    if server {
        tls.set("cert_name", file("server"));
        tls.set("key_name", file("server.key"));
    }
    if !server || asks_for_clients {
        tls.set("ca_name", file("ca"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Configurations of the repository.
    fn configs() -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../configs");
        let entries = std::fs::read_dir(folder).expect("configurations");
        let paths = entries.map(|entry| entry.expect("readable").path());
        paths.filter(|path| path.extension().is_some_and(|extension| extension == "yml")).collect()
    }

    #[test]
    fn every_configuration_of_the_repository_is_valid_after_rewriting() {
        for path in configs() {
            let root = tempfile::tempdir().expect("a folder");
            let files = File::all(&config::Source::File(path.clone())).expect("readable");
            let rewritten = Rewritten::new(files, root.path(), &Loopback::default()).expect("rewritten");
            for (name, mut text) in rewritten.texts() {
                for seat in &rewritten.devices {
                    let key = format!("SHA256:{}", "a".repeat(43));
                    text = text.replace(&host_key(&seat.name), &key);
                }
                std::fs::write(root.path().join(name), text).expect("written");
            }
            let before =
                config::load(&config::Source::File(path.clone()), &|_| None).snapshot.expect("valid");
            let loaded = config::load(&config::Source::Folder(root.path().to_owned()), &|_| None);
            let after =
                loaded.snapshot.unwrap_or_else(|| panic!("{}: {:#?}", path.display(), loaded.diagnostics));
            assert_eq!(before.pipelines, after.pipelines, "{}", path.display());
            assert_eq!(before.routes, after.routes, "{}", path.display());
            assert_eq!(rewritten.devices.len(), after.devices.len());
        }
    }
}
