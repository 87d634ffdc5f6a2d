//! `redact`: names in place of what grok patterns match.

use crate::compile::spec::{FIELD, IGNORE_MISSING, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::grok::{Dictionary, Expression};
use crate::pattern::Group;
use crate::processors::target::Target;
use crate::source::{Node, Value};
use crate::step::{Flow, Processor, Ran};

/// Matches in one text; more fail the event.
const MAX_MATCHES: usize = 100_000;

pub(super) static SPEC: Spec = Spec {
    name: "redact",
    family: "security",
    summary: "Replaces what grok patterns match by the names of their fields.",
    details: "`%{EMAILADDRESS:email}` makes `<email>` of every address. Only named parts are replaced. Where matches overlap, \
              the whole is replaced by the name of the longest.",
    options: &[
        FIELD,
        required("patterns", "The expressions; all are applied."),
        optional("pattern_definitions", "", "Further named patterns; they replace those of the same name."),
        optional("prefix", "<", "What stands before a name."),
        optional("suffix", ">", "What stands behind a name."),
        optional("skip_if_unlicensed", "false", "Understood and without effect: there is no licence to ask."),
        optional("trace_redact", "false", "Understood and without effect."),
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "two patterns",
        event: r#"{"log": "User test@company.com from IP 192.168.1.1"}"#,
        processors: "- redact: {field: log, patterns: ['%{IP:client}', '%{EMAILADDRESS:email}'], prefix: '[', suffix: ']'}",
        outcome: Outcome::Event(r#"{"log": "User [email] from IP [client]"}"#),
    }],
    compile,
};

struct Redact {
    target: Target,
    expressions: Vec<Expression>,
    prefix: String,
    suffix: String,
}

/// A part of the text and the field that names it.
struct Found<'e> {
    start: usize,
    end: usize,
    /// The longest match in it.
    longest: usize,
    name: &'e str,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let target = Target::read(options)?;
    let mut dictionary = Dictionary::legacy();
    if let Some(node) = options.node("pattern_definitions") {
        // A map, or a list of maps.
        let maps: Vec<&Node> = match &node.value {
            Value::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        for entry in maps.into_iter().flat_map(Node::entries) {
            let Some(text) = entry.value.as_text() else {
                return Err(options.error(&entry.value.at, "a pattern definition is a text", ""));
            };
            dictionary.define(&entry.key, text);
        }
    }
    let at = options.required("patterns")?.at.clone();
    let mut expressions = Vec::new();
    for text in options.texts("patterns")? {
        let expression = Expression::compile(options.keys(), &dictionary, &text);
        expressions
            .push(expression.map_err(|why| options.error(&at, why, "write it like `%{IP:source.ip}`"))?);
    }
    // Read so that a wrong type is a mistake.
    options.flag("skip_if_unlicensed", false)?;
    options.flag("trace_redact", false)?;
    Ok(Box::new(Redact {
        target,
        expressions,
        prefix: options.text("prefix")?.unwrap_or_else(|| "<".to_owned()),
        suffix: options.text("suffix")?.unwrap_or_else(|| ">".to_owned()),
    }))
}

impl Processor for Redact {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let found = cx.with_groups(|cx, groups| self.find(cx.event.bytes(span), groups))?;
        if found.is_empty() {
            return Ok(Flow::Next);
        }
        let (redacted, ()) = cx.event.rewrite(span, |text, out| {
            let mut copied = 0;
            for part in &found {
                out.extend_from_slice(&text[copied..part.start]);
                for piece in [&*self.prefix, part.name, &*self.suffix] {
                    out.extend_from_slice(piece.as_bytes());
                }
                copied = part.end;
            }
            out.extend_from_slice(&text[copied..]);
        })?;
        self.target.put(cx, event::model::Slot::Text(redacted))?;
        Ok(Flow::Next)
    }
}

impl Redact {
    /// What is to be replaced, in order and without overlaps.
    fn find(&self, text: &[u8], groups: &mut Vec<Group>) -> Result<Vec<Found<'_>>, Failure> {
        let mut found = Vec::new();
        for expression in &self.expressions {
            let mut at = 0;
            while at <= text.len() && expression.pattern.captures_at(text, at, groups)? {
                let Some((start, end)) = groups.first().copied().flatten() else { break };
                for field in &expression.fields {
                    let named = field.groups.iter().filter_map(|group| groups.get(*group).copied().flatten());
                    for (start, end) in named.filter(|(start, end)| end > start) {
                        found.push(Found { start, end, longest: end - start, name: field.path.text() });
                    }
                }
                if found.len() > MAX_MATCHES {
                    return Err(Failure::limit(format!(
                        "redact replaces at most {MAX_MATCHES} parts of a text"
                    )));
                }
                at = if end > start { end } else { next_character(text, end) };
            }
        }
        Ok(merged(found))
    }
}

fn next_character(text: &[u8], at: usize) -> usize {
    let rest = text.get(at + 1..).unwrap_or_default();
    at + 1 + rest.iter().take_while(|byte| **byte & 0xc0 == 0x80).count()
}

/// Overlapping parts as one, with the name of the longest.
fn merged(mut found: Vec<Found<'_>>) -> Vec<Found<'_>> {
    found.sort_by_key(|part| (part.start, part.end));
    let mut merged: Vec<Found<'_>> = Vec::with_capacity(found.len());
    for part in found {
        match merged.last_mut() {
            Some(last) if part.start < last.end => {
                if part.longest > last.longest {
                    (last.longest, last.name) = (part.longest, part.name);
                }
                last.end = last.end.max(part.end);
            }
            _ => merged.push(part),
        }
    }
    merged
}
