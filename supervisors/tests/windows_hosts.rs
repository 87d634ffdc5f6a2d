//! Windows hosts that are collected: the Director against simulated ones, with everything that can go wrong there.

mod house;

use house::{LIMIT, snapshot, until};
use serde_json::Value;
use simulations::python::winrm_clients;
use simulations::windows_host::tls::{Authority, Validity};
use simulations::windows_host::{Fault, Operation, Settings, Transport, WindowsHost};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use supervisors::device_tree::{Finding, trial};
use supervisors::{Director, Options};

/// A receiver of events as JSON, one a line.
struct Events {
    port: u16,
    events: Arc<Mutex<Vec<Value>>>,
}

impl Events {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let port = listener.local_addr().expect("bound").port();
        let events = Arc::<Mutex<Vec<Value>>>::default();
        let shared = Arc::clone(&events);
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let events = Arc::clone(&shared);
                std::thread::spawn(move || {
                    for line in BufReader::new(socket).lines().map_while(Result::ok) {
                        let event = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
                        events.lock().expect("unpoisoned").push(event);
                    }
                });
            }
        });
        Self { port, events }
    }

    fn all(&self) -> Vec<Value> {
        self.events.lock().expect("unpoisoned").clone()
    }

    /// How often each record of a channel came.
    fn records(&self, channel: &str) -> BTreeMap<u64, usize> {
        let mut records = BTreeMap::new();
        for event in self.events.lock().expect("unpoisoned").iter() {
            if event["winlog"]["channel"] == channel
                && let Some(record) = event["winlog"]["record_id"].as_u64()
            {
                *records.entry(record).or_default() += 1;
            }
        }
        records
    }

    /// Waits until these records of a channel came.
    async fn came(&self, channel: &str, records: std::ops::RangeInclusive<u64>) {
        let what = format!("{channel} {records:?}");
        until(&what, || {
            let found = self.records(channel);
            records.clone().all(|record| found.contains_key(&record))
        })
        .await;
    }

    /// Asserts that no record of a channel came twice.
    fn assert_once(&self, channel: &str) {
        let twice: Vec<_> = self.records(channel).into_iter().filter(|(_, times)| *times > 1).collect();
        assert!(twice.is_empty(), "{channel}: came again: {twice:?}");
    }

    /// Texts of gaps that were reported.
    fn gaps(&self) -> Vec<String> {
        let all = self.all();
        let gaps = all.iter().filter(|event| event["event"]["action"] == "collection-gap");
        gaps.map(|event| event["message"].as_str().expect("a text").to_owned()).collect()
    }
}

/// A Director that collects one host.
struct House {
    root: tempfile::TempDir,
    events: Events,
    properties: String,
}

impl House {
    /// `properties` besides the address and the user, in YAML flow style.
    fn new(host: &WindowsHost, properties: &str) -> Self {
        Self::at(host.address(), properties)
    }

    fn at(address: SocketAddr, properties: &str) -> Self {
        let properties = format!(
            "{{address: {}, port: {}, username: 'LAB\\svc-collect', password: Secret-1{}{properties}}}",
            address.ip(),
            address.port(),
            if properties.is_empty() { "" } else { ", " },
        );
        let root = tempfile::tempdir().expect("a folder");
        Self { root, events: Events::start(), properties }
    }

    fn yaml(&self) -> String {
        format!(
            "devices:\n  - {{id: 1, name: in, type: windows, properties: {}}}\n\
             targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n\
             routes:\n  - {{name: all, devices: [in], targets: [out]}}\n",
            self.properties, self.events.port
        )
    }

    async fn director(&self) -> Director {
        let options = Options { lanes: 2, root: self.root.path().to_owned(), ..Options::default() };
        Director::start(snapshot(&self.yaml()), options).await.expect("started")
    }

    /// A Director that reads already.
    async fn reading(&self) -> Director {
        let director = self.director().await;
        says(&director, "collector", "reading").await;
        director
    }
}

