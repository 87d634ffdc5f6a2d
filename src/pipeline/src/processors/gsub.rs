//! `gsub` and `regex_replace`: replace what a regular expression matches.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, required};
use crate::compile::{Example, OptionDoc, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::pattern::{Group, Pattern};
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Slot, Span};

const REPLACEMENT: OptionDoc =
    required("replacement", "What comes in its place; `$1`, `${1}`, `\\1` and `${name}` stand for groups.");

pub(super) static GSUB: Spec = Spec {
    name: "gsub",
    family: "manipulate",
    summary: "Replaces everything that a regular expression matches.",
    details: "",
    options: &[
        FIELD,
        required("pattern", "The regular expression."),
        REPLACEMENT,
        TARGET_FIELD,
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "masking numbers",
            event: r#"{"message": "id=17 id=4"}"#,
            processors: "- gsub: {field: message, pattern: 'id=[0-9]+', replacement: 'id=***'}",
            outcome: Outcome::Event(r#"{"message": "id=*** id=***"}"#),
        },
        Example {
            title: "groups",
            event: r#"{"a": ["x-y"]}"#,
            processors: "- gsub: {field: a, pattern: '(\\w)-(\\w)', replacement: '$2-$1'}",
            outcome: Outcome::Event(r#"{"a": ["y-x"]}"#),
        },
    ],
    compile: |options| compile(options, "pattern"),
};

pub(super) static REGEX_REPLACE: Spec = Spec {
    name: "regex_replace",
    family: "parse",
    summary: "Replaces everything that a regular expression matches.",
    details: "",
    options: &[
        FIELD,
        required("regex", "The regular expression."),
        REPLACEMENT,
        TARGET_FIELD,
        IGNORE_MISSING,
    ],
    examples: &[Example {
        title: "blanks",
        event: r#"{"a": "x   y"}"#,
        processors: "- regex_replace: {field: a, regex: ' +', replacement: ' '}",
        outcome: Outcome::Event(r#"{"a": "x y"}"#),
    }],
    compile: |options| compile(options, "regex"),
};

struct Gsub {
    target: Target,
    pattern: Pattern,
    replacement: Vec<Piece>,
    has_groups: bool,
}

enum Piece {
    Text(Vec<u8>),
    Group(usize),
}

fn compile(options: &mut Options<'_, '_>, pattern: &str) -> Result<Box<dyn Processor>, Reported> {
    let target = Target::read(options)?;
    let pattern = options.pattern(pattern)?;
    options.node("replacement").map_or_else(|| options.required("replacement"), Ok)?;
    let replacement = options.text("replacement")?.unwrap_or_default();
    let replacement = pieces(&replacement, &pattern.group_names());
    let has_groups = replacement.iter().any(|piece| matches!(piece, Piece::Group(_)));
    Ok(Box::new(Gsub { target, pattern, replacement, has_groups }))
}

/// A replacement in pieces. A group that the expression does not have stays text.
fn pieces(text: &str, names: &[Option<String>]) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = Vec::new();
    let mut rest = text;
    while let Some(mark) = rest.chars().next() {
        let group = if matches!(mark, '$' | '\\') { group(&rest[1..], names) } else { None };
        match group {
            Some((group, len)) => {
                if !plain.is_empty() {
                    pieces.push(Piece::Text(std::mem::take(&mut plain)));
                }
                pieces.push(Piece::Group(group));
                rest = &rest[1 + len..];
            }
            None => {
                let escaped = mark == '\\' && rest[1..].starts_with(['$', '\\']);
                let kept = if escaped { &rest[1..2] } else { &rest[..mark.len_utf8()] };
                plain.extend_from_slice(kept.as_bytes());
                rest = &rest[mark.len_utf8() + usize::from(escaped)..];
            }
        }
    }
    if !plain.is_empty() {
        pieces.push(Piece::Text(plain));
    }
    pieces
}

/// The group that a text starts with, and how long its name is.
fn group(text: &str, names: &[Option<String>]) -> Option<(usize, usize)> {
    if let Some(inner) = text.strip_prefix('{') {
        let (name, _) = inner.split_once('}')?;
        let number = name.parse().ok().filter(|number| *number < names.len());
        let named = || names.iter().position(|other| other.as_deref() == Some(name));
        return Some((number.or_else(named)?, name.len() + 2));
    }
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    // Of `$12` with fewer than twelve groups, `$1` is meant.
    (1..=digits.min(2)).rev().find_map(|len| {
        let number: usize = text[..len].parse().ok()?;
        (number < names.len()).then_some((number, len))
    })
}

impl Processor for Gsub {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(value) = self.target.value(cx)? else { return Ok(Flow::Next) };
        let changed = match value {
            Slot::Text(span) => Slot::Text(self.replace(cx, span)?),
            Slot::List(list) => {
                let mut changed = Children::EMPTY;
                let mut at = cx.event.children(list).next();
                while let Some(node) = at {
                    at = cx.event.next(node);
                    let Slot::Text(span) = cx.event.slot(node) else {
                        return Err(not_a_text(cx.event.slot(node)).at(&self.target.field));
                    };
                    let span = self.replace(cx, span)?;
                    cx.event.push_to(&mut changed, Slot::Text(span))?;
                }
                Slot::List(changed)
            }
            other => return Err(not_a_text(other).at(&self.target.field)),
        };
        self.target.put(cx, changed)?;
        Ok(Flow::Next)
    }
}

