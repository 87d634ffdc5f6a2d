//! The condition language: expr's expressions with Painless's spellings beside them.
//!
//! ```text
//! log?.syslog?.severity?.name == "Debug" && !tags.contains("test")
//! ```
//!
//! The same language serves `if` of processors, pipelines and routes, `case`, `iff` and `sample`. A condition is read
//! once, when the configuration is compiled; evaluating one that compares fields with constants allocates nothing.
//!
//! Nil-safe: a field that is not there is nil, and so is everything below it, whether the step is written `.` or `?.`.
//! Nil equals only nil; it contains nothing, starts with nothing and is neither smaller nor greater than anything.
//! `contains`, `startsWith`, `endsWith` and `matches` look at texts; on anything else they are false. What is
//! left, arithmetic with texts, say, is an error, which the processor treats as its failure.

mod ast;
mod eval;
mod functions;
mod lexer;
mod parser;
mod value;

pub use functions::MAX_ELEMENTS;
pub use parser::{MAX_BYTES, MAX_DEPTH};

use crate::failure::Failure;
use crate::origin::Origin;
use event::model::{Event, Keys, Path, Slot};
use std::sync::Arc;

/// What is wrong with the text of a condition, and at which byte.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}, at character {at} of the condition")]
pub struct SyntaxError {
    /// Position in the text, in bytes.
    pub at: usize,
    /// What is wrong.
    pub what: String,
}

impl SyntaxError {
    fn new(at: usize, what: String) -> Self {
        Self { at, what }
    }
}

/// A compiled condition.
#[derive(Clone, Debug)]
pub struct Condition {
    expr: Arc<ast::Expr>,
    text: Arc<str>,
}

impl Condition {
    /// Reads a condition.
    ///
    /// # Errors
    /// What is wrong with it and where.
    pub fn compile(keys: &Keys, text: &str) -> Result<Self, SyntaxError> {
        let expr = Arc::new(parser::Parser::parse(keys, text)?);
        Ok(Self { expr, text: text.into() })
    }

    /// Whether it holds: true counts, false and nil don't.
    ///
    /// # Errors
    /// When types don't go together, or the result is no truth value.
    pub fn holds(&self, event: &Event<'_>, origin: &Origin<'_>) -> Result<bool, Failure> {
        match eval::Scope::new(event, origin).eval(&self.expr)? {
            value::Val::Bool(truth) => Ok(truth),
            value::Val::Null => Ok(false),
            other => {
                Err(Failure::text(format!("the condition gives {} and not true or false", other.kind_name())))
            }
        }
    }

    /// Whether its value counts as true: nil, false, zero, and empty texts, lists and objects don't.
    ///
    /// # Errors
    /// When types don't go together.
    pub fn is_truthy(&self, event: &Event<'_>, origin: &Origin<'_>) -> Result<bool, Failure> {
        Ok(eval::Scope::new(event, origin).eval(&self.expr)?.is_truthy())
    }

    /// Its value, put into the event.
    ///
    /// # Errors
    /// When types don't go together, or the event becomes too large.
    pub fn value(&self, event: &mut Event<'_>, origin: &Origin<'_>) -> Result<Slot, Failure> {
        let value = eval::Scope::new(event, origin).eval(&self.expr)?.detached();
        Ok(value.into_slot(event)?)
    }

    /// The field, if the condition is nothing else.
    pub fn as_field(&self) -> Option<&Path> {
        match &*self.expr {
            ast::Expr::Field(path, _) => Some(path),
            _ => None,
        }
    }

    /// As it was written.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }
}
