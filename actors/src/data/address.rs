//! Where an actor can be reached, whoever it is at present.
//!
//! An address outlives the actors that occupy it. Sending to an empty one gives the message back; the claims
//! in it then go back to the book, which dispatches them again when the address is occupied.

use crate::child::{Letter, Me};
use event::ledger::{Head, Work};
use event::{Book, PlaceId};
use parking_lot::Mutex;
use ractor::{ActorRef, MessagingErr};
use std::fmt;
use std::sync::Arc;

/// A message that may carry work straight from the book.
pub trait TakesWork: Send + 'static {
    /// The message for this work.
    fn from_work(work: Work) -> Self;
    /// The work in it, to be given back.
    fn into_work(self) -> Option<Work>;
}

/// An address; it has a place in the book of each lane from which it is reached.
pub struct Address<M: Send + 'static> {
    seats: Vec<(Arc<Book>, PlaceId)>,
    occupant: Mutex<Occupant<M>>,
}

struct Occupant<M: Send + 'static> {
    actor: Option<ActorRef<Letter<M>>>,
    tenure: u64,
}

/// An actor at its address. Dropping it leaves the address, and what it held is dispatched again.
pub struct Occupancy<M: Send + 'static> {
    address: Arc<Address<M>>,
    tenure: u64,
    tenures: Vec<u64>,
}

impl<M: Send + 'static> Address<M> {
    /// An empty address with these places.
    pub fn at(seats: Vec<(Arc<Book>, PlaceId)>) -> Arc<Self> {
        Arc::new(Self { seats, occupant: Mutex::new(Occupant { actor: None, tenure: 0 }) })
    }

    /// Its place in a book.
    pub fn place(&self, book: &Arc<Book>) -> Option<PlaceId> {
        self.seats.iter().find(|(b, _)| Arc::ptr_eq(b, book)).map(|(_, place)| *place)
    }

    /// Sends a message to whoever is there, or gives it back.
    pub fn send(&self, message: M) -> Result<(), M> {
        let actor = self.occupant.lock().actor.clone();
        match actor {
            Some(actor) => hand_over(&actor, message),
            None => Err(message),
        }
    }

    /// Which of its occupants is there, by number; none while it is empty.
    pub fn life(&self) -> Option<u64> {
        let occupant = self.occupant.lock();
        occupant.actor.as_ref().map(|_| occupant.tenure)
    }

    /// Batches that are under way through this address.
    pub fn outstanding(&self) -> u64 {
        self.seats.iter().map(|(book, place)| book.outstanding_through(*place)).sum()
    }
}

impl<M: TakesWork> Address<M> {
    /// An actor moves in and gets what waits for it.
    pub fn occupy(self: &Arc<Self>, me: &Me<M>) -> Occupancy<M> {
        let tenure = {
            let mut occupant = self.occupant.lock();
            occupant.tenure += 1;
            occupant.actor = Some(me.actor.clone());
            occupant.tenure
        };
        let head: Arc<dyn Head> = Arc::new(Mailbox(me.actor.clone()));
        let occupy = |(book, place): &(Arc<Book>, PlaceId)| book.occupy(*place, Some(Arc::clone(&head)));
        let tenures = self.seats.iter().map(occupy).collect();
        Occupancy { address: Arc::clone(self), tenure, tenures }
    }
}

impl<M: Send + 'static> Drop for Occupancy<M> {
    fn drop(&mut self) {
        {
            let mut occupant = self.address.occupant.lock();
            if occupant.tenure == self.tenure {
                occupant.actor = None;
            }
        }
        for ((book, place), tenure) in self.address.seats.iter().zip(&self.tenures) {
            book.vacate(*place, *tenure);
        }
    }
}

/// An actor as the head of branches.
struct Mailbox<M: TakesWork>(ActorRef<Letter<M>>);

impl<M: TakesWork> Head for Mailbox<M> {
    fn send(&self, work: Work) -> Result<(), Box<Work>> {
        match hand_over(&self.0, M::from_work(work)) {
            Ok(()) => Ok(()),
            Err(message) => Err(Box::new(message.into_work().expect("it was made from work"))),
        }
    }
}

fn hand_over<M: Send + 'static>(actor: &ActorRef<Letter<M>>, message: M) -> Result<(), M> {
    match actor.cast(Letter::Message(message)) {
        Err(MessagingErr::SendErr(Letter::Message(message))) => Err(message),
        // ractor hands a message back in no other way.
        _ => Ok(()),
    }
}

impl<M: Send + 'static> fmt::Debug for Address<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address(occupied: {})", self.occupant.lock().actor.is_some())
    }
}
