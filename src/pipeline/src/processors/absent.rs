//! Processors of the product that are not here, each with the reason. The reference lists them, too.

const CALLS_OUT: &str = "it calls a service outside";
const NOT_YET: &str = "it is not finished";
const NO_SCRIPTS: &str = "scripts are not supported";

#[rustfmt::skip]
const ABSENT: &[(&str, &[&str])] = &[
    (CALLS_OUT, &[
        "alienvault", "anthropic", "azureai", "cloudflare", "defender", "dns_lookup", "ipqs", "kubernetes", "msteams",
        "openai", "pagerduty", "servicenow", "slack", "telegram", "virustotal", "wait",
    ]),
    (NO_SCRIPTS, &["script"]),
    (NOT_YET, &[
        "aad_errcode", "abs", "acl_decode", "add", "attachment", "bag_pack", "binary_decode", "bytes", "camelcase",
        "capitalize", "cef", "ceil", "check_schema", "checksum", "circle", "clean", "coalesce", "color_decode", "comment",
        "community_id", "compact", "concat", "confidence", "contains", "cpid", "create_table",
        "data_size", "date_index", "debug", "decrypt", "divide", "dns_query_type",
        "dns_response_code", "dot_expander", "dot_nester", "dotcase", "duration", "dynamic_sample", "encrypt",
        "enforce_schema", "enrich", "error_code", "expand_range", "fingerprint", "floor", "fqdn", "geo_grid", "geoip",
        "hex_decode", "html_strip", "http_status", "humanize", "icmp_type", "ip_type", "join_kv", "jwt_decode",
        "kebabcase", "keep", "keep_first", "keep_last", "kerberos_decode", "leef", "level", "lookup", "mask", "math",
        "max", "min", "minify", "modulo", "move", "multiply", "network_direction", "network_protocol", "normalize",
        "ordinal", "pascalcase", "pattern", "power", "print", "random_string", "redact", "regex_extract", "regex_filter",
        "registered_domain", "replace", "round", "sample", "score", "select", "serialize", "sid_decode", "slice",
        "snakecase", "snowflake", "sort", "sqrt", "substring", "subtract", "take", "text_wrap", "timeshift", "titlecase",
        "trim_first", "trim_last", "unix_permission", "uri_parts", "url_decode", "user_agent", "username_type",
        "windows_user_type", "xml",
    ]),
];

/// Why a processor is absent; none if the product has none of this name.
pub(super) fn why(name: &str) -> Option<&'static str> {
    ABSENT.iter().find(|(_, names)| names.contains(&name)).map(|(why, _)| *why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_processor_is_both_here_and_absent() {
        for name in super::super::names() {
            assert_eq!(why(name), None, "{name}");
        }
    }
}
