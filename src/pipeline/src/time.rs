//! Layouts of times: Java's letters (`yyyy-MM-dd'T'HH:mm:ss.SSSX`) and Go's reference time
//! (`2006-01-02T15:04:05.000Z07:00`), for reading and for writing.

use jiff::Zoned;
use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::{Offset, TimeZone};
use std::fmt::Write as _;

/// A layout, in pieces.
#[derive(Clone, Debug)]
pub struct Layout {
    pieces: Vec<Piece>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(String),
    Year(u8),
    WeekYear,
    Week,
    Month(u8),
    MonthName {
        short: bool,
    },
    Day(u8),
    DayOfYear,
    Hour(u8),
    Hour12(u8),
    Minute(u8),
    Second(u8),
    Fraction(u8),
    AmPm,
    Weekday {
        short: bool,
    },
    /// An offset; `Z` where it is zero if so asked.
    Offset {
        colon: bool,
        z: bool,
    },
    ZoneName,
}

/// What a text says, as far as it does.
#[derive(Clone, Debug)]
struct Parsed {
    year: Option<i16>,
    week_year: Option<i16>,
    week: Option<i8>,
    month: i8,
    day: i8,
    day_of_year: Option<i16>,
    hour: i8,
    afternoon: Option<bool>,
    minute: i8,
    second: i8,
    nanos: i32,
    zone: Option<TimeZone>,
}

const MONTHS: [&str; 12] = [
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
];
const DAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];

impl Layout {
    /// Reads a layout; one with Go's reference year, hour or month name is Go's.
    ///
    /// # Errors
    /// Which letter has no meaning.
    pub fn compile(text: &str) -> Result<Self, String> {
        let is_go = ["2006", "15:04", "03:04", "3:04", "Jan", "01/02", "02/01"]
            .iter()
            .any(|mark| text.contains(mark));
        let pieces = if is_go { go(text) } else { java(text)? };
        if pieces.iter().all(|piece| matches!(piece, Piece::Text(_))) {
            return Err(format!("the time format {text:?} has nothing to read"));
        }
        Ok(Self { pieces })
    }

    /// The instant that a text means. A zone it leaves out is `zone`; a year it leaves out is the latest one in which it is
    /// not more than a day after `now`.
    pub fn parse(&self, text: &str, zone: &TimeZone, now: &Zoned) -> Option<Zoned> {
        let mut parsed = Parsed {
            year: None,
            week_year: None,
            week: None,
            month: 1,
            day: 1,
            day_of_year: None,
            hour: 0,
            afternoon: None,
            minute: 0,
            second: 0,
            nanos: 0,
            zone: None,
        };
        let mut rest = text;
        for piece in &self.pieces {
            rest = read(piece, rest, &mut parsed)?;
        }
        rest.is_empty().then(|| parsed.resolve(zone, now)).flatten()
    }

    /// A time in this layout.
    pub fn format(&self, time: &Zoned, out: &mut String) {
        for piece in &self.pieces {
            write(piece, time, out);
        }
    }
}

impl Parsed {
    fn resolve(&self, zone: &TimeZone, now: &Zoned) -> Option<Zoned> {
        let zone = self.zone.as_ref().unwrap_or(zone);
        let hour = match self.afternoon {
            Some(afternoon) => self.hour % 12 + if afternoon { 12 } else { 0 },
            None => self.hour,
        };
        let at = |year: i16| -> Option<Zoned> {
            let date = match (self.week, self.day_of_year) {
                (Some(week), _) => {
                    jiff::civil::ISOWeekDate::new(self.week_year.unwrap_or(year), week, Weekday::Monday)
                        .ok()?
                        .date()
                }
                (None, Some(day)) => Date::new(year, 1, 1)
                    .ok()?
                    .checked_add(jiff::Span::new().days(i64::from(day) - 1))
                    .ok()?,
                (None, None) => Date::new(year, self.month, self.day).ok()?,
            };
            // A leap second counts as the one before it.
            let time = DateTime::new(
                date.year(),
                date.month(),
                date.day(),
                hour,
                self.minute,
                self.second.min(59),
                self.nanos,
            );
            time.ok()?.to_zoned(zone.clone()).ok()
        };
        match self.year.or(self.week_year) {
            Some(year) => at(year),
            None => {
                let this = at(now.year());
                let limit = now.timestamp().as_second() + 86_400;
                match this {
                    Some(time) if time.timestamp().as_second() <= limit => Some(time),
                    _ => at(now.year() - 1),
                }
            }
        }
    }
}

