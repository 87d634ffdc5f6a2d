//! The examples in `configs/` are valid.

use std::path::PathBuf;
use std::process::Command;

#[test]
fn every_example_is_valid() {
    let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs"));
    let mut seen = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder of examples") {
        let path = entry.expect("readable").path();
        if path.extension().is_none_or(|extension| extension != "yml") {
            continue;
        }
        let run = Command::new(env!("CARGO_BIN_EXE_vmetric-director"))
            .args(["-validate", "-config-path"])
            .arg(&path)
            .output()
            .expect("started");
        let text = String::from_utf8_lossy(&run.stdout);
        assert!(run.status.success(), "{}: {text}", path.display());
        seen += 1;
    }
    assert!(seen >= 6, "examples are missing: {seen}");
}
