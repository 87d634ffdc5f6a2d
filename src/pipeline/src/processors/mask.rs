//! `mask`: hashes in place of what regular expressions match.

use super::digest::{Algorithm, hex};
use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::pattern::Pattern;
use crate::source::{Node, Value};
use crate::step::{Flow, Processor, Ran};
use crate::suggest::closest;
use event::model::{NodeId, Path, Slot, Span};

pub(super) static SPEC: Spec = Spec {
    name: "mask",
    family: "security",
    summary: "Replaces what regular expressions match by its hash; the ends of a match may be kept.",
    details: "The rules are applied one after the other. Of a match the first `keep_first` and the last `keep_last` characters \
              stay, what is between them is hashed, in hexadecimal digits; a match that is not longer than what is to \
              be kept is hashed whole. In objects and lists all texts are masked, down to `depth` levels.",
    options: &[
        optional("target_fields", "message", "The fields; one or several."),
        optional("field", "", "Another name of `target_fields`."),
        required(
            "masking_rules",
            "A list of `match_regex`, `hash_type` (md5, sha1, sha256, sha512), `keep_first`, `keep_last`, `enabled`.",
        ),
        optional("hash_type", "sha256", "The hash of rules that name none."),
        optional("depth", "5", "How deep objects and lists are searched, 0 to 100."),
        optional("ignore_missing", "false", "Leave out fields that are missing or null, instead of failing."),
    ],
    examples: &[
        Example {
            title: "the beginning is kept",
            event: r#"{"message": "social=123456789"}"#,
            processors: "- mask: {masking_rules: [{match_regex: 'social=\\d+', hash_type: md5, keep_first: 7}]}",
            outcome: Outcome::Event(r#"{"message": "social=25f9e794323b453885f5181f1b624d0b"}"#),
        },
        Example {
            title: "no match",
            event: r#"{"a": {"b": ["x"]}}"#,
            processors: "- mask: {target_fields: [a], masking_rules: [{match_regex: 'secret'}]}",
            outcome: Outcome::Event(r#"{"a": {"b": ["x"]}}"#),
        },
        Example {
            title: "a number",
            event: r#"{"a": 5}"#,
            processors: "- mask: {target_fields: [a], masking_rules: [{match_regex: '5'}]}",
            outcome: Outcome::Fails("is an integer and not a string"),
        },
    ],
    compile,
};

const HASHES: [(&str, Algorithm); 4] = [
    ("sha256", Algorithm::Sha256),
    ("md5", Algorithm::Md5),
    ("sha1", Algorithm::Sha1),
    ("sha512", Algorithm::Sha512),
];

struct Rule {
    pattern: Pattern,
    hash: Algorithm,
    keep_first: usize,
    keep_last: usize,
}

struct Mask {
    fields: Vec<Path>,
    rules: Vec<Rule>,
    depth: usize,
    ignore_missing: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let mut fields = options.fields("target_fields")?;
    fields.extend(options.fields("field")?);
    if fields.is_empty() {
        fields.push(Path::of_names(options.keys(), &["message"]));
    }
    let hash = options.choice("hash_type", &HASHES)?;
    let node = options.required("masking_rules")?;
    let Value::List(items) = &node.value else {
        return Err(options.error(&node.at, "`masking_rules` is a list", "write `- match_regex: secret`"));
    };
    let mut rules = Vec::new();
    for item in items {
        rules.extend(rule(options, item, hash)?);
    }
    Ok(Box::new(Mask {
        fields,
        rules,
        depth: options.int("depth", 0..=100)?.unwrap_or(5) as usize,
        ignore_missing: options.flag("ignore_missing", false)?,
    }))
}

/// A rule; none if it is switched off.
fn rule(options: &mut Options<'_, '_>, node: &Node, hash: Algorithm) -> Result<Option<Rule>, Reported> {
    const KNOWN: [&str; 5] = ["match_regex", "hash_type", "keep_first", "keep_last", "enabled"];
    if let Some(entry) = node.entries().iter().find(|entry| !KNOWN.contains(&entry.key.as_str())) {
        let what = format!("a rule has no {:?}{}", entry.key, closest(&entry.key, KNOWN.into_iter()));
        return Err(options.error(&entry.key_at, what, format!("there are {}", KNOWN.join(", "))));
    }
    let Some(regex) = node.get("match_regex") else {
        return Err(options.error(&node.at, "a rule has no `match_regex`", "add `match_regex:`"));
    };
    let Some(text) = regex.as_text() else {
        return Err(options.error(&regex.at, "`match_regex` is a text", ""));
    };
    let pattern = options.pattern_of(&regex.at, text)?;
    let hash = match node.get("hash_type").and_then(Node::as_text) {
        None => hash,
        Some(name) => match HASHES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)) {
            Some((_, hash)) => *hash,
            None => {
                let hint = closest(name, HASHES.iter().map(|(known, _)| *known));
                let what = format!("there is no hash {name:?}{hint}");
                return Err(options.error(&node.at, what, "there are md5, sha1, sha256, sha512"));
            }
        },
    };
    let mut count = |name: &str| match node.get(name).map(|node| (&node.value, &node.at)) {
        None => Ok(0),
        Some((Value::Int(number), _)) if *number >= 0 => Ok(*number as usize),
        Some((_, at)) => Err(options.error(at, format!("`{name}` is a number of characters"), "")),
    };
    let (keep_first, keep_last) = (count("keep_first")?, count("keep_last")?);
    let is_enabled = !matches!(node.get("enabled").map(|node| &node.value), Some(Value::Bool(false)));
    Ok(is_enabled.then_some(Rule { pattern, hash, keep_first, keep_last }))
}

