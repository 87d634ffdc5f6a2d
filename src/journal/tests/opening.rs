//! Opening: one process at a time, clear refusals, and a cost that does not grow with the backlog.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

mod support;

use std::sync::Arc;

use journal::{Environment, Journal, OpenError, Position, StartAt};
use seams::{Clock, Disk, RealDisk, Rng};
use support::{Bench, append, contents, folder, small};

#[test]
fn a_second_opening_is_refused_and_says_who_holds_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let environment = Environment { disk: Arc::new(RealDisk), clock: Clock::system(), rng: Rng::seeded(1) };
    let first = Journal::open(environment.clone(), folder.path(), small()).unwrap();
    let error = Journal::open(environment.clone(), folder.path(), small()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }));
    let text = error.to_string();
    assert!(text.contains(&format!("process {} holds the lock", std::process::id())), "{text}");
    assert!(text.contains(&*folder.path().to_string_lossy()), "{text}");
    drop(first);
    Journal::open(environment, folder.path(), small()).unwrap();
}

#[test]
fn a_folder_that_is_not_writable_is_refused_with_advice() {
    let bench = Bench::new(1);
    drop(bench.open());
    bench.disk.set_read_only(true);
    let error = bench.try_open().unwrap_err();
    assert!(matches!(error, OpenError::NotWritable { .. }), "{error}");
    assert!(error.to_string().contains(&*folder().to_string_lossy()), "{error}");
}

#[test]
fn opening_takes_the_same_calls_for_a_hundred_segments_as_for_ten() {
    let calls = |count: u64| {
        let mut bench = Bench::new(1);
        bench.options.quota_bytes = 1 << 30;
        let (journal, _) = bench.open();
        for _ in 0..count {
            append(&journal, &vec![3; journal.max_batch_bytes() as usize - 40]);
        }
        journal.sync().unwrap();
        assert_eq!(journal.stats().segments, count);
        bench.disk = bench.disk.process_killed();
        let before = bench.disk.operations();
        let (journal, recovery) = bench.open();
        assert_eq!((recovery.end, journal.stats().segments), (Position(count), count));
        bench.disk.operations() - before
    };
    assert_eq!(calls(10), calls(100));
    assert!(calls(10) < 40, "{}", calls(10));
}

#[test]
fn records_cursors_and_spares_are_there_again_after_a_stop() {
    let bench = Bench::new(1);
    let (journal, recovery) = bench.open();
    assert_eq!(recovery, journal::Recovery::default());
    journal.prepare().unwrap();
    let (one, two) = (
        journal.open_cursor("one", StartAt::Oldest).unwrap(),
        journal.open_cursor("two", StartAt::Newest).unwrap(),
    );
    for number in 0..30u8 {
        append(&journal, &[number; 300]);
    }
    journal.settle(one, Position(2)..Position(5));
    journal.settle(two, Position(0)..Position(30));
    journal.persist_cursors().unwrap();
    let (before, stats) = (contents(&journal), journal.stats());
    drop(journal);
    let (journal, recovery) = bench.open();
    assert_eq!((contents(&journal), recovery.end), (before, Position(30)));
    assert_eq!((journal.stats().segments, journal.stats().spares), (stats.segments, stats.spares));
    let (one, two) = (
        journal.open_cursor("one", StartAt::Newest).unwrap(),
        journal.open_cursor("two", StartAt::Oldest).unwrap(),
    );
    assert_eq!((journal.watermark(one), journal.watermark(two)), (Position(0), Position(30)));
    assert!(journal.is_settled(one, Position(4)) && !journal.is_settled(one, Position(5)));
    let status = journal.cursors();
    assert_eq!((status[0].name.as_str(), status[0].lag_records, status[0].settled_ahead), ("one", 27, 3));
    assert_eq!((status[1].name.as_str(), status[1].lag_records, status[1].lag_bytes), ("two", 0, 0));
}

#[test]
fn cursors_have_names_and_there_are_at_most_64_which_can_be_removed() {
    let bench = Bench::new(1);
    let (journal, _) = bench.open();
    assert!(journal.open_cursor("", StartAt::Oldest).is_err());
    assert!(journal.open_cursor(&"x".repeat(65), StartAt::Oldest).is_err());
    let ids: Vec<_> =
        (0..64).map(|n| journal.open_cursor(&n.to_string(), StartAt::Oldest).unwrap()).collect();
    let error = journal.open_cursor("one more", StartAt::Oldest).unwrap_err();
    assert!(error.to_string().contains("at most 64"), "{error}");
    journal.remove_cursor(ids[7]).unwrap();
    journal.open_cursor("one more", StartAt::Oldest).unwrap();
    drop(journal);
    let names: Vec<String> = bench.open().0.cursors().into_iter().map(|cursor| cursor.name).collect();
    assert!(names.len() == 64 && names.contains(&"one more".to_owned()) && !names.contains(&"7".to_owned()));
}

#[test]
fn a_journal_is_removed_as_a_whole_unless_somebody_has_it_open() {
    let bench = Bench::new(1);
    let (journal, _) = bench.open();
    (0..30).for_each(|_| _ = append(&journal, &[7; 1000]));
    let disk: Arc<dyn Disk> = Arc::new(bench.disk.clone());
    let error = journal::remove(&disk, &folder()).unwrap_err();
    assert!(matches!(error, OpenError::InUse { .. }), "{error}");
    drop(journal);
    assert!(journal::remove(&disk, &folder()).unwrap() >= 30_000);
    assert!(disk.list(&folder()).is_err(), "the folder is gone");
    assert_eq!(bench.disk.used_bytes(), 0);
    let (journal, recovery) = bench.open();
    assert!(journal.records().is_empty() && !recovery.cursors_damaged, "as if it had never been there");
}