/// Digits at the beginning: at least one, at most `most`.
fn digits(text: &str, most: usize) -> Option<(i64, &str)> {
    let len = text.bytes().take(most).take_while(u8::is_ascii_digit).count();
    let number = text.get(..len)?.parse().ok()?;
    Some((number, &text[len..]))
}

fn small(text: &str, most: usize) -> Option<(i8, &str)> {
    let (number, rest) = digits(text, most)?;
    Some((i8::try_from(number).ok()?, rest))
}

fn name<'t>(text: &'t str, names: &[&str]) -> Option<(usize, &'t str)> {
    let word = text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let lower = text[..word].to_ascii_lowercase();
    // Whole names, then three letters, as many as the text has.
    let found = names.iter().position(|name| lower == *name).map(|at| (at, word));
    let short =
        || names.iter().position(|name| lower.len() >= 3 && name.starts_with(&lower)).map(|at| (at, word));
    let (at, len) = found.or_else(short)?;
    Some((at, &text[len..]))
}

fn read<'t>(piece: &Piece, text: &'t str, parsed: &mut Parsed) -> Option<&'t str> {
    let rest = match piece {
        Piece::Text(wanted) => text.strip_prefix(wanted.as_str())?,
        Piece::Year(2) => {
            let (year, rest) = digits(text, 2)?;
            parsed.year = Some(year as i16 + if year < 70 { 2000 } else { 1900 });
            rest
        }
        Piece::Year(_) => {
            let (year, rest) = digits(text, 4)?;
            parsed.year = Some(year as i16);
            rest
        }
        Piece::WeekYear => {
            let (year, rest) = digits(text, 4)?;
            parsed.week_year = Some(year as i16);
            rest
        }
        Piece::Week => {
            let (week, rest) = small(text, 2)?;
            parsed.week = Some(week);
            rest
        }
        Piece::Month(_) => {
            let (month, rest) = small(text, 2)?;
            parsed.month = month;
            rest
        }
        Piece::MonthName { .. } => {
            let (month, rest) = name(text, &MONTHS)?;
            parsed.month = month as i8 + 1;
            rest
        }
        Piece::Day(_) => {
            let (day, rest) = small(text.trim_start_matches(' '), 2)?;
            parsed.day = day;
            rest
        }
        Piece::DayOfYear => {
            let (day, rest) = digits(text, 3)?;
            parsed.day_of_year = Some(day as i16);
            rest
        }
        Piece::Hour(_) | Piece::Hour12(_) => {
            let (hour, rest) = small(text, 2)?;
            parsed.hour = if hour == 24 { 0 } else { hour };
            rest
        }
        Piece::Minute(_) => {
            let (minute, rest) = small(text, 2)?;
            parsed.minute = minute;
            rest
        }
        Piece::Second(_) => {
            let (second, rest) = small(text, 2)?;
            parsed.second = second;
            rest
        }
        Piece::Fraction(_) => {
            let (nanos, rest) = fraction(text)?;
            parsed.nanos = nanos;
            rest
        }
        Piece::AmPm => {
            let mark = text.get(..2)?.to_ascii_lowercase();
            parsed.afternoon = Some(match mark.as_str() {
                "pm" => true,
                "am" => false,
                _ => return None,
            });
            &text[2..]
        }
        Piece::Weekday { .. } => name(text, &DAYS)?.1,
        Piece::Offset { .. } => {
            let (zone, rest) = offset(text)?;
            parsed.zone = Some(zone);
            rest
        }
        Piece::ZoneName => {
            let (zone, rest) = zone_name(text)?;
            parsed.zone = Some(zone);
            rest
        }
    };
    Some(rest)
}

/// Digits behind the point as nanoseconds; more than nine are cut.
fn fraction(text: &str) -> Option<(i32, &str)> {
    let len = text.bytes().take_while(u8::is_ascii_digit).count();
    if len == 0 {
        return None;
    }
    let kept: i32 = text[..len.min(9)].parse().ok()?;
    Some((kept * 10i32.pow(9 - len.min(9) as u32), &text[len..]))
}

