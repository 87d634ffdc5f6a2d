//! `convert`: changes the type of a value.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::write_plain;
use event::model::{Children, Slot};
use std::net::IpAddr;

pub(super) static SPEC: Spec = Spec {
    name: "convert",
    family: "manipulate",
    summary: "Changes the type of a value, or of each element of a list.",
    details: "`auto` makes a text a whole number, a float or a truth value if it looks like one, and leaves it else. `ip` \
              checks that a text is an address. Floats are rounded to three digits behind the point unless `precision` says otherwise.",
    options: &[
        FIELD,
        required("type", "`integer`, `long`, `float`, `double`, `string`, `boolean`, `ip` or `auto`."),
        optional("precision", "3", "Digits behind the point that a float keeps, up to 15."),
        TARGET_FIELD,
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "a list",
            event: r#"{"n": ["1", "-2", "0x1f"]}"#,
            processors: "- convert: {field: n, type: integer}",
            outcome: Outcome::Event(r#"{"n": [1, -2, 31]}"#),
        },
        Example {
            title: "by its look",
            event: r#"{"a": ["42", "3.5", "true", "x"]}"#,
            processors: "- convert: {field: a, type: auto}",
            outcome: Outcome::Event(r#"{"a": [42, 3.5, true, "x"]}"#),
        },
        Example {
            title: "no number",
            event: r#"{"n": "1x2"}"#,
            processors: "- convert: {field: n, type: integer}",
            outcome: Outcome::Fails("\"1x2\" is no integer"),
        },
    ],
    compile,
};

#[derive(Clone, Copy)]
enum Type {
    Integer,
    Long,
    Float,
    Text,
    Bool,
    Ip,
    Auto,
}

struct Convert {
    target: Target,
    to: Type,
    precision: i32,
}

const TYPES: [(&str, Type); 10] = [
    ("integer", Type::Integer),
    ("int", Type::Integer),
    ("long", Type::Long),
    ("float", Type::Float),
    ("double", Type::Float),
    ("string", Type::Text),
    ("boolean", Type::Bool),
    ("bool", Type::Bool),
    ("ip", Type::Ip),
    ("auto", Type::Auto),
];

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = Target::read(options)?;
    options.required("type")?;
    let to = options.choice("type", &TYPES)?;
    let precision = options.int("precision", 0..=15)?.unwrap_or(3) as i32;
    Ok(Box::new(Convert { target, to, precision }))
}

impl Processor for Convert {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(value) = self.target.value(cx)? else { return Ok(Flow::Next) };
        let converted = match value {
            Slot::List(list) => {
                let mut converted = Children::EMPTY;
                let mut at = cx.event.children(list).next();
                while let Some(node) = at {
                    at = cx.event.next(node);
                    let slot = self.convert(cx, cx.event.slot(node))?;
                    cx.event.push_to(&mut converted, slot)?;
                }
                Slot::List(converted)
            }
            single => self.convert(cx, single)?,
        };
        self.target.put(cx, converted)?;
        Ok(Flow::Next)
    }
}

impl Convert {
    fn convert(&self, cx: &mut Context<'_>, slot: Slot) -> Result<Slot, Failure> {
        match (self.to, slot) {
            (_, Slot::Null) => Ok(Slot::Null),
            (Type::Text, Slot::Text(_)) => Ok(slot),
            (Type::Text, other) => cx.with_buffer(|cx, buffer| {
                write_plain(&cx.event, other, buffer)?;
                Ok(cx.event.text(buffer)?)
            }),
            (Type::Auto, Slot::Text(span)) => Ok(by_look(cx.event.bytes(span)).unwrap_or(slot)),
            (Type::Auto, other) => Ok(other),
            (to, Slot::Text(span)) => {
                let text = cx.event.bytes(span);
                let value = std::str::from_utf8(text).ok().and_then(|text| self.parse(to, text, slot));
                value.ok_or_else(|| self.wrong(&String::from_utf8_lossy(text)))
            }
            (to, other) => self.change(to, other).ok_or_else(|| self.wrong(other.kind().name())),
        }
    }

    fn parse(&self, to: Type, text: &str, slot: Slot) -> Option<Slot> {
        match to {
            Type::Integer | Type::Long => {
                let number = whole(text)?;
                let fits = matches!(to, Type::Long)
                    || i32::try_from(number).is_ok()
                    || u32::try_from(number).is_ok();
                // The product's integers have 64 bits.
                (fits || matches!(to, Type::Integer)).then_some(Slot::Int(number))
            }
            Type::Float => {
                text.trim().parse().ok().filter(|number: &f64| number.is_finite()).map(|n| self.rounded(n))
            }
            Type::Bool if text.eq_ignore_ascii_case("true") => Some(Slot::Bool(true)),
            Type::Bool if text.eq_ignore_ascii_case("false") => Some(Slot::Bool(false)),
            Type::Ip => text.parse::<IpAddr>().ok().map(|_| slot),
            _ => None,
        }
    }

    fn change(&self, to: Type, slot: Slot) -> Option<Slot> {
        match (to, slot) {
            (Type::Integer | Type::Long, Slot::Int(_)) => Some(slot),
            (Type::Integer | Type::Long, Slot::Float(number)) => Some(Slot::Int(number as i64)),
            (Type::Integer | Type::Long, Slot::Bool(truth)) => Some(Slot::Int(i64::from(truth))),
            (Type::Float, Slot::Int(number)) => Some(Slot::Float(number as f64)),
            (Type::Float, Slot::Float(number)) => Some(self.rounded(number)),
            (Type::Bool, Slot::Bool(_)) => Some(slot),
            (Type::Bool, Slot::Int(number @ (0 | 1))) => Some(Slot::Bool(number == 1)),
            _ => None,
        }
    }

    fn rounded(&self, number: f64) -> Slot {
        let factor = 10f64.powi(self.precision);
        let rounded = (number * factor).round() / factor;
        Slot::Float(if rounded.is_finite() { rounded } else { number })
    }

    #[cold]
    fn wrong(&self, what: &str) -> Failure {
        let to = match self.to {
            Type::Integer => "integer",
            Type::Long => "long",
            Type::Float => "float",
            Type::Text => "string",
            Type::Bool => "boolean",
            Type::Ip => "ip address",
            Type::Auto => "value",
        };
        Failure::text(format!("{what:?} is no {to}")).at(&self.target.field)
    }
}

/// A whole number, decimal or with `0x`.
pub(super) fn whole(text: &str) -> Option<i64> {
    let text = text.trim();
    let (sign, digits) = match text.as_bytes() {
        [b'-', ..] => (-1, &text[1..]),
        [b'+', ..] => (1, &text[1..]),
        _ => (1, text),
    };
    match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) if !hex.starts_with(['+', '-']) => {
            i64::from_str_radix(hex, 16).ok().map(|number| sign * number)
        }
        Some(_) => None,
        None => text.parse().ok(),
    }
}

/// A text as the number or truth value it looks like.
pub(super) fn by_look(text: &[u8]) -> Option<Slot> {
    let text = std::str::from_utf8(text).ok()?;
    let starts_like_a_number = text.bytes().next().is_some_and(|b| b.is_ascii_digit() || b"+-.".contains(&b));
    if starts_like_a_number {
        if let Ok(number) = text.parse() {
            return Some(Slot::Int(number));
        }
        return text.parse().ok().filter(|number: &f64| number.is_finite()).map(Slot::Float);
    }
    match text {
        "true" | "TRUE" | "True" => Some(Slot::Bool(true)),
        "false" | "FALSE" | "False" => Some(Slot::Bool(false)),
        _ => None,
    }
}
