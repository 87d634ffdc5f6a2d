//! The functions of the condition language: expr's built-ins and the product's own.

use super::value::{Val, char_count};
use crate::failure::Failure;
use event::model::{Event, Slot, json_write};
use memchr::memmem;
use std::borrow::Cow;

/// So many elements may a range, a split or a concatenation have.
pub const MAX_ELEMENTS: usize = 100_000;

type Called<'e> = Result<Val<'e>, Failure>;

macro_rules! functions {
    ($($name:literal => $variant:ident($least:literal..$most:literal)),+ $(,)?) => {
        /// A function by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Builtin { $($variant),+ }

        impl Builtin {
            const ALL: &[(&'static str, Builtin, usize, usize)] =
                &[$(($name, Builtin::$variant, $least, $most)),+];
        }
    };
}

functions! {
    "len" => Len(1..1), "lower" => Lower(1..1), "upper" => Upper(1..1), "trim" => Trim(1..2),
    "trimPrefix" => TrimPrefix(2..2), "trimSuffix" => TrimSuffix(2..2), "split" => Split(2..3),
    "join" => Join(1..2), "replace" => Replace(3..3), "repeat" => Repeat(2..2), "indexOf" => IndexOf(2..2),
    "lastIndexOf" => LastIndexOf(2..2), "hasPrefix" => HasPrefix(2..2), "hasSuffix" => HasSuffix(2..2),
    "abs" => Abs(1..1), "ceil" => Ceil(1..1), "floor" => Floor(1..1), "round" => Round(1..1),
    "int" => Int(1..1), "float" => Float(1..1), "string" => Text(1..1), "type" => Type(1..1),
    "max" => Max(1..64), "min" => Min(1..64), "sum" => Sum(1..1), "mean" => Mean(1..1),
    "first" => First(1..1), "last" => Last(1..1), "get" => Get(2..2), "take" => Take(2..2),
    "concat" => Concat(1..64), "uniq" => Uniq(1..1), "reverse" => Reverse(1..1), "keys" => Keys(1..1),
    "values" => Values(1..1), "hasField" => HasField(2..2), "getNumericValue" => NumericValue(2..2),
    "isEmpty" => IsEmpty(1..1),
}

impl Builtin {
    pub(super) fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|entry| entry.0 == name).map(|entry| entry.1)
    }

    pub(super) fn names() -> impl Iterator<Item = &'static str> {
        Self::ALL.iter().map(|entry| entry.0)
    }

    /// How many arguments it takes, least and most.
    pub(super) fn arguments(self) -> (usize, usize) {
        Self::ALL.iter().find(|entry| entry.1 == self).map_or((0, 0), |entry| (entry.2, entry.3))
    }
}

/// A function over the elements of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predicate {
    All,
    Any,
    One,
    None,
    Filter,
    Map,
    Count,
    Find,
    FindIndex,
}

impl Predicate {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "all" => Predicate::All,
            "any" => Predicate::Any,
            "one" => Predicate::One,
            "none" => Predicate::None,
            "filter" => Predicate::Filter,
            "map" => Predicate::Map,
            "count" => Predicate::Count,
            "find" => Predicate::Find,
            "findIndex" => Predicate::FindIndex,
            _ => return None,
        })
    }

    pub(super) fn needs_predicate(self) -> bool {
        self != Predicate::Count
    }
}

pub(super) fn over<'e>(
    function: Predicate,
    elements: Vec<Val<'e>>,
    mut test: impl FnMut(&Val<'e>, usize) -> Called<'e>,
) -> Called<'e> {
    let mut hits = 0;
    let mut kept = Vec::new();
    for (at, element) in elements.into_iter().enumerate() {
        let result = test(&element, at)?;
        if function == Predicate::Map {
            kept.push(result);
            continue;
        }
        let holds = match result {
            Val::Bool(truth) => truth,
            Val::Null => false,
            other => return Err(not_for(function_name(function), &other)),
        };
        match (function, holds) {
            (Predicate::All, false) => return Ok(Val::Bool(false)),
            (Predicate::Any, true) => return Ok(Val::Bool(true)),
            (Predicate::None, true) => return Ok(Val::Bool(false)),
            (Predicate::Find, true) => return Ok(element),
            (Predicate::FindIndex, true) => return Ok(Val::Int(at as i64)),
            (Predicate::Filter, true) => kept.push(element),
            _ => {}
        }
        hits += usize::from(holds);
    }
    Ok(match function {
        Predicate::All | Predicate::None => Val::Bool(true),
        Predicate::Any => Val::Bool(false),
        Predicate::One => Val::Bool(hits == 1),
        Predicate::Filter | Predicate::Map => Val::list(kept),
        Predicate::Count => Val::Int(hits as i64),
        Predicate::Find => Val::Null,
        Predicate::FindIndex => Val::Int(-1),
    })
}