/// `Z`, `+01`, `+0100`, `+01:00`, with a second's part never.
fn offset(text: &str) -> Option<(TimeZone, &str)> {
    if let Some(rest) = text.strip_prefix(['Z', 'z']) {
        return Some((TimeZone::UTC, rest));
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return zone_name(text),
    };
    let (hours, rest) = digits(&text[1..], 2)?;
    let behind = rest.strip_prefix(':').unwrap_or(rest);
    let (minutes, rest) = digits(behind, 2).unwrap_or((0, rest));
    let offset = Offset::from_seconds(sign * (hours * 3600 + minutes * 60) as i32).ok()?;
    Some((TimeZone::fixed(offset), rest))
}

fn zone_name(text: &str) -> Option<(TimeZone, &str)> {
    if text.starts_with(['+', '-']) {
        return offset(text);
    }
    let len = text.find(|c: char| !c.is_ascii_alphanumeric() && !"/_+-".contains(c)).unwrap_or(text.len());
    let (word, rest) = text.split_at(len);
    Some((zone(word)?, rest))
}

/// A time zone by its name, abbreviation (of North America and Europe) or offset.
pub fn zone(name: &str) -> Option<TimeZone> {
    let hours = |hours: i8| Some(TimeZone::fixed(Offset::constant(hours)));
    match name {
        "UTC" | "GMT" | "Z" | "UT" => return Some(TimeZone::UTC),
        "EST" => return hours(-5),
        "EDT" => return hours(-4),
        "CST" => return hours(-6),
        "CDT" => return hours(-5),
        "MST" => return hours(-7),
        "MDT" => return hours(-6),
        "PST" => return hours(-8),
        "PDT" => return hours(-7),
        "CET" | "BST" => return hours(1),
        "CEST" | "EET" => return hours(2),
        "EEST" | "MSK" => return hours(3),
        _ => {}
    }
    let bare = ["GMT", "UTC", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name);
    if bare.starts_with(['+', '-']) {
        return offset(bare).filter(|(_, rest)| rest.is_empty()).map(|(zone, _)| zone);
    }
    TimeZone::get(name).ok()
}

fn write(piece: &Piece, time: &Zoned, out: &mut String) {
    // Writing to a string can't fail.
    let _ = match piece {
        Piece::Text(text) => write!(out, "{text}"),
        Piece::Year(2) => write!(out, "{:02}", time.year().rem_euclid(100)),
        Piece::Year(_) | Piece::WeekYear => write!(out, "{:04}", time.year()),
        Piece::Week => write!(out, "{:02}", time.date().iso_week_date().week()),
        Piece::Month(width) => write!(out, "{:0w$}", time.month(), w = usize::from(*width)),
        Piece::MonthName { short } => write!(out, "{}", titled(MONTHS[time.month() as usize - 1], *short)),
        Piece::Day(width) => write!(out, "{:0w$}", time.day(), w = usize::from(*width)),
        Piece::DayOfYear => write!(out, "{:03}", time.day_of_year()),
        Piece::Hour(width) => write!(out, "{:0w$}", time.hour(), w = usize::from(*width)),
        Piece::Hour12(width) => write!(out, "{:0w$}", (time.hour() + 11) % 12 + 1, w = usize::from(*width)),
        Piece::Minute(width) => write!(out, "{:0w$}", time.minute(), w = usize::from(*width)),
        Piece::Second(width) => write!(out, "{:0w$}", time.second(), w = usize::from(*width)),
        Piece::Fraction(width) => {
            let nanos = format!("{:09}", time.subsec_nanosecond());
            write!(out, "{}", &nanos[..usize::from(*width).min(9)])
        }
        Piece::AmPm => write!(out, "{}", if time.hour() < 12 { "AM" } else { "PM" }),
        Piece::Weekday { short } => {
            let day = DAYS[time.weekday().to_monday_zero_offset() as usize];
            write!(out, "{}", titled(day, *short))
        }
        Piece::Offset { colon, z } => write_offset(time.offset().seconds(), *colon, *z, out),
        Piece::ZoneName => write!(out, "{}", time.strftime("%Z")),
    };
}

fn titled(name: &str, short: bool) -> String {
    let name = if short { &name[..3] } else { name };
    name[..1].to_ascii_uppercase() + &name[1..]
}

