//! Actors fail under load; every event is accounted for.

mod house;

use actors::child::{Fault, State};
use house::{Receiver, Sender, free_port, relay, start, until};
use std::time::Duration;

/// Three senders under load while `pattern` suffers `fault` so many times.
async fn suffer(pattern: &str, fault: Fault, times: u32, lanes: usize) {
    suffer_with("}", pattern, fault, times, lanes).await;
}

/// The same with pipelines on the route: what is added to the configuration of the route.
async fn suffer_with(pipelines: &str, pattern: &str, fault: Fault, times: u32, lanes: usize) {
    let (receiver, in_port) = (Receiver::start(), free_port());
    let yaml =
        relay(in_port, receiver.port).replace("targets: [out]}", &format!("targets: [out]{pipelines}"));
    let director = start(&yaml, lanes).await;
    let senders: Vec<Sender> = (0..3).map(|n| Sender::start(&format!("s{n}"), in_port)).collect();
    until("all senders are connected", || senders.iter().all(|s| receiver.distinct(&s.name) > 0)).await;
    for _ in 0..times {
        director.faults().inject(pattern, fault.clone());
        until("the fault was suffered", || director.faults().pending() == 0).await;
        let before: Vec<usize> = senders.iter().map(|s| receiver.distinct(&s.name)).collect();
        until("everybody goes on", || {
            senders.iter().zip(&before).all(|(s, before)| receiver.distinct(&s.name) > before + 100)
        })
        .await;
    }
    for sender in senders {
        let name = sender.name.clone();
        let sent = sender.finish();
        until("all lines arrived", || receiver.distinct(&name) as u64 == sent).await;
        receiver.assert_complete(&name, sent);
    }
    let inventory = director.inventory().clone();
    until("everything is settled", || inventory.held() == 0).await;
    let (device, target) = (inventory.device("in").expect("there"), inventory.target("out").expect("there"));
    assert_eq!(device.flow.accepted.get(), target.flow.due());
    assert_eq!(target.flow.due(), target.flow.delivered.get());
    assert_eq!(director.tree().restarts(), u64::from(times), "nobody else was started again");
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_panics_loses_nothing() {
    suffer("targets/out/sender-0", Fault::Panic, 3, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_that_fails_loses_nothing() {
    suffer("targets/out/sender-*", Fault::Error, 3, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_router_that_panics_loses_nothing() {
    suffer("lanes/lane-*/router", Fault::Panic, 3, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_panics_reads_on() {
    suffer("devices/in/connection-*", Fault::Panic, 3, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stage_that_panics_loses_nothing() {
    let pipelines = ", pipelines: [mark]}\npipelines:\n  - name: mark\n    processors:\n      - set: {field: mark, value: seen}\n";
    suffer_with(pipelines, "lanes/lane-*/stage-*", Fault::Panic, 3, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_behind_a_stage_that_panics_loses_nothing() {
    let pipelines = ", pipelines: [mark]}\npipelines:\n  - name: mark\n    processors:\n      - set: {field: mark, value: seen}\n";
    suffer_with(pipelines, "targets/out/sender-*", Fault::Panic, 3, 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_panics_refuses_nobody() {
    let (receiver, in_port) = (Receiver::start(), free_port());
    let director = start(&relay(in_port, receiver.port), 1).await;
    let first = Sender::start("first", in_port);
    until("the first is connected", || receiver.distinct("first") > 0).await;
    director.faults().inject("devices/in/listener", Fault::Panic);
    until("the fault was suffered", || director.faults().pending() == 0).await;
    let second = Sender::start("second", in_port);
    until("the second is connected", || receiver.distinct("second") > 0).await;
    for sender in [first, second] {
        let name = sender.name.clone();
        let sent = sender.finish();
        until("all lines arrived", || receiver.distinct(&name) as u64 == sent).await;
        receiver.assert_complete(&name, sent);
    }
    assert_eq!(director.tree().node("devices/in/listener").expect("there").restarts, 1);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_child_that_keeps_failing_is_parked_and_the_rest_goes_on() {
    let (receiver, in_port) = (Receiver::start(), free_port());
    let director = start(&relay(in_port, receiver.port), 1).await;
    let sender = Sender::start("s", in_port);
    until("the sender is connected", || receiver.distinct("s") > 0).await;
    for _ in 0..5 {
        director.faults().inject("devices/in/listener", Fault::Error);
    }
    let parked = |tree: &actors::child::Tree| {
        tree.node("devices/in/listener").filter(|node| node.state == State::Parked)
    };
    let node = director.tree().wait_until(house::LIMIT, parked).await.expect("parked");
    assert_eq!(node.last_error.as_deref(), Some("an error that was asked for"));
    let before = receiver.distinct("s");
    until("the connection goes on", || receiver.distinct("s") > before + 100).await;
    let sent = sender.finish();
    until("all lines arrived", || receiver.distinct("s") as u64 == sent).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lane_that_spins_is_abandoned_and_its_batches_are_delivered() {
    let (receiver, in_port) = (Receiver::start(), free_port());
    let mut director = start(&relay(in_port, receiver.port), 1).await;
    director.watch_lanes(Duration::from_millis(1500)).await;
    let sender = Sender::start("s", in_port);
    until("the sender is connected", || receiver.distinct("s") > 0).await;
    director.faults().inject("targets/out/sender-0", Fault::Spin(Duration::from_secs(8)));
    let abandoned = |tree: &actors::child::Tree| tree.node("lanes/watch").filter(|node| node.trouble);
    director.tree().wait_until(house::LIMIT, abandoned).await.expect("the lane was given up");
    // The first connection is read on from by the new thread, and a new one is served as well.
    let second = Sender::start("second", in_port);
    until("the lane goes on", || receiver.distinct("second") > 100).await;
    let before = receiver.distinct("s");
    until("the first connection goes on", || receiver.distinct("s") > before + 100).await;
    let (sent, sent_second) = (sender.finish(), second.finish());
    until("all lines arrived", || receiver.distinct("second") as u64 == sent_second).await;
    until("all lines of the first arrived", || receiver.distinct("s") as u64 == sent).await;
    receiver.assert_complete("second", sent_second);
    let inventory = director.inventory().clone();
    until("everything is settled", || inventory.held() == 0).await;
    director.stop().await;
}
