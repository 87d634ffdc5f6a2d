//! Windows hosts that are collected: which events come, how often, and what is said of those that can't.

mod house;
mod windows;

use house::{snapshot, until};
use simulations::windows_host::{Fault, Operation, Settings, WindowsHost, events};
use std::time::Duration;
use windows::{ALL, House, says};

#[tokio::test(flavor = "multi_thread")]
async fn events_come_as_fields_with_their_xml_as_message() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    host.logs().write("Security", 3);
    let director = house.reading().await;
    host.logs().write("Security", 2);
    house.events.came("Security", 4..=5).await;
    let event = house.events.all().swap_remove(0);
    assert_eq!(event["winlog"]["event_data"]["TargetUserName"], "user-4");
    assert_eq!((&event["event"]["code"], &event["event"]["outcome"]), (&"4624".into(), &"success".into()));
    assert!(event["message"].as_str().is_some_and(|xml| xml.starts_with("<Event ")));
    assert_eq!(house.events.records("Security").len(), 2, "what was there before is not read");
    assert_eq!(director.stop().await.events, 0);
    assert_eq!(host.seen().open_subscriptions, 0, "an orderly stop leaves nothing behind");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_orderly_restart_repeats_nothing_and_loses_nothing() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, &format!("{ALL}, start: oldest"));
    host.logs().write("Security", 1000);
    for round in 1..4u64 {
        let director = house.director().await;
        house.events.came("Security", 1..=round * 1000).await;
        assert_eq!(director.stop().await.events, 0);
        host.logs().write("Security", 1000);
        host.logs().write("System", 1);
    }
    let director = house.director().await;
    house.events.came("Security", 1..=4000).await;
    house.events.came("System", 1..=3).await;
    director.stop().await;
    house.events.assert_once("Security");
    house.events.assert_once("System");
    assert_eq!(house.events.gaps(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_that_was_quiet_does_not_come_as_a_whole_after_a_restart() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    host.logs().write("Security", 5);
    house.events.came("Security", 1..=5).await;
    director.stop().await;
    host.logs().write("System", 2);
    let director = house.reading().await;
    house.events.came("System", 1..=2).await;
    director.stop().await;
    house.events.assert_once("Security");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_of_the_host_costs_a_pause() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    for round in 1..4u64 {
        host.logs().write("Security", 200);
        host.reboot();
        host.logs().write("Security", 200);
        house.events.came("Security", 1..=round * 400).await;
    }
    assert_eq!(director.stop().await.events, 0);
    assert_eq!(house.events.gaps(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_broken_answer_is_survived_without_loss() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    let faults = [
        Fault::Cut,
        Fault::CutInAnswer,
        Fault::Malformed,
        Fault::Tampered,
        Fault::Clear,
        Fault::Huge(20 << 20),
        Fault::Huge(100_000),
        Fault::Status(400),
        Fault::Status(401),
        Fault::Status(500),
        Fault::Status(503),
        Fault::Slow(Duration::from_millis(50)),
        Fault::Code(2_150_858_793),
        Fault::Code(2_150_858_779),
        Fault::Code(2_150_858_780),
        Fault::Code(1717),
    ];
    for (round, fault) in (1u64..).zip(faults) {
        let text = format!("{fault:?}");
        host.fault(Operation::Pull, fault);
        host.logs().write("Security", 10);
        let records = 1..=round * 10;
        until(&text, || records.clone().all(|r| house.events.records("Security").contains_key(&r))).await;
    }
    assert_eq!(host.pending_faults(), 0);
    assert_eq!(director.stop().await.events, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backlog_says_how_old_its_events_are_until_it_is_caught_up_with() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let old = |record: u64| {
        let recent = events::plain("Security", "winlab", record, 4624, 0);
        let (before, rest) = recent.split_once("SystemTime='").expect("a time");
        let (_, after) = rest.split_once('\'').expect("its end");
        format!("{before}SystemTime='2020-01-01T00:00:00Z'{after}")
    };
    host.logs().write_xml("Security", 4624, &old(1));
    let house = House::new(&host, "channels: [{name: Security}], start: oldest");
    let director = house.director().await;
    let said =
        says(&director, "collector", "reading 1 channels of 127.0.0.1 by subscription, catching up").await;
    assert!(said.contains(" h old"), "{said}");
    host.logs().write("Security", 1);
    house.events.came("Security", 1..=2).await;
    let tree = director.tree();
    let caught_up = || {
        let said = tree.node("devices/in/collector").and_then(|node| node.condition).unwrap_or_default();
        said.ends_with("by subscription")
    };
    until("it is caught up with", caught_up).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cleared_log_is_read_from_its_beginning_and_said() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    host.logs().write("Security", 20);
    host.logs().write("System", 4);
    house.events.came("Security", 1..=20).await;
    house.events.came("System", 1..=4).await;
    director.stop().await;
    host.logs().clear("Security");
    host.logs().write("Security", 3);
    host.logs().write("System", 1);
    let director = house.reading().await;
    until("the cleared log", || house.events.records("Security").values().take(3).all(|times| *times == 2))
        .await;
    house.events.came("System", 5..=5).await;
    let gaps = house.events.gaps();
    assert!(
        gaps.len() == 1 && gaps[0].contains("Security of 127.0.0.1 was cleared or has rolled over"),
        "{gaps:?}"
    );
    house.events.assert_once("System");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_cleared_while_it_is_read_is_said_and_read_on() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    host.logs().write("Security", 20);
    house.events.came("Security", 1..=20).await;
    host.logs().clear("Security");
    host.logs().write("Security", 3);
    let again = |record| house.events.records("Security").get(&record) == Some(&2);
    until("the new records", || (1..=3).all(again)).await;
    let gaps = house.events.gaps();
    assert!(gaps.len() == 1 && gaps[0].contains("Security of 127.0.0.1 was cleared"), "{gaps:?}");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_changes_its_address_is_read_on_and_one_that_replaces_it_from_its_oldest_event() {
    let mut host = WindowsHost::start(Settings::default()).await.expect("started");
    let mut house = House::new(&host, ALL);
    let mut director = house.reading().await;
    host.logs().write("Security", 20);
    house.events.came("Security", 1..=20).await;
    let before = host.address();
    host.change_address().await.expect("a free port");
    host.logs().write("Security", 20);
    house.address(before, host.address());
    director.apply(snapshot(&house.yaml())).await.expect("applied");
    house.events.came("Security", 21..=40).await;
    house.events.assert_once("Security");

    let another = WindowsHost::start(Settings::default()).await.expect("started");
    another.logs().write("Security", 2);
    house.address(host.address(), another.address());
    director.apply(snapshot(&house.yaml())).await.expect("applied");
    until("the other host's", || house.events.records("Security").values().take(2).all(|times| *times == 2))
        .await;
    let gaps = house.events.gaps();
    assert!(gaps.len() == 1 && gaps[0].contains("was cleared or has rolled over"), "{gaps:?}");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_overwritten_before_they_were_read_are_counted() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    host.logs().write("Security", 10);
    house.events.came("Security", 1..=10).await;
    director.stop().await;
    host.logs().write("Security", 100);
    host.logs().set_capacity("Security", 50);
    let director = house.reading().await;
    house.events.came("Security", 61..=110).await;
    let gaps = house.events.gaps();
    assert!(gaps.iter().any(|gap| gap.contains("rolled over")), "{gaps:?}");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_and_levels_are_asked_of_the_host() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(
        &host,
        "channels: [{name: System, event_ids: [1, 7-9], levels: [error]}, {name: Security, exclude_event_ids: [4624]}]",
    );
    let director = house.reading().await;
    for (id, level) in [(1, 2), (1, 4), (8, 2), (10, 2)] {
        host.logs().write_event("System", id, level);
    }
    host.logs().write("Security", 3);
    host.logs().write_event("Security", 1102, 4);
    house.events.came("Security", 4..=4).await;
    house.events.came("System", 3..=3).await;
    assert_eq!(house.events.records("System").into_keys().collect::<Vec<_>>(), [1, 3]);
    assert_eq!(house.events.records("Security").into_keys().collect::<Vec<_>>(), [4]);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_without_subscriptions_is_polled_and_says_why() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    host.fault(Operation::Subscribe, Fault::Code(2_150_858_752));
    let house = House::new(&host, &format!("{ALL}, poll_interval: 1"));
    let director = house.director().await;
    let said = says(&director, "collector", "polling 2 of 2 channels").await;
    assert!(said.contains("because it has no subscriptions"), "{said}");
    host.logs().write("Security", 1200);
    house.events.came("Security", 1..=1200).await;
    house.events.assert_once("Security");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn polling_goes_on_where_it_was_and_notices_a_cleared_log() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, &format!("{ALL}, collection: poll, poll_interval: 1, start: oldest"));
    host.logs().write("Security", 10);
    let director = house.director().await;
    house.events.came("Security", 1..=10).await;
    director.stop().await;
    host.logs().write("Security", 10);
    let director = house.director().await;
    house.events.came("Security", 11..=20).await;
    house.events.assert_once("Security");
    host.logs().clear("Security");
    host.logs().write("Security", 2);
    until("the gap", || house.events.gaps().iter().any(|gap| gap.contains("was cleared since record 20")))
        .await;
    until("the cleared log", || house.events.records("Security").get(&2) == Some(&2)).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_of_shells_are_survived() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    for (on, fault) in [
        (Operation::CreateShell, Fault::Code(1717)),
        (Operation::Command, Fault::Code(2_150_858_843)),
        (Operation::Receive, Fault::Code(2_150_858_793)),
        (Operation::Receive, Fault::CutInAnswer),
        (Operation::EndShell, Fault::Cut),
    ] {
        host.fault(on, fault);
    }
    host.logs().write("Security", 700);
    let house = House::new(&host, &format!("{ALL}, collection: poll, poll_interval: 1, start: oldest"));
    let director = house.director().await;
    house.events.came("Security", 1..=700).await;
    until("all faults were met", || host.pending_faults() == 0).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn facts_come_at_an_interval() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, &format!("{ALL}, facts_interval: 3600"));
    let director = house.reading().await;
    until("facts", || house.events.all().iter().any(|event| event["event"]["dataset"] == "windows.facts"))
        .await;
    let all = house.events.all();
    let facts =
        &all.iter().find(|event| event["event"]["dataset"] == "windows.facts").expect("facts")["windows"];
    assert_eq!(facts["os"]["Caption"], "Microsoft Windows Server 2022 Standard");
    assert_eq!(facts["services"].as_array().map(Vec::len), Some(3), "those of further answers, too");
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_collector_loses_nothing() {
    let host = WindowsHost::start(Settings::default()).await.expect("started");
    let house = House::new(&host, ALL);
    let director = house.reading().await;
    for round in 1..4u64 {
        host.logs().write("Security", 300);
        director.faults().inject("devices/in/collector", actors::child::Fault::Panic);
        host.logs().write("Security", 300);
        house.events.came("Security", 1..=round * 600).await;
    }
    assert_eq!(director.stop().await.events, 0);
}
