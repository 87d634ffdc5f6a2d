//! What a schema says that a value is, and making a value so.

use super::convert::whole;
use crate::context::Context;
use crate::failure::Failure;
use crate::template::write_plain;
use crate::time::parse_iso;
use event::model::{Children, Kind, Slot, json_read};
use jiff::tz::TimeZone;

/// A field of a record.
#[derive(Clone, Debug)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) shape: Shape,
    pub(super) absent: Absent,
}

/// What a field that is missing, or null, becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Absent {
    /// The event fails.
    Fails,
    /// It stays missing.
    Stays,
    /// This JSON.
    Default(Box<[u8]>),
}

/// What a value is.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    Null,
    Bool,
    /// Of 32 bits.
    Int,
    /// Of 64 bits.
    Long,
    /// A time, counted in whole numbers since 1970.
    Since1970(Unit),
    Float,
    Text,
    /// One of these texts.
    OneOf(Vec<Box<str>>),
    List(Box<Shape>),
    /// An object whose names are data.
    Map(Box<Shape>),
    Record(Vec<Field>),
    /// The first that takes the value.
    Union(Vec<Shape>),
}

/// What a time is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Days,
    Millis,
    Micros,
    Nanos,
}

/// The fields of an object as the schema has them.
pub(super) fn fit_record(
    cx: &mut Context<'_>,
    fields: &[Field],
    from: Children,
) -> Result<Children, Failure> {
    let mut made = Children::EMPTY;
    for field in fields {
        let key = cx.event.key_of(field.name.as_bytes())?;
        let found =
            cx.event.field(from, key).map(|node| cx.event.slot(node)).filter(|slot| *slot != Slot::Null);
        let slot = match (found, &field.absent) {
            (Some(slot), _) => fit(cx, &field.shape, slot).map_err(|why| within(&field.name, &why))?,
            (None, Absent::Stays) => continue,
            (None, Absent::Default(json)) => json_read::read_text(&mut cx.event, json)
                .map_err(|why| Failure::text(format!("the schema's default can't be used: {why}")))?,
            (None, Absent::Fails) => {
                return Err(Failure::text(format!(
                    "field [{}] is missing, which the schema requires",
                    field.name
                )));
            }
        };
        cx.event.append_to(&mut made, key, slot)?;
    }
    Ok(made)
}

/// The failure of a field in an object.
fn within(name: &str, why: &Failure) -> Failure {
    let text = why.to_string();
    match text.strip_prefix("field [") {
        Some(inner) => Failure::text(format!("field [{name}.{inner}")),
        None => Failure::text(format!("field [{name}] {text}")),
    }
}

fn fit(cx: &mut Context<'_>, shape: &Shape, slot: Slot) -> Result<Slot, Failure> {
    let fitted = match (shape, slot) {
        (Shape::Record(fields), Slot::Map(map)) => Some(Slot::Map(fit_record(cx, fields, map)?)),
        (Shape::Map(inner), Slot::Map(map)) => {
            let mut made = Children::EMPTY;
            let mut at = cx.event.children(map).next();
            while let Some(node) = at {
                at = cx.event.next(node);
                let (key, slot) = (cx.event.key(node), cx.event.slot(node));
                let slot = fit(cx, inner, slot)?;
                cx.event.append_to(&mut made, key, slot)?;
            }
            Some(Slot::Map(made))
        }
        (Shape::List(inner), Slot::List(list)) => {
            let mut made = Children::EMPTY;
            let mut at = cx.event.children(list).next();
            while let Some(node) = at {
                at = cx.event.next(node);
                let slot = fit(cx, inner, cx.event.slot(node))?;
                cx.event.push_to(&mut made, slot)?;
            }
            Some(Slot::List(made))
        }
        (Shape::Union(shapes), _) => return fit_union(cx, shapes, slot),
        (Shape::Text, Slot::Text(_)) => Some(slot),
        (Shape::Text, Slot::Null) => None,
        (Shape::Text, other) => cx.with_buffer(|cx, buffer| {
            write_plain(&cx.event, other, buffer)?;
            Ok::<_, Failure>(Some(cx.event.text(buffer)?))
        })?,
        (shape, Slot::Text(span)) => {
            let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default();
            of_text(shape, text, slot)
        }
        (shape, other) => of_value(shape, other),
    };
    fitted
        .ok_or_else(|| Failure::text(format!("is {} and can't become {}", slot.kind().name(), shape.name())))
}

