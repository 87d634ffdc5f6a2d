//! The processors: one file each, and the table that names them.
//!
//! A file holds everything about its processor: options, compiling, running, documentation, examples. Registering one is
//! one line in [`ALL`].

mod absent;
mod acl_decode;
mod append;
mod arithmetic;
mod assignments;
mod bags;
mod binary_decode;
mod cases;
mod cef_and_leef;
mod check_schema;
mod checksum;
mod cipher;
mod circle;
mod clean;
mod color_decode;
mod colors;
mod commit;
mod community_id;
mod confidence;
mod contains;
mod convert;
mod cpid;
mod csv;
mod date;
mod date_index;
mod debug;
mod digest;
mod dissect;
mod dot_nester;
mod drop;
mod duration;
mod enforce_schema;
mod enrich;
mod error_code;
mod expand_range;
mod fail;
mod fingerprint;
mod foreach;
mod fqdn;
mod generated;
mod geo_grid;
mod geoip;
mod go_to;
mod grok;
mod group;
mod gsub;
mod hex_decode;
mod html_strip;
mod humanize;
mod ip_type;
mod join;
mod json;
mod jwt_decode;
mod kerberos_decode;
mod kv;
mod leave;
mod level;
mod lookup;
mod mask;
mod message_pattern;
mod minify;
mod move_fields;
mod network_direction;
mod normalize;
mod number_names;
mod numbers;
mod object;
mod ordinal;
mod parts;
mod pipeline;
mod range_bound;
mod received;
mod recover;
mod redact;
mod regex_extract;
mod regex_filter;
mod registered_domain;
mod remove;
mod rename;
mod replace;
mod reroute;
mod sample;
mod schema_avro;
mod schema_parquet;
mod schema_shape;
mod score;
mod sddl;
mod serialize;
mod serialize_xml;
mod set;
mod several;
mod sid;
mod sid_decode;
mod sizes;
mod split;
mod structure;
mod syslog;
mod table;
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
mod username_type;
mod whole_number;
mod word_case;
mod xml;

pub(crate) use absent::ABSENT;
pub(crate) use foreach::MAX_ELEMENTS;

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
    &bags::BAG_PACK,
    &bags::JOIN_KV,
    &binary_decode::SPEC,
    &cases::CASE,
    &cases::IFF,
    &cef_and_leef::CEF,
    &cef_and_leef::LEEF,
    &check_schema::SPEC,
    &checksum::SPEC,
    &cipher::DECRYPT,
    &cipher::ENCRYPT,
    &circle::SPEC,
    &clean::SPEC,
    &color_decode::SPEC,
    &commit::SPEC,
    &community_id::SPEC,
    &confidence::SPEC,
    &contains::SPEC,
    &convert::SPEC,
    &cpid::SPEC,
    &csv::SPEC,
    &date::SPEC,
    &date_index::SPEC,
    &debug::SPEC,
    &dissect::SPEC,
    &dot_nester::SPEC,
    &drop::SPEC,
    &duration::SPEC,
    &enforce_schema::SPEC,
    &enrich::SPEC,
    &error_code::SPEC,
    &expand_range::SPEC,
    &fail::SPEC,
    &fingerprint::SPEC,
    &foreach::SPEC,
    &fqdn::SPEC,
    &generated::RANDOM_STRING,
    &generated::SNOWFLAKE,
    &geo_grid::SPEC,
    &geoip::SPEC,
    &go_to::SPEC,
    &grok::SPEC,
    &group::SPEC,
    &gsub::GSUB,
    &gsub::REGEX_REPLACE,
    &hex_decode::SPEC,
    &html_strip::SPEC,
    &humanize::SPEC,
    &ip_type::SPEC,
    &join::SPEC,
    &json::SPEC,
    &jwt_decode::SPEC,
    &kerberos_decode::SPEC,
    &kv::SPEC,
    &leave::CONTINUE,
    &leave::FINAL,
    &leave::RETURN,
    &level::SPEC,
    &lookup::SPEC,
    &mask::SPEC,
    &message_pattern::SPEC,
    &minify::SPEC,
    &move_fields::SPEC,
    &network_direction::SPEC,
    &normalize::SPEC,
    &number_names::AAD_ERRCODE,
    &number_names::DNS_QUERY_TYPE,
    &number_names::DNS_RESPONSE_CODE,
    &number_names::HTTP_STATUS,
    &number_names::ICMP_TYPE,
    &number_names::NETWORK_PROTOCOL,
    &ordinal::SPEC,
    &parts::KEEP_FIRST,
    &parts::KEEP_LAST,
    &parts::SELECT,
    &parts::SLICE,
    &parts::SUBSTRING,
    &parts::TAKE,
    &pipeline::SPEC,
    &recover::SPEC,
    &redact::SPEC,
    &regex_extract::SPEC,
    &regex_filter::SPEC,
    &registered_domain::SPEC,
    &remove::SPEC,
    &rename::SPEC,
    &replace::SPEC,
    &reroute::SPEC,
    &sample::DYNAMIC_SAMPLE,
    &sample::SAMPLE,
    &score::SPEC,
    &serialize::SPEC,
    &set::SPEC,
    &several::COALESCE,
    &several::CONCAT,
    &several::PRINT,
    &sid_decode::SPEC,
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
    &username_type::USERNAME_TYPE,
    &username_type::WINDOWS_USER_TYPE,
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
