//! Tasks that run when they are told to: a single-threaded executor that a seed drives.
//!
//! A task is polled only after it was woken, as on a real runtime; so a wake-up that is missing shows: the task never goes on.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll, Wake, Waker};

/// Tasks that are not over, each with a number.
pub struct Executor<T> {
    tasks: BTreeMap<u64, Task<T>>,
    next: u64,
}

struct Task<T> {
    future: Pin<Box<dyn Future<Output = T>>>,
    woken: Arc<Flag>,
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

impl<T> Default for Executor<T> {
    fn default() -> Self {
        Self { tasks: BTreeMap::new(), next: 0 }
    }
}

impl<T> Executor<T> {
    /// A task, to be polled for the first time; returns its number.
    pub fn spawn(&mut self, future: impl Future<Output = T> + 'static) -> u64 {
        self.next += 1;
        let woken = Arc::new(Flag(AtomicBool::new(true)));
        self.tasks.insert(self.next, Task { future: Box::pin(future), woken });
        self.next
    }

    /// The tasks that were woken, in the order of their numbers.
    pub fn ready(&self) -> Vec<u64> {
        let woken = |(number, task): (&u64, &Task<T>)| task.woken.0.load(Relaxed).then_some(*number);
        self.tasks.iter().filter_map(woken).collect()
    }

    /// Polls a task; what it returned if it is over.
    pub fn poll(&mut self, number: u64) -> Option<T> {
        let task = self.tasks.get_mut(&number)?;
        task.woken.0.store(false, Relaxed);
        let waker = Waker::from(Arc::clone(&task.woken));
        match task.future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Pending => None,
            Poll::Ready(done) => {
                self.tasks.remove(&number);
                Some(done)
            }
        }
    }

    /// Takes away a wake-up that has not led to anything yet; for mistakes made on purpose.
    pub fn forget_wake_up(&mut self, number: u64) {
        if let Some(task) = self.tasks.get_mut(&number) {
            task.woken.0.store(false, Relaxed);
        }
    }

    /// Drops a task.
    pub fn give_up(&mut self, number: u64) {
        self.tasks.remove(&number);
    }

    /// How many tasks are not over.
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether all are over.
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}
