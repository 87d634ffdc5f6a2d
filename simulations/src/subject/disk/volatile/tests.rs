//! What the volatile disk keeps and what it forgets. The real disk beneath is one in memory, which keeps what it is given.

use super::*;
use seams::{SimulatedDisk, read_file, replace_file};
use std::io::IoSlice;

fn beneath() -> Arc<dyn Disk> {
    let disk = SimulatedDisk::new(Rng::seeded(1));
    disk.create_folder(Path::new("/d")).expect("created");
    disk.create_folder(Path::new("/e")).expect("created");
    Arc::new(disk)
}

fn over(beneath: &Arc<dyn Disk>, seed: u64) -> VolatileDisk {
    VolatileDisk::new(Arc::clone(beneath), Rng::seeded(seed))
}

fn at(name: &str) -> PathBuf {
    Path::new("/d").join(name)
}

fn write(file: &dyn DiskFile, bytes: &[u8], offset: u64) {
    file.write_at(&mut [IoSlice::new(bytes)], offset).expect("written");
}

fn names(disk: &dyn Disk, folder: &str) -> Vec<String> {
    let entries = disk.list(Path::new(folder)).expect("listed").into_iter();
    let mut names: Vec<_> = entries.map(|entry| entry.name).collect();
    names.sort();
    names
}

#[test]
fn a_file_without_a_synced_name_is_gone_after_a_power_cut_and_leaves_nothing() {
    let beneath = beneath();
    let disk = over(&beneath, 1);
    let file = disk.open(&at("a"), OpenMode::Create).expect("open");
    write(&*file, b"content", 0);
    file.sync_data().expect("synced");
    assert_eq!(read_file(&disk, &at("a")).expect("those who use the disk see it"), b"content");
    assert_eq!(names(&disk, "/d"), ["a"]);

    let after = over(&beneath, 2);
    assert_eq!(names(&after, "/d"), [""; 0]);
    assert_eq!(names(&*beneath, "/d"), [""; 0], "what lay aside was removed");

    let file = after.open(&at("a"), OpenMode::Create).expect("open");
    write(&*file, b"content", 0);
    file.sync_data().expect("synced");
    after.sync_folder(Path::new("/d")).expect("synced");
    write(&*file, b"CONTENT, CONTENT", 0);
    assert_eq!(read_file(&over(&beneath, 3), &at("a")).expect("there").len() % 9, 7, "the name is there");
}

#[test]
fn bytes_that_were_synced_survive_and_others_survive_in_part_or_not() {
    let mut lost_some = 0;
    for seed in 0..20 {
        let beneath = beneath();
        let disk = over(&beneath, seed);
        let file = disk.open(&at("a"), OpenMode::Create).expect("open");
        disk.sync_folder(Path::new("/d")).expect("synced");
        write(&*file, &[1; 10_000], 0);
        file.sync_data().expect("synced");
        write(&*file, &[2; 9000], 5000);
        let mut seen = vec![0; 20_000];
        assert_eq!(file.read_at(&mut seen, 0).expect("read"), 14_000);
        assert!(
            seen[..5000].iter().all(|byte| *byte == 1) && seen[5000..14_000].iter().all(|byte| *byte == 2)
        );

        let found = read_file(&over(&beneath, 0), &at("a")).expect("there");
        assert!(found.len() >= 10_000 && found[..5000].iter().all(|byte| *byte == 1));
        assert!(found[5000..10_000].iter().all(|byte| [1, 2].contains(byte)));
        lost_some += u32::from(found[5000..10_000].contains(&1) || found.len() < 14_000);
    }
    assert!(lost_some > 10, "{lost_some}");
}

