//! What a processor works on: one event, and the lane's room for work.

use crate::failure::Failure;
use crate::origin::Origin;
use crate::output::{Output, Routing};
use crate::pattern::Group;
use crate::program::{MAX_STEPS, StepId, StepInfo};
use crate::step::Thrown;
use crate::watch::Did;
use event::model::{Document, Event, Keys, Path, Slot, Span};

/// One event while it is processed.
pub struct Context<'c> {
    /// The event.
    pub event: Event<'c>,
    /// Where it came from.
    pub origin: &'c Origin<'c>,
    /// The time of the run, in nanoseconds since the Unix epoch.
    pub now: i64,
    pub(crate) room: &'c mut Room,
    pub(crate) out: &'c mut Output,
    /// The record's number in the batch.
    pub(crate) record: u32,
    /// What `reroute` said so far.
    pub(crate) routing: Option<Routing>,
    pub(crate) staged: Vec<Staged>,
    pub(crate) progress: Progress,
    /// The failure on its way, where a [`Thrown`] says that there is one.
    pub(crate) thrown: Option<Failure>,
    /// The program's steps, by their ids.
    pub(crate) steps: &'c [StepInfo],
}

/// How far an event has come.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Progress {
    /// Steps that may still be taken.
    pub(crate) fuel: u32,
    /// How deep pipelines, groups and handlers are in each other.
    pub(crate) depth: u32,
    /// Which of the program's pipelines is running.
    pub(crate) running: usize,
    /// Which `group` succeeded last.
    pub(crate) last_group: Option<u32>,
    /// Failure handlers that are running.
    pub(crate) handlers: u32,
    /// A handler said that the failure is over.
    pub(crate) recovered: bool,
    /// The step that dropped the event.
    pub(crate) dropped_by: Option<StepId>,
    /// Something was staged and sent, so that the event itself is not sent at the end.
    pub(crate) committed: bool,
    /// Loops over elements that are running.
    pub(crate) loops: u32,
}

impl Progress {
    /// Not a step yet.
    pub(crate) const START: Self = Self {
        fuel: MAX_STEPS,
        depth: 0,
        running: 0,
        last_group: None,
        handlers: 0,
        recovered: false,
        dropped_by: None,
        committed: false,
        loops: 0,
    };
}

/// An event as it was when it was staged for a target.
#[derive(Debug)]
pub(crate) struct Staged {
    pub(crate) routing: Routing,
    pub(crate) json: Vec<u8>,
    pub(crate) text: Vec<u8>,
}

/// A lane's room for running programs, reused from event to event and from program to program.
#[derive(Debug)]
pub struct Scratch {
    pub(crate) doc: Document,
    pub(crate) room: Room,
}

/// Buffers for processors, and the counters of the running program.
#[derive(Debug, Default)]
pub(crate) struct Room {
    pub(crate) text: Vec<u8>,
    pub(crate) groups: Vec<Group>,
    pub(crate) tallies: Vec<Tally>,
    /// What the steps of a watched program did.
    pub(crate) noted: Vec<Did>,
}

/// What a step did during one run.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) executed: u64,
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
    pub(crate) ticks: u64,
}

impl Scratch {
    /// Room for programs that were compiled with `keys`.
    pub fn new(keys: &Keys) -> Self {
        Self { doc: Document::new(keys), room: Room::default() }
    }

    /// What the steps of a watched program did since this was asked the last time.
    pub fn take_noted(&mut self) -> Vec<Did> {
        std::mem::take(&mut self.room.noted)
    }
}

impl<'c> Context<'c> {
    /// Lends a buffer for text to `work`, beside the context itself.
    pub(crate) fn with_buffer<R>(&mut self, work: impl FnOnce(&mut Self, &mut Vec<u8>) -> R) -> R {
        let mut buffer = std::mem::take(&mut self.room.text);
        buffer.clear();
        let result = work(self, &mut buffer);
        self.room.text = buffer;
        result
    }

    /// Lends the bytes of a text to `work`, beside the context itself; texts that processors made are copied for it.
    pub(crate) fn with_bytes<R>(&mut self, span: Span, work: impl FnOnce(&mut Self, &[u8]) -> R) -> R {
        if span.is_in_record() {
            let record = self.event.record();
            return work(self, &record[span.offset()..][..span.len()]);
        }
        self.with_buffer(|cx, buffer| {
            buffer.extend_from_slice(cx.event.bytes(span));
            work(cx, buffer)
        })
    }

    /// Lends room for captures to `work`, beside the context itself.
    pub(crate) fn with_groups<R>(&mut self, work: impl FnOnce(&mut Self, &mut Vec<Group>) -> R) -> R {
        let mut groups = std::mem::take(&mut self.room.groups);
        let result = work(self, &mut groups);
        self.room.groups = groups;
        result
    }

    /// Sends a failure on its way.
    #[cold]
    pub(crate) fn throw(&mut self, failure: Failure) -> Thrown {
        self.thrown = Some(failure);
        Thrown
    }

    /// Takes the failure that a [`Thrown`] announced.
    #[cold]
    pub(crate) fn catch(&mut self) -> Failure {
        // Always some: only `throw` announces failures.
        self.thrown.take().unwrap_or_else(|| Failure::fixed("failed"))
    }

    /// Whether no handler may go on with the event after the failure on its way.
    pub(crate) fn has_thrown_final(&self) -> bool {
        self.thrown.as_ref().is_some_and(|failure| failure.is_final)
    }

    /// The value at a path; a null counts as missing.
    pub fn value(&self, path: &Path) -> Option<Slot> {
        self.event.get(path).filter(|slot| !matches!(slot, Slot::Null))
    }

    /// The text at a path, or the failure that says what is there instead.
    ///
    /// # Errors
    /// When the field is missing or no text.
    pub fn text(&self, path: &Path) -> Result<Span, Failure> {
        match self.value(path) {
            Some(Slot::Text(span)) => Ok(span),
            Some(other) => Err(not_a_text(other).at(path)),
            None => Err(Failure::missing(path)),
        }
    }

    /// Sets a field.
    ///
    /// # Errors
    /// When something is in the way, or a limit is reached.
    #[inline]
    pub fn set(&mut self, path: &Path, slot: Slot) -> Result<(), Failure> {
        match self.event.set(path, slot) {
            Ok(_) => Ok(()),
            Err(obstacle) => Err(Failure::from(obstacle).at(path)),
        }
    }
}

/// The failure of a value that should be a text.
pub(crate) fn not_a_text(slot: Slot) -> Failure {
    use event::model::Kind;
    Failure::fixed(match slot.kind() {
        Kind::Null => "is null and not a string",
        Kind::Bool => "is a boolean and not a string",
        Kind::Int => "is an integer and not a string",
        Kind::Float => "is a float and not a string",
        Kind::Text => "is not the string it should be",
        Kind::Bytes => "is bytes and not a string",
        Kind::Time => "is a time and not a string",
        Kind::List => "is an array and not a string",
        Kind::Map => "is an object and not a string",
    })
}
