//! Times as people write them: `250ms`, `5s`, `-1h30m`, or a number of seconds.

use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// A length of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A difference between two times of day, either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shift {
    /// Milliseconds; negative: back.
    pub millis: i64,
}

/// A text that is no time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is no time; write a number with ms, s, m, h or d, such as 250ms, 5s or 1h30m")]
pub struct NoTime(String);

const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Milliseconds of a text without a sign.
fn millis(text: &str) -> Option<i64> {
    if let Ok(seconds) = text.parse::<f64>() {
        let millis = seconds * 1000.0;
        return (millis.is_finite() && (0.0..9e15).contains(&millis)).then_some(millis.round() as i64);
    }
    let (mut rest, mut sum) = (text, 0u64);
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at(digits);
        let letters = after.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        let (_, each) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum = sum.checked_add(number.parse::<u64>().ok()?.checked_mul(*each)?)?;
        rest = after;
    }
    (!text.is_empty()).then(|| i64::try_from(sum).ok()).flatten()
}

/// As text: the largest unit that divides it.
fn text(millis: u64) -> String {
    let unit = UNITS.iter().rev().find(|(_, each)| millis.is_multiple_of(*each) && millis > 0);
    let (name, each) = unit.unwrap_or(&UNITS[1]);
    format!("{}{name}", millis / each)
}

// === impl Span ===

impl FromStr for Span {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let millis = millis(text.trim()).ok_or_else(|| NoTime(text.to_owned()))?;
        Ok(Self(Duration::from_millis(millis.unsigned_abs())))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&text(u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX)))
    }
}

// === impl Shift ===

impl FromStr for Shift {
    type Err = NoTime;

    fn from_str(text: &str) -> Result<Self, NoTime> {
        let trimmed = text.trim();
        let (sign, rest) = match trimmed.strip_prefix('-') {
            Some(rest) => (-1, rest),
            None => (1, trimmed.strip_prefix('+').unwrap_or(trimmed)),
        };
        let millis = millis(rest).ok_or_else(|| NoTime(text.to_owned()))?;
        Ok(Self { millis: sign * millis })
    }
}

impl fmt::Display for Shift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.millis < 0 { "-" } else { "" };
        write!(f, "{sign}{}", text(self.millis.unsigned_abs()))
    }
}

// === serde ===

struct Read<T>(std::marker::PhantomData<T>);

impl<T: FromStr<Err = NoTime>> Visitor<'_> for Read<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a time such as 250ms, 5s or 1h30m, or a number of seconds")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<T, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_i64<E: de::Error>(self, seconds: i64) -> Result<T, E> {
        self.visit_str(&seconds.to_string())
    }

    fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<T, E> {
        self.visit_str(&seconds.to_string())
    }
}

macro_rules! serde_as_text {
    ($type:ty) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(Read(std::marker::PhantomData))
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

serde_as_text!(Span);
serde_as_text!(Shift);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_and_written_as_people_do() {
        for (text, millis, shown) in [
            ("250ms", 250, "250ms"),
            ("5s", 5000, "5s"),
            ("1h30m", 5_400_000, "90m"),
            ("2", 2000, "2s"),
            ("0.5", 500, "500ms"),
            ("1d", 86_400_000, "1d"),
            ("0s", 0, "0s"),
        ] {
            let span: Span = text.parse().expect(text);
            assert_eq!((span.0, span.to_string()), (Duration::from_millis(millis), shown.to_owned()));
        }
        assert_eq!("-1h".parse(), Ok(Shift { millis: -3_600_000 }));
        assert_eq!(Shift { millis: -90_000 }.to_string(), "-90s");
        for wrong in ["", "s", "5 s", "5x", "-5s", "1e99", "99999999999999999d", "+-5s"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        let told = "5 min".parse::<Span>().expect_err("no time").to_string();
        assert_eq!(
            told,
            "\"5 min\" is no time; write a number with ms, s, m, h or d, such as 250ms, 5s or 1h30m"
        );
    }
}
