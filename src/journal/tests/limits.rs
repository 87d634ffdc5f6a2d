//! Quotas, age, floor, a full disk, the reserve, and how a journal comes back from them.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod support;

use std::io::ErrorKind;
use std::time::Duration;

use journal::{
    AppendError, Full, GapCause, Options, OptionsError, Position, Prepared, Read, StartAt, WhenFull,
};
use seams::Disk;
use support::{Bench, SMALL_SEGMENT_BYTES, append, contents};

const DAY: Duration = Duration::from_secs(86_400);

fn fill(journal: &journal::Journal) -> (u64, AppendError) {
    let mut appended = 0;
    loop {
        match journal.append(&[&[&[7; 1000]]]) {
            Ok(_) => appended += 1,
            Err(error) => return (appended, error),
        }
        assert!(appended < 10_000);
    }
}

#[test]
fn at_the_quota_appends_are_refused_until_readers_have_settled() {
    let mut bench = Bench::new(1);
    bench.options.quota_bytes = 5 * SMALL_SEGMENT_BYTES;
    let (journal, _) = bench.open();
    let cursor = journal.open_cursor("target", StartAt::Oldest).unwrap();
    assert_eq!(journal.prepare().unwrap(), Prepared::Ready);
    let (appended, error) = fill(&journal);
    assert!(matches!(error, AppendError::Full { cause: Full::Quota { .. }, .. }), "{error}");
    assert!(error.to_string().contains("quota"), "{error}");
    assert!(journal.stats().disk_bytes <= bench.options.quota_bytes);
    assert_eq!(journal.records().end, Position(appended));
    journal.settle(cursor, Position(0)..Position(7));
    journal.release();
    assert_eq!(append(&journal, b"again"), Position(appended));
}

#[test]
fn at_the_quota_the_oldest_are_dropped_if_so_configured_and_counted() {
    let mut bench = Bench::new(1);
    bench.options.quota_bytes = 5 * SMALL_SEGMENT_BYTES;
    bench.options.when_full = WhenFull::DropOldest;
    let (journal, _) = bench.open();
    let cursor = journal.open_cursor("target", StartAt::Oldest).unwrap();
    let mut reader = journal.read_from(Position(0));
    let (mut dropped_records, mut dropped_until) = (0, Position(0));
    for _ in 0..100 {
        if let Some(dropped) = journal.append(&[&[&[7; 1000]]]).unwrap().dropped {
            assert_eq!(dropped.from, dropped_until);
            (dropped_records, dropped_until) = (dropped_records + dropped.records, dropped.to);
        }
    }
    assert!(dropped_records > 0);
    assert_eq!(journal.stats().counters.dropped_for_space, dropped_records);
    assert_eq!(journal.records(), Position(dropped_records)..Position(100));
    assert_eq!(journal.watermark(cursor), Position(dropped_records));
    let Read::Gap(gap) = reader.next().unwrap() else { panic!("a reader is told of what it missed") };
    assert_eq!((gap.cause, gap.records()), (GapCause::Purged, dropped_records));
    assert!(matches!(reader.next().unwrap(), Read::Record(_)));
}

#[test]
fn what_is_settled_is_kept_for_a_span_as_long_as_there_is_space() {
    let mut bench = Bench::new(1);
    (bench.options.keep_for, bench.options.quota_bytes) = (DAY, 10 * SMALL_SEGMENT_BYTES);
    let (journal, _) = bench.open();
    let cursor = journal.open_cursor("target", StartAt::Oldest).unwrap();
    let append_and_settle = |count| {
        for _ in 0..count {
            let at = append(&journal, &[7; 1000]);
            journal.settle(cursor, at..at.next());
            journal.release();
            journal.prepare().unwrap();
        }
    };
    append_and_settle(20);
    assert_eq!(journal.records(), Position(0)..Position(20), "nothing is given back");
    assert_eq!(contents(&journal).0.len(), 20);
    // Space that is needed takes the oldest, and nobody notices.
    append_and_settle(200);
    let kept = journal.records();
    assert!(kept.start > Position(100) && kept.end == Position(220), "{kept:?}");
    assert!(journal.stats().segments >= 6 && journal.stats().disk_bytes <= bench.options.quota_bytes);
    assert_eq!(journal.stats().counters.dropped_for_space, 0);
    // What is not settled is not taken.
    let (_, error) = fill(&journal);
    assert!(matches!(error, AppendError::Full { cause: Full::Quota { .. }, .. }), "{error}");
    assert_eq!(journal.watermark(cursor), Position(220));
    assert!(journal.records().start <= Position(220), "the unsettled are there");
    // The span is over.
    journal.settle(cursor, Position(220)..journal.records().end);
    bench.hand.advance(DAY + DAY);
    append(&journal, b"another");
    journal.release();
    assert!(journal.stats().segments <= 2, "{:?}", journal.stats());
}

#[test]
fn what_is_only_kept_leaves_disk_to_others() {
    let mut bench = Bench::new(1);
    bench.options.keep_for = DAY;
    bench.options.floor_bytes = 5 * SMALL_SEGMENT_BYTES;
    let (journal, _) = bench.open();
    let cursor = journal.open_cursor("target", StartAt::Oldest).unwrap();
    for _ in 0..100 {
        let at = append(&journal, &[7; 1000]);
        journal.settle(cursor, at..at.next());
    }
    journal.release();
    assert_eq!(journal.records().start, Position(0));
    // Others take what is free, up to less than the floor.
    bench.disk.set_capacity(bench.disk.used_bytes() + SMALL_SEGMENT_BYTES);
    journal.release();
    assert!(journal.records().start > Position(20), "{:?}", journal.records());
    let free = bench.disk.free_bytes(&support::folder()).unwrap();
    assert!(free >= 9 * SMALL_SEGMENT_BYTES, "{free}");
    assert!(journal.stats().segments > 1, "no more than needed is given back");
}

