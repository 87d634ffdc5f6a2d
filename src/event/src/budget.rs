//! The memory that received data may take, whatever the load.
//!
//! One [`Budget`] for the process, with fair [`Share`]s for devices. Only sources wait for it
//! (R1); whoever holds some never waits for more, so holding can't deadlock. A device may take up
//! to [`GREED`] times what is left over (the "dynamic threshold" of switches with shared memory,
//! Choudhury and Hahne 1998): one busy device gets most of the budget, and yet there is always
//! room for another. Nothing has to be configured per device.
//!
//! Cost: an uncontended lock for each read of a socket, not for each event.

use parking_lot::Mutex;
use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

/// A device may hold at most so many times what is still free.
const GREED: u64 = 4;

/// Bytes in motion, bounded. Cheap to clone.
#[derive(Clone)]
pub struct Budget(Arc<Pot>);

struct Pot {
    capacity: u64,
    state: Mutex<State>,
    /// One incomplete message at a time may overdraw (R4).
    overdraw: Arc<Semaphore>,
}

#[derive(Default)]
struct State {
    used: u64,
    shares: Vec<ShareState>,
    unused_shares: Vec<usize>,
    /// Shares with somebody waiting, in turn.
    waiting: VecDeque<usize>,
}

#[derive(Default)]
struct ShareState {
    used: u64,
    queue: VecDeque<Waiter>,
}

struct Waiter {
    share: Share,
    bytes: u64,
    grant: oneshot::Sender<Hold>,
}

/// Waiters taken off their queues under the lock; dropped and told after it.
#[derive(Default)]
struct Dequeued {
    granted: Vec<Waiter>,
    gone: Vec<Waiter>,
}

/// A device's part of the budget. Its number is free for the next one when the last holder is gone.
#[derive(Clone)]
pub struct Share(Arc<ShareSeat>);

struct ShareSeat {
    budget: Budget,
    index: usize,
}

/// Bytes taken out of a budget, given back on drop.
pub struct Hold {
    share: Share,
    bytes: u64,
    /// Whoever went beyond the budget keeps the only permission to until its bytes are gone.
    overdraw: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of so many bytes.
    pub fn new(capacity: u64) -> Self {
        let state = Mutex::default();
        Self(Arc::new(Pot { capacity, state, overdraw: Arc::new(Semaphore::new(1)) }))
    }

    /// A share for a device.
    pub fn share(&self) -> Share {
        let mut state = self.0.state.lock();
        let index = state.unused_shares.pop().unwrap_or_else(|| {
            state.shares.push(ShareState::default());
            state.shares.len() - 1
        });
        drop(state);
        Share(Arc::new(ShareSeat { budget: self.clone(), index }))
    }

    /// How many bytes there are in all.
    pub fn capacity(&self) -> u64 {
        self.0.capacity
    }

    /// Whether somebody waits for some of them, or did until just now.
    pub fn is_waited_for(&self) -> bool {
        !self.0.state.lock().waiting.is_empty()
    }

    /// How many bytes are taken; more than the capacity where somebody had to overdraw.
    pub fn used(&self) -> u64 {
        self.0.state.lock().used
    }
}

impl State {
    fn fits(&self, share: usize, bytes: u64, capacity: u64) -> bool {
        let Some(free) = capacity.checked_sub(self.used + bytes) else {
            // Something larger than the whole budget may pass when nothing else is under way.
            return self.used == 0;
        };
        let held = self.shares[share].used;
        held == 0 || held + bytes <= GREED * free
    }

    fn add(&mut self, share: usize, bytes: u64) {
        self.used += bytes;
        self.shares[share].used += bytes;
    }

    fn remove(&mut self, share: usize, bytes: u64) {
        debug_assert!(self.used >= bytes && self.shares[share].used >= bytes);
        self.used -= bytes;
        self.shares[share].used -= bytes;
    }

    /// Who can go on now: shares in turn, within a share first come, first served.
    fn dequeue(&mut self, capacity: u64) -> Dequeued {
        let mut dequeued = Dequeued::default();
        let mut passed_over = 0;
        while passed_over < self.waiting.len() {
            let Some(share) = self.waiting.pop_front() else {
                break;
            };
            let queue = &mut self.shares[share].queue;
            while let Some(waiter) = queue.pop_front_if(|w| w.grant.is_closed()) {
                dequeued.gone.push(waiter);
            }
            let Some(bytes) = queue.front().map(|w| w.bytes) else {
                continue;
            };
            if self.fits(share, bytes, capacity) {
                self.add(share, bytes);
                dequeued.granted.extend(self.shares[share].queue.pop_front());
                passed_over = 0;
            } else {
                passed_over += 1;
            }
            if !self.shares[share].queue.is_empty() {
                self.waiting.push_back(share);
            }
        }
        dequeued
    }
}

impl Share {
    fn pot(&self) -> &Pot {
        &self.0.budget.0
    }

