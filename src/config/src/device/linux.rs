//! `linux`: a host that is read over SSH, with nothing installed on it.

use std::path::PathBuf;
use std::time::Duration;

use super::DeviceKind;
use super::definitions::Definitions;
use super::listen::{DEFAULT_MESSAGE_BYTES, MAX_MESSAGE_BYTES};
use crate::credentials::{self, Credentials};
use crate::fields::Fields;
use crate::not_yet;
use crate::readers::{Bytes, Choice, FilePath, Flag, Host, List, PORT, Seconds, Text, Whole};
use crate::suggest::did_you_mean;

/// Properties of a `linux` device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinuxDevice {
    /// The host.
    pub address: String,
    /// Its SSH port.
    pub port: u16,
    /// The user to sign in as.
    pub username: String,
    /// What the user signs in with: a key, a password, or first one and then the other.
    pub credentials: Credentials,
    /// How the host proves that it is the right one.
    pub host_keys: HostKeys,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// How often to look for what files and directories do not tell by themselves.
    pub poll_interval: Duration,
    /// `sudo`: read with `sudo -n`, so as root.
    pub sudo: bool,
    /// What is read.
    pub inputs: LinuxInputs,
    /// `start`: where to begin with what was never read before.
    pub start: Start,
    /// `backlog`: which files come first when many wait.
    pub backlog: Backlog,
    /// `max_message_size`: longest event.
    pub max_message_bytes: u64,
}

/// How a host proves that it is the right one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostKeys {
    /// `host_key`: fingerprints (`SHA256:…`); only a key with one of them is right.
    pub pinned: Vec<String>,
    /// `known_hosts`: a file in OpenSSH's format.
    pub known_hosts: PathBuf,
    /// `accept_new_host_key`: a host that is not known yet is trusted and remembered.
    pub accept_new: bool,
}

/// What is read from a host.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinuxInputs {
    /// `path`: files or patterns; absolute.
    pub files: Vec<String>,
    /// `exclude`: patterns of files to leave out.
    pub exclude: Vec<String>,
    /// The journal.
    pub journal: Option<Journal>,
    /// Output of commands.
    pub commands: Vec<Command>,
    /// `facts_interval`: how often to ask what the host is.
    pub facts_interval: Option<Duration>,
}

/// `journal`: what is read of the journal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Journal {
    /// `units`: of these only; empty: all.
    pub units: Vec<String>,
}

/// `commands`: a command whose output is an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Its unique name.
    pub name: String,
    /// What the shell runs.
    pub run: String,
    /// How often.
    pub interval: Duration,
    /// It is given up after this long.
    pub timeout: Duration,
}

/// Where to begin with what was never read before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// At its beginning.
    Beginning,
    /// At its end.
    End,
}

/// Which files come first when many wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// Those that were written first.
    Oldest,
    /// Those that were written last.
    Newest,
}

impl LinuxInputs {
    /// Whether nothing is named, so that the collector looks for itself what there is.
    pub fn is_empty(&self) -> bool {
        *self == Self { exclude: self.exclude.clone(), ..Self::default() }
    }
}

const AUDIT_LOG: &str = "/var/log/audit/audit.log";
const POD_LOGS: &str = "/var/log/pods/*/*/*.log";

pub(super) fn decode(fields: &mut Fields, definitions: &Definitions) -> DeviceKind {
    not_yet::accept("linux device", fields);
    let address = fields.required("address", Host, "the host, by name or address");
    fields.or("protocol", Choice(&[("ssh", ())]), (), "ssh", "how the host is reached");
    let port = fields.or("port", PORT, 22, 22, "its SSH port");
    let credentials = credentials::of_device(fields);
    let username = credentials.username.clone().unwrap_or_default();
    if fields.is_read() {
        if username.is_empty() {
            fields.missing("username", "the user to sign in as, here or in credentials");
        }
        if credentials.password.is_none() && credentials.private_key.is_none() {
            let about = "or password, here or in credentials: what the user signs in with";
            fields.missing("private_key", about);
        }
    }
    let host_keys = host_keys(fields);
    let about = "longest wait for an answer";
    let timeout = fields.or("timeout", Seconds(1..=3600), Duration::from_secs(30), 30, about);
    let about = "how often to look whether files have changed";
    let poll_interval = fields.or("poll_interval", Seconds(0..=86_400), Duration::from_secs(1), 1, about);
    if poll_interval.is_zero() {
        fields.wrong("poll_interval", "write a time above 0, such as 1 or 500ms");
    }
    let sudo = fields.or("sudo", Flag, false, false, "read with sudo -n, so as root");
    let inputs = inputs(fields, definitions);
    let starts = Choice(&[("beginning", Start::Beginning), ("end", Start::End)]);
    let about = "where to begin with what was never read before";
    let start = fields.or("start", starts, Start::Beginning, "beginning", about);
    let orders = Choice(&[("oldest", Backlog::Oldest), ("newest", Backlog::Newest)]);
    let about = "which files come first when many wait";
    let backlog = fields.or("backlog", orders, Backlog::Oldest, "oldest", about);
    let sizes = Bytes(1..=MAX_MESSAGE_BYTES);
    let max_message_bytes =
        fields.or("max_message_size", sizes, DEFAULT_MESSAGE_BYTES, DEFAULT_MESSAGE_BYTES, "longest event");
    DeviceKind::Linux(Box::new(LinuxDevice {
        address,
        port,
        username,
        credentials,
        host_keys,
        timeout,
        poll_interval,
        sudo,
        inputs,
        start,
        backlog,
        max_message_bytes,
    }))
}

