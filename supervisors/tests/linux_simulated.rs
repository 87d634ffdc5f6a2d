//! Simulated Linux hosts: what a real sshd can't be made to do, and many at once.

mod house;

use house::{Receiver, snapshot, until};
use simulations::linux_host::{LinuxHost, Settings};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;
use supervisors::{Director, Options};

/// The properties of a device for a host.
fn device(id: usize, host: &LinuxHost, more: &str) -> String {
    format!(
        "  - {{id: {id}, name: h{id}, type: linux, properties: {{address: 127.0.0.1, port: {}, username: collector, \
         password: secret, host_key: \"{}\", poll_interval: 100ms{more}}}}}\n",
        host.address().port(),
        host.fingerprint()
    )
}

fn yaml(devices: &str, port: u16) -> String {
    format!(
        "devices:\n{devices}targets:\n  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n\
         routes:\n  - {{name: all, targets: [out]}}\n"
    )
}

async fn start(devices: &str, receiver: &Receiver) -> (Director, tempfile::TempDir) {
    let root = tempfile::tempdir().expect("temporary folder");
    let options = Options { lanes: 1, root: root.path().to_owned(), ..Options::default() };
    let director = Director::start(snapshot(&yaml(devices, receiver.port)), options).await.expect("started");
    (director, root)
}

fn lines(name: &str, from: u64, count: u64) -> Vec<u8> {
    (from..from + count).map(|number| format!("{name} {number}\n")).collect::<String>().into_bytes()
}

