//! Rotations of every kind, by listings.

use super::*;
use crate::device::file::content::Position;

fn file(inode: u64, size: u64, path: &str) -> Listed {
    Listed { inode, size, path: path.to_owned() }
}

fn listing(files: &[Listed]) -> Listing {
    Listing { files: files.to_vec(), denied: Vec::new() }
}

/// Knows `/l/a` (inode 1), read up to byte 10.
fn follow() -> (Follow, watch::Sender<u64>) {
    let (ledger, acknowledged) = watch::channel(0);
    let mut follow = Follow::new(Arc::default(), acknowledged, 1000);
    let mut place = Place::start("/l/a", "/l/a", 1);
    place.see_head(b"0123456789");
    place.at = Position::after(b"", b"0123456789", 10);
    follow.add(place, 10, 0);
    follow.looked();
    (follow, ledger)
}

fn meant(path: &str) -> bool {
    path == "/l/a"
}

#[test]
fn a_renamed_file_stays_the_same_and_the_new_one_is_a_newcomer() {
    let (mut follow, _ledger) = follow();
    let look = listing(&[file(1, 15, "/l/a.1"), file(2, 5, "/l/a")]);
    let mut renamed = follow.see(&look);
    follow.rename(renamed.remove(0), 0);
    assert!(follow.lost().is_empty());
    assert_eq!(follow.unread(&look), [0]);
    let place = &follow.all()[0].place;
    assert_eq!((&*place.path, &*place.name), ("/l/a.1", "/l/a"));
    assert_eq!(follow.newcomers(&look, meant), [(&look.files[1], Newcomer::Meant)]);
}

#[test]
fn after_an_outage_archives_behind_the_known_one_are_read_and_older_ones_are_not() {
    let (mut follow, _ledger) = follow();
    let look = listing(&[
        file(9, 7, "/l/a.4.gz"),
        file(8, 7, "/l/a.3.gz"),
        file(7, 7, "/l/a.2.gz"),
        file(6, 7, "/l/a.1"),
        file(5, 7, "/l/a"),
    ]);
    follow.see(&look);
    assert_eq!(follow.lost(), [0]);
    let candidates: Vec<&str> = follow.candidates(0, &look).iter().map(|file| &*file.path).collect();
    assert_eq!(candidates, ["/l/a", "/l/a.1", "/l/a.2.gz", "/l/a.3.gz", "/l/a.4.gz"]);
    follow.found(0, &look.files[1], 0);
    let kinds: Vec<Newcomer> = follow.newcomers(&look, meant).iter().map(|(_, kind)| *kind).collect();
    assert_eq!(kinds, [Newcomer::Old, Newcomer::Missed, Newcomer::Missed, Newcomer::Meant]);
    assert!(follow.newcomers(&look, meant).len() == 3, "what is old is not looked at again");
}

#[test]
fn a_copy_is_not_read_again_while_its_original_is_there_and_goes_on_behind_it_when_that_is_truncated() {
    let (mut follow, _ledger) = follow();
    let copying = listing(&[file(1, 12, "/l/a"), file(2, 12, "/l/a.1")]);
    follow.see(&copying);
    assert_eq!(follow.newcomers(&copying, meant), [(&copying.files[1], Newcomer::Missed)]);
    assert!(follow.may_be_copy(&copying.files[1]) && follow.is_twin(&copying.files[1], b"0123456789ab", 0));
    assert!(!follow.is_twin(&copying.files[1], b"another content", 0));
    let truncated = listing(&[file(2, 12, "/l/a.1"), file(1, 3, "/l/a")]);
    follow.see(&truncated);
    assert_eq!(follow.lost(), [0]);
    follow.found(0, follow.candidates(0, &truncated)[0], 0);
    let places: Vec<_> = follow.all().iter().map(|k| (&*k.place.path, k.place.at.offset)).collect();
    assert_eq!(places, [("/l/a", 0), ("/l/a.1", 10)]);
    assert_eq!(follow.unread(&truncated), [1, 0], "the copy first");
}

#[test]
fn an_archive_that_is_written_over_is_a_newcomer_and_may_be_the_copy_of_a_truncated_file() {
    let (mut follow, _ledger) = follow();
    let mut archived = Place::start("/l/a", "/l/a.1", 2);
    archived.at = Position { offset: 50, ..Position::START };
    follow.add(archived, 50, 0);
    let look = listing(&[file(2, 12, "/l/a.1"), file(1, 3, "/l/a")]);
    follow.see(&look);
    assert_eq!(follow.lost(), [1, 0], "the archive first");
    follow.not_found(1, 0);
    assert_eq!(follow.candidates(0, &look), [&look.files[0]]);
    follow.found(0, &look.files[0], 0);
    follow.forget_gone();
    let places: Vec<_> = follow.all().iter().map(|k| (&*k.place.path, k.place.at.offset)).collect();
    assert_eq!(places, [("/l/a", 0), ("/l/a.1", 10)]);
}

#[test]
fn what_was_known_is_known_after_a_restart() {
    let positions: Arc<Positions> = Arc::default();
    let (ledger, acknowledged) = watch::channel(0);
    let mut before = Follow::new(Arc::clone(&positions), acknowledged.clone(), 1000);
    assert!(before.is_first_contact());
    before.add(Place::start("/l/a", "/l/a", 1), 10, 3);
    ledger.send_replace(3);
    let saved = positions.save().unwrap();
    let loaded: Arc<Positions> = Arc::default();
    loaded.load_once(|| saved);
    let after = Follow::new(loaded, acknowledged, 1000);
    assert!(!after.is_first_contact());
    assert_eq!(after.all()[0].place, before.all()[0].place);
}

#[test]
fn a_number_that_is_used_again_is_another_file() {
    let (mut follow, _ledger) = follow();
    let look = listing(&[file(5, 7, "/l/a.3.gz"), file(1, 7, "/l/a.2.gz")]);
    let renamed = follow.see(&look);
    follow.replace(&renamed[0]);
    assert_eq!(follow.lost(), [0]);
    assert_eq!(follow.candidates(0, &look).len(), 2);
}

#[test]
fn a_file_that_is_gone_is_forgotten_after_a_while() {
    let (mut follow, _ledger) = follow();
    for _ in 0..GONE_AFTER {
        assert_eq!(follow.all().len(), 1);
        follow.see(&listing(&[]));
        follow.not_found(0, 0);
        follow.forget_gone();
    }
    assert!(follow.all().is_empty());
}
