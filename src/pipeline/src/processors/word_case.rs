//! `camelcase`, `pascalcase`, `snakecase`, `kebabcase`, `dotcase`, `capitalize`: words joined in a style.

use super::target::Target;
use crate::compile::spec::{IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, OptionDoc, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::step::{Flow, Processor, Ran};

const OPTIONS: &[OptionDoc] = &[
    optional("field", "", "The field: a text, or a list of texts."),
    TARGET_FIELD,
    optional("fields", "", "Several fields, each changed in its place."),
    optional("exclude", "", "Fields of `fields` that stay as they are."),
    IGNORE_MISSING,
];

macro_rules! style {
    ($constant:ident, $name:literal, $summary:literal, $style:expr, $result:literal) => {
        pub(super) static $constant: Spec = Spec {
            name: $name,
            family: "text",
            summary: $summary,
            details: "Words end at blanks, `_`, `-` and `.`, or, in a text without these, before capital letters.",
            options: OPTIONS,
            examples: &[Example {
                title: "words",
                event: r#"{"a": "user-account_name x"}"#,
                processors: concat!("- ", $name, ": {field: a}"),
                outcome: Outcome::Event(concat!(r#"{"a": ""#, $result, "\"}")),
            }],
            compile: |options| compile(options, $style),
        };
    };
}

style!(CAMEL, "camelcase", "Words as camelCase.", Style::Camel, "userAccountNameX");
style!(PASCAL, "pascalcase", "Words as PascalCase.", Style::Pascal, "UserAccountNameX");
style!(SNAKE, "snakecase", "Words as snake_case.", Style::Joined('_'), "user_account_name_x");
style!(KEBAB, "kebabcase", "Words as kebab-case.", Style::Joined('-'), "user-account-name-x");
style!(DOT, "dotcase", "Words as dot.case.", Style::Joined('.'), "user.account.name.x");
style!(
    CAPITALIZE,
    "capitalize",
    "The first letter capital, the rest small.",
    Style::Capitalized,
    "User-account_name x"
);

#[derive(Clone, Copy)]
enum Style {
    Camel,
    Pascal,
    Joined(char),
    Capitalized,
}

struct WordCase {
    targets: Vec<Target>,
    style: Style,
}

fn compile(options: &mut Options<'_, '_>, style: Style) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(WordCase { targets: Target::read_several(options)?, style }))
}

impl Processor for WordCase {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        for target in &self.targets {
            target.change_texts(cx, |text, out| {
                out.extend_from_slice(self.style.apply(&String::from_utf8_lossy(text)).as_bytes());
            })?;
        }
        Ok(Flow::Next)
    }
}

impl Style {
    fn apply(self, text: &str) -> String {
        let words = || words(text);
        match self {
            Style::Capitalized => titled(text),
            Style::Joined(separator) => words().join(&separator.to_string()),
            Style::Pascal => words().iter().map(|word| titled(word)).collect(),
            Style::Camel => {
                let rest: String = words().iter().skip(1).map(|word| titled(word)).collect();
                words().first().cloned().unwrap_or_default() + &rest
            }
        }
    }
}

fn titled(word: &str) -> String {
    let mut letters = word.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters.flat_map(char::to_lowercase)).collect(),
        None => String::new(),
    }
}

/// The words of a text, in small letters.
fn words(text: &str) -> Vec<String> {
    let is_separator = |c: char| c.is_whitespace() || matches!(c, '_' | '-' | '.');
    if text.contains(is_separator) {
        return text.split(is_separator).filter(|word| !word.is_empty()).map(str::to_lowercase).collect();
    }
    let mut words: Vec<String> = Vec::new();
    let mut was_small = false;
    for c in text.chars() {
        if words.is_empty() || (c.is_uppercase() && was_small) {
            words.push(String::new());
        }
        was_small = c.is_lowercase() || c.is_ascii_digit();
        if let Some(word) = words.last_mut() {
            word.extend(c.to_lowercase());
        }
    }
    words
}
