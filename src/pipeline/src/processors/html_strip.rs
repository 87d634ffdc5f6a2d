//! `html_strip`: the text of HTML.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};
use memchr::{memchr, memchr2, memmem};

pub(super) static SPEC: Spec = Spec {
    name: "html_strip",
    family: "parse",
    summary: "Removes the tags of HTML and leaves its text.",
    details: "Between paragraphs, headings and other blocks stands a blank. Comments, scripts and style sheets are left out; \
              references like `&amp;` are resolved.",
    options: &[FIELD, TARGET_FIELD, IGNORE_MISSING],
    examples: &[Example {
        title: "blocks and words",
        event: r#"{"h": "<div><h1>Title</h1><p>Te<b>x</b>t &amp; <a href='#'>links</a>, 1 < 2</p></div>"}"#,
        processors: "- html_strip: {field: h}",
        outcome: Outcome::Event(r#"{"h": "Title Text & links, 1 < 2"}"#),
    }],
    compile: |options: &mut Options<'_, '_>| -> Result<Box<dyn Processor>, Reported> {
        Ok(Box::new(HtmlStrip(Target::read(options)?)))
    },
};

struct HtmlStrip(Target);

impl Processor for HtmlStrip {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.0.change_texts(cx, strip)?;
        Ok(Flow::Next)
    }
}

/// Elements within a line: their tags are no blanks.
const INLINE: [&[u8]; 29] = [
    b"a", b"abbr", b"acronym", b"b", b"bdi", b"bdo", b"big", b"cite", b"code", b"del", b"dfn", b"em",
    b"font", b"i", b"ins", b"kbd", b"label", b"mark", b"q", b"s", b"samp", b"small", b"span", b"strong",
    b"sub", b"sup", b"tt", b"u", b"var",
];

/// Whether an element stands within a line.
pub(super) fn is_inline(name: &[u8]) -> bool {
    INLINE.iter().any(|inline| inline.eq_ignore_ascii_case(name))
}

/// References by name; others stay as they are.
const NAMED: [(&[u8], &str); 16] = [
    (b"amp", "&"),
    (b"lt", "<"),
    (b"gt", ">"),
    (b"quot", "\""),
    (b"apos", "'"),
    (b"nbsp", "\u{a0}"),
    (b"copy", "©"),
    (b"reg", "®"),
    (b"euro", "€"),
    (b"hellip", "…"),
    (b"ndash", "–"),
    (b"mdash", "—"),
    (b"lsquo", "‘"),
    (b"rsquo", "’"),
    (b"ldquo", "“"),
    (b"rdquo", "”"),
];

fn strip(html: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let mut rest = html;
    while let Some(at) = memchr2(b'<', b'&', rest) {
        out.extend_from_slice(&rest[..at]);
        rest = &rest[at..];
        let used = if rest[0] == b'&' { reference(rest, out) } else { markup(rest, out, start) };
        rest = &rest[used..];
    }
    out.extend_from_slice(rest);
    while out.len() > start && out.last().is_some_and(u8::is_ascii_whitespace) {
        out.pop();
    }
}

/// Resolves the reference at the beginning of `text`, or copies its first character; returns how much that was.
fn reference(text: &[u8], out: &mut Vec<u8>) -> usize {
    const LONGEST: usize = 10;
    let end = memchr(b';', &text[..text.len().min(LONGEST)]);
    let name = end.map_or(&b""[..], |end| &text[1..end]);
    if let Some((_, character)) = NAMED.iter().find(|(known, _)| *known == name) {
        out.extend_from_slice(character.as_bytes());
        return name.len() + 2;
    }
    match numeric(name) {
        Some(character) => {
            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            name.len() + 2
        }
        None => {
            out.push(b'&');
            1
        }
    }
}

/// `#65` or `#x41`.
fn numeric(name: &[u8]) -> Option<char> {
    let number = std::str::from_utf8(name).ok()?.strip_prefix('#')?;
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hex) => u32::from_str_radix(hex, 16),
        None => number.parse(),
    };
    code.ok().and_then(char::from_u32)
}

/// Passes over the tag or comment at the beginning of `text`; returns its length. A sign that begins none is text.
fn markup(text: &[u8], out: &mut Vec<u8>, start: usize) -> usize {
    if text.starts_with(b"<!--") {
        return memmem::find(text, b"-->").map_or(text.len(), |end| end + 3);
    }
    let name_from = if text.get(1) == Some(&b'/') { 2 } else { 1 };
    let begins_tag =
        text.get(name_from).is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'!' | b'?'));
    if !begins_tag {
        out.push(b'<');
        return 1;
    }
    let Some(len) = tag_len(text) else {
        // No bracket closes anything from here on: all of it is text.
        out.extend_from_slice(text);
        return text.len();
    };
    let name = &text[name_from..len];
    let name = &name[..name.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count()];
    if is_inline(name) {
        return len;
    }
    if out.len() > start && !out.last().is_some_and(u8::is_ascii_whitespace) {
        out.push(b' ');
    }
    let is_raw = [&b"script"[..], b"style"].iter().any(|raw| raw.eq_ignore_ascii_case(name));
    if is_raw && name_from == 1 {
        return end_of_raw(text, len, name);
    }
    len
}

/// Where the tag ends: a bracket within quotes does not end it, unless the quotes never end.
fn tag_len(text: &[u8]) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            // A quote opens only behind an equals sign: an apostrophe in broken markup must not eat the rest.
            (None, b'"' | b'\'') if at > 0 && text[at - 1] == b'=' => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    memchr(b'>', text).map(|at| at + 1)
}

/// Behind the end tag of a script or style sheet.
fn end_of_raw(text: &[u8], from: usize, name: &[u8]) -> usize {
    let mut at = from;
    while let Some(found) = memmem::find(&text[at..], b"</") {
        at += found + 2;
        if text[at..].len() >= name.len() && text[at..at + name.len()].eq_ignore_ascii_case(name) {
            return memchr(b'>', &text[at..]).map_or(text.len(), |end| at + end + 1);
        }
    }
    text.len()
}
