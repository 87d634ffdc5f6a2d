//! Bodies as text: UTF-8, or UTF-16 as Windows itself speaks it.

use std::borrow::Cow;

/// The text of a body whose sender names `charset`. A byte order mark wins over the name, and is not part of the
/// text; what can't be decoded becomes U+FFFD.
pub fn text<'a>(body: &'a [u8], charset: Option<&str>) -> Cow<'a, str> {
    let (encoding, body) = match body {
        [0xef, 0xbb, 0xbf, body @ ..] => (encoding_rs::UTF_8, body),
        [0xff, 0xfe, body @ ..] => (encoding_rs::UTF_16LE, body),
        [0xfe, 0xff, body @ ..] => (encoding_rs::UTF_16BE, body),
        // UTF-16 without its mark is little endian where Windows sends it.
        _ => {
            let named = charset.and_then(|name| encoding_rs::Encoding::for_label(name.as_bytes()));
            (named.unwrap_or(encoding_rs::UTF_8), body)
        }
    };
    encoding.decode_without_bom_handling(body).0
}

/// The `charset` of a `Content-Type`.
pub fn of_content_type(content_type: &str) -> Option<&str> {
    content_type.split(';').filter_map(|part| part.split_once('=')).find_map(|(name, value)| {
        name.trim().eq_ignore_ascii_case("charset").then(|| value.trim().trim_matches('"'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_names_decide() {
        assert_eq!(text("é".as_bytes(), None), "é");
        assert_eq!(text(b"\xff\xfea\0", Some("UTF-8")), "a");
        assert_eq!(text(b"a\0b\0", Some("utf-16")), "ab");
        assert_eq!(text(b"\xfe\xff\0a", None), "a");
        assert_eq!(text(b"\xff", None), "\u{fffd}");
        assert_eq!(of_content_type("application/soap+xml; charset=\"UTF-16\""), Some("UTF-16"));
    }
}