async fn says(director: &Director, id: usize, wanted: &str) -> String {
    let said = || {
        director
            .tree()
            .node(&format!("devices/h{id}/collector"))
            .and_then(|node| node.condition)
            .unwrap_or_default()
    };
    until(&format!("it says {wanted:?}"), || said().contains(wanted)).await;
    said()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_signs_in_also_where_it_is_asked_for_interactively() {
    for interactive_only in [false, true] {
        let host =
            LinuxHost::start(Settings { interactive_only, ..Settings::default() }).await.expect("started");
        host.files().append("/var/log/a.log", &lines("a", 0, 10));
        let receiver = Receiver::start();
        let (director, _root) = start(&device(1, &host, ", path: /var/log/*.log"), &receiver).await;
        until("all arrived", || receiver.distinct("a") == 10).await;
        assert_eq!(host.sign_ins(), 1, "a password is shown once");
        director.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_password_is_shown_once_and_not_again_at_once() {
    let host = LinuxHost::start(Settings::default()).await.expect("started");
    host.faults().refuse.store(true, Relaxed);
    let receiver = Receiver::start();
    let (director, _root) = start(&device(1, &host, ", path: /var/log/a.log"), &receiver).await;
    let said = says(&director, 1, "refused the password of collector").await;
    assert!(said.contains("trying again in 30 s"), "{said}");
    // Whatever restarts the actor does not make it forget: the second refusal is one too many.
    director.faults().inject("devices/h1/collector", actors::child::Fault::Panic);
    let said = says(&director, 1, "trying again in 60 minutes").await;
    assert_eq!(host.sign_ins(), 2, "{said}");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_cut_slow_or_nonsense_lose_nothing() {
    let host = LinuxHost::start(Settings::default()).await.expect("started");
    let receiver = Receiver::start();
    let (director, _root) = start(&device(1, &host, ", path: /var/log/a.log, timeout: 1"), &receiver).await;
    let mut written = 0;
    for round in 0..5 {
        match round {
            0 => {}
            1 => host.faults().cut_after(20_000),
            2 => host.faults().slow(Duration::from_millis(200)),
            3 => {
                host.faults().slow(Duration::ZERO);
                host.faults().nonsense.store(true, Relaxed);
                says(&director, 1, "did not answer").await;
                host.faults().nonsense.store(false, Relaxed);
            }
            _ => host.cut(),
        }
        host.files().append("/var/log/a.log", &lines("a", written, 5000));
        written += 5000;
        until("all arrived", || receiver.distinct("a") as u64 == written).await;
    }
    assert_eq!(director.stop().await.events, 0);
    let mut all = receiver.lines("a");
    all.sort_unstable();
    assert_eq!(all, (0..written).collect::<Vec<u64>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_is_shown_held_back_by_its_target_and_read_oldest_or_newest_first() {
    const LINES: u64 = 40_000;
    for (order, first) in [("oldest", 0), ("newest", LINES)] {
        let host = LinuxHost::start(Settings::default()).await.expect("started");
        // One file after the other, some 4 MB each.
        for (file, from) in [("one.log", 0), ("two.log", LINES)] {
            let text: String =
                (from..from + LINES).map(|number| format!("a {number}{}\n", ".".repeat(90))).collect();
            host.files().append(&format!("/var/log/{file}"), text.as_bytes());
        }
        let port = house::free_port();
        let properties = format!(", path: /var/log/*.log, backlog: {order}");
        let yaml = format!("memory: {{budget: 4MiB}}\n{}", yaml(&device(1, &host, &properties), port));
        let root = tempfile::tempdir().expect("temporary folder");
        let options = Options { lanes: 1, root: root.path().to_owned(), ..Options::default() };
        let director = Director::start(snapshot(&yaml), options).await.expect("started");
        // Nobody listens at the target yet, so the budget fills and the rest stays where it is.
        says(&director, 1, "MiB to catch up with").await;
        let budget = director.view().budget().clone();
        until("the budget is used", || budget.used() > 0).await;
        let receiver = Receiver::start_on(port);
        let most = budget.capacity() + (1 << 20);
        let arrived = || {
            assert!(budget.used() <= most, "{} bytes are held", budget.used());
            receiver.distinct("a") as u64 == 2 * LINES
        };
        until("all arrived", arrived).await;
        assert_eq!(receiver.lines("a")[0], first, "{order}");
        assert_eq!(director.stop().await.events, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_silent_host_and_one_without_sessions_are_told_apart() {
    let (silent, full) = (LinuxHost::start(Settings::default()), LinuxHost::start(Settings::default()));
    let (silent, full) = (silent.await.expect("started"), full.await.expect("started"));
    silent.faults().silent.store(true, Relaxed);
    full.faults().no_sessions.store(true, Relaxed);
    let devices = device(1, &silent, ", timeout: 1") + &device(2, &full, "");
    let (director, _root) = start(&devices, &Receiver::start()).await;
    says(&director, 1, "did not answer within 1 s (agreeing on keys)").await;
    says(&director, 2, "MaxSessions in its sshd_config").await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_may_not_be_read_is_named_and_read_as_soon_as_it_may() {
    let host = LinuxHost::start(Settings::default()).await.expect("started");
    host.files().append("/var/log/auth.log", &lines("a", 0, 3));
    host.files().allow("/var/log/auth.log", false);
    let receiver = Receiver::start();
    let (director, _root) = start(&device(1, &host, ", path: /var/log/auth.log"), &receiver).await;
    let said = says(&director, 1, "collector may not read /var/log/auth.log").await;
    assert!(said.contains("usermod -aG adm collector"), "{said}");
    host.files().allow("/var/log/auth.log", true);
    until("all arrived", || receiver.distinct("a") == 3).await;
    says(&director, 1, "reading 1 files").await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_hosts_at_once_are_read_and_nobody_waits_for_one_that_hangs() {
    const HOSTS: usize = 60;
    let mut hosts = Vec::new();
    for _ in 0..HOSTS {
        hosts.push(LinuxHost::start(Settings::default()).await.expect("started"));
    }
    hosts[0].faults().hang.store(true, Relaxed);
    let receiver = Receiver::start();
    let devices: String =
        hosts.iter().enumerate().map(|(id, host)| device(id + 1, host, ", path: /var/log/a.log")).collect();
    for (id, host) in hosts.iter().enumerate() {
        host.files().append("/var/log/a.log", &lines(&format!("h{id}"), 0, 20));
    }
    let (director, _root) = start(&devices, &receiver).await;
    until("all but one arrived", || (1..HOSTS).all(|id| receiver.distinct(&format!("h{id}")) == 20)).await;
    assert_eq!(receiver.distinct("h0"), 0);
    assert_eq!(director.stop().await.events, 0);
}
