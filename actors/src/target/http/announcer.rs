//! What a sender says of itself: changes at once, repetitions summed up.

use super::dialect::Trouble;
use crate::child::{Condition, Me};
use crate::data::target::Target;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The same trouble is reported again after so long.
const REPEAT: Duration = Duration::from_secs(60);
/// Refused events are logged at most this often.
const SUM_UP: Duration = Duration::from_secs(10);

/// A sender's voice.
#[derive(Debug)]
pub struct Announcer {
    target: Arc<Target>,
    state: State,
    refused: u64,
    summed_up: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Silent,
    Delivering { endpoint: usize },
    Trouble { name: &'static str, said: Instant },
}

impl Announcer {
    /// A voice that has said nothing.
    pub fn new(target: Arc<Target>) -> Self {
        Self { target, state: State::Silent, refused: 0, summed_up: None }
    }

    /// A request arrived.
    pub fn delivering<M: Send + 'static>(
        &mut self,
        me: &Me<M>,
        endpoint: usize,
        url: &impl std::fmt::Display,
    ) {
        let before = std::mem::replace(&mut self.state, State::Delivering { endpoint });
        if before == self.state || matches!(before, State::Delivering { .. }) {
            return;
        }
        if matches!(before, State::Trouble { .. }) {
            tracing::info!(target = &*self.target.name, endpoint = %url, "delivering again");
        }
        me.report(Condition::Note(format!("delivering to {url}")));
    }

    /// A request has to be repeated.
    pub fn trouble<M: Send + 'static>(
        &mut self,
        me: &Me<M>,
        url: &impl std::fmt::Display,
        trouble: &Trouble,
        wait: Duration,
    ) {
        let now = Instant::now();
        if let State::Trouble { name, said } = self.state
            && name == trouble.name
            && now.duration_since(said) < REPEAT
        {
            return;
        }
        self.state = State::Trouble { name: trouble.name, said: now };
        let text = format!("cannot deliver to {url}: {}; retrying in {wait:?}", trouble.text);
        tracing::warn!(target = &*self.target.name, "{text}");
        me.report(Condition::Trouble(text));
    }

    /// The peer refused events for good.
    pub fn refused<M: Send + 'static>(
        &mut self,
        me: &Me<M>,
        url: &impl std::fmt::Display,
        events: u64,
        why: &str,
    ) {
        self.refused += events;
        let now = Instant::now();
        if self.summed_up.is_some_and(|before| now.duration_since(before) < SUM_UP) {
            return;
        }
        self.summed_up = Some(now);
        let events = std::mem::take(&mut self.refused);
        let text = format!("{url} refused {events} events for good, the last because: {why}");
        tracing::warn!(target = &*self.target.name, "{text}");
        if !matches!(self.state, State::Trouble { .. }) {
            me.report(Condition::Note(text));
        }
    }
}
