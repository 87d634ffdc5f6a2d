//! `-service`: the Director as a systemd service.

use super::say;
use crate::arguments::{Arguments, Mistake};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use anyhow::Context;
use config::Source;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

/// Where units of the administrator live (systemd.unit(5)).
const UNITS: &str = "/etc/systemd/system";

/// What can be done with the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Install,
    Uninstall,
    /// Passed on to systemctl.
    Control(&'static str),
}

/// Installs, removes or controls the service.
pub(super) fn service(arguments: &Arguments, place: &Place) -> Result<Exit, Failed> {
    let action = match arguments.value("service").unwrap_or_default() {
        "install" => Action::Install,
        "uninstall" => Action::Uninstall,
        "start" => Action::Control("start"),
        "stop" => Action::Control("stop"),
        "restart" => Action::Control("restart"),
        other => {
            let fits = "install, uninstall, start, stop or restart".to_owned();
            return Err(Mistake::Unfit("service", other.to_owned(), fits).into());
        }
    };
    let name = name(arguments)?;
    let file = Path::new(UNITS).join(format!("{name}.service"));
    match action {
        Action::Install => install(&name, &file, place),
        Action::Uninstall => uninstall(&name, &file),
        Action::Control(verb) => {
            systemctl(&[verb, &name])?;
            say(&format!("{name}: {verb} done\n"))
        }
    }
}

fn name(arguments: &Arguments) -> Result<String, Mistake> {
    let name = arguments.value("service-name").unwrap_or("vmetric-director");
    // It becomes a file name and a word in commands.
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '@');
    if name.is_empty() || !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(fits) {
        let text = "letters, digits and - _ . @, beginning with a letter or digit".to_owned();
        return Err(Mistake::Unfit("service-name", name.to_owned(), text));
    }
    Ok(name.to_owned())
}

fn install(name: &str, file: &Path, place: &Place) -> Result<Exit, Failed> {
    let root = absolute(place.root())?;
    fs::create_dir_all(root.join("storage"))
        .with_context(|| format!("cannot create {}/storage", root.display()))?;
    let config = match &place.source {
        Source::File(file) => Some(absolute(file)?),
        Source::Folder(_) => None,
    };
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let unit = unit(&program, &root, config.as_deref())?;
    fs::write(file, unit).with_context(|| {
        format!("cannot write {}; installing a service needs root and systemd", file.display())
    })?;
    systemctl(&["daemon-reload"])?;
    systemctl(&["enable", name])?;
    say(&format!("installed {}; start it with -service start\n", file.display()))
}

fn uninstall(name: &str, file: &Path) -> Result<Exit, Failed> {
    systemctl(&["disable", "--now", name])?;
    fs::remove_file(file).with_context(|| format!("cannot remove {}", file.display()))?;
    systemctl(&["daemon-reload"])?;
    say(&format!("removed {}; configuration and storage are still there\n", file.display()))
}

fn systemctl(arguments: &[&str]) -> Result<(), Failed> {
    let shown = arguments.join(" ");
    let status = Command::new("systemctl").args(arguments).status();
    let status =
        status.with_context(|| format!("cannot run systemctl {shown}; is this a system with systemd?"))?;
    if status.success() {
        return Ok(());
    }
    Err(anyhow::anyhow!("systemctl {shown} failed ({status}); its message is above, and it needs root")
        .into())
}

/// The unit: may bind low ports and read log files of others, may write to its storage alone. A `file` target
/// elsewhere needs a drop-in with another `ReadWritePaths`.
fn unit(program: &Path, root: &Path, config: Option<&Path>) -> Result<String, Failed> {
    let quoted = |path: &Path| quoted(path);
    let mut start = format!("{} -path {}", quoted(program)?, quoted(root)?);
    if let Some(config) = config {
        start.push_str(&format!(" -config-path {}", quoted(config)?));
    }
    let storage = quoted(&root.join("storage"))?;
    Ok(format!(
        "[Unit]
Description=DataStream Director
Wants=network-online.target
After=network-online.target

[Service]
Type=notify
ExecStart={start}
ExecReload=/bin/kill -HUP $MAINPID
Restart=on-failure
RestartSec=2
# a stop drains for up to 30 s
TimeoutStopSec=40
WatchdogSec=30
# wrong command line, configuration with mistakes, another Director: starting again would not help
RestartPreventExitStatus=2 3 4
LimitNOFILE=1048576
UMask=0077

# what it may do
CapabilityBoundingSet=CAP_NET_BIND_SERVICE CAP_DAC_READ_SEARCH
NoNewPrivileges=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX AF_NETLINK
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes

# what it may see and change; `systemctl edit` adds ReadWritePaths for files elsewhere
ProtectSystem=strict
ReadWritePaths={storage}
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes

[Install]
WantedBy=multi-user.target
"
    ))
}

/// A path as systemd reads it back: `"` `\` and the specifier sign `%` are escaped (systemd.service(5)).
fn quoted(path: &Path) -> Result<String, Failed> {
    let unfit =
        || anyhow::anyhow!("{} can't be written in a unit; choose a path of plain text", path.display());
    let text = PathBuf::from(path).into_os_string().into_string().map_err(|_| unfit())?;
    if text.chars().any(char::is_control) {
        return Err(unfit().into());
    }
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('%', "%%").replace('$', "$$");
    Ok(format!("\"{escaped}\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_notifies_is_watched_and_may_write_to_its_storage_alone() {
        let unit = unit(Path::new("/opt/v m/director"), Path::new("/srv/100%"), None).expect("written");
        for line in [
            "Type=notify",
            "ExecStart=\"/opt/v m/director\" -path \"/srv/100%%\"",
            "ReadWritePaths=\"/srv/100%%/storage\"",
            "WatchdogSec=30",
            "ProtectSystem=strict",
        ] {
            assert!(unit.lines().any(|l| l == line), "{line} in {unit}");
        }
    }

    #[test]
    fn names_that_would_be_more_than_a_name_are_refused() {
        let named = |value: &str| {
            let words =
                ["-service".to_owned(), "start".to_owned(), "-service-name".to_owned(), value.to_owned()];
            name(&crate::arguments::parse(words).expect("understood"))
        };
        assert_eq!(named("director-2"), Ok("director-2".to_owned()));
        for wrong in ["", "../x", "-x", "a b", "a/b"] {
            assert!(named(wrong).is_err(), "{wrong}");
        }
    }
}
