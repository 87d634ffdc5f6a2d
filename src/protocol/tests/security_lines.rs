//! CEF and LEEF: any bytes are a line or none, and what is found stands in them.

use proptest::prelude::*;
use protocol::{cef, leef};

/// Whether `part` lies within `whole`, or is empty.
fn is_within(whole: &[u8], part: &[u8]) -> bool {
    let range = whole.as_ptr_range();
    part.is_empty() || (range.start <= part.as_ptr() && part.as_ptr_range().end <= range.end)
}

proptest! {
    #[test]
    fn any_bytes_are_a_cef_line_or_none(
        mark in prop::sample::select(vec!["", "CEF:0|", "CEF:0|a|b|c|d|e|f|", "x CEF:1|a\\|b|c|d|e|f|g|"]),
        rest in prop::collection::vec(prop::sample::select(b"ab=|\\ .[0]_\n\xff".to_vec()), 0..60),
    ) {
        let line = [mark.as_bytes(), &rest].concat();
        if let Some(found) = cef::parse(&line) {
            prop_assert!(found.header.iter().all(|field| is_within(&line, field)));
            let mut last = 0;
            for (name, value) in found.extensions() {
                prop_assert!(is_within(found.rest, name) && is_within(found.rest, value));
                prop_assert!(!name.is_empty());
                // In order, and never the same place twice.
                let at = name.as_ptr() as usize;
                prop_assert!(at > last);
                last = at;
                prop_assert!(cef::extension_text(value, b'=').len() <= value.len());
            }
        }
    }

    #[test]
    fn any_bytes_are_a_leef_line_or_none(
        mark in prop::sample::select(vec!["", "LEEF:1.0|", "LEEF:1.0|a|b|c|d|", "LEEF:2.0|a|b|c|d|"]),
        rest in prop::collection::vec(prop::sample::select(b"ab=|\\ x5E^\t\xff".to_vec()), 0..60),
    ) {
        let line = [mark.as_bytes(), &rest].concat();
        if let Some(found) = leef::parse(&line) {
            prop_assert!(found.header.iter().all(|field| is_within(&line, field)));
            for (name, value) in found.attributes() {
                prop_assert!(is_within(found.rest, name) && is_within(found.rest, value));
            }
        }
    }

    #[test]
    fn a_value_that_was_escaped_is_read_as_it_was(value in "[a-z|\\\\=\n]{1,20}") {
        let escaped = value.replace('\\', "\\\\").replace('=', "\\=").replace('\n', "\\n");
        let line = format!("CEF:0|a|b|c|d|e|f|msg={escaped} end=1");
        let found = cef::parse(line.as_bytes()).expect("a line");
        let first = found.extensions().next().expect("an extension");
        prop_assert_eq!(first.0, b"msg");
        prop_assert_eq!(&*cef::extension_text(first.1, b'='), value.as_bytes());
    }
}
