//! What targets get when pipelines lead to them: JSON, or text where they want it; and what onlookers see of it.

mod house;

use actors::data::delivery::Payload;
use actors::target::events::Events;
use house::{connect, free_port, start, until};
use std::io::Write;
use std::path::Path;
use supervisors::Director;

fn configuration(port: u16, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "devices:\n  - {{id: 1, name: in, type: tcp, properties: {{address: 127.0.0.1, port: {port}}}}}\n\
         targets:\n\
         \x20 - {{name: objects, type: file, properties: {{location: \"{folder}\", name: objects.log}}}}\n\
         \x20 - {{name: texts, type: file, properties: {{location: \"{folder}\", name: texts.log, format: raw}}}}\n\
         \x20 - {{name: others, type: file, properties: {{location: \"{folder}\", name: others.log, format: raw}}}}\n\
         routes:\n  - {{name: all, devices: [in], pipelines: [shout], targets: [objects, texts]}}\n\
         pipelines:\n  - name: shout\n    processors:\n\
         \x20     - uppercase: {{field: message}}\n\
         \x20     - set: {{field: loud, value: true}}\n\
         \x20     - reroute: {{destination: others, if: 'message == \"ELSEWHERE\"'}}\n\
         \x20     - remove: {{field: message, if: 'message == \"NOTHING\"'}}\n"
    )
}

async fn settled(director: &Director, events: u64) {
    let device = director.inventory().device("in").expect("there");
    until("all is settled", || device.flow.accepted.get() == events && device.flow.held() == 0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn behind_a_pipeline_raw_is_the_text_of_message() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let director = start(&configuration(port, folder.path()), 1).await;
    connect(port).write_all(b"hello\nelsewhere\n\xffx\nnothing\n").expect("sent");
    settled(&director, 4).await;
    assert_eq!(director.stop().await.events, 0);
    let file = |name: &str| std::fs::read(folder.path().join(name)).expect("readable");
    let objects =
        "{\"message\":\"HELLO\",\"loud\":true}\n{\"message\":\"\u{fffd}X\",\"loud\":true}\n{\"loud\":true}\n";
    assert_eq!(String::from_utf8(file("objects.log")).expect("text"), objects);
    // Without a text to write there is still the event.
    let texts = String::from_utf8_lossy(&file("texts.log")).into_owned();
    assert_eq!(texts, "HELLO\n\u{fffd}X\n{\"loud\":true}\n");
    assert_eq!(file("others.log"), b"ELSEWHERE\n", "what a pipeline sends there by name, once");
}

#[tokio::test(flavor = "multi_thread")]
async fn onlookers_see_what_pipelines_made() {
    let (folder, port) = (tempfile::tempdir().expect("a folder"), free_port());
    let director = start(&configuration(port, folder.path()), 1).await;
    let view = director.view();
    let names = ["in", "texts", "objects", "others", "shout"];
    let mut taps: Vec<_> = names.iter().map(|name| view.tap(name).expect("known")).collect();
    connect(port).write_all(b"hello\nelsewhere\n").expect("sent");
    settled(&director, 2).await;
    let mut seen = Vec::new();
    for tap in &mut taps {
        let payload: Payload = tap.next().await;
        let events = Events::new(&payload, 0).map(|event| String::from_utf8_lossy(event.bytes).into_owned());
        seen.push(events.collect::<Vec<_>>());
    }
    assert_eq!(seen[0], ["hello", "elsewhere"]);
    assert_eq!(seen[1], ["HELLO"]);
    assert_eq!(seen[2], ["{\"message\":\"HELLO\",\"loud\":true}"]);
    assert_eq!(seen[3], ["ELSEWHERE"]);
    assert!(seen[4] == seen[1] || seen[4] == seen[2] || seen[4] == seen[3], "{:?}", seen[4]);
    assert!(view.tap("nobody").expect_err("unknown").to_string().contains("shout"));
    assert_eq!(director.stop().await.events, 0);
}
