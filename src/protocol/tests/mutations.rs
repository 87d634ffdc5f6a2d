//! Published inputs, damaged at random from a fixed seed: no parser may panic, loop, or reach outside its
//! input.

use std::path::Path;

use protocol::framing::{Delimiter, Framer, Framing, Limits};
use protocol::http_body::{self, Split};
use protocol::syslog;

const ROUNDS_A_LINE: usize = 100;

/// A small generator (xorshift64*): the same damage in every run.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }

    fn damage(&mut self, line: &mut Vec<u8>) {
        const TELLING: &[u8] = b"<>[]:\"\\ -=%*.,Z+0123456789\n\r\0{}\xef\xbb\xbf\xff";
        for _ in 0..=self.below(4) {
            let at = self.below(line.len() + 1);
            match self.below(4) {
                0 => line.truncate(at),
                1 if at < line.len() => drop(line.remove(at)),
                2 if at < line.len() => line[at] = TELLING[self.below(TELLING.len())],
                _ => line.insert(at, TELLING[self.below(TELLING.len())]),
            }
        }
    }
}

fn exercise(line: &[u8], chance: &mut Chance) {
    let message = syslog::parse(line);
    let options = syslog::Options::new(jiff::tz::TimeZone::UTC, 1_795_271_452_000_000_000);
    message.timestamp.map(|timestamp| timestamp.unix_nanos(&options));
    for element in message.structured_data.elements() {
        element.parameters().for_each(|parameter| drop(parameter.value()));
    }

    for framing in [Framing::Detect, Framing::Octet, Framing::Delimiter(Delimiter::line_feed())] {
        let mut framer = Framer::new(framing, Limits { max_message_bytes: 64 });
        let mut spans = Vec::new();
        let cut = chance.below(line.len() + 1);
        let consumed = framer.scan(&line[..cut], 2, &mut spans).map_or(cut, |scan| scan.consumed);
        assert!(spans.iter().all(|span| span.range().end <= cut));
        spans.clear();
        // An error has been said; what matters is that it comes in order.
        let _ = framer.finish(&line[consumed..], &mut spans);
        assert!(spans.iter().all(|span| span.range().end <= line.len() - consumed));
    }

    for how in [Split::Lines, Split::Json] {
        let _ = http_body::split(line, how, &mut Vec::new());
    }
}

#[test]
fn damaged_lines_are_survived() {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared/vectors/syslog"));
    let mut chance = Chance(0x5eed);
    let mut lines = 0;
    for file in ["messages.jsonl", "vendors.jsonl", "streams.jsonl"] {
        let Ok(text) = std::fs::read_to_string(folder.join(file)) else {
            println!("SKIPPED: no vectors at {}", folder.display());
            return;
        };
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).expect("the vectors are JSON Lines");
            let input = case["input"].as_str().expect("every case has an input").as_bytes();
            for _ in 0..ROUNDS_A_LINE {
                let mut damaged = input.to_vec();
                chance.damage(&mut damaged);
                exercise(&damaged, &mut chance);
            }
            lines += 1;
        }
    }
    println!("{lines} lines, {ROUNDS_A_LINE} times each");
    assert_eq!(lines, 332);
}