#[test]
fn the_reserve_takes_what_must_be_kept_when_the_disk_is_full() {
    let bench = Bench::new(1);
    let (journal, _) = bench.open();
    let cursor = journal.open_cursor("target", StartAt::Oldest).unwrap();
    journal.prepare().unwrap();
    bench.disk.set_capacity(bench.disk.used_bytes());
    let (appended, error) = fill(&journal);
    assert!(matches!(error, AppendError::Full { cause: Full::Disk, .. }), "{error}");
    assert!(matches!(journal.prepare().unwrap(), Prepared::Full(Full::Disk) | Prepared::Ready));
    journal.append_reserved(&[&[b"poison"]]).unwrap();
    journal.settle(cursor, Position(0)..Position(1));
    journal.persist_cursors().unwrap();
    journal.sync().unwrap();
    // Space comes back: all goes on by itself, and the reserve is laid out again.
    bench.disk.set_capacity(1 << 30);
    assert_eq!(journal.prepare().unwrap(), Prepared::Ready);
    assert_eq!(append(&journal, b"again"), Position(appended + 1));
    assert_eq!(contents(&journal).0[&appended], b"poison");
}

#[test]
fn the_floor_of_free_disk_is_left_to_others() {
    let mut bench = Bench::new(1);
    bench.options.floor_bytes = 1 << 20;
    bench.disk.set_capacity((1 << 20) + 10 * SMALL_SEGMENT_BYTES);
    let (journal, _) = bench.open();
    let (_, error) = fill(&journal);
    assert!(matches!(error, AppendError::Full { cause: Full::Floor { .. }, .. }), "{error}");
    assert!(bench.disk.used_bytes() <= 10 * SMALL_SEGMENT_BYTES);
}

#[test]
fn a_disk_that_is_full_in_any_one_call_delays_and_loses_nothing() {
    let mut failed = 0;
    for call in 0..80 {
        let bench = Bench::new(call);
        bench.disk.fail_at(call, ErrorKind::StorageFull);
        let journal = loop {
            if let Ok((journal, _)) = bench.try_open() {
                break journal;
            }
            failed += 1;
        };
        let mut expected = Vec::new();
        for number in 0..20u8 {
            while journal.append(&[&[&[number; 900]]]).is_err() {
                failed += 1;
            }
            expected.push(vec![number; 900]);
            if number % 5 == 4 {
                failed += u64::from(journal.prepare().is_err());
                while journal.sync().is_err() {
                    failed += 1;
                }
            }
        }
        bench.disk.heal();
        let (found, gaps) = contents(&journal);
        assert_eq!(found.into_values().collect::<Vec<_>>(), expected);
        assert!(gaps.is_empty());
    }
    assert!(failed > 40, "{failed}");
}

#[test]
fn old_segments_expire_and_what_was_not_settled_is_counted() {
    let bench = Bench::new(1);
    let (journal, _) = bench.open();
    journal.open_cursor("target", StartAt::Oldest).unwrap();
    for _ in 0..10 {
        append(&journal, &[1; 1000]);
        bench.hand.advance(DAY / 4);
    }
    assert_eq!(journal.expire().unwrap(), None);
    bench.hand.advance(DAY);
    let dropped = journal.expire().unwrap().unwrap();
    assert_eq!((dropped.from, dropped.records), (Position(0), dropped.to.0));
    assert_eq!(journal.stats().counters.dropped_for_age, dropped.records);
    assert_eq!(journal.records().start, dropped.to);
}

#[test]
fn a_clock_that_jumps_by_days_expires_nothing() {
    let bench = Bench::new(1);
    let (journal, _) = bench.open();
    for _ in 0..20 {
        append(&journal, &[1; 1000]);
    }
    for jump in [bench.hand.clock().wall() + 10 * DAY, bench.hand.clock().wall() - 10 * DAY] {
        bench.hand.set_wall(jump);
        assert_eq!(journal.expire().unwrap(), None);
        append(&journal, &[1; 1000]);
    }
    assert_eq!(journal.records().start, Position(0));
    assert_eq!(contents(&journal).0.len(), 22);
}

#[test]
fn a_batch_that_no_segment_takes_is_refused_and_the_largest_one_is_not() {
    let bench = Bench::new(1);
    let (journal, _) = bench.open();
    let largest = vec![1; journal.max_batch_bytes() as usize - 40];
    append(&journal, &largest);
    let error = journal.append(&[&[&largest, &[1]]]).unwrap_err();
    assert!(matches!(error, AppendError::TooLarge { .. }), "{error}");
    assert_eq!(contents(&journal).0[&0], largest);
}

#[test]
fn options_that_cannot_be_are_refused() {
    let segment = |segment_bytes| Options { segment_bytes, ..Options::default() };
    for options in [segment(4096), segment(10_000), segment(4 << 30)] {
        let bench = Bench { options, ..Bench::new(1) };
        let error = bench.try_open().unwrap_err();
        assert!(matches!(error, journal::OpenError::Options(OptionsError::SegmentBytes(_))), "{error}");
    }
    let bench = Bench { options: Options { quota_bytes: 1 << 20, ..Options::default() }, ..Bench::new(1) };
    let error = bench.try_open().unwrap_err();
    assert!(matches!(error, journal::OpenError::Options(OptionsError::QuotaBytes { .. })), "{error}");
}
