//! `url_decode`: percent-encoded text as it was before.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::{Context, not_a_text};
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::Slot;
use memchr::memchr2;

pub(super) static SPEC: Spec = Spec {
    name: "url_decode",
    family: "decode",
    summary: "Decodes percent-encoded text, or each text of a list; a plus sign is a blank.",
    details: "",
    options: &[FIELD, TARGET_FIELD, IGNORE_MISSING],
    examples: &[
        Example {
            title: "a list",
            event: r#"{"u": ["q=a%20b+c", "k=v%26w%2B"]}"#,
            processors: "- url_decode: {field: u}",
            outcome: Outcome::Event(r#"{"u": ["q=a b c", "k=v&w+"]}"#),
        },
        Example {
            title: "half an escape",
            event: r#"{"u": "100%"}"#,
            processors: "- url_decode: {field: u}",
            outcome: Outcome::Fails("has a percent sign without two hexadecimal digits"),
        },
    ],
    compile: |options: &mut Options<'_, '_>| -> Result<Box<dyn Processor>, Reported> {
        Ok(Box::new(UrlDecode(Target::read(options)?)))
    },
};

struct UrlDecode(Target);

impl Processor for UrlDecode {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.0.change_values(cx, |cx, slot| {
            let Slot::Text(span) = slot else { return Err(not_a_text(slot)) };
            if memchr2(b'%', b'+', cx.event.bytes(span)).is_none() {
                return Ok(slot);
            }
            let (decoded, is_whole) = cx.event.rewrite(span, |text, out| decode(text, b' ', out))?;
            if is_whole {
                Ok(Slot::Text(decoded))
            } else {
                Err(Failure::fixed("has a percent sign without two hexadecimal digits"))
            }
        })?;
        Ok(Flow::Next)
    }
}

/// Writes `text` decoded; says whether all escapes were whole. Those that are not stay as they are.
pub(super) fn decode(text: &[u8], plus: u8, out: &mut Vec<u8>) -> bool {
    let digit = |byte: &u8| (*byte as char).to_digit(16).map(|digit| digit as u8);
    let mut is_whole = true;
    let mut rest = text;
    while let Some(at) = memchr2(b'%', b'+', rest) {
        out.extend_from_slice(&rest[..at]);
        let escaped = rest.get(at + 1).and_then(digit).zip(rest.get(at + 2).and_then(digit));
        let (byte, used) = match (rest[at], escaped) {
            (b'+', _) => (plus, 1),
            (_, Some((high, low))) => (high << 4 | low, 3),
            (other, None) => {
                is_whole = false;
                (other, 1)
            }
        };
        out.push(byte);
        rest = &rest[at + used..];
    }
    out.extend_from_slice(rest);
    is_whole
}
