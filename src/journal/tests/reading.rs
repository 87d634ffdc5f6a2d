//! What was appended is what is read: in order, by position, by time, after a cut, from outside.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod support;

use std::collections::BTreeMap;
use std::time::Duration;

use journal::inspect::{Depth, extract, inspect};
use journal::{Compression, Position, Read, ReadError, StartAt};
use proptest::prelude::*;
use support::{Bench, append, contents, folder, read_all};

proptest! {
    #[test]
    fn exactly_the_appended_bytes_come_back_in_order(
        batches in prop::collection::vec(prop::collection::vec((any::<u8>(), 0..1200usize, 0..1200usize), 0..3), 0..25),
        compressed in any::<bool>(),
        from in 0..40u64,
    ) {
        let mut bench = Bench::new(1);
        if compressed {
            bench.options.compression = Compression::Lz4;
        }
        let (journal, _) = bench.open();
        let mut reader = journal.read_from(Position(0));
        let (mut expected, mut read) = (BTreeMap::new(), BTreeMap::new());
        for batch in batches {
            let bytes: Vec<Vec<u8>> = batch
                .iter()
                .map(|&(byte, len, at)| (0..len).map(|n| if n < at { byte } else { (n * n / 7) as u8 }).collect())
                .collect();
            let parts: Vec<[&[u8]; 3]> =
                bytes.iter().map(|bytes| [&bytes[..bytes.len() / 3], &[][..], &bytes[bytes.len() / 3..]]).collect();
            let records: Vec<journal::Parts<'_>> = parts.iter().map(|parts| &parts[..]).collect();
            let appended = journal.append(&records).unwrap();
            prop_assert_eq!(appended.next.since(appended.first), bytes.len() as u64);
            expected.extend((appended.first.0..).zip(bytes));
            read.extend(read_all(&mut reader).0);
        }
        prop_assert_eq!(&read, &expected);
        let tail = expected.split_off(&from);
        let from = Position(from).min(journal.records().end);
        prop_assert_eq!(read_all(&mut journal.read_from(from)).0, tail);
    }
}

#[test]
fn a_cut_suffix_is_gone_for_good_and_its_positions_are_used_again() {
    let mut bench = Bench::new(1);
    let (journal, _) = bench.open();
    let cursor = journal.open_cursor("applied", StartAt::Oldest).unwrap();
    for number in 0..20u8 {
        append(&journal, &[number; 700]);
    }
    journal.settle(cursor, Position(0)..Position(18));
    let mut reader = journal.read_from(Position(3));
    journal.cut_suffix(Position(11)).unwrap();
    assert!(matches!(reader.next(), Err(ReadError::Cut)));
    assert_eq!(journal.records(), Position(0)..Position(11));
    assert_eq!(journal.watermark(cursor), Position(11));
    assert_eq!(append(&journal, b"new"), Position(11));
    assert_eq!(journal.sync().unwrap(), Position(12));
    bench.disk = bench.disk.power_cut();
    let (journal, _) = bench.open();
    let (found, gaps) = contents(&journal);
    assert_eq!((found.len(), gaps.len()), (12, 0));
    assert_eq!((&found[&10][..], &found[&11][..]), (&[10; 700][..], &b"new"[..]));
    journal.cut_suffix(Position(50)).unwrap();
    assert_eq!(journal.records().end, Position(12));
}

#[test]
fn a_purged_prefix_is_told_to_readers_that_needed_it() {
    let bench = Bench::new(1);
    let (journal, _) = bench.open();
    for number in 0..20u8 {
        append(&journal, &[number; 700]);
    }
    let mut reader = journal.read_from(Position(0));
    let start = journal.purge_prefix(Position(13));
    assert!(start > Position(5) && start <= Position(13), "{start}");
    let Read::Gap(gap) = reader.next().unwrap() else { panic!("expected a gap") };
    assert_eq!((gap.from, gap.to), (Position(0), start));
    assert_eq!(read_all(&mut reader).0.len() as u64, 20 - start.0);
}

#[test]
fn a_time_leads_to_the_first_record_appended_since() {
    let bench = Bench::new(1);
    let (journal, _) = bench.open();
    let clock = bench.hand.clock();
    assert_eq!(journal.position_at(0).unwrap(), Position(0));
    let mut times = Vec::new();
    for number in 0..50u8 {
        bench.hand.advance(Duration::from_secs(10));
        times.push(clock.unix_nanos());
        append(&journal, &[number; 600]);
    }
    for (position, &time) in times.iter().enumerate() {
        assert_eq!(journal.position_at(time).unwrap(), Position(position as u64));
        assert_eq!(journal.position_at(time + 1).unwrap(), Position(position as u64 + 1));
    }
}

#[test]
fn a_folder_can_be_inspected_and_extracted_beside_its_process() {
    let bench = Bench::new(1);
    let (journal, _) = bench.open();
    journal.prepare().unwrap();
    let cursor = journal.open_cursor("target", StartAt::Oldest).unwrap();
    for number in 0..20u8 {
        append(&journal, &[number; 700]);
    }
    journal.settle(cursor, Position(0)..Position(6));
    journal.persist_cursors().unwrap();
    let found = inspect(&bench.disk, &folder(), Depth::Verify).unwrap();
    assert_eq!(found.segments.len() as u64, journal.stats().segments);
    assert_eq!(found.segments.last().unwrap().positions.end, Position(20));
    assert!(found.segments.iter().all(|segment| segment.gaps.is_empty() && !segment.header_damaged));
    assert_eq!(found.cursors, journal.cursors());
    assert!(found.cursors_intact && found.strangers.is_empty());
    let mut extracted = Vec::new();
    let gaps = extract(&bench.disk, &folder(), Position(4)..Position(17), |record| {
        extracted.push((record.position.0, record.payload[0]));
        true
    });
    assert!(gaps.unwrap().is_empty());
    assert_eq!(extracted, (4..17).map(|number| (number, number as u8)).collect::<Vec<_>>());
    let damaged = folder().join(&found.segments[1].name);
    assert!(bench.disk.flip_bit(&damaged, 4096 + 50, 1));
    let headers = inspect(&bench.disk, &folder(), Depth::Headers).unwrap();
    assert!(headers.segments.iter().all(|segment| segment.gaps.is_empty()));
    let verified = inspect(&bench.disk, &folder(), Depth::Verify).unwrap();
    assert_eq!(verified.segments[1].gaps.len(), 1);
    assert_eq!(verified.segments[1].gaps[0].records(), 1);
}
