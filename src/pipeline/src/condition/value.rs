//! Values while a condition is evaluated: borrowed from the event where possible.

use event::model::{Children, Event, Kind, Obstacle, Slot};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::rc::Rc;

/// A value. Lists and maps of the event stay there ([`Val::Stored`]).
#[derive(Clone, Debug)]
pub(super) enum Val<'e> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'e, [u8]>),
    Time(i64),
    /// A list or map of the event.
    Stored(Slot),
    List(Rc<Vec<Val<'e>>>),
    Map(Rc<Vec<(Cow<'e, [u8]>, Val<'e>)>>),
}

impl<'e> Val<'e> {
    pub(super) fn of_slot(event: &'e Event<'_>, slot: Slot) -> Self {
        match slot {
            Slot::Null => Val::Null,
            Slot::Bool(truth) => Val::Bool(truth),
            Slot::Int(number) => Val::Int(number),
            Slot::Float(number) => Val::Float(number),
            Slot::Text(span) | Slot::Bytes(span) => Val::Text(Cow::Borrowed(event.bytes(span))),
            Slot::Time(nanos) => Val::Time(nanos),
            Slot::List(_) | Slot::Map(_) => Val::Stored(slot),
        }
    }

    pub(super) fn owned_text(text: Vec<u8>) -> Self {
        Val::Text(Cow::Owned(text))
    }

    pub(super) fn list(values: Vec<Val<'e>>) -> Self {
        Val::List(Rc::new(values))
    }