fn write_offset(seconds: i32, colon: bool, z: bool, out: &mut String) -> std::fmt::Result {
    if seconds == 0 && z {
        return write!(out, "Z");
    }
    let (sign, minutes) = (if seconds < 0 { '-' } else { '+' }, seconds.abs() / 60);
    write!(out, "{sign}{:02}{}{:02}", minutes / 60, if colon { ":" } else { "" }, minutes % 60)
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    match pieces.last_mut() {
        Some(Piece::Text(before)) => before.push_str(text),
        _ => pieces.push(Piece::Text(text.to_owned())),
    }
}

fn java(text: &str) -> Result<Vec<Piece>, String> {
    let has_week = text.contains('w');
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        if letter == '\'' {
            if let Some(behind) = rest.strip_prefix("''") {
                push_text(&mut pieces, "'");
                rest = behind;
                continue;
            }
            let (quoted, behind) = rest[1..]
                .split_once('\'')
                .ok_or_else(|| format!("the time format {text:?} has an open quote"))?;
            push_text(&mut pieces, quoted);
            rest = behind;
            continue;
        }
        if !letter.is_ascii_alphabetic() {
            push_text(&mut pieces, &rest[..letter.len_utf8()]);
            rest = &rest[letter.len_utf8()..];
            continue;
        }
        let count = rest.bytes().take_while(|byte| *byte == letter as u8).count();
        rest = &rest[count..];
        let width = count.min(9) as u8;
        pieces.push(match letter {
            'y' | 'u' if count == 2 => Piece::Year(2),
            'Y' if has_week => Piece::WeekYear,
            'y' | 'u' | 'Y' => Piece::Year(4),
            'w' => Piece::Week,
            'M' | 'L' if count >= 3 => Piece::MonthName { short: count == 3 },
            'M' | 'L' => Piece::Month(width),
            'd' => Piece::Day(width),
            'D' => Piece::DayOfYear,
            'H' | 'k' => Piece::Hour(width),
            'h' | 'K' => Piece::Hour12(width),
            'm' => Piece::Minute(width),
            's' => Piece::Second(width),
            'S' | 'n' => Piece::Fraction(width),
            'a' => Piece::AmPm,
            'E' | 'e' => Piece::Weekday { short: count <= 3 },
            'Z' => Piece::Offset { colon: count > 1, z: false },
            'X' => Piece::Offset { colon: count > 2, z: true },
            'x' => Piece::Offset { colon: count > 2, z: false },
            'z' | 'V' | 'v' => Piece::ZoneName,
            // What Java quotes, people don't: the letter between date and time.
            'T' => Piece::Text("T".to_owned()),
            _ => return Err(format!("the time format {text:?} has {letter:?}, which has no meaning")),
        });
    }
    Ok(pieces)
}

/// Go's elements, longest first.
const GO: [(&str, Piece); 33] = [
    ("January", Piece::MonthName { short: false }),
    ("Jan", Piece::MonthName { short: true }),
    ("Monday", Piece::Weekday { short: false }),
    ("Mon", Piece::Weekday { short: true }),
    ("MST", Piece::ZoneName),
    ("2006", Piece::Year(4)),
    ("Z07:00", Piece::Offset { colon: true, z: true }),
    ("Z0700", Piece::Offset { colon: false, z: true }),
    ("-07:00", Piece::Offset { colon: true, z: false }),
    ("-0700", Piece::Offset { colon: false, z: false }),
    ("-07", Piece::Offset { colon: false, z: false }),
    ("002", Piece::DayOfYear),
    ("000000000", Piece::Fraction(9)),
    ("000000", Piece::Fraction(6)),
    ("000", Piece::Fraction(3)),
    ("999999999", Piece::Fraction(9)),
    ("999999", Piece::Fraction(6)),
    ("999", Piece::Fraction(3)),
    ("PM", Piece::AmPm),
    ("pm", Piece::AmPm),
    ("15", Piece::Hour(2)),
    ("01", Piece::Month(2)),
    ("02", Piece::Day(2)),
    ("_2", Piece::Day(1)),
    ("03", Piece::Hour12(2)),
    ("04", Piece::Minute(2)),
    ("05", Piece::Second(2)),
    ("06", Piece::Year(2)),
    ("1", Piece::Month(1)),
    ("2", Piece::Day(1)),
    ("3", Piece::Hour12(1)),
    ("4", Piece::Minute(1)),
    ("5", Piece::Second(1)),
];

