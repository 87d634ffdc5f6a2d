//! `minify`: JSON, XML and HTML without what only people need.

use super::html_strip::is_inline;
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::Slot;
use event::model::json_read::{Duplicates, JsonError, read};
use memchr::{memchr, memchr2, memmem};

pub(super) static SPEC: Spec = Spec {
    name: "minify",
    family: "manipulate",
    summary: "Removes white space and comments from JSON, XML or HTML.",
    details: "JSON must be valid. Of HTML the end tags that may be left out are left out, the ones at the end of the document all, \
              and quotes around simple attributes; `pre`, `textarea`, scripts and style sheets stay as they are.",
    options: &[
        FIELD,
        required("format", "`json`, `xml` or `html`."),
        TARGET_FIELD,
        optional("keep_whitespace", "false", "Keep white space between tags."),
        optional("keep_comments", "false", "Keep comments."),
        optional("keep_end_tags", "false", "Keep end tags of HTML."),
        optional("keep_document_tags", "false", "Keep the end tags of html, head and body."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "JSON and XML",
            event: r#"{"j": "{ \"a b\": [1, 2] }", "x": "<?xml version=\"1.0\"?>\n<a>\n  <b  c=\"1\">t u</b>\n <!-- x -->\n</a>"}"#,
            processors: "- minify: {field: j, format: json}\n- minify: {field: x, format: xml}",
            outcome: Outcome::Event(
                r#"{"j": "{\"a b\":[1,2]}", "x": "<?xml version=\"1.0\"?><a><b c=\"1\">t u</b></a>"}"#,
            ),
        },
        Example {
            title: "HTML",
            event: r#"{"h": "<ul>\n  <li class=\"x\">a <b>b</b> c</li>\n  <li title=\"y z\">d</li>\n</ul><p>e</p>f"}"#,
            processors: "- minify: {field: h, format: html}",
            outcome: Outcome::Event(
                r#"{"h": "<ul><li class=x>a <b>b</b> c<li title=\"y z\">d</ul><p>e</p>f"}"#,
            ),
        },
        Example {
            title: "no JSON",
            event: r#"{"j": "{"}"#,
            processors: "- minify: {field: j, format: json}",
            outcome: Outcome::Fails("the json text ends too early"),
        },
    ],
    compile,
};

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Json,
    Xml,
    Html,
}

struct Minify {
    target: Target,
    format: Format,
    keep_whitespace: bool,
    keep_comments: bool,
    keep_end_tags: bool,
    keep_document_tags: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("format")?;
    let formats = [("json", Format::Json), ("xml", Format::Xml), ("html", Format::Html)];
    Ok(Box::new(Minify {
        target: Target::read(options)?,
        format: options.choice("format", &formats)?,
        keep_whitespace: options.flag("keep_whitespace", false)?,
        keep_comments: options.flag("keep_comments", false)?,
        keep_end_tags: options.flag("keep_end_tags", false)?,
        keep_document_tags: options.flag("keep_document_tags", false)?,
    }))
}

impl Processor for Minify {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let Slot::Text(span) = slot else { return Err(not_a_text(slot)) };
            if self.format == Format::Json {
                match read(&mut cx.event, span, Duplicates::Last) {
                    Ok(_) => {}
                    Err(JsonError::Limit(obstacle)) => return Err(obstacle.into()),
                    Err(why) => return Err(Failure::text(why.to_string())),
                }
            }
            let (span, ()) = cx.event.rewrite(span, |text, out| match self.format {
                Format::Json => json(text, out),
                Format::Xml | Format::Html => Markup { minify: self, out, pending: Vec::new() }.all(text),
            })?;
            Ok(Slot::Text(span))
        })?;
        Ok(Flow::Next)
    }
}

/// Valid JSON without the blanks between its tokens.
fn json(text: &[u8], out: &mut Vec<u8>) {
    let mut is_text = false;
    let mut is_escaped = false;
    for &byte in text {
        if is_text {
            (is_text, is_escaped) = (is_escaped || byte != b'"', !is_escaped && byte == b'\\');
        } else if byte.is_ascii_whitespace() {
            continue;
        } else {
            is_text = byte == b'"';
        }
        out.push(byte);
    }
}

/// A document of tags and text while it is written.
struct Markup<'m> {
    minify: &'m Minify,
    out: &'m mut Vec<u8>,
    /// HTML's end tags that are left out if nothing but further ones follow.
    pending: Vec<u8>,
}

