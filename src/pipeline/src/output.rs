//! What a run gives: the events that are left, as JSON or text, and what became of the others.

use crate::failure::Failure;
use crate::program::StepId;
use event::model::{Event, KeyId, Obstacle, Slot, json_write};
use std::collections::HashSet;
use std::sync::Arc;

/// The result of a run, reused from batch to batch.
#[derive(Debug, Default)]
pub struct Output {
    /// The events that are left and wanted as JSON, one object after the other, each followed by the delimiter.
    pub bytes: Vec<u8>,
    /// Those that are wanted as text.
    pub texts: Texts,
    /// What is written behind each event, so that nobody has to copy events to put it there; empty at first, kept by
    /// [`clear`](Self::clear).
    pub delimiter: Vec<u8>,
    /// Which events are left.
    pub kept: Vec<Kept>,
    /// Which records were dropped on purpose.
    pub dropped: Vec<Dropped>,
    /// Which records failed.
    pub failed: Vec<Failed>,
    /// Which records the program's guard did not let pass.
    pub passed_over: Vec<u32>,
    /// What is written of each event that goes to the route's targets. Kept by [`clear`](Self::clear).
    pub forms: Forms,
    /// Targets that get text when a pipeline sends them an event by name; all others get JSON. Kept by
    /// [`clear`](Self::clear).
    pub text_targets: Arc<HashSet<Arc<str>>>,
    /// Where events go that were rerouted; [`Kept::routing`] counts them.
    pub routings: Vec<Routing>,
}

/// What is written of an event that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forms {
    /// One JSON object without the `_` namespaces.
    pub json: bool,
    /// The text of its field `message`; the JSON object where that is no text.
    pub text: bool,
}

/// Events as text.
#[derive(Debug, Default)]
pub struct Texts {
    /// One after the other, each followed by the delimiter.
    pub bytes: Vec<u8>,
    /// Where each of [`Output::kept`] is, empty where it is not wanted so; nothing at all if none is.
    pub spans: Vec<(u32, u32)>,
}

/// An event that is left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept {
    /// The record it came from. A record can be there more than once: with a clone for another target.
    pub record: u32,
    /// Where its JSON begins in [`Output::bytes`].
    pub start: u32,
    /// Where it ends; where it begins, if it is not wanted so.
    pub end: u32,
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

impl Forms {
    /// As JSON.
    pub const JSON: Self = Self { json: true, text: false };
    /// As text.
    pub const TEXT: Self = Self { json: false, text: true };
    /// Not at all: for those who have the records, and need to know which of them are left.
    pub const NONE: Self = Self { json: false, text: false };
}

impl Default for Forms {
    fn default() -> Self {
        Self::JSON
    }
}

impl Output {
    /// Forgets everything and keeps the room.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.texts.bytes.clear();
        self.texts.spans.clear();
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
        let kept = &self.kept[index];
        &self.bytes[kept.start as usize..kept.end as usize]
    }

    /// What is written of an event that goes there.
    pub(crate) fn forms_for(&self, routing: Option<&Routing>) -> Forms {
        match routing.and_then(|routing| routing.destination.as_ref()) {
            None => self.forms,
            _ if self.forms == Forms::NONE => Forms::NONE,
            Some(target) if self.text_targets.contains(target) => Forms::TEXT,
            Some(_) => Forms::JSON,
        }
    }

    /// Writes an event; what can't be written leaves nothing.
    #[inline]
    pub(crate) fn write(
        &mut self,
        record: u32,
        routing: Option<&Routing>,
        event: &Event<'_>,
    ) -> Result<(), Obstacle> {
        let forms = self.forms_for(routing);
        let (start, text_start) = (self.bytes.len(), self.texts.bytes.len());
        if let Err(obstacle) = forms.write(event, &mut self.bytes, &mut self.texts.bytes) {
            self.bytes.truncate(start);
            self.texts.bytes.truncate(text_start);
            return Err(obstacle);
        }
        self.end_event(record, routing, forms, (start, text_start));
        Ok(())
    }

    /// An event was written completely, from these places on.
    pub(crate) fn end_event(
        &mut self,
        record: u32,
        routing: Option<&Routing>,
        forms: Forms,
        (start, text_start): (usize, usize),
    ) {
        let routing = routing.map(|routing| self.routing(routing));
        let end = self.bytes.len() as u32;
        if forms.text || !self.texts.spans.is_empty() {
            self.texts.spans.resize(self.kept.len(), (0, 0));
            self.texts.spans.push((text_start as u32, self.texts.bytes.len() as u32));
        }
        self.kept.push(Kept { record, start: start as u32, end, routing });
        if forms.json {
            self.bytes.extend_from_slice(&self.delimiter);
        }
        if forms.text {
            self.texts.bytes.extend_from_slice(&self.delimiter);
        }
    }

    fn routing(&mut self, routing: &Routing) -> u32 {
        // Most events of a batch go the same way as the one before.
        let known = self.routings.iter().rposition(|other| other == routing);
        let at = known.unwrap_or_else(|| {
            self.routings.push(routing.clone());
            self.routings.len() - 1
        });
        at as u32
    }
}

impl Forms {
    /// Appends an event to what is wanted of it.
    pub(crate) fn write(
        self,
        event: &Event<'_>,
        json: &mut Vec<u8>,
        text: &mut Vec<u8>,
    ) -> Result<(), Obstacle> {
        if self.json {
            json_write::write_event(event, json)?;
        }
        if self.text {
            match message(event) {
                Some(message) => text.extend_from_slice(message),
                None => json_write::write_event(event, text)?,
            }
        }
        Ok(())
    }
}

fn message<'e>(event: &'e Event<'_>) -> Option<&'e [u8]> {
    let Slot::Map(root) = event.slot(Event::ROOT) else { return None };
    match event.slot(event.field(root, KeyId::MESSAGE)?) {
        Slot::Text(span) | Slot::Bytes(span) => Some(event.bytes(span)),
        _ => None,
    }
}
