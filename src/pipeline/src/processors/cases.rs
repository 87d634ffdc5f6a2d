//! `case` and `iff`: values by conditions.

use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::condition::Condition;
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, ValueTemplate};
use event::model::{Children, Path, Slot};

pub(super) static CASE: Spec = Spec {
    name: "case",
    family: "flow",
    summary: "Sets a field to the value of the first condition that holds.",
    details: "Without a match and without `default` the field stays as it is.",
    options: &[
        required("field", "The field to set."),
        required("cases", "A list of `{condition, value}`; values may have templates in them."),
        optional("default", "", "The value when no condition holds."),
    ],
    examples: &[Example {
        title: "first match",
        event: r#"{"code": 503}"#,
        processors: "- case:\n    field: level\n    cases:\n      - {condition: code >= 500, value: error}\n      - {condition: code >= 400, value: warning}\n    default: fine",
        outcome: Outcome::Event(r#"{"code": 503, "level": "error"}"#),
    }],
    compile: compile_case,
};

pub(super) static IFF: Spec = Spec {
    name: "iff",
    family: "flow",
    summary: "Sets a field to one of two values by a condition.",
    details: "A condition that is a field's name asks whether its value counts as true; of a list, element by element.",
    options: &[
        required("target_field", "The field to set."),
        required("condition", "The condition."),
        required("when_true", "The value when it holds: a literal, a field's name or a template."),
        required("when_false", "The value when it does not."),
        optional("is_array", "false", "Treat a single value as a list of one."),
        optional("ignore_missing", "false", "Do nothing when the condition's field is missing."),
    ],
    examples: &[
        Example {
            title: "a comparison",
            event: r#"{"score": 85}"#,
            processors: "- iff: {target_field: status, condition: score >= 70, when_true: pass, when_false: fail}",
            outcome: Outcome::Event(r#"{"score": 85, "status": "pass"}"#),
        },
        Example {
            title: "a list",
            event: r#"{"flags": [true, false]}"#,
            processors: "- iff: {target_field: a, condition: flags, when_true: 1, when_false: 0}",
            outcome: Outcome::Event(r#"{"flags": [true, false], "a": [1, 0]}"#),
        },
    ],
    compile: compile_iff,
};

struct Case {
    field: Path,
    cases: Vec<(Condition, ValueTemplate)>,
    default: Option<ValueTemplate>,
}

fn compile_case(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    let node = options.required("cases")?;
    let Value::List(items) = &node.value else {
        return Err(options.error(&node.at, "`cases` is a list", "write `- {condition: a == 1, value: b}`"));
    };
    let mut cases = Vec::new();
    for item in items {
        let (Some(condition), Some(value)) = (item.get("condition"), item.get("value")) else {
            return Err(options.error(
                &item.at,
                "a case has `condition` and `value`",
                "write `- {condition: a > 1, value: b}`",
            ));
        };
        cases.push((options.condition(condition)?, options.value(value)?));
    }
    let default = options.node("default").map(|node| options.value(node)).transpose()?;
    Ok(Box::new(Case { field, cases, default }))
}

impl Processor for Case {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let mut chosen = self.default.as_ref();
        for (condition, value) in &self.cases {
            if condition.holds(&cx.event, cx.origin)? {
                chosen = Some(value);
                break;
            }
        }
        if let Some(value) = chosen {
            let slot = value.value(cx, Missing::IsEmpty)?;
            cx.set(&self.field, slot)?;
        }
        Ok(Flow::Next)
    }
}

struct Iff {
    target: Path,
    condition: Condition,
    when_true: Choice,
    when_false: Choice,
    is_array: bool,
    ignore_missing: bool,
}

/// One of the two values: a text may be the name of a field.
struct Choice {
    value: ValueTemplate,
    field: Option<Path>,
}

impl Choice {
    fn read(options: &mut Options<'_, '_>, name: &str) -> Result<Self, Reported> {
        let node = options.required(name)?;
        let field = node.as_text().and_then(|text| Path::parse(options.keys(), text).ok());
        Ok(Self { value: options.value(node)?, field })
    }

    fn value(&self, cx: &mut Context<'_>, position: Option<usize>) -> Result<Slot, Failure> {
        let slot = match self.field.as_ref().and_then(|path| cx.value(path)) {
            Some(slot) => cx.event.copy(slot)?,
            None => self.value.value(cx, Missing::IsEmpty)?,
        };
        match (slot, position) {
            (Slot::List(list), Some(at)) => {
                Ok(cx.event.element(list, at).map_or(Slot::Null, |node| cx.event.slot(node)))
            }
            _ => Ok(slot),
        }
    }
}

fn compile_iff(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = options.field("target_field")?;
    let condition = options.required("condition")?;
    Ok(Box::new(Iff {
        target,
        condition: options.condition(condition)?,
        when_true: Choice::read(options, "when_true")?,
        when_false: Choice::read(options, "when_false")?,
        is_array: options.flag("is_array", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Iff {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        if let Some(path) = self.condition.as_field() {
            match cx.value(path) {
                Some(Slot::List(list)) => return self.each(cx, list),
                Some(single) if self.is_array => {
                    let mut list = Children::EMPTY;
                    cx.event.push_to(&mut list, single)?;
                    return self.each(cx, list);
                }
                Some(_) => {}
                None if self.ignore_missing => return Ok(Flow::Next),
                None => return Err(Failure::missing(path)),
            }
        }
        let holds = self.condition.is_truthy(&cx.event, cx.origin)?;
        let choice = if holds { &self.when_true } else { &self.when_false };
        let slot = choice.value(cx, None)?;
        cx.set(&self.target, slot)?;
        Ok(Flow::Next)
    }
}

impl Iff {
    fn each(&self, cx: &mut Context<'_>, list: Children) -> Ran {
        let mut values = Children::EMPTY;
        let mut at = cx.event.children(list).next();
        let mut position = 0;
        while let Some(node) = at {
            at = cx.event.next(node);
            let choice = if is_truthy(cx.event.slot(node)) { &self.when_true } else { &self.when_false };
            let slot = choice.value(cx, Some(position))?;
            cx.event.push_to(&mut values, slot)?;
            position += 1;
        }
        cx.set(&self.target, Slot::List(values))?;
        Ok(Flow::Next)
    }
}

fn is_truthy(slot: Slot) -> bool {
    match slot {
        Slot::Null | Slot::Bool(false) | Slot::Int(0) => false,
        Slot::Float(number) => number != 0.0,
        Slot::Text(span) | Slot::Bytes(span) => span.len() > 0,
        Slot::List(children) | Slot::Map(children) => children.len() > 0,
        Slot::Bool(true) | Slot::Int(_) | Slot::Time(_) => true,
    }
}
