//! What is said when a Windows host can't be read, and what is not done then.

mod house;
mod windows;

use house::{snapshot, until};
use simulations::windows_host::tls::{Authority, ClientCertificate, Validity};
use simulations::windows_host::{Fault, Operation, Settings, Transport, WindowsHost, events};
use supervisors::device_tree::{Finding, trial};
use windows::{ALL, House, says};

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
async fn an_unknown_user_is_told_like_a_wrong_password_and_a_restarted_collector_waits_as_well() {
    let users = vec![(r"LAB\somebody".to_owned(), "Secret-1".to_owned())];
    let host = WindowsHost::start(Settings { users, ..Settings::default() }).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.director().await;
    let said = says(&director, "collector", "refused user").await;
    assert!(said.contains(r"127.0.0.1 refused user LAB\svc-collect"), "{said}");
    director.faults().inject("devices/in/collector", actors::child::Fault::Panic);
    let restarts = || director.tree().node("devices/in/collector").map_or(0, |node| node.restarts);
    until("it is restarted", || restarts() == 1).await;
    director.stop().await;
    assert_eq!(host.seen().refused, 1, "what restarts the actor does not make it forget");
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

    /// The properties of a device that signs in with this certificate.
    fn with_certificate(&self, certificate: &ClientCertificate) -> String {
        let path = |name: &str| self.folder.path().join(name);
        std::fs::write(path("client.pem"), &certificate.pem).expect("written");
        std::fs::write(path("client.key"), &certificate.key_pem).expect("written");
        format!(
            "{ALL}, authentication: certificate, tls: {{status: true, ca_name: {}, cert_name: {}, key_name: {}}}",
            path("ca.pem").display(),
            path("client.pem").display(),
            path("client.key").display()
        )
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
async fn answers_in_windows_own_encoding_are_read() {
    let https = Https::new();
    let transport = https.transport(&["127.0.0.1"], Validity::Current);
    let host = WindowsHost::start(Settings { transport, ..Settings::default() }).await.expect("started");
    host.fault(Operation::Subscribe, Fault::Utf16);
    host.fault(Operation::Pull, Fault::Utf16);
    let house = House::new(&host, &https.trusted());
    let director = house.reading().await;
    let xml = events::plain("Security", "winlab", 1, 4624, 0).replace("param1'>", "param1'>Übergröße 漢字 ");
    host.logs().write_xml("Security", 4624, &xml);
    house.events.came("Security", 1..=1).await;
    assert_eq!(house.events.all()[0]["winlog"]["event_data"]["param1"], "Übergröße 漢字 record 1");
    assert_eq!(host.pending_faults(), 0);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_certificate_signs_in_where_it_is_mapped_to_a_user() {
    let https = Https::new();
    let (right, other) = (https.authority.client("collect"), https.authority.client("other"));
    let (right, other) = (right.expect("signed"), other.expect("signed"));
    let stranger = Authority::new("Other CA").and_then(|authority| authority.client("collect"));
    let stranger = stranger.expect("signed");
    let transport = https.transport(&["127.0.0.1"], Validity::Current);
    let mapped = Settings { transport, certificates: vec![right.der.clone()], ..Settings::default() };
    let host = WindowsHost::start(mapped).await.expect("started");
    for (certificate, text) in [
        (right, "reading 2 channels"),
        (other, "127.0.0.1 maps the client certificate to no user"),
        (stranger, "refused the client certificate"),
    ] {
        let house = House::new(&host, &https.with_certificate(&certificate));
        let director = house.director().await;
        says(&director, "collector", text).await;
        if text.starts_with("reading") {
            let last = host.logs().write("Security", 2);
            house.events.came("Security", last..=last).await;
        }
        director.stop().await;
    }
    assert_eq!(host.seen().clear, 0);
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
