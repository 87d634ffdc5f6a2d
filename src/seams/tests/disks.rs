//! Both disks keep the promises of the `Disk` trait, and the simulated one breaks what it is told to break.

#![allow(clippy::unwrap_used, reason = "a test stops where it is surprised")]

use std::io::{ErrorKind, IoSlice};
use std::path::{Path, PathBuf};
use std::time::Duration;

use seams::{
    Disk, DiskFile, OpenMode, Operation, RealDisk, Rng, SimulatedClock, SimulatedDisk, read_file,
    replace_file,
};

/// Runs a check on a real folder and on a simulated one.
fn on_both(check: impl Fn(&dyn Disk, &Path)) {
    let folder = tempfile::tempdir().unwrap();
    check(&RealDisk, folder.path());
    let disk = simulated(1);
    check(&disk, &root());
}

fn root() -> PathBuf {
    PathBuf::from("/data")
}

fn simulated(seed: u64) -> SimulatedDisk {
    let disk = SimulatedDisk::new(Rng::seeded(seed));
    disk.create_folder(&root()).unwrap();
    disk
}

fn write(file: &dyn DiskFile, bytes: &[u8], offset: u64) {
    file.write_at(&mut [IoSlice::new(bytes)], offset).unwrap();
}

#[test]
fn slices_are_written_one_after_the_other_and_read_back() {
    on_both(|disk, folder| {
        let file = disk.open(&folder.join("a"), OpenMode::CreateNew).unwrap();
        assert!(file.is_empty().unwrap());
        file.write_at(&mut [IoSlice::new(b"one"), IoSlice::new(b""), IoSlice::new(b"two")], 2).unwrap();
        assert_eq!(file.append(b"!").unwrap(), 8);
        assert_eq!(read_file(disk, &folder.join("a")).unwrap(), b"\0\0onetwo!");
        let mut buffer = [0; 16];
        assert_eq!(file.read_at(&mut buffer, 7).unwrap(), 2);
        assert_eq!(file.read_at(&mut buffer, 9).unwrap(), 0);
        assert_eq!(file.read_exact_at(&mut buffer, 0).unwrap_err().kind(), ErrorKind::UnexpectedEof);
    });
}

#[test]
fn more_slices_than_one_system_call_takes_are_written() {
    on_both(|disk, folder| {
        let bytes: Vec<u8> = (0..5000).map(|number| number as u8).collect();
        let mut slices: Vec<IoSlice<'_>> = bytes.chunks(1).map(IoSlice::new).collect();
        let file = disk.open(&folder.join("a"), OpenMode::Create).unwrap();
        file.write_at(&mut slices, 0).unwrap();
        assert_eq!(read_file(disk, &folder.join("a")).unwrap(), bytes);
    });
}

#[test]
fn files_are_created_listed_renamed_and_removed() {
    on_both(|disk, folder| {
        let (a, b) = (folder.join("a"), folder.join("b"));
        assert_eq!(disk.open(&a, OpenMode::Write).unwrap_err().kind(), ErrorKind::NotFound);
        let file = disk.open(&a, OpenMode::CreateNew).unwrap();
        assert_eq!(disk.open(&a, OpenMode::CreateNew).unwrap_err().kind(), ErrorKind::AlreadyExists);
        file.allocate(100).unwrap();
        file.lay_out(4096).unwrap();
        file.set_len(5000).unwrap();
        file.sync_data().unwrap();
        disk.rename(&a, &b).unwrap();
        disk.create_folder(&folder.join("inner/most")).unwrap();
        disk.sync_folder(folder).unwrap();
        let entries = disk.list(folder).unwrap();
        assert_eq!(entries.len(), 1);
        assert_eq!((entries[0].name.as_str(), entries[0].len), ("b", 5000));
        disk.remove(&b).unwrap();
        assert_eq!(disk.remove(&b).unwrap_err().kind(), ErrorKind::NotFound);
        assert!(disk.list(folder).unwrap().is_empty());
        assert!(disk.free_bytes(folder).unwrap() > 0);
    });
}

