//! The processors: one file each, and the table that names them.
//!
//! A file holds everything about its processor: options, compiling, running, documentation, examples. Registering one is
//! one line in [`ALL`].

mod absent;
mod append;
mod arithmetic;
mod assignments;
mod bags;
mod binary_decode;
mod cases;
mod cef_and_leef;
mod clean;
mod color_decode;
mod colors;
mod commit;
mod contains;
mod convert;
mod csv;
mod date;
mod date_index;
mod debug;
mod dissect;
mod dot_nester;
mod drop;
mod duration;
mod expand_range;
mod fail;
mod foreach;
mod fqdn;
mod generated;
mod go_to;
mod grok;
mod group;
mod gsub;
mod hex_decode;
mod html_strip;
mod humanize;
mod join;
mod json;
mod jwt_decode;
mod kv;
mod leave;
mod level;
mod message_pattern;
mod minify;
mod move_fields;
mod numbers;
mod ordinal;
mod parts;
mod pipeline;
mod range_bound;
mod recover;
mod regex_extract;
mod regex_filter;
mod remove;
mod rename;
mod replace;
mod reroute;
mod serialize;
mod serialize_xml;
mod set;
mod several;
mod sizes;
mod split;
mod structure;
mod syslog;
mod target;
mod text_case;
mod text_wrap;
mod timeshift;
mod titlecase;
mod trim_ends;
mod unix_permission;
mod uri_parts;
mod url_decode;
mod user_agent;
mod word_case;
mod xml;

pub(crate) use absent::ABSENT;
pub(crate) use foreach::MAX_ELEMENTS;

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
    &bags::BAG_PACK,
    &bags::JOIN_KV,
    &binary_decode::SPEC,
    &cases::CASE,
    &cases::IFF,
    &cef_and_leef::CEF,
    &cef_and_leef::LEEF,
    &clean::SPEC,
    &color_decode::SPEC,
    &commit::SPEC,
    &contains::SPEC,
    &convert::SPEC,
    &csv::SPEC,
    &date::SPEC,
    &date_index::SPEC,
    &debug::SPEC,
    &dissect::SPEC,
    &dot_nester::SPEC,
    &drop::SPEC,
    &duration::SPEC,
    &expand_range::SPEC,
    &fail::SPEC,
    &foreach::SPEC,
    &fqdn::SPEC,
    &generated::RANDOM_STRING,
    &generated::SNOWFLAKE,
    &go_to::SPEC,
    &grok::SPEC,
    &group::SPEC,
    &gsub::GSUB,
    &gsub::REGEX_REPLACE,
    &hex_decode::SPEC,
    &html_strip::SPEC,
    &humanize::SPEC,
    &join::SPEC,
    &json::SPEC,
    &jwt_decode::SPEC,
    &kv::SPEC,
    &leave::CONTINUE,
    &leave::FINAL,
    &leave::RETURN,
    &level::SPEC,
    &message_pattern::SPEC,
    &minify::SPEC,
    &move_fields::SPEC,
    &ordinal::SPEC,
    &parts::KEEP_FIRST,
    &parts::KEEP_LAST,
    &parts::SELECT,
    &parts::SLICE,
    &parts::SUBSTRING,
    &parts::TAKE,
    &pipeline::SPEC,
    &recover::SPEC,
    &regex_extract::SPEC,
    &regex_filter::SPEC,
    &remove::SPEC,
    &rename::SPEC,
    &replace::SPEC,
    &reroute::SPEC,
    &serialize::SPEC,
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
    &text_wrap::SPEC,
    &timeshift::SPEC,
    &titlecase::SPEC,
    &trim_ends::FIRST,
    &trim_ends::LAST,
    &unix_permission::SPEC,
    &uri_parts::SPEC,
    &url_decode::SPEC,
    &user_agent::SPEC,
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
