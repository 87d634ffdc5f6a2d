//! `expand_range`: `1-5` to 1, 2, 3, 4, 5.

use super::range_bound::Bound;
use super::target::{Target, add_field, add_text};
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD, optional};
use crate::compile::{Example, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use crate::template::write_plain;
use event::model::{Children, Slot};
use std::collections::HashSet;
use std::net::IpAddr;

/// How many values an expression may give, whatever `max_values` says: those of a network of 65536 addresses.
const MAX_VALUES: i64 = 65_536;

pub(super) static SPEC: Spec = Spec {
    name: "expand_range",
    family: "manipulate",
    summary: "Expands ranges like `1-5,8`, `10-50:5`, `10.0.0.0/28` or `web01-web05` to their values.",
    details: "Types: `numeric`, `port`, `ip` (the end may be the last part only), `ipv6`, `cidr`, `letter`, `alphanumeric` (a number \
              behind a name) and `custom`, which is the same. More than 65536 values are a failure. The values are texts.",
    options: &[
        FIELD,
        TARGET_FIELD,
        optional("range_type", "numeric", "What kind of values they are."),
        optional("separator", ",", "What stands between ranges."),
        optional("range_separator", "-", "What stands between the ends of a range."),
        optional("step_separator", ":", "What stands before a step."),
        optional("output_format", "array", "`array`, `string`, `count`, `min_max` or `json`."),
        optional("output_separator", ",", "What stands between values of `string`."),
        optional("sort", "false", "Sort the values, numbers by value."),
        optional("unique", "false", "Leave out values that are there already."),
        optional("reverse", "false", "Turn their order round."),
        optional("max_values", "65536", "How many values are a failure if exceeded."),
        optional("pad_zeros", "0", "How many digits numbers have at least."),
        optional("prefix", "", "What stands before each value."),
        optional("suffix", "", "What stands behind each value."),
        optional(
            "validate_range",
            "false",
            "Fail on an end before its start and on ports outside 1 to 65535.",
        ),
        IGNORE_MISSING,
    ],
    examples: &[
        Example {
            title: "numbers",
            event: r#"{"a": "10-20:5,3", "b": "1-3"}"#,
            processors: "- expand_range: {field: a, sort: true}\n- expand_range: {field: b, pad_zeros: 2, output_format: string}",
            outcome: Outcome::Event(r#"{"a": ["3", "10", "15", "20"], "b": "01,02,03"}"#),
        },
        Example {
            title: "addresses and names",
            event: r#"{"a": "192.168.1.10-11", "b": "10.0.1.0/28", "c": "web-01-web-02"}"#,
            processors: "- expand_range: {field: a, range_type: ip, output_format: json}\n- expand_range: {field: b, range_type: cidr, output_format: count}\n- expand_range: {field: c, range_type: alphanumeric, suffix: .lan}",
            outcome: Outcome::Event(
                r#"{"a": {"values": ["192.168.1.10", "192.168.1.11"], "count": 2, "first": "192.168.1.10", "last": "192.168.1.11"}, "b": 16, "c": ["web-01.lan", "web-02.lan"]}"#,
            ),
        },
        Example {
            title: "too many",
            event: r#"{"a": "1-1000"}"#,
            processors: "- expand_range: {field: a, max_values: 100}",
            outcome: Outcome::Fails("more than 100 values"),
        },
    ],
    compile,
};

#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Numeric,
    Port,
    Ip,
    Cidr,
    Letter,
    Alphanumeric,
}

#[derive(Clone, Copy)]
enum Output {
    Array,
    Text,
    Count,
    MinMax,
    Json,
}

struct ExpandRange {
    target: Target,
    kind: Kind,
    separator: String,
    range_separator: String,
    step_separator: String,
    output: Output,
    output_separator: String,
    sort: bool,
    unique: bool,
    reverse: bool,
    max_values: usize,
    width: usize,
    prefix: String,
    suffix: String,
    validate: bool,
}

fn compile(options: &mut Options<'_, '_>) -> Result<Box<dyn Processor>, Reported> {
    let kinds = [
        ("numeric", Kind::Numeric),
        ("port", Kind::Port),
        ("ip", Kind::Ip),
        ("ipv6", Kind::Ip),
        ("cidr", Kind::Cidr),
        ("letter", Kind::Letter),
        ("alphanumeric", Kind::Alphanumeric),
        ("custom", Kind::Alphanumeric),
    ];
    let outputs = [
        ("array", Output::Array),
        ("string", Output::Text),
        ("count", Output::Count),
        ("min_max", Output::MinMax),
        ("json", Output::Json),
    ];
    let mut sign = |name: &str, default: &str| -> Result<String, Reported> {
        let text = options.text(name)?.filter(|text| !text.is_empty());
        Ok(text.unwrap_or_else(|| default.to_owned()))
    };
    let (separator, range_separator) = (sign("separator", ",")?, sign("range_separator", "-")?);
    let (step_separator, output_separator) = (sign("step_separator", ":")?, sign("output_separator", ",")?);
    Ok(Box::new(ExpandRange {
        target: Target::read(options)?,
        kind: options.choice("range_type", &kinds)?,
        separator,
        range_separator,
        step_separator,
        output: options.choice("output_format", &outputs)?,
        output_separator,
        sort: options.flag("sort", false)?,
        unique: options.flag("unique", false)?,
        reverse: options.flag("reverse", false)?,
        max_values: options.int("max_values", 1..=MAX_VALUES)?.unwrap_or(MAX_VALUES) as usize,
        width: options.int("pad_zeros", 0..=64)?.unwrap_or(0) as usize,
        prefix: options.text("prefix")?.unwrap_or_default(),
        suffix: options.text("suffix")?.unwrap_or_default(),
        validate: options.flag("validate_range", false)?,
    }))
}

impl Processor for ExpandRange {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let Some(slot) = self.target.value(cx)? else { return Ok(Flow::Next) };
        let text = cx.with_buffer(|cx, buffer| {
            write_plain(&cx.event, slot, buffer)?;
            Ok::<_, Failure>(String::from_utf8_lossy(buffer).into_owned())
        })?;
        let mut values = Vec::new();
        for part in text.split(&self.separator).map(str::trim).filter(|part| !part.is_empty()) {
            self.expand(part, &mut values).map_err(|failure| failure.at(&self.target.field))?;
        }
        let result = self.written(cx, values)?;
        self.target.put(cx, result)?;
        Ok(Flow::Next)
    }
}

