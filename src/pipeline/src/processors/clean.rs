//! `clean`: removes characters.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::write_plain;
use event::model::Slot;

/// What `custom` removes where nothing else is said.
const DELIMITERS: &str = "\"'`()[]{}<>,;:!?|";

pub(super) static SPEC: Spec = Spec {
    name: "clean",
    family: "manipulate",
    summary: "Removes unwanted characters from a text, or from each element of a list.",
    details: "Modes: `alphanumeric` keeps letters and digits, `alpha` letters, `numeric` the digits 0 to 9; `custom` removes what \
              `chars` says, or quotes, brackets and punctuation. What is no text becomes one.",
    options: &[
        FIELD,
        TARGET_FIELD,
        optional("mode", "custom", "`alphanumeric`, `numeric`, `alpha` or `custom`."),
        optional("chars", "\"'`()[]{}<>,;:!?|", "The characters that `custom` removes."),
        optional("keep_chars", "", "Characters that stay in any mode."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "letters and digits, with exceptions",
            event: r#"{"a": "server-01_prod.example.com!@#"}"#,
            processors: "- clean: {field: a, mode: alphanumeric, keep_chars: '-_.'}",
            outcome: Outcome::Event(r#"{"a": "server-01_prod.example.com"}"#),
        },
        Example {
            title: "delimiters",
            event: r#"{"a": "\"Hello, World!\" <message> [info] {data: value}"}"#,
            processors: "- clean: {field: a}",
            outcome: Outcome::Event(r#"{"a": "Hello World message info data value"}"#),
        },
    ],
    compile,
};

#[derive(Clone, Copy)]
enum Mode {
    Custom,
    Alphanumeric,
    Numeric,
    Alpha,
}

struct Clean {
    target: Target,
    mode: Mode,
    removed: String,
    kept: String,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let modes = [
        ("custom", Mode::Custom),
        ("alphanumeric", Mode::Alphanumeric),
        ("numeric", Mode::Numeric),
        ("alpha", Mode::Alpha),
    ];
    Ok(Box::new(Clean {
        target: Target::read(options)?,
        mode: options.choice("mode", &modes)?,
        removed: options.text("chars")?.unwrap_or_else(|| DELIMITERS.to_owned()),
        kept: options.text("keep_chars")?.unwrap_or_default(),
    }))
}

impl Processor for Clean {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            cx.with_buffer(|cx, buffer| {
                write_plain(&cx.event, slot, buffer)?;
                let (span, ()) = cx.event.add_written(|out| {
                    for chunk in buffer.utf8_chunks() {
                        for character in chunk.valid().chars().filter(|c| self.keeps(*c)) {
                            out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                        }
                    }
                })?;
                Ok::<_, Failure>(Slot::Text(span))
            })
        })?;
        Ok(Flow::Next)
    }
}

impl Clean {
    fn keeps(&self, character: char) -> bool {
        let by_mode = match self.mode {
            Mode::Custom => !self.removed.contains(character),
            Mode::Alphanumeric => character.is_alphanumeric(),
            Mode::Numeric => character.is_ascii_digit(),
            Mode::Alpha => character.is_alphabetic(),
        };
        by_mode || self.kept.contains(character)
    }
}
