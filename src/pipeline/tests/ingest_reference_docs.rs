//! The cases of `ingest/reference-docs.jsonl`.

mod vectors;

/// Cases that contradict the product's facts, each with the sentence.
const SKIPPED: &[(&str, &str)] = &[
    (
        "acl-decode/Basic SDDL Decoding/1",
        "D.5: \"acl_decode: structured entries\"; the page leaves out the second of two",
    ),
    (
        "acl-decode/With Identity Resolution/2",
        "D.5: \"acl_decode: structured entries\"; the page leaves out the second of two",
    ),
    (
        "check-schema/Strict Validation/5",
        "D.4: \"check_schema writes missing_recommended_fields\"; the page names two of the columns that ASIM recommends",
    ),
    (
        "convert/Type Detection/4",
        "one processor for the field value1; value2 to value4 are converted by processors that the page leaves out",
    ),
    (
        "dissect/Non-String Fields/3",
        "D.1: \"ignore_failure: swallow an error and go on\"; nothing says that error.message is set",
    ),
    (
        "final/Success/2",
        "D.4: \"rename, remove: missing source = error\" unless ignore_missing; the document has no temporary_data",
    ),
    (
        "gsub/Error Handling/5",
        "D.1: \"ignore_missing: missing source field => silent no-op\", so on_failure does not run",
    ),
    (
        "join/Error Handling/4",
        "D.1: \"ignore_missing: missing source field => silent no-op\", so on_failure does not run",
    ),
    (
        "regex-replace/URL Path Extraction/5",
        "D.4: \"gsub / regex_replace: regex (Go RE2 syntax)\" replaces what matches; the query is not matched and stays",
    ),
    ("mask/Basic/1", "D.5: \"mask: hash regex matches\"; the page's hash has letters that no MD5 has"),
    (
        "mask/Hash Types/6",
        "D.5: \"mask: hash regex matches\"; the page's hash is not the SHA-256 of its text",
    ),
    ("multiply/Compound/5", "the page rounds 4/3 to four digits; D.5 gives multiply no precision"),
    ("power/Compound Interest/5", "the page rounds to four digits; D.5 gives power no precision"),
    (
        "substring/URL Path Extraction/5",
        "the page counts \"https://api.example.com\" as 22 characters; it has 23",
    ),
    ("take/In-Place Processing/6", "the page counts 49 characters as 50"),
];

#[test]
fn pipelines_do_what_the_published_cases_say() {
    vectors::ingest::run_file("ingest/reference-docs.jsonl", SKIPPED, 202);
}
