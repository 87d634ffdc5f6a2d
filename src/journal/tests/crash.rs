//! Crashes at any moment: what was durable is there after a power cut, what was appended is there after
//! the process was killed, and nothing is there that was not appended.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;

use journal::{Compression, CursorId, Journal, Position, StartAt, SyncError};
use seams::{Disk, Operation, Rng};
use support::{Bench, append, contents, payload};

const CURSORS: [&str; 2] = ["one", "two"];

/// What the journal must and may hold.
#[derive(Default)]
struct Model {
    /// Appended and not cut.
    must: BTreeMap<u64, Vec<u8>>,
    /// Of the history, for those who have to find out why it failed.
    seed: u64,
    /// Those that a cut which failed may have taken.
    uncertain: BTreeMap<u64, Vec<u8>>,
    /// Everything that was ever given to an append, by the position that it would have had.
    may: BTreeMap<u64, BTreeSet<Vec<u8>>>,
    durable: u64,
    /// Records before this were released by then: they may be back, or not, or in part.
    start: u64,
    settled: [BTreeSet<u64>; 2],
    next_number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Crash {
    PowerCut,
    ProcessKilled,
}

/// One process: from opening to a crash at a call, or to its end.
struct Life<'a> {
    bench: &'a mut Bench,
    model: &'a mut Model,
    rng: &'a Rng,
    journal: Journal,
    cursors: [CursorId; 2],
}

impl Life<'_> {
    /// A random thing; false when it failed.
    fn act(&mut self) -> bool {
        match self.rng.below(20) {
            0..=8 => self.append(),
            9..=11 => self.sync(),
            12..=13 => self.settle(),
            14 => self.journal.persist_cursors().is_ok(),
            15 => {
                self.journal.release();
                true
            }
            16 => self.journal.prepare().is_ok(),
            17 => self.cut(),
            18 => self.journal.expire().is_ok(),
            _ => self.read(),
        }
    }

    fn append(&mut self) -> bool {
        let records = 1 + self.rng.below(3);
        let mut batch = Vec::new();
        let end = self.journal.records().end.0;
        for position in end..end + records {
            let bytes = payload(self.rng, self.model.next_number, 900);
            self.model.next_number += 1;
            self.model.may.entry(position).or_default().insert(bytes.clone());
            batch.push(bytes);
        }
        let parts: Vec<[&[u8]; 2]> = batch.iter().map(|bytes| [&bytes[..3], &bytes[3..]]).collect();
        let parts: Vec<journal::Parts<'_>> = parts.iter().map(|parts| &parts[..]).collect();
        let Ok(appended) = self.journal.append(&parts) else { return false };
        assert_eq!((appended.first.0, appended.next.0), (end, end + records));
        for (position, bytes) in (end..).zip(batch) {
            self.model.must.insert(position, bytes);
        }
        true
    }

    fn sync(&mut self) -> bool {
        match self.journal.sync() {
            Ok(durable) => {
                assert_eq!(durable, self.journal.records().end);
                self.model.durable = durable.0;
                true
            }
            Err(SyncError::Disk(_)) => false,
            Err(SyncError::Lost(gap)) => panic!("{gap:?}"),
        }
    }

    fn settle(&mut self) -> bool {
        let records = self.journal.records();
        let which = self.rng.below(2) as usize;
        let from = self.journal.watermark(self.cursors[which]).0 + self.rng.below(3);
        let to = (from + self.rng.below(8)).min(records.end.0);
        if from < to {
            self.model.settled[which].extend(from..to);
            self.journal.settle(self.cursors[which], Position(from)..Position(to));
        }
        true
    }

    fn cut(&mut self) -> bool {
        let records = self.journal.records();
        let position = records.end.0.saturating_sub(self.rng.below(3)).max(records.start.0);
        // Whether it happened or not is open while it runs.
        let cut = self.model.must.split_off(&position);
        self.model.durable = self.model.durable.min(position);
        if self.journal.cut_suffix(Position(position)).is_ok() {
            for settled in &mut self.model.settled {
                settled.retain(|&settled| settled < position);
            }
            return true;
        }
        self.model.uncertain.extend(cut);
        false
    }

    fn read(&mut self) -> bool {
        let mut reader = self.journal.read_from(self.journal.records().start);
        while let Ok(read) = reader.next() {
            match read {
                journal::Read::Record(record) => {
                    let position = record.position.0;
                    let expected = self.model.must.get(&position).or(self.model.uncertain.get(&position));
                    assert_eq!(expected.map(|bytes| &bytes[..]), Some(&record.payload[..]));
                }
                journal::Read::Gap(gap) => {
                    assert!((gap.from.0..gap.to.0).all(|position| !self.model.must.contains_key(&position)));
                }
                journal::Read::CaughtUp => return true,
            }
        }
        false
    }
}

