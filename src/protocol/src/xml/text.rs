//! Characters as XML writes them, and what they mean: references (XML 1.0 §4.1), line ends (§2.11), blanks in
//! attributes (§3.3.3).
//!
//! A character that XML 1.0 forbids (§2.2), written out or as a reference, becomes U+FFFD. A reference to
//! something unknown stays as it is.

use std::borrow::Cow;

/// What stands for a character that may not be there.
const REPLACEMENT: char = '\u{fffd}';

/// The longest reference there is any sense in: `&#x0010FFFF;`.
const LONGEST_REFERENCE_BYTES: usize = 12;

/// Text with its references and line ends resolved. Allocates only where there is something to resolve.
pub fn unescaped(raw: &str) -> Cow<'_, str> {
    resolve(raw, |byte| byte == b'&' || is_special(byte))
}

/// Text whose ampersands mean themselves (`CDATA`): only line ends and forbidden characters are replaced.
pub fn cleaned(raw: &str) -> Cow<'_, str> {
    resolve(raw, is_special)
}

/// The value of an attribute: line ends and tabs are blanks.
pub fn attribute(raw: &str) -> Cow<'_, str> {
    if find(raw, |byte| matches!(byte, b'\t' | b'\n' | b'\r')).is_some() {
        let blank = raw.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
        return Cow::Owned(unescaped(&blank).into_owned());
    }
    unescaped(raw)
}

/// Appends without copying where there was nothing before.
pub(crate) fn append<'a>(to: &mut Cow<'a, str>, more: Cow<'a, str>) {
    if to.is_empty() {
        *to = more;
    } else if !more.is_empty() {
        to.to_mut().push_str(&more);
    }
}

/// Whether XML 1.0 allows the character (§2.2).
pub(super) fn allowed(character: char) -> bool {
    !matches!(character, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}')
}

/// A control character other than tab and line feed.
fn is_special(byte: u8) -> bool {
    byte < 0x20 && byte != b'\n' && byte != b'\t'
}

/// The first byte that is special. Sixteen at a time, so that the compiler can compare them side by side.
pub(crate) fn find(text: &str, special: impl Fn(u8) -> bool) -> Option<usize> {
    const WIDTH: usize = 16;
    let bytes = text.as_bytes();
    let plain = bytes.chunks_exact(WIDTH).take_while(|chunk| {
        let any = chunk.iter().fold(false, |any, &byte| any | special(byte));
        !any
    });
    let begin = plain.count() * WIDTH;
    bytes[begin..].iter().position(|&byte| special(byte)).map(|at| begin + at)
}

fn resolve(raw: &str, special: impl Fn(u8) -> bool) -> Cow<'_, str> {
    let Some(first) = find(raw, &special) else { return Cow::Borrowed(raw) };
    let mut out = String::with_capacity(raw.len());
    out.push_str(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(byte) = rest.bytes().next() {
        let mut used = 1;
        match byte {
            b'&' => match reference(rest) {
                Some((character, len)) => {
                    out.push(character);
                    used = len;
                }
                None => out.push('&'),
            },
            b'\r' => {
                out.push('\n');
                used += usize::from(rest[1..].starts_with('\n'));
            }
            _ => out.push(REPLACEMENT),
        }
        rest = &rest[used..];
        let plain = find(rest, &special).unwrap_or(rest.len());
        out.push_str(&rest[..plain]);
        rest = &rest[plain..];
    }
    Cow::Owned(out)
}

/// The character that the reference at the beginning of `text` stands for, and its length.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(LONGEST_REFERENCE_BYTES).position(|byte| byte == b';')?;
    let character = match &text[1..end] {
        "lt" => '<',
        "gt" => '>',
        "amp" => '&',
        "quot" => '"',
        "apos" => '\'',
        name => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).filter(|&found| allowed(found)).unwrap_or(REPLACEMENT)
        }
    };
    Some((character, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_and_line_ends_are_resolved() {
        assert_eq!(unescaped("a&lt;b&#x41;&#66;&amp;amp;"), "a<bAB&amp;");
        assert_eq!(unescaped("a\r\nb\rc\n&#13;"), "a\nb\nc\n\r");
        assert!(matches!(unescaped("plain ü\t\n"), Cow::Borrowed(_)));
        assert_eq!(attribute("a\r\nb\tc"), "a b c");
    }

    #[test]
    fn what_is_unknown_stays_and_what_is_forbidden_is_replaced() {
        assert_eq!(unescaped("&nbsp; & &; &#; &#xZ; &"), "&nbsp; & &; &#; &#xZ; &");
        assert_eq!(unescaped("\u{1}&#1;&#xD800;&#x110000;"), "\u{fffd}\u{fffd}\u{fffd}\u{fffd}");
        assert_eq!(cleaned("&lt;\u{0}\r\n"), "&lt;\u{fffd}\n");
    }

    #[test]
    fn a_reference_at_the_border_of_a_character_is_survived() {
        assert_eq!(unescaped("&ééééééééééé;"), "&ééééééééééé;");
    }
}
