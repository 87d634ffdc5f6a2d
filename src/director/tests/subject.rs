//! The Director under test: each kind of fault really happens, is seen, and ends.

mod support;

use simulations::subject::{Outcome, Setup, Subject};
use std::io::Write;
use support::{PROGRAM, Receiver, connect, free_port, tcp_to_tcp};

fn setup(configuration: &str) -> Setup {
    Setup::new(PROGRAM, format!("control: {{port: 0}}\n{configuration}"))
}

fn subject(configuration: &str) -> Subject {
    Subject::new(setup(configuration)).expect("a folder")
}

#[tokio::test]
async fn each_life_is_numbered_and_its_last_counters_are_kept() {
    let (receiver, port) = (Receiver::new(), free_port());
    let subject = subject(&tcp_to_tcp(port, receiver.port));
    subject.start().await.expect("started");
    let mut peer = connect(port);
    for n in 0..100 {
        writeln!(peer, "line {n}").expect("sent");
    }
    assert_eq!(receiver.take(100).last().map(String::as_str), Some("line 99"));
    assert!(subject.tree().await.expect("a tree").node("devices/in/listener").is_some());
    let end = subject.terminate().await.expect("stopped");
    assert_eq!((end.outcome, end.left, end.kept), (Outcome::Exited(0), Some(0), Some(0)));
    let metrics = end.metrics.expect("told");
    assert_eq!(metrics.count("vmetric_device_accepted_total", &[("device", "in")]), 100);
    assert_eq!(metrics.count("vmetric_target_delivered_total", &[("target", "out")]), 100);
    assert!(end.usage.cpu_seconds > 0.0 && end.usage.resident_peak_bytes > 0);

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
