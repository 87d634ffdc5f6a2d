//! Configurations that break and change, and a clock that jumps.

use crate::rig::{Feed, Seen, all_is_still, begin, started, until, until_complete, until_struck};
use crate::support::{free_port, tcp_to_tcp};
use serde_json::Value;
use simulations::subject::Subject;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

async fn health(subject: &Subject) -> Value {
    subject.json("/health").await.expect("told")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_configuration_is_refused_and_the_one_in_force_goes_on() {
    let ((seen, to), port) = (Seen::listen(), free_port());
    let subject = started(&tcp_to_tcp(port, to)).await;
    let feed = Feed::lines(port);
    all_is_still(&subject, &seen).await;
    assert!(health(&subject).await["config"]["errors"].is_null());
    let fault = begin(&subject, r#"{"what":"configuration_broken"}"#).await;
    until(&subject, "it is refused", async || !health(&subject).await["config"]["errors"].is_null()).await;
    assert!(subject.log().contains("the new configuration was refused"));
    all_is_still(&subject, &seen).await;
    subject.end(fault).await.expect("ended");
    until(&subject, "it is well", async || health(&subject).await["config"]["errors"].is_null()).await;
    let sent = feed.finish();
    until_complete(&subject, &seen, sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_storm_of_reloads_loses_nothing_and_leaves_nothing() {
    let ((seen, to), port) = (Seen::listen(), free_port());
    let subject = started(&tcp_to_tcp(port, to)).await;
    let feed = Feed::lines(port);
    all_is_still(&subject, &seen).await;
    let configuration = std::fs::read_to_string(subject.root().join("vmetric.yml")).expect("read");
    let storm = begin(&subject, r#"{"what":"reload_storm","per_second":5.0}"#).await;
    until_struck(&subject, storm, 10).await;
    let loaded = async || health(&subject).await["config"]["generation"].as_u64() >= Some(4);
    until(&subject, "several are in force", loaded).await;
    assert!(subject.end(storm).await.expect("ended") >= 10);
    assert_eq!(std::fs::read_to_string(subject.root().join("vmetric.yml")).expect("read"), configuration);
    let gone = async || {
        let tree = subject.tree().await.expect("a tree");
        tree.matching("*rehearsal_storm*").next().is_none()
    };
    until(&subject, "what came with it has gone", gone).await;
    let sent = feed.finish();
    until_complete(&subject, &seen, sent).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wall_clock_jumps_and_jumps_back_and_nobody_minds() {
    let ((seen, to), port) = (Seen::listen(), free_port());
    let subject = started(&tcp_to_tcp(port, to)).await;
    let feed = Feed::lines(port);
    all_is_still(&subject, &seen).await;
    /// By how many minutes the Director's clock is off.
    async fn off(subject: &Subject) -> i64 {
        let stats: Value = subject.json("/stats").await.expect("told");
        let shown = Duration::from_millis(stats["at_ms"].as_u64().expect("a time"));
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970");
        (shown.as_secs_f64() / 60.0 - now.as_secs_f64() / 60.0).round() as i64
    }
    assert_eq!(off(&subject).await, 0);
    for (by, minutes) in [("-1h", -60), ("+2h", 120)] {
        let jump = begin(&subject, &format!(r#"{{"what":"clock_jumps","by":"{by}"}}"#)).await;
        assert_eq!(off(&subject).await, minutes);
        all_is_still(&subject, &seen).await;
        subject.end(jump).await.expect("ended");
        assert_eq!(off(&subject).await, 0);
    }
    let sent = feed.finish();
    until_complete(&subject, &seen, sent).await;
}
