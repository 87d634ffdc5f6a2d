//! Events and values as JSON text.
//!
//! A text is looked through in blocks of 32 bytes, which the compiler turns into vector instructions; one that
//! needs no escape, the usual case, is then copied at once. Bytes that are not UTF-8 become U+FFFD, here only.

use super::document::Event;
use super::keys::{FIRST_LOCAL, KeyId};
use super::slot::{Children, Slot};
use super::{MAX_DEPTH, Obstacle};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::io::Write as _;

/// Appends the event as one JSON object, without its metadata.
///
/// # Errors
/// When the event is nested too deep; what was appended until then stays.
pub fn write_event(event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Obstacle> {
    let Slot::Map(root) = event.slot(Event::ROOT) else { return Err(Obstacle::NotAMap) };
    write_fields(event, root, out, 0, |key| !key.is_metadata())
}

/// Appends the event as one JSON object, with its metadata.
///
/// # Errors
/// As [`write_event`].
pub fn write_event_with_metadata(event: &Event<'_>, out: &mut Vec<u8>) -> Result<(), Obstacle> {
    write_value(event, event.slot(Event::ROOT), out)
}

/// Appends a value.
///
/// # Errors
/// As [`write_event`].
pub fn write_value(event: &Event<'_>, slot: Slot, out: &mut Vec<u8>) -> Result<(), Obstacle> {
    write_slot(event, slot, out, 0)
}

fn write_fields(
    event: &Event<'_>,
    map: Children,
    out: &mut Vec<u8>,
    depth: usize,
    wanted: impl Fn(KeyId) -> bool,
) -> Result<(), Obstacle> {
    let start = out.len();
    for node in event.children(map) {
        let key = event.key(node);
        if !wanted(key) {
            continue;
        }
        if key.0 < FIRST_LOCAL {
            event.doc.keys.write_json(key, out);
        } else {
            out.push(b',');
            write_text(event.key_text(key), out);
            out.push(b':');
        }
        write_slot(event, event.slot(node), out, depth + 1)?;
    }
    // The comma before the first name gives way to the brace.
    match out.get_mut(start) {
        Some(first) => *first = b'{',
        None => out.push(b'{'),
    }
    out.push(b'}');
    Ok(())
}

fn write_slot(event: &Event<'_>, slot: Slot, out: &mut Vec<u8>, depth: usize) -> Result<(), Obstacle> {
    if depth > MAX_DEPTH {
        return Err(Obstacle::TooDeep);
    }
    match slot {
        Slot::Text(span) => write_text(event.bytes(span), out),
        Slot::Int(number) => out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes()),
        Slot::Map(map) => write_fields(event, map, out, depth, |_| true)?,
        Slot::List(list) => {
            out.push(b'[');
            for (at, node) in event.children(list).enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                write_slot(event, event.slot(node), out, depth + 1)?;
            }
            out.push(b']');
        }
        Slot::Null => out.extend_from_slice(b"null"),
        Slot::Bool(true) => out.extend_from_slice(b"true"),
        Slot::Bool(false) => out.extend_from_slice(b"false"),
        Slot::Float(number) => write_float(number, out),
        Slot::Bytes(span) => write_base64(event.bytes(span), out),
        Slot::Time(nanos) => {
            out.push(b'"');
            write_time(nanos, out);
            out.push(b'"');
        }
    }
    Ok(())
}

