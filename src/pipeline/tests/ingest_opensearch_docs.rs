//! The cases of `ingest/opensearch-docs.jsonl`.

mod vectors;

/// Cases that contradict the product's facts, each with the sentence.
const SKIPPED: &[(&str, &str)] = &[
    (
        "community_id/1",
        "D.5: \"community_id: source_ip=source.ip\"; OpenSearch calls the options source_ip_field and so on",
    ),
    (
        "fingerprint/1",
        "D.5: \"fingerprint: elasticsearch twin\"; OpenSearch hashes other bytes and writes its version before them",
    ),
    ("copy/1", "D.5 has no such processor; it is OpenSearch's own"),
    ("pipeline/1", "calls \"general-pipeline\" and defines \"general_pipeline\""),
];

#[test]
fn pipelines_do_what_the_published_cases_say() {
    vectors::ingest::run_file("ingest/opensearch-docs.jsonl", SKIPPED, 30);
}
