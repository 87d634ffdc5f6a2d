//! pypsrp and pywinrm, which nobody here wrote, against the simulated Windows host.
//!
//! Their virtual environment is made below the target folder; without Python or PyPI the test says what it skips.

use simulations::python::winrm_clients;
use simulations::windows_host::tls::{Authority, Validity};
use simulations::windows_host::{Settings, WindowsHost};
use std::path::Path;
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_others_wrote_find_a_windows_host() {
    let python = match winrm_clients(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(python) => python,
        Err(why) => {
            println!("SKIPPED: python clients of winrm are not to be had: {why}");
            return;
        }
    };
    let authority = Authority::new("Corp CA").expect("an authority");
    let folder = tempfile::tempdir().expect("a folder");
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, authority.pem()).expect("written");
    let mut files = Vec::new();
    let (mapped, unmapped) = (authority.client("collect"), authority.client("other"));
    let (mapped, unmapped) = (mapped.expect("signed"), unmapped.expect("signed"));
    for (name, text) in [
        ("mapped.pem", &mapped.pem),
        ("mapped.key", &mapped.key_pem),
        ("unmapped.pem", &unmapped.pem),
        ("unmapped.key", &unmapped.key_pem),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        files.push(file);
    }
    let transport = authority.https(&["127.0.0.1"], Validity::Current, true).expect("certified");
    let certificates = vec![mapped.der];
    let https = Settings { transport, basic: true, certificates, ..Settings::default() };
    let http = WindowsHost::start(Settings::default()).await.expect("started");
    let https = WindowsHost::start(https).await.expect("started");
    http.logs().write("Security", 5);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients.py");
    let mut clients = Command::new(python);
    clients.arg(script).args([http.address().to_string(), https.address().to_string()]).arg(ca).args(files);
    let output = tokio::task::spawn_blocking(move || clients.output()).await.expect("ran").expect("ran");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    println!("{out}");
}
