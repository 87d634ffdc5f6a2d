//! `pattern`: what messages of one kind have in common.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::source::{Entry, Value};
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, KeyId, Slot};
use regex::Regex;

/// How many words a pattern has at most.
const MAX_WORDS: usize = 100;
/// How much of a message is looked at.
const MAX_BYTES: usize = 16 * 1024;

pub(super) static SPEC: Spec = Spec {
    name: "pattern",
    family: "parse",
    summary: "Reduces a message to the words that all messages of its kind have: for grouping.",
    details: "Words that are numbers, hexadecimal, in quotes or brackets, or shorter than two letters are left out, at most 100 stay. \
              Gives `pattern`, `hash` (64 bits of FNV-1a, hexadecimal) and `id` (the same as a number). Custom patterns, and with `tokenize_all` the \
              built-in ones (URL, EMAIL, TIMESTAMP, IP, PATH, NUMBER), are replaced by their names first.",
    options: &[
        FIELD,
        TARGET_FIELD,
        optional("custom_patterns", "", "Names with regular expressions: a map, or a list of them."),
        optional("tokenize_all", "false", "Replace what the built-in patterns find."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "words",
            event: r#"{"m": "2019-07-24 12:06:21,688 package.name [DEBUG] got 10 things in 3.1s"}"#,
            processors: "- pattern: {field: m}\n- set: {field: m, copy_from: m.pattern}",
            outcome: Outcome::Event(r#"{"m": "package.name got things in"}"#),
        },
        Example {
            title: "tokens",
            event: r#"{"m": "User admin@example.com from 192.0.2.1: ERR1234"}"#,
            processors: "- pattern: {field: m, tokenize_all: true, custom_patterns: {CODE: 'ERR\\d{4}'}}\n- set: {field: m, copy_from: m.pattern}",
            outcome: Outcome::Event(r#"{"m": "User <EMAIL> from <IP> <CODE>"}"#),
        },
    ],
    compile,
};

/// In the order in which they are looked for: what is larger comes first.
const BUILT_IN: [(&str, &str); 6] = [
    ("URL", r"\b[a-z][a-z0-9+.-]*://[^\s<>]+"),
    ("EMAIL", r"[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+"),
    ("TIMESTAMP", r"\b\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:[.,]\d+)?)?(?:Z|[+-]\d{2}:?\d{2})?)?"),
    ("IP", r"\b(?:\d{1,3}\.){3}\d{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){7}[0-9a-fA-F]{1,4}\b"),
    ("PATH", r"(?:[A-Za-z]:\\|/)[\w.-]+(?:[\\/][\w.-]+)+"),
    ("NUMBER", r"\b\d+(?:\.\d+)?\b"),
];

struct MessagePattern {
    target: Target,
    tokens: Vec<(String, Regex)>,
    pattern: KeyId,
    hash: KeyId,
    id: KeyId,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let mut tokens = Vec::new();
    if let Some(node) = options.node("custom_patterns") {
        let entries: Vec<&Entry> = match &node.value {
            Value::List(items) => items.iter().flat_map(|item| item.entries()).collect(),
            _ => node.entries().iter().collect(),
        };
        if entries.is_empty() {
            return Err(options.error(&node.at, "`custom_patterns` is a map", "write `CODE: \"ERR\\\\d+\"`"));
        }
        for entry in entries {
            let text = entry.value.as_text().unwrap_or_default();
            tokens.push((format!("<{}>", entry.key), regex(options, &entry.value.at, text)?));
        }
    }
    if options.flag("tokenize_all", false)? {
        let at = options.place().clone();
        for (name, text) in BUILT_IN {
            tokens.push((format!("<{name}>"), regex(options, &at, text)?));
        }
    }
    let key = |name: &str| options.keys().compiled(name);
    let (pattern, hash, id) = (key("pattern"), key("hash"), key("id"));
    Ok(Box::new(MessagePattern { target: Target::read(options)?, tokens, pattern, hash, id }))
}

fn regex(options: &mut Options<'_, '_>, at: &crate::source::Place, text: &str) -> Result<Regex, Reported> {
    let built = regex::RegexBuilder::new(text).size_limit(crate::pattern::MAX_COMPILED_BYTES).build();
    built.map_err(|_| {
        options.error(
            at,
            format!("the regular expression {text:?} is not valid"),
            "the syntax is that of RE2",
        )
    })
}

impl Processor for MessagePattern {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(span) = self.target.text(cx)? else { return Ok(Flow::Next) };
        let bytes = cx.event.bytes(span);
        let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(MAX_BYTES)]).into_owned();
        for (name, regex) in &self.tokens {
            if let std::borrow::Cow::Owned(replaced) = regex.replace_all(&text, regex::NoExpand(name)) {
                text = replaced;
            }
        }
        let pattern = words(&text);
        let hash = fnv1a(pattern.as_bytes());
        let mut map = Children::EMPTY;
        let texts =
            [(self.pattern, pattern), (self.hash, format!("{hash:016x}")), (self.id, hash.to_string())];
        for (key, text) in texts {
            let slot = cx.event.text(text.as_bytes())?;
            cx.event.append_to(&mut map, key, slot)?;
        }
        self.target.put(cx, Slot::Map(map))?;
        Ok::<_, Failure>(Flow::Next)
    }
}

/// The words that count, with a blank between them.
fn words(text: &str) -> String {
    let mut out = String::new();
    let mut count = 0;
    for word in without_quoted(text).split_whitespace() {
        let word = word.trim_matches(|c: char| "=:],;.!?()".contains(c));
        let is_token = word.starts_with('<') && word.ends_with('>');
        let word: String = if is_token { word.to_owned() } else { reduced(word) };
        if word.is_empty() {
            continue;
        }
        if count == MAX_WORDS {
            break;
        }
        if count > 0 {
            out.push(' ');
        }
        out.push_str(&word);
        count += 1;
    }
    out
}

/// The word without digits; nothing if it is no word then.
fn reduced(word: &str) -> String {
    let is_hex = word.len() >= 4
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
    let letters: String = word.chars().filter(|c| !c.is_ascii_digit()).collect();
    let is_letter = |c: Option<char>| c.is_some_and(char::is_alphabetic);
    let is_word = letters.chars().count() >= 2
        && is_letter(letters.chars().next())
        && is_letter(letters.chars().next_back())
        && letters.chars().all(|c| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '/' | '\''));
    if is_hex || !is_word { String::new() } else { letters }
}

/// The text with blanks for what is in quotes or square brackets, as far as they are closed.
fn without_quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['"', '[']) {
        out.push_str(&rest[..at]);
        let close = if rest.as_bytes()[at] == b'[' { ']' } else { '"' };
        match rest[at + 1..].find(close) {
            Some(len) => rest = &rest[at + 1 + len + 1..],
            None => {
                // Nothing closes it, nor any other of its kind behind it.
                out.push(' ');
                let behind = &rest[at + 1..];
                out.extend(behind.chars().map(|c| if c == '"' || c == '[' { ' ' } else { c }));
                return out;
            }
        }
        out.push(' ');
    }
    out.push_str(rest);
    out
}

/// FNV-1a, 64 bits: the same on every machine and in every version.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}