fn go(text: &str) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let found = GO.iter().find(|(element, _)| rest.starts_with(element));
        match found {
            Some((element, piece)) => {
                pieces.push(piece.clone());
                rest = &rest[element.len()..];
            }
            None => {
                push_text(&mut pieces, &rest[..next.len_utf8()]);
                rest = &rest[next.len_utf8()..];
            }
        }
    }
    pieces
}

/// ISO 8601 in its usual shapes: a date, perhaps a time, perhaps a zone.
pub fn parse_iso(text: &str, default_zone: &TimeZone) -> Option<Zoned> {
    let (date, rest) = match text.find(['T', ' ']) {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, ""),
    };
    let mut parts = date.split('-');
    let year = parts.next().filter(|year| year.len() == 4)?.parse().ok()?;
    let month = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let day = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    if parts.next().is_some() {
        return None;
    }
    let clock_len = rest.find(|c: char| !c.is_ascii_digit() && !":.,".contains(c)).unwrap_or(rest.len());
    let (clock, zone_text) = rest.split_at(clock_len);
    let (clock, nanos) = match clock.split_once(['.', ',']) {
        Some((clock, digits)) => (clock, fraction(digits).filter(|(_, rest)| rest.is_empty())?.0),
        None => (clock, 0),
    };
    let mut parts = clock.split(':').filter(|part| !part.is_empty());
    let mut next = || parts.next().map_or(Some(0), |part| part.parse::<i8>().ok());
    let (hour, minute, second) = (next()?, next()?, next()?);
    let zone = match zone_text.trim_start() {
        "" => default_zone.clone(),
        text => offset(text).filter(|(_, rest)| rest.is_empty())?.0,
    };
    DateTime::new(year, month, day, hour, minute, second.min(59), nanos).ok()?.to_zoned(zone).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Zoned {
        "2024-01-10T00:00:00Z[UTC]".parse().expect("a time")
    }

    fn parsed(layout: &str, text: &str) -> Option<String> {
        let layout = Layout::compile(layout).expect("valid");
        layout.parse(text, &TimeZone::UTC, &now()).map(|time| time.timestamp().to_string())
    }

    #[test]
    fn java_s_letters_and_go_s_reference_time_are_read() {
        let cases = [
            ("dd/MMM/yyyy:H:m:s Z", "10/Aug/2018:09:45:56 +0200", "2018-08-10T07:45:56Z"),
            ("yyyy-MM-dd'T'HH:mm:ss.SSSZZ", "2018-02-05T13:44:56.657+0100", "2018-02-05T12:44:56.657Z"),
            ("2006-01-02 15:04:05", "2020-02-29 23:59:59", "2020-02-29T23:59:59Z"),
            ("Jan _2 15:04:05", "Dec  9 10:00:00", "2023-12-09T10:00:00Z"),
            ("01/02/2006 03:04:05 PM", "07/04/2021 12:30:00 AM", "2021-07-04T00:30:00Z"),
            ("YYYY-ww", "2020-33", "2020-08-10T00:00:00Z"),
        ];
        for (layout, text, instant) in cases {
            assert_eq!(parsed(layout, text).as_deref(), Some(instant), "{layout}");
        }
    }

    #[test]
    fn what_does_not_fit_is_no_time() {
        assert_eq!(parsed("yyyy-MM-dd", "2020-13-01"), None);
        assert_eq!(parsed("yyyy-MM-dd", "2020-12-01x"), None);
        assert!(Layout::compile("yyyy-bb").is_err());
    }

    #[test]
    fn iso_times_may_leave_out_their_ends() {
        let iso = |text| parse_iso(text, &TimeZone::UTC).map(|time| time.timestamp().to_string());
        assert_eq!(iso("2001-01-01").as_deref(), Some("2001-01-01T00:00:00Z"));
        assert_eq!(iso("2001-11-06 20:45:45.123-0000").as_deref(), Some("2001-11-06T20:45:45.123Z"));
        assert_eq!(iso("2001-09-05T16:36+07").as_deref(), Some("2001-09-05T09:36:00Z"));
        assert_eq!(iso("01-01-2001"), None);
    }

    #[test]
    fn a_layout_writes_what_it_reads() {
        let layout = Layout::compile("2006-01-02T15:04:05.000Z07:00").expect("valid");
        let mut out = String::new();
        layout.format(&now(), &mut out);
        assert_eq!(out, "2024-01-10T00:00:00.000Z");
    }
}
