//! How fast one core frames and parses: `cargo run --release -p protocol --example speed`.

use std::hint::black_box;
use std::time::{Duration, Instant};

use protocol::framing::{Delimiter, Framer, Framing, Limits};
use protocol::http_body::{self, Split};
use protocol::syslog::{self, Options};

const LINE_BYTES: usize = 256;
/// What a socket hands over at once: a batch.
const BATCH_BYTES: usize = 128 * 1024;

fn main() {
    let line = format!("<134>Nov 21 14:30:52 edge-router-17 sshd[4711]: {:x<209}", "");
    assert!(line.len() >= LINE_BYTES);
    let mut batch = Vec::new();
    while batch.len() + LINE_BYTES <= BATCH_BYTES {
        batch.extend_from_slice(&line.as_bytes()[..LINE_BYTES - 1]);
        batch.push(b'\n');
    }
    frame("lines", Framing::Delimiter(Delimiter::line_feed()), &batch);
    frame("lines, detected", Framing::Detect, &batch);
    let counted = batch
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .flat_map(|line| [format!("{} ", line.len()).as_bytes(), line].concat())
        .collect::<Vec<_>>();
    frame("octet counts", Framing::Octet, &counted);

    parse("rfc 3164", "<134>Nov 21 14:30:52 edge-router-17 sshd[4711]: ");
    parse("rfc 3164, no host", "<134>Nov 21 14:30:52 sshd[4711]: ");
    parse("rfc 5424", "<134>1 2026-11-21T14:30:52.123456Z edge-router-17 sshd 4711 ID47 - ");
    parse(
        "rfc 5424, structured data",
        "<134>1 2026-11-21T14:30:52.123456Z edge-17 sshd 4711 ID47 [exampleSDID@32473 iut=\"3\" eventID=\"1011\"] ",
    );
    parse("cisco ios", "<189>29: edge-router-17: *Nov 21 14:30:52.123 CET: %SYS-5-CONFIG_I: ");
    parse("no header", "key=value ");

    let object =
        format!(r#"{{"time":1795271452.5,"host":"edge-router-17","level":"info","text":"{:x<170}"}}"#, "");
    let array = format!("[{}]", vec![object; 500].join(",\n"));
    let mut spans = Vec::with_capacity(500);
    measure("json array, 240 bytes an element", || {
        spans.clear();
        http_body::split(black_box(array.as_bytes()), Split::Json, &mut spans).expect("the array is json");
        spans.len()
    });
}

fn parse(what: &str, header: &str) {
    // Different lines, so that the branch predictor can't learn one by heart.
    let lines: Vec<String> = (0..500)
        .map(|number| {
            let text =
                header.replace("4711", &(number * 131).to_string()).replace("-17", &format!("-{number}"));
            format!("{text:x<LINE_BYTES$}")
        })
        .collect();
    measure(what, || {
        for line in &lines {
            black_box(syslog::parse(black_box(line.as_bytes())));
        }
        lines.len()
    });
    let options = Options::new(jiff::tz::TimeZone::UTC, 1_795_271_452_000_000_000);
    if syslog::parse(lines[0].as_bytes()).timestamp.is_some() {
        measure("  and its instant", || {
            for line in &lines {
                let timestamp = syslog::parse(black_box(line.as_bytes())).timestamp;
                black_box(timestamp.and_then(|timestamp| timestamp.unix_nanos(&options)));
            }
            lines.len()
        });
    }
}

fn frame(what: &str, framing: Framing, batch: &[u8]) {
    let mut framer = Framer::new(framing, Limits { max_message_bytes: 1 << 20 });
    let mut spans = Vec::with_capacity(1024);
    measure(what, || {
        spans.clear();
        let scan = framer.scan(batch, 1024, &mut spans).expect("the batch is framed correctly");
        assert_eq!(scan.consumed, batch.len());
        spans.len()
    });
}

/// Prints the best of five rounds, which the neighbours on the machine disturbed least.
fn measure(what: &str, mut round: impl FnMut() -> usize) {
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        let begin = Instant::now();
        let mut items = 0;
        while begin.elapsed() < Duration::from_millis(200) {
            items += round();
        }
        best = best.min(begin.elapsed().as_nanos() as f64 / items as f64);
    }
    println!("{what:32} {best:7.1} ns each  {:7.1} M/s", 1e3 / best);
}
