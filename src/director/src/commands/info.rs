//! `-info`.

use super::say;
use crate::client::{Client, block_on};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::{Holder, Place};
use config::Source;
use serde::Deserialize;
use std::fmt::Write;
use supervisors::control::Phase;
use supervisors::control::view::ConfigStatus;

/// What of `/health` is shown.
#[derive(Deserialize)]
struct Health {
    status: String,
    phase: Phase,
    node: String,
    version: String,
    uptime_seconds: u64,
    config: ConfigStatus,
    held: u64,
    troubled: Vec<Troubled>,
}

#[derive(Deserialize)]
struct Troubled {
    path: String,
    why: String,
}

/// Says where the Director is installed, whether it runs, and whether it is well.
pub(super) fn info(place: &Place) -> Result<Exit, Failed> {
    let absolute = |path: &std::path::Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let configuration = match &place.source {
        Source::File(file) => absolute(file).display().to_string(),
        Source::Folder(folder) => {
            format!("{} and config/ there", absolute(&folder.join("vmetric.yml")).display())
        }
    };
    let mut text = format!(
        "version        {}\ninstallation   {}\nconfiguration  {configuration}\n",
        env!("CARGO_PKG_VERSION"),
        absolute(place.root()).display(),
    );
    match place.holder()? {
        Holder::Nobody => text.push_str("running        no\n"),
        Holder::Director(pid) => {
            let pid = pid.map_or_else(|| "?".to_owned(), |pid| pid.to_string());
            let health: Health = block_on(Client::of(place).get("/health"))?;
            write_running(&mut text, &pid, &health);
        }
    }
    say(&text)
}

fn write_running(text: &mut String, pid: &str, health: &Health) {
    let phase = match health.phase {
        Phase::Starting => "starting",
        Phase::Running => "yes",
        Phase::Stopping => "stopping",
    };
    let Health { status, node, version, uptime_seconds, held, .. } = health;
    let _ = write!(
        text,
        "running        {phase}, process {pid}, version {version}, node {node}, for {uptime_seconds} s\n\
         health         {status}, {held} events under way\n"
    );
    for Troubled { path, why } in &health.troubled {
        let _ = writeln!(text, "  {path}: {why}");
    }
    for error in &health.config.errors {
        let _ = writeln!(text, "  new configuration refused: {error}");
    }
}