impl Gsub {
    /// The text with replacements; the same text if there are none.
    fn replace(&self, cx: &mut Context<'_>, span: Span) -> Result<Span, Failure> {
        let Some(first) = self.pattern.find_at(cx.event.bytes(span), 0)? else { return Ok(span) };
        if self.has_groups {
            return cx.with_groups(|cx, groups| {
                let (span, result) =
                    cx.event.rewrite(span, |text, out| self.with_groups(text, groups, out))?;
                result.map(|()| span)
            });
        }
        let (span, result) = cx.event.rewrite(span, |text, out| self.plainly(text, first, out))?;
        result.map(|()| span)
    }

    fn plainly(&self, text: &[u8], first: (usize, usize), out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut copied = 0;
        let mut found = Some(first);
        while let Some((start, end)) = found {
            out.extend_from_slice(&text[copied..start]);
            for piece in &self.replacement {
                if let Piece::Text(text) = piece {
                    out.extend_from_slice(text);
                }
            }
            copied = end;
            found = match next_start(text, start, end) {
                Some(next) => self.pattern.find_at(text, next)?,
                None => None,
            };
        }
        out.extend_from_slice(&text[copied..]);
        Ok(())
    }

    fn with_groups(&self, text: &[u8], groups: &mut Vec<Group>, out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut copied = 0;
        let mut at = Some(0);
        while let Some(from) = at {
            if !self.pattern.captures_at(text, from, groups)? {
                break;
            }
            let Some((start, end)) = groups.first().copied().flatten() else { break };
            out.extend_from_slice(&text[copied..start]);
            for piece in &self.replacement {
                match piece {
                    Piece::Text(text) => out.extend_from_slice(text),
                    Piece::Group(group) => {
                        if let Some((start, end)) = groups.get(*group).copied().flatten() {
                            out.extend_from_slice(&text[start..end]);
                        }
                    }
                }
            }
            copied = end;
            at = next_start(text, start, end);
        }
        out.extend_from_slice(&text[copied..]);
        Ok(())
    }
}

/// Where to look next; behind an empty match one character on.
fn next_start(text: &[u8], start: usize, end: usize) -> Option<usize> {
    if end > start {
        return Some(end);
    }
    let rest = text.get(end..)?;
    let width = match rest.first()? {
        0..0x80 => 1,
        0x80..0xe0 => 2,
        0xe0..0xf0 => 3,
        _ => 4,
    };
    Some((end + width).min(text.len()))
}
