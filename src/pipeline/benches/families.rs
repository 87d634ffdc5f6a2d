//! Events a second of typical pipelines, by family: `cargo bench -p pipeline`.
#![allow(missing_docs)] // criterion's macros make a public function

mod workloads;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use workloads::{RECORDS, all};

fn families(criterion: &mut Criterion) {
    for workload in all() {
        let mut group = criterion.benchmark_group(workload.family);
        group.throughput(Throughput::Elements(RECORDS as u64));
        let name = workload.name;
        let mut ready = workload.ready();
        group.bench_function(name, |bencher| bencher.iter(|| ready.run()));
        group.finish();
    }
}

criterion_group!(benches, families);
criterion_main!(benches);
