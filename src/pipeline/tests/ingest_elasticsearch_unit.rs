//! The cases of `ingest/elasticsearch-unit.jsonl`.

mod vectors;

/// Cases that contradict the product's facts, each with the sentence.
const SKIPPED: &[(&str, &str)] = &[
    (
        "reroute/destination-stops-pipeline",
        "D.5: \"reroute: elasticsearch twin by name only\"; the product goes on with the pipeline",
    ),
    (
        "reroute/first-wins",
        "D.5: \"reroute: elasticsearch twin by name only\"; expects the name of an Elasticsearch data stream",
    ),
    (
        "redact/ignore-missing-default-true",
        "D.1: \"ignore_missing: false (true for community_id, network_direction)\"",
    ),
];

#[test]
fn pipelines_do_what_the_published_cases_say() {
    vectors::ingest::run_file("ingest/elasticsearch-unit.jsonl", SKIPPED, 205);
}
