//! What a scribe hears, and what is resumed from what it kept.

use super::*;

/// Keeps all notes.
#[derive(Default)]
struct Notes(Mutex<Vec<Note>>);

impl Scribe for Notes {
    fn note(&self, note: Note) {
        self.0.lock().push(note);
    }
}

impl Notes {
    fn take(&self) -> Vec<String> {
        let notes = mem::take(&mut *self.0.lock());
        let text = |note: &Note| match note {
            Note::Submitted { entry, .. } => format!("{entry} submitted"),
            Note::Resumed { entry, at, .. } => format!("{entry} resumed at {at}"),
            Note::Routed { entry, branches } => format!("{entry} routed to {} branches", branches.len()),
            Note::Owed { entry, from, .. } => format!("{entry} owed from {from}"),
            Note::Closed { entry } => format!("{entry} closed"),
        };
        notes.iter().map(text).collect()
    }
}

fn kept() -> (House, Arc<Notes>) {
    let (house, notes) = (House::new(), Arc::<Notes>::default());
    house.book.keep_with(notes.clone());
    (house, notes)
}

#[test]
fn a_scribe_hears_everything_in_order_and_acknowledges_in_the_ledger_s_place() {
    let (house, notes) = kept();
    let (_, first, _, one) = house.target();
    let (_, second, _, other) = house.target();
    let ledger = house.ledger(1);
    let acknowledged = ledger.acknowledged();
    ledger.submit(house.batch(1, 0, 10));
    house.route_all(&[first, second]);
    let mut claims = [one.next().expect("work").claims, other.next().expect("work").claims];
    claims[0][0].settle_to(4, Settled::Delivered);
    claims[0].remove(0).settle(Settled::Delivered);
    assert_eq!(notes.take()[1..], ["1 routed to 2 branches", "1 owed from 4", "1 owed from 10"]);
    claims[1].remove(0).settle(Settled::Spooled);
    assert_eq!(notes.take(), ["1 closed"]);
    assert_eq!(*acknowledged.borrow(), 0, "that is left to the scribe");
}

#[test]
fn what_a_scribe_kept_goes_to_the_branches_that_owe_it_and_to_no_other() {
    let (house, notes) = kept();
    let (_, first, flow, one) = house.target();
    let (_, second, _, other) = house.target();
    let ledger = house.ledger(1);
    ledger.resume(house.batch(1, 50, 10), 7, Some(&[(first, 6), (second, 10)]));
    assert!(house.router.next().is_none() && other.next().is_none());
    let mut work = one.next().expect("the one that owes it gets it");
    let claim = work.claims.remove(0);
    assert_eq!((claim.first(), flow.held()), (6, 4));
    assert!(claim.fork(second, 6).is_none(), "the other one had it already");
    claim.settle(Settled::Delivered);
    let notes = notes.take();
    assert_eq!((&*notes[0], &**notes.last().expect("some")), ("1 resumed at 7", "1 closed"));
    assert_eq!((house.device.accepted.get(), house.device.held(), flow.delivered.get()), (10, 0, 4));
    assert_eq!(house.book.open_batches(), 0);
}

#[test]
fn what_was_not_routed_goes_to_the_router() {
    let (house, notes) = kept();
    let (_, branch, _, mailbox) = house.target();
    house.ledger(1).resume(house.batch(1, 0, 3), 2, None);
    house.route_all(&[branch]);
    mailbox.next().expect("work").claims.remove(0).settle(Settled::Delivered);
    assert_eq!(notes.take(), ["1 resumed at 2", "1 routed to 1 branches", "1 closed"]);
}
