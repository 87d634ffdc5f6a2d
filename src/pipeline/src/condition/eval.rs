//! Evaluating an expression against an event.

use super::ast::{Expr, Instance, Operator, OriginField};
use super::functions::{self, MAX_ELEMENTS};
use super::parser::LENGTH;
use super::value::Val;
use crate::failure::Failure;
use crate::origin::Origin;
use crate::pattern::Pattern;
use event::model::{Event, Slot};
use memchr::memmem;
use std::borrow::Cow;
use std::cmp::Ordering;

type Evaluated<'e> = Result<Val<'e>, Failure>;

/// What an expression is evaluated against.
pub(super) struct Scope<'s, 'e> {
    pub(super) event: &'s Event<'e>,
    origin: &'s Origin<'s>,
    /// The element of the innermost predicate, and its position.
    element: Option<(&'s Val<'s>, usize)>,
}

impl<'s, 'e> Scope<'s, 'e> {
    pub(super) fn new(event: &'s Event<'e>, origin: &'s Origin<'s>) -> Self {
        Self { event, origin, element: None }
    }

    pub(super) fn eval(&self, expr: &'s Expr) -> Evaluated<'s> {
        match expr {
            Expr::Null => Ok(Val::Null),
            Expr::Bool(truth) => Ok(Val::Bool(*truth)),
            Expr::Int(number) => Ok(Val::Int(*number)),
            Expr::Float(number) => Ok(Val::Float(*number)),
            Expr::Text(text) => Ok(Val::Text(Cow::Borrowed(text))),
            Expr::Field(path, origin) => Ok(match self.event.get(path) {
                Some(slot) => Val::of_slot(self.event, slot),
                None => origin.map_or(Val::Null, |field| self.origin_field(field)),
            }),
            Expr::Root => Ok(Val::Stored(self.event.slot(Event::ROOT))),
            Expr::Binary(operator, left, right) => self.binary(*operator, left, right),
            Expr::Not(inner) => match self.eval(inner)? {
                Val::Bool(truth) => Ok(Val::Bool(!truth)),
                Val::Null => Ok(Val::Bool(true)),
                other => Err(mismatch("not", &other)),
            },
            Expr::Matches(value, pattern) => Ok(Val::Bool(matches(&self.eval(value)?, pattern)?)),
            _ => self.eval_rest(expr),
        }
    }

    fn eval_rest(&self, expr: &'s Expr) -> Evaluated<'s> {
        match expr {
            Expr::Element => Ok(self.element.map_or(Val::Null, |(value, _)| value.clone())),
            Expr::Position => Ok(self.element.map_or(Val::Null, |(_, at)| Val::Int(at as i64))),
            Expr::List(items) => Ok(Val::list(self.eval_all(items)?)),
            Expr::Map(entries) => {
                let mut values = Vec::with_capacity(entries.len());
                for (name, value) in entries {
                    values.push((Cow::Borrowed(&**name), self.eval(value)?));
                }
                Ok(Val::Map(values.into()))
            }
            Expr::Member(value, key, name) => Ok(match self.eval(value)? {
                Val::Stored(Slot::Map(map)) => {
                    let node = self.event.field(map, *key);
                    node.map_or(Val::Null, |node| Val::of_slot(self.event, self.event.slot(node)))
                }
                Val::Map(entries) => {
                    let found = entries.iter().find(|(other, _)| **other == *name.as_bytes());
                    found.map_or(Val::Null, |(_, value)| value.clone())
                }
                list @ (Val::List(_) | Val::Stored(Slot::List(_))) if **name == *LENGTH => {
                    list.length().map_or(Val::Null, |count| Val::Int(count as i64))
                }
                _ => Val::Null,
            }),
            Expr::Index(value, index) => {
                let (value, index) = (self.eval(value)?, self.eval(index)?);
                functions::index(self.event, &value, &index)
            }
            Expr::Slice(value, from, to) => {
                let bound = |bound: &'s Option<Box<Expr>>| bound.as_ref().map(|b| self.eval(b)).transpose();
                functions::slice(self.event, &self.eval(value)?, bound(from)?, bound(to)?)
            }
            Expr::Negative(inner) => match self.eval(inner)? {
                Val::Int(number) => Ok(Val::Int(number.wrapping_neg())),
                Val::Float(number) => Ok(Val::Float(-number)),
                other => Err(mismatch("-", &other)),
            },
            Expr::Choice(condition, yes, no) => {
                let chosen = if self.truth(condition)? { yes } else { no };
                self.eval(chosen)
            }
            Expr::Call(function, arguments) => {
                let arguments = self.eval_all(arguments)?;
                functions::call(self.event, *function, arguments)
            }
            Expr::Over(function, list, predicate) => {
                let list = self.eval(list)?;
                let elements = match list.elements(self.event) {
                    Some(elements) => elements,
                    None if matches!(list, Val::Null) => Vec::new(),
                    None => return Err(mismatch("a function over a list", &list)),
                };
                functions::over(*function, elements, |element, at| match predicate {
                    // The element outlives neither the closure's call nor the result, which is detached.
                    Some(predicate) => self.with_element(predicate, element, at),
                    None => Ok(element.clone()),
                })
            }
            Expr::InstanceOf(value, instance) => Ok(Val::Bool(is_instance(&self.eval(value)?, *instance))),
            _ => Ok(Val::Null),
        }
    }

    fn with_element(&self, predicate: &'s Expr, element: &Val<'s>, at: usize) -> Evaluated<'s> {
        let inner = Scope { event: self.event, origin: self.origin, element: Some((element, at)) };
        Ok(inner.eval(predicate)?.detached())
    }

    fn eval_all(&self, exprs: &'s [Expr]) -> Result<Vec<Val<'s>>, Failure> {
        exprs.iter().map(|expr| self.eval(expr)).collect()
    }

    fn truth(&self, expr: &'s Expr) -> Result<bool, Failure> {
        match self.eval(expr)? {
            Val::Bool(truth) => Ok(truth),
            Val::Null => Ok(false),
            other => Err(mismatch("a condition", &other)),
        }
    }

    fn origin_field(&self, field: OriginField) -> Val<'s> {
        let text = |text: &'s str| Val::Text(Cow::Borrowed(text.as_bytes()));
        match field {
            OriginField::DeviceName => text(self.origin.device_name),
            OriginField::DeviceType => text(self.origin.device_type),
            OriginField::DatasetName => self.origin.dataset.map_or(Val::Null, text),
            OriginField::DeviceId => Val::Int(self.origin.device_id),
        }
    }

    fn binary(&self, operator: Operator, left: &'s Expr, right: &'s Expr) -> Evaluated<'s> {
        match operator {
            Operator::And => return Ok(Val::Bool(self.truth(left)? && self.truth(right)?)),
            Operator::Or => return Ok(Val::Bool(self.truth(left)? || self.truth(right)?)),
            Operator::Coalesce => {
                let left = self.eval(left)?;
                return if matches!(left, Val::Null) { self.eval(right) } else { Ok(left) };
            }
            _ => {}
        }
        let (left, right) = (self.eval(left)?, self.eval(right)?);
        match operator {
            Operator::Equal => Ok(Val::Bool(left.equals(&right, self.event))),
            Operator::NotEqual => Ok(Val::Bool(!left.equals(&right, self.event))),
            Operator::Less => compare(&left, &right, Ordering::is_lt),
            Operator::LessOrEqual => compare(&left, &right, Ordering::is_le),
            Operator::Greater => compare(&left, &right, Ordering::is_gt),
            Operator::GreaterOrEqual => compare(&left, &right, Ordering::is_ge),
            Operator::In => self.is_in(&left, &right).map(Val::Bool),
            Operator::Contains => self.contains(&left, &right).map(Val::Bool),
            Operator::StartsWith => Ok(Val::Bool(on_texts(&left, &right, <[u8]>::starts_with))),
            Operator::EndsWith => Ok(Val::Bool(on_texts(&left, &right, <[u8]>::ends_with))),
            Operator::Matches => {
                let text = right.as_text().ok_or_else(|| mismatch("matches", &right))?;
                let pattern = Pattern::compile(&String::from_utf8_lossy(text)).map_err(Failure::text)?;
                Ok(Val::Bool(matches(&left, &pattern)?))
            }
            Operator::Range => range(&left, &right),
            _ => arithmetic(operator, &left, &right),
        }
    }

