//! The collector of Windows hosts against what nobody here wrote: pyspnego's NTLM, messages recorded from real hosts.

mod house;
mod windows;

use house::until;
use simulations::python::winrm_clients;
use simulations::windows_host::{Fault, Operation, Settings, WindowsHost};
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use windows::{ALL, House, says};

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

/// A message that was recorded from a real host.
fn recorded(name: &str) -> Option<String> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/vectors/winrm"));
    let text = std::fs::read_to_string(folder.join(name));
    text.inspect_err(|e| println!("SKIPPED: {}: {e}", folder.join(name).display())).ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_were_recorded_from_real_hosts_are_understood() {
    let answer = |status, name: &str| Some(Fault::Recorded(status, recorded(name)?));
    let course = [
        // A subscription, an event, a heartbeat, nothing in time.
        (Operation::Subscribe, answer(200, "txwinrm/data_subscribe/subscribe_resp.xml")),
        (Operation::Pull, answer(200, "txwinrm/data_subscribe/pull_resp_01.xml")),
        (Operation::Pull, answer(200, "txwinrm/data_subscribe/pull_resp_02.xml")),
        (Operation::Pull, answer(500, "pypsrp/winrs_operation_timeout/04-Receive-response-500.xml")),
    ];
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    for (on, fault) in course {
        let Some(fault) = fault else { return };
        host.fault(on, fault);
    }
    host.logs().write("Application", 3847);
    let house = House::new(&host, "channels: [{name: Application}]");
    let director = house.director().await;
    house.events.came("Application", 3847..=3847).await;
    let event = house.events.all().swap_remove(0);
    assert_eq!(event["winlog"]["provider_name"], "EventCreate");
    assert_eq!(event["winlog"]["computer_name"], "AMAZONA-Q2R281F");
    assert!(event["@timestamp"].as_str().is_some_and(|time| time.starts_with("2013-04-25T21:23:39.0")));
    // The context of the recording is none of this host's, so it is subscribed to anew, behind the recorded bookmark.
    until("the recording is over", || host.pending_faults() == 0).await;
    host.logs().write("Application", 2);
    house.events.came("Application", 3848..=3848).await;
    house.events.assert_once("Application");
    assert_eq!(house.events.gaps(), Vec::<String>::new());
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_that_were_recorded_from_real_hosts_are_explained() {
    for (name, text) in [
        ("txwinrm/data_error/max_concurrent.xml", "has reached a quota for this user"),
        ("winrb/wmi_error_v2.xml", "has reached a quota for this user"),
        ("pypsrp/winrs_bad_cmd_id/03-Receive-response-500.xml", "gave the subscription or shell up"),
    ] {
        let Some(xml) = recorded(name) else { return };
        let host = WindowsHost::start(Settings::default()).await.expect("started");
        for _ in 0..20 {
            host.fault(Operation::Subscribe, Fault::Recorded(500, xml.clone()));
        }
        let house = House::new(&host, &format!("{ALL}, collection: subscription"));
        let director = house.director().await;
        says(&director, "collector", text).await;
        director.stop().await;
    }
}