fn function_name(function: Predicate) -> &'static str {
    match function {
        Predicate::All => "all",
        Predicate::Any => "any",
        Predicate::One => "one",
        Predicate::None => "none",
        Predicate::Filter => "filter",
        Predicate::Map => "map",
        Predicate::Count => "count",
        Predicate::Find => "find",
        Predicate::FindIndex => "findIndex",
    }
}

pub(super) fn call<'e>(event: &'e Event<'_>, function: Builtin, mut arguments: Vec<Val<'e>>) -> Called<'e> {
    let first = arguments.remove(0); // every function takes at least one
    match function {
        Builtin::Len => match (first.length(), &first) {
            (Some(length), _) => Ok(Val::Int(length as i64)),
            (None, Val::Null) => Ok(Val::Int(0)),
            _ => Err(not_for("len", &first)),
        },
        Builtin::IsEmpty => Ok(Val::Bool(first.length().unwrap_or(0) == 0)),
        Builtin::Type => Ok(Val::Text(Cow::Borrowed(type_name(&first).as_bytes()))),
        Builtin::Abs | Builtin::Ceil | Builtin::Floor | Builtin::Round => rounded(function, &first),
        Builtin::Int | Builtin::Float => number(event, function, &first),
        Builtin::Text => Ok(Val::owned_text(to_text(event, &first)?)),
        Builtin::Max | Builtin::Min => extreme(event, function, first, &arguments),
        Builtin::Get => index(event, &first, &arguments[0]).or(Ok(Val::Null)),
        Builtin::HasField => Ok(Val::Bool(!matches!(lookup(event, &first, &arguments[0])?, Val::Null))),
        Builtin::NumericValue => {
            let value = lookup(event, &first, &arguments[0])?;
            Ok(number(event, Builtin::Float, &value).unwrap_or(Val::Null))
        }
        Builtin::Keys | Builtin::Values => fields(event, function, &first),
        Builtin::Concat => {
            let mut all = elements(event, "concat", &first)?;
            for argument in &arguments {
                all.extend(elements(event, "concat", argument)?);
            }
            bounded(all)
        }
        Builtin::Sum
        | Builtin::Mean
        | Builtin::First
        | Builtin::Last
        | Builtin::Uniq
        | Builtin::Reverse
        | Builtin::Take
        | Builtin::Join => on_list(event, function, &first, &arguments),
        _ => on_text(function, &first, &arguments),
    }
}

fn type_name(value: &Val<'_>) -> &'static str {
    match value {
        Val::Null => "nil",
        Val::Bool(_) => "bool",
        Val::Int(_) => "int",
        Val::Float(_) => "float",
        Val::Text(_) => "string",
        Val::Time(_) => "time",
        Val::Stored(Slot::Map(_)) | Val::Map(_) => "map",
        Val::Stored(_) | Val::List(_) => "array",
    }
}

fn rounded<'e>(function: Builtin, value: &Val<'_>) -> Called<'e> {
    match value {
        Val::Int(number) => {
            Ok(Val::Int(if function == Builtin::Abs { number.saturating_abs() } else { *number }))
        }
        Val::Float(number) => Ok(Val::Float(match function {
            Builtin::Abs => number.abs(),
            Builtin::Ceil => number.ceil(),
            Builtin::Floor => number.floor(),
            _ => number.round(),
        })),
        other => Err(not_for("a rounding function", other)),
    }
}

