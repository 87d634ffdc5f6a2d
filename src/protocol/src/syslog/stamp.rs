//! Timestamps as devices write them: recognised in one pass over their bytes, resolved to an instant
//! elsewhere.
//!
//! | form | example |
//! |---|---|
//! | RFC 5424, RFC 3339, ISO 8601 | `2026-11-21T14:30:52.123Z`, `2026-11-21 14:30:52,5 +0100`, `2026/11/21 14:30:52` |
//! | RFC 3164, also with a year, a fraction, a zone, a weekday, unpadded days | `Nov  1 14:30:52`, `Nov 1 2026 14:30:52.1 CET`, `Nov 1 14:30:52 2026` |
//! | NX-OS | `2026 Nov  1 14:30:52 UTC` |
//! | seconds of the epoch (Meraki) | `1647479580.487048774` |

use super::calendar::days_in_month;
use super::zone;

/// What a timestamp's text says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    Civil(Civil),
    /// Nanoseconds since 1970.
    Unix(i64),
    /// A device's uptime, or what stands in a timestamp's place and is none.
    Unknown,
}

/// A date and time of day, as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Civil {
    pub(super) year: Option<i16>,
    pub(super) month: u8,
    pub(super) day: u8,
    pub(super) hour: u8,
    pub(super) minute: u8,
    /// 0 to 60: a leap second is kept.
    pub(super) second: u8,
    pub(super) nanos: u32,
    /// Seconds east of Greenwich, where the text has a zone.
    pub(super) offset: Option<i32>,
}

/// A timestamp at the beginning of some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Recognised {
    pub(super) reading: Reading,
    pub(super) len: usize,
    /// As RFC 5424 §6.2.3 wants it (but up to nine digits of a fraction).
    pub(super) standard: bool,
}

/// Whether a word before a colon may be any zone's name: Cisco devices let their users invent them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZoneNames {
    Known,
    Any,
}

/// The timestamp that `bytes` begin with. It is followed by a blank, a colon, or nothing.
pub(super) fn recognise(bytes: &[u8], zones: ZoneNames) -> Option<Recognised> {
    let found = match bytes.first()? {
        b'0'..=b'9' => iso(bytes).or_else(|| year_first(bytes, zones)).or_else(|| epoch(bytes)),
        b'A'..=b'Z' | b'a'..=b'z' => month_first(bytes, zones),
        _ => None,
    }?;
    matches!(bytes.get(found.len), None | Some(b' ' | b'\t' | b':')).then_some(found)
}

/// Whether bytes begin with a date, `DDDD-DD-DD`, whatever follows and whether or not it exists.
pub(super) fn begins_with_a_date(bytes: &[u8]) -> bool {
    bytes.first_chunk::<10>().is_some_and(|head| {
        head.iter()
            .enumerate()
            .all(|(at, byte)| if at == 4 || at == 7 { *byte == b'-' } else { byte.is_ascii_digit() })
    })
}

fn iso(bytes: &[u8]) -> Option<Recognised> {
    let head = bytes.first_chunk::<11>()?;
    let separator = head[4];
    if !matches!(separator, b'-' | b'/') || head[7] != separator || !matches!(head[10], b'T' | b't' | b' ') {
        return None;
    }
    let year = i16::from(two(head[0], head[1])?) * 100 + i16::from(two(head[2], head[3])?);
    let month = two(head[5], head[6])?;
    let day = two(head[8], head[9])?;
    let time = time(bytes, 11)?;
    let zone = zone::offset(bytes, time.end);
    let civil = civil(Some(year), month, day, &time, zone.seconds)?;
    let standard = separator == b'-' && head[10] == b'T' && time.standard && zone.standard;
    Some(Recognised { reading: Reading::Civil(civil), len: zone.end, standard })
}

/// `Mmm dd [YYYY] hh:mm:ss [YYYY] [zone]`, perhaps with a weekday before it.
fn month_first(bytes: &[u8], zones: ZoneNames) -> Option<Recognised> {
    let (month, mut at) = match month(bytes, 0) {
        Some(month) => (month, 3),
        None if is_weekday(bytes) => (month(bytes, 4)?, 7),
        None => return None,
    };
    let (day, after_day) = day(bytes, at)?;
    at = after_day;
    let mut year = year(bytes, at);
    if year.is_some() {
        at += 5;
    }
    let time = time(bytes, at)?;
    let mut end = time.end;
    if year.is_none()
        && bytes.get(end) == Some(&b' ')
        && let Some(late) = self::year(bytes, end + 1)
    {
        year = Some(late);
        end += 5;
    }
    let zone = zone::after_blank(bytes, end, zones);
    let civil = civil(year, month, day, &time, zone.seconds)?;
    Some(Recognised { reading: Reading::Civil(civil), len: zone.end, standard: false })
}

