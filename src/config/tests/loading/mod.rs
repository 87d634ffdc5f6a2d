//! Loads texts as configurations.
#![allow(dead_code, clippy::unwrap_used, reason = "for tests, each of which uses a part of it")]

use std::fs;

use config::{DeviceKind, Loaded, Snapshot, Source, Target, load};

/// The variables that tests may use.
pub(crate) fn environment(name: &str) -> Option<String> {
    let value = match name {
        "PORT" => "514",
        "PASSWORD" => "hunter2",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

/// Loads the text as the only file `a.yml`.
pub(crate) fn load_text(text: &str) -> Loaded {
    load_files(&[("a.yml", text)], true)
}

/// Loads files below a folder: all of it, or the first one only.
pub(crate) fn load_files(files: &[(&str, &str)], single: bool) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let source = match single {
        true => Source::File(folder.path().join(files[0].0)),
        false => Source::Folder(folder.path().to_owned()),
    };
    let mut loaded = load(&source, &environment);
    for diagnostic in &mut loaded.diagnostics {
        let shown = folder.path().display().to_string() + "/";
        diagnostic.file = diagnostic.file.strip_prefix(folder.path()).unwrap().to_owned();
        diagnostic.what = diagnostic.what.replace(&shown, "");
    }
    loaded
}

/// Diagnostics as they are shown.
pub(crate) fn shown(loaded: &Loaded) -> Vec<String> {
    loaded.diagnostics.iter().map(ToString::to_string).collect()
}

/// A snapshot without any diagnostic.
pub(crate) fn snapshot(text: &str) -> Snapshot {
    let loaded = load_text(text);
    assert_eq!(shown(&loaded), [""; 0], "{text}");
    loaded.snapshot.unwrap()
}

/// The text below a key, indented.
pub(crate) fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

/// A device with these properties.
pub(crate) fn device_yaml(kind: &str, properties: &str) -> String {
    format!(
        "devices:\n  - id: 1\n    name: in\n    type: {kind}\n    properties:\n{}",
        indented(properties, 6)
    )
}

/// A target with these properties.
pub(crate) fn target_yaml(kind: &str, properties: &str) -> String {
    format!("targets:\n  - name: out\n    type: {kind}\n    properties:\n{}", indented(properties, 6))
}

/// The kind of the only device.
pub(crate) fn device(kind: &str, properties: &str) -> DeviceKind {
    snapshot(&device_yaml(kind, properties)).devices[0].kind.clone()
}

/// The only target.
pub(crate) fn target(kind: &str, properties: &str) -> Target {
    Target::clone(&snapshot(&target_yaml(kind, properties)).targets[0])
}