fn number<'e>(event: &Event<'_>, function: Builtin, value: &Val<'_>) -> Called<'e> {
    let parsed = match value {
        Val::Int(number) => Some(*number as f64),
        Val::Float(number) => Some(*number),
        Val::Text(text) => std::str::from_utf8(text).ok().and_then(|text| text.trim().parse().ok()),
        _ => None,
    };
    let wrong = || {
        let text = to_text(event, value).unwrap_or_default();
        Failure::text(format!("{:?} is not a number", String::from_utf8_lossy(&text)))
    };
    let parsed: f64 = parsed.ok_or_else(wrong)?;
    Ok(match (function, value) {
        (Builtin::Int, Val::Int(number)) => Val::Int(*number),
        (Builtin::Int, _) => Val::Int(parsed as i64),
        _ => Val::Float(parsed),
    })
}

/// A value as text: texts as they are, everything else as JSON.
pub(super) fn to_text(event: &Event<'_>, value: &Val<'_>) -> Result<Vec<u8>, Failure> {
    let mut out = Vec::new();
    match value {
        Val::Text(text) => out.extend_from_slice(text),
        Val::Null => out.extend_from_slice(b"nil"),
        Val::Float(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Val::Bool(truth) => out.extend_from_slice(if *truth { b"true" } else { b"false" }),
        Val::Int(number) => out.extend_from_slice(number.to_string().as_bytes()),
        Val::Time(nanos) => json_write::write_time(*nanos, &mut out),
        Val::Stored(slot) => json_write::write_value(event, *slot, &mut out)?,
        Val::List(values) => {
            for value in values.iter() {
                out.extend_from_slice(if out.is_empty() { b"[" } else { b"," });
                out.extend(to_text(event, value)?);
            }
            out.extend_from_slice(if out.is_empty() { b"[]" } else { b"]" });
        }
        Val::Map(_) => return Err(not_for("string", value)),
    }
    Ok(out)
}

fn extreme<'e>(event: &'e Event<'_>, function: Builtin, first: Val<'e>, rest: &[Val<'e>]) -> Called<'e> {
    let mut best: Option<Val<'e>> = None;
    let mut pending = vec![first];
    pending.extend(rest.iter().cloned());
    for value in pending {
        let values = value.elements(event).unwrap_or_else(|| vec![value]);
        for value in values {
            if value.as_number().is_none() {
                return Err(not_for("max or min", &value));
            }
            let order = best.as_ref().and_then(|best| value.order(best));
            let better = match function {
                Builtin::Max => order.is_none_or(std::cmp::Ordering::is_gt),
                _ => order.is_none_or(std::cmp::Ordering::is_lt),
            };
            if better {
                best = Some(value);
            }
        }
    }
    Ok(best.unwrap_or(Val::Null))
}

fn elements<'e>(event: &'e Event<'_>, what: &'static str, value: &Val<'e>) -> Result<Vec<Val<'e>>, Failure> {
    match value {
        Val::Null => Ok(Vec::new()),
        value => value.elements(event).ok_or_else(|| not_for(what, value)),
    }
}

fn on_list<'e>(event: &'e Event<'_>, function: Builtin, list: &Val<'e>, arguments: &[Val<'e>]) -> Called<'e> {
    let mut values = elements(event, "a function over a list", list)?;
    match function {
        Builtin::First => Ok(values.into_iter().next().unwrap_or(Val::Null)),
        Builtin::Last => Ok(values.pop().unwrap_or(Val::Null)),
        Builtin::Reverse => {
            values.reverse();
            Ok(Val::list(values))
        }
        Builtin::Take => {
            values.truncate(arguments[0].as_number().unwrap_or(0.0) as usize);
            Ok(Val::list(values))
        }
        Builtin::Uniq => {
            let mut kept: Vec<Val<'e>> = Vec::new();
            for value in values {
                if !kept.iter().any(|other| other.equals(&value, event)) {
                    kept.push(value);
                }
            }
            Ok(Val::list(kept))
        }
        Builtin::Join => {
            let separator = arguments.first().and_then(Val::as_text).unwrap_or_default();
            let mut out = Vec::new();
            for (at, value) in values.iter().enumerate() {
                out.extend_from_slice(if at > 0 { separator } else { b"" });
                out.extend(to_text(event, value)?);
            }
            Ok(Val::owned_text(out))
        }
        _ => {
            let whole: Option<i64> = values.iter().try_fold(0i64, |sum, value| match value {
                Val::Int(number) => sum.checked_add(*number),
                _ => None,
            });
            let mut sum = 0.0;
            for value in &values {
                sum += value.as_number().ok_or_else(|| not_for("sum", value))?;
            }
            Ok(match (function, whole) {
                (Builtin::Sum, Some(whole)) => Val::Int(whole),
                (Builtin::Sum, None) => Val::Float(sum),
                _ if values.is_empty() => Val::Float(0.0),
                _ => Val::Float(sum / values.len() as f64),
            })
        }
    }
}

fn fields<'e>(event: &'e Event<'_>, function: Builtin, map: &Val<'e>) -> Called<'e> {
    let keys = function == Builtin::Keys;
    match map {
        Val::Null => Ok(Val::list(Vec::new())),
        Val::Stored(Slot::Map(map)) => {
            let one = |node| {
                if keys {
                    Val::Text(Cow::Borrowed(event.name(node)))
                } else {
                    Val::of_slot(event, event.slot(node))
                }
            };
            Ok(Val::list(event.children(*map).map(one).collect()))
        }
        Val::Map(entries) => {
            let one = |(name, value): &(Cow<'e, [u8]>, Val<'e>)| {
                if keys { Val::Text(name.clone()) } else { value.clone() }
            };
            Ok(Val::list(entries.iter().map(one).collect()))
        }
        other => Err(not_for("keys or values", other)),
    }
}

fn bounded(values: Vec<Val<'_>>) -> Called<'_> {
    if values.len() > MAX_ELEMENTS {
        return Err(Failure::text(format!("a list in a condition has at most {MAX_ELEMENTS} elements")));
    }
    Ok(Val::list(values))
}

fn on_text<'e>(function: Builtin, value: &Val<'e>, arguments: &[Val<'e>]) -> Called<'e> {
    let text = match value {
        Val::Text(text) => text,
        Val::Null => return Ok(nil_text(function)),
        other => return Err(not_for("a function over texts", other)),
    };
    let argument = |at: usize| arguments.get(at).and_then(Val::as_text).unwrap_or_default();
    let place = |at: Option<usize>| at.map_or(-1, |at| char_count(&text[..at]) as i64);
    Ok(match function {
        Builtin::Lower => Val::owned_text(String::from_utf8_lossy(text).to_lowercase().into_bytes()),
        Builtin::Upper => Val::owned_text(String::from_utf8_lossy(text).to_uppercase().into_bytes()),
        Builtin::Trim if arguments.is_empty() => Val::owned_text(text.trim_ascii().to_vec()),
        Builtin::Trim => {
            let cut = String::from_utf8_lossy(argument(0)).into_owned();
            let text = String::from_utf8_lossy(text);
            Val::owned_text(text.trim_matches(|c| cut.contains(c)).as_bytes().to_vec())
        }
        Builtin::TrimPrefix => Val::owned_text(text.strip_prefix(argument(0)).unwrap_or(text).to_vec()),
        Builtin::TrimSuffix => Val::owned_text(text.strip_suffix(argument(0)).unwrap_or(text).to_vec()),
        Builtin::HasPrefix => Val::Bool(text.starts_with(argument(0))),
        Builtin::HasSuffix => Val::Bool(text.ends_with(argument(0))),
        Builtin::IndexOf => Val::Int(place(memmem::find(text, argument(0)))),
        Builtin::LastIndexOf => Val::Int(place(memmem::rfind(text, argument(0)))),
        Builtin::Split => {
            let most =
                arguments.get(1).and_then(Val::as_number).map_or(MAX_ELEMENTS, |n| n.max(1.0) as usize);
            let (text, by) = (String::from_utf8_lossy(text), String::from_utf8_lossy(argument(0)));
            let parts = text.splitn(most, &*by).take(MAX_ELEMENTS);
            Val::list(parts.map(|part| Val::owned_text(part.as_bytes().to_vec())).collect())
        }
        Builtin::Replace => {
            let (text, from) = (String::from_utf8_lossy(text), String::from_utf8_lossy(argument(0)));
            Val::owned_text(text.replace(&*from, &String::from_utf8_lossy(argument(1))).into_bytes())
        }
        Builtin::Repeat => {
            let times = arguments[0].as_number().unwrap_or(0.0) as usize;
            if text.len().saturating_mul(times) > MAX_ELEMENTS {
                return Err(Failure::text(format!("repeat makes at most {MAX_ELEMENTS} bytes")));
            }
            Val::owned_text(text.repeat(times))
        }
        _ => Val::Null,
    })
}

/// What a function over texts gives for nil.
fn nil_text<'e>(function: Builtin) -> Val<'e> {
    match function {
        Builtin::HasPrefix | Builtin::HasSuffix => Val::Bool(false),
        Builtin::IndexOf | Builtin::LastIndexOf => Val::Int(-1),
        _ => Val::Null,
    }
}

/// `value[index]`: an element by position, from the end if negative; a field by name; a character.
pub(super) fn index<'e>(event: &'e Event<'_>, value: &Val<'e>, index: &Val<'e>) -> Called<'e> {
    match (value, index) {
        (Val::Null, _) | (_, Val::Null) => Ok(Val::Null),
        (Val::Stored(Slot::Map(map)), Val::Text(name)) => {
            let node = event.field_named(*map, name);
            Ok(node.map_or(Val::Null, |node| Val::of_slot(event, event.slot(node))))
        }
        (Val::Map(entries), Val::Text(name)) => {
            Ok(entries.iter().find(|(other, _)| other == name).map_or(Val::Null, |(_, value)| value.clone()))
        }
        (Val::Stored(Slot::Map(_)) | Val::Map(_), _) => Ok(Val::Null),
        (_, Val::Int(at)) => {
            if let Val::Text(text) = value {
                let characters: Vec<char> = String::from_utf8_lossy(text).chars().collect();
                let at = position(*at, characters.len());
                let character = at.and_then(|at| characters.get(at)).map(|c| c.to_string().into_bytes());
                return Ok(character.map_or(Val::Null, Val::owned_text));
            }
            let elements = value.elements(event).ok_or_else(|| not_for("[…]", value))?;
            Ok(position(*at, elements.len()).and_then(|at| elements.get(at).cloned()).unwrap_or(Val::Null))
        }
        _ => Err(not_for("[…]", value)),
    }
}

fn position(at: i64, len: usize) -> Option<usize> {
    if at >= 0 { Some(at as usize) } else { (len as i64 + at).try_into().ok() }
}

/// `value[from:to]` of a list or, in characters, of a text; bounds outside are cut.
pub(super) fn slice<'e>(
    event: &'e Event<'_>,
    value: &Val<'e>,
    from: Option<Val<'e>>,
    to: Option<Val<'e>>,
) -> Called<'e> {
    let bound = |bound: Option<Val<'e>>, default: usize, len: usize| match bound {
        None => Ok(default),
        Some(Val::Int(at)) => Ok(position(at, len).unwrap_or(0).min(len)),
        Some(other) => Err(not_for("[…:…]", &other)),
    };
    match value {
        Val::Null => Ok(Val::Null),
        Val::Text(text) => {
            let characters: Vec<char> = String::from_utf8_lossy(text).chars().collect();
            let len = characters.len();
            let (from, to) = (bound(from, 0, len)?, bound(to, len, len)?);
            let part: String = characters.get(from..to).unwrap_or_default().iter().collect();
            Ok(Val::owned_text(part.into_bytes()))
        }
        value => {
            let elements = value.elements(event).ok_or_else(|| not_for("[…:…]", value))?;
            let len = elements.len();
            let (from, to) = (bound(from, 0, len)?, bound(to, len, len)?);
            Ok(Val::list(elements.get(from..to).unwrap_or_default().to_vec()))
        }
    }
}

/// `hasField(logEntry, 'a.b')`: a dotted path below a value.
fn lookup<'e>(event: &'e Event<'_>, value: &Val<'e>, path: &Val<'e>) -> Called<'e> {
    let path = path.as_text().ok_or_else(|| not_for("a field path", path))?;
    let mut value = value.clone();
    for name in path.split(|byte| *byte == b'.') {
        value = index(event, &value, &Val::owned_text(name.to_vec()))?;
    }
    Ok(value)
}

#[cold]
fn not_for(what: &str, value: &Val<'_>) -> Failure {
    Failure::text(format!("{what} can't be applied to {}", value.kind_name()))
}
