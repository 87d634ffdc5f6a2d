//! A Director without a defence is found out by the very check that the whole one passes: a rehearsal that can't fail
//! is worth nothing.

use crate::process::lost_in_power_cuts;
use crate::rig::{
    Feed, KEPT, Place, SYNCED, Seen, all_is_still, begin, http_to_tcp, setup, until, until_struck,
};
use crate::support::{free_port, tcp_to_tcp};
use simulations::subject::expect::{At, Restarts};
use simulations::subject::{Defence, Expectation, Setup, Subject};

/// What is wrong with a Director whose actors panic, if anything is.
async fn wrong_after_panics(change: impl Fn(Setup) -> Setup) -> Option<String> {
    let ((seen, to), port) = (Seen::listen(), free_port());
    let subject = Subject::new(change(setup(&tcp_to_tcp(port, to)))).expect("a folder");
    subject.start().await.expect("started");
    let feed = Feed::lines(port);
    let before = all_is_still(&subject, &seen).await;
    let fault = begin(&subject, r#"{"what":"actor_panics","where":"targets/out/sender-*"}"#).await;
    until_struck(&subject, fault, 1).await;
    subject.end(fault).await.expect("ended");
    let expected = [
        Expectation::Running(At { path: "targets/out/sender-*".to_owned() }),
        Expectation::Restarts(Restarts {
            path: "targets/out/*".to_owned(),
            at_least: Some(1),
            at_most: Some(1),
        }),
    ];
    let mut found = None;
    // Either way it is decided soon: somebody was started again, or is gone.
    until(&subject, "it is decided", async || {
        let Ok(after) = subject.tree().await else { return false };
        found = expected.iter().find_map(|expectation| expectation.check(&before, &after).err());
        let senders = |tree: &simulations::subject::Tree| tree.matching("targets/out/sender-*").count();
        found.is_none() || senders(&after) < senders(&before)
    })
    .await;
    feed.leave();
    found.map(|unmet| unmet.to_string())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn actors_that_are_not_started_again_are_noticed() {
    assert_eq!(wrong_after_panics(|setup| setup).await, None);
    let found = wrong_after_panics(|setup| setup.without(Defence::Restarts)).await.expect("it is noticed");
    assert!(found.contains("targets/out"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledging_before_it_is_written_or_synced_is_noticed() {
    let killed = r#"{"what":"process_killed"}"#;
    let cut = r#"{"what":"power_cut"}"#;
    for (level, fault, without) in [
        (KEPT, killed, Defence::Writes),
        (SYNCED, cut, Defence::FileSyncs),
        (SYNCED, cut, Defence::FolderSyncs),
    ] {
        let (port, to) = (free_port(), Place::reserve());
        let setup = setup(&format!("{level}{}", http_to_tcp(port, to.port()))).seed(3);
        let setup = if fault == cut { setup.power_cuts() } else { setup };
        let subject = Subject::new(setup.without(without)).expect("a folder");
        assert!(lost_in_power_cuts(&subject, port, to, fault).await > 0, "{without:?} is not noticed");
    }
}