    /// Takes bytes, or none when they are not to be had at once or others wait for this share.
    pub fn try_take(&self, bytes: u32) -> Option<Hold> {
        let bytes = u64::from(bytes);
        let pot = self.pot();
        let mut state = pot.state.lock();
        let index = self.0.index;
        if !state.shares[index].queue.is_empty() || !state.fits(index, bytes, pot.capacity) {
            return None;
        }
        state.add(index, bytes);
        drop(state);
        Some(self.hold(bytes, None))
    }

    /// Takes bytes, waiting for them where necessary. For sources only (R1). Dropping the future
    /// gives up the place in the queue.
    pub async fn take(&self, bytes: u32) -> Hold {
        if let Some(hold) = self.try_take(bytes) {
            return hold;
        }
        let granted = {
            let pot = self.pot();
            let mut state = pot.state.lock();
            let index = self.0.index;
            // What is free may have changed since the attempt above.
            if state.shares[index].queue.is_empty() && state.fits(index, bytes.into(), pot.capacity) {
                state.add(index, bytes.into());
                return self.hold(bytes.into(), None);
            }
            let (grant, granted) = oneshot::channel();
            let queue = &mut state.shares[index].queue;
            queue.push_back(Waiter { share: self.clone(), bytes: bytes.into(), grant });
            if queue.len() == 1 {
                state.waiting.push_back(index);
            }
            granted
        };
        granted.await.expect("a waiter stays queued until it is granted, and this future holds the share")
    }

    /// Takes bytes for the rest of a message whose beginning is already held (R4): waits for budget
    /// or for the one permission to overdraw, whichever comes first. The permission stays with
    /// the bytes, so there is never more than one message's worth beyond the budget. `overdraws` says whether that
    /// beginning [has it](Hold::overdraws) already: then there is nobody to wait for but itself.
    pub async fn take_for_incomplete(&self, bytes: u32, overdraws: bool) -> Hold {
        if overdraws {
            return self.nothing().more(bytes);
        }
        let permission = Arc::clone(&self.pot().overdraw).acquire_owned();
        tokio::select! {
            biased;
            hold = self.take(bytes) => hold,
            permit = permission => {
                let permit = permit.expect("the semaphore is never closed");
                self.pot().state.lock().add(self.0.index, bytes.into());
                self.hold(bytes.into(), Some(permit))
            }
        }
    }

    fn hold(&self, bytes: u64, overdraw: Option<OwnedSemaphorePermit>) -> Hold {
        Hold { share: self.clone(), bytes, overdraw }
    }

    /// A hold on nothing, to grow from.
    pub fn nothing(&self) -> Hold {
        self.hold(0, None)
    }

    /// How many bytes this share has taken.
    pub fn used(&self) -> u64 {
        self.pot().state.lock().shares[self.0.index].used
    }

    fn give_back(&self, bytes: u64) {
        if bytes == 0 {
            return;
        }
        let pot = self.pot();
        let mut state = pot.state.lock();
        state.remove(self.0.index, bytes);
        if state.waiting.is_empty() {
            return;
        }
        let dequeued = state.dequeue(pot.capacity);
        drop(state);
        for waiter in dequeued.granted {
            // Somebody who gave up in the meantime drops the hold, which gives it back.
            let _ = waiter.grant.send(waiter.share.hold(waiter.bytes, None));
        }
    }
}

impl Hold {
    /// How many bytes are held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether it has the one permission to go beyond the budget (R4).
    pub fn overdraws(&self) -> bool {
        self.overdraw.is_some()
    }

    /// Takes more without waiting; may go beyond the budget (R1).
    pub fn grow(&mut self, bytes: u32) {
        self.share.pot().state.lock().add(self.share.0.index, bytes.into());
        self.bytes += u64::from(bytes);
    }

    /// Another hold of the same share, taken without waiting; may go beyond the budget (R1).
    pub fn more(&self, bytes: u32) -> Hold {
        let mut more = self.share.nothing();
        more.grow(bytes);
        more
    }

    /// Gives some of it back; at most all of it.
    pub fn give_back(&mut self, bytes: u32) {
        let bytes = u64::from(bytes).min(self.bytes);
        self.bytes -= bytes;
        self.share.give_back(bytes);
    }

    /// Parts with some of it, at most all of it, and with the permission to overdraw if it has one.
    pub fn split(&mut self, bytes: u32) -> Hold {
        let bytes = u64::from(bytes).min(self.bytes);
        self.bytes -= bytes;
        Hold { share: self.share.clone(), bytes, overdraw: self.overdraw.take() }
    }