#[test]
fn a_file_is_replaced_as_a_whole() {
    on_both(|disk, folder| {
        let file = folder.join("checkpoint");
        replace_file(disk, &file, b"a longer first content").unwrap();
        replace_file(disk, &file, b"second").unwrap();
        assert_eq!(read_file(disk, &file).unwrap(), b"second");
        assert_eq!(disk.list(folder).unwrap().len(), 1);
    });
}

#[test]
fn a_lock_is_held_once_and_given_back() {
    on_both(|disk, folder| {
        let file = folder.join("lock");
        let lock = disk.lock(&file).unwrap();
        let error = disk.lock(&file).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert!(error.to_string().contains("holds the lock"), "{error}");
        drop(lock);
        drop(disk.lock(&file).unwrap());
    });
}

#[test]
fn what_was_synced_survives_every_power_cut() {
    for seed in 0..500 {
        let disk = simulated(seed);
        let file = disk.open(&root().join("a"), OpenMode::Create).unwrap();
        write(&*file, &[1; 3000], 0);
        file.sync_data().unwrap();
        disk.sync_folder(&root()).unwrap();
        write(&*file, &[2; 1000], 2600);
        let after = disk.power_cut();
        let bytes = read_file(&after, &root().join("a")).unwrap();
        assert!(bytes.len() >= 3000);
        // The sector at 2560 was half rewritten, so what it held before the sync's end is old or new.
        assert!(bytes[..2600].iter().all(|&byte| byte == 1), "seed {seed}");
        assert!(bytes[2600..3000].iter().all(|&byte| byte == 1 || byte == 2), "seed {seed}");
        assert!(bytes[3000..].iter().all(|&byte| byte == 0 || byte == 2), "seed {seed}");
    }
}

