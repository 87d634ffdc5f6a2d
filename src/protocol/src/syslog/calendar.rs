//! The Gregorian calendar in whole days. Eras have 400 years; within one, years count from March, so that the
//! leap day is the last.

const DAYS_AN_ERA: i64 = 146_097;
/// From 1 March 0000 to 1 January 1970.
const DAYS_BEFORE_1970: i64 = 719_468;

/// A date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Date {
    pub(super) year: i16,
    pub(super) month: u8,
    pub(super) day: u8,
}

/// Days from 1 January 1970 to a date.
pub(super) fn days_since_1970(date: Date) -> i64 {
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * DAYS_AN_ERA + day_of_era - DAYS_BEFORE_1970
}

/// The date so many days after 1 January 1970: within some 30 000 years of it.
pub(super) fn date(days_since_1970: i64) -> Date {
    let days = days_since_1970 + DAYS_BEFORE_1970;
    let era = days.div_euclid(DAYS_AN_ERA);
    let day_of_era = days.rem_euclid(DAYS_AN_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    Date { year: year as i16, month: month as u8, day: day as u8 }
}

pub(super) fn days_in_month(year: i16, month: u8) -> u8 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_the_range_of_instants_agrees_with_the_calendar() {
        let mut expected = jiff::civil::date(1677, 1, 1);
        let first = days_since_1970(Date { year: 1677, month: 1, day: 1 });
        for days in first..days_since_1970(Date { year: 2263, month: 1, day: 1 }) {
            let found = date(days);
            assert_eq!(
                (i64::from(found.year), i64::from(found.month), i64::from(found.day)),
                (i64::from(expected.year()), i64::from(expected.month()), i64::from(expected.day()))
            );
            assert_eq!(days_since_1970(found), days);
            assert_eq!(
                i64::from(days_in_month(found.year, found.month)),
                i64::from(expected.days_in_month())
            );
            expected = expected.tomorrow().unwrap();
        }
        assert_eq!(date(0), Date { year: 1970, month: 1, day: 1 });
    }
}