    fn is_in(&self, value: &Val<'s>, place: &Val<'s>) -> Result<bool, Failure> {
        if let Some(elements) = place.elements(self.event) {
            return Ok(elements.iter().any(|element| element.equals(value, self.event)));
        }
        match (place, value) {
            (Val::Null, _) => Ok(false),
            (Val::Stored(Slot::Map(map)), Val::Text(name)) => {
                Ok(self.event.field_named(*map, name).is_some())
            }
            (Val::Map(entries), Val::Text(name)) => Ok(entries.iter().any(|(other, _)| other == name)),
            (Val::Stored(Slot::Map(_)) | Val::Map(_), _) => Ok(false),
            (Val::Text(text), Val::Text(part)) => Ok(memmem::find(text, part).is_some()),
            _ => Err(mismatch("in", place)),
        }
    }

    fn contains(&self, place: &Val<'s>, value: &Val<'s>) -> Result<bool, Failure> {
        match place {
            Val::Text(text) => {
                let part = match value {
                    Val::Text(part) => Cow::Borrowed(&**part),
                    Val::Null => return Ok(false),
                    other => Cow::Owned(functions::to_text(self.event, other)?),
                };
                Ok(memmem::find(text, &part).is_some())
            }
            Val::List(_) | Val::Map(_) | Val::Stored(_) => self.is_in(value, place),
            _ => Ok(false),
        }
    }
}