#[test]
fn what_was_not_synced_is_lost_kept_or_torn_by_the_seed() {
    let (mut lost, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..300 {
        let disk = simulated(seed);
        let file = disk.open(&root().join("a"), OpenMode::Create).unwrap();
        file.lay_out(2048).unwrap();
        disk.sync_folder(&root()).unwrap();
        write(&*file, &[9; 2048], 0);
        let bytes = read_file(&disk.power_cut(), &root().join("a")).unwrap();
        match bytes.iter().filter(|&&byte| byte == 9).count() {
            0 => lost += 1,
            2048 => kept += 1,
            _ => torn += 1,
        }
    }
    assert!(lost > 30 && kept > 30 && torn > 30, "{lost} {kept} {torn}");
}

#[test]
fn a_name_that_was_not_synced_may_be_gone_after_a_power_cut() {
    let mut found = 0;
    for seed in 0..100 {
        let disk = simulated(seed);
        let file = disk.open(&root().join("a"), OpenMode::Create).unwrap();
        write(&*file, b"x", 0);
        file.sync_data().unwrap();
        found += disk.power_cut().list(&root()).unwrap().len();
    }
    assert!((20..80).contains(&found), "{found}");
}

#[test]
fn a_killed_process_loses_nothing_it_wrote_but_a_later_power_cut_may() {
    let mut lost = 0;
    for seed in 0..100 {
        let disk = simulated(seed);
        let lock = disk.lock(&root().join("lock")).unwrap();
        let file = disk.open(&root().join("a"), OpenMode::Create).unwrap();
        write(&*file, b"x", 0);
        let next = disk.process_killed();
        assert!(file.append(b"y").is_err());
        drop(next.lock(&root().join("lock")).unwrap());
        assert_eq!(read_file(&next, &root().join("a")).unwrap(), b"x");
        lost += u32::from(read_file(&next.power_cut(), &root().join("a")).unwrap_or_default() != b"x");
        drop(lock);
    }
    assert!(lost > 20, "{lost}");
}

#[test]
fn a_sync_that_succeeds_after_a_failed_one_does_not_bring_the_bytes_back() {
    let mut lost = 0;
    for seed in 0..100 {
        let disk = simulated(seed);
        let file = disk.open(&root().join("a"), OpenMode::Create).unwrap();
        file.lay_out(512).unwrap();
        disk.sync_folder(&root()).unwrap();
        write(&*file, &[7; 512], 0);
        disk.fail_next(Operation::SyncData, 1, ErrorKind::Other);
        assert!(file.sync_data().is_err());
        assert!(file.sync_data().is_ok());
        lost += u32::from(read_file(&disk.power_cut(), &root().join("a")).unwrap() != [7; 512]);
    }
    assert!(lost > 20, "{lost}");
}

#[test]
fn a_full_disk_takes_what_fits_and_overwriting_needs_no_space() {
    let disk = simulated(1);
    disk.set_capacity(1000);
    let file = disk.open(&root().join("a"), OpenMode::Create).unwrap();
    assert_eq!(file.allocate(1001).unwrap_err().kind(), ErrorKind::StorageFull);
    assert_eq!(file.len().unwrap(), 0);
    file.lay_out(900).unwrap();
    assert_eq!(disk.free_bytes(&root()).unwrap(), 100);
    write(&*file, &[1; 900], 0);
    let error = file.write_at(&mut [IoSlice::new(&[1; 300])], 800).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!((file.len().unwrap(), disk.used_bytes()), (1000, 1000));
}

#[test]
fn the_machine_stops_in_the_call_that_was_named() {
    let disk = simulated(1);
    let file = disk.open(&root().join("a"), OpenMode::Create).unwrap();
    disk.stop_at(disk.operations() + 1);
    write(&*file, b"whole", 0);
    assert!(file.append(b"torn").is_err());
    assert!(file.len().is_err() && disk.list(&root()).is_err());
    let bytes = read_file(&disk.process_killed(), &root().join("a")).unwrap();
    assert!(bytes.starts_with(b"whole") && b"wholetorn".starts_with(&bytes), "{bytes:?}");
}

#[test]
fn planned_faults_happen_once_and_can_be_taken_back() {
    let disk = simulated(1);
    disk.fail_at(disk.operations() + 1, ErrorKind::StorageFull);
    let file = disk.open(&root().join("a"), OpenMode::Create).unwrap();
    assert_eq!(file.append(b"x").unwrap_err().kind(), ErrorKind::StorageFull);
    disk.fail_next(Operation::WriteAt, 5, ErrorKind::Other);
    disk.heal();
    file.set_len(0).unwrap();
    file.append(b"x").unwrap();
    assert_eq!(disk.operations_of(Operation::SetLen), 1);
    disk.set_read_only(true);
    assert_eq!(file.append(b"x").unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(disk.lock(&root().join("l")).unwrap_err().kind(), ErrorKind::ReadOnlyFilesystem);
    assert_eq!(read_file(&disk, &root().join("a")).unwrap(), b"x");
}

#[test]
fn a_bit_flips_where_it_is_told_to() {
    let disk = simulated(1);
    replace_file(&disk, &root().join("a"), &[0, 0]).unwrap();
    assert!(disk.flip_bit(&root().join("a"), 1, 3));
    assert!(!disk.flip_bit(&root().join("a"), 2, 0));
    assert_eq!(read_file(&disk, &root().join("a")).unwrap(), [0, 8]);
}

#[test]
fn a_slow_disk_takes_simulated_time() {
    let (disk, hand) = (simulated(1), SimulatedClock::new());
    let start = hand.clock().now();
    disk.slow_down(&hand, Duration::from_millis(10), 1000);
    let file = disk.open(&root().join("a"), OpenMode::Create).unwrap();
    write(&*file, &[0; 500], 0);
    assert_eq!(hand.clock().now() - start, Duration::from_millis(520));
}

#[test]
fn replacing_a_file_leaves_the_old_or_the_new_content_at_every_crash() {
    let old = vec![1; 1500];
    let new = vec![2; 1700];
    let file = root().join("checkpoint");
    for seed in 0..50 {
        for stop in 0..8 {
            let disk = simulated(seed);
            replace_file(&disk, &file, &old).unwrap();
            disk.stop_at(disk.operations() + stop);
            let done = replace_file(&disk, &file, &new).is_ok();
            let found = read_file(&disk.power_cut(), &file).unwrap();
            assert!(found == new || (found == old && !done), "seed {seed}, stop {stop}");
        }
    }
}