/// What is of one of the types already stays so, unless it is a text: the schema names other types before it if it wants
/// texts to become these.
fn fit_union(cx: &mut Context<'_>, shapes: &[Shape], slot: Slot) -> Result<Slot, Failure> {
    if slot.kind() != Kind::Text
        && let Some(shape) = shapes.iter().find(|shape| shape.is_of(slot.kind()))
    {
        return fit(cx, shape, slot);
    }
    for shape in shapes {
        if let Ok(fitted) = fit(cx, shape, slot) {
            return Ok(fitted);
        }
    }
    let names: Vec<&str> = shapes.iter().map(Shape::name).collect();
    Err(Failure::text(format!("is {} and can't become any of {}", slot.kind().name(), names.join(", "))))
}

fn of_text(shape: &Shape, text: &str, slot: Slot) -> Option<Slot> {
    match shape {
        Shape::Bool if text.eq_ignore_ascii_case("true") => Some(Slot::Bool(true)),
        Shape::Bool if text.eq_ignore_ascii_case("false") => Some(Slot::Bool(false)),
        Shape::Int => whole(text).filter(|number| i32::try_from(*number).is_ok()).map(Slot::Int),
        Shape::Long => whole(text).map(Slot::Int).or_else(|| time(text, Unit::Millis)),
        Shape::Since1970(unit) => whole(text).map(Slot::Int).or_else(|| time(text, *unit)),
        Shape::Float => text.trim().parse().ok().filter(|number: &f64| number.is_finite()).map(Slot::Float),
        Shape::OneOf(symbols) => symbols.iter().any(|symbol| **symbol == *text).then_some(slot),
        _ => None,
    }
}

fn time(text: &str, unit: Unit) -> Option<Slot> {
    parse_iso(text, &TimeZone::UTC).map(|time| Slot::Int(unit.of(time.timestamp().as_nanosecond())))
}

fn of_value(shape: &Shape, slot: Slot) -> Option<Slot> {
    match (shape, slot) {
        (Shape::Null, Slot::Null) | (Shape::Bool, Slot::Bool(_)) => Some(slot),
        (Shape::Long | Shape::Since1970(_), Slot::Int(_)) => Some(slot),
        (Shape::Int, Slot::Int(number)) => i32::try_from(number).ok().map(|_| slot),
        (Shape::Int | Shape::Long | Shape::Since1970(_), Slot::Float(number)) if number.fract() == 0.0 => {
            of_value(shape, Slot::Int(number as i64))
        }
        (Shape::Float, Slot::Int(number)) => Some(Slot::Float(number as f64)),
        (Shape::Float, Slot::Float(_)) => Some(slot),
        (Shape::Bool, Slot::Int(number @ (0 | 1))) => Some(Slot::Bool(number == 1)),
        (Shape::Long, Slot::Time(nanos)) => Some(Slot::Int(Unit::Millis.of(nanos.into()))),
        (Shape::Since1970(unit), Slot::Time(nanos)) => Some(Slot::Int(unit.of(nanos.into()))),
        _ => None,
    }
}

impl Unit {
    fn of(self, nanos: i128) -> i64 {
        let divisor = match self {
            Self::Days => 86_400_000_000_000,
            Self::Millis => 1_000_000,
            Self::Micros => 1_000,
            Self::Nanos => 1,
        };
        nanos.div_euclid(divisor) as i64 // times have years of four digits: days to microseconds always fit
    }
}

impl Shape {
    /// Whether values of this kind are so already.
    fn is_of(&self, kind: Kind) -> bool {
        matches!(
            (self, kind),
            (Self::Null, Kind::Null)
                | (Self::Bool, Kind::Bool)
                | (Self::Int | Self::Long | Self::Since1970(_), Kind::Int)
                | (Self::Float, Kind::Float)
                | (Self::Since1970(_), Kind::Time)
                | (Self::List(_), Kind::List)
                | (Self::Map(_) | Self::Record(_), Kind::Map)
        )
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "boolean",
            Self::Int => "a whole number of 32 bits",
            Self::Long => "a whole number of 64 bits",
            Self::Since1970(_) => "a time",
            Self::Float => "a number",
            Self::Text => "a text",
            Self::OneOf(_) => "one of the schema's symbols",
            Self::List(_) => "a list",
            Self::Map(_) | Self::Record(_) => "an object",
            Self::Union(_) => "a value",
        }
    }
}
