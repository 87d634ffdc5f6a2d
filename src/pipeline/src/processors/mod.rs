//! The processors: one file each, and the table that names them.
//!
//! A file holds everything about its processor: options, compiling, running, documentation, examples. Registering one is
//! one line in [`ALL`].

mod absent;
mod append;
mod assignments;
mod cases;
mod commit;
mod convert;
mod csv;
mod date;
mod dissect;
mod drop;
mod fail;
mod foreach;
mod go_to;
mod grok;
mod group;
mod gsub;
mod join;
mod json;
mod kv;
mod leave;
mod pipeline;
mod recover;
mod remove;
mod rename;
mod reroute;
mod set;
mod split;
mod syslog;
mod target;
mod text_case;

use crate::compile::Spec;

/// All processors, in the order of the reference.
pub static ALL: &[&Spec] = &[
    &append::SPEC,
    &cases::CASE,
    &cases::IFF,
    &commit::SPEC,
    &convert::SPEC,
    &csv::SPEC,
    &date::SPEC,
    &dissect::SPEC,
    &drop::SPEC,
    &fail::SPEC,
    &foreach::SPEC,
    &go_to::SPEC,
    &grok::SPEC,
    &group::SPEC,
    &gsub::GSUB,
    &gsub::REGEX_REPLACE,
    &join::SPEC,
    &json::SPEC,
    &kv::SPEC,
    &leave::CONTINUE,
    &leave::FINAL,
    &leave::RETURN,
    &pipeline::SPEC,
    &recover::SPEC,
    &remove::SPEC,
    &rename::SPEC,
    &reroute::SPEC,
    &set::SPEC,
    &split::SPEC,
    &syslog::SPEC,
    &text_case::LOWERCASE,
    &text_case::TRIM,
    &text_case::UPPERCASE,
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
