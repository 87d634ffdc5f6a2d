//! The configuration changes under load; nothing is lost and nobody else is disturbed.

mod house;

use house::{Receiver, Sender, free_port, snapshot, start, until};
use seams::Rng;

const CHANGES: u32 = 100;

/// What may change at random: devices and targets that come and go, limits, routes. Device `in` and target `out` stay.
struct World {
    in_port: u16,
    out_port: u16,
    other_ports: [u16; 2],
    rng: Rng,
}

impl World {
    fn yaml(&self) -> String {
        let mut devices = format!(
            "  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n",
            self.in_port
        );
        for (n, port) in self.other_ports.iter().enumerate() {
            if self.rng.chance(2, 3) {
                let most = 10 + self.rng.below(5);
                devices.push_str(&format!(
                    "  - {{id: {}, name: other{n}, type: tcp, properties: {{address: 127.0.0.1, port: {port}, max_connections: {most}}}}}\n",
                    n + 2
                ));
            }
        }
        let mut targets = format!(
            "  - {{name: out, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n",
            self.out_port
        );
        let sinks: Vec<String> =
            (0..2).filter(|_| self.rng.chance(1, 2)).map(|n| format!("sink{n}")).collect();
        for sink in &sinks {
            targets.push_str(&format!("  - {{name: {sink}, type: discard}}\n"));
        }
        let mut routes = "  - {name: kept, devices: [in], targets: [out]}\n".to_owned();
        if !sinks.is_empty() {
            routes.push_str(&format!("  - {{name: more, targets: [{}]}}\n", sinks.join(", ")));
        }
        format!("devices:\n{devices}targets:\n{targets}routes:\n{routes}")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_random_changes_lose_nothing_and_disturb_nobody() {
    let receiver = Receiver::start();
    let rng = Rng::seeded(7);
    let world =
        World { in_port: free_port(), out_port: receiver.port, other_ports: [free_port(), free_port()], rng };
    let mut director = start(&world.yaml(), 2).await;
    let senders: Vec<Sender> = (0..3).map(|n| Sender::start(&format!("s{n}"), world.in_port)).collect();
    until("all senders are connected", || senders.iter().all(|s| receiver.distinct(&s.name) > 0)).await;
    for change in 0..CHANGES {
        director.apply(snapshot(&world.yaml())).await.expect("applied");
        director.sweep().await;
        if change % 10 == 0 {
            let before = receiver.distinct("s0");
            until("events flow on", || receiver.distinct("s0") > before + 50).await;
        }
    }
    for sender in senders {
        let name = sender.name.clone();
        // A sender fails the test when its connection breaks.
        let sent = sender.finish();
        until("all lines arrived", || receiver.distinct(&name) as u64 == sent).await;
        let lines = receiver.lines(&name);
        assert_eq!(lines.len() as u64, sent, "nothing came twice");
        receiver.assert_complete(&name, sent);
    }
    let inventory = director.inventory().clone();
    until("everything is settled", || inventory.held() == 0).await;
    for target in inventory.targets() {
        assert_eq!(target.flow.held(), 0, "{}", target.name);
    }
    assert_eq!(director.tree().restarts(), 0);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrected_address_is_used_at_once_and_gets_what_waits() {
    let (receiver, in_port, nobody) = (Receiver::start(), free_port(), free_port());
    let mut director = start(&house::relay(in_port, nobody), 1).await;
    let sender = Sender::start("s", in_port);
    let inventory = director.inventory().clone();
    until("events wait", || inventory.target("out").is_some_and(|t| t.flow.held() > 1000)).await;
    director.apply(snapshot(&house::relay(in_port, receiver.port))).await.expect("applied");
    until("events flow", || receiver.distinct("s") > 1000).await;
    let sent = sender.finish();
    until("all lines arrived", || receiver.distinct("s") as u64 == sent).await;
    receiver.assert_complete("s", sent);
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_target_delivers_what_it_holds_before_it_goes() {
    let (in_port, out_port) = (free_port(), free_port());
    let yaml = house::relay(in_port, out_port);
    let mut director = start(&yaml, 1).await;
    let sender = Sender::start("s", in_port);
    let inventory = director.inventory().clone();
    let target = inventory.target("out").expect("there");
    until("events wait", || target.flow.held() > 100).await;
    let without = format!("{}routes: []\ntargets: []\n", yaml.split("targets:").next().expect("devices"));
    director.apply(snapshot(&without)).await.expect("applied");
    director.sweep().await;
    assert!(director.tree().node("targets/out").is_some(), "it stays visible");
    sender.finish();
    let held = target.flow.held();
    assert!(held > 0);
    let receiver = Receiver::start_on(out_port);
    until("it delivers", || target.flow.held() == 0).await;
    until("all of it arrived", || receiver.distinct("s") as u64 == target.flow.delivered.get()).await;
    let tree = director.tree().clone();
    while tree.node("targets/out").is_some() {
        director.sweep().await;
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    director.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_taken_when_it_is_free_and_disturbs_nobody() {
    let (receiver, in_port) = (Receiver::start(), free_port());
    let holder = std::net::TcpListener::bind(("127.0.0.1", in_port)).expect("free");
    let director = start(&house::relay(in_port, receiver.port), 1).await;
    let trouble = |tree: &actors::child::Tree| tree.node("devices/in/listener").filter(|node| node.trouble);
    let node = director.tree().wait_until(house::LIMIT, trouble).await.expect("trouble");
    let text = node.condition.expect("a text");
    assert!(text.contains(&format!("127.0.0.1:{in_port}")) && text.contains("it is held by"), "{text}");
    drop(holder);
    let sender = Sender::start("s", in_port);
    until("it listens", || receiver.distinct("s") > 0).await;
    assert_eq!(director.tree().node("devices/in/listener").expect("there").restarts, 0);
    sender.finish();
    director.stop().await;
}

/// vectordotdev/vector #3854 and #25725: there the process ended, or what came behind was cut off.
#[tokio::test(flavor = "multi_thread")]
async fn everything_may_be_replaced_at_once_also_by_other_kinds_of_the_same_name() {
    let (first, second) = (Receiver::start(), Receiver::start());
    let (first_port, second_port) = (free_port(), free_port());
    let yaml = |kind: &str, port: u16, name: &str, to: &Receiver| {
        format!(
            "devices:\n  - {{id: 1, name: in, type: {kind}, properties: {{address: 127.0.0.1, port: {port}}}}}\n\
             targets:\n  - {{name: {name}, type: tcp, properties: {{address: 127.0.0.1, port: {}}}}}\n\
             routes:\n  - {{name: all, targets: [{name}]}}\n",
            to.port
        )
    };
    let mut director = start(&yaml("tcp", first_port, "out", &first), 2).await;
    let sender = Sender::start("s", first_port);
    until("lines arrive", || first.distinct("s") > 100).await;
    let sent = sender.finish();
    let device = director.inventory().device("in").expect("there");
    until("everything is taken in", || device.flow.accepted.get() == sent).await;
    director.apply(snapshot(&yaml("udp", second_port, "other", &second))).await.expect("applied");
    until("what was taken in before arrived", || first.distinct("s") as u64 == sent).await;
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
    let mut number = 0;
    until("the device of the other kind feeds the other target", || {
        let _ = socket.send_to(format!("u {number}").as_bytes(), ("127.0.0.1", second_port));
        number += 1;
        second.distinct("u") > 0
    })
    .await;
    // And back, where the name of the target stays and its kind is another.
    let back = yaml("tcp", first_port, "other", &second);
    let (devices, _) = back.split_once("targets:").expect("has targets");
    let yaml = format!(
        "{devices}targets:\n  - {{name: other, type: discard}}\nroutes:\n  - {{name: all, targets: [other]}}\n"
    );
    director.apply(snapshot(&yaml)).await.expect("applied");
    let again = Sender::start("s", first_port);
    let inventory = director.inventory().clone();
    let discarded = || {
        inventory.target("other").is_some_and(|target| target.flow.dropped.get(event::Cause::Discard) > 100)
    };
    until("the target of the other kind gets events", discarded).await;
    again.finish();
    director.stop().await;
}