#[test]
fn a_replaced_file_is_the_old_one_or_the_new_one() {
    let beneath = beneath();
    replace_file(&*beneath, &at("a"), b"old").expect("replaced");
    let disk = over(&beneath, 1);
    let file = disk.open(&at("b"), OpenMode::Create).expect("open");
    write(&*file, b"new", 0);
    disk.rename(&at("b"), &at("a")).expect("renamed");
    assert_eq!(read_file(&disk, &at("a")).expect("there"), b"new");
    assert!(disk.open(&at("b"), OpenMode::Read).is_err_and(|e| e.kind() == io::ErrorKind::NotFound));
    assert_eq!(read_file(&*beneath, &at("a")).expect("there"), b"old", "nothing was synced");
    assert_eq!(read_file(&over(&beneath, 2), &at("a")).expect("there"), b"old");

    let disk = over(&beneath, 1);
    replace_file(&disk, &at("a"), b"newest").expect("replaced and synced");
    assert_eq!(read_file(&over(&beneath, 2), &at("a")).expect("there"), b"newest");
    assert_eq!(names(&*beneath, "/d"), ["a"]);
}

#[test]
fn a_removed_file_comes_back_unless_its_folder_was_synced() {
    let beneath = beneath();
    replace_file(&*beneath, &at("a"), b"x").expect("replaced");
    let disk = over(&beneath, 1);
    disk.remove(&at("a")).expect("removed");
    assert_eq!(names(&disk, "/d"), [""; 0]);
    assert!(disk.open(&at("a"), OpenMode::Write).is_err());
    assert_eq!(names(&over(&beneath, 2), "/d"), ["a"]);
    disk.sync_folder(Path::new("/d")).expect("synced");
    assert_eq!(names(&over(&beneath, 2), "/d"), [""; 0]);
    assert!(disk.open(&at("a"), OpenMode::CreateNew).is_ok(), "the name is free");
}

#[test]
fn a_file_moves_between_folders_whichever_is_synced() {
    for synced in ["/d", "/e"] {
        let beneath = beneath();
        let disk = over(&beneath, 1);
        let file = disk.open(&at("a"), OpenMode::Create).expect("open");
        write(&*file, b"x", 0);
        file.sync_data().expect("synced");
        disk.rename(&at("a"), Path::new("/e/a")).expect("renamed");
        disk.sync_folder(Path::new(synced)).expect("synced");
        let after = over(&beneath, 2);
        assert_eq!(
            (names(&after, "/d").len(), names(&after, "/e").len()).0 + names(&after, "/e").len(),
            1,
            "{synced}"
        );
        assert_eq!(names(&disk, "/e"), ["a"]);
    }
}

#[test]
fn lengths_are_cut_and_grown_as_on_any_disk() {
    let beneath = beneath();
    replace_file(&*beneath, &at("a"), &[7; 10_000]).expect("replaced");
    let disk = over(&beneath, 1);
    let file = disk.open(&at("a"), OpenMode::Write).expect("open");
    file.set_len(5000).expect("cut");
    file.set_len(9000).expect("grown");
    write(&*file, &[8; 10], 8000);
    let expected: Vec<u8> = [vec![7; 5000], vec![0; 3000], vec![8; 10], vec![0; 990]].concat();
    assert_eq!(read_file(&disk, &at("a")).expect("read"), expected);
    file.sync_data().expect("synced");
    assert_eq!(read_file(&*beneath, &at("a")).expect("read"), expected);
    file.allocate(20_000).expect("allocated");
    assert_eq!(file.len().expect("told"), 20_000);
    file.lay_out(4096).expect("laid out");
    assert!(read_file(&disk, &at("a")).expect("read").iter().all(|byte| [0, 7, 8].contains(byte)));
}

#[test]
fn an_orderly_end_keeps_everything() {
    let beneath = beneath();
    let disk = over(&beneath, 1);
    write(&*disk.open(&at("a"), OpenMode::Create).expect("open"), b"one", 0);
    write(&*disk.open(&at("b"), OpenMode::Create).expect("open"), b"two", 0);
    disk.rename(&at("b"), Path::new("/e/b")).expect("renamed");
    disk.flush().expect("written");
    assert_eq!(read_file(&*beneath, &at("a")).expect("there"), b"one");
    assert_eq!(read_file(&*beneath, Path::new("/e/b")).expect("there"), b"two");
}
