//! What most processors start from: a field, where the result goes, and what to do when the field is missing.

use crate::compile::{Options, Reported};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use event::model::{Children, Path, Slot, Span};

/// `field`, `target_field` and `ignore_missing`.
pub(super) struct Target {
    pub(super) field: Path,
    pub(super) target: Path,
    pub(super) ignore_missing: bool,
}

impl Target {
    pub(super) fn read(options: &mut Options<'_, '_>) -> Result<Self, Reported> {
        let field = options.field("field")?;
        let target = options.field_or("target_field", &field)?;
        let ignore_missing = options.flag("ignore_missing", false)?;
        Ok(Self { field, target, ignore_missing })
    }

    /// As [`read`](Self::read), for a processor whose result goes to a field of a fixed name unless said otherwise.
    pub(super) fn read_or(options: &mut Options<'_, '_>, default: &[&str]) -> Result<Self, Reported> {
        let default = Path::of_names(options.keys(), default);
        let target = options.field_or("target_field", &default)?;
        Ok(Self { target, ..Self::read(options)? })
    }

    /// As [`read`](Self::read), for a processor whose result goes beside the field, under its name with `suffix` behind.
    pub(super) fn read_beside(options: &mut Options<'_, '_>, suffix: &str) -> Result<Self, Reported> {
        let read = Self::read(options)?;
        let target = target_beside(options, &read.field, suffix)?;
        Ok(Self { target, ..read })
    }

    /// `field`, or `fields` without those of `exclude`, each changed in its place.
    pub(super) fn read_several(options: &mut Options<'_, '_>) -> Result<Vec<Self>, Reported> {
        let mut targets = Vec::new();
        if options.node("field").is_some() || options.node("fields").is_none() {
            targets.push(Self::read(options)?);
        }
        let ignore_missing = options.flag("ignore_missing", false)?;
        let exclude = options.fields("exclude")?;
        for field in options.fields("fields")? {
            if !exclude.contains(&field) {
                targets.push(Self { target: field.clone(), field, ignore_missing });
            }
        }
        Ok(targets)
    }

    /// The field's value; none if it is missing and that is to be ignored.
    pub(super) fn value(&self, cx: &Context<'_>) -> Result<Option<Slot>, Failure> {
        match cx.value(&self.field) {
            None if self.ignore_missing => Ok(None),
            None => Err(Failure::missing(&self.field)),
            value => Ok(value),
        }
    }

    /// The field's text; none if it is missing and that is to be ignored.
    pub(super) fn text(&self, cx: &Context<'_>) -> Result<Option<Span>, Failure> {
        match self.value(cx)? {
            None => Ok(None),
            Some(Slot::Text(span)) => Ok(Some(span)),
            Some(other) => Err(not_a_text(other).at(&self.field)),
        }
    }

    /// Puts the result.
    pub(super) fn put(&self, cx: &mut Context<'_>, slot: Slot) -> Result<(), Failure> {
        cx.set(&self.target, slot)
    }

    /// Puts what `change` makes of the field's value, or of each element of a list.
    pub(super) fn change_values(
        &self,
        cx: &mut Context<'_>,
        mut change: impl FnMut(&mut Context<'_>, Slot) -> Result<Slot, Failure>,
    ) -> Result<(), Failure> {
        let Some(value) = self.value(cx)? else { return Ok(()) };
        let Slot::List(list) = value else {
            let changed = change(cx, value).map_err(|failure| failure.at(&self.field))?;
            return self.put(cx, changed);
        };
        let mut changed = Children::EMPTY;
        let mut at = cx.event.children(list).next();
        while let Some(node) = at {
            let slot = change(cx, cx.event.slot(node)).map_err(|failure| failure.at(&self.field))?;
            cx.event.push_to(&mut changed, slot)?;
            at = cx.event.next(node);
        }
        self.put(cx, Slot::List(changed))
    }

    /// Puts what `change` makes of the field's text, or of each text of a list of them.
    pub(super) fn change_texts(
        &self,
        cx: &mut Context<'_>,
        mut change: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Result<(), Failure> {
        let Some(value) = self.value(cx)? else { return Ok(()) };
        let changed = match value {
            Slot::Text(span) => Slot::Text(cx.event.rewrite(span, |text, out| change(text, out))?.0),
            Slot::List(list) => {
                let mut changed = Children::EMPTY;
                let mut at = cx.event.children(list).next();
                while let Some(node) = at {
                    let Slot::Text(span) = cx.event.slot(node) else {
                        return Err(not_a_text(cx.event.slot(node)).at(&self.field));
                    };
                    let (span, ()) = cx.event.rewrite(span, |text, out| change(text, out))?;
                    cx.event.push_to(&mut changed, Slot::Text(span))?;
                    at = cx.event.next(node);
                }
                Slot::List(changed)
            }
            other => return Err(not_a_text(other).at(&self.field)),
        };
        self.put(cx, changed)
    }
}

/// The field `target_field`, or one beside `field` whose name is that of `field` with something behind it.
pub(super) fn target_beside(
    options: &mut Options<'_, '_>,
    field: &Path,
    suffix: &str,
) -> Result<Path, Reported> {
    let keys = options.keys();
    Ok(options.optional_field("target_field")?.unwrap_or_else(|| field.beside(keys, suffix)))
}

/// Adds a field to an object that is being made.
pub(super) fn add_field(
    cx: &mut Context<'_>,
    map: &mut Children,
    name: &str,
    slot: Slot,
) -> Result<(), Failure> {
    let key = cx.event.key_of(name.as_bytes())?;
    cx.event.append_to(map, key, slot)?;
    Ok(())
}

/// Adds a field with a text to an object that is being made.
pub(super) fn add_text(
    cx: &mut Context<'_>,
    map: &mut Children,
    name: &str,
    text: &str,
) -> Result<(), Failure> {
    let slot = cx.event.text(text.as_bytes())?;
    add_field(cx, map, name, slot)
}
