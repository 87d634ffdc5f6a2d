//! `random_string` and `snowflake`: values that are made, not read.
//!
//! The only processors whose result differs from run to run.

use crate::compile::spec::{optional, required};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub(super) static RANDOM_STRING: Spec = Spec {
    name: "random_string",
    family: "text",
    summary: "Puts a random text into a field; the system's randomness, fit for tokens.",
    details: "",
    options: &[
        required("field", "Where the text goes, unless `target_field` is there."),
        required("length", "How many characters it has, 1 to 10000."),
        optional("target_field", "the field itself", "Where the text goes."),
        optional(
            "charset",
            "alphanumeric",
            "`alphanumeric`, `alpha`, `numeric` or `hex`, or the characters themselves.",
        ),
        optional("prefix", "", "What stands before it."),
        optional("suffix", "", "What stands behind it."),
        optional("ignore_missing", "false", "Not needed: the field need not be there."),
    ],
    examples: &[Example {
        title: "an id",
        event: "{}",
        processors: "- random_string: {field: id, length: 3, charset: x, prefix: TXN-, suffix: -24}",
        outcome: Outcome::Event(r#"{"id": "TXN-xxx-24"}"#),
    }],
    compile: compile_random_string,
};

pub(super) static SNOWFLAKE: Spec = Spec {
    name: "snowflake",
    family: "enrich",
    summary: "Puts a unique id of 64 bits into a field, as text: time, machine, number.",
    details: "41 bits of milliseconds since 2010-11-04, 10 bits that the process drew when it began, 12 bits that count. Later ids are \
              larger, within a process always.",
    options: &[
        optional("field", "", "Where the id goes; this or `target_field`."),
        optional("target_field", "the field itself", "Where the id goes."),
        optional("ignore_missing", "false", "Not needed: the field need not be there."),
    ],
    examples: &[Example {
        title: "an id",
        event: "{}",
        processors: "- snowflake: {target_field: id}\n- set: {field: id, value: 'made', if: 'len(id) > 15'}",
        outcome: Outcome::Event(r#"{"id": "made"}"#),
    }],
    compile: compile_snowflake,
};

struct RandomString {
    target: Path,
    length: usize,
    letters: Vec<char>,
    prefix: String,
    suffix: String,
}

fn compile_random_string(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let field = options.field("field")?;
    options.required("length")?;
    let length = options.int("length", 1..=10_000)?.unwrap_or(1) as usize;
    const DIGITS: &str = "0123456789";
    const LETTERS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let charset = options.text("charset")?.unwrap_or_else(|| "alphanumeric".to_owned());
    let letters: Vec<char> = match charset.as_str() {
        "alphanumeric" => DIGITS.chars().chain(LETTERS.chars()).collect(),
        "alpha" => LETTERS.chars().collect(),
        "numeric" => DIGITS.chars().collect(),
        "hex" => "0123456789abcdef".chars().collect(),
        own => own.chars().collect(),
    };
    if letters.is_empty() || letters.len() > 256 {
        let at = options.place_of("charset");
        return Err(options.error(&at, "`charset` has 1 to 256 characters", ""));
    }
    Ok(Box::new(RandomString {
        target: options.field_or("target_field", &field)?,
        length,
        letters,
        prefix: options.text("prefix")?.unwrap_or_default(),
        suffix: options.text("suffix")?.unwrap_or_default(),
    }))
}

impl Processor for RandomString {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let text = cx.with_buffer(|cx, text| {
            text.extend_from_slice(self.prefix.as_bytes());
            let mut random = [0; 64];
            let mut left = self.length;
            // A byte beyond the largest multiple is drawn again, so that all characters are as likely.
            let limit = 256 / self.letters.len() * self.letters.len();
            while left > 0 {
                getrandom::fill(&mut random)
                    .map_err(|why| Failure::text(format!("the system gives no randomness: {why}")))?;
                let fair =
                    random.iter().map(|byte| usize::from(*byte)).filter(|byte| *byte < limit).take(left);
                for byte in fair {
                    let letter = self.letters[byte % self.letters.len()];
                    text.extend_from_slice(letter.encode_utf8(&mut [0; 4]).as_bytes());
                    left -= 1;
                }
            }
            text.extend_from_slice(self.suffix.as_bytes());
            Ok::<_, Failure>(cx.event.text(text)?)
        })?;
        cx.set(&self.target, text)?;
        Ok(Flow::Next)
    }
}

struct Snowflake {
    target: Path,
}

fn compile_snowflake(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let name = if options.node("target_field").is_some() { "target_field" } else { "field" };
    Ok(Box::new(Snowflake { target: options.field(name)? }))
}

/// The time and count of the last id: ids are unique within the process, whatever pipelines ask for them.
static LAST: AtomicU64 = AtomicU64::new(0);
/// What tells this process from others.
static MACHINE: OnceLock<u64> = OnceLock::new();

/// The beginning of ids, in milliseconds since the Unix epoch.
const EPOCH_MILLIS: i64 = 1_288_834_974_657;
const COUNT_BITS: u32 = 12;
const MACHINE_BITS: u32 = 10;

impl Processor for Snowflake {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let machine = match MACHINE.get() {
            Some(machine) => *machine,
            None => {
                let mut random = [0; 2];
                getrandom::fill(&mut random)
                    .map_err(|why| Failure::text(format!("the system gives no randomness: {why}")))?;
                *MACHINE.get_or_init(|| u64::from(u16::from_le_bytes(random)) & ((1 << MACHINE_BITS) - 1))
            }
        };
        let millis = u64::try_from(cx.now / 1_000_000 - EPOCH_MILLIS).unwrap_or(0);
        let next = |last: u64| (millis << COUNT_BITS).max(last + 1);
        // Never fails: the closure always gives a value.
        let last = LAST.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |last| Some(next(last)));
        let stamp = next(last.unwrap_or_else(|last| last));
        let count = stamp & ((1 << COUNT_BITS) - 1);
        let id = (stamp >> COUNT_BITS) << (COUNT_BITS + MACHINE_BITS) | machine << COUNT_BITS | count;
        let id = cx.event.text(id.to_string().as_bytes())?;
        cx.set(&self.target, id)?;
        Ok(Flow::Next)
    }
}
