//! A message's timestamp: its text, and on demand the instant it means.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::calendar::{Date, date, days_in_month, days_since_1970};
use super::stamp::{Civil, Reading};

const NANOS: i64 = 1_000_000_000;
const SECONDS_A_DAY: i64 = 86_400;

/// What a timestamp's text leaves open.
#[derive(Clone, Debug)]
pub struct Options {
    timezone: TimeZone,
    /// The zone's offset in seconds, where it never changes: then no table is needed.
    fixed_offset: Option<i32>,
    now_unix_nanos: i64,
    /// The year of that instant, in Greenwich.
    year_now: i16,
}

/// A timestamp as it stands in a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timestamp<'a> {
    pub(super) text: &'a [u8],
    pub(super) reading: Reading,
}

// === impl Options ===

impl Options {
    /// `timezone`: of devices that write none. `now_unix_nanos`: the time of reception, from which a missing
    /// year is taken, in nanoseconds since 1970.
    pub fn new(timezone: TimeZone, now_unix_nanos: i64) -> Self {
        let fixed_offset = timezone.to_fixed_offset().ok().map(|offset| offset.seconds());
        Self { timezone, fixed_offset, now_unix_nanos, year_now: year_of(now_unix_nanos) }
    }

    /// Sets another time of reception: once a batch is enough.
    pub fn set_now(&mut self, now_unix_nanos: i64) {
        self.now_unix_nanos = now_unix_nanos;
        self.year_now = year_of(now_unix_nanos);
    }
}

// === impl Timestamp ===

impl<'a> Timestamp<'a> {
    /// The text, as it stands in the message.
    pub fn text(&self) -> &'a [u8] {
        self.text
    }

    /// The instant, in nanoseconds since 1970; `None` where the text is no date (a device's uptime, or
    /// nonsense).
    ///
    /// A text without a zone is in that of the options; a local time that a change of clocks skips or repeats
    /// is read as RFC 5545 says, with the offset before the change. A text without a year is in the latest year
    /// in which it is not more than a day after the time of reception: in January a message of December is
    /// last year's, and a clock that is a few hours fast does not make messages a year old.
    pub fn unix_nanos(&self, options: &Options) -> Option<i64> {
        let civil = match self.reading {
            Reading::Civil(civil) => civil,
            Reading::Unix(nanos) => return Some(nanos),
            Reading::Unknown => return None,
        };
        if let Some(year) = civil.year {
            return in_year(&civil, year, options);
        }
        /// 29 February can be eight years back (1896 to 1904, 2096 to 2104).
        const YEARS_BACK: i16 = 8;
        let latest = options.now_unix_nanos.saturating_add(SECONDS_A_DAY * NANOS);
        (options.year_now - YEARS_BACK..=options.year_now + 1)
            .rev()
            .filter(|year| civil.day <= days_in_month(*year, civil.month))
            .find_map(|year| in_year(&civil, year, options).filter(|nanos| *nanos <= latest))
    }
}

fn in_year(civil: &Civil, year: i16, options: &Options) -> Option<i64> {
    let Some(offset) = civil.offset.or(options.fixed_offset) else {
        return in_zone(civil, year, &options.timezone);
    };
    let seconds = days_since_1970(Date { year, month: civil.month, day: civil.day }) * SECONDS_A_DAY
        + i64::from(civil.hour) * 3600
        + i64::from(civil.minute) * 60
        + i64::from(civil.second)
        - i64::from(offset);
    seconds.checked_mul(NANOS)?.checked_add(i64::from(civil.nanos))
}

fn in_zone(civil: &Civil, year: i16, zone: &TimeZone) -> Option<i64> {
    let small = |value: u8| i8::try_from(value).ok();
    let at = DateTime::new(
        year,
        small(civil.month)?,
        small(civil.day)?,
        small(civil.hour)?,
        small(civil.minute)?,
        // jiff has no leap seconds.
        small(civil.second.min(59))?,
        i32::try_from(civil.nanos).ok()?,
    );
    let instant = zone.to_ambiguous_timestamp(at.ok()?).compatible().ok()?;
    i64::try_from(instant.as_nanosecond()).ok()
}

/// The year of an instant, in Greenwich.
fn year_of(unix_nanos: i64) -> i16 {
    date(unix_nanos.div_euclid(SECONDS_A_DAY * NANOS)).year
}

#[cfg(test)]
mod tests {
    use super::super::stamp::{ZoneNames, recognise};
    use super::*;

    fn resolve(text: &str, zone: &str, now: &str) -> Option<String> {
        let now: jiff::Timestamp = now.parse().unwrap();
        let options = Options::new(TimeZone::get(zone).unwrap(), now.as_nanosecond() as i64);
        let reading = recognise(text.as_bytes(), ZoneNames::Known)?.reading;
        let nanos = Timestamp { text: text.as_bytes(), reading }.unix_nanos(&options)?;
        Some(jiff::Timestamp::from_nanosecond(i128::from(nanos)).unwrap().to_string())
    }

    #[test]
    fn a_missing_year_is_the_latest_that_is_not_more_than_a_day_ahead() {
        let at = |text, now| resolve(text, "UTC", now).unwrap();
        assert_eq!(at("Dec 31 23:59:59", "2026-01-01T00:00:10Z"), "2025-12-31T23:59:59Z");
        assert_eq!(at("Jan  1 00:00:10", "2025-12-31T23:59:59Z"), "2026-01-01T00:00:10Z");
        assert_eq!(at("Nov 22 12:00:00", "2026-11-21T13:00:00Z"), "2026-11-22T12:00:00Z");
        assert_eq!(at("Nov 22 14:00:00", "2026-11-21T13:00:00Z"), "2025-11-22T14:00:00Z");
        assert_eq!(at("Feb 29 00:00:00", "2026-11-21T13:00:00Z"), "2024-02-29T00:00:00Z");
    }

    #[test]
    fn a_text_without_a_zone_is_in_the_zone_given() {
        let at = |text| resolve(text, "Europe/Vienna", "2026-11-21T13:00:00Z").unwrap();
        assert_eq!(at("2026-07-01 12:00:00"), "2026-07-01T10:00:00Z");
        assert_eq!(at("2026-01-01 12:00:00.5"), "2026-01-01T11:00:00.5Z");
        assert_eq!(at("2026-01-01 12:00:00 EST"), "2026-01-01T17:00:00Z");
        assert_eq!(at("2026-01-01T12:00:00-07"), "2026-01-01T19:00:00Z");
    }
}
