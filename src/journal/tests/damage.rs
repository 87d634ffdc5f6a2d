//! Torn ends, flipped bits, lost files: what is damaged is told, what is not is read, and opening always works.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod support;

use std::io::{ErrorKind, IoSlice};
use std::path::PathBuf;

use journal::inspect::{Depth, inspect};
use journal::{GapCause, Journal, OpenError, Position, Read, ReadError, StartAt};
use seams::{Disk, OpenMode, Operation, Rng};
use support::{Bench, SMALL_SEGMENT_BYTES, append, contents, folder};

/// Three segments with records of 500 bytes, synced; the process has ended.
fn written(seed: u64) -> Bench {
    let mut bench = Bench::new(seed);
    let (journal, _) = bench.open();
    for number in 0..20u8 {
        append(&journal, &[number; 500]);
    }
    journal.sync().unwrap();
    assert_eq!(journal.stats().segments, 3);
    bench.disk = bench.disk.process_killed();
    bench
}

fn segments(bench: &Bench) -> Vec<PathBuf> {
    let mut names: Vec<String> =
        bench.disk.list(&folder()).unwrap().into_iter().map(|entry| entry.name).collect();
    names.retain(|name| name.ends_with(".segment"));
    names.sort();
    names.into_iter().map(|name| folder().join(name)).collect()
}

/// Checks that every record is either read as it was written or in a gap, and returns how many are missing.
fn missing(journal: &Journal) -> u64 {
    let (found, gaps) = contents(journal);
    for (position, bytes) in &found {
        assert_eq!(bytes, &vec![*position as u8; 500]);
    }
    assert!(gaps.iter().all(|gap| gap.cause == GapCause::Damaged));
    let missing: u64 = gaps.iter().map(|gap| gap.records()).sum();
    assert_eq!(found.len() as u64 + missing, journal.records().end.0);
    missing
}

#[test]
fn a_record_torn_at_any_byte_is_cut_and_the_whole_ones_survive() {
    const WHOLE: u64 = 3;
    const EXTENT: u64 = 40 + 504;
    for kept in 0..EXTENT {
        let mut bench = Bench::new(1);
        let (journal, _) = bench.open();
        for number in 0..=WHOLE {
            append(&journal, &[number as u8 + 1; 501]);
        }
        bench.disk = bench.disk.process_killed();
        let file = bench.disk.open(&segments(&bench)[0], OpenMode::Write).unwrap();
        let torn_at = 4096 + WHOLE * EXTENT + kept;
        let zeros = vec![0; (EXTENT - kept) as usize];
        file.write_at(&mut [IoSlice::new(&zeros)], torn_at).unwrap();
        let (journal, recovery) = bench.open();
        // The last three bytes are padding.
        let whole = if kept >= EXTENT - 3 { WHOLE + 1 } else { WHOLE };
        assert_eq!((recovery.end, recovery.gaps.len()), (Position(whole), 0), "{kept} bytes kept");
        assert_eq!(append(&journal, b"next"), Position(whole));
        let (found, gaps) = contents(&journal);
        assert_eq!((found.len() as u64, gaps.len()), (whole + 1, 0));
        assert_eq!(found[&whole], b"next");
    }
}

#[test]
fn a_flipped_bit_anywhere_costs_at_most_the_record_it_is_in() {
    let rng = Rng::seeded(5);
    let mut lost = 0;
    for byte in (0..SMALL_SEGMENT_BYTES).step_by(3) {
        for segment in [0, 2] {
            let bench = written(1);
            assert!(bench.disk.flip_bit(&segments(&bench)[segment], byte, rng.below(8) as u8));
            let (journal, _) = bench.open();
            // In the last record of the newest segment it can't be told from a torn end.
            let missing = missing(&journal) + Position(20).since(journal.records().end);
            assert!(missing <= 1, "byte {byte} of segment {segment}: {missing} records missing");
            lost += missing;
        }
    }
    assert!(lost > 1000, "{lost}");
}

#[test]
fn damage_in_the_middle_of_the_newest_segment_does_not_cut_off_what_follows() {
    let bench = written(1);
    let newest = &segments(&bench)[2];
    let file = bench.disk.open(newest, OpenMode::Write).unwrap();
    file.write_at(&mut [IoSlice::new(&[0xff; 700])], 4096 + 100).unwrap();
    let (journal, recovery) = bench.open();
    assert_eq!(recovery.end, Position(20));
    assert_eq!((recovery.gaps.len(), recovery.damaged_records), (1, 2));
    assert_eq!((recovery.gaps[0].from, recovery.gaps[0].to), (Position(14), Position(16)));
    assert_eq!(missing(&journal), 2);
}