/// A piece of a document.
enum Piece<'t> {
    Text(&'t [u8]),
    Comment(&'t [u8]),
    /// A declaration, an instruction, a section: stays as it is.
    Other(&'t [u8]),
    Tag(&'t [u8]),
}

/// The piece at the beginning of a text that is not empty.
fn piece(text: &[u8]) -> Piece<'_> {
    let until = |end: &[u8]| memmem::find(text, end).map_or(text, |at| &text[..at + end.len()]);
    if text[0] != b'<' {
        return Piece::Text(&text[..memchr(b'<', text).unwrap_or(text.len())]);
    }
    match text.get(1) {
        _ if text.starts_with(b"<!--") => Piece::Comment(until(b"-->")),
        _ if text.starts_with(b"<![CDATA[") => Piece::Other(until(b"]]>")),
        Some(b'?') => Piece::Other(until(b"?>")),
        Some(b'!') => Piece::Other(until(b">")),
        Some(byte) if byte.is_ascii_alphabetic() || *byte == b'/' || *byte == b'_' || *byte >= 0x80 => {
            Piece::Tag(tag(text))
        }
        _ => Piece::Text(&text[..memchr(b'<', &text[1..]).map_or(text.len(), |at| at + 1)]),
    }
}

/// The tag at the beginning of a text: a bracket within quotes does not end it, unless the quotes never end.
fn tag(text: &[u8]) -> &[u8] {
    let mut at = 1;
    while let Some(found) = memchr::memchr3(b'>', b'"', b'\'', &text[at..]) {
        at += found;
        if text[at] == b'>' {
            return &text[..at + 1];
        }
        match memchr(text[at], &text[at + 1..]) {
            Some(len) => at += len + 2,
            None => break,
        }
    }
    memchr(b'>', text).map_or(text, |at| &text[..at + 1])
}

/// A tag's name, without the slash of an end tag.
fn name(tag: &[u8]) -> &[u8] {
    let name = tag[1..].strip_prefix(b"/").unwrap_or(&tag[1..]);
    let len = name.iter().take_while(|byte| !byte.is_ascii_whitespace() && !b"/>".contains(byte)).count();
    &name[..len]
}

fn is_one_of(name: &[u8], names: &[&str]) -> bool {
    names.iter().any(|known| known.as_bytes().eq_ignore_ascii_case(name))
}

impl Markup<'_> {
    fn all(&mut self, text: &[u8]) {
        let is_html = self.minify.format == Format::Html;
        let mut rest = text;
        // Whether the piece before is a tag beside which blanks mean nothing; the document's start is like one.
        let mut after_block = true;
        while !rest.is_empty() {
            let piece = piece(rest);
            let len = match &piece {
                Piece::Text(part) | Piece::Comment(part) | Piece::Other(part) | Piece::Tag(part) => {
                    part.len()
                }
            };
            let behind = &rest[len..];
            match piece {
                Piece::Comment(comment) if self.minify.keep_comments => self.push(comment),
                Piece::Comment(_) => {}
                Piece::Other(part) => {
                    let is_doctype = is_html
                        && part.get(..9).is_some_and(|start| start.eq_ignore_ascii_case(b"<!doctype"));
                    self.push(if is_doctype { b"<!doctype" } else { part });
                    if is_doctype {
                        self.out.extend_from_slice(&part[9..]);
                    }
                }
                Piece::Text(part) if self.minify.keep_whitespace => self.push(part),
                Piece::Text(part) if is_html => self.html_text(part, after_block, behind),
                Piece::Text(part) => {
                    if !part.trim_ascii().is_empty() {
                        self.push(part);
                    }
                }
                Piece::Tag(tag) => {
                    after_block = !is_html || !is_inline(name(tag));
                    if is_html {
                        let used = self.html_tag(tag, behind);
                        rest = &behind[used..];
                        continue;
                    }
                    self.flush();
                    squeeze(tag, self.out);
                }
            }
            rest = behind;
        }
        // What is pending closes itself at the end of the document.
    }

    fn push(&mut self, part: &[u8]) {
        self.flush();
        self.out.extend_from_slice(part);
    }

    fn flush(&mut self) {
        self.out.append(&mut self.pending);
    }

    /// Text of HTML: each run of blanks is one, none beside blocks.
    fn html_text(&mut self, text: &[u8], after_block: bool, behind: &[u8]) {
        let before_block = match behind {
            [] => true,
            behind => matches!(piece(behind), Piece::Tag(tag) if !is_inline(name(tag))),
        };
        let words = text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let starts_blank = text.first().is_some_and(u8::is_ascii_whitespace);
        let ends_blank = text.last().is_some_and(u8::is_ascii_whitespace);
        let mut is_first = true;
        for word in words {
            if !is_first || (starts_blank && !after_block) {
                self.push(b" ");
            }
            self.push(word);
            is_first = false;
        }
        let is_only_blank = is_first && !after_block && !before_block;
        if is_only_blank || (!is_first && ends_blank && !before_block) {
            self.push(b" ");
        }
    }

    /// Writes a tag of HTML; returns how much of what is behind it was written with it.
    fn html_tag(&mut self, tag: &[u8], behind: &[u8]) -> usize {
        let name = name(tag);
        if tag.starts_with(b"</") {
            if self.may_be_left_out(name, behind) {
                return 0;
            }
            let is_document = is_one_of(name, &["html", "head", "body"]);
            let is_raw = is_one_of(name, &["script", "style", "title", "textarea", "pre"]);
            if self.minify.keep_end_tags || is_document || is_raw {
                self.push(tag);
            } else {
                self.pending.extend_from_slice(tag);
            }
            return 0;
        }
        self.flush();
        unquote(tag, self.out);
        if !is_one_of(name, &["pre", "textarea", "script", "style"]) {
            return 0;
        }
        let mut end = behind.len();
        let mut at = 0;
        while let Some(found) = memmem::find(&behind[at..], b"</") {
            at += found + 2;
            if behind[at..].get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name)) {
                end = at - 2;
                break;
            }
        }
        self.out.extend_from_slice(&behind[..end]);
        end
    }

    /// Whether HTML's rules for optional end tags let this one be left out before what follows.
    fn may_be_left_out(&self, name: &[u8], behind: &[u8]) -> bool {
        if is_one_of(name, &["html", "head", "body"]) {
            return !self.minify.keep_document_tags && !self.minify.keep_end_tags;
        }
        if self.minify.keep_end_tags {
            return false;
        }
        let behind = behind.trim_ascii_start();
        let next = match behind {
            [] => {
                return is_one_of(
                    name,
                    &["p", "li", "dd", "dt", "option", "tr", "td", "th", "tbody", "tfoot"],
                );
            }
            behind => match piece(behind) {
                Piece::Tag(tag) => tag,
                _ => return false,
            },
        };
        let closes_parent = next.starts_with(b"</");
        let opens = |names: &[&str]| !closes_parent && is_one_of(self::name(next), names);
        match name.to_ascii_lowercase().as_slice() {
            b"li" => closes_parent || opens(&["li"]),
            b"dt" => opens(&["dt", "dd"]),
            b"dd" => closes_parent || opens(&["dt", "dd"]),
            b"option" => closes_parent || opens(&["option", "optgroup"]),
            b"td" | b"th" => closes_parent || opens(&["td", "th"]),
            b"tr" => closes_parent || opens(&["tr"]),
            b"tbody" | b"tfoot" => closes_parent || opens(&["tbody", "tfoot"]),
            b"p" => {
                let is_transparent =
                    is_one_of(self::name(next), &["a", "audio", "del", "ins", "map", "noscript", "video"]);
                (closes_parent && !is_transparent)
                    || opens(&["p", "div", "ul", "ol", "table", "h1", "h2", "h3", "h4", "pre", "hr"])
            }
            _ => false,
        }
    }
}