impl ExpandRange {
    fn expand(&self, part: &str, values: &mut Vec<String>) -> Result<(), Failure> {
        // The colon of an IPv6 address is no step.
        let has_step = self.kind != Kind::Ip && self.kind != Kind::Cidr;
        let (range, step) = match part.rsplit_once(&self.step_separator) {
            Some((range, step)) if has_step => {
                (range, step.trim().parse().ok().filter(|step| *step > 0).ok_or_else(|| wrong(part))?)
            }
            _ => (part, 1),
        };
        if self.kind == Kind::Cidr {
            return self.network(range, values);
        }
        let (start, end) = self.ends(range).ok_or_else(|| wrong(part))?;
        self.series(part, &start, &end, step, values)
    }

    /// Start and end of a range: the first place of the separator where both sides fit each other.
    fn ends(&self, range: &str) -> Option<(Bound, Bound)> {
        let range = range.trim();
        let separators = range.match_indices(&self.range_separator).map(|(at, _)| at);
        let both = separators.filter(|at| *at > 0).find_map(|at| {
            let start = self.bound(range[..at].trim())?;
            let end = range[at + self.range_separator.len()..].trim();
            let end = self.bound(end).filter(|end| end.fits(&start)).or_else(|| start.shortened_end(end))?;
            Some((start, end))
        });
        both.or_else(|| self.bound(range).map(|single| (single.clone(), single)))
    }

    fn bound(&self, text: &str) -> Option<Bound> {
        let number = |text: &str| text.parse::<i64>().ok().map(i128::from);
        match self.kind {
            Kind::Numeric | Kind::Port => {
                Some(Bound::Number { prefix: String::new(), width: 0, value: number(text)? })
            }
            Kind::Ip => text.parse().ok().map(Bound::Address),
            Kind::Letter => {
                let mut letters = text.chars();
                let letter = letters.next().filter(|letter| letter.is_ascii_alphabetic())?;
                letters.next().is_none().then_some(Bound::Letter(letter))
            }
            Kind::Alphanumeric => {
                let prefix = text.trim_end_matches(|c: char| c.is_ascii_digit());
                let digits = &text[prefix.len()..];
                let width = if digits.starts_with('0') { digits.len() } else { 0 };
                Some(Bound::Number { prefix: prefix.to_owned(), width, value: number(digits)? })
            }
            Kind::Cidr => None,
        }
    }

