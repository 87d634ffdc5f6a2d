//! Conditions of routes: who gets which events, and in which form.

mod house;

use house::{Receiver, free_port, start, until};
use std::io::Write;

fn configuration(in_port: u16, all: u16, some: u16, routes: &str) -> String {
    format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {in_port}}}}}\n\
         targets:\n  - {{name: all, type: tcp, properties: {{address: 127.0.0.1, port: {all}}}}}\n  \
         - {{name: some, type: tcp, properties: {{address: 127.0.0.1, port: {some}}}}}\n\
         routes:\n  - {{name: everything, devices: [in], targets: [all]}}\n{routes}"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_with_a_condition_gets_those_events_unchanged_and_is_counted_for_them_only() {
    let (all, some, in_port) = (Receiver::start(), Receiver::start(), free_port());
    let route = "  - {name: few, devices: [in], targets: [some], if: 'message contains \"odd\"'}\n";
    let director = start(&configuration(in_port, all.port, some.port, route), 1).await;
    let mut socket = house::connect(in_port);
    for number in 0..500 {
        let name = if number % 2 == 1 { "odd" } else { "even" };
        writeln!(socket, "{name} {number}").expect("sent");
    }
    until("everything arrived", || all.distinct("odd") + all.distinct("even") == 500).await;
    until("the odd ones arrived", || some.distinct("odd") == 250).await;
    assert_eq!(some.distinct("even"), 0);
    assert!(some.lines("odd").is_sorted());
    let inventory = director.inventory().clone();
    until("everything is settled", || inventory.held() == 0).await;
    let flow = &inventory.target("some").expect("there").flow;
    assert_eq!((flow.due(), flow.delivered.get(), flow.dropped.sum()), (250, 250, 0));
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_is_asked_behind_the_pipelines_of_the_device_and_before_those_of_the_route() {
    let (all, some, in_port) = (Receiver::start(), Receiver::start(), free_port());
    let rest = "  - {name: few, devices: [in], targets: [some], pipelines: [after], if: 'mark == \"before\"'}\n\
                pipelines:\n  - name: before\n    processors: [{set: {field: mark, value: before}}]\n  \
                - name: after\n    processors: [{set: {field: mark, value: after}}]\n";
    let yaml = configuration(in_port, all.port, some.port, rest).replacen(
        "name: in, type: tcp,",
        "name: in, type: tcp, pipelines: [before],",
        1,
    );
    let director = start(&yaml, 1).await;
    let mut socket = house::connect(in_port);
    writeln!(socket, "event 1").expect("sent");
    until("it arrived", || some.distinct("event") == 1).await;
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_that_can_not_be_read_is_refused_with_its_place() {
    let route = "  - {name: few, devices: [in], targets: [some], if: 'message contains ('}\n";
    let snapshot = house::snapshot(&configuration(free_port(), 1, 2, route));
    let mistakes = supervisors::programs::check(std::path::Path::new("."), &snapshot);
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].what.contains("the condition can't be read"), "{}", mistakes[0]);
    assert!(mistakes[0].line > 0);
}
