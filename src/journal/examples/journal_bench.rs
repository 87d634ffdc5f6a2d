//! Measures a journal on a real disk: `cargo run --release -p journal --example journal_bench -- <folder> [megabytes]`.
//!
//! Prints, for each case, what it took. The cases: append with a sync for each 1 MiB, append with a sync in
//! the background, append without sync, read back, open again. The first and the third take turns with bare
//! writes to a laid-out file, which are the limit: disks and neighbours change from minute to minute.

#![expect(clippy::unwrap_used, reason = "a measurement stops where it is surprised")]

use std::io::IoSlice;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use journal::{Compression, Environment, Journal, Options, Position, Read};
use seams::{Clock, Disk, OpenMode, RealDisk, Rng};

const BATCH_BYTES: usize = 128 << 10;
const BATCHES_AT_ONCE: usize = 8;
const MIB: u64 = 1 << 20;

/// Before the other side takes its turn.
const ROUND_MEGABYTES: u64 = 60;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = PathBuf::from(arguments.next().expect("usage: journal_bench <folder> [megabytes]"));
    let megabytes = arguments.next().map_or(1024, |text| text.parse().expect("megabytes is a number"));
    let noise: Vec<u8> = {
        let mut bytes = vec![0; BATCH_BYTES * BATCHES_AT_ONCE];
        Rng::seeded(1).fill(&mut bytes);
        bytes
    };
    let line =
        b"<13>1 2026-01-01T00:00:00.000Z host app 4711 - - user=alice action=login src=10.1.2.3 port=51234\n";
    let text: Vec<u8> = (0..BATCH_BYTES * BATCHES_AT_ONCE).map(|at| line[at % line.len()]).collect();

    lay_out(&folder);
    synced(&folder, megabytes, &noise);
    synced_beside(&folder, megabytes, &noise);
    in_turns(&folder, "written", megabytes, &noise, false);
    written(&folder, "written, text, lz4", megabytes, &text, Compression::Lz4);
    written(&folder, "written, noise, lz4", megabytes, &noise, Compression::Lz4);
    read(&folder, megabytes);
}

fn open(folder: &Path, compression: Compression) -> Journal {
    let environment =
        Environment { disk: Arc::new(RealDisk), clock: Clock::system(), rng: Rng::from_system() };
    let options = Options { compression, floor_bytes: 0, ..Options::default() };
    Journal::open(environment, folder, options).unwrap().0
}

fn batches(bytes: &[u8]) -> Vec<[&[u8]; 1]> {
    bytes.chunks(BATCH_BYTES).map(|batch| [batch]).collect()
}

/// Appends 1 MiB and gives back all segments before it, so that the same few are used again and again.
fn append(journal: &Journal, batches: &[[&[u8]; 1]]) {
    let records: Vec<journal::Parts<'_>> = batches.iter().map(|batch| &batch[..]).collect();
    let appended = journal.append(&records).unwrap();
    journal.purge_prefix(appended.first);
}

/// Goes through the spares once, so that every later case overwrites segments that have all their blocks.
fn lay_out(folder: &Path) {
    let journal = open(folder, Compression::None);
    let started = Instant::now();
    journal.prepare().unwrap();
    println!("two spares laid out: {:.0} ms", started.elapsed().as_secs_f64() * 1000.0);
    let bytes = vec![1; BATCH_BYTES * BATCHES_AT_ONCE];
    for _ in 0..300 {
        append(&journal, &batches(&bytes));
    }
    journal.sync().unwrap();
}

/// 1 MiB and a sync, again and again, in turns with bare writes.
fn synced(folder: &Path, megabytes: u64, bytes: &[u8]) {
    in_turns(folder, "1 MiB, then sync", megabytes, bytes, true);
}

