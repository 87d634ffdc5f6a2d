//! How fast one core frames and parses: `cargo run --release -p protocol --example speed`.

use std::time::{Duration, Instant};

use protocol::framing::{Delimiter, Framer, Framing, Limits};

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
