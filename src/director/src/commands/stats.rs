//! `-stats`: counters as a table.

use super::say;
use crate::client::{Client, block_on};
use crate::exit::Exit;
use crate::failed::Failed;
use crate::place::Place;
use std::fmt::Write;
use supervisors::control::stats::{DeviceStats, Named, ProcessorStats, QuarantineStats, Stats, TargetStats};

/// Prints the counters of devices, targets and processors since the start.
pub(super) fn stats(place: &Place) -> Result<Exit, Failed> {
    let stats: Stats = block_on(Client::of(place).get("/stats"))?;
    say(&table(&stats))
}

fn table(stats: &Stats) -> String {
    let mut text = format!("{:<24} {:>14} {:>14} {:>10}  and\n", "device", "accepted", "settled", "held");
    for device in &stats.devices {
        let DeviceStats { name, accepted, settled, held, .. } = device;
        let _ =
            writeln!(text, "{name:<24} {accepted:>14} {settled:>14} {held:>10}  {}", besides_device(device));
    }
    let _ = writeln!(text, "\n{:<24} {:>14} {:>14} {:>10}  and", "target", "due", "delivered", "held");
    for target in &stats.targets {
        let TargetStats { name, due, delivered, held, .. } = target;
        let _ = writeln!(text, "{name:<24} {due:>14} {delivered:>14} {held:>10}  {}", besides_target(target));
    }
    if let Some(journal) = &stats.journal {
        let _ = writeln!(
            text,
            "\njournal: {} batches wait to be written, {} are under way, {} segments, {} MiB of disk, {} records lost",
            journal.waiting,
            journal.unsettled,
            journal.segments,
            journal.disk_bytes >> 20,
            journal.lost,
        );
    }
    write_processors(&mut text, &stats.processors);
    let (used, capacity) = (stats.budget.used / 1024, stats.budget.capacity / 1024);
    let _ = write!(
        text,
        "\nmemory for received data: {used} of {capacity} KiB; process: {:.1} s CPU, {} MB resident, {} open files\n",
        stats.process.cpu_seconds,
        stats.process.resident_bytes / 1_000_000,
        stats.process.open_files,
    );
    let quarantine = stats.quarantine;
    if quarantine != QuarantineStats::default() {
        let QuarantineStats { events, waiting, not_kept, overwritten, .. } = quarantine;
        let _ = writeln!(
            text,
            "quarantine: {events} events, {waiting} of them not replayed; {not_kept} dropped because they could not be \
             kept, {overwritten} made room for newer ones"
        );
    }
    text
}

fn write_processors(text: &mut String, processors: &[ProcessorStats]) {
    if processors.is_empty() {
        return;
    }
    let _ =
        writeln!(text, "\n{:<24} {:>14} {:>14} {:>10}  and", "processor", "executed", "failed", "ns each");
    for one in processors {
        let ProcessorStats { executed, failed, .. } = one;
        let name = format!("{}/{} {}", one.pipeline, one.step, one.processor);
        let each = one.seconds * 1e9 / (*executed).max(1) as f64;
        let tag = if one.tag.is_empty() { String::new() } else { format!("tag {} ", one.tag) };
        let dropped = if one.dropped > 0 { format!("dropped {}", one.dropped) } else { String::new() };
        let line = format!("{name:<24} {executed:>14} {failed:>14} {each:>10.0}  {tag}{dropped}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
}

fn besides_device(device: &DeviceStats) -> String {
    let counted = [
        ("open", u64::try_from(device.open).unwrap_or(0)),
        ("refused", device.refused),
        ("denied", device.denied),
        ("truncated", device.truncated),
    ];
    let mut all: Vec<String> =
        counted.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
    all.extend(named("dropped", &device.dropped).chain(named("lost", &device.lost)));
    all.join(", ")
}

fn besides_target(target: &TargetStats) -> String {
    let spool = &target.spool;
    let counted = [
        ("spooled", target.spooled),
        ("waiting on disk", spool.held),
        ("delivered from disk", spool.delivered),
        ("repeated", target.repeated),
    ];
    let mut all: Vec<String> =
        counted.iter().filter(|(_, n)| *n > 0).map(|(name, n)| format!("{name} {n}")).collect();
    all.extend(named("dropped", &target.dropped).chain(named("quarantined", &target.quarantined)));
    all.extend(named("dropped from disk", &spool.dropped));
    all.extend(named("trouble", &target.troubles));
    all.join(", ")
}

fn named(what: &str, counters: &Named) -> impl Iterator<Item = String> {
    counters.iter().map(move |(name, n)| format!("{what} ({name}) {n}"))
}
