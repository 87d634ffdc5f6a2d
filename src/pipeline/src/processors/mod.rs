//! The processors: one file each, and the table that names them.
//!
//! A file holds everything about its processor: options, compiling, running, documentation, examples. Registering one is
//! one line in [`ALL`].

mod absent;
mod acl_decode;
mod append;
mod arithmetic;
mod assignments;
mod cases;
mod check_schema;
mod checksum;
mod cipher;
mod circle;
mod commit;
mod community_id;
mod confidence;
mod convert;
mod cpid;
mod csv;
mod date;
mod digest;
mod dissect;
mod drop;
mod enrich;
mod error_code;
mod fail;
mod fingerprint;
mod foreach;
mod geo_grid;
mod geoip;
mod go_to;
mod grok;
mod group;
mod gsub;
mod ip_type;
mod join;
mod json;
mod kerberos_decode;
mod kv;
mod leave;
mod lookup;
mod mask;
mod network_direction;
mod normalize;
mod number_names;
mod numbers;
mod object;
mod parts;
mod pipeline;
mod recover;
mod redact;
mod regex_filter;
mod registered_domain;
mod remove;
mod rename;
mod replace;
mod reroute;
mod sample;
mod score;
mod sddl;
mod set;
mod several;
mod sid;
mod sid_decode;
mod split;
mod structure;
mod syslog;
mod table;
mod target;
mod text_case;
mod trim_ends;
mod username_type;
mod whole_number;
mod word_case;

use crate::compile::Spec;

/// All processors, in the order of the reference.
pub static ALL: &[&Spec] = &[
    &acl_decode::SPEC,
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
    &check_schema::SPEC,
    &checksum::SPEC,
    &cipher::DECRYPT,
    &cipher::ENCRYPT,
    &circle::SPEC,
    &commit::SPEC,
    &community_id::SPEC,
    &confidence::SPEC,
    &convert::SPEC,
    &cpid::SPEC,
    &csv::SPEC,
    &date::SPEC,
    &dissect::SPEC,
    &drop::SPEC,
    &enrich::SPEC,
    &error_code::SPEC,
    &fail::SPEC,
    &fingerprint::SPEC,
    &foreach::SPEC,
    &geo_grid::SPEC,
    &geoip::SPEC,
    &go_to::SPEC,
    &grok::SPEC,
    &group::SPEC,
    &gsub::GSUB,
    &gsub::REGEX_REPLACE,
    &ip_type::SPEC,
    &join::SPEC,
    &json::SPEC,
    &kerberos_decode::SPEC,
    &kv::SPEC,
    &leave::CONTINUE,
    &leave::FINAL,
    &leave::RETURN,
    &lookup::SPEC,
    &mask::SPEC,
    &network_direction::SPEC,
    &normalize::SPEC,
    &number_names::AAD_ERRCODE,
    &number_names::DNS_QUERY_TYPE,
    &number_names::DNS_RESPONSE_CODE,
    &number_names::HTTP_STATUS,
    &number_names::ICMP_TYPE,
    &number_names::NETWORK_PROTOCOL,
    &parts::KEEP_FIRST,
    &parts::KEEP_LAST,
    &parts::SELECT,
    &parts::SLICE,
    &parts::SUBSTRING,
    &parts::TAKE,
    &pipeline::SPEC,
    &recover::SPEC,
    &redact::SPEC,
    &regex_filter::SPEC,
    &registered_domain::SPEC,
    &remove::SPEC,
    &rename::SPEC,
    &replace::SPEC,
    &reroute::SPEC,
    &sample::DYNAMIC_SAMPLE,
    &sample::SAMPLE,
    &score::SPEC,
    &set::SPEC,
    &several::COALESCE,
    &several::CONCAT,
    &several::PRINT,
    &sid_decode::SPEC,
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
    &username_type::USERNAME_TYPE,
    &username_type::WINDOWS_USER_TYPE,
    &word_case::CAMEL,
    &word_case::CAPITALIZE,
    &word_case::DOT,
    &word_case::KEBAB,
    &word_case::PASCAL,
    &word_case::SNAKE,
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
