//! `add`, `subtract`, `multiply`, `divide`, `modulo`, `power`, `min`, `max`, `abs`, `ceil`, `floor`, `round`, `sqrt`,
//! `math`: one result of one or two numbers.

use super::numbers::{Operand, number};
use crate::compile::spec::{IGNORE_MISSING, optional, required};
use crate::compile::{Example, OptionDoc, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::Path;

const RESULT: OptionDoc = required("field", "Where the result goes.");
const TWO: &[OptionDoc] = &[
    RESULT,
    required("left_operand", "A number, a field, a template, or an expression of them."),
    required("right_operand", "A number, a field, a template, or an expression of them."),
    IGNORE_MISSING,
];
const ONE: &[OptionDoc] =
    &[RESULT, required("value", "A number, a field, a template, or an expression of them."), IGNORE_MISSING];

macro_rules! two {
    ($constant:ident, $name:literal, $summary:literal, $operation:expr, $result:literal) => {
        pub(super) static $constant: Spec = Spec {
            name: $name,
            family: "arithmetic",
            summary: $summary,
            details: "",
            options: TWO,
            examples: &[Example {
                title: "a field and a number",
                event: r#"{"a": 7}"#,
                processors: concat!("- ", $name, ": {field: b, left_operand: a, right_operand: 2}"),
                outcome: Outcome::Event(concat!(r#"{"a": 7, "b": "#, $result, "}")),
            }],
            compile: |options| compile_two(options, $operation),
        };
    };
}

macro_rules! one {
    ($constant:ident, $name:literal, $summary:literal, $operation:expr, $result:literal) => {
        pub(super) static $constant: Spec = Spec {
            name: $name,
            family: "arithmetic",
            summary: $summary,
            details: "",
            options: ONE,
            examples: &[Example {
                title: "a field",
                event: r#"{"a": 6.25}"#,
                processors: concat!("- ", $name, ": {field: b, value: '{{a}}'}"),
                outcome: Outcome::Event(concat!(r#"{"a": 6.25, "b": "#, $result, "}")),
            }],
            compile: |options| compile_one(options, $operation),
        };
    };
}

two!(ADD, "add", "The sum of two numbers.", Operation::Add, "9");
two!(SUBTRACT, "subtract", "The difference of two numbers.", Operation::Subtract, "5");
two!(MULTIPLY, "multiply", "The product of two numbers.", Operation::Multiply, "14");
two!(DIVIDE, "divide", "The quotient of two numbers; by zero is a failure.", Operation::Divide, "3.5");
two!(MODULO, "modulo", "The remainder of a division; by zero is a failure.", Operation::Modulo, "1");
two!(POWER, "power", "The first number to the power of the second.", Operation::Power, "49");
two!(MIN, "min", "The smaller of two numbers.", Operation::Min, "2");
two!(MAX, "max", "The larger of two numbers.", Operation::Max, "7");
one!(ABS, "abs", "A number without its sign.", Operation::Abs, "6.25");
one!(CEIL, "ceil", "The next whole number up.", Operation::Ceil, "7");
one!(FLOOR, "floor", "The next whole number down.", Operation::Floor, "6");
one!(SQRT, "sqrt", "The square root; of a negative number it is a failure.", Operation::Sqrt, "2.5");

pub(super) static ROUND: Spec = Spec {
    name: "round",
    family: "arithmetic",
    summary: "A number rounded, halves away from zero.",
    details: "",
    options: &[
        RESULT,
        required("value", "A number, a field, a template, or an expression of them."),
        optional("precision", "0", "Digits behind the point that stay."),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "two digits",
        event: r#"{"a": 19.987}"#,
        processors: "- round: {field: a, value: a, precision: 2}",
        outcome: Outcome::Event(r#"{"a": 19.99}"#),
    }],
    compile: |options| compile_one(options, Operation::Round),
};

pub(super) static MATH: Spec = Spec {
    name: "math",
    family: "arithmetic",
    summary: "One of the arithmetic operations, by its name.",
    details: "",
    options: &[
        RESULT,
        required(
            "operation",
            "add, subtract, multiply, divide, modulo, power, min, max, abs, ceil, floor, round, sqrt.",
        ),
        required("left_operand", "A number, a field, a template, or an expression of them."),
        optional("right_operand", "", "The second number, where the operation takes two."),
        optional("precision", "0", "Digits behind the point that `round` leaves."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "two numbers",
            event: "{}",
            processors: "- math: {field: a.total, operation: add, left_operand: '100', right_operand: '50'}",
            outcome: Outcome::Event(r#"{"a": {"total": 150}}"#),
        },
        Example {
            title: "by zero",
            event: "{}",
            processors: "- math: {field: a, operation: divide, left_operand: 1, right_operand: 0}",
            outcome: Outcome::Fails("division by zero"),
        },
    ],
    compile: compile_math,
};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operation {
    Add,
    Subtract,
    Multiply,
    Divide,
    Modulo,
    Power,
    Min,
    Max,
    Abs,
    Ceil,
    Floor,
    Round,
    Sqrt,
}

const OPERATIONS: [(&str, Operation); 13] = [
    ("add", Operation::Add),
    ("subtract", Operation::Subtract),
    ("multiply", Operation::Multiply),
    ("divide", Operation::Divide),
    ("modulo", Operation::Modulo),
    ("power", Operation::Power),
    ("min", Operation::Min),
    ("max", Operation::Max),
    ("abs", Operation::Abs),
    ("ceil", Operation::Ceil),
    ("floor", Operation::Floor),
    ("round", Operation::Round),
    ("sqrt", Operation::Sqrt),
];

struct Arithmetic {
    field: Path,
    operation: Operation,
    left: Operand,
    right: Option<Operand>,
    precision: i32,
    ignore_missing: bool,
}

fn compile_two(options: &mut Options<'_, '_>, operation: Operation) -> Result<Box<dyn Processor>, Reported> {
    let left = Operand::read(options, "left_operand")?;
    let right = Operand::read(options, "right_operand")?;
    finish(options, operation, left, Some(right))
}

fn compile_one(options: &mut Options<'_, '_>, operation: Operation) -> Result<Box<dyn Processor>, Reported> {
    let left = Operand::read(options, "value")?;
    finish(options, operation, left, None)
}

fn compile_math(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("operation")?;
    let operation = options.choice("operation", &OPERATIONS)?;
    let left = Operand::read(options, "left_operand")?;
    let takes_two = !matches!(
        operation,
        Operation::Abs | Operation::Ceil | Operation::Floor | Operation::Round | Operation::Sqrt
    );
    let right = if takes_two { Some(Operand::read(options, "right_operand")?) } else { None };
    finish(options, operation, left, right)
}

fn finish(
    options: &mut Options<'_, '_>,
    operation: Operation,
    left: Operand,
    right: Option<Operand>,
) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(Arithmetic {
        field: options.field("field")?,
        operation,
        left,
        right,
        precision: options.int("precision", 0..=15)?.unwrap_or(0) as i32,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Arithmetic {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let left = self.left.value(cx)?;
        let right = match &self.right {
            Some(right) => right.value(cx)?,
            None => Some(0.0),
        };
        let (Some(left), Some(right)) = (left, right) else {
            if self.ignore_missing {
                return Ok(Flow::Next);
            }
            return Err(Failure::fixed("an operand is missing").at(&self.field));
        };
        let result = self.operation.apply(left, right, self.precision).map_err(|why| why.at(&self.field))?;
        if !result.is_finite() {
            return Err(Failure::fixed("the result is no number").at(&self.field));
        }
        cx.set(&self.field, number(result))?;
        Ok(Flow::Next)
    }
}

impl Operation {
    fn apply(self, left: f64, right: f64, precision: i32) -> Result<f64, Failure> {
        Ok(match self {
            Operation::Add => left + right,
            Operation::Subtract => left - right,
            Operation::Multiply => left * right,
            Operation::Divide | Operation::Modulo if right == 0.0 => {
                return Err(Failure::fixed("division by zero"));
            }
            Operation::Divide => left / right,
            Operation::Modulo => left % right,
            Operation::Power => left.powf(right),
            Operation::Min => left.min(right),
            Operation::Max => left.max(right),
            Operation::Abs => left.abs(),
            Operation::Ceil => left.ceil(),
            Operation::Floor => left.floor(),
            Operation::Round => {
                let factor = 10f64.powi(precision);
                (left * factor).round() / factor
            }
            Operation::Sqrt if left < 0.0 => {
                return Err(Failure::fixed("the square root of a negative number"));
            }
            Operation::Sqrt => left.sqrt(),
        })
    }
}