/// Appends a number; what JSON can't say (infinities, not a number) becomes `null`.
pub fn write_float(number: f64, out: &mut Vec<u8>) {
    if number.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(number).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends a time in RFC 3339, in UTC, with milliseconds, or with as many digits as it needs.
pub fn write_time(nanos: i64, out: &mut Vec<u8>) {
    let (seconds, fraction) = (nanos.div_euclid(1_000_000_000), nanos.rem_euclid(1_000_000_000));
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let (year, month, day) = civil_from_days(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    // Writing to a vector can't fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.");
    let _ = match fraction {
        f if f % 1_000_000 == 0 => write!(out, "{:03}Z", f / 1_000_000),
        f if f % 1_000 == 0 => write!(out, "{:06}Z", f / 1_000),
        f => write!(out, "{f:09}Z"),
    };
}

/// Days since 1970-01-01 to year, month, day, proleptic Gregorian (Howard Hinnant's `civil_from_days`).
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn write_base64(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    // The room is exactly what the encoding takes, so it can't fail.
    let written = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or_default();
    out.truncate(start + written);
    out.push(b'"');
}

/// Bytes looked at together in long texts, and in short ones.
const BLOCK: usize = 32;
const WORD: usize = 8;

/// Appends a text in quotes, with what JSON (RFC 8259 §7) wants escaped.
#[inline]
pub fn write_text(text: &[u8], out: &mut Vec<u8>) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    if is_plain(text) {
        out.extend_from_slice(text);
    } else {
        write_escaped(text, out);
    }
    out.push(b'"');
}

/// Whether a text is ASCII without anything to escape. In doubt it says no.
#[inline]
fn is_plain(text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk::<BLOCK>() {
        let mut special = [0; BLOCK];
        for block in text.as_chunks::<BLOCK>().0 {
            mark_special(block, &mut special);
        }
        mark_special(last, &mut special); // overlaps the block before
        return special == [0; BLOCK];
    }
    if let Some(last) = text.last_chunk::<WORD>() {
        let words = text.as_chunks::<WORD>().0.iter();
        return words.fold(special_in_word(*last), |any, word| any | special_in_word(*word)) == 0;
    }
    text.iter().all(|byte| !is_special(*byte))
}

#[inline]
fn mark_special(block: &[u8; BLOCK], special: &mut [u8; BLOCK]) {
    for (byte, special) in block.iter().zip(special) {
        // All bits, as vector comparisons have it; 0 or 1 would cost an instruction more.
        *special |= if is_special(*byte) { u8::MAX } else { 0 };
    }
}

#[inline]
fn is_special(byte: u8) -> bool {
    // One comparison for control characters and what is beyond ASCII, which is negative.
    (byte.cast_signed() < b' '.cast_signed()) | (byte == b'"') | (byte == b'\\')
}

/// Has a bit set where [`is_special`] holds, and seldom elsewhere ("Bit Twiddling Hacks": bytes less than n, zero bytes).
#[inline]
fn special_in_word(word: [u8; WORD]) -> u64 {
    const ONES: u64 = u64::MAX / 0xff;
    let word = u64::from_le_bytes(word);
    let (quotes, slashes) = (word ^ (ONES * b'"' as u64), word ^ (ONES * b'\\' as u64));
    let control = word.wrapping_sub(ONES * b' ' as u64) & !word;
    let zero = |word: u64| word.wrapping_sub(ONES) & !word;
    (word | control | zero(quotes) | zero(slashes)) & (ONES * 0x80)
}

#[cold]
fn write_escaped(text: &[u8], out: &mut Vec<u8>) {
    if text.is_ascii() {
        return write_valid(text, out);
    }
    for chunk in text.utf8_chunks() {
        write_valid(chunk.valid().as_bytes(), out);
        if !chunk.invalid().is_empty() {
            out.extend_from_slice("\u{fffd}".as_bytes());
        }
    }
}

fn write_valid(text: &[u8], out: &mut Vec<u8>) {
    let mut rest = text;
    while let Some(at) = find_escape(rest) {
        out.extend_from_slice(&rest[..at]);
        write_escape(rest[at], out);
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
}

fn needs_escape(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

fn find_escape(text: &[u8]) -> Option<usize> {
    let (blocks, rest) = text.as_chunks::<BLOCK>();
    for (at, block) in blocks.iter().enumerate() {
        let any = block.iter().fold(0, |any, byte| any | u8::from(needs_escape(*byte)));
        if any != 0 {
            return block.iter().position(|byte| needs_escape(*byte)).map(|within| at * BLOCK + within);
        }
    }
    let within = rest.iter().position(|byte| needs_escape(*byte))?;
    Some(text.len() - rest.len() + within)
}

fn write_escape(byte: u8, out: &mut Vec<u8>) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match byte {
        b'"' => b'"',
        b'\\' => b'\\',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        0x08 => b'b',
        0x0c => b'f',
        _ => {
            let (high, low) = (HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]);
            out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        write_text(bytes, &mut out);
        String::from_utf8(out).expect("valid")
    }

    #[test]
    fn what_json_reserves_is_escaped_and_the_rest_copied() {
        assert_eq!(text(b"plain"), "\"plain\"");
        assert_eq!(text(b"a\"b\\c\n\x01\x7f"), r#""a\"b\\c\n\u0001"#.to_owned() + "\x7f\"");
        assert_eq!(text("é👍".as_bytes()), "\"é👍\"");
    }

    #[test]
    fn bytes_that_are_not_text_become_the_replacement_character() {
        assert_eq!(text(b"a\xffb"), "\"a\u{fffd}b\"");
        assert_eq!(text(b"\xc3"), "\"\u{fffd}\"");
    }

    #[test]
    fn times_are_written_in_utc_with_the_digits_they_need() {
        let time = |nanos| {
            let mut out = Vec::new();
            write_time(nanos, &mut out);
            String::from_utf8(out).expect("text")
        };
        assert_eq!(time(0), "1970-01-01T00:00:00.000Z");
        assert_eq!(time(1_709_210_096_123_456_789), "2024-02-29T12:34:56.123456789Z");
        assert_eq!(time(-1_000_000), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn floats_that_json_cannot_say_become_null() {
        let mut out = Vec::new();
        write_float(f64::NAN, &mut out);
        write_float(0.1, &mut out);
        assert_eq!(out, b"null0.1");
    }

    proptest! {
        #[test]
        fn every_text_reads_back_as_it_was(original in ".{0,200}") {
            let read: String = serde_json::from_str(&text(original.as_bytes())).expect("json");
            prop_assert_eq!(read, original);
        }

        #[test]
        fn special_bytes_are_found_wherever_they_are(len in 0usize..100, at in 0usize..100, byte: u8) {
            let mut text = vec![b'x'; len];
            if let Some(place) = text.get_mut(at) {
                *place = byte;
                prop_assert_eq!(is_plain(&text), !is_special(byte));
            } else {
                prop_assert!(is_plain(&text));
            }
        }

        #[test]
        fn any_bytes_make_valid_json(bytes: Vec<u8>) {
            let read: String = serde_json::from_str(&text(&bytes)).expect("json");
            prop_assert_eq!(read, String::from_utf8_lossy(&bytes).into_owned());
        }
    }
}
