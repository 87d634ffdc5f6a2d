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
    fn each_is_refused_by_its_name_with_the_reason() {
        use crate::{Library, Node, Program};
        for (why, names) in ABSENT {
            for name in *names {
                let pipeline = serde_json::json!({"processors": [{*name: {"field": "a"}}]});
                let mut library = Library::default();
                library.add("main", Node::from_json(std::path::Path::new("test.yml"), &pipeline));
                let refused = Program::compile(&event::model::Keys::default(), &library, &["main"]);
                let problems = refused.expect_err(name);
                let said = format!("test.yml:1:1: the processor {name:?} is not available: {why}; remove it");
                assert!(problems.len() == 1 && problems[0].to_string().starts_with(&said), "{problems:?}");
            }
        }
    }

    #[test]
    fn no_processor_is_both_here_and_absent() {
        for name in super::super::names() {
            assert_eq!(why(name), None, "{name}");
        }
    }
}