    fn series(
        &self,
        part: &str,
        start: &Bound,
        end: &Bound,
        step: u32,
        values: &mut Vec<String>,
    ) -> Result<(), Failure> {
        let (first, last) = (start.position(), end.position());
        if self.validate {
            let is_port = |value: i128| self.kind != Kind::Port || (1..=65_535).contains(&value);
            if last < first || !is_port(first) || !is_port(last) {
                return Err(Failure::text(format!("has the range {part:?}, which is not valid")));
            }
        }
        let step = i128::from(step);
        let mut at = first;
        loop {
            self.push(start.value_at(at, self.width), values)?;
            // Backwards where the end is before the start.
            at = if last >= first { at + step } else { at - step };
            if (last >= first && at > last) || (last < first && at < last) {
                return Ok(());
            }
        }
    }

    /// All addresses of a network.
    fn network(&self, text: &str, values: &mut Vec<String>) -> Result<(), Failure> {
        let parsed = text.split_once('/').and_then(|(address, bits)| {
            let address: IpAddr = address.trim().parse().ok()?;
            let all = if address.is_ipv4() { 32 } else { 128 };
            let bits: u32 = bits.trim().parse().ok().filter(|bits| *bits <= all)?;
            Some((address, all - bits))
        });
        let (address, host_bits) = parsed.ok_or_else(|| wrong(text))?;
        if host_bits > 16 {
            return Err(self.too_many());
        }
        let start = Bound::Address(address);
        let first = start.raw() >> host_bits << host_bits;
        for offset in 0..1u128 << host_bits {
            self.push(start.with_raw(first | offset), values)?;
        }
        Ok(())
    }

    fn push(&self, value: String, values: &mut Vec<String>) -> Result<(), Failure> {
        if values.len() >= self.max_values {
            return Err(self.too_many());
        }
        values.push(value);
        Ok(())
    }

    #[cold]
    fn too_many(&self) -> Failure {
        Failure::text(format!(
            "gives more than {} values; raise max_values or narrow the range",
            self.max_values
        ))
    }

    fn written(&self, cx: &mut Context<'_>, mut values: Vec<String>) -> Result<Slot, Failure> {
        if self.unique {
            let mut seen = HashSet::new();
            values.retain(|value| seen.insert(value.clone()));
        }
        if self.sort {
            values.sort_by_key(|value| (value.parse::<i64>().ok(), value.clone()));
        }
        if self.reverse {
            values.reverse();
        }
        let values: Vec<String> =
            values.into_iter().map(|value| format!("{}{value}{}", self.prefix, self.suffix)).collect();
        let mut map = Children::EMPTY;
        match self.output {
            Output::Array => list(cx, &values),
            Output::Text => Ok(cx.event.text(values.join(&self.output_separator).as_bytes())?),
            Output::Count => Ok(Slot::Int(values.len() as i64)),
            Output::MinMax => {
                let key = |value: &&String| (value.parse::<i64>().ok(), (*value).clone());
                let (min, max) = (values.iter().min_by_key(key), values.iter().max_by_key(key));
                add_end(cx, &mut map, "min", min)?;
                add_end(cx, &mut map, "max", max)?;
                Ok(Slot::Map(map))
            }
            Output::Json => {
                let list = list(cx, &values)?;
                add_field(cx, &mut map, "values", list)?;
                add_field(cx, &mut map, "count", Slot::Int(values.len() as i64))?;
                add_end(cx, &mut map, "first", values.first())?;
                add_end(cx, &mut map, "last", values.last())?;
                Ok(Slot::Map(map))
            }
        }
    }
}

fn list(cx: &mut Context<'_>, values: &[String]) -> Result<Slot, Failure> {
    let mut list = Children::EMPTY;
    for value in values {
        let slot = cx.event.text(value.as_bytes())?;
        cx.event.push_to(&mut list, slot)?;
    }
    Ok(Slot::List(list))
}

fn add_end(
    cx: &mut Context<'_>,
    map: &mut Children,
    name: &str,
    value: Option<&String>,
) -> Result<(), Failure> {
    let Some(value) = value else { return Ok(()) };
    add_text(cx, map, name, value)
}

#[cold]
fn wrong(part: &str) -> Failure {
    Failure::text(format!("has {part:?}, which is no range of this type"))
}
