//! Actors that panic, fail and hang.

use crate::rig::{
    Feed, Seen, all_is_still, all_run, begin, started, until_complete, until_struck, until_tree,
};
use crate::support::{free_port, tcp_to_tcp};
use simulations::subject::Expectation;
use simulations::subject::expect::{ElseThan, Restarts};

fn restarts(path: &str, times: u64) -> Expectation {
    Expectation::Restarts(Restarts { path: path.to_owned(), at_least: Some(times), at_most: Some(times) })
}

fn nothing_moved_but(path: &str) -> Expectation {
    Expectation::NothingElseMoved(ElseThan { but: vec![path.to_owned()] })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_actor_that_fails_is_started_again_alone_and_nothing_is_lost() {
    let kinds = [
        (
            r#"{"what":"actor_panics","where":"targets/out/sender-*","times":2}"#,
            2,
            "a panic that was asked for",
        ),
        (r#"{"what":"actor_errors","where":"targets/out/sender-*"}"#, 1, "an error that was asked for"),
        (r#"{"what":"actor_hangs","where":"targets/out/sender-*"}"#, 1, "hung for"),
    ];
    for (fault, times, error) in kinds {
        let ((seen, to), port) = (Seen::listen(), free_port());
        let subject = started(&tcp_to_tcp(port, to)).await;
        let feed = Feed::lines(port);
        let before = all_is_still(&subject, &seen).await;

        let fault = begin(&subject, fault).await;
        until_struck(&subject, fault, times).await;
        assert_eq!(subject.end(fault).await.expect("ended"), times);
        until_tree(&subject, &before, &restarts("targets/out/*", times)).await;
        let after = all_run(&subject).await;
        assert_eq!(nothing_moved_but("targets/out/*").check(&before, &after), Ok(()));
        let said =
            |node: &simulations::subject::Node| node.last_error.as_deref().is_some_and(|e| e.contains(error));
        assert!(after.matching("targets/out/*").any(said), "{error}: {after:?}");
        let metrics = subject.metrics().await.expect("told");
        assert_eq!(metrics.sum("vmetric_actor_restarts", &[]), times as f64);
        let sent = feed.finish();
        until_complete(&subject, &seen, sent).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_a_rate_actors_fail_by_chance_and_a_fault_that_ends_strikes_no_more() {
    let ((seen, to), port) = (Seen::listen(), free_port());
    let subject = started(&tcp_to_tcp(port, to)).await;
    let feed = Feed::lines(port);
    let before = all_is_still(&subject, &seen).await;
    let fault =
        begin(&subject, r#"{"what":"actor_panics","where":"targets/*","rate_per_second":20.0,"times":4}"#)
            .await;
    // Nobody is there whom it could strike.
    let nobody = begin(&subject, r#"{"what":"actor_panics","where":"nobody/*"}"#).await;
    until_struck(&subject, fault, 4).await;
    assert_eq!(subject.end(fault).await.expect("ended"), 4);
    assert_eq!(subject.end(nobody).await.expect("ended"), 0);
    until_tree(&subject, &before, &restarts("targets/*", 4)).await;
    let after = all_run(&subject).await;
    assert_eq!(nothing_moved_but("targets/*").check(&before, &after), Ok(()));
    let sent = feed.finish();
    until_complete(&subject, &seen, sent).await;
}