    /// Takes over what another hold of the same share has.
    pub fn merge(&mut self, mut other: Hold) {
        debug_assert!(Arc::ptr_eq(&self.share.0, &other.share.0), "holds of one share");
        self.bytes += std::mem::take(&mut other.bytes);
        if self.overdraw.is_none() {
            self.overdraw = other.overdraw.take();
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.share.give_back(self.bytes);
    }
}

impl Drop for ShareSeat {
    fn drop(&mut self) {
        self.budget.0.state.lock().unused_shares.push(self.index);
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Budget({} of {} bytes)", self.used(), self.0.capacity)
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Share({})", self.0.index)
    }
}

impl fmt::Debug for Hold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hold({} bytes)", self.bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
        future.poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn holds_are_given_back_when_dropped() {
        let budget = Budget::new(1000);
        let share = budget.share();
        let mut hold = share.try_take(600).expect("there is room");
        hold.give_back(100);
        assert_eq!(budget.used(), 500);
        drop(hold);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_greedy_device_leaves_room_for_others() {
        let budget = Budget::new(1000);
        let (greedy, modest) = (budget.share(), budget.share());
        let mut held = Vec::new();
        while let Some(hold) = greedy.try_take(50) {
            held.push(hold);
        }
        assert_eq!(greedy.used(), 800);
        assert!(modest.try_take(50).is_some());
    }

    #[test]
    fn a_waiter_goes_on_when_enough_was_given_back() {
        let budget = Budget::new(1000);
        let share = budget.share();
        let first = share.try_take(1000).expect("the first may take all");
        let mut waiting = pin!(share.take(400));
        assert!(!budget.is_waited_for());
        assert!(poll(waiting.as_mut()).is_pending());
        assert!(budget.is_waited_for());
        assert!(share.try_take(1).is_none(), "nobody jumps the queue");
        drop(first);
        assert!(!budget.is_waited_for());
        let Poll::Ready(hold) = poll(waiting) else { panic!("still waiting") };
        assert_eq!(hold.bytes(), 400);
    }

    #[test]
    fn a_waiter_that_gives_up_is_passed_over() {
        let budget = Budget::new(1000);
        let share = budget.share();
        let first = share.try_take(1000).expect("the first may take all");
        let mut second = pin!(share.take(400));
        {
            let mut given_up = pin!(share.take(900));
            assert!(poll(given_up.as_mut()).is_pending());
            assert!(poll(second.as_mut()).is_pending());
        }
        drop(first);
        assert!(poll(second).is_ready());
        assert_eq!(budget.used(), 0, "the granted hold was dropped with its future's result");
    }

    #[test]
    fn waiting_devices_are_served_in_turn() {
        let budget = Budget::new(1000);
        let (a, b, c) = (budget.share(), budget.share(), budget.share());
        let full = c.try_take(1000).expect("the first may take all");
        let (mut a1, mut a2, mut b1) = (pin!(a.take(200)), pin!(a.take(200)), pin!(b.take(200)));
        for future in [a1.as_mut(), a2.as_mut(), b1.as_mut()] {
            assert!(poll(future).is_pending());
        }
        drop(full);
        let (first, other) = (poll(a1), poll(b1));
        assert!(first.is_ready() && other.is_ready());
        assert!(poll(a2).is_ready());
    }

    #[test]
    fn one_incomplete_message_at_a_time_overdraws() {
        let budget = Budget::new(100);
        let (a, b) = (budget.share(), budget.share());
        let _full = a.try_take(100).expect("the first may take all");
        let mut first = pin!(a.take_for_incomplete(500, false));
        let Poll::Ready(hold) = poll(first.as_mut()) else { panic!("must not wait") };
        assert_eq!(budget.used(), 600);
        let mut second = pin!(b.take_for_incomplete(10, false));
        assert!(poll(second.as_mut()).is_pending());
        drop(hold);
        assert!(poll(second).is_ready());
    }

    #[test]
    fn something_larger_than_the_budget_passes_alone() {
        let budget = Budget::new(100);
        let share = budget.share();
        assert!(share.try_take(500).is_some());
        let _some = share.try_take(1);
        assert!(share.try_take(500).is_none());
    }

    #[test]
    fn a_message_that_overdraws_does_not_wait_for_itself() {
        let budget = Budget::new(1000);
        let (a, b) = (budget.share(), budget.share());
        let _others = b.try_take(900).expect("there is room");
        let Poll::Ready(first) = poll(pin!(a.take_for_incomplete(300, false))) else { panic!("it waits") };
        assert!(first.overdraws());
        let Poll::Ready(second) = poll(pin!(a.take_for_incomplete(300, first.overdraws()))) else {
            panic!("it waits for the permission that it has")
        };
        assert_eq!((budget.used(), second.overdraws()), (1500, false));
        assert!(poll(pin!(b.take_for_incomplete(1, false))).is_pending(), "one message at a time");
    }

    #[test]
    fn numbers_of_shares_are_used_again() {
        let budget = Budget::new(100);
        for _ in 0..10 {
            drop(budget.share());
        }
        assert_eq!(budget.0.state.lock().shares.len(), 1);
    }
}
