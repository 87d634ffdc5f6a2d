//! Time zones within timestamps: numeric offsets, and names where one is meant by most who write it.

use super::stamp::{ZoneNames, two};

/// A zone, or its absence.
pub(super) struct Zone {
    /// Seconds east of Greenwich.
    pub(super) seconds: Option<i32>,
    /// Where the text goes on.
    pub(super) end: usize,
    /// `Z` or `±hh:mm` (RFC 3339).
    pub(super) standard: bool,
}

/// Names and their offsets in minutes. Where several zones share one, the most frequent is meant: CST, EST
/// and their like are North America's, BST is British, IST Indian.
const NAMES: [(&[u8], i32); 40] = [
    (b"UTC", 0),
    (b"GMT", 0),
    (b"WET", 0),
    (b"WEST", 60),
    (b"BST", 60),
    (b"CET", 60),
    (b"MET", 60),
    (b"CEST", 120),
    (b"MEST", 120),
    (b"EET", 120),
    (b"SAST", 120),
    (b"EEST", 180),
    (b"MSK", 180),
    (b"TRT", 180),
    (b"GST", 240),
    (b"PKT", 300),
    (b"IST", 330),
    (b"ICT", 420),
    (b"WIB", 420),
    (b"AWST", 480),
    (b"HKT", 480),
    (b"SGT", 480),
    (b"JST", 540),
    (b"KST", 540),
    (b"ACST", 570),
    (b"AEST", 600),
    (b"ACDT", 630),
    (b"AEDT", 660),
    (b"NZST", 720),
    (b"NZDT", 780),
    (b"BRT", -180),
    (b"ART", -180),
    (b"EDT", -240),
    (b"EST", -300),
    (b"CDT", -300),
    (b"CST", -360),
    (b"MST", -420),
    (b"MDT", -360),
    (b"PDT", -420),
    (b"PST", -480),
];

/// An offset that follows directly, as in `Z`, `+01:00`, `+0100`, `-07`, `Z+00:00`, or behind one blank, as
/// in ` +0100`.
pub(super) fn offset(bytes: &[u8], at: usize) -> Zone {
    match bytes.get(at) {
        Some(b'Z' | b'z') => match numeric(bytes, at + 1) {
            Some(offset) => Zone { standard: false, ..offset },
            None => Zone { seconds: Some(0), end: at + 1, standard: bytes[at] == b'Z' },
        },
        Some(b'+' | b'-') => numeric(bytes, at).unwrap_or(none(at)),
        Some(b' ') => after_blank(bytes, at, ZoneNames::Known),
        _ => none(at),
    }
}

/// A zone behind one blank: ` UTC`, ` +0100`, ` -07:00`. A name has to be followed by a blank, a colon or the
/// end.
pub(super) fn after_blank(bytes: &[u8], at: usize, names: ZoneNames) -> Zone {
    if bytes.get(at) != Some(&b' ') {
        return none(at);
    }
    match bytes.get(at + 1) {
        // Two digits alone may be anything.
        Some(b'+' | b'-') => match numeric(bytes, at + 1) {
            Some(offset) if offset.end > at + 4 => Zone { standard: false, ..offset },
            _ => none(at),
        },
        Some(b'A'..=b'Z') => named(bytes, at + 1, names).unwrap_or(none(at)),
        _ => none(at),
    }
}

fn none(at: usize) -> Zone {
    Zone { seconds: None, end: at, standard: false }
}

fn numeric(bytes: &[u8], at: usize) -> Option<Zone> {
    let sign = match bytes.get(at)? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let pair = |at: usize| two(*bytes.get(at)?, *bytes.get(at + 1)?).map(i32::from);
    let hours = pair(at + 1)?;
    let colon = bytes.get(at + 3) == Some(&b':');
    let (minutes, end) = match pair(at + 3 + usize::from(colon)) {
        Some(minutes) => (minutes, at + 5 + usize::from(colon)),
        None => (0, at + 3),
    };
    let possible = hours <= 23 && minutes <= 59;
    possible.then_some(Zone {
        seconds: Some(sign * (hours * 60 + minutes) * 60),
        end,
        standard: colon && end == at + 6,
    })
}

fn named(bytes: &[u8], at: usize, names: ZoneNames) -> Option<Zone> {
    /// Longer words are no zones.
    const LONGEST: usize = 10;
    let rest = &bytes[at..];
    let len = rest.iter().take(LONGEST + 1).take_while(|byte| byte.is_ascii_uppercase()).count();
    let name = &rest[..len];
    let end = at + len;
    let known = NAMES.iter().find(|(known, _)| *known == name);
    match (bytes.get(end), known) {
        (None | Some(b' ' | b':'), Some((_, minutes))) => {
            Some(Zone { seconds: Some(minutes * 60), end, standard: false })
        }
        (Some(b':'), None) if names == ZoneNames::Any && (2..=LONGEST).contains(&len) => {
            Some(Zone { seconds: None, end, standard: false })
        }
        _ => None,
    }
}
