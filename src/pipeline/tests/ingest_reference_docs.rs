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
        "html-strip/Error Handling/5",
        "D.1: \"ignore_missing: missing source field => silent no-op\", so on_failure does not run",
    ),
    (
        "humanize/With Time Suffix/5",
        "the page takes the number for seconds here and for milliseconds in \"Time Format\"",
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
    (
        "text-wrap/Fixed-width Formatting/3",
        "the page breaks the second line after 14 characters; D.5: \"text_wrap: width\", which is 15",
    ),
    ("time-shift/Unix Timestamp Processing/3", "the page takes 1705312200 for 10:30; it is 09:50 UTC"),
    ("take/In-Place Processing/6", "the page counts 49 characters as 50"),
];

#[test]
fn pipelines_do_what_the_published_cases_say() {
    vectors::ingest::run_file("ingest/reference-docs.jsonl", SKIPPED, 273);
}
