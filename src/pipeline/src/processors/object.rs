//! Values that processors make: objects field by field, and lists.

use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Ran};
use event::model::{Children, Path, Slot};

/// An object that no field holds yet; its fields keep the order in which they come.
pub(super) struct Object(Children);

impl Object {
    pub(super) fn new() -> Self {
        Self(Children::EMPTY)
    }

    pub(super) fn put(&mut self, cx: &mut Context<'_>, name: &str, slot: Slot) -> Result<(), Failure> {
        let key = cx.event.key_of(name.as_bytes())?;
        cx.event.append_to(&mut self.0, key, slot)?;
        Ok(())
    }

    pub(super) fn text(&mut self, cx: &mut Context<'_>, name: &str, text: &str) -> Result<(), Failure> {
        let slot = cx.event.text(text.as_bytes())?;
        self.put(cx, name, slot)
    }

    pub(super) fn slot(self) -> Slot {
        Slot::Map(self.0)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.len() == 0
    }
}

/// A list of texts.
pub(super) fn texts<T: AsRef<str>>(
    cx: &mut Context<'_>,
    texts: impl IntoIterator<Item = T>,
) -> Result<Slot, Failure> {
    let mut list = Children::EMPTY;
    for text in texts {
        let slot = cx.event.text(text.as_ref().as_bytes())?;
        cx.event.push_to(&mut list, slot)?;
    }
    Ok(Slot::List(list))
}

/// What `make` makes of a value, or a list of what it makes of each element of a list.
fn each(
    cx: &mut Context<'_>,
    value: Slot,
    mut make: impl FnMut(&mut Context<'_>, Slot) -> Result<Slot, Failure>,
) -> Result<Slot, Failure> {
    let Slot::List(list) = value else { return make(cx, value) };
    let mut made = Children::EMPTY;
    let mut at = cx.event.children(list).next();
    while let Some(node) = at {
        at = cx.event.next(node);
        let slot = cx.event.slot(node);
        let slot = make(cx, slot)?;
        cx.event.push_to(&mut made, slot)?;
    }
    Ok(Slot::List(made))
}

/// Puts what `make` makes of a field's value, or of each element of a list, into another field.
pub(super) fn put_each(
    cx: &mut Context<'_>,
    (field, target): (&Path, &Path),
    ignore_missing: bool,
    make: impl FnMut(&mut Context<'_>, Slot) -> Result<Slot, Failure>,
) -> Ran {
    let value = match cx.value(field) {
        None if ignore_missing => return Ok(Flow::Next),
        None => return Err(Failure::missing(field)),
        Some(value) => value,
    };
    let made = each(cx, value, make)?;
    cx.set(target, made)?;
    Ok(Flow::Next)
}