/// A tag with one blank between its attributes.
fn squeeze(tag: &[u8], out: &mut Vec<u8>) {
    let mut rest = tag;
    while let Some(byte) = rest.first() {
        let used = match byte {
            b'"' | b'\'' => memchr(*byte, &rest[1..]).map_or(rest.len(), |len| len + 2),
            byte if byte.is_ascii_whitespace() => {
                let blanks = rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
                if !matches!(rest.get(blanks), None | Some(b'>' | b'/' | b'=')) && out.last() != Some(&b'=') {
                    out.push(b' ');
                }
                rest = &rest[blanks..];
                continue;
            }
            _ => 1,
        };
        out.extend_from_slice(&rest[..used]);
        rest = &rest[used..];
    }
}

/// A tag of HTML without the quotes around values that do not need them.
fn unquote(tag: &[u8], out: &mut Vec<u8>) {
    let mut squeezed = Vec::with_capacity(tag.len());
    squeeze(tag, &mut squeezed);
    let mut rest = &squeezed[..];
    while let Some(at) = memchr2(b'"', b'\'', rest) {
        let (before, from) = rest.split_at(at);
        out.extend_from_slice(before);
        let Some(len) = memchr(from[0], &from[1..]) else {
            rest = from;
            break;
        };
        let value = &from[1..=len];
        let needs_quotes = value.is_empty()
            || !before.ends_with(b"=")
            || value.iter().any(|byte| byte.is_ascii_whitespace() || b"\"'=<>`".contains(byte))
            // A slash before the bracket would look like the end of an empty element.
            || (value.ends_with(b"/") && from.get(len + 2) == Some(&b'>'));
        out.extend_from_slice(if needs_quotes { &from[..len + 2] } else { value });
        rest = &from[len + 2..];
        // Without quotes a blank must part what follows.
        if !needs_quotes && !matches!(rest.first(), None | Some(b'>' | b' ' | b'/')) {
            out.push(b' ');
        }
    }
    out.extend_from_slice(rest);
}
