//! Which files are the configuration.

use std::collections::HashSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::yaml::too_long;
use crate::{Diagnostic, MAX_FILE_BYTES, Position};

/// Where the configuration is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A folder with `vmetric.yml` (or `vmetric.yaml`) and `config/**`: files that end in `.yml` or `.yaml`,
    /// in the order of their paths, without those whose name, or folder's name, begins with a dot. Files
    /// that end in `.csv` and lie below `config/devices/` have devices as rows.
    Folder(PathBuf),
    /// One file with everything (`-config-path`).
    File(PathBuf),
}

impl Source {
    /// The service root, where relative paths start.
    pub fn root(&self) -> &Path {
        match self {
            Self::Folder(folder) => folder,
            Self::File(file) => match file.parent() {
                Some(parent) if parent != Path::new("") => parent,
                Some(_) | None => Path::new("."),
            },
        }
    }

    /// The files to read.
    pub(crate) fn files(&self, report: &mut Vec<Diagnostic>) -> Vec<PathBuf> {
        let folder = match self {
            Self::File(file) => return vec![file.clone()],
            Self::Folder(folder) => folder,
        };
        let toml = folder.join("vmetric.toml");
        if toml.exists() {
            report.push(top(&toml).error("TOML is not read in this version", "write it as vmetric.yml"));
        }
        let (first, second) = (folder.join("vmetric.yml"), folder.join("vmetric.yaml"));
        let mut files = Vec::new();
        if first.exists() || !second.exists() {
            if second.exists() {
                let what = "the file is not read, since there is a vmetric.yml";
                report.push(top(&second).warning(what, "remove one of them"));
            }
            files.push(first); // if there is none, reading it says so
        } else {
            files.push(second);
        }
        let config = folder.join("config");
        if config.exists() {
            list(&config, &mut HashSet::new(), &mut files, report);
        }
        files
    }
}

/// Whether a file has devices as rows: the extension is `csv`.
pub(crate) fn is_table(file: &Path) -> bool {
    file.extension().is_some_and(|extension| extension == "csv")
}

/// Where a mistake is that concerns a whole file.
pub(crate) fn top(file: &Path) -> Position {
    Position::new(file.into(), 1, 1)
}

/// `seen` has the folders that were read, so that circles of symbolic links end.
fn list(folder: &Path, seen: &mut HashSet<PathBuf>, files: &mut Vec<PathBuf>, report: &mut Vec<Diagnostic>) {
    if folder.canonicalize().is_ok_and(|real| !seen.insert(real)) {
        return;
    }
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut paths: Vec<PathBuf> = match entries {
        Ok(entries) => entries.into_iter().map(|entry| entry.path()).collect(),
        Err(error) => {
            report.push(
                top(folder).error(format!("the folder can't be read: {error}"), "check its permissions"),
            );
            return;
        }
    };
    paths.sort();
    for path in paths {
        if path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b".")) {
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        if path.is_dir() {
            list(&path, seen, files, report);
        } else if matches!(extension, Some("yml" | "yaml")) || (is_table(&path) && is_of_devices(folder)) {
            files.push(path);
        } else if extension == Some("vmf") {
            let what = "packaged configurations (.vmf) are not read in this version";
            report.push(top(&path).error(what, "write it as .yml, or remove it"));
        }
    }
}

/// Whether a folder is `config/devices` or one below it.
fn is_of_devices(folder: &Path) -> bool {
    let mut parts = folder.components().rev().map(|part| part.as_os_str());
    parts.any(|part| part == "devices") && parts.any(|part| part == "config")
}

/// The text of a file.
pub(crate) fn read(file: &Path) -> Result<String, Diagnostic> {
    let mut bytes = Vec::new();
    let read = fs::File::open(file).and_then(|open| open.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    if let Err(error) = read {
        let fix = match error.kind() {
            std::io::ErrorKind::NotFound => "create it, or name the right one",
            _ => "check that it is a file and its permissions",
        };
        return Err(top(file).error(format!("the file can't be read: {error}"), fix));
    }
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(too_long(&top(file)));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let lines = valid.iter().filter(|byte| **byte == b'\n').count();
        let line = u32::try_from(lines + 1).unwrap_or(u32::MAX);
        Position::new(file.into(), line, 1).error("the line is not UTF-8 text", "save the file as UTF-8")
    })
}
