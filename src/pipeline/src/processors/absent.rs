//! Processors of the product that are not here, each with the reason. The reference lists them, too.

const CALLS_OUT: &str = "it calls a service outside";
const NO_PARSERS: &str = "no parser of office documents and PDF is trusted with files of strangers yet";
const NOT_DOCUMENTED: &str = "what becomes of the rows that it opens is not documented anywhere";
const NO_SCRIPTS: &str = "scripts are not supported";

/// Reasons, each with the processors that it holds for.
#[rustfmt::skip]
pub(crate) const ABSENT: &[(&str, &[&str])] = &[
    (CALLS_OUT, &[
        "alienvault", "anthropic", "azureai", "cloudflare", "defender", "dns_lookup", "ipqs", "kubernetes", "msteams",
        "openai", "pagerduty", "servicenow", "slack", "telegram", "virustotal", "wait",
    ]),
    (NO_SCRIPTS, &["script"]),
    (NO_PARSERS, &["attachment"]),
    (NOT_DOCUMENTED, &["create_table"]),
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
