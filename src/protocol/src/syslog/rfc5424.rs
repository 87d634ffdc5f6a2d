//! The header of RFC 5424 §6, and what devices make of it.

use super::stamp::{self, Reading, ZoneNames};
use super::structured_data;
use super::{BYTE_ORDER_MARK, FaultKind, Header, Message, StructuredData, Timestamp};

/// The longest fields of the standard, in bytes (§6): HOSTNAME, APP-NAME, PROCID, MSGID.
const LONGEST: [usize; 4] = [255, 48, 128, 32];

/// The version at `at` and where the line goes on, where the line is one of this standard: one to three
/// digits, a blank, and then nil, a timestamp, or what looks like a date. A number alone may be anything.
pub(super) fn version(line: &[u8], at: usize) -> Option<(u16, usize)> {
    let text = &line[at..];
    let len = text.iter().take(3).take_while(|byte| byte.is_ascii_digit()).count();
    if len == 0 || text[0] == b'0' || text.get(len) != Some(&b' ') {
        return None;
    }
    let rest = &text[len + 1..];
    let plausible = match rest {
        [b'-'] | [b'-', b' ', ..] => true,
        // The usual case, without reading the timestamp twice.
        [b'0'..=b'9', _, _, _, b'-', ..] => stamp::begins_with_a_date(rest),
        [b'0'..=b'9', ..] => stamp::recognise(rest, ZoneNames::Known).is_some(),
        _ => false,
    };
    let version = text[..len].iter().fold(0, |version, digit| version * 10 + u16::from(digit - b'0'));
    plausible.then_some((version, at + len + 1))
}

/// Parses from the timestamp on.
pub(super) fn parse<'a>(line: &'a [u8], at: usize, message: &mut Message<'a>) {
    message.header = Header::Rfc5424;
    let Some(mut at) = timestamp(line, at, message) else { return };

    let fields_begin = at;
    let mut fields: [&[u8]; 4] = [b""; 4];
    let mut begins = [0; 4];
    for (field, begin) in fields.iter_mut().zip(&mut begins) {
        let len = token_len(&line[at..]);
        if len == 0 || line.get(at + len) != Some(&b' ') {
            return broken(line, fields_begin, at, message);
        }
        *begin = at;
        *field = &line[at..at + len];
        at += len + 1;
    }

    let (data, text) = match &line[at..] {
        [b'-'] => (0, at + 1),
        [b'-', b' ', ..] => (0, at + 2),
        [b'[', ..] => match structured_data::check(&line[at..]) {
            Some(found) if matches!(line.get(at + found.len), None | Some(b' ')) => {
                if let Some((kind, within)) = found.deviation {
                    message.deviates(kind, at + within);
                }
                (found.len, (at + found.len + 1).min(line.len()))
            }
            _ => {
                message.deviates(FaultKind::StructuredData, at);
                (0, at)
            }
        },
        _ => return broken(line, fields_begin, at, message),
    };

    for ((field, longest), begin) in fields.iter().zip(LONGEST).zip(begins) {
        if field.len() > longest {
            message.deviates(FaultKind::FieldTooLong, begin);
        }
    }
    message.hostname = not_nil(fields[0]);
    message.app = not_nil(fields[1]);
    message.procid = not_nil(fields[2]);
    message.msgid = not_nil(fields[3]);
    message.structured_data = StructuredData::checked(&line[at..at + data]);
    let text = &line[text..];
    message.message = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
}

/// Reads the timestamp at `at` and says where the next field begins, or `None` where the line ends.
fn timestamp<'a>(line: &'a [u8], at: usize, message: &mut Message<'a>) -> Option<usize> {
    let rest = &line[at..];
    let len = if rest.first() == Some(&b'-') {
        1
    } else if let Some(found) =
        stamp::recognise(rest, ZoneNames::Known).filter(|found| !rest[found.len..].starts_with(b":"))
    {
        if !found.standard {
            message.deviates(FaultKind::Timestamp, at);
        }
        message.set_timestamp(line, at, &found);
        found.len
    } else {
        message.deviates(FaultKind::Timestamp, at);
        let len = token_len(rest);
        message.timestamp = Some(Timestamp { text: &rest[..len], reading: Reading::Unknown });
        len
    };
    match rest.get(len) {
        Some(b' ') => Some(at + len + 1),
        _ => {
            message.deviates(FaultKind::Header, at + len);
            message.message = &rest[len..];
            None
        }
    }
}

/// The header is not complete: what is plausible of it is kept, the rest is the message. Meraki and CyberArk,
/// say, go from the host or the program directly to a text.
fn broken<'a>(line: &'a [u8], fields_begin: usize, fault: usize, message: &mut Message<'a>) {
    message.deviates(FaultKind::Header, fault);
    let mut at = fields_begin;
    for place in 0..4 {
        let field = &line[at..at + token_len(&line[at..])];
        let ends = line.get(at + field.len()) == Some(&b' ');
        // A process id that is a number or nil shows that the fields go on.
        let plausible = match place {
            2 => field == b"-" || field.iter().all(u8::is_ascii_digit),
            _ => !field.iter().any(|byte| matches!(byte, b'=' | b'"' | b'{' | b'[' | b'<' | b',')),
        };
        if field.is_empty() || !ends || !plausible {
            break;
        }
        match place {
            0 => message.hostname = not_nil(field),
            1 => message.app = not_nil(field),
            2 => message.procid = not_nil(field),
            _ => message.msgid = not_nil(field),
        }
        at += field.len() + 1;
    }
    message.message = &line[at..];
}

/// The length of a field: up to a blank or control character. Bytes beyond ASCII are let through.
fn token_len(bytes: &[u8]) -> usize {
    bytes.iter().position(|byte| *byte <= b' ' || *byte == 0x7f).unwrap_or(bytes.len())
}

fn not_nil(field: &[u8]) -> Option<&[u8]> {
    if field == b"-" { None } else { Some(field) }
}
