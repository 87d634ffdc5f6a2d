//! Operands of arithmetic: numbers, fields, templates, and expressions of them.

use crate::compile::{Options, Reported};
use crate::condition::Condition;
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use event::model::Slot;

/// A number, or an expression that gives one.
pub(super) enum Operand {
    Constant(f64),
    Expression(Condition),
}

impl Operand {
    pub(super) fn read(options: &mut Options<'_, '_>, name: &str) -> Result<Self, Reported> {
        let node = options.required(name)?;
        let text = match &node.value {
            Value::Int(number) => return Ok(Self::Constant(*number as f64)),
            Value::Float(number) => return Ok(Self::Constant(*number)),
            Value::Text(text) => text,
            _ => {
                let what = format!(
                    "the option {name:?} is a number, a field or an expression and not {}",
                    node.kind()
                );
                return Err(options.error(&node.at, what, ""));
            }
        };
        if let Ok(number) = text.trim().parse() {
            return Ok(Self::Constant(number));
        }
        // Braces of templates are only spelling here: `{{a}} / {{b}}` is `a / b`.
        let bare = text.replace("{{{", " ").replace("}}}", " ").replace("{{", " ").replace("}}", " ");
        let bare = bare.trim().trim_start_matches('.');
        match Condition::compile(options.keys(), bare) {
            Ok(expression) => Ok(Self::Expression(expression)),
            Err(why) => Err(options.error(
                &node.at,
                format!("the option {name:?}: {}", why.what),
                "write a number, a field, or an expression like `bytes * 8`",
            )),
        }
    }

    /// The number; none where a field is missing.
    pub(super) fn value(&self, cx: &mut Context<'_>) -> Result<Option<f64>, Failure> {
        let slot = match self {
            Self::Constant(number) => return Ok(Some(*number)),
            Self::Expression(expression) => expression.value(&mut cx.event, cx.origin)?,
        };
        let name = || match self {
            Self::Constant(_) => String::new(),
            Self::Expression(expression) => expression.text().to_string(),
        };
        match slot {
            Slot::Null => Ok(None),
            Slot::Int(number) => Ok(Some(number as f64)),
            Slot::Float(number) => Ok(Some(number)),
            Slot::Text(span) => {
                let text = String::from_utf8_lossy(cx.event.bytes(span)).into_owned();
                let number = text.trim().parse().ok();
                number
                    .map(Some)
                    .ok_or_else(|| Failure::text(format!("{:?} is {text:?} and no number", name())))
            }
            other => Err(Failure::text(format!("{:?} is {} and no number", name(), other.kind().name()))),
        }
    }
}

/// A result: whole numbers as such.
pub(super) fn number(result: f64) -> Slot {
    if result.fract() == 0.0 && result.abs() < 9e15 { Slot::Int(result as i64) } else { Slot::Float(result) }
}
