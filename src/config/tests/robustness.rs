//! No input panics the loader, and what is wrong never goes unsaid.

mod loading;

use config::{Source, example, load, parse};
use loading::{environment, load_text};
use proptest::prelude::*;

/// Words from which something like a configuration comes together.
const WORDS: [&str; 40] = [
    "devices:",
    "targets:",
    "routes:",
    "pipelines:",
    "- ",
    "\n",
    "\n  ",
    "\n    ",
    "name: a",
    "id: 1",
    "type: tcp",
    "type: http",
    "type: elastic",
    "properties:",
    "port: 1",
    "{",
    "}",
    "[",
    "]",
    ",",
    ": ",
    "\"",
    "'",
    "&a ",
    "*a",
    "<<: ",
    "!!str ",
    "${PORT}",
    "${NOPE}",
    "null",
    "tls: {status: true}",
    "|",
    ">",
    "? ",
    "#",
    "---\n",
    "é",
    "\t",
    "authentication:",
    "processors:",
];

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn bytes_do_not_panic_the_loader(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.yml");
        std::fs::write(&file, bytes).unwrap();
        let loaded = load(&Source::File(file), &environment);
        let errors = loaded.diagnostics.iter().any(config::Diagnostic::is_error);
        prop_assert_eq!(loaded.snapshot.is_none(), errors);
    }

    #[test]
    fn words_do_not_panic_the_loader(words in proptest::collection::vec(proptest::sample::select(&WORDS[..]), 0..60)) {
        let loaded = load_text(&words.concat());
        let errors = loaded.diagnostics.iter().any(config::Diagnostic::is_error);
        prop_assert_eq!(loaded.snapshot.is_none(), errors);
    }

    #[test]
    fn a_damaged_example_does_not_panic_the_loader(at in 0..example().len(), byte in any::<u8>(), cut in 0..40usize) {
        let mut bytes = example().as_bytes().to_vec();
        let end = bytes.len().min(at + cut);
        bytes.splice(at..end, [byte]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let loaded = load_text(&text);
        let errors = loaded.diagnostics.iter().any(config::Diagnostic::is_error);
        prop_assert_eq!(loaded.snapshot.is_none(), errors);
    }

    #[test]
    fn texts_do_not_panic_the_parser(text in "\\PC*") {
        let _ = parse(std::path::Path::new("a.yml"), &text);
    }
}
