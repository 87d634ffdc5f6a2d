//! `ordinal`: 1st, 2nd, 3rd, in several languages.

use super::date::{Formats, layout};
use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::time::Layout;
use event::model::Slot;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

pub(super) static SPEC: Spec = Spec {
    name: "ordinal",
    family: "arithmetic",
    summary: "Writes a number, or each number in a text, as an ordinal: 1st, first, 1º, 第1.",
    details: "Languages: en, es, fr, de, it, pt, nl, ru, ja, zh. Words are there in English only, up to a million.",
    options: &[
        FIELD,
        TARGET_FIELD,
        optional("language", "en", "The language."),
        optional("format", "suffix", "`suffix` (`number_suffix`), `word` or `both`."),
        optional("case", "lower", "`lower`, `upper`, `title` or `sentence`."),
        optional(
            "date_format",
            "",
            "The field is a time; it is written so, and `{day}` is its day as an ordinal.",
        ),
        optional("gender", "masculine", "`masculine`, `feminine` or `neuter`, where the language has them."),
        optional("superscript", "false", "Write the suffix as `<sup>`."),
        optional("space_before_suffix", "false", "Write a blank before the suffix, unless it is raised."),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "numbers and texts",
            event: r#"{"a": 23, "b": "level 5 on attempt 112", "c": 21, "d": 42}"#,
            processors: "- ordinal: {field: a}\n- ordinal: {field: b}\n- ordinal: {field: c, format: both, case: title}\n- ordinal: {field: d, superscript: true}",
            outcome: Outcome::Event(
                r#"{"a": "23rd", "b": "level 5th on attempt 112th", "c": "21st (Twenty-First)", "d": "42<sup>nd</sup>"}"#,
            ),
        },
        Example {
            title: "languages and dates",
            event: r#"{"a": 3, "b": 21, "c": 1, "d": "2024-01-15T10:30:00Z"}"#,
            processors: "- ordinal: {field: a, language: es, gender: feminine}\n- ordinal: {field: b, language: fr}\n- ordinal: {field: c, language: zh}\n- ordinal: {field: d, date_format: 'the {day} of January, 2006'}",
            outcome: Outcome::Event(
                r#"{"a": "3ª", "b": "21ᵉ", "c": "第1", "d": "the 15th of January, 2024"}"#,
            ),
        },
    ],
    compile,
};

#[derive(Clone, Copy, PartialEq)]
enum Language {
    English,
    /// Spanish, Italian, Portuguese: a raised letter.
    Romance,
    French,
    German,
    Dutch,
    Russian,
    Japanese,
    Chinese,
}

#[derive(Clone, Copy, PartialEq)]
enum Format {
    Suffix,
    Word,
    Both,
}

#[derive(Clone, Copy)]
enum Case {
    Lower,
    Upper,
    Title,
    Sentence,
}

#[derive(Clone, Copy, PartialEq)]
enum Gender {
    Masculine,
    Feminine,
    Neuter,
}

struct Ordinal {
    target: Target,
    language: Language,
    format: Format,
    case: Case,
    gender: Gender,
    superscript: bool,
    blank: bool,
    /// For times: how they are read and written.
    date: Option<(Formats, Layout)>,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let languages = [
        ("en", Language::English),
        ("es", Language::Romance),
        ("it", Language::Romance),
        ("pt", Language::Romance),
        ("fr", Language::French),
        ("de", Language::German),
        ("nl", Language::Dutch),
        ("ru", Language::Russian),
        ("ja", Language::Japanese),
        ("zh", Language::Chinese),
    ];
    let formats = [
        ("suffix", Format::Suffix),
        ("number_suffix", Format::Suffix),
        ("word", Format::Word),
        ("both", Format::Both),
    ];
    let cases = [
        ("lower", Case::Lower),
        ("upper", Case::Upper),
        ("title", Case::Title),
        ("sentence", Case::Sentence),
    ];
    let genders =
        [("masculine", Gender::Masculine), ("feminine", Gender::Feminine), ("neuter", Gender::Neuter)];
    let language = options.choice("language", &languages)?;
    let format = options.choice("format", &formats)?;
    if language != Language::English && format != Format::Suffix {
        let at = options.place_of("format");
        return Err(options.error(&at, "words are there in English only", "write `format: suffix`"));
    }
    let at = options.place_of("date_format");
    let date = match options.text("date_format")? {
        None => None,
        Some(text) => Some((Formats::auto(), layout(options, &at, &text)?)),
    };
    Ok(Box::new(Ordinal {
        target: Target::read(options)?,
        language,
        format,
        case: options.choice("case", &cases)?,
        gender: options.choice("gender", &genders)?,
        superscript: options.flag("superscript", false)?,
        blank: options.flag("space_before_suffix", false)?,
        date,
    }))
}

impl Processor for Ordinal {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        self.target.change_values(cx, |cx, slot| {
            let mut out = String::new();
            if let Some((formats, layout)) = &self.date {
                let time = formats.time(cx, slot, &TimeZone::UTC)?;
                let time = time.ok_or(Failure::fixed("fits none of the time formats"))?;
                layout.format(&time, &mut out);
                let mut day = String::new();
                self.write(time.day().unsigned_abs().into(), &mut day);
                let out = out.replace("{day}", &day);
                return Ok(cx.event.text(out.as_bytes())?);
            }
            match slot {
                Slot::Int(number) => {
                    out.push_str(if number < 0 { "-" } else { "" });
                    self.write(number.unsigned_abs(), &mut out);
                }
                Slot::Float(number) if number.fract() == 0.0 && number.abs() < 9e15 => {
                    out.push_str(if number < 0.0 { "-" } else { "" });
                    self.write(number.abs() as u64, &mut out);
                }
                Slot::Text(span) => self.each(&String::from_utf8_lossy(cx.event.bytes(span)), &mut out),
                _ => return Err(Failure::fixed("is no whole number and no text")),
            }
            Ok(cx.event.text(out.as_bytes())?)
        })?;
        Ok(Flow::Next)
    }
}

