//! `coalesce`, `concat`, `print`: one value of several.

use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use crate::template::{Missing, Template, write_plain};
use event::model::{Path, Slot};

pub(super) static COALESCE: Spec = Spec {
    name: "coalesce",
    family: "manipulate",
    summary: "Copies the first of several fields that has a value.",
    details: "",
    options: &[
        required("fields", "The fields, in order."),
        required("target_field", "Where the value goes."),
        optional("ignore_empty_string", "false", "Whether an empty text counts as no value."),
        optional("ignore_missing", "false", "Do nothing when none has a value, instead of failing."),
    ],
    examples: &[Example {
        title: "the first",
        event: r#"{"a": null, "b": "x"}"#,
        processors: "- coalesce: {fields: [a, b], target_field: c}",
        outcome: Outcome::Event(r#"{"a": null, "b": "x", "c": "x"}"#),
    }],
    compile: compile_coalesce,
};

pub(super) static CONCAT: Spec = Spec {
    name: "concat",
    family: "parse",
    summary: "Joins the values of several fields to one text.",
    details: "",
    options: &[
        required("sources", "The fields, in order."),
        required("target", "Where the text goes."),
        optional("separator", "a blank", "What stands between them."),
        optional("ignore_missing", "false", "Leave out fields that are missing, instead of failing."),
    ],
    examples: &[Example {
        title: "types",
        event: r#"{"a": 1, "b": true}"#,
        processors: "- concat: {sources: [a, b], target: c, separator: '|'}",
        outcome: Outcome::Event(r#"{"a": 1, "b": true, "c": "1|true"}"#),
    }],
    compile: compile_concat,
};

pub(super) static PRINT: Spec = Spec {
    name: "print",
    family: "manipulate",
    summary: "Fills values into a format.",
    details: "`%s`, `%v` and `%d` stand for the next value, `%%` for a percent sign.",
    options: &[
        required("format", "The format."),
        required("values", "The values, in order; may have templates in them."),
        required("field", "Where the text goes."),
        optional("ignore_missing", "false", "Write nothing for fields that are missing, instead of failing."),
    ],
    examples: &[Example {
        title: "two values",
        event: r#"{"u": "ann", "n": 3}"#,
        processors: "- print: {format: '%s: %d%%', values: ['{{u}}', '{{n}}'], field: m}",
        outcome: Outcome::Event(r#"{"u": "ann", "n": 3, "m": "ann: 3%"}"#),
    }],
    compile: compile_print,
};

struct Coalesce {
    fields: Vec<Path>,
    target: Path,
    skip_empty: bool,
    ignore_missing: bool,
}

fn compile_coalesce(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("fields")?;
    Ok(Box::new(Coalesce {
        fields: options.fields("fields")?,
        target: options.field("target_field")?,
        skip_empty: options.flag("ignore_empty_string", false)?,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Coalesce {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let is_empty = |slot: &Slot| matches!(slot, Slot::Text(span) if span.len() == 0);
        let found = self.fields.iter().filter_map(|path| cx.value(path));
        let found = found.into_iter().find(|slot| !(self.skip_empty && is_empty(slot)));
        match found {
            Some(slot) => {
                let slot = cx.event.copy(slot)?;
                cx.set(&self.target, slot)?;
                Ok(Flow::Next)
            }
            None if self.ignore_missing => Ok(Flow::Next),
            None => Err(Failure::fixed("can't be set: none of the fields has a value").at(&self.target)),
        }
    }
}

struct Concat {
    sources: Vec<Path>,
    target: Path,
    separator: String,
    ignore_missing: bool,
}

fn compile_concat(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("sources")?;
    Ok(Box::new(Concat {
        sources: options.fields("sources")?,
        target: options.field("target")?,
        separator: options.text("separator")?.unwrap_or_else(|| " ".to_owned()),
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

impl Processor for Concat {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let joined = cx.with_buffer(|cx, buffer| {
            let mut is_first = true;
            for path in &self.sources {
                match cx.value(path) {
                    Some(slot) => {
                        if !is_first {
                            buffer.extend_from_slice(self.separator.as_bytes());
                        }
                        is_first = false;
                        write_plain(&cx.event, slot, buffer)?;
                    }
                    None if self.ignore_missing => {}
                    None => return Err(Failure::missing(path)),
                }
            }
            Ok(cx.event.text(buffer)?)
        })?;
        cx.set(&self.target, joined)?;
        Ok(Flow::Next)
    }
}

struct Print {
    /// Texts and the values between them, in turn.
    texts: Vec<String>,
    values: Vec<Template>,
    field: Path,
    missing: Missing,
}

fn compile_print(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let format = options.required_text("format")?;
    let node = options.required("values")?;
    let Value::List(_) = &node.value else {
        return Err(options.error(&node.at, "`values` is a list", ""));
    };
    let mut values = Vec::new();
    for text in options.texts("values")? {
        values.push(options.template_of(&node.at, &text)?);
    }
    let mut texts = vec![String::new()];
    let mut letters = format.chars();
    while let Some(letter) = letters.next() {
        let last = texts.len() - 1;
        match (letter, letter == '%') {
            (_, true) => match letters.next() {
                Some('s' | 'v' | 'd') => texts.push(String::new()),
                Some('%') => texts[last].push('%'),
                other => {
                    let what = format!("the format has %{}, which has no meaning", other.unwrap_or(' '));
                    return Err(options.error(&node.at, what, "use %s"));
                }
            },
            (letter, false) => texts[last].push(letter),
        }
    }
    if texts.len() - 1 != values.len() {
        let what = format!("`format` takes {} values and `values` has {}", texts.len() - 1, values.len());
        return Err(options.error(&node.at, what, "each `%` of the format takes one"));
    }
    let missing = if options.flag("ignore_missing", false)? { Missing::IsEmpty } else { Missing::Fails };
    Ok(Box::new(Print { texts, values, field: options.field("field")?, missing }))
}

impl Processor for Print {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let text = cx.with_buffer(|cx, buffer| {
            for (at, text) in self.texts.iter().enumerate() {
                buffer.extend_from_slice(text.as_bytes());
                if let Some(value) = self.values.get(at) {
                    value.write(cx, buffer, self.missing)?;
                }
            }
            Ok::<_, Failure>(cx.event.text(buffer)?)
        })?;
        cx.set(&self.field, text)?;
        Ok(Flow::Next)
    }
}
