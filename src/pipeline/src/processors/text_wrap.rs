//! `text_wrap`: lines of a limited width.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

pub(super) static SPEC: Spec = Spec {
    name: "text_wrap",
    family: "text",
    summary: "Breaks a text into lines that are no wider than so many characters.",
    details: "Lines are broken at blanks; several blanks count as one. The indent counts.",
    options: &[
        FIELD,
        required("width", "How many characters a line may have."),
        TARGET_FIELD,
        optional("indent", "", "What each line begins with."),
        optional("line_separator", "\\n", "What stands between lines."),
        optional("break_long_words", "false", "Break words that are wider than a line."),
        optional("preserve_lines", "false", "Keep the line ends that are there."),
        optional(
            "trim_whitespace",
            "false",
            "Remove blanks at both ends of the text's lines and of the indent.",
        ),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "an indent",
            event: r#"{"a": "one two three four"}"#,
            processors: "- text_wrap: {field: a, width: 10, indent: '// '}",
            outcome: Outcome::Event(r#"{"a": "// one two\n// three\n// four"}"#),
        },
        Example {
            title: "long words",
            event: r#"{"a": "ab Initialization"}"#,
            processors: "- text_wrap: {field: a, width: 5, break_long_words: true, line_separator: '|'}",
            outcome: Outcome::Event(r#"{"a": "ab|Initi|aliza|tion"}"#),
        },
    ],
    compile,
};

struct TextWrap {
    target: Target,
    width: usize,
    indent: String,
    separator: String,
    break_words: bool,
    preserve_lines: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("width")?;
    let width = options.int("width", 1..=100_000)?.unwrap_or(1) as usize;
    let indent = options.text("indent")?.unwrap_or_default();
    let trims = options.flag("trim_whitespace", false)?;
    let indent = if trims { indent.trim().to_owned() } else { indent };
    let separator = options.text("line_separator")?.unwrap_or_else(|| "\n".to_owned());
    Ok(Box::new(TextWrap {
        target: Target::read(options)?,
        width: width.saturating_sub(indent.chars().count()).max(1),
        indent,
        separator: separator.replace("\\n", "\n").replace("\\r", "\r").replace("\\t", "\t"),
        break_words: options.flag("break_long_words", false)?,
        preserve_lines: options.flag("preserve_lines", false)?,
    }))
}

impl Processor for TextWrap {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_texts(cx, |text, out| {
            let text = String::from_utf8_lossy(text);
            let mut lines = Lines { wrap: self, out, is_first: true, used: 0 };
            if self.preserve_lines {
                text.lines().for_each(|line| lines.paragraph(line));
            } else {
                lines.paragraph(&text);
            }
        })?;
        Ok(Flow::Next)
    }
}

/// The lines written so far.
struct Lines<'w> {
    wrap: &'w TextWrap,
    out: &'w mut Vec<u8>,
    is_first: bool,
    /// Characters of the last line.
    used: usize,
}

impl Lines<'_> {
    fn paragraph(&mut self, text: &str) {
        self.line();
        for word in text.split_whitespace() {
            let mut word = word;
            let mut len = word.chars().count();
            if self.used > 0 && self.used + 1 + len > self.wrap.width {
                self.line();
            } else if self.used > 0 {
                self.out.push(b' ');
                self.used += 1;
            }
            while self.wrap.break_words && len > self.wrap.width {
                let cut = word.char_indices().nth(self.wrap.width).map_or(word.len(), |(at, _)| at);
                self.out.extend_from_slice(&word.as_bytes()[..cut]);
                word = &word[cut..];
                len -= self.wrap.width;
                self.line();
            }
            self.out.extend_from_slice(word.as_bytes());
            self.used += len;
        }
    }

    /// Begins a line.
    fn line(&mut self) {
        if !self.is_first {
            self.out.extend_from_slice(self.wrap.separator.as_bytes());
        }
        self.is_first = false;
        self.out.extend_from_slice(self.wrap.indent.as_bytes());
        self.used = 0;
    }
}