/// Opens, checks what is there against the model, and takes that for the truth from here on.
fn open_and_check<'a>(bench: &'a mut Bench, model: &'a mut Model, rng: &'a Rng, crash: Crash) -> Life<'a> {
    let (journal, recovery) = bench.open();
    let cursors = CURSORS.map(|name| journal.open_cursor(name, StartAt::Oldest).unwrap());
    let (found, gaps) = contents(&journal);
    let records = journal.records();
    assert_eq!((recovery.start, recovery.end), (records.start, records.end));
    for (position, bytes) in &found {
        assert!(model.may[position].contains(bytes), "position {position} holds what nobody appended there");
    }
    let needed = |position: u64| model.settled.iter().any(|settled| !settled.contains(&position));
    for (&position, bytes) in &model.must {
        let kept = crash == Crash::ProcessKilled || position < model.durable;
        if kept && (needed(position) || position >= model.start.max(records.start.0)) {
            let found = found.get(&position) == Some(bytes);
            let seed = model.seed;
            assert!(found, "seed {seed}: position {position}, {crash:?}, {recovery:?}, {gaps:?}");
        }
    }
    for (cursor, settled) in cursors.iter().zip(&mut model.settled) {
        let now: BTreeSet<u64> =
            (records.start.0..records.end.0).filter(|&p| journal.is_settled(*cursor, Position(p))).collect();
        assert!(now.is_subset(settled), "{now:?} {settled:?}");
        *settled = (0..records.start.0).chain(now).collect();
        assert!(journal.watermark(*cursor) <= records.end);
    }
    model.must = found;
    model.start = records.start.0;
    model.uncertain.clear();
    model.durable = model.durable.min(records.end.0);
    Life { bench, model, rng, journal, cursors }
}

/// A few lives of a journal, each ended by a crash after a number of calls to the disk.
fn lives(seed: u64, calls: impl Fn(&Rng) -> u64, faults: bool) {
    let rng = Rng::seeded(seed);
    let (mut bench, mut model) = (Bench::new(seed), Model { seed, ..Model::default() });
    if seed.is_multiple_of(3) {
        bench.options.compression = Compression::Lz4;
    }
    let mut crash = Crash::PowerCut;
    for _ in 0..4 {
        let mut life = open_and_check(&mut bench, &mut model, &rng, crash);
        life.bench.disk.stop_at(life.bench.disk.operations() + calls(&rng));
        for _ in 0..60 {
            if faults && rng.chance(1, 6) {
                let kind = if rng.chance(1, 2) { ErrorKind::StorageFull } else { ErrorKind::Other };
                life.bench.disk.fail_at(life.bench.disk.operations() + rng.below(4), kind);
            }
            if !life.act() && !faults {
                break;
            }
        }
        life.model.start = life.journal.records().start.0;
        let sync_failures = life.journal.stats().counters.sync_failures;
        let killed = bench.disk.process_killed();
        // A process that is killed between a failed sync and its mark leaves its successor in the dark:
        // the kernel tells a failure once. Then only a power cut at the same moment shows what is kept.
        let marked = killed
            .list(&support::folder())
            .is_ok_and(|files| files.iter().any(|file| file.name == "sync-failed"));
        let in_the_dark = sync_failures > 0 && !marked;
        crash = if in_the_dark || rng.chance(1, 2) { Crash::PowerCut } else { Crash::ProcessKilled };
        let disk = match crash {
            Crash::PowerCut => killed.power_cut(),
            Crash::ProcessKilled => killed,
        };
        bench.disk = disk;
    }
    open_and_check(&mut bench, &mut model, &rng, crash);
}

#[test]
fn nothing_durable_is_lost_by_a_crash_at_any_call() {
    for seed in 0..1000 {
        lives(seed, |rng| rng.below(150), false);
    }
}

#[test]
fn nothing_durable_is_lost_by_a_crash_at_each_call_of_one_history() {
    for stop in 0..250 {
        for seed in 0..2 {
            lives(seed, |_| stop, false);
        }
    }
}

#[test]
fn nothing_durable_is_lost_when_calls_fail_before_the_crash() {
    for seed in 0..1000 {
        lives(10_000 + seed, |rng| 50 + rng.below(300), true);
    }
}