#[test]
fn random_garbage_in_all_files_never_keeps_a_journal_from_opening() {
    for seed in 0..300 {
        let rng = Rng::seeded(seed);
        let bench = written(seed);
        let (journal, _) = bench.open();
        journal.open_cursor("c", StartAt::Oldest).unwrap();
        drop(journal);
        for entry in bench.disk.list(&folder()).unwrap() {
            let file = bench.disk.open(&folder().join(&entry.name), OpenMode::Write).unwrap();
            for _ in 0..rng.below(4) {
                let mut garbage = vec![0; rng.below(3000) as usize];
                rng.fill(&mut garbage);
                file.write_at(&mut [IoSlice::new(&garbage)], rng.below(entry.len + 1)).unwrap();
            }
            if rng.chance(1, 6) {
                file.set_len(rng.below(entry.len + 1)).unwrap();
            }
        }
        let (journal, _) = bench.open();
        missing(&journal);
        let cursor = journal.open_cursor("c", StartAt::Newest).unwrap();
        assert!(journal.watermark(cursor) <= journal.records().end);
        let end = append(&journal, b"still works");
        let (found, _) = contents(&journal);
        assert_eq!(found[&end.0], b"still works");
        inspect(&bench.disk, &folder(), Depth::Verify).unwrap();
    }
}

#[test]
fn a_missing_segment_is_a_gap() {
    let bench = written(1);
    bench.disk.remove(&segments(&bench)[1]).unwrap();
    let (journal, _) = bench.open();
    assert_eq!(missing(&journal), 7);
}

#[test]
fn a_lost_cursor_file_repeats_records_and_loses_none() {
    let bench = written(1);
    let (journal, _) = bench.open();
    let cursor = journal.open_cursor("target", StartAt::Oldest).unwrap();
    journal.settle(cursor, Position(0)..Position(9));
    journal.persist_cursors().unwrap();
    drop(journal);
    let (journal, recovery) = bench.open();
    assert!(!recovery.cursors_damaged);
    let cursor = journal.open_cursor("target", StartAt::Newest).unwrap();
    assert_eq!(journal.watermark(cursor), Position(9));
    drop(journal);
    bench.disk.remove(&folder().join("cursors")).unwrap();
    let (journal, recovery) = bench.open();
    assert!(recovery.cursors_damaged);
    let cursor = journal.open_cursor("target", StartAt::Newest).unwrap();
    assert_eq!(journal.watermark(cursor), Position(0));
    assert_eq!(missing(&journal), 0);
}

#[test]
fn another_format_is_refused_with_advice() {
    for (format, advice) in [(0u32, "let the version that wrote it deliver"), (2, "later version")] {
        for (file, checked) in [("segment", 40usize), ("cursors", 12)] {
            let bench = written(1);
            let (journal, _) = bench.open();
            journal.open_cursor("c", StartAt::Oldest).unwrap();
            drop(journal);
            let path = if file == "segment" { segments(&bench).pop().unwrap() } else { folder().join(file) };
            let open = bench.disk.open(&path, OpenMode::Write).unwrap();
            let mut header = vec![0; checked];
            open.read_exact_at(&mut header, 0).unwrap();
            header[8..12].copy_from_slice(&format.to_le_bytes());
            // CRC-32C, bit by bit, so that the test does not depend on what it tests.
            let crc = !header.iter().fold(u32::MAX, |crc, &byte| {
                (0..8).fold(crc ^ u32::from(byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1)))
            });
            header.extend_from_slice(&crc.to_le_bytes());
            open.write_at(&mut [IoSlice::new(&header)], 0).unwrap();
            let error = bench.try_open().unwrap_err();
            assert!(matches!(error, OpenError::Version(_)), "{error}");
            assert!(error.to_string().contains(advice), "{error}");
        }
    }
}

#[test]
fn bytes_that_the_disk_does_not_return_are_an_error_until_they_are_set_aside() {
    let bench = written(1);
    let (journal, _) = bench.open();
    let mut reader = journal.read_from(Position(0));
    assert!(matches!(reader.next().unwrap(), Read::Record(_)));
    bench.disk.fail_next(Operation::ReadAt, 7, ErrorKind::Other);
    let (mut failures, mut records, mut missing) = (0, 1, 0);
    loop {
        match reader.next() {
            Ok(Read::Record(_)) => records += 1,
            Ok(Read::Gap(gap)) => missing += gap.records(),
            Ok(Read::CaughtUp) => break,
            Err(ReadError::Disk(_)) if failures == 0 => failures += 1,
            Err(ReadError::Disk(_)) => reader.set_aside_unreadable(),
            Err(error) => panic!("{error}"),
        }
    }
    assert!(failures == 1 && missing > 0 && records + missing == 20, "{failures} {records} {missing}");
}
