//! The cases of `ingest/opensearch-docs.jsonl`.

mod vectors;

/// Cases that contradict the product's facts, each with the sentence.
const SKIPPED: &[(&str, &str)] = &[
    ("copy/1", "D.5 has no such processor; it is OpenSearch's own"),
    ("pipeline/1", "calls \"general-pipeline\" and defines \"general_pipeline\""),
];

#[test]
fn pipelines_do_what_the_published_cases_say() {
    vectors::ingest::run_file("ingest/opensearch-docs.jsonl", SKIPPED, 30);
}
