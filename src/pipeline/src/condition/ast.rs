//! What a condition is once it was read.

use event::model::{KeyId, Path};
use std::sync::Arc;

use super::functions::{Builtin, Predicate};
use crate::pattern::Pattern;

/// An expression; names are resolved, regular expressions compiled.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<[u8]>),
    List(Vec<Expr>),
    Map(Vec<(Arc<[u8]>, Expr)>),
    /// A field of the event; `device.name` where the event has none is the origin's.
    Field(Path, Option<OriginField>),
    /// The whole event.
    Root,
    /// The element that a predicate looks at.
    Element,
    /// The position of that element.
    Position,
    /// `value.name`
    Member(Box<Expr>, KeyId, Arc<str>),
    /// `value[index]`
    Index(Box<Expr>, Box<Expr>),
    /// `value[from:to]`
    Slice(Box<Expr>, Option<Box<Expr>>, Option<Box<Expr>>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    /// `value matches "…"`, compiled.
    Matches(Box<Expr>, Arc<Pattern>),
    Choice(Box<Expr>, Box<Expr>, Box<Expr>),
    Call(Builtin, Vec<Expr>),
    /// A function over a list with an expression for its elements.
    Over(Predicate, Box<Expr>, Option<Box<Expr>>),
    /// `value instanceof Type`
    InstanceOf(Box<Expr>, Instance),
}

/// What is known about an event's source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OriginField {
    DeviceName,
    DeviceType,
    DeviceId,
    DatasetName,
}

/// The types that `instanceof` knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Instance {
    Text,
    Number,
    Bool,
    List,
    Map,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Coalesce,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Contains,
    StartsWith,
    EndsWith,
    Matches,
    /// Painless's `==~`: the whole text.
    MatchesWhole,
    Range,
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Power,
}

impl Operator {
    /// How tightly it binds, as in expr: higher first.
    pub(super) fn precedence(self) -> u8 {
        match self {
            Operator::Or => 10,
            Operator::And => 15,
            Operator::Range => 25,
            Operator::Add | Operator::Subtract => 30,
            Operator::Multiply | Operator::Divide | Operator::Remainder => 60,
            Operator::Power => 100,
            Operator::Coalesce => 120,
            _ => 20,
        }
    }

    pub(super) fn is_ordering(self) -> bool {
        matches!(self, Operator::Less | Operator::LessOrEqual | Operator::Greater | Operator::GreaterOrEqual)
    }
}
