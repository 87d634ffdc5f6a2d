//! Header fields between vertical bars, as CEF and LEEF have them: `\|` and `\\` stand for the characters themselves.

use memchr::{memchr2, memchr3};
use std::borrow::Cow;

/// The field at the beginning of `text`, and what follows its bar; none if no bar follows.
pub(crate) fn field(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut at = 0;
    loop {
        at += memchr2(b'|', b'\\', &text[at..])?;
        if text[at] == b'|' {
            return Some((&text[..at], &text[at + 1..]));
        }
        at = (at + 2).min(text.len());
    }
}

/// What a header field says: escapes resolved, line ends as blanks. Allocates only where there are some.
pub fn header_text(raw: &[u8]) -> Cow<'_, [u8]> {
    if memchr3(b'\\', b'\n', b'\r', raw).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [byte, behind @ ..] = rest {
        match (byte, behind) {
            (b'\\', [escaped @ (b'|' | b'\\'), behind @ ..]) => {
                out.push(*escaped);
                rest = behind;
                continue;
            }
            (b'\n' | b'\r', _) => out.push(b' '),
            _ => out.push(*byte),
        }
        rest = behind;
    }
    Cow::Owned(out)
}