impl Processor for Mask {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        for field in &self.fields {
            match cx.value(field) {
                None if self.ignore_missing => {}
                None => return Err(Failure::missing(field)),
                Some(Slot::Text(_) | Slot::List(_) | Slot::Map(_)) => {
                    if let Some(node) = cx.event.find(field) {
                        self.mask(cx, node, 0)?;
                    }
                }
                Some(other) => return Err(not_a_text(other).at(field)),
            }
        }
        Ok(Flow::Next)
    }
}

impl Mask {
    fn mask(&self, cx: &mut Context<'_>, node: NodeId, depth: usize) -> Result<(), Failure> {
        match cx.event.slot(node) {
            Slot::Text(span) => {
                let mut masked = span;
                for rule in &self.rules {
                    masked = rule.apply(cx, masked)?;
                }
                if masked != span {
                    cx.event.put(node, Slot::Text(masked));
                }
            }
            Slot::List(children) | Slot::Map(children) if depth < self.depth => {
                let mut at = cx.event.children(children).next();
                while let Some(child) = at {
                    at = cx.event.next(child);
                    self.mask(cx, child, depth + 1)?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Rule {
    fn apply(&self, cx: &mut Context<'_>, span: Span) -> Result<Span, Failure> {
        if self.pattern.find_at(cx.event.bytes(span), 0)?.is_none() {
            return Ok(span);
        }
        let (masked, result) = cx.event.rewrite(span, |text, out| self.write(text, out))?;
        result.map(|()| masked)
    }

    fn write(&self, text: &[u8], out: &mut Vec<u8>) -> Result<(), Failure> {
        let mut at = 0;
        while let Some((start, end)) = self.pattern.find_at(text, at)? {
            out.extend_from_slice(&text[at..start]);
            let found = &text[start..end];
            let (first, last) = self.kept(found);
            out.extend_from_slice(&found[..first]);
            if !found.is_empty() {
                out.extend_from_slice(hex(&self.hash.of(&found[first..last])).as_bytes());
            }
            out.extend_from_slice(&found[last..]);
            at = end;
            if start == end {
                // An empty match masks nothing; the next one starts a character later.
                let Some(rest) = text.get(end..).filter(|rest| !rest.is_empty()) else { break };
                let width = 1 + rest[1..].iter().take_while(|byte| **byte & 0xc0 == 0x80).count();
                out.extend_from_slice(&rest[..width]);
                at = end + width;
            }
        }
        out.extend_from_slice(&text[at..]);
        Ok(())
    }

    /// Where the hidden part of a match starts and ends; kept are whole characters.
    fn kept(&self, found: &[u8]) -> (usize, usize) {
        let starts = || (0..found.len()).filter(|at| found[*at] & 0xc0 != 0x80);
        if self.keep_first + self.keep_last >= starts().count() {
            return (0, found.len());
        }
        let first = starts().nth(self.keep_first).unwrap_or(found.len());
        let last = match self.keep_last {
            0 => found.len(),
            keep => starts().rev().nth(keep - 1).unwrap_or(found.len()),
        };
        (first, last)
    }
}
