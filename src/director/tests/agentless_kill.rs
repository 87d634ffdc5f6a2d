//! Collectors of a real process: what SIGKILL and hosts that restart leave of their places, and new rows.

mod support;

use rustix::process::Signal;
use seams::Rng;
use simulations::crowd::{Arrivals, Crowd};
use std::time::Duration;
use support::{Installation, ROUTE, target};

/// Of each host.
const EVENTS_PER_SECOND: u64 = 20;
/// Windows hosts keep so many: a minute and a half.
const KEPT_RECORDS: usize = 2000;
const KILLS: u64 = 5;

/// Runs this while hosts write.
async fn while_they_write(crowd: &Crowd, course: impl Future<Output = ()>) {
    tokio::select! {
        () = course => {}
        () = crowd.write_steadily(EVENTS_PER_SECOND) => unreachable!("they write for ever"),
    }
}

/// Waits without keeping hosts from their work.
async fn until(what: &str, installation: &Installation, holds: impl Fn() -> bool) {
    let waiting = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(support::LIMIT * 2, waiting).await.is_err() {
        panic!("waited in vain: {what}\n{}", installation.everything_said());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn after_sigkill_and_restarts_of_hosts_no_event_is_missing() {
    // Windows hosts by subscription, Linux hosts by their files and by their journals.
    let crowd = Crowd::start(2, 4, KEPT_RECORDS).await.expect("started");
    let arrivals = Arrivals::start().expect("a port");
    let config = format!("{}{}{ROUTE}", crowd.devices(), target("out", arrivals.port()));
    let mut installation = Installation::new(&config);
    installation.launch();
    let rng = Rng::from_system();
    while_they_write(&crowd, async {
        for _ in 0..KILLS {
            let before = arrivals.counts().0;
            until("more came", &installation, || arrivals.counts().0 > before + 100).await;
            tokio::time::sleep(Duration::from_millis(rng.below(300))).await; // the random moment
            installation.signal(Signal::KILL);
            tokio::task::block_in_place(|| installation.wait_for_end());
            crowd.reboot(rng.below(crowd.len() as u64) as usize);
            installation.launch();
        }
    })
    .await;
    let all = || crowd.written().all(|(host, count)| arrivals.distinct(host) == count);
    until("all came", &installation, all).await;
    assert_eq!(arrivals.complaints(), Vec::<String>::new());
    let (count, repeated) = arrivals.counts();
    println!("{count} events, {repeated} of them again after {KILLS} kills");
    installation.signal(Signal::TERM);
    assert!(installation.wait_for_end().success());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_row_brings_its_host_in_without_a_restart() {
    let crowd = Crowd::start(1, 2, KEPT_RECORDS).await.expect("started");
    let arrivals = Arrivals::start().expect("a port");
    let config = |count| {
        format!(
            "control: {{port: 0}}\n{}{}{ROUTE}",
            crowd.first_devices(count),
            target("out", arrivals.port())
        )
    };
    let mut installation = Installation::empty();
    installation.write("vmetric.yml", &config(1));
    installation.launch();
    while_they_write(&crowd, async {
        for count in 1..=crowd.len() {
            installation.write("vmetric.yml", &config(count));
            let came = || crowd.written().take(count).all(|(host, _)| arrivals.distinct(host) > 0);
            until("the new host's events", &installation, came).await;
        }
    })
    .await;
    installation.signal(Signal::TERM);
    assert!(installation.wait_for_end().success());
}

#[test]
fn secrets_are_kept_out_of_core_dumps_and_the_process_list() {
    let mut installation = Installation::new("");
    let pid = installation.start();
    let read = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).expect("it runs");
    let limits = read("limits");
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).expect("there");
    assert_eq!(core.split_whitespace().skip(4).take(2).collect::<Vec<_>>(), ["0", "0"]);
    let words = read("cmdline").split('\0').count();
    assert_eq!(words, 4, "the program, -path, the folder, and the end: nothing of the configuration");
}
