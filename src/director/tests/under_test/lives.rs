//! Processes of the Director under test: numbered, kept, gone with whoever tests.

use crate::rig::{Seen, setup, started};
use crate::support::{connect, free_port, tcp_to_tcp};
use simulations::subject::{Fault, Outcome, Subject, SubjectError};
use std::io::Write;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_life_is_numbered_and_its_last_counters_are_kept() {
    let ((seen, to), port) = (Seen::listen(), free_port());
    let subject = started(&tcp_to_tcp(port, to)).await;
    assert!(matches!(subject.start().await, Err(SubjectError::Runs)));
    let mut peer = connect(port);
    for n in 0..100 {
        writeln!(peer, "line {n}").expect("sent");
    }
    crate::rig::until_complete(&subject, &seen, 100).await;
    assert!(subject.tree().await.expect("a tree").node("devices/in/listener").is_some());
    let end = subject.terminate().await.expect("stopped");
    assert_eq!((end.outcome, end.left, end.kept), (Outcome::Exited(0), Some(0), Some(0)));
    let metrics = end.metrics.expect("told");
    assert_eq!(metrics.count("vmetric_device_accepted_total", &[("device", "in")]), 100);
    assert_eq!(metrics.count("vmetric_target_delivered_total", &[("target", "out")]), 100);
    assert!(end.usage.resident_peak_bytes > 0);

    subject.start().await.expect("started again");
    assert!(subject.usage().resident_bytes > 0);
    let end = subject.kill().await.expect("killed");
    assert_eq!((end.outcome, end.left), (Outcome::Killed(9), None));
    assert!(end.usage.resident_peak_bytes > 0);
    let lives = subject.lives();
    assert_eq!(lives.iter().map(|life| life.number).collect::<Vec<_>>(), [1, 2]);
    assert!(lives[0].pid != lives[1].pid && lives.iter().all(|life| life.end.is_some()));
    assert_eq!(subject.log().matches("the Director is starting").count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_can_not_start_says_why_and_a_dropped_subject_leaves_none() {
    let wrong = Subject::new(setup("devices: [{id: 1}]\n")).expect("a folder");
    let told = wrong.start().await.expect_err("a mistake in the configuration").to_string();
    assert!(told.contains("the configuration has mistakes"), "{told}");
    let power_cut: Fault = serde_json::from_str(r#"{"what":"power_cut"}"#).expect("a fault");
    assert!(matches!(wrong.begin(&power_cut).await, Err(SubjectError::Impossible(_))));

    let subject = started("").await;
    let (pid, root) = (subject.lives()[0].pid, subject.root().to_owned());
    assert!(std::fs::exists(format!("/proc/{pid}")).expect("asked"));
    drop(subject);
    assert!(!std::fs::exists(format!("/proc/{pid}")).expect("asked") && !root.exists());
}