/// Waits until an actor of the device says this.
async fn says(director: &Director, actor: &str, part: &str) -> String {
    let path = format!("devices/in/{actor}");
    let tree = director.tree();
    let look = |tree: &actors::child::Tree| {
        let said = tree.node(&path)?.condition?;
        said.contains(part).then_some(said)
    };
    match tree.wait_until(LIMIT, look).await {
        Some(said) => said,
        None => panic!("{path} never says {part:?}: {:?}", tree.node(&path)),
    }
}

const ALL: &str = "channels: [{name: Security}, {name: System}]";

#[tokio::test(flavor = "multi_thread")]
async fn events_come_as_fields_with_their_xml_as_message() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    host.logs().write("Security", 3);
    let director = house.reading().await;
    host.logs().write("Security", 2);
    house.events.came("Security", 4..=5).await;
    let event = house.events.all().swap_remove(0);
    assert_eq!(event["winlog"]["event_data"]["TargetUserName"], "user-4");
    assert_eq!((&event["event"]["code"], &event["event"]["outcome"]), (&"4624".into(), &"success".into()));
    assert!(event["message"].as_str().is_some_and(|xml| xml.starts_with("<Event ")));
    assert_eq!(house.events.records("Security").len(), 2, "what was there before is not read");
    assert_eq!(director.stop().await.events, 0);
    assert_eq!(host.seen().open_subscriptions, 0, "an orderly stop leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_restart_repeats_nothing_and_loses_nothing() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, &format!("{ALL}, start: oldest"));
    host.logs().write("Security", 1000);
    for round in 1..4u64 {
        let director = house.director().await;
        house.events.came("Security", 1..=round * 1000).await;
        assert_eq!(director.stop().await.events, 0);
        host.logs().write("Security", 1000);
        host.logs().write("System", 1);
    }
    let director = house.director().await;
    house.events.came("Security", 1..=4000).await;
    house.events.came("System", 1..=3).await;
    director.stop().await;
    house.events.assert_once("Security");
    house.events.assert_once("System");
    assert_eq!(house.events.gaps(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_was_quiet_does_not_come_as_a_whole_after_a_restart() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    host.logs().write("Security", 5);
    house.events.came("Security", 1..=5).await;
    director.stop().await;
    host.logs().write("System", 2);
    let director = house.reading().await;
    house.events.came("System", 1..=2).await;
    director.stop().await;
    house.events.assert_once("Security");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_of_the_host_costs_a_pause() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    for round in 1..4u64 {
        host.logs().write("Security", 200);
        host.reboot();
        host.logs().write("Security", 200);
        house.events.came("Security", 1..=round * 400).await;
    }
    assert_eq!(director.stop().await.events, 0);
    assert_eq!(house.events.gaps(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_broken_answer_is_survived_without_loss() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    let faults = [
        Fault::Cut,
        Fault::CutInAnswer,
        Fault::Malformed,
        Fault::Tampered,
        Fault::Clear,
        Fault::Huge(20 << 20),
        Fault::Huge(100_000),
        Fault::Status(400),
        Fault::Status(401),
        Fault::Status(500),
        Fault::Status(503),
        Fault::Slow(Duration::from_millis(50)),
        Fault::Code(2_150_858_793),
        Fault::Code(2_150_858_779),
        Fault::Code(2_150_858_780),
        Fault::Code(1717),
    ];
    for (round, fault) in (1u64..).zip(faults) {
        let text = format!("{fault:?}");
        host.fault(Operation::Pull, fault);
        host.logs().write("Security", 10);
        let records = 1..=round * 10;
        until(&text, || records.clone().all(|r| house.events.records("Security").contains_key(&r))).await;
    }
    assert_eq!(host.pending_faults(), 0);
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_log_is_read_from_its_beginning_and_said() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    host.logs().write("Security", 20);
    host.logs().write("System", 4);
    house.events.came("Security", 1..=20).await;
    house.events.came("System", 1..=4).await;
    director.stop().await;
    host.logs().clear("Security");
    host.logs().write("Security", 3);
    host.logs().write("System", 1);
    let director = house.reading().await;
    until("the cleared log", || house.events.records("Security").values().take(3).all(|times| *times == 2))
        .await;
    house.events.came("System", 5..=5).await;
    let gaps = house.events.gaps();
    assert!(
        gaps.len() == 1 && gaps[0].contains("Security of 127.0.0.1 was cleared or has rolled over"),
        "{gaps:?}"
    );
    house.events.assert_once("System");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_overwritten_before_they_were_read_are_counted() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    host.logs().write("Security", 10);
    house.events.came("Security", 1..=10).await;
    director.stop().await;
    host.logs().write("Security", 100);
    host.logs().set_capacity("Security", 50);
    let director = house.reading().await;
    house.events.came("Security", 61..=110).await;
    let gaps = house.events.gaps();
    assert!(gaps.iter().any(|gap| gap.contains("rolled over")), "{gaps:?}");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_tried_again_and_again() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    host.set_password("Another-1");
    let house = House::new(&host, ALL);
    let director = house.director().await;
    let said = says(&director, "collector", "refused user").await;
    assert!(
        said.contains("127.0.0.1 refused user LAB\\svc-collect; password wrong, account locked"),
        "{said}"
    );
    assert!(said.contains("next try in"), "{said}");
    assert!(!said.contains("Secret-1"), "{said}");
    assert_eq!(host.seen().refused, 1);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_password_is_tried_at_once() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    host.set_password("Another-1");
    let house = House::new(&host, ALL);
    let mut director = house.director().await;
    says(&director, "collector", "refused user").await;
    let corrected = snapshot(&house.yaml().replace("Secret-1", "Another-1"));
    director.apply(corrected).await.expect("applied");
    says(&director, "collector", "reading 2 channels").await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_may_not_be_read_is_named_and_the_others_go_on() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    host.logs().deny("Security", true);
    let house = House::new(&host, "channels: [{name: Security}, {name: System}, {name: Nowhere}]");
    let director = house.director().await;
    let said = says(&director, "collector", "reading 1 of 3 channels").await;
    assert!(said.contains("cannot read channel \"Security\" on 127.0.0.1 (access denied)"), "{said}");
    assert!(said.contains("channel \"Nowhere\" does not exist on 127.0.0.1"), "{said}");
    host.logs().write("System", 1);
    house.events.came("System", 1..=1).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_at_all_is_told_what_is_missing() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    host.logs().deny("Security", true);
    let house = House::new(&host, "channels: [{name: Security}]");
    let director = house.director().await;
    let said = says(&director, "collector", "Event Log Readers").await;
    assert!(said.contains("may log in to 127.0.0.1 but not read its event logs"), "{said}");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn channels_that_are_there_only_sometimes_are_no_trouble() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, "");
    let director = house.director().await;
    let said = says(&director, "collector", "reading 3 of 5 channels").await;
    assert!(said.contains("is sysmon installed"), "{said}");
    assert!(!director.tree().node("devices/in/collector").expect("there").trouble);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_levels_are_asked_of_the_host() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(
        &host,
        "channels: [{name: System, event_ids: [1, 7-9], levels: [error]}, {name: Security, exclude_event_ids: [4624]}]",
    );
    let director = house.reading().await;
    for (id, level) in [(1, 2), (1, 4), (8, 2), (10, 2)] {
        host.logs().write_event("System", id, level);
    }
    host.logs().write("Security", 3);
    host.logs().write_event("Security", 1102, 4);
    house.events.came("Security", 4..=4).await;
    house.events.came("System", 3..=3).await;
    assert_eq!(house.events.records("System").into_keys().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(house.events.records("Security").into_keys().collect::<Vec<_>>(), [4]);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_subscriptions_is_polled_and_says_why() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    host.fault(Operation::Subscribe, Fault::Code(2_150_858_752));
    let house = House::new(&host, &format!("{ALL}, poll_interval: 1"));
    let director = house.director().await;
    let said = says(&director, "collector", "polling 2 of 2 channels").await;
    assert!(said.contains("because it has no subscriptions"), "{said}");
    host.logs().write("Security", 1200);
    house.events.came("Security", 1..=1200).await;
    house.events.assert_once("Security");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_goes_on_where_it_was_and_notices_a_cleared_log() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, &format!("{ALL}, collection: poll, poll_interval: 1, start: oldest"));
    host.logs().write("Security", 10);
    let director = house.director().await;
    house.events.came("Security", 1..=10).await;
    director.stop().await;
    host.logs().write("Security", 10);
    let director = house.director().await;
    house.events.came("Security", 11..=20).await;
    house.events.assert_once("Security");
    host.logs().clear("Security");
    host.logs().write("Security", 2);
    until("the gap", || house.events.gaps().iter().any(|gap| gap.contains("was cleared since record 20")))
        .await;
    until("the cleared log", || house.events.records("Security").get(&2) == Some(&2)).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_that_are_forbidden_are_said() {
    let host =
        WindowsHost::start(Settings { shells_allowed: false, ..Settings::default() }).await.expect("started");
    let house = House::new(&host, &format!("{ALL}, collection: poll"));
    let director = house.director().await;
    says(&director, "collector", "forbids remote shells").await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quota_is_a_pause_and_no_storm() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    for _ in 0..20 {
        host.fault(Operation::Subscribe, Fault::Code(2_150_859_174));
    }
    let house = House::new(&host, ALL);
    let director = house.director().await;
    says(&director, "collector", "has reached a quota for this user").await;
    assert_eq!(host.pending_faults(), 19);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_fault_of_a_subscription_is_explained() {
    let cases = [
        (Fault::Code(1717), "the event log service of 127.0.0.1 is stopped or restarts"),
        (Fault::Code(2_150_858_752), "has no event subscriptions"),
        (Fault::Code(2_150_858_770), "127.0.0.1 reports: "),
        (Fault::Code(2_150_858_778), "does not understand the query"),
        (Fault::Code(2_150_858_782), "use collection: poll"),
        (Fault::Code(2_150_858_786), "does not understand the query"),
        (Fault::Code(2_150_858_790), "raise MaxEnvelopeSizekb there"),
        (Fault::Code(2_150_858_811), "does not understand the query"),
        (Fault::Code(2_150_858_817), "127.0.0.1 reports: "),
        (Fault::Code(2_150_858_909), "maps the client certificate to no user"),
        (Fault::Code(2_150_859_175), "has reached a quota for this user"),
        (Fault::Status(404), "no winrm at /wsman there"),
        (Fault::Status(413), "finds a request too large"),
        (Fault::Status(500), "answers 500 without a message"),
        (Fault::Status(503), "is busy or restarts (503)"),
    ];
    for (fault, text) in cases {
        let host = WindowsHost::start(Settings::default()).await.expect("started");
        for _ in 0..20 {
            host.fault(Operation::Subscribe, fault.clone());
        }
        let house = House::new(&host, &format!("{ALL}, collection: subscription"));
        let director = house.director().await;
        says(&director, "collector", text).await;
        director.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_shells_are_survived() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    for (on, fault) in [
        (Operation::CreateShell, Fault::Code(1717)),
        (Operation::Command, Fault::Code(2_150_858_843)),
        (Operation::Receive, Fault::Code(2_150_858_793)),
        (Operation::Receive, Fault::CutInAnswer),
        (Operation::EndShell, Fault::Cut),
    ] {
        host.fault(on, fault);
    }
    host.logs().write("Security", 700);
    let house = House::new(&host, &format!("{ALL}, collection: poll, poll_interval: 1, start: oldest"));
    let director = house.director().await;
    house.events.came("Security", 1..=700).await;
    until("all faults were met", || host.pending_faults() == 0).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_come_at_an_interval() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, &format!("{ALL}, facts_interval: 3600"));
    let director = house.reading().await;
    until("facts", || house.events.all().iter().any(|event| event["event"]["dataset"] == "windows.facts"))
        .await;
    let all = house.events.all();
    let facts =
        &all.iter().find(|event| event["event"]["dataset"] == "windows.facts").expect("facts")["windows"];
    assert_eq!(facts["os"]["Caption"], "Microsoft Windows Server 2022 Standard");
    assert_eq!(facts["services"].as_array().map(Vec::len), Some(3), "those of further answers, too");
    director.stop().await;
}

struct Https {
    folder: tempfile::TempDir,
    authority: Authority,
}

impl Https {
    fn new() -> Self {
        let (folder, authority) =
            (tempfile::tempdir().expect("a folder"), Authority::new("Corp CA").expect("made"));
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
        Self { folder, authority }
    }

    fn transport(&self, names: &[&str], validity: Validity) -> Transport {
        self.authority.https(names, validity, true).expect("certified")
    }

    fn trusted(&self) -> String {
        format!("{ALL}, tls: {{status: true, ca_name: {}}}", self.folder.path().join("ca.pem").display())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn https_is_verified_and_sign_ins_are_bound_to_it() {
    let https = Https::new();
    let transport = https.transport(&["127.0.0.1"], Validity::Current);
    let host = WindowsHost::start(Settings { transport, basic: true, ..Settings::default() })
        .await
        .expect("started");
    for authentication in ["negotiate", "basic"] {
        let house = House::new(&host, &format!("{}, authentication: {authentication}", https.trusted()));
        let director = house.reading().await;
        let last = host.logs().write("Security", 2);
        house.events.came("Security", last..=last).await;
        director.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn certificates_that_are_not_right_are_explained() {
    let https = Https::new();
    let fingerprint = format!("{ALL}, tls: {{status: true, fingerprint: \"{}\"}}", "00".repeat(32));
    let system = format!("{ALL}, tls: {{status: true}}");
    let cases = [
        (https.transport(&["127.0.0.1"], Validity::Current), system, "unknown authority"),
        (https.transport(&["SRV1"], Validity::Current), https.trusted(), "is for another name"),
        (https.transport(&["127.0.0.1"], Validity::Expired), https.trusted(), "has expired"),
        (https.transport(&["127.0.0.1"], Validity::Current), fingerprint, "not the pinned one"),
        (Transport::Http, https.trusted(), "speaks http, not https"),
        (https.transport(&["127.0.0.1"], Validity::Current), ALL.to_owned(), "does not speak http"),
    ];
    for (transport, properties, text) in cases {
        let host = WindowsHost::start(Settings { transport, ..Settings::default() }).await.expect("started");
        let house = House::new(&host, &properties);
        let director = house.director().await;
        says(&director, "collector", text).await;
        director.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_there_and_nothing_offered_are_explained() {
    let host =
        WindowsHost::start(Settings { negotiate: false, ..Settings::default() }).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.director().await;
    says(&director, "collector", "enable Negotiate there").await;
    director.stop().await;
    drop(host);
    let director = house.director().await;
    says(&director, "collector", "connection refused").await;
    director.stop().await;
}

/// What a trial of the device finds, one line a step.
async fn tried(house: &House) -> Vec<String> {
    let snapshot = snapshot(&house.yaml());
    let device = snapshot.device("in").expect("configured");
    let mut trial = trial(device).expect("usable").expect("collected from afar");
    let mut findings = Vec::new();
    trial.run(&mut |finding: Finding| findings.push(finding.to_string())).await;
    findings
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_tells_every_step_and_what_mends_it() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    host.logs().write("Security", 1);
    host.logs().deny("System", true);
    let channels = "channels: [{name: Security}, {name: Application}, {name: System}, {name: Nowhere}]";
    let house = House::new(&host, channels);
    let found = tried(&house).await;
    let parts = [
        "passed  name",
        "passed  port",
        "passed  sign-in      LAB\\svc-collect is let in; messages are sealed",
        "passed  clock",
        "passed  channel      \"Security\" can be read",
        "note    channel      \"Application\" can be read, but has no such event",
        "FAILED  channel      cannot read \"System\" (access denied); run there: net localgroup \"Event Log Readers\"",
        "FAILED  channel      \"Nowhere\" does not exist",
    ];
    assert_eq!(found.len(), parts.len(), "{found:#?}");
    for (found, part) in found.iter().zip(parts) {
        assert!(found.starts_with(part), "{found}");
    }
    assert_eq!(host.seen().open_subscriptions, 0);
    host.set_password("Another-1");
    let found = tried(&house).await;
    assert!(
        found.last().is_some_and(|last| last.contains("FAILED  sign-in") && last.contains("refused user")),
        "{found:?}"
    );
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_collector_loses_nothing() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    for round in 1..4u64 {
        host.logs().write("Security", 300);
        director.faults().inject("devices/in/collector", actors::child::Fault::Panic);
        host.logs().write("Security", 300);
        house.events.came("Security", 1..=round * 600).await;
    }
    assert_eq!(director.stop().await.events, 0);
}
