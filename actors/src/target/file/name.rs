//! Names of files from a template: `vmetric.{{.Timestamp}}.{{.Extension}}`.

use event::UnixNanos;
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt::Write as _;

/// A compiled template. What does not change while a target runs is put in at once.
#[derive(Clone, Debug)]
pub struct NameTemplate {
    pieces: Vec<Piece>,
    zone: TimeZone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Text(String),
    Year,
    Month,
    Day,
    Timestamp,
}

/// What a template can name besides the time.
#[derive(Clone, Copy, Debug)]
pub struct NameParts<'a> {
    /// `{{.Format}}`
    pub format: &'a str,
    /// `{{.Extension}}`
    pub extension: &'a str,
    /// `{{.Compression}}`
    pub compression: &'a str,
    /// `{{.TargetName}}`
    pub target: &'a str,
}

/// Why a template is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// A name that no template has.
    #[error(
        "unknown name \"{0}\" in the template of file names; known are .Year, .Month, .Day, .Timestamp, .Format, \
         .Extension, .Compression, .TargetName and .TargetType"
    )]
    Unknown(String),
    /// Braces that are opened and not closed.
    #[error("\"{{{{\" in the template of file names is not closed; add \"}}}}\"")]
    NotClosed,
    /// A way out of the folder.
    #[error("the template of file names leaves the folder of the target; write a name below it")]
    Outside,
}

impl NameTemplate {
    /// Compiles a template; days are those of `zone`.
    ///
    /// # Errors
    /// Where a name is unknown, a brace not closed, or the result could lie outside the folder.
    pub fn compile(template: &str, parts: &NameParts<'_>, zone: TimeZone) -> Result<Self, NameError> {
        let mut pieces = Vec::new();
        let mut rest = template;
        while let Some((text, tail)) = rest.split_once("{{") {
            pieces.push(Piece::Text(text.to_owned()));
            let (name, tail) = tail.split_once("}}").ok_or(NameError::NotClosed)?;
            pieces.push(match name.trim() {
                ".Year" => Piece::Year,
                ".Month" => Piece::Month,
                ".Day" => Piece::Day,
                ".Timestamp" => Piece::Timestamp,
                ".Format" => Piece::Text(parts.format.to_owned()),
                ".Extension" => Piece::Text(parts.extension.to_owned()),
                ".Compression" => Piece::Text(parts.compression.to_owned()),
                ".TargetName" => Piece::Text(parts.target.replace('/', "_")),
                ".TargetType" => Piece::Text("file".to_owned()),
                name => return Err(NameError::Unknown(name.to_owned())),
            });
            rest = tail;
        }
        pieces.push(Piece::Text(rest.to_owned()));
        let template = Self { pieces, zone };
        let name = template.render(0);
        if name.starts_with('/') || name.ends_with('/') || name.split('/').any(|part| part == "..") {
            return Err(NameError::Outside);
        }
        Ok(template)
    }

    /// The name at a time.
    pub fn render(&self, now: UnixNanos) -> String {
        self.write(now, true)
    }

    /// What is the same in all names that one file could have: a file whose period is over is complete.
    pub fn period(&self, now: UnixNanos) -> String {
        self.write(now, false)
    }

    /// Whether no name comes twice.
    pub fn is_unique(&self) -> bool {
        self.pieces.contains(&Piece::Timestamp)
    }

    /// Whether a name could have been made by this template.
    pub fn matches(&self, name: &str) -> bool {
        let mut rest = name;
        for piece in &self.pieces {
            let tail = match piece {
                Piece::Text(text) => rest.strip_prefix(text.as_str()),
                Piece::Year => after_digits(rest, 4),
                Piece::Month | Piece::Day => after_digits(rest, 2),
                Piece::Timestamp => {
                    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                    after_digits(rest, digits.max(1))
                }
            };
            let Some(tail) = tail else { return false };
            rest = tail;
        }
        rest.is_empty()
    }

    fn write(&self, now: UnixNanos, with_timestamp: bool) -> String {
        let date = self.date(now);
        let mut name = String::new();
        for piece in &self.pieces {
            // Writing to a string can't fail.
            let _ = match piece {
                Piece::Text(text) => name.write_str(text),
                Piece::Year => write!(name, "{:04}", date.year()),
                Piece::Month => write!(name, "{:02}", date.month()),
                Piece::Day => write!(name, "{:02}", date.day()),
                Piece::Timestamp if with_timestamp => write!(name, "{now}"),
                Piece::Timestamp => Ok(()),
            };
        }
        name
    }

    fn date(&self, now: UnixNanos) -> Date {
        // A u64 of nanoseconds ends in the year 2554, far within what a timestamp can be.
        let instant = Timestamp::from_nanosecond(i128::from(now)).unwrap_or(Timestamp::UNIX_EPOCH);
        instant.to_zoned(self.zone.clone()).date()
    }
}

fn after_digits(text: &str, count: usize) -> Option<&str> {
    let (digits, tail) = text.split_at_checked(count)?;
    digits.bytes().all(|b| b.is_ascii_digit()).then_some(tail)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2023-11-14 22:13:20 UTC
    const NOW: UnixNanos = 1_700_000_000_000_000_000;
    const DAY: UnixNanos = 86_400_000_000_000;

    fn compile(template: &str) -> Result<NameTemplate, NameError> {
        let parts = NameParts { format: "raw", extension: "log.gz", compression: "gzip", target: "a/b" };
        NameTemplate::compile(template, &parts, TimeZone::UTC)
    }

    #[test]
    fn all_names_are_known() {
        let all = "{{.Year}}-{{ .Month }}-{{.Day}}/{{.TargetName}}.{{.TargetType}}.{{.Format}}.{{.Compression}}.\
                   {{.Timestamp}}.{{.Extension}}";
        assert_eq!(
            compile(all).unwrap().render(NOW),
            "2023-11-14/a_b.file.raw.gzip.1700000000000000000.log.gz"
        );
    }

    #[test]
    fn mistakes_are_named() {
        assert_eq!(compile("{{.Colour}}").unwrap_err(), NameError::Unknown(".Colour".to_owned()));
        assert_eq!(compile("a{{.Year").unwrap_err(), NameError::NotClosed);
        assert_eq!(compile("../{{.Year}}").unwrap_err(), NameError::Outside);
    }

    #[test]
    fn a_name_is_recognised_as_one_of_its_template() {
        let template = compile("out.{{.Timestamp}}.{{.Extension}}").unwrap();
        assert!(template.matches(&template.render(NOW)));
        for other in ["out..log.gz", "out.12x.log.gz", "out.12.log", "xout.12.log.gz", "out.12.log.gzz"] {
            assert!(!template.matches(other), "{other}");
        }
    }

    #[test]
    fn the_period_of_a_day_ends_with_the_day() {
        let template = compile("{{.Year}}{{.Month}}{{.Day}}.{{.Timestamp}}").unwrap();
        assert_eq!(template.period(NOW), template.period(NOW + 1));
        assert_ne!(template.period(NOW), template.period(NOW + DAY));
        assert!(template.is_unique());
    }
}