/// A round of the journal, then a round of bare writes, and so on.
fn in_turns(folder: &Path, name: &str, megabytes: u64, bytes: &[u8], sync: bool) {
    let (journal, batches) = (open(folder, Compression::None), batches(bytes));
    let bare = RealDisk.open(&folder.join("bare"), OpenMode::Create).unwrap();
    bare.lay_out((ROUND_MEGABYTES + 1) * MIB).unwrap();
    let (mut journal_time, mut bare_time) = (Duration::ZERO, Duration::ZERO);
    let mut journal_sectors = 0;
    let rounds = megabytes.div_ceil(ROUND_MEGABYTES);
    for _ in 0..rounds {
        let (before, started) = (sectors_written(folder), Instant::now());
        for _ in 0..ROUND_MEGABYTES {
            append(&journal, &batches);
            if sync {
                journal.sync().unwrap();
            }
        }
        journal_time += started.elapsed();
        journal.sync().unwrap();
        journal_sectors += sectors_written(folder) - before;
        let started = Instant::now();
        for round in 0..ROUND_MEGABYTES {
            bare.write_at(&mut [IoSlice::new(bytes)], 4096 + round * MIB).unwrap();
            if sync {
                bare.sync_data().unwrap();
            }
        }
        bare_time += started.elapsed();
        bare.sync_data().unwrap();
    }
    let megabytes = rounds * ROUND_MEGABYTES;
    let rate = |time: Duration| megabytes as f64 / time.as_secs_f64();
    println!("{name}: {:.0} MiB/s; bare writes {:.0} MiB/s", rate(journal_time), rate(bare_time));
    let payload = (megabytes * MIB) as f64;
    println!("  bytes to the device for each payload byte: {:.3}", journal_sectors as f64 * 512.0 / payload);
    RealDisk.remove(&folder.join("bare")).unwrap();
}

fn synced_beside(folder: &Path, megabytes: u64, bytes: &[u8]) {
    let (journal, batches) = (open(folder, Compression::None), batches(bytes));
    let stop = AtomicBool::new(false);
    let started = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                if journal.durable() < journal.records().end {
                    journal.sync().unwrap();
                }
                std::thread::yield_now();
            }
        });
        for _ in 0..megabytes {
            append(&journal, &batches);
        }
        journal.sync().unwrap();
        stop.store(true, Ordering::Relaxed);
    });
    report("sync in the background", started, megabytes);
    println!("  syncs: {}", journal.stats().counters.syncs);
}

fn written(folder: &Path, name: &str, megabytes: u64, bytes: &[u8], compression: Compression) {
    let (journal, batches) = (open(folder, compression), batches(bytes));
    let started = Instant::now();
    for _ in 0..megabytes {
        append(&journal, &batches);
    }
    report(name, started, megabytes);
    let counters = journal.stats().counters;
    println!(
        "  written per payload byte: {:.4}",
        counters.written_bytes as f64 / counters.appended_bytes as f64
    );
    journal.sync().unwrap();
}

fn read(folder: &Path, megabytes: u64) {
    let bytes = vec![7; BATCH_BYTES * BATCHES_AT_ONCE];
    let journal = open(folder, Compression::None);
    let first = journal.records().end;
    for _ in 0..megabytes {
        let records = batches(&bytes);
        let records: Vec<journal::Parts<'_>> = records.iter().map(|batch| &batch[..]).collect();
        journal.append(&records).unwrap();
    }
    journal.sync().unwrap();
    drop(journal);
    let started = Instant::now();
    let journal = open(folder, Compression::None);
    let segments = journal.stats().segments;
    println!("open with {segments} segments: {:.1} ms", started.elapsed().as_secs_f64() * 1000.0);
    let started = Instant::now();
    let mut reader = journal.read_from(first);
    while let Read::Record(_) = reader.next().unwrap() {}
    assert_eq!(reader.position(), Position(first.0 + megabytes * BATCHES_AT_ONCE as u64));
    report("read", started, megabytes);
    journal.purge_prefix(journal.records().end);
}

fn report(name: &str, started: Instant, megabytes: u64) {
    let seconds = started.elapsed().as_secs_f64();
    println!("{name}: {:.0} MiB/s ({megabytes} MiB in {seconds:.2} s)", megabytes as f64 / seconds);
}

/// Sectors of 512 bytes that the folder's device has written, for whomever; 0 where the kernel does not say.
fn sectors_written(folder: &Path) -> u64 {
    let device = std::fs::metadata(folder).unwrap().dev();
    let (major, minor) = ((device >> 8) & 0xfff, (device & 0xff) | ((device >> 12) & 0xfff00));
    let counts = std::fs::read_to_string(format!("/sys/dev/block/{major}:{minor}/stat")).unwrap_or_default();
    counts.split_whitespace().nth(6).and_then(|number| number.parse().ok()).unwrap_or(0)
}
