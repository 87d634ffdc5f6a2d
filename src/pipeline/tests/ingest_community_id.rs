//! The cases of `ingest/community-id.jsonl`.

mod vectors;

/// Cases that contradict the product's facts, each with the sentence.
const SKIPPED: &[(&str, &str)] = &[];

#[test]
fn pipelines_do_what_the_published_cases_say() {
    vectors::ingest::run_file("ingest/community-id.jsonl", SKIPPED, 10);
}
