//! A disk that is full, slow, or fails.

use crate::rig::{
    Feed, KEPT, Place, SYNCED, Seen, all_is_still, begin, http_to_tcp, started, until, until_complete,
    until_struck, until_tree,
};
use crate::support::{device, free_port, tcp_to_tcp};
use simulations::subject::expect::{At, Troubled};
use simulations::subject::{Expectation, Subject, Tree};
use std::collections::BTreeSet;

/// The lines in the files of a folder below the Director's.
fn lines_in(subject: &Subject, folder: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(subject.root().join(folder)).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| std::fs::read_to_string(file.path()).ok());
    texts.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_takes_nothing_is_told_and_everything_is_written_when_it_does() {
    for fault in [
        r#"{"what":"disk_full","where":"out"}"#,
        r#"{"what":"disk_full","where":"out","after_bytes":100}"#,
        r#"{"what":"writes_fail","where":"out"}"#,
    ] {
        let port = free_port();
        let target =
            "targets:\n  - {name: out, type: file, properties: {location: out, name: x.log, format: raw}}\n";
        let routes = "routes:\n  - {name: all, targets: [out]}\n";
        let subject = started(&format!("{}{target}{routes}", device(1, "in", port))).await;
        let feed = Feed::lines(port);
        until(&subject, "it is written", async || lines_in(&subject, "out").len() >= 100).await;
        let well = Expectation::Well(At { path: "*".to_owned() });
        until_tree(&subject, &Tree::default(), &well).await;

        let fault = begin(&subject, fault).await;
        let troubled = Troubled { path: "targets/out*".to_owned(), says: String::new() };
        until_tree(&subject, &Tree::default(), &Expectation::Troubled(troubled)).await;
        assert!(subject.end(fault).await.expect("ended") > 0);
        until_tree(&subject, &Tree::default(), &well).await;
        let sent = feed.finish();
        let all: BTreeSet<String> = (0..sent).map(|n| format!("line {n}")).collect();
        until(&subject, "all lines", async || lines_in(&subject, "out").is_superset(&all)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_journal_whose_disk_fails_acknowledges_again_when_it_works_and_keeps_its_word() {
    for (level, fault) in [
        (SYNCED, r#"{"what":"syncs_fail","where":"storage/journal"}"#),
        (SYNCED, r#"{"what":"syncs_fail","where":"storage/journal","one_in":3}"#),
        (SYNCED, r#"{"what":"writes_fail","where":"storage/journal"}"#),
        (KEPT, r#"{"what":"writes_fail","where":"storage/journal"}"#),
        (SYNCED, r#"{"what":"disk_slow","where":"storage/journal","each":"30ms"}"#),
    ] {
        let ((seen, to), port) = (Seen::listen(), free_port());
        let subject = started(&format!("{level}{}", http_to_tcp(port, to))).await;
        let feed = Feed::posts(port);
        all_is_still(&subject, &seen).await;
        let counts = fault.contains("syncs_fail");
        let fault = begin(&subject, fault).await;
        until_struck(&subject, fault, 3).await;
        if counts {
            until(&subject, "it is counted", async || {
                let metrics = subject.metrics().await.unwrap_or_default();
                metrics.count("vmetric_journal_sync_failures_total", &[]) > 0
            })
            .await;
        }
        assert!(subject.end(fault).await.expect("ended") >= 3);
        feed.goes_on(&subject, 100).await;
        let acknowledged = feed.finish();
        until_complete(&subject, &seen, acknowledged).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_spool_that_can_not_be_read_for_a_while_is_delivered_afterwards() {
    let (port, to) = (free_port(), Place::reserve());
    let subject = started(&format!("{KEPT}{}", tcp_to_tcp(port, to.port()))).await;
    let feed = Feed::lines(port);
    let held = async || {
        let metrics = subject.metrics().await.unwrap_or_default();
        metrics.count("vmetric_target_spool_held", &[("target", "out")])
    };
    until(&subject, "it is spooled", async || held().await > 200).await;
    let fault = begin(&subject, r#"{"what":"reads_fail","where":"storage/spool"}"#).await;
    // What a spool has is read back while nobody takes it, up to a quarter of a megabyte.
    let is_struck = async || subject.struck(fault).await.is_ok_and(|struck| struck > 0);
    until(&subject, "it is read", async || is_struck().await || held().await > 20_000).await;
    let seen = Seen::listen_at(to);
    until_struck(&subject, fault, 1).await;
    assert!(held().await > 0, "nothing can be read, so it stays");
    assert!(subject.end(fault).await.expect("ended") > 0);
    let sent = feed.finish();
    until_complete(&subject, &seen, sent).await;
}
