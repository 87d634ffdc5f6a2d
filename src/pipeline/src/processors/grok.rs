//! `grok`: named patterns to fields.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::grok::{Dictionary, Expression, FieldType};
use crate::source::Value;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Path, Slot};

pub(super) static SPEC: Spec = Spec {
    name: "grok",
    family: "parse",
    summary: "Finds named patterns in a text and puts what they match into fields.",
    details: "`%{NAME}` matches, `%{NAME:field}` keeps the text, `%{NAME:field:type}` as int, long, float or boolean. The \
              first pattern that matches anywhere in the text counts. The names are those of Elastic's legacy set. A field \
              that is matched several times gets a list; what matched nothing at all is an empty text, as in Elasticsearch.",
    options: &[
        FIELD,
        optional("patterns", "", "The expressions, tried in order; this or `pattern`."),
        optional("pattern", "", "A single expression."),
        optional("pattern_definitions", "", "Further named patterns; they replace those of the same name."),
        optional("trace_match", "false", "Note which expression matched, in `_ingest._grok_match_index`."),
        optional("ecs_compatibility", "disabled", "Only the legacy names are there."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "types",
            event: r#"{"m": "GET 200 0.5"}"#,
            processors: "- grok: {field: m, patterns: ['%{WORD:verb} %{NUMBER:status:int} %{NUMBER:time:float}']}\n- remove: {field: m}",
            outcome: Outcome::Event(r#"{"verb": "GET", "status": 200, "time": 0.5}"#),
        },
        Example {
            title: "no match",
            event: r#"{"m": "x"}"#,
            processors: "- grok: {field: m, patterns: ['^%{INT:n}$']}",
            outcome: Outcome::Fails("matches none of the grok patterns"),
        },
    ],
    compile,
};

struct Grok {
    target: Target,
    expressions: Vec<Expression>,
    trace: Option<Path>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = Target::read(options)?;
    let mut dictionary = Dictionary::legacy();
    if let Some(node) = options.node("pattern_definitions") {
        for entry in node.entries() {
            let Value::Text(text) = &entry.value.value else {
                return Err(options.error(&entry.value.at, "a pattern definition is a text", ""));
            };
            dictionary.define(&entry.key, text);
        }
    }
    let name = if options.node("patterns").is_some() || options.node("pattern").is_none() {
        "patterns"
    } else {
        "pattern"
    };
    let at = options.required(name)?.at.clone();
    let mut expressions = Vec::new();
    for text in options.texts(name)? {
        let expression = Expression::compile(options.keys(), &dictionary, &text);
        expressions
            .push(expression.map_err(|why| options.error(&at, why, "write it like `%{IP:source.ip}`"))?);
    }
    if expressions.is_empty() {
        return Err(options.error(&at, "there is no pattern", "write `patterns: ['%{IP:source.ip}']`"));
    }
    let trace = options.flag("trace_match", false)?;
    let trace = trace.then(|| Path::of_names(options.keys(), &["_ingest", "_grok_match_index"]));
    Ok(Box::new(Grok { target, expressions, trace }))
}

impl Processor for Grok {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        for (number, expression) in self.expressions.iter().enumerate() {
            let matched = cx.with_groups(|cx, groups| {
                if !expression.pattern.captures_at(cx.event.bytes(span), 0, groups)? {
                    return Ok(false);
                }
                for field in &expression.fields {
                    let mut value: Option<Slot> = None;
                    for group in &field.groups {
                        let Some((from, to)) = groups.get(*group).copied().flatten() else { continue };
                        let slot = typed(cx, span.part(from, to), field.to);
                        value = Some(add(cx, value, slot)?);
                    }
                    if let Some(value) = value {
                        cx.set(&field.path, value)?;
                    }
                }
                Ok::<bool, Failure>(true)
            })?;
            if matched {
                if let Some(path) = &self.trace {
                    let index = cx.event.text(number.to_string().as_bytes())?;
                    cx.set(path, index)?;
                }
                return Ok(Flow::Next);
            }
        }
        Err(Failure::fixed("matches none of the grok patterns").at(&self.target.field))
    }
}

/// One more value: the second one makes a list.
fn add(cx: &mut Context<'_>, before: Option<Slot>, slot: Slot) -> Result<Slot, Failure> {
    let mut list = match before {
        None => return Ok(slot),
        Some(Slot::List(list)) => list,
        Some(single) => {
            let mut list = Children::EMPTY;
            cx.event.push_to(&mut list, single)?;
            list
        }
    };
    cx.event.push_to(&mut list, slot)?;
    Ok(Slot::List(list))
}

/// The text in its type; a text that is none of that type stays a text.
fn typed(cx: &Context<'_>, span: event::model::Span, to: FieldType) -> Slot {
    let text = std::str::from_utf8(cx.event.bytes(span)).unwrap_or_default();
    let value = match to {
        FieldType::Text => None,
        FieldType::Int => {
            let float = || text.parse::<f64>().ok().map(|number| number as i64);
            text.parse().ok().or_else(float).map(Slot::Int)
        }
        FieldType::Float => text.parse().ok().filter(|number: &f64| number.is_finite()).map(Slot::Float),
        FieldType::Bool => text.parse().ok().map(Slot::Bool),
    };
    value.unwrap_or(Slot::Text(span))
}
