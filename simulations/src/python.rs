//! A Python environment for counterparts that nobody here wrote: pypsrp, pywinrm, pyspnego.

use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGES: [&str; 3] = ["pypsrp==0.9.1", "pyspnego==0.12.4", "pywinrm==0.5.0"];

/// The interpreter of an environment with WinRM's clients below this folder; made when it is not there. Blocks.
///
/// # Errors
/// With why there can be none: no Python, or no PyPI.
pub fn winrm_clients(folder: &Path) -> Result<PathBuf, String> {
    let folder = folder.join("winrm-clients");
    let (python, complete) = (folder.join("bin/python"), folder.join("complete"));
    if complete.exists() {
        return Ok(python);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&folder))?;
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
    std::fs::write(complete, "").map_err(|e| e.to_string())?;
    Ok(python)
}

fn run(command: &mut Command) -> Result<(), String> {
    match command.output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(e) => Err(e.to_string()),
    }
}
