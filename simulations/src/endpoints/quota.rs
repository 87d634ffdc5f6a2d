//! How many events a source is to have sent.

use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// The side that sets it.
#[derive(Clone, Debug)]
pub struct Quota(watch::Sender<Due>);

/// The side of the source.
#[derive(Clone, Debug)]
pub struct Share {
    due: watch::Receiver<Due>,
    done: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Due {
    events: u64,
    finish: bool,
}

/// Quotas grow so often.
const TICK: Duration = Duration::from_millis(10);
/// Most events of a turn.
const TURN: u64 = 500;
/// A source that can't send for longer than this goes on at its rate; it does not make up for the rest.
const MOST_BEHIND: Duration = Duration::from_secs(2);

impl Default for Quota {
    fn default() -> Self {
        Self(watch::channel(Due::default()).0)
    }
}

impl Quota {
    /// For a source.
    pub fn share(&self) -> Share {
        Share { due: self.0.subscribe(), done: 0 }
    }

    /// So many more are due.
    pub fn add(&self, events: u64) {
        self.0.send_modify(|due| due.events += events);
    }

    /// Sources are to end, whatever is due.
    pub fn finish(&self) {
        self.0.send_modify(|due| due.finish = true);
    }

    /// So many are due each second, for so long; `sent` says how many were sent.
    pub async fn run(&self, rate: f64, length: Duration, sent: impl Fn() -> u64) {
        let before = self.0.borrow().events;
        let (began, mut due, mut last) = (Instant::now(), 0.0, Instant::now());
        let mut every = interval(TICK);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let most = rate * MOST_BEHIND.as_secs_f64();
        while began.elapsed() < length {
            every.tick().await;
            let now = Instant::now();
            due += rate * (now - last).as_secs_f64();
            last = now;
            let ahead = sent().saturating_sub(before) as f64 + most.max(1.0);
            due = due.min(ahead);
            let events = before + due as u64;
            self.0.send_if_modified(|due| {
                let more = events > due.events;
                due.events = due.events.max(events);
                more
            });
        }
    }
}

impl Share {
    /// How many to send now; none when it is to end. They count as sent.
    pub async fn next(&mut self) -> Option<u64> {
        loop {
            let due = *self.due.borrow_and_update();
            if due.finish {
                return None;
            }
            let more = due.events.saturating_sub(self.done).min(TURN);
            if more > 0 {
                self.done += more;
                return Some(more);
            }
            self.due.changed().await.ok()?;
        }
    }

    /// Done when it is to end.
    pub async fn finished(&mut self) {
        // Without a quota there is nothing more to send.
        let _ = self.due.wait_for(|due| due.finish).await;
    }

    /// Whether it is to end.
    pub fn is_finished(&self) -> bool {
        self.due.borrow().finish
    }
}
