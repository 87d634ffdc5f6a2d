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
        "attachment", "bag_pack", "binary_decode", "bytes", "cef", "clean", "color_decode",
        "contains", "create_table",
        "data_size", "date_index", "debug",
        "dot_nester", "duration",
        "enforce_schema", "expand_range", "fqdn",
        "hex_decode", "html_strip", "humanize", "join_kv", "jwt_decode", "leef", "level", "minify", "move",
        "ordinal", "pattern", "random_string", "regex_extract",
        "serialize", "snowflake", "text_wrap", "timeshift", "titlecase", "unix_permission", "uri_parts", "url_decode", "user_agent",
        "xml",
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