fn on_texts(left: &Val<'_>, right: &Val<'_>, test: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    matches!((left.as_text(), right.as_text()), (Some(text), Some(part)) if test(text, part))
}

fn matches(value: &Val<'_>, pattern: &Pattern) -> Result<bool, Failure> {
    match value.as_text() {
        Some(text) => pattern.is_match(text),
        None => Ok(false),
    }
}

fn is_instance(value: &Val<'_>, instance: Instance) -> bool {
    match instance {
        Instance::Text => matches!(value, Val::Text(_)),
        Instance::Number => matches!(value, Val::Int(_) | Val::Float(_)),
        Instance::Bool => matches!(value, Val::Bool(_)),
        Instance::List => matches!(value, Val::List(_) | Val::Stored(Slot::List(_))),
        Instance::Map => matches!(value, Val::Map(_) | Val::Stored(Slot::Map(_))),
    }
}

fn compare<'e>(left: &Val<'_>, right: &Val<'_>, test: fn(Ordering) -> bool) -> Evaluated<'e> {
    if matches!(left, Val::Null) || matches!(right, Val::Null) {
        return Ok(Val::Bool(false));
    }
    match left.order(right) {
        Some(order) => Ok(Val::Bool(test(order))),
        None if left.as_number().is_some() && right.as_number().is_some() => Ok(Val::Bool(false)), // not a number
        None => Err(Failure::text(format!("{} and {} have no order", left.kind_name(), right.kind_name()))),
    }
}

fn range<'e>(left: &Val<'_>, right: &Val<'_>) -> Evaluated<'e> {
    let (Val::Int(from), Val::Int(to)) = (left, right) else { return Err(mismatch("..", left)) };
    if to.saturating_sub(*from) >= MAX_ELEMENTS as i64 {
        return Err(Failure::text(format!("a range has at most {MAX_ELEMENTS} elements")));
    }
    Ok(Val::list((*from..=*to).map(Val::Int).collect()))
}

fn arithmetic<'e>(operator: Operator, left: &Val<'e>, right: &Val<'e>) -> Evaluated<'e> {
    if let (Operator::Add, Val::Text(a), Val::Text(b)) = (operator, left, right) {
        return Ok(Val::owned_text([a.as_ref(), b.as_ref()].concat()));
    }
    if let (Val::Int(a), Val::Int(b)) = (left, right) {
        let whole = match operator {
            Operator::Add => a.checked_add(*b),
            Operator::Subtract => a.checked_sub(*b),
            Operator::Multiply => a.checked_mul(*b),
            Operator::Remainder if *b == 0 => return Err(Failure::fixed("division by zero")),
            Operator::Remainder => a.checked_rem(*b),
            _ => None,
        };
        if let Some(whole) = whole {
            return Ok(Val::Int(whole));
        }
    }
    let wrong =
        || Failure::text(format!("{} and {} can't be calculated with", left.kind_name(), right.kind_name()));
    let a = left.as_number().ok_or_else(wrong)?;
    let b = right.as_number().ok_or_else(wrong)?;
    Ok(Val::Float(match operator {
        Operator::Add => a + b,
        Operator::Subtract => a - b,
        Operator::Multiply => a * b,
        Operator::Divide => a / b,
        Operator::Remainder => return Err(Failure::fixed("% takes whole numbers")),
        Operator::Power => a.powf(b),
        _ => return Err(Failure::fixed("this operator takes no numbers")),
    }))
}

#[cold]
fn mismatch(what: &str, value: &Val<'_>) -> Failure {
    Failure::text(format!("{what} can't be applied to {}", value.kind_name()))
}
