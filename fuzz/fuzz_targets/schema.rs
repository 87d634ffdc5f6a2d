//! `cargo +nightly fuzz run schema`; the body is in the package `pipeline`, whose tests run it, too.
#![no_main]

#[path = "../../src/pipeline/tests/bodies/mod.rs"]
mod bodies;

libfuzzer_sys::fuzz_target!(|data: &[u8]| bodies::run("schema", data));