/// `YYYY Mmm dd hh:mm:ss [zone]`
fn year_first(bytes: &[u8], zones: ZoneNames) -> Option<Recognised> {
    let year = year(bytes, 0)?;
    let month = month(bytes, 5)?;
    let (day, at) = day(bytes, 8)?;
    let time = time(bytes, at)?;
    let zone = zone::after_blank(bytes, time.end, zones);
    let civil = civil(Some(year), month, day, &time, zone.seconds)?;
    Some(Recognised { reading: Reading::Civil(civil), len: zone.end, standard: false })
}

/// Ten digits, perhaps with a fraction: from 2001 to 2286.
fn epoch(bytes: &[u8]) -> Option<Recognised> {
    let mut seconds = 0i64;
    for byte in bytes.first_chunk::<10>()? {
        seconds = seconds * 10 + i64::from(digit(*byte)?);
    }
    let (nanos, len, _) = fraction(bytes, 10);
    let unix = seconds.checked_mul(1_000_000_000)?.checked_add(i64::from(nanos))?;
    Some(Recognised { reading: Reading::Unix(unix), len, standard: false })
}

fn civil(year: Option<i16>, month: u8, day: u8, time: &Time, offset: Option<i32>) -> Option<Civil> {
    // Without a year 29 February exists.
    let possible = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year.unwrap_or(2000), month);
    let Time { hour, minute, second, nanos, .. } = *time;
    possible.then_some(Civil { year, month, day, hour, minute, second, nanos, offset })
}

struct Time {
    hour: u8,
    minute: u8,
    second: u8,
    nanos: u32,
    end: usize,
    standard: bool,
}

/// `hh:mm:ss`, perhaps with a fraction behind a point or comma.
fn time(bytes: &[u8], at: usize) -> Option<Time> {
    let text = bytes.get(at..)?.first_chunk::<8>()?;
    let (hour, minute, second) = (two(text[0], text[1])?, two(text[3], text[4])?, two(text[6], text[7])?);
    if text[2] != b':' || text[5] != b':' || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let (nanos, end, standard) = fraction(bytes, at + 8);
    Some(Time { hour, minute, second, nanos, end, standard: standard && second < 60 })
}

/// A fraction of a second, in nanoseconds; digits beyond them are passed over. Then where it ends, and
/// whether it is standard.
fn fraction(bytes: &[u8], at: usize) -> (u32, usize, bool) {
    let none = (0, at, true);
    let Some(separator @ (b'.' | b',')) = bytes.get(at) else { return none };
    let mut nanos = 0;
    let mut worth = 100_000_000;
    let mut end = at + 1;
    while let Some(digit) = bytes.get(end).and_then(|byte| digit(*byte)) {
        nanos += u32::from(digit) * worth;
        worth /= 10;
        end += 1;
    }
    if end == at + 1 {
        return none;
    }
    (nanos, end, *separator == b'.' && end - at <= 10)
}

fn month(bytes: &[u8], at: usize) -> Option<u8> {
    let name = bytes.get(at..)?.first_chunk::<4>()?;
    if name[3] != b' ' {
        return None;
    }
    Some(match &[name[0] | 0x20, name[1] | 0x20, name[2] | 0x20] {
        b"jan" => 1,
        b"feb" => 2,
        b"mar" => 3,
        b"apr" => 4,
        b"may" => 5,
        b"jun" => 6,
        b"jul" => 7,
        b"aug" => 8,
        b"sep" => 9,
        b"oct" => 10,
        b"nov" => 11,
        b"dec" => 12,
        _ => return None,
    })
}

fn is_weekday(bytes: &[u8]) -> bool {
    bytes.first_chunk::<4>().is_some_and(|name| {
        name[3] == b' '
            && matches!(
                &[name[0] | 0x20, name[1] | 0x20, name[2] | 0x20],
                b"mon" | b"tue" | b"wed" | b"thu" | b"fri" | b"sat" | b"sun"
            )
    })
}

/// The day behind one or two blanks, padded with a blank, a zero, or not; and where the text goes on after
/// it.
fn day(bytes: &[u8], at: usize) -> Option<(u8, usize)> {
    let text = bytes.get(at..)?.first_chunk::<4>()?;
    match text {
        [b' ', b' ', ones, b' '] => Some((digit(*ones)?, at + 4)),
        [b' ', ones, b' ', _] => Some((digit(*ones)?, at + 3)),
        [b' ', tens, ones, b' '] => Some((two(*tens, *ones)?, at + 4)),
        _ => None,
    }
}

/// A year from 1970 to 2099 with a blank, a colon or the end behind it.
fn year(bytes: &[u8], at: usize) -> Option<i16> {
    let text = bytes.get(at..)?.first_chunk::<4>()?;
    let century = two(text[0], text[1])?;
    let year = i16::from(century) * 100 + i16::from(two(text[2], text[3])?);
    let ends = matches!(bytes.get(at + 4), None | Some(b' ' | b':'));
    (ends && (1970..=2099).contains(&year)).then_some(year)
}

pub(super) fn two(tens: u8, ones: u8) -> Option<u8> {
    Some(digit(tens)? * 10 + digit(ones)?)
}

fn digit(byte: u8) -> Option<u8> {
    let digit = byte.wrapping_sub(b'0');
    (digit <= 9).then_some(digit)
}