    pub(super) fn kind_name(&self) -> &'static str {
        match self {
            Val::Null => Kind::Null.name(),
            Val::Bool(_) => Kind::Bool.name(),
            Val::Int(_) => Kind::Int.name(),
            Val::Float(_) => Kind::Float.name(),
            Val::Text(_) => Kind::Text.name(),
            Val::Time(_) => Kind::Time.name(),
            Val::Stored(slot) => slot.kind().name(),
            Val::List(_) => Kind::List.name(),
            Val::Map(_) => Kind::Map.name(),
        }
    }

    pub(super) fn is_truthy(&self) -> bool {
        match self {
            Val::Null => false,
            Val::Bool(truth) => *truth,
            Val::Int(number) => *number != 0,
            Val::Float(number) => *number != 0.0,
            Val::Text(text) => !text.is_empty(),
            Val::Time(_) => true,
            Val::Stored(Slot::List(children) | Slot::Map(children)) => children.len() > 0,
            Val::Stored(_) => false,
            Val::List(values) => !values.is_empty(),
            Val::Map(entries) => !entries.is_empty(),
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Val::Int(number) => Some(*number as f64),
            Val::Float(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn as_text(&self) -> Option<&[u8]> {
        match self {
            Val::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The elements of a list; none if it is no list.
    pub(super) fn elements(&self, event: &'e Event<'_>) -> Option<Vec<Val<'e>>> {
        match self {
            Val::List(values) => Some(values.to_vec()),
            Val::Stored(Slot::List(list)) => Some(stored_elements(event, *list)),
            _ => None,
        }
    }

    /// How many elements, fields or characters; none for what has no length.
    pub(super) fn length(&self) -> Option<usize> {
        match self {
            Val::Text(text) => Some(char_count(text)),
            Val::List(values) => Some(values.len()),
            Val::Map(entries) => Some(entries.len()),
            Val::Stored(Slot::List(children) | Slot::Map(children)) => Some(children.len()),
            _ => None,
        }
    }

    pub(super) fn equals(&self, other: &Val<'_>, event: &Event<'_>) -> bool {
        match (self, other) {
            (Val::Null, Val::Null) => true,
            (Val::Bool(a), Val::Bool(b)) => a == b,
            (Val::Int(a), Val::Int(b)) => a == b,
            (Val::Text(a), Val::Text(b)) => a == b,
            (Val::Time(a), Val::Time(b)) => a == b,
            (Val::Int(_) | Val::Float(_), Val::Int(_) | Val::Float(_)) => {
                self.as_number() == other.as_number()
            }
            (Val::Stored(a), Val::Stored(b)) => event.equal(*a, *b),
            _ => self
                .equals_as_list(other, event)
                .or_else(|| self.equals_as_map(other, event))
                .unwrap_or(false),
        }
    }

    fn equals_as_list(&self, other: &Val<'_>, event: &Event<'_>) -> Option<bool> {
        let (a, b) = (elements_of(self, event)?, elements_of(other, event)?);
        Some(a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.equals(b, event)))
    }

    fn equals_as_map(&self, other: &Val<'_>, event: &Event<'_>) -> Option<bool> {
        let (a, b) = (entries_of(self, event)?, entries_of(other, event)?);
        let same = |(name, value): &(Vec<u8>, Val<'_>)| {
            b.iter().any(|(other_name, other)| name == other_name && value.equals(other, event))
        };
        Some(a.len() == b.len() && a.iter().all(same))
    }

    pub(super) fn order(&self, other: &Val<'_>) -> Option<Ordering> {
        match (self, other) {
            (Val::Int(a), Val::Int(b)) | (Val::Time(a), Val::Time(b)) => Some(a.cmp(b)),
            (Val::Text(a), Val::Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
            _ => self.as_number()?.partial_cmp(&other.as_number()?),
        }
    }

    /// The same value without borrowing from the event, so that the event can be changed.
    pub(super) fn detached(self) -> Val<'static> {
        match self {
            Val::Null => Val::Null,
            Val::Bool(truth) => Val::Bool(truth),
            Val::Int(number) => Val::Int(number),
            Val::Float(number) => Val::Float(number),
            Val::Text(text) => Val::Text(Cow::Owned(text.into_owned())),
            Val::Time(nanos) => Val::Time(nanos),
            Val::Stored(slot) => Val::Stored(slot),
            Val::List(values) => Val::list(values.iter().map(|value| value.clone().detached()).collect()),
            Val::Map(entries) => {
                let entry = |(name, value): &(Cow<'_, [u8]>, Val<'_>)| {
                    (Cow::Owned(name.to_vec()), value.clone().detached())
                };
                Val::Map(Rc::new(entries.iter().map(entry).collect()))
            }
        }
    }

    pub(super) fn into_slot(self, event: &mut Event<'_>) -> Result<Slot, Obstacle> {
        Ok(match self {
            Val::Null => Slot::Null,
            Val::Bool(truth) => Slot::Bool(truth),
            Val::Int(number) => Slot::Int(number),
            Val::Float(number) => Slot::Float(number),
            Val::Text(text) => event.text(&text)?,
            Val::Time(nanos) => Slot::Time(nanos),
            Val::Stored(slot) => event.copy(slot)?,
            Val::List(values) => {
                let mut list = Children::EMPTY;
                for value in values.iter() {
                    let slot = value.clone().into_slot(event)?;
                    event.push_to(&mut list, slot)?;
                }
                Slot::List(list)
            }
            Val::Map(entries) => {
                let mut map = Children::EMPTY;
                for (name, value) in entries.iter() {
                    let key = event.key_of(name)?;
                    let slot = value.clone().into_slot(event)?;
                    event.append_to(&mut map, key, slot)?;
                }
                Slot::Map(map)
            }
        })
    }
}

fn stored_elements<'e>(event: &'e Event<'_>, list: Children) -> Vec<Val<'e>> {
    event.children(list).map(|node| Val::of_slot(event, event.slot(node))).collect()
}

fn elements_of<'v>(value: &Val<'v>, event: &'v Event<'_>) -> Option<Vec<Val<'v>>> {
    match value {
        Val::List(values) => Some(values.to_vec()),
        Val::Stored(Slot::List(list)) => Some(stored_elements(event, *list)),
        _ => None,
    }
}

fn entries_of<'v>(value: &Val<'v>, event: &'v Event<'_>) -> Option<Vec<(Vec<u8>, Val<'v>)>> {
    match value {
        Val::Map(entries) => {
            Some(entries.iter().map(|(name, value)| (name.to_vec(), value.clone())).collect())
        }
        Val::Stored(Slot::Map(map)) => {
            let entry = |node| (event.name(node).to_vec(), Val::of_slot(event, event.slot(node)));
            Some(event.children(*map).map(entry).collect())
        }
        _ => None,
    }
}

/// Characters, where the text is UTF-8; bytes that are not count one each.
pub(super) fn char_count(text: &[u8]) -> usize {
    text.utf8_chunks().map(|chunk| chunk.valid().chars().count() + chunk.invalid().len()).sum()
}
