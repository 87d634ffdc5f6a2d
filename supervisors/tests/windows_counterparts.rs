//! The collector of Windows hosts against what nobody here wrote: pyspnego's NTLM, messages recorded from real hosts.

mod house;
mod windows;

use house::until;
use simulations::python::winrm_clients;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use windows::House;

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_shares_no_code_with_us_is_read() {
    let python = match winrm_clients(Path::new(env!("CARGO_TARGET_TMPDIR"))) {
        Ok(python) => python,
        Err(why) => {
            println!("SKIPPED: pyspnego is not to be had: {why}");
            return;
        }
    };
    let users = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(users.path(), "LAB:svc-collect:Secret-1\n").expect("written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/windows/endpoint.py");
    let mut endpoint = Command::new(python);
    endpoint.arg(script).arg(users.path()).stdout(Stdio::piped());
    let mut endpoint = Endpoint(endpoint.spawn().expect("started"));
    let mut lines = BufReader::new(endpoint.0.stdout.take().expect("piped")).lines().map_while(Result::ok);
    let port = lines.next().and_then(|line| line.strip_prefix("port ")?.parse().ok()).expect("a port");
    let said = Arc::<Mutex<Vec<String>>>::default();
    let shared = Arc::clone(&said);
    std::thread::spawn(move || lines.for_each(|line| shared.lock().expect("unpoisoned").push(line)));
    let house = House::at(SocketAddr::from(([127, 0, 0, 1], port)), "channels: [{name: Security}]");
    let director = house.director().await;
    house.events.came("Security", 1..=5).await;
    let heartbeat = || said.lock().expect("unpoisoned").iter().filter(|line| *line == "Pull").count() > 6;
    until("a heartbeat", heartbeat).await;
    director.stop().await;
    house.events.assert_once("Security");
    assert_eq!(house.events.all()[0]["winlog"]["event_data"]["n"], "\u{e4}1");
    let said = said.lock().expect("unpoisoned");
    assert!(said[0].starts_with("signed in") && said.iter().all(|line| line != "CLEAR"), "{said:?}");
}

/// A process that ends with its test.
struct Endpoint(Child);

impl Drop for Endpoint {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
