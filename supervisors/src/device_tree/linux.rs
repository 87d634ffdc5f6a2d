//! A `linux` device: from its configuration to a collector on a lane.

use super::Collecting;
use actors::child::{ChildSpec, Home};
use actors::data::{Device, Lanes};
use actors::device::file::pattern::Patterns;
use actors::device::linux::collector::Means;
use actors::device::linux::settings::{Command, Files, HostKeys, Inputs, Journal, User};
use actors::device::linux::{Collector, LinuxSettings, LinuxTrial, Memory};
use actors::device::trial::Trial;
use config::device::{Backlog, LinuxDevice, Start};
use std::sync::Arc;

/// What the subtree of a Linux device starts with.
pub(super) fn collector(
    device: &Arc<Device>,
    linux: &LinuxDevice,
    lanes: &Lanes,
    collecting: &Collecting,
) -> anyhow::Result<Vec<ChildSpec>> {
    let lane = Arc::clone(lanes.least_loaded());
    let home = Home::Lane(Arc::clone(&lane));
    let means = Means {
        device: Arc::clone(device),
        lane,
        settings: Arc::new(settings(linux)?),
        checkpoints: collecting.checkpoints.clone(),
        spread: collecting.spread.clone(),
        memory: Memory::default(),
    };
    let make = move || Ok(Collector::new(means.clone()));
    Ok(vec![ChildSpec::new("collector", "collector", home, make)])
}

/// How a Linux device is tried.
pub(super) fn trial(linux: &LinuxDevice) -> anyhow::Result<Box<dyn Trial>> {
    Ok(Box::new(LinuxTrial::new(settings(linux)?)))
}

fn settings(linux: &LinuxDevice) -> anyhow::Result<LinuxSettings> {
    let secret = |secret: &config::Secret| secret.expose().to_owned();
    let credentials = &linux.credentials;
    let key = credentials.private_key.as_ref();
    let configured = &linux.inputs;
    let files = match configured.files.is_empty() {
        true => None,
        false => Some(Files {
            paths: configured.files.clone(),
            patterns: Patterns::new(&configured.files, &configured.exclude)?,
        }),
    };
    let command = |command: &config::device::Command| Command {
        name: command.name.clone(),
        run: command.run.clone(),
        interval: command.interval,
        timeout: command.timeout,
    };
    Ok(LinuxSettings {
        host: linux.address.clone(),
        port: linux.port,
        user: User {
            name: linux.username.clone(),
            key: key.map(|key| (secret(key), credentials.passphrase.as_ref().map(secret))),
            password: credentials.password.as_ref().map(secret),
        },
        host_keys: HostKeys {
            pinned: linux.host_keys.pinned.clone(),
            known_hosts: linux.host_keys.known_hosts.clone(),
            accept_new: linux.host_keys.accept_new,
        },
        timeout: linux.timeout,
        poll_interval: linux.poll_interval,
        sudo: linux.sudo,
        inputs: Inputs {
            files,
            journal: configured.journal.as_ref().map(|journal| Journal { units: journal.units.clone() }),
            commands: configured.commands.iter().map(command).collect(),
            facts_interval: configured.facts_interval,
            find: configured.is_empty(),
        },
        from_end: linux.start == Start::End,
        newest_first: linux.backlog == Backlog::Newest,
        max_message_bytes: u32::try_from(linux.max_message_bytes).unwrap_or(u32::MAX),
    })
}
