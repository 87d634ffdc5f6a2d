//! The reference in `docs/` is what the processors say about themselves.

use std::fs;
use std::path::Path;

const REPAIR: &str = "run `cargo run -q -p pipeline --example reference`";

#[test]
fn the_reference_is_up_to_date() {
    let docs = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs"));
    let pages = pipeline::reference::pages();
    let is_stale = |page: &&pipeline::reference::Page| {
        fs::read_to_string(docs.join(&page.path)).ok().as_ref() != Some(&page.text)
    };
    let stale: Vec<&str> = pages.iter().filter(is_stale).map(|page| &*page.path).collect();
    assert!(stale.is_empty(), "{REPAIR}: {}", stale.join(", "));
    let files = fs::read_dir(docs.join("processors")).expect("the folder of pages");
    let left_over = files.map(|file| file.expect("readable").path());
    let left_over: Vec<_> =
        left_over.filter(|path| !pages.iter().any(|page| docs.join(&page.path) == *path)).collect();
    assert!(left_over.is_empty(), "{REPAIR}: {left_over:?}");
}

#[test]
fn every_processor_says_what_it_does_in_one_sentence_and_describes_each_option() {
    for spec in pipeline::processors::ALL {
        assert!(spec.summary.ends_with('.'), "{}: {:?}", spec.name, spec.summary);
        for option in spec.options {
            assert!(!option.text.is_empty(), "{}: {}", spec.name, option.name);
        }
    }
}