impl Ordinal {
    /// Each whole number of a text; numbers within words and with fractions stay as they are.
    fn each(&self, text: &str, out: &mut String) {
        let mut rest = text;
        let mut before = ' ';
        while let Some(letter) = rest.chars().next() {
            let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                out.push(letter);
                before = letter;
                rest = &rest[letter.len_utf8()..];
                continue;
            }
            let (number, behind) = rest.split_at(digits);
            let mut next = behind.chars();
            let is_fraction = next.next() == Some('.') && next.next().is_some_and(|c| c.is_ascii_digit());
            let is_apart = |c: char| !c.is_alphanumeric() && c != '_' && c != '.';
            let is_whole = is_apart(before)
                && !is_fraction
                && behind.chars().next().is_none_or(|c| is_apart(c) || c == '.');
            match number.parse() {
                Ok(value) if is_whole => self.write(value, out),
                _ => out.push_str(number),
            }
            before = '0';
            rest = behind;
        }
    }

    fn write(&self, number: u64, out: &mut String) {
        let word = || words(number).map(|word| self.cased(&word));
        match (self.format, word()) {
            (Format::Word, Some(word)) => out.push_str(&word),
            (Format::Both, Some(word)) => {
                self.number(number, out);
                let _ = write!(out, " ({word})");
            }
            _ => self.number(number, out),
        }
    }

    fn number(&self, number: u64, out: &mut String) {
        let feminine = self.gender == Gender::Feminine;
        let suffix = match self.language {
            Language::Chinese => {
                let _ = write!(out, "第{number}");
                return;
            }
            Language::English => match (number % 10, number % 100) {
                (_, 11..=13) => "th",
                (1, _) => "st",
                (2, _) => "nd",
                (3, _) => "rd",
                _ => "th",
            },
            Language::Romance => {
                if feminine {
                    "ª"
                } else {
                    "º"
                }
            }
            Language::French => match (number, feminine) {
                (1, true) => "re",
                (1, false) => "er",
                _ => "ᵉ",
            },
            Language::German => ".",
            Language::Dutch => "e",
            Language::Russian => match self.gender {
                Gender::Masculine => "-й",
                Gender::Feminine => "-я",
                Gender::Neuter => "-е",
            },
            Language::Japanese => "番目",
        };
        let suffix = if matches!(self.case, Case::Upper) { suffix.to_uppercase() } else { suffix.to_owned() };
        let _ = match (self.superscript, self.blank) {
            (true, _) => write!(out, "{number}<sup>{suffix}</sup>"),
            (false, true) => write!(out, "{number} {suffix}"),
            (false, false) => write!(out, "{number}{suffix}"),
        };
    }

    fn cased(&self, word: &str) -> String {
        let capital = |part: &str| part[..1].to_uppercase() + &part[1..];
        match self.case {
            Case::Lower => word.to_owned(),
            Case::Upper => word.to_uppercase(),
            Case::Sentence => capital(word),
            Case::Title => word
                .split(' ')
                .map(|part| part.split('-').map(capital).collect::<Vec<_>>().join("-"))
                .collect::<Vec<_>>()
                .join(" "),
        }
    }
}

/// Cardinal numbers below twenty, and their ordinals.
const SMALL: [(&str, &str); 20] = [
    ("zero", "zeroth"),
    ("one", "first"),
    ("two", "second"),
    ("three", "third"),
    ("four", "fourth"),
    ("five", "fifth"),
    ("six", "sixth"),
    ("seven", "seventh"),
    ("eight", "eighth"),
    ("nine", "ninth"),
    ("ten", "tenth"),
    ("eleven", "eleventh"),
    ("twelve", "twelfth"),
    ("thirteen", "thirteenth"),
    ("fourteen", "fourteenth"),
    ("fifteen", "fifteenth"),
    ("sixteen", "sixteenth"),
    ("seventeen", "seventeenth"),
    ("eighteen", "eighteenth"),
    ("nineteen", "nineteenth"),
];
const TENS: [&str; 10] =
    ["", "", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"];

/// The ordinal in English words; none from a million on.
fn words(number: u64) -> Option<String> {
    let ordinal = |small: u64| SMALL[small as usize].1.to_owned();
    Some(match number {
        0..20 => ordinal(number),
        20..100 => {
            let tens = TENS[(number / 10) as usize];
            match number % 10 {
                0 => format!("{}ieth", tens.trim_end_matches('y')),
                rest => format!("{tens}-{}", ordinal(rest)),
            }
        }
        100..1000 => composed(cardinal(number / 100), "hundred", number % 100)?,
        1000..1_000_000 => composed(cardinal(number / 1000), "thousand", number % 1000)?,
        _ => return None,
    })
}

fn composed(count: String, unit: &str, rest: u64) -> Option<String> {
    match rest {
        0 => Some(format!("{count} {unit}th")),
        rest => Some(format!("{count} {unit} {}", words(rest)?)),
    }
}

/// A number below a thousand in English words.
fn cardinal(number: u64) -> String {
    let small = |number: u64| SMALL[number as usize].0;
    match number {
        0..20 => small(number).to_owned(),
        20..100 => match number % 10 {
            0 => TENS[(number / 10) as usize].to_owned(),
            rest => format!("{}-{}", TENS[(number / 10) as usize], small(rest)),
        },
        _ => match number % 100 {
            0 => format!("{} hundred", small(number / 100)),
            rest => format!("{} hundred {}", small(number / 100), cardinal(rest)),
        },
    }
}
