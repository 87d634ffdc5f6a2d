//! The processors: one file each, and the table that names them.
//!
//! A file holds everything about its processor: options, compiling, running, documentation, examples. Registering one is
//! one line in [`ALL`].

mod absent;
mod append;
mod arithmetic;
mod assignments;
mod cases;
mod cef_and_leef;
mod clean;
mod commit;
mod convert;
mod csv;
mod date;
mod dissect;
mod drop;
mod duration;
mod fail;
mod foreach;
mod fqdn;
mod go_to;
mod grok;
mod group;
mod gsub;
mod html_strip;
mod join;
mod json;
mod kv;
mod leave;
mod level;
mod numbers;
mod parts;
mod pipeline;
mod recover;
mod regex_filter;
mod remove;
mod rename;
mod replace;
mod reroute;
mod set;
mod several;
mod sizes;
mod split;
mod structure;
mod syslog;
mod target;
mod text_case;
mod trim_ends;
mod uri_parts;
mod url_decode;
mod word_case;
mod xml;

use crate::compile::Spec;

/// All processors, in the order of the reference.
pub static ALL: &[&Spec] = &[
    &append::SPEC,
    &arithmetic::ABS,
    &arithmetic::ADD,
    &arithmetic::CEIL,
    &arithmetic::DIVIDE,
    &arithmetic::FLOOR,
    &arithmetic::MATH,
    &arithmetic::MAX,
    &arithmetic::MIN,
    &arithmetic::MODULO,
    &arithmetic::MULTIPLY,
    &arithmetic::POWER,
    &arithmetic::ROUND,
    &arithmetic::SQRT,
    &arithmetic::SUBTRACT,
    &cases::CASE,
    &cases::IFF,
    &cef_and_leef::CEF,
    &cef_and_leef::LEEF,
    &clean::SPEC,
    &commit::SPEC,
    &convert::SPEC,
    &csv::SPEC,
    &date::SPEC,
    &dissect::SPEC,
    &drop::SPEC,
    &duration::SPEC,
    &fail::SPEC,
    &foreach::SPEC,
    &fqdn::SPEC,
    &go_to::SPEC,
    &grok::SPEC,
    &group::SPEC,
    &gsub::GSUB,
    &gsub::REGEX_REPLACE,
    &html_strip::SPEC,
    &join::SPEC,
    &json::SPEC,
    &kv::SPEC,
    &leave::CONTINUE,
    &leave::FINAL,
    &leave::RETURN,
    &level::SPEC,
    &parts::KEEP_FIRST,
    &parts::KEEP_LAST,
    &parts::SELECT,
    &parts::SLICE,
    &parts::SUBSTRING,
    &parts::TAKE,
    &pipeline::SPEC,
    &recover::SPEC,
    &regex_filter::SPEC,
    &remove::SPEC,
    &rename::SPEC,
    &replace::SPEC,
    &reroute::SPEC,
    &set::SPEC,
    &several::COALESCE,
    &several::CONCAT,
    &several::PRINT,
    &sizes::BYTES,
    &sizes::DATA_SIZE,
    &split::SPEC,
    &structure::COMMENT,
    &structure::COMPACT,
    &structure::DOT_EXPANDER,
    &structure::KEEP,
    &structure::SORT,
    &syslog::SPEC,
    &text_case::LOWERCASE,
    &text_case::TRIM,
    &text_case::UPPERCASE,
    &trim_ends::FIRST,
    &trim_ends::LAST,
    &uri_parts::SPEC,
    &url_decode::SPEC,
    &word_case::CAMEL,
    &word_case::CAPITALIZE,
    &word_case::DOT,
    &word_case::KEBAB,
    &word_case::PASCAL,
    &word_case::SNAKE,
    &xml::SPEC,
];

/// The processor of this name.
pub(crate) fn find(name: &str) -> Option<&'static Spec> {
    ALL.iter().copied().find(|spec| spec.name == name)
}

/// All names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|spec| spec.name)
}

/// Why a processor of the product is not here; none if the product has none of this name.
pub(crate) fn absent(name: &str) -> Option<&'static str> {
    absent::why(name)
}
