//! What a run gives: the events that are left, as JSON, and what became of the others.

use crate::failure::Failure;
use crate::program::StepId;
use std::sync::Arc;

/// The result of a run, reused from batch to batch.
#[derive(Debug, Default)]
pub struct Output {
    /// The events that are left, one JSON object after the other, each followed by the delimiter.
    pub bytes: Vec<u8>,
    /// What is written behind each event, so that nobody has to copy events to put it there; empty at first, kept by
    /// [`clear`](Self::clear).
    pub delimiter: Vec<u8>,
    /// Which they are.
    pub kept: Vec<Kept>,
    /// Which records were dropped on purpose.
    pub dropped: Vec<Dropped>,
    /// Which records failed.
    pub failed: Vec<Failed>,
    /// Which records the program's guard did not let pass.
    pub passed_over: Vec<u32>,
    /// Say which events are left, but don't write them: for those who have the records and need no more. Kept by
    /// [`clear`](Self::clear).
    pub silent: bool,
    /// Where events go that were rerouted; [`Kept::routing`] counts them.
    pub routings: Vec<Routing>,
}

/// An event that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The record it came from. A record can be there more than once: with a clone for another target.
    pub record: u32,
    /// Where its JSON ends in [`Output::bytes`]; it starts behind the delimiter of the one before.
    pub end: usize,
    /// Which of [`Output::routings`] holds for it; none: the route's targets.
    pub routing: Option<u32>,
}

/// A record that a processor dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// The record.
    pub record: u32,
    /// The processor.
    pub step: StepId,
}

/// A record whose processing failed without a handler.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failed {
    /// The record.
    pub record: u32,
    /// The processor; none if the event could not be written.
    pub step: Option<StepId>,
    /// Why.
    pub cause: Failure,
    /// The pipeline says that the event is to be kept in quarantine.
    pub kept: bool,
}

/// What `reroute` said about an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// The target.
    pub destination: Option<Arc<str>>,
    /// Metadata for the target: table, index, bucket and the like.
    pub attributes: Vec<(&'static str, Arc<str>)>,
}

impl Output {
    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.kept.clear();
        self.dropped.clear();
        self.failed.clear();
        self.passed_over.clear();
        self.routings.clear();
    }

    /// The JSON of an event that is left, by its position in [`Output::kept`].
    ///
    /// # Panics
    /// When there is no such event.
    pub fn json(&self, index: usize) -> &[u8] {
        let start = if index == 0 { 0 } else { self.kept[index - 1].end + self.delimiter.len() };
        &self.bytes[start..self.kept[index].end]
    }

    /// The event of a record was written completely.
    pub(crate) fn end_event(&mut self, record: u32, routing: Option<u32>) {
        self.kept.push(Kept { record, end: self.bytes.len(), routing });
        if !self.silent {
            self.bytes.extend_from_slice(&self.delimiter);
        }
    }

    pub(crate) fn routing(&mut self, routing: &Routing) -> u32 {
        // Most events of a batch go the same way as the one before.
        let known = self.routings.iter().rposition(|other| other == routing);
        let at = known.unwrap_or_else(|| {
            self.routings.push(routing.clone());
            self.routings.len() - 1
        });
        at as u32
    }
}
