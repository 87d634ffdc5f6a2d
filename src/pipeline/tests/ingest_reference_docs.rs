//! The cases of `ingest/reference-docs.jsonl`.

mod vectors;

/// Cases that contradict the product's facts, each with the sentence.
const SKIPPED: &[(&str, &str)] = &[
    (
        "acl-decode/Basic SDDL Decoding/1",
        "D.5: \"SDDL/ACL string to structured entries\"; the page leaves out the second of two",
    ),
    (
        "acl-decode/With Identity Resolution/2",
        "D.5: \"SDDL/ACL string to structured entries\"; the page leaves out the second of two",
    ),
    (
        "check-schema/Strict Validation/5",
        "D.4: \"writes {is_valid, missing_required_fields, missing_recommended_fields, …}\"; the page names two of the columns that ASIM recommends",
    ),
    (
        "dissect/Non-String Fields/3",
        "D.1: \"ignore_failure: swallow an error and go on\"; nothing says that error.message is set",
    ),
    (
        "final/Success/2",
        "D.1: \"missing source field => silent no-op\" holds with ignore_missing only; the document has no temporary_data",
    ),
    (
        "gsub/Error Handling/5",
        "D.1: \"ignore_missing: missing source field => silent no-op\", so on_failure does not run",
    ),
    (
        "html-strip/Error Handling/5",
        "D.1: \"ignore_missing: missing source field => silent no-op\", so on_failure does not run",
    ),
    (
        "humanize/With Time Suffix/5",
        "D.5: \"number to 1.2 MB / 3 h style\"; the page has \"1 hour remaining\", and counts seconds here and milliseconds elsewhere",
    ),
    (
        "join/Error Handling/4",
        "D.1: \"ignore_missing: missing source field => silent no-op\", so on_failure does not run",
    ),
    (
        "regex-replace/URL Path Extraction/5",
        "D.4: \"gsub / regex_replace: regex (Go RE2 syntax)\" replaces what matches; the query is not matched and stays",
    ),
    ("mask/Basic/1", "D.5: \"hash regex matches, keep edges\"; the page's hash has letters that no MD5 has"),
    (
        "mask/Hash Types/6",
        "D.5: \"hash regex matches, keep edges\"; the page's hash is not the SHA-256 of its text",
    ),
    (
        "multiply/Compound/5",
        "D.5: multiply has \"field*, left_operand*, right_operand*\" and no precision; the page rounds 4/3 to four digits",
    ),
    (
        "power/Compound Interest/5",
        "D.5: power has \"field*, left_operand*, right_operand*\" and no precision; the page rounds to four digits",
    ),
    (
        "text-wrap/Fixed-width Formatting/3",
        "D.5: \"insert line breaks\" at \"width*\", which is 15; the page breaks the second line after 14 characters",
    ),
    ("take/In-Place Processing/6", "D.5: \"N from start or end\"; the page gives 49 of 50 characters"),
    ("kv/Formatting/4", "D.4: \"numbers auto-cast unless `ignore_casting`\"; the page leaves them texts"),
    ("kv/Prefixing/5", "D.4: \"numbers auto-cast unless `ignore_casting`\"; the page leaves them texts"),
];

/// What differs and contradicts no sentence: `convert/Type Detection/4` (the page shows one of four processors),
/// `enforce-schema/Basic Parquet Schema/1` (10:30 is not 1705316200000), `substring/URL Path Extraction/5` (the URL has 23
/// characters before the path, not 22), `time-shift/Unix Timestamp Processing/3` (1705312200 is 09:50, not 10:30).
#[test]
fn pipelines_do_what_the_published_cases_say() {
    vectors::ingest::run_file("ingest/reference-docs.jsonl", SKIPPED, 274);
}
