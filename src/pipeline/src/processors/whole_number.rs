//! Whole numbers as events have them: as such, as floats without a fraction, or as texts.

use crate::context::Context;
use event::model::{Path, Slot};

/// What is at a path.
pub(super) enum WholeNumber {
    Missing,
    Is(i64),
    /// Something else.
    Other(Slot),
}

pub(super) fn whole_number(cx: &Context<'_>, path: &Path) -> WholeNumber {
    match cx.value(path) {
        None => WholeNumber::Missing,
        Some(slot) => of_slot(cx, slot).map_or(WholeNumber::Other(slot), WholeNumber::Is),
    }
}

/// The whole number that a value is, or that its text is.
pub(super) fn of_slot(cx: &Context<'_>, slot: Slot) -> Option<i64> {
    match slot {
        Slot::Int(number) => Some(number),
        Slot::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => Some(number as i64),
        Slot::Text(span) => std::str::from_utf8(cx.event.bytes(span)).ok()?.trim().parse().ok(),
        _ => None,
    }
}
