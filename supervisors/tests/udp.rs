//! Devices that receive datagrams, by their public face.

mod support;

use std::net::UdpSocket;
use support::{LIMIT, Rig};

fn sender(rig: &Rig) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    socket.connect(rig.address).expect("connected");
    socket
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_datagram_is_an_event_whoever_sends_it() {
    let rig = Rig::start("udp", "").await;
    let senders: Vec<_> = (0..40).map(|_| sender(&rig)).collect();
    let mut sent = Vec::new();
    for round in 0..25 {
        for (n, sender) in senders.iter().enumerate() {
            let text = format!("sender {n} says {round}");
            sender.send(text.as_bytes()).expect("sent");
            sent.push(text);
        }
    }
    rig.until(|device| device.flow.accepted.get() == 1000).await;
    let received = rig.received().await;
    assert_eq!(sorted(received), sorted(sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_order_of_a_sender_is_kept_and_a_line_feed_at_the_end_is_no_part_of_the_message() {
    let rig = Rig::start("syslog", "").await;
    let sender = sender(&rig);
    let sent: Vec<String> = (0..3000).map(|n| format!("<13>message {n}")).collect();
    for (n, text) in sent.iter().enumerate() {
        let end = if n % 2 == 0 { "\n" } else { "" };
        sender.send(format!("{text}{end}").as_bytes()).expect("sent");
        let counted = n as u64 + 1;
        if counted.is_multiple_of(500) {
            rig.until(|device| device.flow.accepted.get() == counted).await;
        }
    }
    sender.send(b"\n").expect("sent");
    sender.send(b"").expect("sent");
    rig.until(|device| device.meters.empty.get() == 2).await;
    assert_eq!(rig.received().await, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_datagram_that_is_too_long_is_cut_and_counted() {
    let rig = Rig::start("udp", "buffer_size: 512").await;
    sender(&rig).send(&[b'x'; 700]).expect("sent");
    rig.until(|device| device.flow.accepted.get() == 1).await;
    let device = rig.device();
    assert_eq!((device.meters.truncated.get(), device.meters.discarded_bytes.get()), (1, 188));
    assert_eq!(rig.received().await, ["x".repeat(512)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_allowed_addresses_are_heard_and_others_are_counted() {
    let rig = Rig::start("udp", "allowed_ips: [127.0.0.2, 127.0.0.16/28]").await;
    let from = |address: &str| {
        let socket = UdpSocket::bind((address, 0)).expect("loopback");
        socket.send_to(address.as_bytes(), rig.address).expect("sent");
    };
    for address in ["127.0.0.1", "127.0.0.2", "127.0.0.15", "127.0.0.16", "127.0.0.31", "127.0.0.32"] {
        from(address);
    }
    rig.until(|device| device.flow.accepted.get() == 3 && device.meters.denied.get() == 3).await;
    assert_eq!(sorted(rig.received().await), ["127.0.0.16", "127.0.0.2", "127.0.0.31"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_datagram_of_a_burst_is_accepted_or_counted_as_dropped() {
    // Nobody takes what the target is sent until the end, so that a budget of a megabyte is soon used up.
    let rig = Rig::start_with("udp", "", "memory: {budget: 1MiB}").await;
    let sender = sender(&rig);
    const SENT: u64 = 40_000;
    for n in 0..SENT {
        sender.send(format!("{n:0400}").as_bytes()).expect("sent");
    }
    let dropped =
        |device: &actors::data::Device| device.meters.budget_drops.get() + device.meters.kernel_drops.get();
    rig.until(|device| device.flow.accepted.get() + dropped(device) == SENT).await;
    let device = rig.device();
    assert!(device.meters.budget_drops.get() > 0, "{:?}", device.meters);
    let accepted = device.flow.accepted.get();
    let received = rig.received().await;
    assert_eq!(received.len() as u64, accepted);
    assert!(received.is_sorted(), "what gets through keeps its order");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_rate_limit_datagrams_are_dropped_and_counted() {
    let rig = Rig::start("udp", "rate_limit: 10").await;
    let sender = sender(&rig);
    for n in 0..1000 {
        sender.send(format!("{n}").as_bytes()).expect("sent");
    }
    rig.until(|device| device.flow.accepted.get() + device.meters.rate_drops.get() == 1000).await;
    let device = rig.device();
    assert!(device.flow.accepted.get() >= 10 && device.meters.rate_drops.get() > 0, "{:?}", device.flow);
    assert_eq!(rig.received().await.len() as u64, device.flow.accepted.get());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_socket_that_fails_comes_back_and_loses_nothing() {
    let rig = Rig::start("udp", "workers: 1").await;
    let sender = sender(&rig);
    let mut sent = Vec::new();
    for n in 0..200 {
        if n % 50 == 25 {
            rig.director.faults().inject("devices/in/listener", actors::child::Fault::Panic);
        }
        let text = format!("message {n}");
        sender.send(text.as_bytes()).expect("sent");
        sent.push(text);
    }
    rig.until(|device| device.flow.accepted.get() == 200).await;
    assert_eq!(rig.received().await, sent);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_device_goes_on_with_fewer_sockets_and_loses_nothing() {
    let mut rig = Rig::start("udp", "workers: 4").await;
    let senders: Vec<_> = (0..16).map(|_| sender(&rig)).collect();
    let mut sent = Vec::new();
    for round in 0..3 {
        for (n, sender) in senders.iter().enumerate() {
            let text = format!("{round} {n}");
            sender.send(text.as_bytes()).expect("sent");
            sent.push(text);
        }
        let counted = sent.len() as u64;
        rig.until(|device| device.flow.accepted.get() == counted).await;
        rig.change(["workers: 2", "workers: 1", "workers: 3"][round]).await;
        let listeners = [2, 1, 3][round];
        let look = |tree: &actors::child::Tree| {
            let mut nodes = tree.nodes();
            nodes.retain(|n| n.path.starts_with("devices/in/listener"));
            let up =
                |n: &actors::child::NodeView| n.condition.as_ref().is_some_and(|c| c.contains("listening"));
            (nodes.len() == listeners && nodes.iter().all(up)).then_some(())
        };
        rig.director.tree().wait_until(LIMIT, look).await.expect("the sockets of the new configuration");
    }
    assert_eq!(sorted(rig.received().await), sorted(sent));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_datagram_is_forwarded_as_it_came_in() {
    let replica = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    replica.set_read_timeout(Some(LIMIT)).expect("a limit");
    let port = replica.local_addr().expect("bound").port();
    let forwarding = format!("workers: 1, forwarding: [{{address: 127.0.0.1, port: {port}, type: udp}}]");
    let rig = Rig::start("syslog", &forwarding).await;
    let sender = sender(&rig);
    let messages: [&[u8]; 4] = [b"<13>one", b"<13>two\n", b"\xff\x00<13>three", b"<13>four\nand a half\n"];
    for message in messages {
        sender.send(message).expect("sent");
    }
    let mut buffer = [0; 2048];
    for message in messages {
        let len = replica.recv(&mut buffer).expect("forwarded");
        assert_eq!(&buffer[..len], message);
    }
    rig.received_bytes().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_nobody_takes_does_not_disturb_the_device() {
    let port = support::free_address().port();
    let rig =
        Rig::start("syslog", &format!("forwarding: [{{address: 127.0.0.1, port: {port}, type: tcp}}]")).await;
    let sender = sender(&rig);
    for n in 0..2000u64 {
        sender.send(format!("<13>{n:0100}").as_bytes()).expect("sent");
        if n % 100 == 99 {
            rig.until(|device| device.flow.accepted.get() == n + 1).await;
        }
    }
    rig.condition("devices/in/replica-0", |text| text.contains("cannot forward to 127.0.0.1")).await;
    let device = rig.device();
    assert_eq!(rig.received().await.len(), 2000);
    let replicas = &device.meters.replicas;
    assert_eq!((replicas.sent.get(), replicas.dropped.get()), (0, 2000), "each of them is counted");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_falls_silent_is_reported_until_it_speaks() {
    let rig = Rig::start("udp", "silent_after: 1").await;
    let text = rig.condition("devices/in/silence", |text| !text.is_empty()).await;
    assert!(text.starts_with("no event yet for 1s"), "{text}");
    let sender = sender(&rig);
    sender.send(b"still here").expect("sent");
    rig.condition("devices/in/silence", str::is_empty).await;
    rig.condition("devices/in/silence", |text| text.starts_with("no event for 1s")).await;
    rig.received().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_said_and_taken_when_it_is_free() {
    let mut rig = Rig::start("udp", "workers: 1").await;
    let holder = UdpSocket::bind("127.0.0.1:0").expect("loopback");
    rig.address = holder.local_addr().expect("bound");
    rig.change("workers: 1").await;
    let text = rig.condition("devices/in/listener", |text| text.contains("cannot bind")).await;
    assert!(text.contains(&format!("(process {})", std::process::id())), "{text}");
    drop(holder);
    rig.listening().await;
    sender(&rig).send(b"hello").expect("sent");
    rig.until(|device| device.flow.accepted.get() == 1).await;
    assert_eq!(rig.received().await, ["hello"]);
}