fn host_keys(fields: &mut Fields) -> HostKeys {
    let root = fields.context.root;
    let about = "fingerprint of the host's key (SHA256:…), or a list of them; no other key is right then";
    let pinned = fields.optional("host_key", List(Text), about).unwrap_or_default();
    if pinned.iter().any(|pin| !is_fingerprint(pin)) {
        fields.wrong("host_key", "write what ssh-keygen -lf prints, such as SHA256:… with 43 characters");
    }
    let about = "file with keys of hosts, in OpenSSH's format";
    let default = root.join("storage").join("known_hosts");
    let known_hosts = fields.or("known_hosts", FilePath(root), default, "storage/known_hosts", about);
    let about = "trust a host that is not known yet, and remember its key";
    let accept_new = fields.or("accept_new_host_key", Flag, false, false, about);
    HostKeys { pinned, known_hosts, accept_new }
}

/// The SHA-256 of a key in base64 without padding, as OpenSSH prints it.
fn is_fingerprint(text: &str) -> bool {
    let digest = text.strip_prefix("SHA256:").unwrap_or_default();
    digest.len() == 43 && digest.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}

fn inputs(fields: &mut Fields, definitions: &Definitions) -> LinuxInputs {
    let about = "files or patterns on the host, such as /var/log/*.log";
    let mut files = fields.optional("path", List(Text), about).unwrap_or_default();
    let exclude =
        fields.optional("exclude", List(Text), "patterns of files to leave out").unwrap_or_default();
    let audit = fields.or("audit", Flag, false, false, "read the audit log");
    let journal = fields.optional_section("journal", "read the journal", |journal| {
        let status = journal.or("status", Flag, true, true, "whether it is read");
        let units = journal.optional("units", List(Text), "of these units only").unwrap_or_default();
        status.then_some(Journal { units })
    });
    let mut journal = journal.flatten();
    let commands = fields.items("commands", "command", "commands whose output is an event", command);
    let about = "how often to ask what the host is; 0: never";
    let facts = fields.optional("facts_interval", Seconds(0..=31 * 86_400), about);
    if audit {
        files.push(AUDIT_LOG.to_owned());
    }
    for definition in &definitions.0 {
        let mut paths: Vec<String> =
            definition.inputs.iter().flat_map(|input| input.paths.iter().cloned()).collect();
        match definition.name.as_str() {
            "linux_file_log_collector" if paths.is_empty() && fields.is_read() => {
                let what = format!("definition {:?} of {} has no path", definition.name, fields.subject());
                fields.report(definition.at.error(what, "add inputs with properties: {path: …}"));
            }
            "linux_file_log_collector" => files.append(&mut paths),
            "linux_kubernetes_pod_log_collector" if paths.is_empty() => files.push(POD_LOGS.to_owned()),
            "linux_kubernetes_pod_log_collector" => files.append(&mut paths),
            "linux_audit_log_collector" if paths.is_empty() => files.push(AUDIT_LOG.to_owned()),
            "linux_audit_log_collector" => files.append(&mut paths),
            "linux_journal_collector" => journal = journal.or_else(|| Some(Journal::default())),
            other => {
                let what = format!("{} has the unknown definition {other:?}", fields.subject());
                fields.report(definition.at.error(what, did_you_mean(other, DEFINITIONS)));
            }
        }
    }
    if files.iter().chain(&exclude).any(|path| !path.starts_with('/')) {
        fields.wrong("path", "write absolute paths: they are on the host");
    }
    let facts_interval = facts.filter(|interval| !interval.is_zero());
    LinuxInputs { files, exclude, journal, commands, facts_interval }
}

const DEFINITIONS: [&str; 4] = [
    "linux_file_log_collector",
    "linux_kubernetes_pod_log_collector",
    "linux_audit_log_collector",
    "linux_journal_collector",
];

fn command(fields: &mut Fields) -> Command {
    let name = fields.required("name", Text, "a name that no other command of the device has");
    let run = fields.required("run", Text, "what the shell runs");
    let interval = fields.or("interval", Whole(1..=86_400u32), 60, 60, "how often, in seconds");
    let timeout = fields.or("timeout", Seconds(1..=3600), Duration::from_secs(30), 30, "given up after");
    Command { name, run, interval: Duration::from_secs(interval.into()), timeout }
}
