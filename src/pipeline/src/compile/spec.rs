//! What a processor says about itself: its options, its examples, how it is compiled.

use super::options::{Options, Reported};
use crate::step::Processor;

/// A processor as users see it. Reference pages are made from these, and the examples are run as tests.
#[derive(Debug)]
pub struct Spec {
    /// The name in pipelines.
    pub name: &'static str,
    /// The family it is listed in.
    pub family: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// What else there is to say; may be empty.
    pub details: &'static str,
    /// Its own options, beside those that all processors have.
    pub options: &'static [OptionDoc],
    /// What it does to events.
    pub examples: &'static [Example],
    /// Makes it from its options.
    pub compile: fn(&mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported>,
}

/// An option of a processor.
#[derive(Debug)]
pub struct OptionDoc {
    /// Its name.
    pub name: &'static str,
    /// Whether it must be there.
    pub required: bool,
    /// What holds where it is left out; empty if there is nothing to say.
    pub default: &'static str,
    /// What it means.
    pub text: &'static str,
}

/// An event, a pipeline, and what comes out.
#[derive(Debug)]
pub struct Example {
    /// What it shows.
    pub title: &'static str,
    /// The event before, JSON.
    pub event: &'static str,
    /// The processors, YAML.
    pub processors: &'static str,
    /// What becomes of it.
    pub outcome: Outcome,
}

/// What becomes of an example's event.
#[derive(Debug)]
pub enum Outcome {
    /// It is this afterwards, JSON.
    Event(&'static str),
    /// It is dropped.
    Dropped,
    /// It fails with a text that contains this.
    Fails(&'static str),
}

/// An option that must be there.
pub(crate) const fn required(name: &'static str, text: &'static str) -> OptionDoc {
    OptionDoc { name, required: true, default: "", text }
}

/// An option with a default.
pub(crate) const fn optional(name: &'static str, default: &'static str, text: &'static str) -> OptionDoc {
    OptionDoc { name, required: false, default, text }
}

/// The options that all processors have.
pub(crate) const COMMON: [OptionDoc; 7] = [
    optional("if", "", "A condition; where it does not hold, the processor is passed over."),
    optional("ignore_failure", "false", "Whether the flow goes on when the processor fails."),
    optional("on_failure", "", "Processors that run when it fails. The failure is over if they succeed."),
    optional("on_success", "", "Processors that run when it succeeds; then the flow goes on."),
    optional("tag", "", "A name for error texts and `go_to`."),
    optional("description", "", "A note."),
    optional("disabled", "false", "Whether it is left out, as if it were not written."),
];

/// The options that many processors share.
pub(crate) const FIELD: OptionDoc = required("field", "The field to work on.");
pub(crate) const TARGET_FIELD: OptionDoc =
    optional("target_field", "the field itself", "Where the result goes.");
pub(crate) const IGNORE_MISSING: OptionDoc =
    optional("ignore_missing", "false", "Do nothing when the field is missing or null, instead of failing.");
