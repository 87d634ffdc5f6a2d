//! `substring`, `keep_first`, `keep_last`, `take`, `trim_first`, `trim_last`, `slice`, `select`: parts of texts, in
//! characters, and of lists, in elements.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional, required};
use crate::compile::{Example, OptionDoc, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::{Children, Slot, Span};
use std::ops::Range;

macro_rules! spec {
    ($constant:ident, $name:literal, $summary:literal, [$($option:expr),*], $arguments:literal, $before:literal, $after:literal, $compile:expr) => {
        pub(super) static $constant: Spec = Spec {
            name: $name,
            family: "text",
            summary: $summary,
            details: "",
            options: &[FIELD, $($option,)* TARGET_FIELD, IGNORE_MISSING],
            examples: &[Example {
                title: "in its place",
                event: concat!(r#"{"a": "#, $before, "}"),
                processors: concat!("- ", $name, ": {field: a, ", $arguments, "}"),
                outcome: Outcome::Event(concat!(r#"{"a": "#, $after, "}")),
            }],
            compile: $compile,
        };
    };
}

const COUNT: OptionDoc = required("count", "How many characters or elements.");
const START: OptionDoc = required("start", "Where the part starts, from 0; negative from the end.");

spec!(
    SUBSTRING,
    "substring",
    "A part of a text.",
    [
        START,
        optional("end", "", "Where it ends, itself not included."),
        optional("length", "", "How long it is, instead of `end`.")
    ],
    "start: 6, end: 11",
    "\"Hello World!\"",
    "\"World\"",
    compile_substring
);
spec!(
    KEEP_FIRST,
    "keep_first",
    "The first characters or elements.",
    [COUNT],
    "count: 2",
    "[1, 2, 3]",
    "[1, 2]",
    |options| compile_count(options, Part::First)
);
spec!(
    KEEP_LAST,
    "keep_last",
    "The last characters or elements.",
    [COUNT],
    "count: 2",
    "\"abc\"",
    "\"bc\"",
    |options| compile_count(options, Part::Last)
);
spec!(
    TAKE,
    "take",
    "So many characters or elements, from the start or the end.",
    [
        optional("length", "all", "How many."),
        optional("reverse", "false", "Take them from the end."),
        optional("mirror", "false", "Turn their order round.")
    ],
    "length: 2, reverse: true, mirror: true",
    "\"abc\"",
    "\"cb\"",
    compile_take
);
spec!(
    SLICE,
    "slice",
    "The elements from one position to another, both included.",
    [START, required("end", "Where it ends, included; negative from the end.")],
    "start: 1, end: -2",
    "[1, 2, 3, 4]",
    "[2, 3]",
    compile_slice
);
spec!(
    SELECT,
    "select",
    "The element at a position.",
    [required("position", "From 0; negative from the end.")],
    "position: -1",
    "[1, 2, 3]",
    "3",
    compile_select
);

enum Part {
    First(usize),
    Last(usize),
    Between { start: i64, end: i64 },
    Mirrored(Box<Part>),
    Element(i64),
}

struct Parts {
    target: Target,
    part: Part,
}

fn index(options: &mut Options<'_, '_>, name: &str) -> Result<Option<i64>, Reported> {
    options.int(name, -1_000_000_000..=1_000_000_000)
}

fn compile_count(
    options: &mut Options<'_, '_>,
    part: fn(usize) -> Part,
) -> Result<Box<dyn Processor>, Reported> {
    options.required("count")?;
    let count = options.int("count", 0..=1_000_000_000)?.unwrap_or(0) as usize;
    Ok(Box::new(Parts { target: Target::read(options)?, part: part(count) }))
}

fn compile_substring(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("start")?;
    let start = index(options, "start")?.unwrap_or(0);
    let length = index(options, "length")?.map(|length| start + length);
    let end = index(options, "end")?.or(length).unwrap_or(i64::MAX);
    Ok(Box::new(Parts { target: Target::read(options)?, part: Part::Between { start, end } }))
}

fn compile_slice(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("start")?;
    options.required("end")?;
    let start = index(options, "start")?.unwrap_or(0);
    let end = match index(options, "end")?.unwrap_or(-1) {
        -1 => i64::MAX,
        last => last + 1,
    };
    Ok(Box::new(Parts { target: Target::read(options)?, part: Part::Between { start, end } }))
}

fn compile_take(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let all = options.text("length")?.is_some_and(|text| text == "all");
    let length = if all { None } else { options.int("length", 0..=1_000_000_000)? };
    let length = length.map_or(usize::MAX, |length| length as usize);
    let part = if options.flag("reverse", false)? { Part::Last(length) } else { Part::First(length) };
    let part = if options.flag("mirror", false)? { Part::Mirrored(Box::new(part)) } else { part };
    Ok(Box::new(Parts { target: Target::read(options)?, part }))
}

fn compile_select(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    options.required("position")?;
    let position = index(options, "position")?.unwrap_or(0);
    Ok(Box::new(Parts { target: Target::read(options)?, part: Part::Element(position) }))
}

impl Part {
    /// Which of so many characters or elements; none for a position outside.
    fn range(&self, len: usize) -> Option<Range<usize>> {
        let place = |at: i64| if at < 0 { (len as i64 + at).max(0) as usize } else { (at as usize).min(len) };
        Some(match self {
            Part::First(count) => 0..(*count).min(len),
            Part::Last(count) => len - (*count).min(len)..len,
            Part::Between { start, end } => {
                let (start, end) = (place(*start), place(*end));
                start..end.max(start)
            }
            Part::Mirrored(inner) => return inner.range(len),
            Part::Element(at) => {
                let at = if *at < 0 { len as i64 + at } else { *at };
                let at = usize::try_from(at).ok().filter(|at| *at < len)?;
                at..at + 1
            }
        })
    }
}

impl Processor for Parts {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let slot = match self.target.value(cx)? {
            None => return Ok(Flow::Next),
            Some(Slot::Text(span)) if !matches!(self.part, Part::Element(_)) => self.of_text(cx, span)?,
            Some(Slot::List(list)) => self.of_list(cx, list)?,
            Some(other) => {
                let what = format!("is {}, which has no such part", other.kind().name());
                return Err(Failure::text(what).at(&self.target.field));
            }
        };
        self.target.put(cx, slot)?;
        Ok(Flow::Next)
    }
}

impl Parts {
    fn of_text(&self, cx: &mut Context<'_>, span: Span) -> Result<Slot, Failure> {
        let bytes = cx.event.bytes(span);
        let part = if bytes.is_ascii() {
            self.part.range(bytes.len()).map(|range| span.part(range.start, range.end))
        } else {
            // Bytes that are not UTF-8 count as one character each.
            let starts: Vec<usize> = boundaries(bytes);
            self.part.range(starts.len() - 1).map(|range| span.part(starts[range.start], starts[range.end]))
        };
        let part = part.ok_or_else(|| Failure::fixed("has no such part").at(&self.target.field))?;
        if !matches!(self.part, Part::Mirrored(_)) {
            return Ok(Slot::Text(part));
        }
        let mirror = |text: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(String::from_utf8_lossy(text).chars().rev().collect::<String>().as_bytes());
        };
        Ok(Slot::Text(cx.event.rewrite(part, mirror)?.0))
    }

    fn of_list(&self, cx: &mut Context<'_>, list: Children) -> Result<Slot, Failure> {
        let range = self.part.range(list.len());
        let range =
            range.ok_or_else(|| Failure::fixed("has no element at this position").at(&self.target.field))?;
        let mut chosen: Vec<Slot> = cx
            .event
            .children(list)
            .skip(range.start)
            .take(range.len())
            .map(|node| cx.event.slot(node))
            .collect();
        if let (Part::Element(_), [single]) = (&self.part, &chosen[..]) {
            return Ok(cx.event.copy(*single)?);
        }
        if matches!(self.part, Part::Mirrored(_)) {
            chosen.reverse();
        }
        let mut part = Children::EMPTY;
        for slot in chosen {
            let slot = cx.event.copy(slot)?;
            cx.event.push_to(&mut part, slot)?;
        }
        Ok(Slot::List(part))
    }
}

/// Where characters start, and the end.
fn boundaries(text: &[u8]) -> Vec<usize> {
    let mut starts = Vec::with_capacity(text.len() + 1);
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        starts.extend(chunk.valid().char_indices().map(|(offset, _)| at + offset));
        at += chunk.valid().len();
        starts.extend(at..at + chunk.invalid().len());
        at += chunk.invalid().len();
    }
    starts.push(text.len());
    starts
}
