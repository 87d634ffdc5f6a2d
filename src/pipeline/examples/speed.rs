//! Nanoseconds per event of typical pipelines, 256-byte records in, JSON out; single thread, best of rounds. For a quick
//! look and for profilers; `cargo bench -p pipeline` measures with care.
//!
//! `cargo run --release -p pipeline --example speed [part of a name]`

#[path = "../benches/workloads/mod.rs"]
mod workloads;

use std::time::{Duration, Instant};
use workloads::{RECORDS, Ready, all};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(200);

fn main() {
    let wanted = std::env::args().nth(1).unwrap_or_default();
    for workload in all().into_iter().filter(|workload| workload.name.contains(&wanted)) {
        let (family, name) = (workload.family, workload.name);
        let nanos = measure(&mut workload.ready());
        println!("{family:10} {name:30} {nanos:8.1} ns/event {:11.0} events/s", 1e9 / nanos);
    }
}

fn measure(ready: &mut Ready) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let mut events = 0;
        while start.elapsed() < ROUND {
            ready.run();
            events += RECORDS;
        }
        best = best.min(start.elapsed().as_nanos() as f64 / events as f64);
    }
    best
}
