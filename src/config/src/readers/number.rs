//! Numbers: whole ones, sizes, times.

use std::ops::RangeInclusive;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Reader, Wrong, or_placeholder};
use crate::Node;

/// A whole number.
pub(crate) struct Whole<T>(pub(crate) RangeInclusive<T>);

/// A port.
pub(crate) const PORT: Whole<u16> = Whole(1..=u16::MAX);

impl<T: Copy + PartialOrd + TryFrom<u64> + Into<u64>> Reader for Whole<T> {
    type Value = T;

    fn read(&self, node: &Node) -> Result<T, Wrong> {
        let (low, high) = (*self.0.start(), *self.0.end());
        // quoted numbers are taken, too: placeholders are often quoted
        let number = node.as_text().and_then(|text| text.parse::<u64>().ok());
        match number.and_then(|number| T::try_from(number).ok()) {
            Some(number) if self.0.contains(&number) => Ok(number),
            _ => Err(Wrong::new(
                node,
                format!(
                    "write a whole number from {} to {}",
                    Into::<u64>::into(low),
                    Into::<u64>::into(high)
                ),
            )),
        }
    }

    fn placeholder(&self) -> T {
        *self.0.start()
    }

    fn schema(&self) -> Json {
        let (low, high): (u64, u64) = ((*self.0.start()).into(), (*self.0.end()).into());
        or_placeholder(json!({"type": "integer", "minimum": low, "maximum": high}))
    }
}

/// A count of bytes: a number, or one with `KB`, `MB`, `GB` (powers of 1000), `KiB`, `MiB`, `GiB` (of 1024).
pub(crate) struct Bytes(pub(crate) RangeInclusive<u64>);

impl Reader for Bytes {
    type Value = u64;

    fn read(&self, node: &Node) -> Result<u64, Wrong> {
        match node.as_text().and_then(bytes) {
            Some(bytes) if self.0.contains(&bytes) => Ok(bytes),
            _ => {
                let (low, high) = (self.0.start(), self.0.end());
                Err(Wrong::new(
                    node,
                    format!("write a size from {low} to {high} bytes, such as 4096, 32MB or 24MiB"),
                ))
            }
        }
    }

    fn placeholder(&self) -> u64 {
        *self.0.start()
    }

    fn schema(&self) -> Json {
        let (low, high) = (self.0.start(), self.0.end());
        json!({"anyOf": [
            {"type": "integer", "minimum": low, "maximum": high},
            {"type": "string", "pattern": r"^[0-9]+ ?([KMG]i?)?B?$"},
            {"$ref": "#/$defs/placeholder"},
        ]})
    }
}

fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text)?;
    let factor = match unit {
        "" | "B" => 1,
        "KB" | "K" => 1_000,
        "MB" | "M" => 1_000_000,
        "GB" | "G" => 1_000_000_000,
        "KiB" | "Ki" => 1 << 10,
        "MiB" | "Mi" => 1 << 20,
        "GiB" | "Gi" => 1 << 30,
        _ => return None,
    };
    number.checked_mul(factor)
}

/// A duration: seconds, or a number with `ms`, `s`, `m`, `h` or `d`. The range is in seconds.
pub(crate) struct Seconds(pub(crate) RangeInclusive<u64>);

impl Reader for Seconds {
    type Value = Duration;

    fn read(&self, node: &Node) -> Result<Duration, Wrong> {
        let (low, high) = (*self.0.start(), *self.0.end());
        match node.as_text().and_then(duration) {
            Some(time) if Duration::from_secs(low) <= time && time <= Duration::from_secs(high) => Ok(time),
            _ => Err(Wrong::new(
                node,
                format!("write a time from {low} to {high} seconds, such as 30, 250ms, 5m or 2h"),
            )),
        }
    }

    fn placeholder(&self) -> Duration {
        Duration::from_secs(*self.0.start())
    }

    fn schema(&self) -> Json {
        let (low, high) = (self.0.start(), self.0.end());
        json!({"anyOf": [
            {"type": "integer", "minimum": low, "maximum": high},
            {"type": "string", "pattern": r"^[0-9]+ ?(ms|s|m|h|d)?$"},
            {"$ref": "#/$defs/placeholder"},
        ]})
    }
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split_unit(text)?;
    let seconds = match unit {
        "ms" => return Some(Duration::from_millis(number)),
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        "d" => 86_400,
        _ => return None,
    };
    number.checked_mul(seconds).map(Duration::from_secs)
}

/// `24MiB` and `24 MiB` to 24 and `MiB`.
fn split_unit(text: &str) -> Option<(u64, &str)> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_decimal_and_binary_units() {
        let cases = [
            ("4096", Some(4096)),
            ("32MB", Some(32_000_000)),
            ("24MiB", Some(24 << 20)),
            ("24 MiB", Some(24 << 20)),
            ("1GiB", Some(1 << 30)),
            ("1.5MB", None),
            ("-1", None),
            ("MB", None),
            ("99999999999GiB", None),
        ];
        for (text, expected) in cases {
            assert_eq!(bytes(text), expected, "{text}");
        }
    }

    #[test]
    fn times_are_seconds_or_have_a_unit() {
        assert_eq!(duration("30"), Some(Duration::from_secs(30)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(duration("2d"), Some(Duration::from_secs(172_800)));
        assert_eq!(duration("2 weeks"), None);
    }
}