#[test]
fn a_failed_sync_makes_nothing_durable_and_the_next_one_saves_everything() {
    for seed in 0..200 {
        let mut bench = Bench::new(seed);
        let (journal, _) = bench.open();
        for number in 0..30u8 {
            append(&journal, &[number; 700]);
        }
        bench.disk.fail_next(Operation::SyncData, 1, ErrorKind::Other);
        assert!(matches!(journal.sync(), Err(SyncError::Disk(_))));
        assert_eq!(journal.durable(), Position(0));
        append(&journal, b"after");
        assert_eq!(journal.sync().unwrap(), Position(31));
        let mut reader = journal.read_from(Position(0));
        append(&journal, b"last");
        assert_eq!(support::read_all(&mut reader).0.len(), 32);
        bench.disk = bench.disk.power_cut();
        let (journal, _) = bench.open();
        let (found, gaps) = contents(&journal);
        assert!(gaps.is_empty() && (31..=32).contains(&found.len()), "seed {seed}: {} {gaps:?}", found.len());
        assert_eq!((&found[&29][..], &found[&30][..]), (&[29; 700][..], &b"after"[..]));
    }
}

#[test]
fn a_failed_write_appends_nothing_and_the_next_append_goes_elsewhere() {
    for seed in 0..200 {
        let mut bench = Bench::new(seed);
        let (journal, _) = bench.open();
        append(&journal, b"before");
        bench.disk.fail_next(Operation::WriteAt, 1, ErrorKind::Other);
        let batch: [&[&[u8]]; 3] = [&[b"a"], &[b"b"], &[b"c"]];
        assert!(journal.append(&batch).is_err());
        assert_eq!(journal.records().end, Position(1));
        append(&journal, b"after");
        bench.disk = bench.disk.process_killed();
        let (journal, _) = bench.open();
        let (found, gaps) = contents(&journal);
        assert_eq!(found.into_values().collect::<Vec<_>>(), [b"before".to_vec(), b"after".to_vec()]);
        assert!(gaps.is_empty());
    }
}

#[test]
fn records_that_take_the_positions_of_lost_ones_are_not_taken_for_settled() {
    let mut lost = 0;
    for seed in 0..300 {
        let mut bench = Bench::new(seed);
        let (journal, _) = bench.open();
        let cursor = journal.open_cursor("target", StartAt::Oldest).unwrap();
        for number in 0..10u8 {
            append(&journal, &[number; 300]);
        }
        journal.settle(cursor, Position(0)..Position(10));
        journal.persist_cursors().unwrap();
        bench.disk = bench.disk.power_cut();
        // Nobody asks for a cursor before the first append.
        let (journal, recovery) = bench.open();
        let end = recovery.end;
        lost += u64::from(end < Position(10) && recovery.cursors_lowered == 1);
        for _ in 0..10 {
            append(&journal, b"new");
        }
        journal.sync().unwrap();
        bench.disk = bench.disk.power_cut();
        let (journal, _) = bench.open();
        let cursor = journal.open_cursor("target", StartAt::Newest).unwrap();
        assert!(journal.watermark(cursor) <= end, "seed {seed}");
        assert!(
            (end.0..end.0 + 10).all(|position| !journal.is_settled(cursor, Position(position))),
            "seed {seed}"
        );
    }
    assert!(lost > 50, "{lost}");
}

#[test]
fn a_failed_sync_of_a_file_that_another_segment_has_by_now_loses_nothing_of_that_one() {
    for seed in 0..50 {
        let mut bench = Bench::new(seed);
        let (journal, _) = bench.open();
        for number in 0..12u8 {
            append(&journal, &[number; 900]);
        }
        journal.purge_prefix(Position(8));
        for number in 12..24u8 {
            append(&journal, &[number; 900]);
        }
        bench.disk.fail_next(Operation::SyncData, 1, ErrorKind::Other);
        assert!(matches!(journal.sync(), Err(SyncError::Disk(_))));
        assert_eq!(journal.sync().unwrap(), Position(24));
        bench.disk = bench.disk.power_cut();
        let (journal, _) = bench.open();
        let (found, _) = contents(&journal);
        assert_eq!(found.keys().next_back(), Some(&23), "seed {seed}");
        assert!((8..24).all(|position| found.contains_key(&position)), "seed {seed}: {:?}", found.keys());
    }
}

#[test]
fn what_an_unfinished_copy_held_is_not_back_after_the_next_one() {
    let mut shorter = 0;
    for seed in 0..300 {
        let mut bench = Bench::new(seed);
        let (journal, _) = bench.open();
        for number in 0..3u8 {
            append(&journal, &[number; 700]);
        }
        bench.disk.fail_next(Operation::SyncData, 1, ErrorKind::Other);
        assert!(journal.sync().is_err());
        bench.disk.fail_next(Operation::SyncFolder, 1, ErrorKind::Other);
        let _ = journal.sync();
        bench.disk = bench.disk.power_cut();
        let (journal, before) = bench.open();
        shorter += u64::from(before.end < Position(3));
        journal.sync().unwrap();
        bench.disk = bench.disk.process_killed();
        let (_, after) = bench.open();
        assert_eq!(after.end, before.end, "seed {seed}");
    }
    assert!(shorter > 20, "{shorter}");
}
