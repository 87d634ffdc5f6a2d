//! On a real disk: threads side by side, and a process that is killed.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use journal::{Environment, Journal, Options, Position, Read, StartAt};
use seams::{Clock, RealDisk, Rng};

const CHILD_FOLDER: &str = "JOURNAL_TEST_CHILD_FOLDER";

fn open(folder: &Path) -> Journal {
    let environment =
        Environment { disk: Arc::new(RealDisk), clock: Clock::system(), rng: Rng::from_system() };
    let options = Options {
        segment_bytes: 256 << 10,
        quota_bytes: 64 << 20,
        floor_bytes: 0,
        read_bytes: 64 << 10,
        ..Options::default()
    };
    Journal::open(environment, folder, options).unwrap().0
}

fn payload(position: u64) -> Vec<u8> {
    let mut bytes = vec![position as u8; 100 + (position % 900) as usize];
    bytes[..8].copy_from_slice(&position.to_le_bytes());
    bytes
}

#[test]
fn writer_syncer_preparer_and_reader_work_side_by_side() {
    const RECORDS: u64 = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let journal = open(folder.path());
    let cursor = journal.open_cursor("target", StartAt::Oldest).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut durable = Position(0);
            while !done.load(Ordering::Acquire) {
                let now = journal.sync().unwrap();
                assert!(now >= durable && now <= journal.records().end);
                durable = now;
                journal.prepare().unwrap();
                journal.persist_cursors().unwrap();
                std::thread::yield_now();
            }
        });
        scope.spawn(|| {
            for number in 0..RECORDS {
                assert_eq!(journal.append(&[&[&payload(number)]]).unwrap().first, Position(number));
            }
        });
        let mut reader = journal.read_from(Position(0));
        while reader.position() < Position(RECORDS) {
            match reader.next().unwrap() {
                Read::Record(record) => {
                    assert_eq!(&record.payload[..], payload(record.position.0));
                    journal.settle(cursor, record.position..record.position.next());
                    if record.position.0 % 500 == 0 {
                        journal.release();
                    }
                }
                Read::CaughtUp => std::thread::yield_now(),
                Read::Gap(gap) => panic!("{gap:?}"),
            }
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(journal.sync().unwrap(), Position(RECORDS));
    assert!(journal.stats().segments < 10, "{:?}", journal.stats());
}

/// The process that is killed: appends and says what it has appended. Does nothing as a test.
#[test]
fn a_process_that_appends_until_it_is_killed() {
    let Some(folder) = std::env::var_os(CHILD_FOLDER) else { return };
    let journal = open(Path::new(&folder));
    loop {
        let position = journal.records().end.0;
        journal.append(&[&[&payload(position)], &[&payload(position + 1)]]).unwrap();
        println!("appended {}", position + 2);
    }
}

#[test]
fn what_was_appended_before_a_sigkill_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let mut appended = 0;
    for round in 0..10 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "a_process_that_appends_until_it_is_killed", "--nocapture"])
            .env(CHILD_FOLDER, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let until = appended + 100 + round * 37;
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        while appended < until {
            let line = lines.next().unwrap().unwrap();
            if let Some(number) = line.strip_prefix("appended ") {
                appended = number.parse().unwrap();
            }
        }
        child.kill().unwrap();
        // What it said before the kill arrived.
        for line in lines.map_while(Result::ok) {
            if let Some(number) = line.strip_prefix("appended ").and_then(|number| number.parse().ok()) {
                appended = number;
            }
        }
        child.wait().unwrap();
        let journal = open(folder.path());
        assert!(journal.records().end.0 >= appended, "{:?}, {appended} were appended", journal.records());
        let mut reader = journal.read_from(Position(0));
        loop {
            match reader.next().unwrap() {
                Read::Record(record) => assert_eq!(&record.payload[..], payload(record.position.0)),
                Read::CaughtUp => break,
                Read::Gap(gap) => panic!("{gap:?}"),
            }
        }
        assert_eq!(reader.position(), journal.records().end);
    }
}
