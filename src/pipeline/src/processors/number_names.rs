//! `network_protocol`, `icmp_type`, `dns_query_type`, `dns_response_code`, `http_status`, `aad_errcode`: the names of
//! numbers.
//!
//! The tables are in `data/`. Finding a name is a binary search and allocates nothing.

use super::target::Target;
use crate::compile::spec::{FIELD, IGNORE_MISSING, TARGET_FIELD};
use crate::compile::{Example, OptionDoc, Options, Outcome, Reported, Spec};
use crate::context::Context;
use crate::failure::Failure;
use crate::step::{Flow, Processor, Ran};
use event::model::Slot;

const OPTIONS: &[OptionDoc] = &[FIELD, TARGET_FIELD, IGNORE_MISSING];

pub(super) static NETWORK_PROTOCOL: Spec = Spec {
    name: "network_protocol",
    family: "network",
    summary: "Replaces the number of an IP protocol by its name.",
    details: "The names are those of IANA's registry. A number without a name becomes `UNKNOWN(n)`.",
    options: OPTIONS,
    examples: &[Example {
        title: "numbers and texts",
        event: r#"{"p": 6, "q": "17", "r": 200}"#,
        processors: "- network_protocol: {field: p}\n- network_protocol: {field: q, target_field: name}\n- network_protocol: {field: r}",
        outcome: Outcome::Event(r#"{"p": "TCP", "q": "17", "r": "UNKNOWN(200)", "name": "UDP"}"#),
    }],
    compile: |options| {
        compile(options, include_str!("../../data/ip_protocols.tsv"), Number::Whole, Unknown::Number)
    },
};

pub(super) static ICMP_TYPE: Spec = Spec {
    name: "icmp_type",
    family: "network",
    summary: "Replaces the number of an ICMP message type by its name.",
    details: "The names are those of IANA's registry. A number without a name becomes `Unassigned`.",
    options: OPTIONS,
    examples: &[Example {
        title: "in its place",
        event: r#"{"icmp": {"type": 3}}"#,
        processors: "- icmp_type: {field: icmp.type}",
        outcome: Outcome::Event(r#"{"icmp": {"type": "Destination Unreachable"}}"#),
    }],
    compile: |options| {
        compile(options, include_str!("../../data/icmp_types.tsv"), Number::Whole, Unknown::Unassigned)
    },
};

pub(super) static DNS_QUERY_TYPE: Spec = Spec {
    name: "dns_query_type",
    family: "network",
    summary: "Replaces the number of a DNS query type by its name.",
    details: "The names are those of IANA's registry. A number without a name becomes `Unassigned`.",
    options: OPTIONS,
    examples: &[Example {
        title: "private use",
        event: r#"{"a": 28, "b": 65300}"#,
        processors: "- dns_query_type: {field: a}\n- dns_query_type: {field: b}",
        outcome: Outcome::Event(r#"{"a": "AAAA", "b": "Reserved for Private Use"}"#),
    }],
    compile: |options| {
        compile(options, include_str!("../../data/dns_query_types.tsv"), Number::Whole, Unknown::Unassigned)
    },
};

pub(super) static DNS_RESPONSE_CODE: Spec = Spec {
    name: "dns_response_code",
    family: "network",
    summary: "Replaces the number of a DNS response code by its name.",
    details: "The names are those of IANA's registry. A number without a name becomes `Unassigned`.",
    options: OPTIONS,
    examples: &[Example {
        title: "a name that is not there",
        event: r#"{"rcode": 3}"#,
        processors: "- dns_response_code: {field: rcode}",
        outcome: Outcome::Event(r#"{"rcode": "NXDOMAIN"}"#),
    }],
    compile: |options| {
        let table = include_str!("../../data/dns_response_codes.tsv");
        compile(options, table, Number::Whole, Unknown::Unassigned)
    },
};

pub(super) static HTTP_STATUS: Spec = Spec {
    name: "http_status",
    family: "network",
    summary: "Replaces an HTTP status by its name.",
    details: "Sub-statuses of IIS like `404.13` are understood; one that has no name gets that of its status. Write them as \
              texts: the number 404.10 is 404.1. A status without a name becomes `Unassigned`.",
    options: OPTIONS,
    examples: &[Example {
        title: "a sub-status",
        event: r#"{"a": 200, "b": "404.13", "c": 999}"#,
        processors: "- http_status: {field: a}\n- http_status: {field: b}\n- http_status: {field: c}",
        outcome: Outcome::Event(r#"{"a": "OK", "b": "Content length too large", "c": "Unassigned"}"#),
    }],
    compile: |options| {
        compile(options, include_str!("../../data/http_statuses.tsv"), Number::Dotted, Unknown::Unassigned)
    },
};

pub(super) static AAD_ERRCODE: Spec = Spec {
    name: "aad_errcode",
    family: "enrich",
    summary: "Replaces an error code of Microsoft Entra ID (Azure AD) by what it means for a sign-in.",
    details: "The meanings are those of ASIM's `EventResultDetails`. Also with their prefix, `AADSTS50126`, and for B2C, \
              `AADB2C90118`. A code without a meaning becomes `Unassigned`.",
    options: OPTIONS,
    examples: &[Example {
        title: "a wrong password",
        event: r#"{"a": 50126, "b": "AADB2C90118"}"#,
        processors: "- aad_errcode: {field: a}\n- aad_errcode: {field: b}",
        outcome: Outcome::Event(r#"{"a": "No such user or password", "b": "User password reset requested"}"#),
    }],
    compile: |options| {
        compile(options, include_str!("../../data/aad_error_codes.tsv"), Number::Entra, Unknown::Unassigned)
    },
};

/// How numbers of a table are written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Number {
    /// Whole ones; a fraction is cut off.
    Whole,
    /// With a sub-number behind a point: a status of IIS.
    Dotted,
    /// With prefixes of Entra ID.
    Entra,
}

/// Room for sub-numbers.
const SUB_NUMBERS: u64 = 10_000;
/// Added to codes of B2C.
const B2C: u64 = 1 << 40;

impl Number {
    fn read(self, text: &str) -> Option<u64> {
        let text = text.trim();
        match self {
            Self::Whole => {
                let whole = text.split_once('.').map_or(text, |(whole, _)| whole);
                whole.parse().ok()
            }
            Self::Dotted => {
                let (whole, sub) = text.split_once('.').unwrap_or((text, "0"));
                let sub: u64 = sub.parse().ok().filter(|sub| *sub < SUB_NUMBERS)?;
                let whole: u32 = whole.parse().ok()?;
                Some(u64::from(whole) * SUB_NUMBERS + sub)
            }
            Self::Entra => {
                let bare = text.strip_prefix("AADSTS").or_else(|| text.strip_prefix("AAD")).unwrap_or(text);
                match bare.strip_prefix("B2C") {
                    Some(code) => Some(B2C + u64::from(code.parse::<u32>().ok()?)),
                    None => bare.parse::<u32>().ok().map(u64::from),
                }
            }
        }
    }
}

/// What a number without a name becomes.
#[derive(Clone, Copy)]
enum Unknown {
    Unassigned,
    Number,
}

struct NumberName {
    target: Target,
    /// First and last number, name; in order.
    rows: Vec<(u64, u64, &'static str)>,
    number: Number,
    unknown: Unknown,
}

fn compile(
    options: &mut Options<'_, '_>,
    table: &'static str,
    number: Number,
    unknown: Unknown,
) -> Result<Box<dyn Processor>, Reported> {
    Ok(Box::new(NumberName { target: Target::read(options)?, rows: rows(table, number), number, unknown }))
}

fn rows(table: &'static str, number: Number) -> Vec<(u64, u64, &'static str)> {
    let mut rows = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let Some((numbers, name)) = line.split_once('\t') else { continue };
        let (from, to) = numbers.split_once('-').unwrap_or((numbers, numbers));
        if let (Some(from), Some(to)) = (number.read(from), number.read(to)) {
            rows.push((from, to, name));
        }
    }
    rows.sort_unstable_by_key(|row| row.0);
    rows
}

impl Processor for NumberName {
    fn run(&self, cx: &mut Context<'_>) -> Ran {
        let number = match self.target.value(cx)? {
            None => return Ok(Flow::Next),
            Some(Slot::Int(number)) => u64::try_from(number).ok().map(|number| self.scaled(number)),
            Some(Slot::Float(number)) => self.number.read(&number.to_string()),
            Some(Slot::Text(span)) => {
                std::str::from_utf8(cx.event.bytes(span)).ok().and_then(|text| self.number.read(text))
            }
            Some(_) => None,
        };
        let number = number.ok_or_else(|| Failure::fixed("is not a number").at(&self.target.field))?;
        let name = match (self.name(number), self.unknown) {
            (Some(name), _) => cx.event.text(name.as_bytes())?,
            (None, Unknown::Unassigned) => cx.event.text(b"Unassigned")?,
            (None, Unknown::Number) => cx.event.text(format!("UNKNOWN({number})").as_bytes())?,
        };
        self.target.put(cx, name)?;
        Ok(Flow::Next)
    }
}

impl NumberName {
    fn scaled(&self, number: u64) -> u64 {
        if self.number == Number::Dotted { number.saturating_mul(SUB_NUMBERS) } else { number }
    }

    fn name(&self, number: u64) -> Option<&'static str> {
        let exact = self.find(number);
        if exact.is_none() && self.number == Number::Dotted {
            return self.find(number - number % SUB_NUMBERS);
        }
        exact
    }

    fn find(&self, number: u64) -> Option<&'static str> {
        let behind = self.rows.partition_point(|row| row.0 <= number);
        let (_, to, name) = self.rows.get(behind.checked_sub(1)?)?;
        (number <= *to).then_some(*name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_tables_is_read_and_no_two_overlap() {
        let tables = [
            (include_str!("../../data/ip_protocols.tsv"), Number::Whole),
            (include_str!("../../data/icmp_types.tsv"), Number::Whole),
            (include_str!("../../data/dns_query_types.tsv"), Number::Whole),
            (include_str!("../../data/dns_response_codes.tsv"), Number::Whole),
            (include_str!("../../data/http_statuses.tsv"), Number::Dotted),
            (include_str!("../../data/aad_error_codes.tsv"), Number::Entra),
        ];
        for (table, number) in tables {
            let rows = rows(table, number);
            let lines = table.lines().filter(|line| !line.starts_with('#')).count();
            assert_eq!(rows.len(), lines, "{:?}", table.lines().next());
            assert!(rows.windows(2).all(|pair| pair[0].1 < pair[1].0), "{:?}", table.lines().next());
        }
    }
}
