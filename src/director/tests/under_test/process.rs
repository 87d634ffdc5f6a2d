//! A process that is killed, stopped, told to end, short of memory, or without power.

use crate::rig::{
    Feed, KEPT, Place, SYNCED, Seen, all_is_still, all_run, begin, http_to_tcp, setup, started, until,
    until_complete,
};
use crate::support::{free_port, tcp_to_tcp};
use serde_json::Value;
use simulations::subject::{Outcome, Subject};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_kill_or_a_stop_in_mid_flight_everything_acknowledged_is_delivered() {
    for (fault, outcome) in [
        (r#"{"what":"process_killed"}"#, Outcome::Killed(9)),
        (r#"{"what":"process_terminated"}"#, Outcome::Exited(0)),
    ] {
        let ((seen, to), port) = (Seen::listen(), free_port());
        let subject = started(&format!("{KEPT}{}", http_to_tcp(port, to))).await;
        let feed = Feed::posts(port);
        all_is_still(&subject, &seen).await;
        let fault = begin(&subject, fault).await;
        subject.end(fault).await.expect("started again");
        feed.goes_on(&subject, 100).await;
        let acknowledged = feed.finish();
        until_complete(&subject, &seen, acknowledged).await;
        let lives = subject.lives();
        let first = lives[0].end.as_ref().expect("it is over");
        assert_eq!((lives.len(), first.outcome), (2, outcome));
        assert_eq!(first.left, if outcome == Outcome::Exited(0) { Some(0) } else { None });
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_stands_still_goes_on_where_it_was() {
    let ((seen, to), port) = (Seen::listen(), free_port());
    let subject = started(&tcp_to_tcp(port, to)).await;
    let feed = Feed::lines(port);
    let before = all_is_still(&subject, &seen).await;
    let fault = begin(&subject, r#"{"what":"process_paused"}"#).await;
    let pid = subject.lives()[0].pid;
    until(&subject, "it stands still", async || {
        std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") T "))
    })
    .await;
    assert!(subject.is_alive());
    subject.end(fault).await.expect("it goes on");
    let after = all_is_still(&subject, &seen).await;
    assert_eq!(after.restarts("*"), before.restarts("*"), "nobody is taken for stuck");
    let sent = feed.finish();
    until_complete(&subject, &seen, sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_gets_no_more_memory_ends_and_is_started_again() {
    // Nobody takes anything, so that its budget fills up.
    let (port, to) = (free_port(), Place::reserve());
    let subject = started(&tcp_to_tcp(port, to.port())).await;
    all_run(&subject).await;
    let fault = begin(&subject, r#"{"what":"memory_limited","headroom_bytes":0}"#).await;
    let fill = move || {
        let mut socket = std::net::TcpStream::connect(("127.0.0.1", port)).expect("connected");
        let line = format!("{}\n", "x".repeat(4095));
        while std::io::Write::write_all(&mut socket, line.as_bytes()).is_ok() {}
    };
    let filler = std::thread::spawn(fill);
    until(&subject, "it ends", async || !subject.is_alive()).await;
    let lives = subject.lives();
    assert_eq!(
        lives[0].end.as_ref().map(|end| end.outcome),
        Some(Outcome::Killed(6)),
        "{}",
        subject.errors()
    );
    filler.join().expect("the connection ended with it");
    subject.end(fault).await.expect("started again");
    assert!(subject.is_alive());
    all_run(&subject).await;
}

/// Posts while nobody takes anything, cuts the power, and lets everything be delivered that is known then; returns
/// how many acknowledged lines are lost. The Director may be too damaged to start.
pub(crate) async fn lost_in_power_cuts(subject: &Subject, port: u16, to: Place, fault: &str) -> u64 {
    subject.start().await.expect("started");
    let feed = Feed::posts(port);
    for _ in 0..2 {
        feed.goes_on(subject, 400).await;
        let cut = begin(subject, fault).await;
        if let Err(e) = subject.end(cut).await {
            println!("it does not start any more: {e}");
            return feed.finish();
        }
    }
    let acknowledged = feed.finish();
    let seen = Seen::listen_at(to);
    let nothing_waits = async || {
        let Ok(stats) = subject.json::<Value>("/stats").await else { return false };
        let (device, target) = (&stats["devices"][0], &stats["targets"][0]);
        let all =
            [&device["held"], &target["held"], &target["spool"]["held"], &stats["journal"]["unsettled"]];
        all.iter().all(|count| **count == 0)
    };
    until(subject, "nothing waits", nothing_waits).await;
    // What is delivered is in the receiver's hands before it is counted, or soon after.
    subject.terminate().await.expect("stopped");
    let mut before = u64::MAX;
    until(subject, "the receiver has read it all", async || {
        std::mem::replace(&mut before, seen.missing(acknowledged)) == before
    })
    .await;
    let lost = seen.missing(acknowledged);
    println!("{lost} of {acknowledged} acknowledged lines are lost");
    lost
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_power_cut_loses_what_the_level_allows_and_no_more() {
    for (level, loses) in [(SYNCED, false), (KEPT, true)] {
        let (port, to) = (free_port(), Place::reserve());
        let configuration = format!("{level}{}", http_to_tcp(port, to.port()));
        let subject = Subject::new(setup(&configuration).power_cuts().seed(7)).expect("a folder");
        let lost = lost_in_power_cuts(&subject, port, to, r#"{"what":"power_cut"}"#).await;
        assert_eq!(lost > 0, loses, "{level}: {lost} lost\n{}", subject.log());
    }
}
