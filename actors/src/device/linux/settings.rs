//! What a Linux device does.

use crate::device::file::pattern::Patterns;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// What a Linux device does.
#[derive(Clone, Debug)]
pub struct LinuxSettings {
    /// The host, by name or address.
    pub host: String,
    /// Its SSH port.
    pub port: u16,
    /// Who signs in.
    pub user: User,
    /// How the host proves that it is the right one.
    pub host_keys: HostKeys,
    /// Longest wait for an answer.
    pub timeout: Duration,
    /// How often to look whether files have changed.
    pub poll_interval: Duration,
    /// Read as root, by `sudo -n`.
    pub sudo: bool,
    /// What is read.
    pub inputs: Inputs,
    /// Begin at the end of what was never read before.
    pub from_end: bool,
    /// Read the files first that were written last.
    pub newest_first: bool,
    /// Longest event.
    pub max_message_bytes: u32,
}

/// Who signs in, and with what. `Debug` shows the name only.
#[derive(Clone)]
pub struct User {
    /// The name.
    pub name: String,
    /// A private key, in any of OpenSSH's formats, and what it is encrypted with.
    pub key: Option<(String, Option<String>)>,
    /// The password.
    pub password: Option<String>,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "User({})", self.name)
    }
}

/// How a host proves that it is the right one.
#[derive(Clone, Debug)]
pub struct HostKeys {
    /// Fingerprints; only a key with one of them is right.
    pub pinned: Vec<String>,
    /// A file in the format of sshd(8), "ssh_known_hosts".
    pub known_hosts: PathBuf,
    /// A host that is not known yet is trusted and remembered.
    pub accept_new: bool,
}

/// What is read of a host.
#[derive(Clone, Debug)]
pub struct Inputs {
    /// Files.
    pub files: Option<Files>,
    /// The journal.
    pub journal: Option<Journal>,
    /// Output of commands.
    pub commands: Vec<Command>,
    /// How often to ask what the host is.
    pub facts_interval: Option<Duration>,
    /// Nothing is named: the journal where there is one that can be read, else the system's log files.
    pub find: bool,
}

/// Which files.
#[derive(Clone, Debug)]
pub struct Files {
    /// As they were written, for the host's shell.
    pub paths: Vec<String>,
    /// The same, to compare with.
    pub patterns: Patterns,
}

/// What is read of the journal.
#[derive(Clone, Debug, Default)]
pub struct Journal {
    /// Of these units only; empty: of all.
    pub units: Vec<String>,
}

/// A command whose output is an event.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its name.
    pub name: String,
    /// What the shell runs.
    pub run: String,
    /// How often.
    pub interval: Duration,
    /// It is given up after this long.
    pub timeout: Duration,
}

/// What is read where nothing is named and there is no journal.
pub const SYSTEM_LOGS: [&str; 2] = ["/var/log/syslog", "/var/log/messages"];

impl LinuxSettings {
    /// `host:port`, for people.
    pub fn place(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}
